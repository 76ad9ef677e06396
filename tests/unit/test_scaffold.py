"""A new migration: its files, and its entry in the manifest, with nothing else of the manifest touched."""

from __future__ import annotations

import ast
import stat
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tree import plant
from zmig.errors import ManifestError, UsageError, ZmigError
from zmig.manifest import edit, reader
from zmig.model import Kind
from zmig.project import project, scaffold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.project.scaffold import Created

TODAY = date(2026, 11, 22)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def create(
    path: Path | str, name: str = "add orders", kind: Kind = Kind.SQL, description: str | None = None
) -> Created:
    return scaffold.create(Path(path), name, kind=kind, today=TODAY, description=description, environ={})


def edited(text: str, *, kind: Kind = Kind.SQL) -> str:
    """What a manifest is after one more migration was created."""
    path = plant(Path.cwd(), {"m/m.yaml": text})
    create(path, kind=kind)
    return path.read_bytes().decode()


def state(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


ENTRY = (
    "  - version: 2\n    file: ../sql/002_add_orders.sql\n    kind: sql\n"
    "    rollback: ../sql/002_add_orders.rollback.sql\n"
)
FIRST = "  - version: 1\n    file: ../sql/001_a.sql\n"
USUAL = ENTRY.replace("2", "1").replace("sql/", "migrations/")

EDITS: dict[str, tuple[str, str]] = {
    "the entry stands at the end": (f"manifest: 1\nmigrations:\n{FIRST}", f"manifest: 1\nmigrations:\n{FIRST}{ENTRY}"),
    "a missing final line end stays missing": (
        f"manifest: 1\nmigrations:\n{FIRST}"[:-1],
        f"manifest: 1\nmigrations:\n{FIRST}{ENTRY}"[:-1],
    ),
    "what follows the list stays behind it": (
        f"manifest: 1\nmigrations:\n{FIRST}\n# about the name\nname: x\n",
        f"manifest: 1\nmigrations:\n{FIRST}{ENTRY}\n# about the name\nname: x\n",
    ),
    "comments that belong to the last entry stay with it": (
        f"manifest: 1\nmigrations:\n{FIRST}    # kind: sql\n\n    # more\n  # the end\n",
        f"manifest: 1\nmigrations:\n{FIRST}    # kind: sql\n\n    # more\n{ENTRY}  # the end\n",
    ),
    "repeatables stay last": (
        f"manifest: 1\nmigrations:\n{FIRST}  # repeatables\n  - {{version: 90, file: b.sql, kind: repeatable}}\n",
        f"manifest: 1\nmigrations:\n{FIRST}{ENTRY}  # repeatables\n"
        "  - {version: 90, file: b.sql, kind: repeatable}\n",
    ),
    "the list may stand at the margin": (
        "manifest: 1\nmigrations:\n- version: 1\n  file: ../sql/001_a.sql\nname: x\n",
        "manifest: 1\nmigrations:\n- version: 1\n  file: ../sql/001_a.sql\n- version: 2\n"
        "  file: ../sql/002_add_orders.sql\n  kind: sql\n  rollback: ../sql/002_add_orders.rollback.sql\nname: x\n",
    ),
    "wide indentation and CRLF are kept": (
        "manifest: 1\r\nmigrations:\r\n    -   version: 1\r\n        file: ../sql/1_a.sql\r\n",
        "manifest: 1\r\nmigrations:\r\n    -   version: 1\r\n        file: ../sql/1_a.sql\r\n"
        "    -   version: 2\r\n        file: ../sql/2_add_orders.sql\r\n        kind: sql\r\n"
        "        rollback: ../sql/2_add_orders.rollback.sql\r\n",
    ),
    "quotes are those of the neighbour": (
        "manifest: 1\nmigrations:\n  - version: 1\n    file: '../sql/001_a.sql'\n    kind: \"sql\"\n",
        "manifest: 1\nmigrations:\n  - version: 1\n    file: '../sql/001_a.sql'\n    kind: \"sql\"\n"
        "  - version: 2\n    file: '../sql/002_add_orders.sql'\n    kind: \"sql\"\n"
        "    rollback: '../sql/002_add_orders.rollback.sql'\n",
    ),
    "a dash on a line of its own": (
        "manifest: 1\nmigrations:\n  -\n    # first\n    version: 1\n    file: ../sql/001_a.sql\n",
        f"manifest: 1\nmigrations:\n  -\n    # first\n    version: 1\n    file: ../sql/001_a.sql\n{ENTRY}",
    ),
    "a block of text at the end of the last entry": (
        f"manifest: 1\nmigrations:\n{FIRST}    description: |\n      what\n\n      # it is for\n\n# end\n",
        f"manifest: 1\nmigrations:\n{FIRST}    description: |\n      what\n\n      # it is for\n{ENTRY}\n# end\n",
    ),
    "an alias at the end of the last entry": (
        f"manifest: 1\ndefaults: {{retry: &r {{attempts: 2}}}}\nmigrations:\n{FIRST}    retry: *r # patient\n",
        f"manifest: 1\ndefaults: {{retry: &r {{attempts: 2}}}}\nmigrations:\n{FIRST}    retry: *r # patient\n{ENTRY}",
    ),
    "entries in braces": (
        "manifest: 1\nmigrations:\n  - {version: 1, file: ../sql/001_a.sql}\n",
        "manifest: 1\nmigrations:\n  - {version: 1, file: ../sql/001_a.sql}\n"
        "  - {version: 2, file: ../sql/002_add_orders.sql, kind: sql, rollback: ../sql/002_add_orders.rollback.sql}\n",
    ),
    "a list in brackets": (
        "manifest: 1\nmigrations: [{version: 1, file: ../sql/001_a.sql}] # all\n",
        "manifest: 1\nmigrations: [{version: 1, file: ../sql/001_a.sql}, {version: 2, file: ../sql/002_add_orders.sql, "
        "kind: sql, rollback: ../sql/002_add_orders.rollback.sql}] # all\n",
    ),
    "a list in brackets over several lines": (
        "manifest: 1\nmigrations: [\n  {version: 1, file: ../sql/001_a.sql} # one\n]\n",
        "manifest: 1\nmigrations: [\n  {version: 1, file: ../sql/001_a.sql}, # one\n  {version: 2, "
        "file: ../sql/002_add_orders.sql, kind: sql, rollback: ../sql/002_add_orders.rollback.sql}\n]\n",
    ),
    "a comma at the end of a list": (
        "manifest: 1\nmigrations: [\n  {version: 1, file: ../sql/001_a.sql}, # one\n]\n",
        "manifest: 1\nmigrations: [\n  {version: 1, file: ../sql/001_a.sql}, # one\n  {version: 2, "
        "file: ../sql/002_add_orders.sql, kind: sql, rollback: ../sql/002_add_orders.rollback.sql},\n]\n",
    ),
    "JSON stays JSON": (
        '{"manifest": 1, "migrations": [\n  {\n    "version": 1,\n    "file": "../sql/001_a.sql"\n  }\n]}\n',
        '{"manifest": 1, "migrations": [\n  {\n    "version": 1,\n    "file": "../sql/001_a.sql"\n  },\n'
        '  {"version": 2, "file": "../sql/002_add_orders.sql", "kind": "sql", '
        '"rollback": "../sql/002_add_orders.rollback.sql"}\n]}\n',
    ),
    "an empty list in JSON": (
        '{"migrations": [], "manifest": 1}',
        '{"migrations": [{"version": 1, "file": "../migrations/001_add_orders.sql", "kind": "sql", '
        '"rollback": "../migrations/001_add_orders.rollback.sql"}], "manifest": 1}',
    ),
    "no list": ("manifest: 1\n# end\n", f"manifest: 1\n# end\n\nmigrations:\n{USUAL}"),
    "no list in a document with marks": (
        "---\nmanifest: 1\n...\n",
        f"---\nmanifest: 1\n\nmigrations:\n{USUAL}...\n",
    ),
    "a key without a list": (
        "manifest: 1\nmigrations: # none\n  # yet\n\nname: x\n",
        f"manifest: 1\nmigrations: # none\n  # yet\n{USUAL}\nname: x\n",
    ),
    "an empty list": ("manifest: 1\nmigrations: [] # none\n", f"manifest: 1\nmigrations: # none\n{USUAL}"),
    "null for a list": ("manifest: 1\nmigrations: ~\nname: x", f"manifest: 1\nmigrations:\n{USUAL}name: x"),
    "a byte order mark": ("\ufeffmanifest: 1\nmigrations:\n", f"\ufeffmanifest: 1\nmigrations:\n{USUAL}"),
}


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS.keys())
def test_the_manifest_keeps_everything_else(before: str, after: str) -> None:
    assert edited(before) == after


def test_entries_set_apart_by_blank_lines_stay_so() -> None:
    second = FIRST.replace("1", "2")
    text = edited(f"manifest: 1\nmigrations:\n{FIRST}\n{second}name: x\n")
    third = ENTRY.replace("2", "3")
    assert text == f"manifest: 1\nmigrations:\n{FIRST}\n{second}\n{third}name: x\n"


def test_the_files_of_an_sql_migration() -> None:
    path = plant(Path.cwd(), {"manifests/m.yaml": "manifest: 1\n"})
    created = create(path, "Add: Orders & Lines", description="Orders\n  of a user")
    assert (created.version, created.name, created.manifest) == (1, "001_add_orders_lines", Path("manifests/m.yaml"))
    assert created.file == Path("migrations/001_add_orders_lines.sql")
    assert created.rollback_file == Path("migrations/001_add_orders_lines.rollback.sql")
    assert created.file.read_text() == "-- description: Orders of a user\n-- date: 2026-11-22\n\n"
    assert (
        Path("migrations/001_add_orders_lines.rollback.sql").read_text()
        == "-- description: Undoes 001_add_orders_lines\n-- date: 2026-11-22\n\n"
    )


@pytest.mark.parametrize("folder", ["", "project"])
def test_a_manifest_in_the_root_of_a_project_keeps_its_files_there(folder: str) -> None:
    path = plant(Path.cwd() / folder, {"prod.yaml": "manifest: 1\n", ".git/HEAD" if folder else "x": ""})
    created = create(path, "add orders")
    assert created.file == Path(folder, "migrations/001_add_orders.sql")
    assert "file: migrations/001_add_orders.sql" in path.read_text()


def test_a_new_migration_is_never_put_into_the_folder_of_another_one() -> None:
    entry = "  - {version: 1, name: 1_users, file: ../prisma/migrations/1_users/migration.sql}\n"
    path = plant(Path.cwd(), {"m/m.yaml": f"manifest: 1\nmigrations:\n{entry}"})
    assert create(path, "add orders").file == Path("migrations/002_add_orders.sql")
    assert "file: ../migrations/002_add_orders.sql" in path.read_text()


def test_a_created_migration_is_not_applied_before_it_is_written() -> None:
    path = plant(Path.cwd(), {"manifests/m.yaml": "manifest: 1\n"})
    created = create(path)
    with pytest.raises(ManifestError, match="holds no statement"):
        project.load(path, environ={})
    created.file.write_text("create table orders ();\n")
    (migration,) = project.load(path, environ={}).migrations
    assert (migration.name, migration.file, migration.rollback_file) == (
        created.name,
        created.file,
        created.rollback_file,
    )


def test_the_file_of_a_python_migration() -> None:
    path = plant(Path.cwd(), {"manifests/m.yaml": "manifest: 1\n"})
    created = create(path, kind=Kind.PYTHON, description='says "hello" \\ goodbye')
    assert created.rollback_file is None
    tree = ast.parse(created.file.read_text())
    assert ast.get_docstring(tree) == 'says "hello" \\ goodbye\n\ndate: 2026-11-22'
    functions = {node.name: ast.get_docstring(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert list(functions) == ["execute", "rollback"]
    assert all(functions.values())
    (migration,) = project.load(path, environ={}).migrations
    assert (migration.kind, migration.has_code_rollback) == (Kind.PYTHON, True)


def test_a_repeatable_says_that_it_is_one() -> None:
    assert "kind: repeatable\n    repeat: checksum\n" in edited("manifest: 1\n", kind=Kind.REPEATABLE)


NUMBERS: dict[str, tuple[str, Kind, str]] = {
    "behind the highest": ("{version: 7, file: 007_a.sql}, {version: 3, file: 003_b.sql}", Kind.SQL, "008_add_orders"),
    "as many digits as the highest": (
        "{version: 9, file: 9_a.sql}, {version: 1, file: 001.sql}",
        Kind.SQL,
        "10_add_orders",
    ),
    "three digits where there are none": ("{version: 12, file: users.sql}", Kind.SQL, "013_add_orders"),
    "timestamps": ("{version: 20261122101500, file: 20261122101500_a.sql}", Kind.SQL, "20261122101501_add_orders"),
    "behind its own sort": (
        "{version: 3, file: 003_a.sql}, {version: 90, file: 090_b.sql, kind: repeatable}",
        Kind.PYTHON,
        "004_add_orders",
    ),
    "not one that is taken": (
        "{version: 3, file: 003_a.sql}, {version: 4, file: 004_b.sql, kind: repeatable}",
        Kind.SQL,
        "005_add_orders",
    ),
    "repeatables behind the repeatables": (
        "{version: 3, file: 003_a.sql}, {version: 90, file: 090_b.sql, kind: repeatable}",
        Kind.REPEATABLE,
        "091_add_orders",
    ),
    "the first repeatable behind all others": ("{version: 3, file: 003_a.sql}", Kind.REPEATABLE, "004_add_orders"),
}


@pytest.mark.parametrize(("entries", "kind", "name"), NUMBERS.values(), ids=NUMBERS.keys())
def test_a_new_migration_is_numbered(entries: str, kind: Kind, name: str) -> None:
    path = plant(Path.cwd(), {"m.yaml": f"manifest: 1\nmigrations: [{entries}]"})
    assert create(path, kind=kind).name == name


def test_versions_of_included_manifests_count_and_their_folder_serves() -> None:
    path = plant(
        Path.cwd(),
        {
            "manifests/m.yaml": "manifest: 1\ninclude: [../base/base.yaml]\n",
            "base/base.yaml": "manifest: 1\nmigrations: [{version: 4, file: sql/0004_a.sql}]",
        },
    )
    created = create(path)
    assert (created.name, created.file.parent) == ("0005_add_orders", Path("base/sql"))
    assert "file: ../base/sql/0005_add_orders.sql\n" in path.read_text()


@pytest.mark.parametrize(
    ("name", "slug"),
    {
        "add-orders": "add_orders",
        "AddOrders.sql": "addorders",
        "001_add_orders": "add_orders",
        "2fa setup": "2fa_setup",
        "Größe ändern": "größe_ändern",
        "../../etc/passwd": "etc_passwd",
    }.items(),
)
def test_a_name_becomes_part_of_a_file_name(name: str, slug: str) -> None:
    path = plant(Path.cwd(), {"m/m.yaml": "manifest: 1\n"})
    created = create(path, name)
    assert created.file == Path(f"migrations/001_{slug}.sql")


def refused(path: Path, name: str = "add orders") -> str:
    """The message of a refusal that leaves everything as it was."""
    before = state(Path.cwd())
    with pytest.raises(ZmigError) as caught:
        create(path, name)
    assert state(Path.cwd()) == before
    assert caught.value.problems[0].hint
    return caught.value.problems[0].message


@pytest.mark.parametrize("name", ["", "  ", "---", "x" * 101])
def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    assert refused(plant(Path.cwd(), {"m.yaml": "manifest: 1\n"}), name).startswith(f"the name `{name}` ")


def test_a_name_that_is_taken_is_refused() -> None:
    entry = "{version: 1, file: 001_a.sql, name: 002_add_orders}"
    path = plant(Path.cwd(), {"m.yaml": f"manifest: 1\nmigrations: [{entry}]"})
    assert refused(path) == "the name `002_add_orders` is taken"


@pytest.mark.parametrize("file", ["001_add_orders.sql", "001_add_orders.rollback.sql"])
def test_a_file_that_exists_is_never_overwritten(file: str) -> None:
    path = plant(Path.cwd(), {"m/m.yaml": "manifest: 1\n", f"migrations/{file}": "precious"})
    assert refused(path) == f"`migrations/{file}` exists already"


def test_a_dangling_link_is_never_written_through() -> None:
    path = plant(Path.cwd(), {"m/m.yaml": "manifest: 1\n", "migrations/x": ""})
    Path("migrations/001_add_orders.sql").symlink_to("nowhere.sql")
    assert refused(path) == "`migrations/001_add_orders.sql` exists already"


def test_a_folder_made_for_nothing_is_removed_again() -> None:
    path = plant(Path.cwd(), {"m/m.yaml": "manifest: 1\nmigrations: [{version: 1, file: ../a/b/c/001_x.sql}]"})
    Path("a").write_text("a file where a folder is needed")
    assert "cannot be written" in refused(path)
    Path("a").unlink()
    create(path)
    assert Path("a/b/c/002_add_orders.sql").is_file()


def test_a_manifest_with_problems_is_not_edited() -> None:
    path = plant(Path.cwd(), {"m.yaml": "manifest: 1\nnmae: x\n"})
    assert refused(path) == "the manifest has an unknown key `nmae`"


@pytest.mark.parametrize(
    "text",
    [
        "{manifest: 1}",
        "manifest: 1\nmigrations: [ # nothing\n]",
        "manifest: 1\nmigrations: [&a {version: 1, file: a.sql}, {<<: *a, version: 2, file: b.sql}]",
        "manifest: 1\nmigrations: &m\n  - &x\n    version: 1\n    file: a.sql\n",
    ],
)
def test_what_cannot_be_edited_is_left_alone_or_edited_rightly(text: str) -> None:
    path = plant(Path.cwd(), {"m/m.yaml": text})
    before = state(Path.cwd())
    try:
        create(path)
    except ManifestError as error:
        assert state(Path.cwd()) == before
        assert error.problems[0].message == "an entry cannot be added to `m/m.yaml` by program, as it is written"
        assert (error.problems[0].hint or "").startswith("add it by hand: `- {version: ")
    else:
        assert reader.read(path.read_text(), label="m.yaml", environ={}).problems == ()


def test_rights_and_links_of_the_manifest_stay() -> None:
    path = plant(Path.cwd(), {"real/m.yaml": "manifest: 1\n"})
    path.chmod(0o640)
    Path("manifests").mkdir()
    link = Path("manifests/m.yaml")
    link.symlink_to("../real/m.yaml")
    created = create(link)
    assert created.file == Path("migrations/001_add_orders.sql")
    assert link.is_symlink()
    assert "version: 1" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(Path("real").iterdir()) == [Path("real/m.yaml")]


def test_a_manifest_that_is_changed_meanwhile_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    path = plant(Path.cwd(), {"m/m.yaml": "manifest: 1\n"})
    mkdir = Path.mkdir

    def change_and_make(folder: Path) -> None:
        path.write_text("manifest: 1\nname: changed\n")
        mkdir(folder)

    monkeypatch.setattr(Path, "mkdir", change_and_make)
    with pytest.raises(UsageError, match="was changed in the meantime"):
        create(path)
    assert path.read_text() == "manifest: 1\nname: changed\n"
    assert not Path("migrations").exists()


BLANKS = st.sampled_from(["", "\n", "  # about it\n", "\n  # x\n\n", "    # deep\n"])
VALUES = st.sampled_from(
    [
        "    description: plain # it\n",
        "    description: |\n      a\n      # b\n",
        "    description: >-\n      a\n\n      b\n",
        "    retry: {attempts: 2, # two\n      backoff: 1s}\n",
        "    retry:\n      attempts: 3\n      # none\n",
        "    description: 'a\n\n      # b'\n",
        "    transaction: true\n",
    ]
)


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """Manifests in block style, with comments and blank lines wherever they may stand."""
    parts = ["manifest: 1\n", draw(BLANKS).replace("  #", "#"), "migrations:\n"]
    for number in range(1, draw(st.integers(1, 3)) + 1):
        parts += [draw(BLANKS), f"  - version: {number}\n    file: {number}.sql\n", draw(VALUES)]
    parts += [draw(BLANKS), draw(st.sampled_from(["", "name: x\n", "# end", "name: x"]))]
    return "".join(parts).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def lines_of(text: str) -> Iterator[str]:
    yield from text.replace("\r\n", "\n").split("\n")


@settings(max_examples=60, deadline=None)
@given(text=manifests())
def test_an_edit_adds_lines_in_one_place_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("edit")
    path = plant(folder, {"m.yaml": text})
    created = create(path)
    before, after = list(lines_of(text)), list(lines_of(path.read_bytes().decode()))
    added = len(after) - len(before)
    assert added in (4, 5)
    start = next(index for index in range(len(before) + 1) if after[index + added :] == before[index:])
    assert after[:start] == before[:start]
    assert ("\r\n" in text) == ("\r\n" in path.read_bytes().decode())
    found = reader.read(path.read_bytes().decode(), label="m.yaml", environ={})
    assert found.problems == ()
    assert found.declarations[-1].version == created.version


_VARIABLES = [
    "manifest: 1\nname: shop # a\n\n# b\nmigrations: []\n",
    "manifest: 1\nvariables:\n  a: one # a\n  # b\n\nmigrations:\n  - {version: 1, file: a.sql}\n",
    "migrations:\n  - version: 1\n    file: a.sql\nmanifest: 1\n",
    "manifest: 1\r\nname: shop\r\n",
]


@pytest.mark.parametrize("text", _VARIABLES)
def test_variables_are_added_and_nothing_else(text: str) -> None:
    new = {"b": "two words", "c": "${C}", "d": "it's: #1", "e": "0010", "f": 'no"ne'}
    document = reader.read(text, label="m.yaml", environ={}).document
    again = reader.read(edit.add_variables(document, new), label="m.yaml", environ={"C": "x"})
    assert not again.problems
    before, after = scaffold.plain(document), scaffold.plain(again.document)
    assert after == {**before, "variables": {**before.get("variables", {}), **new}}
    kept = [line for line in text.splitlines() if line]
    assert [line for line in again.document.source.text.splitlines() if line in kept] == kept


@pytest.mark.parametrize("text", ["{manifest: 1}", "manifest: 1\nvariables: {a: b}\n", "manifest: 1\nvariables: x\n"])
def test_variables_are_not_added_where_it_is_not_sure_how(text: str) -> None:
    with pytest.raises(edit.NotEditable):
        edit.add_variables(reader.read(text, label="m.yaml", environ={}).document, {"b": "c"})


@pytest.mark.parametrize(
    "text",
    [
        "manifest: 1\n",
        "manifest: 1\nmigrations: []\n",
        "manifest: 1\nmigrations:\n",
        "manifest: 1\r\nmigrations: []\r\n",
    ],
)
def test_the_first_entries_are_added_together(text: str) -> None:
    entries: list[dict[str, edit.Value]] = [
        {"version": 1, "name": "a: b", "file": "../a b.sql", "transaction": False, "empty": True},
        {"version": 2, "file": "b.sql", "kind": "repeatable", "repeat": {"condition": "select true"}},
    ]
    document = reader.read(text, label="m.yaml", environ={}).document
    again = reader.read(edit.add_first(document, entries), label="m.yaml", environ={})
    assert not again.problems
    assert scaffold.plain(again.document) == {"manifest": 1, "migrations": entries}
    with pytest.raises(edit.NotEditable):
        edit.add_first(again.document, entries)
