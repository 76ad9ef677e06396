"""`--base`: what a branch may not do to what is on the base, and what it need not hear about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.errors import UsageError
from zmig.lint.git import Repository

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Git = Callable[..., str]
    Checked = Callable[..., Report]

COMMENT = "-- an example\n"


class Branch:
    """A repository with a manifest of SQL migrations."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.folder = folder
        self.git = git
        self.entries: dict[int, str] = {}

    def remove(self, version: int) -> None:
        """Declare a migration no more, and delete its file."""
        del self.entries[version]
        (self.folder / f"{version:03}_m.sql").unlink()

    def add(self, version: int, sql: str, *, name: str | None = None, more: str = "") -> None:
        """Declare a migration and write its file."""
        file = name or f"{version:03}_m.sql"
        (self.folder / file).write_text(COMMENT + sql)
        self.entries[version] = f"  - {{version: {version}, file: {file}{more}}}\n"

    def commit(self) -> None:
        """Write the manifest and commit everything."""
        self.write()
        self.git("add", ".")
        self.git("commit", "-q", "-m", "state")

    def write(self) -> None:
        """Write the manifest."""
        (self.folder / "manifest.yaml").write_text("manifest: 1\nmigrations:\n" + "".join(self.entries.values()))


@pytest.fixture
def branch(folder: Path, git: Git) -> Branch:
    """Two migrations on main, and a branch `work` that begins there."""
    made = Branch(folder, git)
    made.add(1, "create index a_x on a (x);\n")
    made.add(2, "create index b_x on b (x);\n")
    made.commit()
    git("checkout", "-q", "-b", "work")
    return made


def rules(report: Report) -> list[str]:
    return [finding.rule for finding in report.findings]


def test_what_is_on_the_base_is_not_checked_again(branch: Branch, checked: Checked) -> None:
    assert "squawk/require-concurrent-index-creation" in rules(checked())
    assert rules(checked(base="main")) == []


def test_what_is_new_on_the_branch_is_checked(branch: Branch, checked: Checked) -> None:
    branch.add(3, "create index c_x on c (x);\n")
    branch.write()
    report = checked(base="main")
    assert [(one.rule, one.file) for one in report.findings if one.severity == "error"] == [
        ("squawk/require-concurrent-index-creation", "003_m.sql")
    ]


def test_a_table_that_an_earlier_new_migration_makes_is_not_in_use(branch: Branch, checked: Checked) -> None:
    branch.add(3, "create table c (x int);\n")
    branch.add(4, "create index c_x on c (x);\nalter table c alter column x set not null;\n")
    branch.add(5, "create index a_y on a (y);\n")
    branch.write()
    warned = [one.file for one in checked(base="main").findings if one.rule.startswith("squawk/")]
    assert warned == ["005_m.sql"]
    assert "004_m.sql" in [one.file for one in checked().findings if one.rule.startswith("squawk/")]


def test_an_edited_file_is_marked_where_it_differs(branch: Branch, checked: Checked) -> None:
    branch.add(2, "create index b_y on b (x);\n")
    branch.write()
    (changed,) = (one for one in checked(base="main").findings if one.rule == "base/changed")
    assert (changed.file, changed.line, changed.column) == ("002_m.sql", 2, 16)


def test_another_migration_in_the_place_of_one_on_the_base_takes_its_version(branch: Branch, checked: Checked) -> None:
    branch.add(2, "create index c_x on c (x);\n", name="002_other.sql")
    branch.write()
    (taken,) = [found for found in checked(base="main").findings if found.rule.startswith("base/")]
    assert (taken.rule, taken.hint) == ("base/taken", "write `version: 3`, and rename the file accordingly")
    assert taken.message == "version 2 belongs to `002_m` on the base, which is another migration"


def test_line_ends_are_no_change(branch: Branch, checked: Checked) -> None:
    path = branch.folder / "002_m.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert rules(checked(base="main")) == []


def test_a_branch_that_lags_behind_has_deleted_nothing(branch: Branch, git: Git, checked: Checked) -> None:
    git("checkout", "-q", "main")
    branch.add(3, "select 3;\n")
    branch.commit()
    git("checkout", "-q", "work")
    del branch.entries[3]
    branch.add(4, "select 4;\n")
    branch.write()
    assert rules(checked(base="main")) == []


def test_a_version_below_one_that_came_to_the_base_meanwhile_is_late(
    branch: Branch, git: Git, checked: Checked
) -> None:
    git("checkout", "-q", "main")
    branch.add(4, "select 4;\n")
    branch.commit()
    git("checkout", "-q", "work")
    del branch.entries[4]
    branch.add(3, "select 3;\n")
    branch.write()
    (late,) = checked(base="main").findings
    assert (late.rule, late.file) == ("base/late", "manifest.yaml")
    assert late.hint == "write `version: 5`, and rename the file accordingly"


def test_repeatables_may_change_and_come_and_go(branch: Branch, git: Git, checked: Checked) -> None:
    git("checkout", "-q", "main")
    branch.add(90, "create view v as select 1;\n", more=", kind: repeatable")
    branch.add(91, "create view w as select 1;\n", more=", kind: repeatable")
    branch.commit()
    branch.add(90, "create view v as select 2;\n", more=", kind: repeatable")
    branch.add(80, "create view u as select 2;\n", more=", kind: repeatable")
    branch.remove(91)
    branch.write()
    assert rules(checked(base="main")) == []


def test_a_version_below_a_repeatable_is_not_late(branch: Branch, git: Git, checked: Checked) -> None:
    branch.add(90, "create view v as select 1;\n", more=", kind: repeatable")
    branch.commit()
    branch.add(3, "select 3;\n")
    branch.write()
    assert rules(checked(base="work")) == []


def test_entries_of_included_manifests_count(branch: Branch, git: Git, checked: Checked) -> None:
    root = branch.folder / "manifest.yaml"
    (branch.folder / "base").mkdir()
    root.rename(branch.folder / "base" / "base.yaml")
    for version in (1, 2):
        (branch.folder / f"00{version}_m.sql").rename(branch.folder / "base" / f"00{version}_m.sql")
    root.write_text("manifest: 1\ninclude: [base/base.yaml]\n")
    git("add", ".")
    git("commit", "-q", "-m", "include")
    (branch.folder / "base" / "001_m.sql").write_text("-- why\nselect 2;\n")
    assert rules(checked(base="HEAD")) == ["base/changed"]


def test_a_manifest_that_is_not_on_the_base_is_new_as_a_whole(branch: Branch, git: Git, checked: Checked) -> None:
    git("mv", "manifest.yaml", "other.yaml")
    git("commit", "-q", "-m", "move")
    branch.write()
    assert rules(checked(base="HEAD")) == rules(checked())


def test_a_severity_can_turn_a_comparison_off(branch: Branch, checked: Checked) -> None:
    branch.remove(2)
    branch.write()
    assert rules(checked(base="main")) == ["base/deleted"]
    manifest = branch.folder / "manifest.yaml"
    manifest.write_text(manifest.read_text() + 'lint: {severity: {base/deleted: "off"}}\n')
    assert rules(checked(base="main")) == []


def test_a_revision_that_git_does_not_know_is_told(branch: Branch, checked: Checked) -> None:
    with pytest.raises(UsageError, match="git knows no revision `nowhere`"):
        checked(base="nowhere")


def test_a_revision_that_looks_like_an_option_is_none(branch: Branch, checked: Checked) -> None:
    with pytest.raises(UsageError, match="git knows no revision `--all`"):
        checked(base="--all")


def test_without_a_repository_there_is_no_base(folder: Path) -> None:
    with pytest.raises(UsageError, match="is in no git repository"):
        Repository.around(folder)


def test_without_a_common_ancestor_the_base_is_taken_as_it_stands(branch: Branch, git: Git, checked: Checked) -> None:
    git("checkout", "-q", "--orphan", "alone")
    git("commit", "-q", "-m", "another beginning")
    report = checked(base="main")
    assert rules(report) == []
    assert report.missing == (
        "where this branch left `main` is not known here, so it is compared with `main` as it is, and what was deleted "
        "since is not known",
    )


def test_an_edit_of_comments_white_space_and_case_is_a_note(branch: Branch, checked: Checked) -> None:
    branch.add(1, "CREATE INDEX a_x\n  ON a (x);  -- for the list\n")
    branch.add(2, "create index b_x on b (x, y);\n")
    branch.write()
    found = [one for one in checked(base="main").findings if one.rule.startswith("base/")]
    assert [(one.rule, one.severity.value, one.line) for one in found] == [
        ("base/cosmetic", "note", 2),
        ("base/changed", "error", 2),
    ]


def test_a_file_that_was_renamed_and_edited_so_is_the_same_migration(branch: Branch, checked: Checked) -> None:
    branch.remove(1)
    branch.add(1, "create INDEX a_x on a (x);\n", name="001_other.sql")
    branch.write()
    found = [one.rule for one in checked(base="main").findings if one.rule.startswith("base/")]
    assert sorted(found) == ["base/cosmetic", "base/renamed"]


def test_entries_that_a_squash_replaces_may_be_deleted(branch: Branch, checked: Checked) -> None:
    branch.remove(1)
    branch.remove(2)
    branch.add(2, "create table c (x int primary key);\n", name="002_squashed.sql", more=', replaces: "1..2"')
    branch.write()
    assert [rule for rule in rules(checked(base="main")) if rule.startswith("base/")] == []


def test_entries_outside_of_a_squash_may_not(branch: Branch, checked: Checked) -> None:
    branch.remove(1)
    branch.remove(2)
    branch.add(2, "create table c (x int primary key);\n", name="002_squashed.sql", more=', replaces: "2"')
    branch.write()
    found = [finding for finding in checked(base="main").findings if finding.rule.startswith("base/")]
    assert [(one.rule, one.message.partition(",")[0]) for one in found] == [("base/deleted", "version 1")]


def test_entries_beside_a_squash_are_as_they_were(branch: Branch, checked: Checked) -> None:
    branch.entries[3] = '  - {version: 2, file: 002_squashed.sql, replaces: "1..2"}\n'
    (branch.folder / "002_squashed.sql").write_text(COMMENT + "create table c (x int primary key);\n")
    branch.write()
    assert [rule for rule in rules(checked(base="main")) if rule.startswith("base/")] == []
    (branch.folder / "002_m.sql").write_text(COMMENT + "create index b_y on b (y);\n")
    assert [rule for rule in rules(checked(base="main")) if rule.startswith("base/")] == ["base/changed"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("-- an example\ncreate index b_x on b (x);\n\n-- more\nselect 1;\n", (4, 1)),
        ("-- an example\r\ncreate index b_x on b (y);\r\n", (2, 24)),
        ("-- an example\ncreate index b_x\n", (2, 16)),
    ],
)
def test_what_was_appended_or_cut_is_marked(
    branch: Branch, checked: Checked, text: str, place: tuple[int, int]
) -> None:
    (branch.folder / "002_m.sql").write_bytes(text.encode())
    (changed,) = (one for one in checked(base="main").findings if one.rule == "base/changed")
    assert (changed.line, changed.column) == place


def test_no_version_is_advised_twice(branch: Branch, git: Git, checked: Checked) -> None:
    git("checkout", "-q", "main")
    branch.add(3, "select 3;\n", name="003_main.sql")
    branch.add(8, "select 8;\n", name="008_main.sql")
    branch.commit()
    git("checkout", "-q", "work")
    del branch.entries[8]
    for version in (3, 4, 10):
        branch.add(version, f"select {version * 100};\n")
    branch.write()
    found = [one for one in checked(base="main").findings if one.rule.startswith("base/")]
    assert [(one.rule, one.hint) for one in found] == [
        ("base/taken", "write `version: 9`, and rename the file accordingly"),
        ("base/late", "write `version: 11`, and rename the file accordingly"),
    ]


def test_where_the_fork_is_not_known_nothing_was_deleted(branch: Branch, git: Git, checked: Checked) -> None:
    git("checkout", "-q", "--orphan", "alone")
    git("commit", "-q", "-m", "another beginning")
    git("checkout", "-q", "main")
    branch.add(3, "select 3;\n", name="003_main.sql")
    branch.commit()
    git("checkout", "-q", "alone")
    del branch.entries[3]
    branch.write()
    assert rules(checked(base="main")) == []
    branch.add(3, "select 4;\n", name="003_mine.sql")
    branch.write()
    (taken,) = checked(base="main").findings
    assert (taken.rule, taken.hint) == ("base/taken", "write `version: 4`, and rename the file accordingly")


def test_what_is_said_of_an_entry_on_the_base_stays(branch: Branch, checked: Checked) -> None:
    (branch.folder / "undo.sql").write_text("drop index a_x;\n")
    branch.add(1, "create index a_x on a (x);\n", more=", rollback: undo.sql")
    branch.commit()
    branch.add(1, "create index a_x on a (x);\n", more=", transaction: false")
    branch.add(2, "create index b_x on b (x);\n", more=", kind: repeatable")
    branch.write()
    found = [(one.rule, one.hint) for one in checked(base="HEAD").findings if one.rule.startswith("base/")]
    assert sorted(found) == [
        ("base/kind", "write `kind: sql`, or make it a migration of its own"),
        ("base/rollback", "write `rollback: undo.sql`"),
        ("base/transaction", "leave `transaction` out"),
    ]


def test_only_what_is_another_content_is_read_from_git(
    folder: Path, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"a.sql": "select 1;\n", "b.sql": "select 'ä';\n", "c.sql": "select 3;\r\n"}
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    git("add", ".")
    git("commit", "-q", "-m", "all")
    here = {**texts, "b.sql": "select 'ö';\n", "d.sql": "new"}
    asked: list[bytes] = []
    plain = Repository._run  # pyright: ignore[reportPrivateUsage]

    def run(self: Repository, *words: str, answers: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        asked.extend(answers.splitlines() if words[-1] == "--batch" else [])
        return plain(self, *words, answers=answers)

    monkeypatch.setattr(Repository, "_run", run)
    assert Repository.around(folder).texts("main", here, here=here) == texts
    assert asked == [b"main:b.sql", b"main:d.sql"]
