"""`zmig lint --fix`: what is rewritten and split, what is left alone and why, and what a crash leaves behind."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.support.process import run
from zmig.cli.main import main
from zmig.errors import UsageError
from zmig.lint.fix import fixing
from zmig.lint.run import lint
from zmig.project import project as projects
from zmig.project import written_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.fix.fixing import Fixes

    Fix = Callable[..., Fixes]

TABLES = """-- The start.
create table users (id bigint primary key, name text);
create table orders (id bigint not null, user_id bigint, status text, note text);
create index orders_note_idx on orders (note);
"""


@pytest.fixture
def fix(folder: Path) -> Fix:
    """Fix the second migration, which has this text, and this rollback if one is given."""

    def write_and_fix(
        sql: str, rollback: str | None = None, *, entry: str = "", more: str = "", only: str = "2"
    ) -> Fixes:
        (folder / "001_base.sql").write_text(TABLES)
        (folder / "002_orders.sql").write_text(sql)
        named = ""
        if rollback is not None:
            (folder / "002_orders.rollback.sql").write_text(rollback)
            named = "\n    rollback: 002_orders.rollback.sql"
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nlint: {postgres_version: 16, severity: {rollback/missing: 'off'}}\nmigrations:\n"
            f"  - version: 1\n    file: 001_base.sql\n  - version: 2\n    file: 002_orders.sql{named}{entry}\n{more}"
        )
        fixes = fixing.find(folder / "manifest.yaml", environ={}, base=None, names=only.split(","))
        fixing.write(fixes)
        return fixes

    return write_and_fix


def entries(folder: Path) -> dict[int, str]:
    """Return the files of the manifest as it is now, by version."""
    loaded = projects.load(folder / "manifest.yaml", environ={})
    return {one.version: one.file.name for one in loaded.migrations if one.file is not None}


@pytest.mark.parametrize(
    ("sql", "fixed"),
    [
        ("create index i on orders (id)", "create index concurrently i on orders (id)"),
        ("CREATE UNIQUE INDEX IF NOT EXISTS i ON orders (id)", "CREATE UNIQUE INDEX CONCURRENTLY i ON orders (id)"),
        ("create index on orders (id)", "create index concurrently orders_id_idx on orders (id)"),
        ("create index concurrently if not exists i on orders (id)", "create index concurrently i on orders (id)"),
        ("create index concurrently on orders (id)", "create index concurrently orders_id_idx on orders (id)"),
        ("reindex table orders", "reindex table concurrently orders"),
    ],
)
def test_one_statement_is_rewritten_where_it_is(folder: Path, fix: Fix, sql: str, fixed: str) -> None:
    manifest = "manifest.yaml"
    fixes = fix(f"-- Why.\n\n{sql}; -- so\n-- end\n")
    assert fixes.fixed == ("002_orders",)
    assert (folder / "002_orders.sql").read_text() == f"-- Why.\n\n{fixed}; -- so\n-- end\n"
    assert "version: 3" not in (folder / manifest).read_text()


def test_the_rollback_of_an_index_drops_it_concurrently(folder: Path, fix: Fix) -> None:
    fix("-- Why.\ncreate index i on orders (id);\n", "-- Back.\ndrop index i;\n")
    assert (folder / "002_orders.rollback.sql").read_text() == "-- Back.\ndrop index concurrently i;\n"


def test_a_file_is_split_and_keeps_its_comments(folder: Path, fix: Fix) -> None:
    fixes = fix(
        "-- Why.\nalter table orders add column total numeric;\n\n-- Often asked for.\n"
        "create index orders_total_idx on orders (total); -- all\ncomment on column orders.total is 'in cents';\n",
        "-- Back.\ndrop index orders_total_idx;\nalter table orders drop column total;\n",
        entry="\n    lock_timeout: 2s # short\n    run_as: app\n    retry: {attempts: 3}",
    )
    assert not fixes.refused
    assert entries(folder) == {1: "001_base.sql", 2: "002_orders.sql", 3: "003_orders_total_idx.sql"}
    assert (folder / "002_orders.sql").read_text() == (
        "-- Why.\nalter table orders add column total numeric;\ncomment on column orders.total is 'in cents';\n"
    )
    assert (folder / "002_orders.rollback.sql").read_text() == "alter table orders drop column total;\n"
    assert (folder / "003_orders_total_idx.sql").read_text() == (
        "-- Often asked for.\ncreate index concurrently orders_total_idx on orders (total); -- all\n"
    )
    assert (folder / "003_orders_total_idx.rollback.sql").read_text() == (
        "-- Back.\ndrop index concurrently orders_total_idx;\n"
    )
    assert (
        (folder / "manifest.yaml")
        .read_text()
        .endswith(
            "    lock_timeout: 2s # short\n    run_as: app\n    retry: {attempts: 3}\n"
            "  - version: 3\n    file: 003_orders_total_idx.sql\n    rollback: 003_orders_total_idx.rollback.sql\n"
            "    lock_timeout: 2s\n    retry: {attempts: 3}\n    run_as: app\n"
        )
    )


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        (
            "alter table orders add constraint fk foreign key (user_id) references users (id)",
            ["002_orders", "003_orders_validate_fk"],
        ),
        ("alter table orders add constraint c check (id > 0)", ["002_orders", "003_orders_validate_c"]),
        ("alter table orders add constraint k unique (id)", ["002_orders", "003_orders_use_k"]),
        (
            "alter table orders alter column status set not null",
            ["002_orders", "003_orders_validate_orders_status_is_set", "004_orders_set_not_null"],
        ),
        (
            "alter table orders add column r float8 default random()",
            ["002_orders", "003_orders_fill"],
        ),
        (
            "create table new (id int primary key);\nalter table orders add t text;\ncreate index i on new (id);\n"
            "alter table orders add constraint c check (t <> '')",
            ["002_orders", "003_orders_validate_c"],
        ),
        (
            "create view names as select name from users;\nalter table orders add constraint k unique (id)",
            ["002_orders", "003_orders_k", "004_orders_use_k"],
        ),
        ("drop index orders_note_idx;\nalter table orders drop column note", ["002_orders", "003_orders_then"]),
    ],
)  # fmt: skip
def test_steps_become_entries_and_nothing_is_left_to_fix(folder: Path, fix: Fix, sql: str, files: list[str]) -> None:
    fixes = fix(f"-- Why.\n{sql};\n")
    assert not fixes.refused
    assert [*entries(folder).values()][1:] == [f"{one}.sql" for one in files]
    again = fixing.find(folder / "manifest.yaml", environ={}, base=None, names=["2", *map(str, range(3, len(files)))])
    assert (again.plans, again.refused) == ((), ())
    assert not [one for one in lint([folder / "manifest.yaml"], environ={}).findings if one.fix]


def test_a_batch_fills_rows_in_an_entry_of_its_own(folder: Path, fix: Fix) -> None:
    fix("-- Why.\nalter table orders add column r float8 default random();\n")
    assert "    batch: {size: 1000}\n" in (folder / "manifest.yaml").read_text()


@pytest.mark.parametrize(
    ("update", "entry", "text"),
    [
        (
            "update orders set status = 'new', t = note || '!' where id > 5 and status is null",
            "    batch: {size: 1000}\n",
            "update orders set status = 'new', t = note || '!'\nwhere ctid in (select ctid from orders where "
            "(id > 5 and status is null) and (status is distinct from 'new' or t is distinct from note || '!') "
            "limit :size);\n",
        ),
        (
            "update orders set t = 'x'",
            "    batch: {size: 1000}\n",
            "update orders set t = 'x'\nwhere ctid in (select ctid from orders where t is distinct from 'x' "
            "limit :size);\n",
        ),
        # What may be otherwise in the next round, or would never end, stays one statement.
        ("update orders set t = now()", "", "update orders set t = now();\n"),
        ("update orders set id = id + 1", "", "update orders set id = id + 1;\n"),
        ("update orders o set t = 'x'", "", "update orders o set t = 'x';\n"),
        ("update orders set t = 'x' where random() < 0.5", "", "update orders set t = 'x' where random() < 0.5;\n"),
        ("update orders set t = 'x' from users", "", "update orders set t = 'x' from users;\n"),
    ],
)  # fmt: skip
def test_rows_are_changed_in_an_entry_of_their_own(folder: Path, fix: Fix, update: str, entry: str, text: str) -> None:
    fixes = fix(f"-- Why.\nalter table orders add column t text;\n{update};\nalter table orders add column u text;\n")
    assert not fixes.refused
    name = entries(folder)[3]
    assert (folder / name).read_text().partition("\n")[2] == text
    assert [*entries(folder)] == [1, 2, 3, 4]
    assert f"    file: {name}\n{entry}  - version: 4\n" in (folder / "manifest.yaml").read_text()


def test_an_ignore_goes_with_what_it_is_for(folder: Path, fix: Fix) -> None:
    ignore = "\n    lint:\n      ignore:\n        - rule: squawk/renaming-column\n          reason: nobody reads it"
    fix("-- Why.\nalter table orders rename note to remark;\ncreate index i on orders (id);\n", entry=ignore)
    text = (folder / "manifest.yaml").read_text()
    assert text.count("nobody reads it") == 1
    assert not [one for one in lint([folder / "manifest.yaml"], environ={}).findings if one.severity != "note"]


def test_new_entries_after_it_make_room(folder: Path, fix: Fix) -> None:
    (folder / "003_last.sql").write_text("-- Last.\nalter table users add column x int;\n")
    (folder / "003_last.rollback.sql").write_text("alter table users drop column x;\n")
    more = "  # the last one\n  - version: 3\n    file: 003_last.sql\n    rollback: 003_last.rollback.sql\n"
    sql = "-- Why.\nalter table orders add column t text;\ncreate index i on orders (id);\n"
    refused = fix(sql, more=more)
    assert "no free version before 3, `003_last`" in refused.refused[0][1]
    assert refused.changes == []

    fix(sql, more=more, only="2,3")
    assert entries(folder) == {
        1: "001_base.sql", 2: "002_orders.sql", 3: "003_orders_i.sql", 4: "004_last.sql",
    }  # fmt: skip
    assert not (folder / "003_last.sql").exists()
    assert (folder / "004_last.rollback.sql").read_text() == "alter table users drop column x;\n"
    assert "  # the last one\n  - version: 4\n" in (folder / "manifest.yaml").read_text()


def alike(folder: Path) -> str:
    """Write two more migrations, whose files are called alike but for their numbers; return their entries."""
    for version, column in ((3, "x"), (4, "y")):
        (folder / f"00{version}_m.sql").write_text(f"-- {column}.\nalter table users add column {column} int;\n")
        (folder / f"00{version}_m.rollback.sql").write_text(f"alter table users drop column {column};\n")
    return "".join(
        f"  - version: {one}\n    file: 00{one}_m.sql\n    rollback: 00{one}_m.rollback.sql\n" for one in (3, 4)
    )


def columns_of_users(folder: Path) -> list[tuple[str, str]]:
    """Return what the migrations add to `users`, and their rollbacks drop."""
    found: list[tuple[str, str]] = []
    for one in projects.load(folder / "manifest.yaml", environ={}).migrations:
        if one.file is not None and one.rollback_file is not None:
            added, dropped = one.file.read_text(), one.rollback_file.read_text()
            found.append((added.partition("users add column ")[2][:1], dropped.partition("users drop column ")[2][:1]))
    return found


def test_files_that_are_called_alike_make_room_for_one_another(folder: Path, fix: Fix) -> None:
    sql = "-- Why.\nalter table orders add column t text;\ncreate index i on orders (id);\n"
    assert fix(sql, more=alike(folder), only="2,3,4").refused == ()
    assert entries(folder) == {
        1: "001_base.sql", 2: "002_orders.sql", 3: "003_orders_i.sql", 4: "004_m.sql", 5: "005_m.sql",
    }  # fmt: skip
    assert columns_of_users(folder) == [("x", "x"), ("y", "y")]
    assert sorted(one.name for one in folder.glob("*_m*")) == [
        "004_m.rollback.sql", "004_m.sql", "005_m.rollback.sql", "005_m.sql",
    ]  # fmt: skip


def test_a_file_that_no_entry_names_is_not_overwritten(folder: Path, fix: Fix) -> None:
    (folder / "005_m.sql").write_text("mine")
    sql = "-- Why.\nalter table orders add column t text;\ncreate index i on orders (id);\n"
    with pytest.raises(UsageError, match="exists already"):
        fix(sql, more=alike(folder), only="2,3,4")
    assert (folder / "005_m.sql").read_text() == "mine"
    assert columns_of_users(folder) == [("x", "x"), ("y", "y")]


@pytest.mark.parametrize(
    ("sql", "rollback", "entry", "reason"),
    [
        ("set lock_timeout = 9;\nalter table users add x int;\ncreate index i on orders (id)", None, "", "`set lock"),
        ("alter table users add x int;\ncreate index i on orders (id);\ncomment on index i is 'x'",
         "drop index i;\ndelete from users where id = 1", "", "`delete from users where id = 1`"),
        ("alter table users add x int;\ncreate index i on orders (id)", None, "\n    verify: {query: select true}",
         "`verify`"),
        ("alter table users add x int;\ncreate index ${i} on orders (id)", None, "\n    variables: true", "variables"),
        ("do $$ begin create index i on orders (id); end $$", None, "", "in code that `do` runs"),
        ("alter table if exists orders add constraint c check (id > 0)", None, "", "`if exists`"),
    ],
)  # fmt: skip
def test_what_cannot_be_proved_is_left_alone(
    folder: Path, fix: Fix, sql: str, rollback: str | None, entry: str, reason: str
) -> None:
    fixes = fix(f"-- Why.\n{sql};\n", rollback, entry=entry)
    ((name, why),) = fixes.refused
    assert (name, reason in why) == ("002_orders", True), why
    assert fixes.changes == []
    assert (folder / "002_orders.sql").read_text() == f"-- Why.\n{sql};\n"


def test_what_only_a_repeatable_makes_is_there(folder: Path, fix: Fix) -> None:
    (folder / "totals.sql").write_text("create or replace view totals as select id from orders;\n")
    fixes = fix(
        "-- Why.\ncomment on view totals is 'Sums.';\ncreate index i on orders (id);\n",
        more="  - version: 3\n    kind: repeatable\n    file: totals.sql\n",
        only="2,3",
    )
    assert (fixes.refused, fixes.fixed) == ((), ("002_orders",))


def test_a_file_that_another_manifest_names_is_left_alone(folder: Path, fix: Fix) -> None:
    (folder / "demo.yaml").write_text("manifest: 1\nmigrations: [{version: 7, file: 002_orders.sql}]\n")
    fixes = fix("-- Why.\nalter table orders add x int;\ncreate index i on orders (id);\n")
    reason = "`demo.yaml` names its file, too, and would have a part of it: fix it by hand in both"
    assert (fixes.refused, fixes.changes) == ((("002_orders", reason),), [])


def test_nothing_is_rewritten_that_may_have_been_applied(folder: Path, fix: Fix) -> None:
    fix("-- Why.\nselect 1;\n")
    with pytest.raises(UsageError, match="which migrations nobody has applied yet is not known"):
        fixing.find(folder / "manifest.yaml", environ={}, base=None, names=())
    with pytest.raises(UsageError, match="no migration is called `x`"):
        fixing.find(folder / "manifest.yaml", environ={}, base=None, names=["x"])


def test_only_what_is_new_since_the_base_is_rewritten(folder: Path, fix: Fix, git: Callable[..., str]) -> None:
    fix("-- Why.\nselect 1;\n")
    index = "-- Why.\ncreate index {} on orders (id);\n"
    (folder / "002_orders.sql").write_text(index.format("old"))
    git("add", ".")
    git("commit", "-qm", "base")
    (folder / "003_new.sql").write_text(index.format("new"))
    with (folder / "manifest.yaml").open("a") as manifest:
        manifest.write("  - {version: 3, file: 003_new.sql}\n")
    fixes = fixing.find(folder / "manifest.yaml", environ={}, base="main", names=())
    assert [one.path.name for one in fixes.changes] == ["003_new.sql"]


def test_the_diff_is_what_is_written(folder: Path, fix: Fix, git: Callable[..., str]) -> None:
    fix("-- Why.\nselect 1;\n", "select 1;\n")
    (folder / "002_orders.sql").write_text("-- Why.\nalter table orders add t text;\ncreate index i on orders (id);\n")
    (folder / "002_orders.rollback.sql").write_text("drop index i;\nalter table orders drop t;\n")
    options = ("lint", "manifest.yaml", "--fix", "--only", "002_orders")
    ended = run(*options, "--dry-run", cwd=folder)
    assert (ended.code, ended.stderr) == (1, "1 migration would be fixed: `002_orders`\n")
    assert not (folder / "003_orders_i.sql").exists()
    (folder / "patch").write_text(ended.stdout)
    git("apply", "patch")
    patched = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    git("apply", "-R", "patch")

    document = json.loads(run(*options, "--dry-run", "--json", cwd=folder).stdout)
    assert {one["file"]: one["after"] for one in document["files"]}.items() <= patched.items()

    ended = run(*options, cwd=folder)
    assert (ended.code, ended.stderr.splitlines()[0]) == (0, "1 migration fixed: `002_orders`"), ended.stderr
    assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == patched


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dry-run",), "`--dry-run` is about `--fix`"),
        (("manifest.yaml", "--fix"), "which migrations nobody has applied yet is not known"),
        (("--fix", "--base", "main", "--only", "1"), "both say which migrations may be rewritten"),
        (("--fix", "manifest.yaml", "manifest.yaml"), "several manifests are given"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder: Path, fix: Fix, options: tuple[str, ...], message: str) -> None:
    fix("-- Why.\nselect 1;\n")
    ended = run("lint", *options, cwd=folder)
    assert (ended.code, message in ended.stderr) == (2, True), ended.stderr


class Killed(BaseException):
    """Stands for the end of the process."""


def cut_off(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Let the process end when it writes for this time."""
    left = moment

    def count(path: Path, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        write(path, content)

    write = written_file.write
    monkeypatch.setattr(written_file, "write", count)


@pytest.mark.parametrize("moment", range(1, 10))
def test_files_that_make_room_are_old_or_new_whenever_it_is_cut_off(
    folder: Path, fix: Fix, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    cut_off(monkeypatch, moment)
    sql = "-- Why.\nalter table orders add column t text;\ncreate index i on orders (id);\n"
    with suppress(Killed):
        fix(sql, more=alike(folder), only="2,3,4")
    assert columns_of_users(folder) == [("x", "x"), ("y", "y")]
    loaded = projects.load(folder / "manifest.yaml", environ={})
    together = "".join(one.file.read_text() for one in loaded.migrations[1:] if one.file is not None)
    assert together.count("add column t") == together.count("index") == 1


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_manifest_and_its_files_are_old_or_new_whenever_it_is_cut_off(
    folder: Path, fix: Fix, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    before = "-- Why.\nalter table orders add column t text;\ncreate index i on orders (id);\n"
    rollback = "drop index i;\nalter table orders drop column t;\n"
    cut_off(monkeypatch, moment)
    with suppress(Killed):
        fix(before, rollback)
    loaded = projects.load(folder / "manifest.yaml", environ={})
    texts = [one.file.read_text() for one in loaded.migrations[1:] if one.file is not None]
    together = "".join(texts)
    assert together.count("add column t") == together.count("index") == 1
    assert len(texts) == (1 if moment == 1 else 2)


def test_a_dry_run_refuses_what_the_real_one_refuses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "001_a.sql").write_text("-- Why.\ncreate table orders (id bigint primary key);\n")
    (folder / "002_b.sql").write_text("-- Why.\nalter table orders add a int;\ncreate index i on orders (a);\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nmigrations:\n  - {version: 1, file: 001_a.sql}\n  - version: 2\n    file: 002_b.sql\n"
    )
    assert main(["lint", "manifest.yaml", "--fix", "--only", "2", "--dry-run"]) == 1
    assert "+++ b/003_b_i.sql" in capsys.readouterr().out
    (folder / "003_b_i.sql").symlink_to("nowhere")
    said: list[str] = []
    for more in (["--dry-run"], []):
        assert main(["lint", "manifest.yaml", "--fix", "--only", "2", *more]) == 2
        said.append(capsys.readouterr().err)
    assert "`003_b_i.sql` exists already" in said[0]
    assert said[0] == said[1]
