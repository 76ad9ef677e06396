"""`zmig import` of a project whose migrations are code: a baseline of the live database takes their place."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.support.backends import wait_until
from tests.support.command import Command
from tests.support.process import Process
from zmig import Migrator, PlanRefused
from zmig.cli.main import main
from zmig.database.store import Store

if TYPE_CHECKING:
    from tests.support.facts import Facts

_REVISION = '''"""{name}"""

revision = "{name}"
down_revision = {before}


def upgrade():
    pass
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, connection: psycopg.Connection) -> Path:
    """A project of Alembic, all of which is applied."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    (tmp_path / "alembic" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    (tmp_path / "alembic" / "env.py").write_text("from alembic import context\n")
    for name, before in (("aaa", None), ("bbb", "aaa")):
        text = _REVISION.format(name=name, before=repr(before))
        (tmp_path / "alembic" / "versions" / f"{name}_step.py").write_text(text)
    connection.execute(
        "create table alembic_version (version_num varchar(32) not null constraint alembic_version_pkc primary key);"
        "insert into alembic_version values ('bbb');"
        "create table users (id bigint generated always as identity primary key, email text not null unique);"
        "create view emails as select email from users; insert into users (email) values ('a@example.com');"
        "create schema app; create table app.orders (id serial primary key, of_user bigint references users);"
        "create function app.one() returns int language sql as 'select 1'"
    )
    return tmp_path


_IMPORT = ("import", "--from", "alembic", "--manifest", "manifests/shop.yaml", "--json")


@pytest.fixture
def take(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys, *_IMPORT)


def test_a_baseline_is_written_and_counts_as_applied(shop: Path, take: Command, facts: Facts, server: str) -> None:
    document = take("--write", "--database", "--verify", "--scratch-url", server)
    assert document["history"]["recorded"] == ["001_baseline"]
    assert document["history"]["kept"] == ["aaa", "bbb"]
    assert document["verified"]["findings"] == []
    text = (shop / "migrations" / "001_baseline.sql").read_text("utf-8")
    assert "alembic_version" not in text
    assert "a@example.com" not in text
    (data,) = facts.data("001_baseline", "baselined")
    assert data["origin"] == {"tool": "alembic", "table": "public.alembic_version"}
    (kept,) = facts.data("bbb", "imported")
    assert (kept["origin"]["id"], kept["reason"]) == ("bbb", "what it did is in `001_baseline`")


def test_the_file_makes_the_same_elsewhere(
    shop: Path, take: Command, fresh_database: str, connection: psycopg.Connection
) -> None:
    take("--write", "--database")
    Migrator("manifests/shop.yaml", database_url=fresh_database).migrate()
    from zmig.catalog.scope import Scope
    from zmig.database.schema_reader import read

    with psycopg.connect(fresh_database, autocommit=True) as other:
        assert read(other, Scope("zmig")).objects == read(connection, Scope("zmig")).objects


_OTHERS = {
    "rails": (
        {
            "config/database.yml": "production:\n",
            "db/migrate/20240101000000_a.rb": "class A < ActiveRecord::Migration[7.0]\nend\n",
        },
        "create table schema_migrations (version varchar not null primary key);"
        "create table ar_internal_metadata (key varchar primary key, value varchar, created_at timestamp(6) not null, "
        "updated_at timestamp(6) not null); insert into schema_migrations values ('20240101000000')",
    ),
    "ecto": (
        {"mix.exs": "", "priv/repo/migrations/20240101000000_a.exs": "defmodule A do\n  use Ecto.Migration\nend\n"},
        "create table schema_migrations (version bigint primary key, inserted_at timestamp(0) without time zone);"
        "insert into schema_migrations values (20240101000000, now())",
    ),
    "knex": (
        {"knexfile.js": "", "migrations/20240101000000_a.js": "exports.up = (knex) => knex.schema.createTable('t');\n"},
        "create table knex_migrations (id serial primary key, name varchar(255), batch int, "
        "migration_time timestamptz);"
        "create table knex_migrations_lock (index serial primary key, is_locked int);"
        "insert into knex_migrations_lock (is_locked) values (0);"
        "insert into knex_migrations (name, batch, migration_time) values ('20240101000000_a.js', 1, now())",
    ),
    "django": (
        {
            "manage.py": "",
            "shop/__init__.py": "",
            "shop/migrations/__init__.py": "",
            "shop/migrations/0001_initial.py": "from django.db import migrations\n\n\n"
            "class Migration(migrations.Migration):\n    dependencies = []\n    operations = []\n",
        },
        "create table django_migrations (id bigserial primary key, app varchar(255), name varchar(255), "
        "applied timestamptz); insert into django_migrations (app, name, applied) "
        "values ('shop', '0001_initial', now()), ('auth', '0001_initial', now())",
    ),
}


@pytest.mark.parametrize("tool", _OTHERS)
def test_each_tool_leaves_nothing_of_its_own_in_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
    connection: psycopg.Connection,
    capsys: pytest.CaptureFixture[str],
    server: str,
    tool: str,
) -> None:
    files, history = _OTHERS[tool]
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    connection.execute(history.encode())
    connection.execute("create table users (id bigserial primary key)")
    words = [
        "import",
        "--from",
        tool,
        "--manifest",
        "manifests/shop.yaml",
        "--write",
        "--database",
        "--verify",
        "--json",
    ]
    assert main([*words, "--scratch-url", server]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["history"]["recorded"], document["verified"]["findings"]) == (["001_baseline"], [])
    assert document["history"]["kept"]
    assert main(["status", "manifests/shop.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["other_tools"] == []
    text = Path(document["baseline"]["file"]).read_text("utf-8")
    assert text.count("CREATE TABLE") == 1
    assert text.count("CREATE SEQUENCE") == 1


_STRUCTURE = """\
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: ar_internal_metadata; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ar_internal_metadata (
    key character varying NOT NULL,
    value character varying,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL
);

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);

CREATE TABLE public.users (
    id bigint NOT NULL
);

CREATE SEQUENCE public.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;

ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);

ALTER TABLE ONLY public.ar_internal_metadata
    ADD CONSTRAINT ar_internal_metadata_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

--
-- PostgreSQL database dump complete
--

SET search_path TO "$user", public;

INSERT INTO "schema_migrations" (version) VALUES
('20240101000000');
"""
"""As Rails writes it."""


def test_a_project_s_own_file_becomes_the_baseline(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
    connection: psycopg.Connection,
    capsys: pytest.CaptureFixture[str],
    server: str,
) -> None:
    files, history = _OTHERS["rails"]
    for path, text in {**files, "db/structure.sql": _STRUCTURE}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    words = ["import", "--from", "rails", "--manifest", "manifests/shop.yaml", "--write", "--json"]
    assert main(words) == 0
    made = json.loads(capsys.readouterr().out)
    text = Path(made["baseline"]["file"]).read_text("utf-8")
    assert "schema_migrations" not in text
    assert "search_path" not in text
    monkeypatch.setenv("DATABASE_URL", database)
    connection.execute(history.encode())
    connection.execute("create table users (id bigserial primary key)")
    assert main([*words, "--database", "--verify", "--scratch-url", server]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["history"]["recorded"], document["verified"]["findings"]) == (["001_baseline"], [])


def test_an_import_that_is_killed_before_it_records_is_done_by_the_same_command(
    shop: Path, take: Command, connection: psycopg.Connection
) -> None:
    waits = (
        "exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' "
        "and application_name like 'zmig/%')"
    )
    with psycopg.connect(connection.info.dsn, autocommit=False) as other:
        other.execute("create schema zmig")  # so that making its tables has to wait
        with Process(*_IMPORT, "--write", "--database") as process:
            wait_until(connection, waits)
            assert process.kill().code == -signal.SIGKILL
        other.rollback()
    wait_until(connection, f"not {waits}")
    assert (shop / "migrations" / "001_baseline.sql").exists()
    document = take("--write", "--database")
    assert (document["history"]["recorded"], document["history"]["kept"]) == (["001_baseline"], ["aaa", "bbb"])
    assert "note: `001_baseline` was written by an earlier command" in take.err
    take("--write", "--database")
    assert "earlier command" not in take.err


def test_nothing_is_left_to_run(shop: Path, take: Command) -> None:
    take("--write", "--database")
    migrator = Migrator("manifests/shop.yaml")
    assert migrator.migrate().completed == ()
    assert migrator.status().applied == ["001_baseline"]


def test_nothing_is_written_without_being_asked_for(shop: Path, take: Command) -> None:
    document = take()
    assert (document["written"], document["baseline"]["declared"]) == (False, False)
    assert document["render"] == "alembic upgrade BEFORE:REVISION --sql"
    assert "--write --database" in take.err
    assert not (shop / "manifests").exists()


def test_it_is_made_of_a_database(shop: Path, take: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert take("--write", code=2)["error"]["code"] == "import-needs-database"
    monkeypatch.delenv("DATABASE_URL")
    assert take("--write", "--database", code=2)["error"]["code"] == "database-missing"


def test_a_second_import_adds_what_the_tool_has_done_since(
    shop: Path, take: Command, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    take("--write", "--database")
    again = take("--write", "--database")
    assert (again["written"], again["history"]["recorded"], again["history"]["kept"]) == (False, [], [])
    connection.execute("update alembic_version set version_num = 'ccc'")
    assert main(["status", "manifests/shop.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["other_tools"][0]["not_imported"] == ["ccc"]
    third = take("--database")["history"]
    assert (third["recorded"], third["kept"]) == ([], ["ccc"])
    assert any("somebody still runs Alembic" in note for note in third["notes"])
    assert any("what `ccc` did is in no file of zmig's" in note for note in third["notes"])


@pytest.mark.parametrize("name", ["aaa_step", "ccc_step"])
def test_what_the_tool_has_applied_is_not_run_once_there_is_an_entry_for_it(
    shop: Path, take: Command, connection: psycopg.Connection, name: str
) -> None:
    """Whether it was applied before the baseline was made, or later."""
    take("--write", "--database")
    (shop / "alembic" / "versions" / "ccc_step.py").write_text(_REVISION.format(name="ccc", before="'bbb'"))
    connection.execute("update alembic_version set version_num = 'ccc'")
    take("--database")
    (shop / "migrations" / f"{name}.sql").write_text("create table again (id bigint);")
    manifest = shop / "manifests" / "shop.yaml"
    manifest.write_text(f"{manifest.read_text()}\n  - version: 2\n    file: ../migrations/{name}.sql\n")
    with pytest.raises(PlanRefused) as refused:
        Migrator("manifests/shop.yaml").migrate()
    assert [one.code for one in refused.value.problems] == ["applied-by-other-tool"]
    assert take("--database")["history"]["recorded"] == [name]
    assert Migrator("manifests/shop.yaml").migrate().completed == ()


def test_a_small_number_of_a_tool_is_no_version_of_an_entry(
    shop: Path, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """What comes after the baseline is numbered from 2, as old projects of Rails are."""
    (shop / "db" / "migrate").mkdir(parents=True)
    for number, name in ((1, "Users"), (2, "Orders")):
        text = f"class {name} < ActiveRecord::Migration[7.0]\nend\n"
        (shop / "db" / "migrate" / f"{number:03}_{name.lower()}.rb").write_text(text)
    connection.execute(
        "create table schema_migrations (version varchar primary key);"
        "insert into schema_migrations values ('1'), ('2');"
        "create table ar_internal_metadata (key varchar primary key, value varchar, created_at timestamp, "
        "updated_at timestamp)"
    )
    words = ("import", "--from", "rails", "--manifest", "manifests/shop.yaml", "--write", "--database")
    assert main(words) == 0, capsys.readouterr().err
    (shop / "migrations" / "002_more.sql").write_text("create table more (id bigint);")
    manifest = shop / "manifests" / "shop.yaml"
    manifest.write_text(f"{manifest.read_text()}\n  - version: 2\n    file: ../migrations/002_more.sql\n")
    assert Migrator("manifests/shop.yaml").migrate().completed == ("002_more",)


def test_what_the_tool_has_not_applied_is_named_until_there_is_an_entry_for_it(
    shop: Path, take: Command, connection: psycopg.Connection
) -> None:
    connection.execute("update alembic_version set version_num = 'aaa'")
    note = "`bbb_step` is not applied, and not in the baseline: write it as SQL, under the same name"
    assert take("--write", "--database")["history"]["notes"] == [note]
    assert take("--database")["history"]["notes"] == [note]
    (shop / "migrations" / "bbb_step.sql").write_text("create table bbb (id bigint);")
    manifest = shop / "manifests" / "shop.yaml"
    manifest.write_text(f"{manifest.read_text()}\n  - version: 2\n    file: ../migrations/bbb_step.sql\n")
    assert take("--database")["history"]["notes"] == []
    assert Migrator("manifests/shop.yaml").migrate().completed == ("bbb_step",)


def test_no_baseline_is_made_where_each_migration_is_there_as_sql(
    shop: Path, take: Command, connection: psycopg.Connection, facts: Facts, capsys: pytest.CaptureFixture[str]
) -> None:
    connection.execute("update alembic_version set version_num = 'aaa'")
    (shop / "manifests").mkdir()
    (shop / "migrations").mkdir()
    entries = ["manifest: 1", "database: {url: '${DATABASE_URL}'}", "migrations:"]
    for number, name in enumerate(("aaa_step", "bbb_step"), start=1):
        (shop / "migrations" / f"{name}.sql").write_text(f"create table {name} (id bigint);")
        entries.append(f"  - {{version: {number}, file: ../migrations/{name}.sql}}")
    manifest = shop / "manifests" / "shop.yaml"
    manifest.write_text("\n".join(entries) + "\n")
    assert main([word for word in _IMPORT if word != "--json"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "`manifests/shop.yaml` has all of them: `zmig import --from alembic --manifest manifests/shop.yaml --database` "
        "records what Alembic has applied"
    )
    history = take("--write", "--database")["history"]
    assert (history["recorded"], history["kept"], history["notes"]) == (["aaa_step"], [], [])
    assert facts.applied == [(1, "aaa_step")]
    assert manifest.read_text() == "\n".join(entries) + "\n"
    assert not list((shop / "migrations").glob("*baseline*"))


def test_a_squashed_one_of_django_is_none_that_is_not_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str, connection: psycopg.Connection, take: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    files, statements = _OTHERS["django"]
    first = files["shop/migrations/0001_initial.py"]
    squashed = first.replace("dependencies", "replaces = [('shop', '0001_initial')]\n    dependencies")
    later = first.replace("dependencies = []", "dependencies = [('shop', '0001_squashed')]")
    others = {"shop/migrations/0001_squashed.py": squashed, "shop/migrations/0002_later.py": later}
    for name, text in {**files, **others}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    connection.execute(statements.encode())
    (note,) = take("--from", "django", "--write", "--database")["history"]["notes"][-1:]
    assert note == "`0002_later` is not applied, and not in the baseline: write it as SQL, under the same name"


def test_what_was_written_goes_again_where_nothing_can_be_recorded(
    shop: Path, take: Command, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zmig.importing import code_projects

    written = code_projects.take

    def meanwhile(*arguments: Any, **named: Any) -> object:
        baseline = written(*arguments, **named)
        connection.execute("update alembic_version set version_num = 'ccc'")
        return baseline

    monkeypatch.setattr(code_projects, "take", meanwhile)
    assert take("--write", "--database", code=2)["error"]["code"] == "history-moved"
    assert not (shop / "manifests").exists()
    assert not (shop / "migrations").exists()
    assert connection.execute("select to_regclass('zmig.migration_events')").fetchone() == (None,)


def test_a_schema_of_the_tool_s_own_is_left_out(
    shop: Path, take: Command, connection: psycopg.Connection, server: str
) -> None:
    connection.execute("create schema tool; alter table alembic_version set schema tool")
    document = take("--write", "--database", "--verify", "--scratch-url", server)
    assert document["verified"]["findings"] == []
    assert "CREATE SCHEMA tool" not in (shop / "migrations" / "001_baseline.sql").read_text("utf-8")


def test_zmig_s_own_schema_is_left_out(
    shop: Path, take: Command, connection: psycopg.Connection, fresh_database: str
) -> None:
    store = Store(connection, "zmig")
    store.create(store.inspect())
    take("--write", "--database")
    assert "zmig" not in (shop / "migrations" / "001_baseline.sql").read_text("utf-8")
    Migrator("manifests/shop.yaml", database_url=fresh_database).migrate()


def test_no_password_is_written(shop: Path, take: Command, connection: psycopg.Connection) -> None:
    connection.execute(
        "create foreign data wrapper nothing; create server elsewhere foreign data wrapper nothing;"
        "create user mapping for current_user server elsewhere options (password 's3cret-word')"
    )
    take("--write", "--database")
    text = (shop / "migrations" / "001_baseline.sql").read_text("utf-8")
    assert "CREATE SERVER elsewhere" in text
    assert "s3cret-word" not in text + take.err
    assert "1 user mapping left out" in take.err


def test_rights_that_another_role_granted_are_refused(
    shop: Path, take: Command, connection: psycopg.Connection, worker_name: str
) -> None:
    other = f'"{worker_name} granter"'
    connection.execute(f"create role {other}".encode())
    try:
        connection.execute(f"grant select on users to {other} with grant option".encode())
        connection.execute(f"set role {other}; grant select on users to pg_monitor; reset role".encode())
        assert take("--write", "--database", code=2)["error"]["code"] == "baseline-unfit"
        assert not (shop / "manifests").exists()
    finally:
        connection.execute(f"drop owned by {other} cascade; drop role {other}".encode())


def test_roles_that_the_file_names_are_said(shop: Path, take: Command, connection: psycopg.Connection) -> None:
    connection.execute("grant select on users to pg_monitor; grant usage on schema public to public")
    connection.execute("grant select on users to public")
    take("--write", "--database")
    assert "it names the roles `pg_monitor`," in take.err


def test_no_password_is_printed(shop: Path, take: Command, monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres:s3cret-word@127.0.0.1:1/nothing")
    shown = json.dumps(take("--write", "--database", code=3))
    assert "s3cret-word" not in shown + take.err
