"""Projects: manifests, what they include, and the files they name, on disk."""

from __future__ import annotations

import gc
import gzip
import os
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.tree import plant
from zmig.errors import ManifestError, Problem, UsageError
from zmig.manifest.declaration import DatabaseUrl, EmbeddedDatabase
from zmig.model import Environment, Kind, Language, Repeat, RepeatRule
from zmig.presentation.problems import problem_text
from zmig.project import choice, project, text_file

if TYPE_CHECKING:
    from zmig.project.project import Project

PYTHON = "def execute(ctx):\n    pass\n"


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own, so that messages have relative paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(files: dict[str, str | bytes]) -> Project:
    plant(Path.cwd(), files)
    return project.load(Path(next(iter(files))), environ={})


def problems(files: dict[str, str | bytes]) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        load(files)
    return list(caught.value.problems)


def told(files: dict[str, str | bytes]) -> list[tuple[str, str, str | None]]:
    """The place, the message and the hint of everything that is wrong."""
    return [(str(problem.location), problem.message, problem.hint) for problem in problems(files)]


def one(files: dict[str, str | bytes], **entry: str) -> dict[str, str | bytes]:
    """A manifest with one entry, and files."""
    keys = {"version": "1", "file": next(iter(files)), **entry}
    lines = ["manifest: 1", "migrations:", "  - " + "\n    ".join(f"{key}: {value}" for key, value in keys.items())]
    return {"m.yaml": "\n".join(lines) + "\n", **files}


def test_a_project_is_a_manifest_with_its_migrations_in_the_order_they_run_in() -> None:
    loaded = load(
        {
            "manifests/shop.yaml": (
                "manifest: 1\nenvironment: test\nmigrations:\n"
                "  - {version: 90, file: ../sql/views.sql, kind: repeatable}\n"
                "  - {version: 2, file: ../sql/two.PY, description: second}\n"
                "  - {version: 1, file: ../sql/one.sql, rollback: ../sql/one.rollback.sql, transaction: false}\n"
                "  - {version: 80, file: ../sql/due.py, kind: repeatable}\n"
                "  - {version: 81, file: ../sql/again.py, kind: repeatable, repeat: {condition: select true}}\n"
            ),
            "sql/views.sql": "select 1",
            "sql/two.PY": PYTHON + "def rollback(ctx): pass\n",
            "sql/one.sql": "select 1;\n",
            "sql/one.rollback.sql": "",
            "sql/due.py": PYTHON + "def should_repeat(ctx, last_run): return True\n",
            "sql/again.py": PYTHON + "def should_repeat(ctx, last_run): return True\n",
        }
    )
    assert (loaded.path, loaded.name, loaded.environment) == (
        Path("manifests/shop.yaml"),
        "shop",
        Environment.TEST,
    )
    assert [migration.name for migration in loaded.migrations] == ["one", "two", "due", "again", "views"]
    first, second, due, again, views = loaded.migrations
    assert (first.file, first.rollback_file) == (Path("sql/one.sql"), Path("sql/one.rollback.sql"))
    assert first.checksum == sha256(b"select 1;\n").hexdigest()
    assert (first.kind, first.language, first.transaction, first.repeat) == (Kind.SQL, Language.SQL, False, None)
    assert str(first.declared_at) == "manifests/shop.yaml:6:5"
    assert (second.kind, second.language, second.description) == (Kind.PYTHON, Language.PYTHON, "second")
    assert (second.has_code_rollback, second.is_reversible, due.is_reversible) == (True, True, False)
    assert due.repeat == Repeat(RepeatRule.CODE)
    assert again.repeat == Repeat(RepeatRule.CONDITION, "select true")
    assert views.repeat == Repeat(RepeatRule.CHECKSUM)


@pytest.mark.parametrize(
    "content",
    [
        b"select 1;\nselect 2;\n",
        b"select 1;\r\nselect 2;\r\n",
        b"select 1;\rselect 2;\r",
        b"\xef\xbb\xbfselect 1;\nselect 2;\r",
    ],
    ids=["LF", "CRLF", "CR", "a byte order mark"],
)
def test_a_checksum_is_that_of_the_text_whatever_its_line_ends(content: bytes) -> None:
    (migration,) = load(one({"a.sql": content})).migrations
    assert migration.checksum == sha256(b"select 1;\nselect 2;\n").hexdigest()


def test_a_line_end_torn_between_two_reads_is_one() -> None:
    line = b"x" * 1023 + b"\r\n"
    for shift in range(3):
        content = b" " * shift + line * 2100
        (migration,) = load(one({"a.sql": content})).migrations
        assert migration.checksum == sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def test_a_character_torn_between_two_reads_is_one() -> None:
    for shift in range(4):
        content = b" " * shift + "select '😀數é'".encode() * 100_000
        (migration,) = load(one({"a.sql": content})).migrations
        assert migration.checksum == sha256(content).hexdigest()
        assert text_file.read(Path("a.sql")).encode() == content


def test_a_large_file_is_not_held_in_memory() -> None:
    with Path("a.sql").open("wb") as file:
        for _ in range(60):
            file.write(b"insert into t values (1);\r\n" * 40_000)
    plant(Path.cwd(), {"m.yaml": "manifest: 1\nmigrations: [{version: 1, file: a.sql}]"})
    tracemalloc.start()
    try:
        project.load(Path("m.yaml"), environ={})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert Path("a.sql").stat().st_size > 60_000_000
    assert peak < 12_000_000


def test_reading_a_file_drops_the_byte_order_mark_and_keeps_line_ends() -> None:
    path = plant(Path.cwd(), {"a.sql": b"\xef\xbb\xbfselect 1;\r\n"})
    assert text_file.read(path) == "select 1;\r\n"


FILES: dict[str, tuple[dict[str, str | bytes], tuple[str, str, str]]] = {
    "a missing file, with its nearest": (
        {
            "m.yaml": "manifest: 1\nmigrations: [{version: 12, file: sql/012_ordrs.sql}]",
            "sql/012_orders.sql": "select 1",
        },
        (
            "m.yaml:2:34",
            "manifest entry `012_ordrs` names a file that does not exist: `sql/012_ordrs.sql`",
            "write `file: sql/012_orders.sql`",
        ),
    ),
    "a missing rollback file": (
        one({"a.sql": "select 1", "a.rollback.sql": "select 2"}, rollback="./a.rolback.sql"),
        (
            "m.yaml:5:15",
            "manifest entry `a` names a rollback file that does not exist: `a.rolback.sql`",
            "write `rollback: ./a.rollback.sql`",
        ),
    ),
    "a missing folder": (
        {"m.yaml": "manifest: 1\nmigrations: [{version: 1, file: nowhere/a.sql}]"},
        (
            "m.yaml:2:33",
            "manifest entry `a` names a file that does not exist: `nowhere/a.sql`",
            "create the file, or correct `file: nowhere/a.sql`",
        ),
    ),
    "a folder instead of a file": (
        one({"a.sql/b": ""}, file="a.sql"),
        ("m.yaml:4:11", "`a.sql` is a folder, not a file", "name a file"),
    ),
    "a folder instead of a rollback file": (
        one({"a.sql": "select 1", "b.sql/c": ""}, rollback="b.sql"),
        ("m.yaml:5:15", "`b.sql` is a folder, not a file", "name a file"),
    ),
    "a file below a file": (
        one({"a.sql": "select 1"}, file="a.sql/b.sql"),
        (
            "m.yaml:4:11",
            "manifest entry `b` names a file that does not exist: `a.sql/b.sql`",
            "create the file, or correct `file: a.sql/b.sql`",
        ),
    ),
    "a name that is too long": (
        one({"a.sql": ""}, file="a" * 300 + ".sql", name="long"),
        ("m.yaml:4:11", f"`{'a' * 300}.sql` cannot be read: file name too long", f"run `ls -ld {'a' * 300}.sql`"),
    ),
    "an empty file": (
        one({"a.sql": ""}),
        ("m.yaml:4:11", "`a.sql` holds no statement", "write the migration's statements into it"),
    ),
    "a file of comments": (
        one({"a.sql": "-- one\r\n\n;/* two /* nested */ ; */ --"}),
        ("m.yaml:4:11", "`a.sql` holds no statement", "write the migration's statements into it"),
    ),
    "a large file of comments": (
        one({"a.sql": "-- " + "x" * 1000 + "\n" + "/* y */\n" * 140_000}),
        ("m.yaml:4:11", "`a.sql` holds no statement", "write the migration's statements into it"),
    ),
    "a file that is not UTF-8": (
        one({"a.sql": b"\xef\xbb\xbf-- caf\xc3\xa9\r\nselect 'caf\xe9';\n"}),
        (
            "a.sql:2:12",
            "`a.sql` is not UTF-8: byte 0xE9 at offset 24",
            "save it as UTF-8, for example with `iconv -f LATIN1 -t UTF-8 -o NEW a.sql`",
        ),
    ),
    "a file that ends inside a character": (
        one({"a.sql": b"select 'caf\xc3"}),
        (
            "a.sql:1:12",
            "`a.sql` is not UTF-8: byte 0xC3 at offset 11",
            "save it as UTF-8, for example with `iconv -f LATIN1 -t UTF-8 -o NEW a.sql`",
        ),
    ),
    "a file in UTF-16": (
        one({"a.sql": "select 1".encode("utf-16")}),
        (
            "a.sql:1:1",
            "`a.sql` is not UTF-8: byte 0xFF at offset 0",
            "save it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8 -o NEW a.sql`",
        ),
    ),
    "a NUL character": (
        one({"a.sql": b"select 1;\n  \xe6\x95\xb8\x00drop table t;"}),
        (
            "a.sql:2:4",
            "`a.sql` holds a NUL character, at offset 15",
            "remove the character: PostgreSQL would take it for the end of the text",
        ),
    ),
    "Python with an error": (
        one({"a.py": "def execute(ctx):\n    return 'é' (\n"}),
        ("a.py:2:16", "`a.py` is not Python: '(' was never closed", "correct the syntax"),
    ),
    "Python without execute": (
        one({"a.py": "class Migration:\n    def execute(self, ctx): ...\n"}),
        ("a.py:1:1", "`a.py` has no function `execute`", "define `def execute(ctx):` at the top level of the file"),
    ),
    "an asynchronous execute": (
        one({"a.py": "# \nasync def execute(ctx):\n    pass\n"}),
        (
            "a.py:2:1",
            "`execute` in `a.py` is asynchronous, so calling it would do nothing",
            "write `def execute` without `async`",
        ),
    ),
    "an execute that is a generator": (
        one({"a.py": "def execute(ctx):\n    for row in ctx.execute('select 1'):\n        yield row\n"}),
        (
            "a.py:1:1",
            "`execute` in `a.py` is a generator, so calling it would do nothing",
            "write `execute` without `yield`",
        ),
    ),
    "Python that is nested too deeply": (
        one({"a.py": PYTHON + "x = " + "-" * 100_000 + "1\n"}),
        (
            "a.py:1:1",
            "`a.py` is not Python that can be compiled: it is nested too deeply",
            "simplify the file",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), FILES.values(), ids=FILES.keys())
def test_what_is_wrong_with_a_file_is_told(files: dict[str, str | bytes], expected: tuple[str, str, str]) -> None:
    assert told(files) == [expected]


def test_a_problem_inside_a_file_says_who_names_the_file() -> None:
    (problem,) = problems(one({"a.py": "def execute(ctx:\n"}))
    assert problem.facts == ("declared at m.yaml:4:11",)


def test_a_missing_file_is_told_with_the_nearest_one() -> None:
    (problem,) = problems(
        {
            "manifests/prod.yaml": "manifest: 1\nmigrations:\n  - version: 12\n    file: ../sql/0012_add_ordrs.sql\n",
            "sql/0012_add_orders.sql": "select 1",
        }
    )
    assert problem_text(problem) == "\n".join(
        [
            "error: manifest entry `0012_add_ordrs` names a file that does not exist: `sql/0012_add_ordrs.sql`",
            "  --> manifests/prod.yaml:4:11",
            "   |",
            " 4 |     file: ../sql/0012_add_ordrs.sql",
            "   |           ^^^^^^^^^^^^^^^^^^^^^^^^^",
            "   = nearest file: sql/0012_add_orders.sql",
            "hint: write `file: ../sql/0012_add_orders.sql`",
        ]
    )


@pytest.mark.parametrize("there", ["002_x.rollback.sql", "002_y.sql", "002_x.down.sql"])
def test_neither_a_rollback_file_nor_one_of_another_entry_is_offered_for_a_missing_file(there: str) -> None:
    entry = "  - {version: 3, file: 002_y.sql}\n" if there == "002_y.sql" else ""
    (problem,) = problems(
        {
            "m.yaml": f"manifest: 1\nmigrations:\n  - {{version: 2, file: 002_x.sql}}\n{entry}",
            there: "select 1",
        }
    )
    assert problem.hint == "create the file, or correct `file: 002_x.sql`"


def test_a_pipe_is_refused_without_waiting_for_it() -> None:
    os.mkfifo("a.sql")
    assert told({"m.yaml": "manifest: 1\nmigrations: [{version: 1, file: a.sql}]"}) == [
        ("m.yaml:2:33", "`a.sql` is a device or a pipe, not a file", "name a file")
    ]


@pytest.mark.parametrize(
    "source",
    [
        "execute = print\n",
        "from os import system as execute\n",
        "from os import *\n",
        "execute: object = print\n",
        "try:\n    import nothing\nexcept ImportError:\n    def execute(ctx): ...\n",
        "if True:\n    def execute(ctx): ...\nelse:\n    def execute(ctx): ...\n",
        "def execute(ctx):\n    return '\\d'\n",
        "raise SystemExit\ndef execute(ctx): ...\n",
    ],
)
def test_execute_may_be_bound_in_any_way_and_is_never_run(source: str) -> None:
    assert load(one({"a.py": source})).migrations[0].language is Language.PYTHON


def test_everything_that_is_wrong_is_told_at_once_by_manifest_and_line() -> None:
    files: dict[str, str | bytes] = {
        "m.yaml": (
            "manifest: 1\nnmae: x\ninclude: [b.yaml, missing.yaml]\nmigrations:\n"
            "  - {version: 1, file: one.sql}\n  - {version: 2, file: empty.sql, kind: sqll}\n"
            "  - {version: 1, file: bad.py}\n  - {version: 3, file: latin.sql}\n"
        ),
        "b.yaml": "manifest: 1\nmigrations:\n  - {version: 2, file: two.sql, rollback: no.sql}\n",
        "empty.sql": "",
        "bad.py": "x = 1",
        "two.sql": "select 1",
        "latin.sql": b"\xe9",
    }
    assert [(place, message.split(":")[0]) for place, message, _ in told(files)] == [
        ("m.yaml:2:1", "the manifest has an unknown key `nmae`"),
        ("m.yaml:3:19", "the manifest `missing.yaml` does not exist"),
        ("m.yaml:5:24", "manifest entry `one` names a file that does not exist"),
        ("m.yaml:6:24", "`empty.sql` holds no statement"),
        ("m.yaml:6:41", "manifest entry `empty` has an unknown kind `sqll`"),
        ("m.yaml:7:15", "manifest entry `bad` repeats version 1"),
        ("b.yaml:3:15", "manifest entry `two` repeats version 2"),
        ("b.yaml:3:43", "manifest entry `two` names a rollback file that does not exist"),
        ("bad.py:1:1", "`bad.py` has no function `execute`"),
        ("latin.sql:1:1", "`latin.sql` is not UTF-8"),
    ]


def test_an_included_manifest_adds_its_migrations_with_its_own_defaults() -> None:
    loaded = load(
        {
            "shop/m.yaml": (
                "manifest: 1\nname: shop\nenvironment: test\ndatabase: {embedded: ../pg}\n"
                "include: [../base/base.yaml]\nmigrations: [{version: 2, file: two.sql}]\n"
            ),
            "base/base.yaml": (
                "manifest: 1\nname: ${UNSET}\nenvironment: production\ndatabase: {url: x}\ntracking: {schema: other}\n"
                "defaults: {lock_timeout: 9s}\nmigrations: [{version: 1, file: one.sql}]\n"
            ),
            "base/one.sql": "select 1",
            "shop/two.sql": "select 2",
        }
    )
    assert (loaded.name, loaded.environment, loaded.tracking.schema) == ("shop", Environment.TEST, "zmig")
    assert loaded.require_database() == EmbeddedDatabase(Path("pg"))
    assert [(item.file, item.settings.lock_timeout_seconds) for item in loaded.migrations] == [
        (Path("base/one.sql"), 9.0),
        (Path("shop/two.sql"), 3.0),
    ]
    assert loaded.manifests == (Path("shop/m.yaml"), Path("base/base.yaml"))


def test_a_manifest_that_comes_by_two_ways_counts_once() -> None:
    include = "manifest: 1\ninclude: [base.yaml]\n"
    loaded = load(
        {
            "m.yaml": "manifest: 1\ninclude: [left.yaml, right.yaml, ./base.yaml]",
            "left.yaml": include,
            "right.yaml": include,
            "base.yaml": "manifest: 1\nmigrations: [{version: 1, file: a.sql}]",
            "a.sql": "select 1",
        }
    )
    assert len(loaded.migrations) == 1
    assert [path.name for path in loaded.manifests] == ["m.yaml", "left.yaml", "base.yaml", "right.yaml"]


def test_an_include_that_leads_back_is_told_where_it_closes_the_circle() -> None:
    assert told({"a.yaml": "manifest: 1\ninclude: [b.yaml]", "b.yaml": "manifest: 1\ninclude:\n  - ./a.yaml"}) == [
        ("b.yaml:3:5", "the manifest includes itself through `./a.yaml`", "remove this line of `include`")
    ]
    assert told({"c.yaml": "manifest: 1\ninclude: [c.yaml]"}) == [
        ("c.yaml:2:11", "the manifest includes itself through `c.yaml`", "remove this line of `include`")
    ]


def test_a_long_chain_of_includes_is_read() -> None:
    files: dict[str, str | bytes] = {
        f"m{number}.yaml": f"manifest: 1\ninclude: [m{number + 1}.yaml]" for number in range(300)
    }
    loaded = load({**files, "m300.yaml": "manifest: 1\nmigrations: [{version: 1, file: a.sql}]", "a.sql": "select 1"})
    assert len(loaded.migrations) == 1


def test_versions_and_names_are_unique_over_all_manifests() -> None:
    (version, name) = problems(
        {
            "m.yaml": (
                "manifest: 1\ninclude: [b.yaml]\nmigrations: [{version: 1, file: one.sql}, {version: 2, file: two.sql}]"
            ),
            "b.yaml": "manifest: 1\nmigrations: [{version: 1, file: three.sql}, {version: 4, file: b/two.sql}]",
            "one.sql": "select 1",
            "two.sql": "select 1",
            "three.sql": "select 1",
            "b/two.sql": "select 1",
        }
    )
    assert (version.code, version.hint, version.facts) == (
        "version-repeated",
        "write `version: 3`",
        ("first declared at m.yaml:3:24, by `one`",),
    )
    assert (name.code, name.message) == ("name-repeated", "manifest entry `two` repeats the name of version 2")


MANIFESTS: dict[str, tuple[bytes | None, str, str]] = {
    "missing": (None, "manifest-missing", "the manifest `m.yaml` does not exist"),
    "not UTF-8": (b"manifest: 1\nname: caf\xe9", "file-not-utf8", "`m.yaml` is not UTF-8: byte 0xE9 at offset 21"),
    "with a NUL": (b"manifest: 1\0", "file-not-text", "`m.yaml` holds a NUL character, at offset 11"),
    "compressed": (b"\x1f\x8b\x08\0\xff", "file-not-text", "`m.yaml` is compressed with gzip, so it is not text"),
    "binary": (bytes(range(1, 256)), "file-not-utf8", "`m.yaml` is not UTF-8: byte 0x80 at offset 127"),
    "empty": (b"", "manifest-invalid", "the manifest is empty"),
    "of 50 MB": (
        b"# large\n" * 6_250_000,
        "manifest-too-large",
        "`m.yaml` is too large for a manifest: 50.0 MB, and 33.6 MB are allowed",
    ),
}


@pytest.mark.parametrize(("content", "code", "message"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_that_cannot_be_read_is_told(content: bytes | None, code: str, message: str) -> None:
    if content is not None:
        Path("m.yaml").write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        project.load(Path("m.yaml"), environ={})
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == (code, message)
    assert problem.hint


def test_a_compressed_manifest_is_told_with_its_place_and_what_makes_a_manifest_of_it() -> None:
    plant(Path.cwd(), {"m.yaml": "manifest: 1\ninclude: [b.yaml]\n"})
    Path("b.yaml").write_bytes(gzip.compress(b"manifest: 1\n"))
    for name, place in (("m.yaml", "m.yaml:2:11"), ("b.yaml", "b.yaml:1:1")):
        with pytest.raises(ManifestError) as caught:
            project.load(Path(name), environ={})
        (problem,) = caught.value.problems
        assert str(problem.location) == place
        assert problem.hint == "make YAML of it with `gunzip -c b.yaml > NEW`, and name that file"


def test_a_missing_manifest_is_told_with_the_nearest_one() -> None:
    plant(Path.cwd(), {"manifests/prod.yaml": "manifest: 1"})
    with pytest.raises(ManifestError) as caught:
        project.load(Path("manifests/prd.yaml"), environ={})
    assert caught.value.problems[0].hint == "name `manifests/prod.yaml`"


def test_a_manifest_without_a_database_says_what_to_write_when_one_is_needed() -> None:
    loaded = load({"m.yaml": "manifest: 1"})
    with pytest.raises(ManifestError) as caught:
        loaded.require_database()
    (problem,) = caught.value.problems
    assert problem.message == "manifest `m.yaml` names no database"
    assert problem.facts == (
        'a PostgreSQL server: `database: {url: "${DATABASE_URL}"}`',
        "a private PostgreSQL in a folder: `database: {embedded: ../.zmig/postgres}`",
    )
    for line in problem.facts:
        entry = line.partition("`")[2].rstrip("`")
        assert load({"m.yaml": f"manifest: 1\n{entry}\n"}).database is not None


def test_an_unset_database_url_is_no_problem_until_it_is_needed() -> None:
    database = load({"m.yaml": "manifest: 1\ndatabase: {url: '${DATABASE_URL}'}"}).require_database()
    assert isinstance(database, DatabaseUrl)
    with pytest.raises(ManifestError, match="`DATABASE_URL` is not set"):
        database.resolve({})


def test_paths_are_relative_to_the_working_directory_where_that_is_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = plant(
        tmp_path, {"a/b/m.yaml": "manifest: 1\nmigrations: [{version: 1, file: ../x.sql}]", "a/x.sql": "select 1"}
    )
    found: list[str] = []
    for folder in (tmp_path, tmp_path / "a" / "b", Path("/")):
        monkeypatch.chdir(folder)
        (migration,) = project.load(manifest, environ={}).migrations
        found.append(str(migration.file))
    assert found == ["a/x.sql", "../x.sql", str(tmp_path / "a" / "x.sql").removeprefix("/")]


def test_a_path_leads_where_the_system_would_lead_it_through_symbolic_links() -> None:
    plant(
        Path.cwd(),
        {
            "real/deep/m.yaml": (
                "manifest: 1\nmigrations: [{version: 1, file: ../one.sql}, {version: 2, file: link/../two.sql}]"
            ),
            "real/one.sql": "select 1",
            "elsewhere/two.sql": "select 2",
            "elsewhere/inner/x": "",
        },
    )
    Path("real/deep/link").symlink_to(Path("elsewhere/inner").resolve())
    Path("linked").symlink_to("real/deep")
    for path in ("real/deep/m.yaml", "linked/m.yaml"):
        one_, two = project.load(Path(path), environ={}).migrations
        assert one_.file is not None
        assert one_.file.read_text() == "select 1"
        assert two.file is not None
        assert two.file.read_text() == "select 2"


def test_thousands_of_missing_files_are_told_in_no_time_of_note() -> None:
    entries = "".join(f"  - {{version: {number}, file: missing_{number}.sql}}\n" for number in range(1, 501))
    files: dict[str, str | bytes] = {f"present_{number}.sql": "select 1" for number in range(300)}
    found = problems({"m.yaml": f"manifest: 1\nmigrations:\n{entries}", **files})
    assert len(found) == 500


def test_loading_leaves_the_garbage_collector_as_it_was() -> None:
    load({"m.yaml": "manifest: 1"})
    assert gc.isenabled()


def find(argument: str | None = None, **environ: str) -> str:
    return str(choice.find(argument, environ=environ, cwd=Path.cwd()))


def lost(argument: str | None = None, **environ: str) -> Problem:
    with pytest.raises(UsageError) as caught:
        find(argument, **environ)
    return caught.value.problems[0]


def test_the_manifest_is_the_argument_else_the_variable_else_the_only_one_there_is() -> None:
    plant(Path.cwd(), {"manifests/prod.yaml": "", "other.yaml": "", "manifests/notes.txt": ""})
    assert find("other.yaml", ZMIG_MANIFEST="manifests/prod.yaml") == "other.yaml"
    assert find(ZMIG_MANIFEST="other.yaml") == "other.yaml"
    assert find(ZMIG_MANIFEST="") == "manifests/prod.yaml"
    plant(Path.cwd(), {"manifests/demo.yml": ""})
    problem = lost()
    assert problem.message == "no manifest is named, and `manifests/` holds 2"
    assert problem.facts == ("manifests here: manifests/demo.yml, manifests/prod.yaml",)


def test_a_manifest_that_is_not_there_is_told_with_the_nearest_one() -> None:
    assert lost().message == "no manifest is named, and there is none in `manifests/`"
    plant(Path.cwd(), {"manifests/prod.yaml": ""})
    assert lost("manifests/prd.yaml").hint == "name `manifests/prod.yaml`"
    assert lost("prod").hint == "name `manifests/prod.yaml`"
    assert lost("prod.yaml").hint == "name `manifests/prod.yaml`"
    assert lost("quite/another.yaml").facts == ("manifests here: manifests/prod.yaml",)
    assert lost(ZMIG_MANIFEST="nowhere.yaml").facts[0] == "named by $ZMIG_MANIFEST"
