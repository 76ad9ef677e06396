"""Bad input, end to end: an error of one shape, the contracted exit code, and an untouched database."""

from __future__ import annotations

import socket
from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop

HEAD = "manifest: 1\nname: shop\nenvironment: test\n"
ALIAS_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghi")
)


@pytest.fixture
def good(shop: Shop) -> Shop:
    """A manifest that is fine, with one migration whose table tells whether anything was run."""
    shop.add(1, "0001", "create table users ();")
    return shop


@pytest.fixture(autouse=True)
def untouched(connection: psycopg.Connection) -> Iterator[None]:
    """Look whether the database is as it was."""
    yield
    found = connection.execute("select to_regclass('users'), to_regclass('zmig.migration_events')").fetchone()
    assert found == (None, None)


def assert_refused(ended: Ended, message: str, *, code: int = 2) -> None:
    """Check the shape: a message, facts and places in the middle, one hint at the end, no traceback."""
    lines = ended.stderr.splitlines()
    assert (ended.code, ended.stdout) == (code, ""), ended.stderr
    assert lines[0].startswith(f"error: {message}"), lines[0]
    assert lines[-1].startswith("hint: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("manifest: 1\nname: [shop\n", "a list in `[...]` is not closed"),
        (f"{HEAD}migrations:\n  - version: one\n    file: 0001.sql\n", "`version` of manifest entry `0001` is `one`"),
        ("- manifest: 1\n", "the manifest is a list"),
        ("", "the manifest is empty"),
        (b"\x7fELF\x00\x01\x02\x03" * 100, "`bad.yaml` holds a NUL character"),
        (b"\x93\xfa\x96\x7b" * 100, "`bad.yaml` is not UTF-8"),
        (f"{HEAD}# {'x' * (50 << 20)}\n", "`bad.yaml` is too large for a manifest: 52.4 MB"),
        (ALIAS_BOMB, "the text unfolds to more than 2,000,000 values"),
        (f"{HEAD}name: shop\n", "the key `name` is repeated"),
        (f"{HEAD}database: {{url: '${{UNSET}}'}}\n", "`database.url` cannot be used: the variable `UNSET` is not set"),
        (HEAD, "manifest `bad.yaml` names no database"),
    ],
    ids=[
        "malformed YAML", "wrong type", "a list", "empty", "binary junk", "not UTF-8", "50 MB", "alias bomb",
        "a key twice", "unset variable", "no database",
    ],
)  # fmt: skip
def test_manifest(good: Shop, run: Run, content: str | bytes, message: str) -> None:
    (good.folder / "bad.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_refused(run("apply", "bad.yaml"), message)


def test_folder_instead_of_a_manifest(good: Shop, run: Run) -> None:
    (good.folder / "dir.yaml").mkdir()
    assert_refused(run("apply", "dir.yaml"), "`dir.yaml` is a folder, not a file")


def test_manifest_that_does_not_exist_offers_the_nearest(good: Shop, run: Run) -> None:
    (good.folder / "manifests").mkdir()
    (good.folder / "manifests" / "prod.yaml").write_text(HEAD)
    ended = run("apply", "manifests/prd.yaml")
    assert_refused(ended, "the manifest `manifests/prd.yaml` does not exist")
    assert ended.stderr.endswith("hint: name `manifests/prod.yaml`\n")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("0002.sql", b"select 'gr\xfc\xdfe';", "`0002.sql` is not UTF-8: byte 0xFC at offset 10"),
        ("0002.sql", b"select 1;\n\0drop table users;", "`0002.sql` holds a NUL character, at offset 10"),
        ("0002.sql", b"", "`0002.sql` holds no statement"),
        ("0002.sql", b"-- nothing\n;;\n", "`0002.sql` holds no statement"),
        ("0002.sql", b"select 1;\ncommit;", "statement 2 ends or opens a transaction"),
        ("0002.sql", b"select 'open;", "the string that begins here never ends"),
        ("0002.sql", b"\\set x 1\nselect 1;", "`\\set` is a command of psql"),
        ("0002.py", b"def execute(ctx)\n    pass\n", "`0002.py` is not Python"),
        ("0002.py", b"def run(ctx):\n    pass\n", "`0002.py` has no function `execute`"),
        ("0002.py", b"import no_such_module\n\ndef execute(ctx): ...\n", "Python file `0002.py` does not import"),
        ("0002.py", b"import sys\nsys.exit(0)\n\ndef execute(ctx): ...\n", "Python file `0002.py` does not import"),
    ],
    ids=[
        "not UTF-8", "NUL", "empty", "only comments", "COMMIT", "open string", "psql command", "Python syntax",
        "no execute", "does not import", "exits",
    ],
)  # fmt: skip
def test_file_of_a_migration(good: Shop, run: Run, name: str, content: bytes, message: str) -> None:
    good.add(2, name, "")
    (good.folder / name).write_bytes(content)
    assert_refused(run("apply", "shop.yaml"), message)


def test_file_that_vanished(good: Shop, run: Run) -> None:
    good.add(2, "0002", "select 1;").unlink()
    assert_refused(run("apply", "shop.yaml"), "manifest entry `0002` names a file that does not exist: `0002.sql`")


def test_folder_instead_of_a_file(good: Shop, run: Run) -> None:
    good.add(2, "0002", "select 1;").unlink()
    (good.folder / "0002.sql").mkdir()
    assert_refused(run("apply", "shop.yaml"), "`0002.sql` is a folder, not a file")


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfselect 1;", b"select 1;\r\nselect 2;\r\n", b"select 1;\rselect 2;\r"]
)
def test_byte_order_mark_and_foreign_line_ends_are_fine(shop: Shop, run: Run, content: bytes) -> None:
    shop.add(1, "0001", "").write_bytes(content)
    assert run("apply", "shop.yaml", "--dry-run").code == 0


class TestDatabase:
    """A server that does not do what it should."""

    def test_refuses(self, good: Shop, run: Run) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            ended = run("apply", "shop.yaml", "--database-url", f"postgresql://127.0.0.1:{port}/shop")
        assert_refused(ended, f"the database at `127.0.0.1:{port}` cannot be reached: ", code=3)
        assert "   = nothing was run\n" in ended.stderr

    def test_times_out(self, good: Shop, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            ended = run("apply", "shop.yaml", "--database-url", f"postgresql://127.0.0.1:{port}/shop?connect_timeout=2")
        assert_refused(ended, f"the database at `127.0.0.1:{port}` cannot be reached: ", code=3)

    def test_does_not_exist(self, shop: Shop, good: Shop, run: Run, database: str) -> None:
        ended = run("apply", "shop.yaml", "--database-url", make_conninfo(database, dbname="no_such_database"))
        assert_refused(ended, "the database at ", code=3)
        assert ended.stderr.endswith("hint: create it, or correct the name in `--database-url`\n")
        shop.declare(database=f'{{url: "{make_conninfo(database, dbname="no_such_database")}"}}')
        assert run("apply", "shop.yaml").stderr.endswith("hint: create it, or correct the name in `database.url`\n")

    def test_is_read_only(self, good: Shop, run: Run, fresh_database: str) -> None:
        with psycopg.connect(fresh_database) as connection:
            name = connection.info.dbname
            statement = sql.SQL("alter database {} set default_transaction_read_only = on")
            connection.execute(statement.format(sql.Identifier(name)))
        assert_refused(run("apply", "shop.yaml", "--database-url", fresh_database), f"database `{name}` is read-only")

    def test_lacks_a_right_which_is_named(
        self, good: Shop, run: Run, connection: psycopg.Connection, worker_name: str, database: str
    ) -> None:
        role = f"{worker_name}_guest"
        connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
        try:
            ended = run("apply", "shop.yaml", "--database-url", make_conninfo(database, user=role))
            assert run("status", "shop.yaml", "--database-url", make_conninfo(database, user=role)).code == 0
        finally:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
        right = f"create on database {connection.info.dbname}"
        assert_refused(ended, f"role `{role}` lacks the right {right}")
        assert ended.stderr.endswith(f"hint: as an administrator, run `grant {right} to {role}`\n")

    @pytest.mark.parametrize("command", ["apply", "status", "plan"])
    def test_has_a_table_of_another_tool(
        self, good: Shop, run: Run, connection: psycopg.Connection, command: str
    ) -> None:
        good.declare(tracking="{schema: public}")
        connection.execute("create table schema_migrations (version varchar primary key)")
        ended = run(command, "shop.yaml")
        assert_refused(ended, "table `public.schema_migrations` belongs to another tool")
        assert ended.stderr.endswith("write `tracking: {schema: zmig}` in the manifest\n")


def test_syntax_error_in_statement_3_of_5_leaves_nothing_of_the_file(
    shop: Shop, run: Run, connect: Callable[[], psycopg.Connection]
) -> None:
    shop.add(1, "0001", "create table orders ();\nselect 1;\nselec 2;\nselect 3;\nselect 4;\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert 'error: migration `0001` failed: syntax error at or near "selec"\n  --> 0001.sql:3:1\n' in ended.stderr
    assert "   = PostgreSQL 42601, statement 3 of 5, after " in ended.stderr
    connection = connect()
    assert connection.execute("select to_regclass('orders')").fetchone() == (None,)
    connection.execute("drop schema zmig cascade")
