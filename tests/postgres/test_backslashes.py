"""What a backslash in a constant means is what it would mean in psql: whoever changed it, and whenever."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from tests.support import database as databases
from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator
from zmig.embedded.binaries import find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = """
create table kept (number int generated always as identity, it text);
create table other (it text);
create function off() returns text language sql as
    $$ select set_config('standard_conforming_strings', 'off', true) $$;
create function off_by_trigger() returns trigger language plpgsql as $$ begin perform off(); return new; end $$;
create trigger off before insert or update or delete on other for each row execute function off_by_trigger();
create function off_by_event() returns event_trigger language plpgsql as $$ begin perform off(); end $$;
create view off_by_view as select off() as it;
create domain off_by_domain as int check (off() is not null);
"""

ENDINGS = (
    r"insert into kept (it) values ('it\'s');",
    r"insert into kept (it) values ('a\\'), ('b\\\'; c'), ('\'); --'), ('d');",
    r"insert into kept (it) values (N'n\'n'), (n'\\'), (E'e\'e'), ('x' || 'y\'''');",
    "insert into kept (it) values ('a'\n'b\\'c'), ('d' -- '\n'\\'e'), (E'f'\n'\\';');",
    r"insert into kept (it) values ($$a\'b$$), ($q$\$q$), ('$$\'$$');",
    r"""insert into kept (it) select 1 as "a\" where 'a\'' <> '' /* \' ' */; -- \' '""",
    r"insert into kept (it) values ('a\tb\n\x41\101'), ('\';\''), (';');",
    "copy kept (it) from stdin;\na\\tb\n\\\\'\n\\.\ninsert into kept (it) values ('\\'');",
    "copy kept (it) from stdin (delimiter '\\'');\n;\n\\.\n",
    r"create function f() returns text language plpgsql as 'begin return \'a;b\'; end';"
    "\ninsert into kept (it) values (f());",
    r"create function g() returns text begin atomic; select 'a\';'::text; end; insert into kept (it) values (g());",
    r"create rule r as on update to kept do also (insert into kept (it) values ('\';)'); select 1);"
    "\ninsert into kept (it) values ('x'); update kept set it = 'y';",
    r"do 'begin insert into kept (it) values (\'a;b\'); end'; insert into kept (it) values ('z');",
    r"comment on table kept is 'it\'s; mine'; insert into kept (it) select obj_description('kept'::regclass);",
)
"""What has another meaning, or another end, where a backslash escapes in ordinary strings."""

CHANGES = {
    "a statement": "set standard_conforming_strings = off;",
    "a function": "select off();",
    "a view": "select * from off_by_view;",
    "a table made of a view": "create table made as table off_by_view;",
    "a trigger": "insert into other values ('x');",
    "a trigger for rows that follow": "copy other from stdin;\nx\n\\.\n",
    "an event trigger": "create event trigger off on ddl_command_end execute function off_by_event();\n"
    "comment on table kept is 'x';",
    "an event trigger behind what is only defined": "create event trigger off on ddl_command_end execute function "
    "off_by_event();\ngrant select on kept to public;",
    "a domain": "create table made (it off_by_domain);\ninsert into made values (1);",
    "a default": "create table made (it text default off());\ninsert into made values (default);",
    "an index": "insert into kept (it) values ('x');\ncreate table made (it text, n int check (off() is not null));\n"
    "insert into made values ('x', 1);",
    "a prepared statement": "prepare one as select off();\nexecute one;",
    "a cursor": "declare one cursor for select off();\nfetch one;",
    "constraints that were deferred": "create function late() returns trigger language plpgsql as "
    "$$ begin perform off(); return null; end $$;\n"
    "create constraint trigger late after insert on kept deferrable initially deferred for each row "
    "execute function late();\ninsert into kept (it) values ('x');\nset constraints all immediate;",
    "the end of a savepoint": "set standard_conforming_strings = off;\nsavepoint one;\n"
    "set standard_conforming_strings = on;\nrollback to one;",
}


@pytest.fixture
def psql_database(server: str, worker_name: str) -> Iterator[str]:
    with databases.temporary(server, f"{worker_name}_psql") as url:
        yield url


def _psql(url: str, path: Path) -> None:
    own = find_binaries().binaries.path("psql")
    program = str(own) if own.exists() else shutil.which("psql")
    if program is None:
        pytest.skip("there is no psql here")
    command = [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction"]
    subprocess.run([*command, "-f", str(path), url], check=True, stdout=subprocess.DEVNULL)


def _kept(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("select it from kept order by number").fetchall()


def _prepare(url: str, *, strings: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set standard_conforming_strings = {}").format(name, strings))


def _version(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.info.server_version


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("text", ENDINGS)
def test_where_the_database_says_that_it_escapes_it_escapes(
    tmp_path: Path, fresh_database: str, psql_database: str, text: str, is_large: bool
) -> None:
    filler = "insert into kept (it) values ('\\';" + "x" * 600_000 + "');\n" if is_large else ""
    project = ProjectFolder(tmp_path, fresh_database)
    path = project.sql("001_kept", f"{filler}{text}\n{filler}insert into kept (it) values ('end\\'');\n")
    for url in (fresh_database, psql_database):
        _prepare(url, strings="off")
    if "begin atomic" in text and _version(fresh_database) < 140000:
        pytest.skip("such bodies came with PostgreSQL 14")
    _psql(psql_database, path)
    Migrator(project.manifest).migrate()
    assert _kept(fresh_database) == _kept(psql_database) != []


def test_it_escapes_outside_of_a_transaction(tmp_path: Path, fresh_database: str) -> None:
    _prepare(fresh_database, strings="off")
    project = ProjectFolder(tmp_path, fresh_database)
    text = "insert into kept (it) values ('\\';');\ncopy kept (it) from stdin;\nx\n\\.\n"
    project.sql("001_kept", f"{text}update kept set it = it || '\\';y';\n", transaction=False)
    Migrator(project.manifest).migrate()
    assert _kept(fresh_database) == [("';';y",), ("x';y",)]


def test_it_escapes_in_a_batch(tmp_path: Path, fresh_database: str) -> None:
    _prepare(fresh_database, strings="off")
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_rows", "insert into kept (it) values ('a'), ('b\\''), ('c');\n")
    chosen = "with chosen as (select number from kept where it not like '%\\':size' limit :size) "
    text = "update kept set it = it || '\\':size' from chosen where kept.number = chosen.number;"
    project.sql("002_kept", chosen + text, batch={"size": 2})
    Migrator(project.manifest).migrate()
    assert sorted(_kept(fresh_database)) == [("a':size",), ("b'':size",), ("c':size",)]


@pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_it_is_heeded_by_the_next_statement(
    tmp_path: Path, fresh_database: str, psql_database: str, change: str, is_large: bool
) -> None:
    filler = "insert into kept (it) values ('" + "x" * 600_000 + "');\n" if is_large else ""
    rows = "insert into kept (it) values ('c\\\\d');\ninsert into kept (it) values ('e\\\\f');\n"
    project = ProjectFolder(tmp_path, fresh_database)
    path = project.sql("001_kept", f"{filler}{rows}{change}\n{rows}{filler}")
    for url in (fresh_database, psql_database):
        _prepare(url, strings="on")
    _psql(psql_database, path)
    Migrator(project.manifest).migrate()
    told = _kept(psql_database)
    assert ("c\\d",) in told
    assert ("c\\\\d",) in told
    assert _kept(fresh_database) == told


@pytest.mark.parametrize("options", [{}, {"transaction": False}])
@pytest.mark.parametrize(
    "change",
    ["set standard_conforming_strings = off", "select set_config('standard_conforming_strings', 'off', false)"],
)
@pytest.mark.parametrize("row", [r"'a\'; delete from kept; --'", r"'\'), ('b'), ('c\'"])
def test_where_it_changes_in_a_file_a_statement_that_would_end_elsewhere_is_refused(
    tmp_path: Path, fresh_database: str, options: dict[str, Any], change: str, row: str
) -> None:
    _prepare(fresh_database, strings="on")
    project = ProjectFolder(tmp_path, fresh_database)
    text = f"{change};\ninsert into kept (it) values ('a\\\\b');\ninsert into kept (it) values ({row});\n"
    project.sql("001_kept", text + "insert into kept (it) values ('c');\n", **options)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert problem.location.line == 3
    assert "`standard_conforming_strings` was changed" in problem.message
    assert _kept(fresh_database) == ([] if not options else [("a\\b",)])
