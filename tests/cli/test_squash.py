"""`zmig squash`: made by pg_dump, proved, written at once; and what databases make of it afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from zmig import Migrator
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database import schema_reader
from zmig.embedded import EmbeddedServer
from zmig.embedded.binaries import candidates
from zmig.manifest import reader

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop

BINARIES = Path.home() / ".cache" / "zmig" / "postgresql"

HISTORY = (
    ("001_types", "create type mood as enum ('sad', 'ok'); create domain email as text check (value ~ '@');"),
    (
        "002_customers",
        """
        create table customers (
            id bigint generated always as identity primary key,
            "Na(me" varchar(80) not null default 'it''s',
            mail email,
            state mood not null default 'ok',
            kind varchar(10) check (kind in ('a', 'b')),
            dropped int
        );
        comment on table customers is 'who buys; "quoted"';
        create index on customers (lower("Na(me"));
        """,
    ),
    ("003_enum", "alter type mood add value 'happy' after 'ok';"),
    (
        "004_orders",
        """
        create schema "Other Schema";
        create table "Other Schema".orders (
            id serial primary key,
            customer_id bigint not null references customers on delete cascade,
            at date not null default current_date
        );
        create table log (at date not null, line text) partition by range (at);
        create table log_2024 partition of log for values from ('2024-01-01') to ('2025-01-01');
        create index log_line on log (line);
        create table countries (code text primary key, name text not null, position serial);
        insert into countries (code, name)
            values ('at', E'Österreich\\nund \\\\'), ('ch', 'Schweiz; -- x'), ('it', 'Italia');
        """,
    ),
    (
        "005_code",
        """
        create function shout() returns trigger language plpgsql
            as $f$ begin new.line := upper(new.line); return new; end $f$;
        create trigger shout before insert on log for each row execute function shout();
        create function total(c customers) returns bigint language sql stable
            as $$ select count(*) from "Other Schema".orders where customer_id = c.id $$;
        """,
    ),
    (
        "006_views",
        """
        create view happy as select id, "Na(me" from customers where state = 'happy' and kind in ('a', 'b');
        create materialized view counted as select count(*) as number from customers;
        create rule quiet as on delete to happy do instead nothing;
        alter table customers enable row level security;
        create policy own on customers for select using (mail = current_user::text);
        alter table customers drop column dropped;
        grant select on customers to public;
        alter default privileges in schema "Other Schema" grant select on tables to public;
        create sequence numbers start 100;
        select nextval('numbers');
        """,
    ),
)
PYTHON = """
def execute(ctx):
    ctx.connection.execute("create table made_by_code (x int)")
    ctx.connection.execute("insert into made_by_code values (1)")
"""


@pytest.fixture
def history(shop: Shop) -> Shop:
    """Seven migrations of all kinds, and a repeatable below the last of them."""
    for version, (name, sql) in enumerate(HISTORY, start=1):
        shop.add(version, name, sql, "select 1;")
    shop.write("008_code.verify.sql", "select count(*) = 1 from made_by_code")
    shop.add(8, "008_code.py", PYTHON, verify="{file: 008_code.verify.sql}")
    shop.add(7, "007_repeatable", "create or replace view again as select 1 as one;", kind="repeatable")
    return shop


def squash(run: Run, shop: Shop, *words: str) -> Ended:
    return run("squash", "shop.yaml", "--scratch-url", shop.url, *words)


def snapshot_of(url: str) -> schema_reader.SchemaSnapshot:
    with psycopg.connect(url, autocommit=True) as connection:
        return schema_reader.read(connection, Scope("zmig"))


@pytest.fixture
def another(database: str, fresh_database: str) -> str:
    """A second, empty database."""
    return fresh_database


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_new_database_is_what_an_old_one_is(history: Shop, run: Run, another: str) -> None:
    assert run("apply", "shop.yaml").code == 0
    ended = squash(run, history, "--to", "8", "--yes", "--delete", "--data", "countries")
    assert ended.code == 0, ended.stderr
    assert "`008_squashed.sql`: 1..6, 8 (7 migrations) in " in ended.stderr
    assert "not in it: 1 row of public.made_by_code, which migrations inserted" in ended.stderr
    assert "not in it: the value of sequence public.numbers" in ended.stderr
    assert "countries" not in "".join(line for line in ended.stderr.splitlines() if line.startswith("not in it"))
    assert sorted(path.name for path in history.folder.iterdir()) == [
        "007_repeatable.sql",
        "008_squashed.sql",
        "shop.yaml",
    ]
    new = Migrator(history.path, database_url=another)
    assert new.migrate().completed == ("008_squashed", "007_repeatable")
    assert [one for one in differences(snapshot_of(history.url), snapshot_of(another)) if not one.is_note] == [
        one
        for one in differences(snapshot_of(history.url), snapshot_of(another))
        if one.kind.value in ("constraint", "view") and "ANY" in (one.expected or "")
    ]
    countries = "select code, name, position from countries order by 1"
    assert rows(another, countries) == rows(history.url, countries)
    assert rows(another, "insert into countries values ('x', 'y') returning position") == [(4,)]
    assert rows(another, "select * from counted") == [(0,)]
    assert rows(another, "select count(*) from made_by_code") == [(0,)]
    old = Migrator(history.path)
    assert old.migrate().run_id is None
    assert new.migrate().run_id is None
    for migrator in (old, new):
        status = migrator.status()
        assert (status.pending, status.failed, status.current_version) == ([], [], 8)
        assert [one.name for one in status.migrations] == ["008_squashed", "007_repeatable"]
    found = json.loads(run("lint", "shop.yaml", "--json", "--fail-on", "never").stdout)["findings"]
    assert [one for one in found if one["rule"].startswith(("manifest/", "file/", "sql/"))] == []


def test_it_is_shown_and_asked_about_before_it_is_written(history: Shop, run: Run) -> None:
    before = {path.name: path.read_bytes() for path in history.folder.iterdir()}
    ended = squash(run, history, "--to", "8")
    assert ended.code == 2
    assert "`shop.yaml` gets `- {version: 8, file: 008_squashed.sql, replaces: 1..6, 8}`" in ended.stderr
    assert "hint: add `--yes` to write without being asked" in ended.stderr
    shown = squash(run, history, "--to", "8", "--dry-run")
    assert shown.code == 0
    assert shown.stdout.startswith("-- description: what 1..6, 8 make of an empty database\n")
    assert "migration_events" not in shown.stdout
    assert "set_config" not in shown.stdout
    assert "OWNER" not in shown.stdout
    assert "\\restrict" not in shown.stdout
    assert {path.name: path.read_bytes() for path in history.folder.iterdir()} == before


def test_old_entries_stay_beside_it_and_are_deleted_later(history: Shop, run: Run, another: str) -> None:
    assert run("apply", "shop.yaml", "--to", "2").code == 0
    ended = squash(run, history, "--to", "5", "--yes", "--json")
    document = json.loads(ended.stdout)
    assert (document["replaces"], document["written"], document["deleted"]) == ("1..5", True, [])
    assert (history.folder / "005_squashed.sql").read_text(encoding="utf-8") == document["sql"]
    assert Migrator(history.path, database_url=another).migrate(to=5).completed == ("005_squashed",)
    assert run("apply", "shop.yaml", "--to", "5").code == 0
    assert squash(run, history, "--to", "5", "--yes").code == 2
    again = squash(run, history, "--to", "5", "--delete", "--yes")
    assert again.code == 0, again.stderr
    assert sorted(path.name for path in history.folder.glob("00[1-5]*")) == ["005_squashed.sql"]
    assert run("plan", "shop.yaml", "--to", "5").stdout.strip() != ""
    assert Migrator(history.path).plan(to=5).steps == ()
    assert "nothing left that it replaces" in squash(run, history, "--to", "5", "--delete", "--yes").stderr


def test_what_is_squashed_is_squashed_again(history: Shop, run: Run, another: str) -> None:
    assert squash(run, history, "--to", "4", "--yes", "--delete").code == 0
    assert run("apply", "shop.yaml").code == 0
    assert squash(run, history, "--to", "8", "--yes", "--delete").code == 0
    assert Migrator(history.path).migrate().run_id is None
    assert Migrator(history.path, database_url=another).migrate().completed == ("008_squashed", "007_repeatable")
    assert sorted(path.name for path in history.folder.glob("*_squashed.sql")) == ["008_squashed.sql"]


def test_a_database_in_between_is_refused(history: Shop, run: Run) -> None:
    assert run("apply", "shop.yaml", "--to", "4").code == 0
    assert squash(run, history, "--to", "8", "--yes", "--delete").code == 0
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert "migration `008_squashed` replaces what is applied in part" in ended.stderr
    assert "= applied: 1..4\n" in ended.stderr
    assert ended.stderr.endswith(
        "hint: with the entries and files from before the squash, run `zmig apply shop.yaml --to 8`\n"
    )
    status = run("status", "shop.yaml", "--check")
    assert status.code == 7
    assert "partly-replaced" in status.stdout
    assert run("rollback", "shop.yaml", "--yes").code == 2


@pytest.mark.parametrize("words", [("--delete",), ()], ids=["deleted", "beside"])
def test_an_old_database_is_what_its_files_make_afterwards(history: Shop, run: Run, words: tuple[str, ...]) -> None:
    history.add(9, "009_after", "create table after (x int);", "drop table after;")
    assert run("apply", "shop.yaml").code == 0
    assert squash(run, history, "--to", "8", "--yes", *words).code == 0
    ended = run("verify", "shop.yaml", "--against", "--scratch-url", history.url)
    assert ended.code == 0, ended.stdout + ended.stderr
    ended = run("verify", "shop.yaml", "--all", "--scratch-url", history.url)
    assert ended.code == 0, ended.stdout + ended.stderr


def test_status_of_an_old_database_shows_one_row(history: Shop, run: Run) -> None:
    assert run("apply", "shop.yaml").code == 0
    assert squash(run, history, "--to", "8", "--yes", "--delete").code == 0
    status = run("status", "shop.yaml", "--check")
    assert status.code == 0
    assert "008_squashed" in status.stdout
    assert "002_customers" not in status.stdout
    assert "finding:" not in status.stdout
    assert "squashed" in status.stdout
    document = json.loads(run("status", "shop.yaml", "--json").stdout)
    assert document["migrations"][0]["replaces"] == "1..6, 8"
    assert "002_customers" in run("history", "shop.yaml", "008_squashed").stdout
    ended = run("rollback", "shop.yaml", "--to", "5", "--yes")
    assert ended.code == 2
    assert "version 5 is inside of `008_squashed`, which replaces 1..6, 8 as a whole" in ended.stderr


def test_roles_and_rights_are_kept(history: Shop, run: Run, another: str) -> None:
    """Of what others own; what the role owns that zmig connects as is left to whoever runs the squash."""
    name = f"squash_owner_{os.getpid()}"
    with psycopg.connect(history.url, autocommit=True) as connection:
        connection.execute(f"create role {name}".encode())
    try:
        history.add(9, "009_owned", f"create schema owned authorization {name};")
        history.add(10, "010_theirs", "create table owned.t (x int);", run_as=name)
        history.add(11, "011_rights", f"grant select on customers to {name} with grant option;")
        assert run("apply", "shop.yaml").code == 0
        ended = squash(run, history, "--to", "11", "--yes", "--delete")
        assert ended.code == 0, ended.stderr
        Migrator(history.path, database_url=another).migrate()
        rights = "select pg_get_userbyid(relowner)::text, relacl::text from pg_class"
        owner = f"{rights} where relname in ('t', 'customers') order by 1"
        assert rows(another, owner) == rows(history.url, owner)
        assert (name,) in {(one[0],) for one in rows(another, owner)}
    finally:
        for url in (history.url, another):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"drop owned by {name} cascade".encode())
        with psycopg.connect(history.url, autocommit=True) as connection:
            connection.execute(f"drop role {name}".encode())


def test_a_role_that_is_missing_does_not_stop_one_that_is_made(shop: Shop, run: Run) -> None:
    """The database is begun anew with the missing role, and the other one is to be made again."""
    shop.add(1, "001_role", "create role zmig_squash_made; create table a ();")
    shop.add(2, "002_grant", "grant select on a to zmig_squash_missing;")
    ended = run("squash", "shop.yaml", "--to", "2", "--dry-run")
    assert ended.code == 0, ended.stderr
    assert "not in it: role `zmig_squash_made`, which migrations made" in ended.stderr


def test_a_default_role_owns_everything_without_being_named(shop: Shop, run: Run, another: str) -> None:
    name = f"squash_default_{os.getpid()}"
    shop.declare()
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(f"create role {name}".encode())
        connection.execute(f"grant create on database {connection.info.dbname} to {name}".encode())
    try:
        shop.add(1, "001_schema", "create schema mine; create table mine.t (x int);")
        shop.declare(defaults=f"{{run_as: {name}}}")
        ended = squash(run, shop, "--to", "1", "--yes")
        assert ended.code == 1  # a new database there gives the role no right to make a schema
        assert "permission denied for database" in ended.stderr
    finally:
        with psycopg.connect(shop.url, autocommit=True) as connection:
            connection.execute(f"drop owned by {name} cascade".encode())
            connection.execute(f"drop role {name}".encode())


def test_what_a_dump_cannot_repeat_is_refused_and_nothing_is_written(history: Shop, run: Run, tmp_path: Path) -> None:
    """By a pg_dump that forgets something, as one with a fault would."""
    program = tmp_path / "pg_dump"
    real = real_pg_dump()
    program.write_text(
        f"#!/bin/sh\n[ \"$1\" = --version ] && exec '{real}' --version\n"
        f"'{real}' \"$@\" | sed 's/lower(/upper(/; /^COMMENT/d'\n"
    )
    program.chmod(0o755)
    before = {path.name: path.read_bytes() for path in history.folder.iterdir()}
    ended = squash(run, history, "--to", "8", "--yes", "--delete", "--pg-dump", os.fspath(program))
    assert ended.code == 1
    assert "one file of 1..6, 8 does not make what they make one by one: 2 objects differ" in ended.stderr
    assert "comment table public.customers: missing" in ended.stderr
    assert "= nothing was written\n" in ended.stderr
    assert {path.name: path.read_bytes() for path in history.folder.iterdir()} == before


def test_a_dump_that_cannot_be_applied_is_reported_as_one(history: Shop, run: Run, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    broken = f"'{real_pg_dump()}' \"$@\" | sed 's/^CREATE TABLE/CREATE TABEL/'"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && exec '{real_pg_dump()}' --version\n{broken}\n")
    program.chmod(0o755)
    ended = squash(run, history, "--to", "8", "--yes", "--pg-dump", os.fspath(program))
    assert ended.code == 1
    assert "error: what pg_dump wrote of 1..6, 8 cannot be applied: syntax error" in ended.stderr
    assert "hint: squash up to a version before what it cannot repeat, with `--to`" in ended.stderr


def test_tables_that_inherit_from_each_other_are_counted_one_by_one(history: Shop, run: Run, another: str) -> None:
    history.add(
        9, "009_heirs", "create table up (x int); create table down () inherits (up); insert into down values (1);"
    )
    ended = squash(run, history, "--to", "9", "--yes", "--data", "public.down", "--delete")
    assert ended.code == 0, ended.stderr
    assert "public.up" not in ended.stderr
    Migrator(history.path, database_url=another).migrate()
    assert rows(another, "select tableoid::regclass::text, x from up") == [("down", 1)]


def test_a_manifest_that_is_changed_meanwhile_is_left_as_it_is(history: Shop, run: Run, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(
        f"#!/bin/sh\n[ \"$1\" = --version ] || echo '# changed' >> '{history.path}'\nexec '{real_pg_dump()}' \"$@\"\n"
    )
    program.chmod(0o755)
    before = sorted(path.name for path in history.folder.iterdir())
    ended = squash(run, history, "--to", "8", "--yes", "--delete", "--pg-dump", os.fspath(program))
    assert ended.code == 2
    assert "`shop.yaml` was changed in the meantime" in ended.stderr
    assert sorted(path.name for path in history.folder.iterdir()) == before
    assert history.path.read_text().endswith("# changed\n")


def test_one_that_is_killed_leaves_everything_as_it_was(history: Shop, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\n[ \"$1\" = --version ] || kill -9 $PPID\necho 'pg_dump (PostgreSQL) 99.1'\n")
    program.chmod(0o755)
    before = {path.name: path.read_bytes() for path in history.folder.iterdir()}
    command = [sys.executable, "-m", "zmig", "squash", "shop.yaml", "--to", "8", "--yes", "--delete"]
    command += ["--scratch-url", history.url, "--pg-dump", os.fspath(program)]
    ended = subprocess.run(command, cwd=history.folder, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in history.folder.iterdir()} == before


def test_one_that_is_interrupted_says_that_nothing_was_touched(history: Shop, tmp_path: Path) -> None:
    """While a migration waits on the scratch database for what never comes."""
    sign = tmp_path / "here"
    wait = f"import pathlib\ndef execute(ctx):\n    pathlib.Path({str(sign)!r}).touch()\n    ctx.connection.execute"
    history.add(9, "009_waits.py", f"{wait}('select pg_sleep(600)')\n")
    command = [sys.executable, "-m", "zmig", "squash", "shop.yaml", "--to", "9", "--yes", "--scratch-url", history.url]
    asked = subprocess.Popen(command, cwd=history.folder, stderr=subprocess.PIPE, text=True)
    while not sign.exists():
        assert asked.poll() is None
        time.sleep(0.01)
    asked.send_signal(signal.SIGINT)
    _, said = asked.communicate()
    assert asked.returncode == 130
    assert "it was run on a scratch database, which is gone; nothing else was touched" in said
    assert said.endswith("hint: run the same command again\n")


def real_pg_dump() -> str:
    """Return one beside a server's binaries, wherever there is one, else the one on the path."""
    beside = (one.path("pg_dump") for one in candidates())
    found = next((os.fspath(path) for path in beside if path.is_file()), shutil.which("pg_dump"))
    assert found is not None
    return found


@pytest.mark.parametrize("secret", ["hunter22", "o'brien", "o\\brien"])
def test_a_value_of_the_environment_is_not_written(
    history: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("SQUASH_SECRET", secret)
    sql = "comment on table customers is $q$ ${secret}$q$;"
    history.add(9, "009_secret", sql, variables="true")
    history.declare(variables="{secret: '${SQUASH_SECRET}'}")
    ended = squash(run, history, "--to", "9", "--yes")
    assert ended.code == 2
    assert "the squash would hold the value that variable `secret` has in this environment" in ended.stderr
    assert secret not in ended.stderr
    assert not (history.folder / "009_squashed.sql").exists()
    assert squash(run, history, "--to", "8", "--yes").code == 0


def test_what_a_dump_does_not_hold_is_pointed_out(history: Shop, run: Run) -> None:
    settings = "do $$ begin execute format('alter database %I set work_mem = 64', current_database()); end $$;"
    history.add(9, "009_settings", f"select lo_create(0); {settings}")
    ended = squash(run, history, "--to", "9", "--dry-run", "--json")
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout)["not_dumped"] == {"large objects": 1, "settings of the database": 1}
    ended = squash(run, history, "--to", "9", "--dry-run")
    assert "not in it: large objects (1), settings of the database (1)" in ended.stderr


def test_user_mappings_are_pointed_out(history: Shop, run: Run) -> None:
    sql = "create foreign data wrapper f; create server s foreign data wrapper f; "
    history.add(9, "009_mapping", sql + "create user mapping for public server s options (password 'x');")
    ended = squash(run, history, "--to", "9", "--yes")
    assert ended.code == 0, ended.stderr
    assert "look through the options of 1 user mapping: they may be secret" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "7"), "version 7, `007_repeatable`, is a repeatable, which is never squashed"),
        (("--to", "9"), "no migration has version 9"),
        (("--to", "8", "--pg-dump", "/nowhere/pg_dump"), "`/nowhere/pg_dump` is no pg_dump"),
        (("--to", "8", "--data", "contries"), "hint: write `--data countries`"),
        (("--to", "8", "--name", "../x"), "cannot be the name of a migration and its file"),
        (("--to", "8", "--name", "002_customers"), "is taken"),
        (("--to", "8", "--name", "007_repeatable_x"), "`007_repeatable_x.sql` exists already"),
        ((), "`zmig squash` needs `--to VERSION`"),
    ],
)
def test_bad_words_are_answered(history: Shop, run: Run, words: tuple[str, ...], said: str) -> None:
    history.write("007_repeatable_x.sql", "select 1;")
    before = {path.name: path.read_bytes() for path in history.folder.iterdir()}
    ended = squash(run, history, "--yes", *words)
    assert ended.code in (2, 3)
    assert said in ended.stderr
    assert {path.name: path.read_bytes() for path in history.folder.iterdir()} == before


def test_a_pg_dump_that_is_too_old_is_refused(history: Shop, run: Run, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    program.chmod(0o755)
    ended = squash(run, history, "--to", "8", "--yes", "--pg-dump", os.fspath(program))
    assert ended.code == 3
    assert f"`{program}` is version 9.6.1" in ended.stderr


def test_a_migration_that_fails_on_scratch_is_reported(history: Shop, run: Run) -> None:
    history.add(9, "009_fails", "select 1 / 0;")
    ended = squash(run, history, "--to", "9", "--yes")
    assert ended.code == 1
    assert "on a scratch database, migration `009_fails` failed" in ended.stderr
    assert not (history.folder / "009_squashed.sql").exists()


def test_entries_of_two_manifests_are_not_squashed_together(history: Shop, run: Run) -> None:
    (history.folder / "more.yaml").write_text("manifest: 1\nmigrations:\n  - {version: 9, file: 009_more.sql}\n")
    history.write("009_more.sql", "create table more (x int);")
    history.declare(include="[more.yaml]")
    ended = squash(run, history, "--to", "9", "--yes")
    assert ended.code == 2
    assert "what would be squashed is declared in two manifests" in ended.stderr
    assert squash(run, history, "--to", "8", "--yes").code == 0


def test_the_manifest_that_declares_them_is_the_one_that_is_edited(history: Shop, run: Run, another: str) -> None:
    (history.folder / "all.yaml").write_text(f"manifest: 1\ndatabase: {{url: '{another}'}}\ninclude: [shop.yaml]\n")
    before = (history.folder / "all.yaml").read_text()
    ended = run("squash", "all.yaml", "--scratch-url", history.url, "--to", "8", "--yes", "--delete")
    assert ended.code == 0, ended.stderr
    assert (history.folder / "all.yaml").read_text() == before
    assert "replaces: 1..6, 8" in history.path.read_text().replace('"', "")
    assert Migrator(history.folder / "all.yaml").migrate().completed == ("008_squashed", "007_repeatable")


def test_comments_of_the_manifest_stay(shop: Shop, run: Run) -> None:
    shop.write("001_a.sql", "create table a (x int);")
    shop.write("002_b.sql", "create table b (x int);")
    shop.write("003_c.sql", "create table c (x int);")
    shop.path.write_text(
        f"""# top
manifest: 1
database: {{url: "{shop.url}"}}
migrations:
  # the first ones

  - version: 1
    file: 001_a.sql # a

  - version: 2
    file: 002_b.sql

  # what comes later

  - version: 3
    file: 003_c.sql
""",
        encoding="utf-8",
    )
    assert squash(run, shop, "--to", "2", "--yes", "--delete").code == 0
    text = shop.path.read_text(encoding="utf-8")
    assert (
        text
        == f"""# top
manifest: 1
database: {{url: "{shop.url}"}}
migrations:
  # the first ones

  - version: 2
    file: 002_squashed.sql
    replaces: 1..2

  # what comes later

  - version: 3
    file: 003_c.sql
"""
    )
    assert reader.read(text, label="x", environ={}).problems == ()


def test_what_git_does_not_have_is_not_deleted(history: Shop, run: Run) -> None:
    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-C", str(history.folder), *words]
        subprocess.run(command, check=True, capture_output=True)

    git("init", "-q")
    ended = squash(run, history, "--to", "8", "--yes", "--delete")
    assert ended.code == 2
    assert "is not committed as it is, and would be lost" in ended.stderr
    git("add", ".")
    git("commit", "-q", "-m", "all")
    history.write("002_customers.sql", HISTORY[1][1] + " -- edited")
    assert "`002_customers.sql` is not committed" in squash(run, history, "--to", "8", "--yes", "--delete").stderr
    git("checkout", "-q", ".")
    assert squash(run, history, "--to", "8", "--yes", "--delete").code == 0


def test_what_is_atomic_stays_atomic(history: Shop, run: Run, another: str) -> None:
    assert squash(run, history, "--to", "8", "--yes", "--delete").code == 0
    history.entries = [line for line in history.path.read_text().splitlines() if line.startswith("  - {")]
    history.add(
        9,
        "009_after",
        "insert into log values ('2024-05-05', 'x'); create function g() returns int language sql as 'select 1';",
    )
    completed = Migrator(history.path, database_url=another).migrate(atomic=True).completed
    assert completed == ("008_squashed", "009_after", "007_repeatable")
    assert rows(another, "select line from log") == [("X",)]


@pytest.mark.parametrize("path", sorted(BINARIES.glob("13/native/bin")), ids=lambda path: path.parts[-3])
def test_a_later_pg_dump_serves_an_earlier_server(
    path: Path, tmp_path: Path, history: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZMIG_POSTGRES_BIN", os.fspath(path))
    server = EmbeddedServer(tmp_path / "server")
    try:
        url = server.start()
        ended = run("squash", "shop.yaml", "--scratch-url", url, "--to", "8", "--yes")
        assert ended.code == 0, ended.stderr
    finally:
        server.stop()
