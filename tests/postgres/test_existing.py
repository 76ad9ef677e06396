"""The first run on a database that is not empty: refused where something could be harmed, with the ways on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import MigrationFailed, Migrator, PlanRefused, UsageError
from zmig.database.store import Store

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


@pytest.fixture
def migrator(project: ProjectFolder) -> Migrator:
    """What a project brings that comes from another tool: harmless on an empty database, and nowhere else."""
    project.change(tracking={"allow_existing": False})
    project.sql("001_users", "create table if not exists users (id int);\ndelete from users;")
    project.sql("002_more", "create table more ();")
    return Migrator(project.manifest)


def _refusal(migrator: Migrator) -> PlanRefused:
    with pytest.raises(PlanRefused) as caught:
        migrator.migrate()
    assert [refusal.problem for refusal in migrator.plan().refusals] == list(caught.value.problems)
    assert caught.value.code == "database-not-empty"
    return caught.value


def _counted(connection: psycopg.Connection, table: str) -> object:
    row = connection.execute(f"select count(*) from {table}".encode()).fetchone()
    return row and row[0]


class TestARefusal:
    @pytest.mark.parametrize("environment", ["production", "staging", "development", "test"])
    def test_keeps_what_is_there(
        self, project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection, environment: str
    ) -> None:
        project.change(environment=environment)
        connection.execute("create table users (id int); insert into users values (1)")
        (problem,) = _refusal(migrator).problems
        assert problem.facts[0] == "it holds table public.users"
        assert problem.hint is not None
        assert "zmig baseline" in problem.hint
        assert _counted(connection, "users") == 1
        assert connection.execute("select to_regclass('zmig.migration_events')").fetchone() == (None,)

    @pytest.mark.parametrize(
        ("sql", "tool"),
        [
            ("create table schema_migrations (version varchar(128) primary key)", "dbmate"),
            ("create table schema_migrations (version text); create table ar_internal_metadata (key text)", "Rails"),
            ("create table schema_migrations (version bigint, dirty boolean)", "golang-migrate"),
            ("create table history (id int, version_id bigint, is_applied bool, tstamp timestamp)", "goose"),
            ("create table alembic_version (version_num varchar(32))", "Alembic"),
            (
                "create table _prisma_migrations (id text, migration_name text, applied_steps_count int)",
                "Prisma",
            ),
        ],
    )
    def test_names_the_tool_whose_history_is_there(
        self, migrator: Migrator, connection: psycopg.Connection, sql: str, tool: str
    ) -> None:
        connection.execute(sql.encode())
        (problem,) = _refusal(migrator).problems
        assert f"is where {tool} keeps its history" in "\n".join(problem.facts)

    def test_says_how_that_history_is_recorded(
        self, project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection
    ) -> None:
        connection.execute("create table schema_migrations (version varchar(128) primary key)")
        (problem,) = _refusal(migrator).problems
        assert problem.hint is not None
        manifest = migrator.project().migrations[0].declared_at
        assert manifest is not None
        assert f"`zmig import --from dbmate --manifest {manifest.path} --database`" in problem.hint
        assert any("zmig baseline" in str(fact) for fact in problem.facts)

    @pytest.mark.parametrize(
        "sql",
        [
            "create view one as select 1",
            "create materialized view one as select 1 as x",
            "create sequence one",
            "create type one as enum ()",
            "create type one as (x int)",
            "create domain one as int",
            "create function one() returns int language sql as 'select 1'",
            "create schema app; create table app.one ()",
        ],
    )
    def test_is_for_objects_of_every_sort(self, migrator: Migrator, connection: psycopg.Connection, sql: str) -> None:
        connection.execute(sql.encode())
        (problem,) = _refusal(migrator).problems
        assert problem.facts[0].startswith("it holds ")
        assert "and" not in problem.facts[0], "it counts something twice"


@pytest.mark.parametrize("schema", ["zmig", "public", "app"])
def test_what_an_administrator_prepares_is_nothing_to_harm(
    project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection, schema: str
) -> None:
    connection.execute(
        "create schema app; create extension if not exists btree_gist schema app; comment on schema app is 'x'"
    )
    project.change(tracking={"schema": schema, "allow_existing": False})
    migrator.migrate()
    assert migrator.current_version() == 2


@pytest.mark.parametrize("schema", ["zmig", "public"])
def test_tables_of_zmig_without_a_fact_are_nothing_to_harm(
    project: ProjectFolder, migrator: Migrator, connection: psycopg.Connection, schema: str
) -> None:
    project.change(tracking={"schema": schema, "allow_existing": False})
    store = Store(connection, schema)
    store.create(store.inspect())
    assert _counted(connection, f"{schema}.migration_events") == 0
    migrator.migrate()


class TestTheWaysOn:
    @pytest.fixture(autouse=True)
    def existing(self, connection: psycopg.Connection) -> None:
        connection.execute("create table users (id int); insert into users values (1)")

    def test_a_baseline(self, migrator: Migrator, connection: psycopg.Connection) -> None:
        assert migrator.baseline(to=1, reason="made by dbmate") == ["001_users"]
        migrator.migrate()
        assert _counted(connection, "users") == 1

    def test_a_word_for_one_run(self, migrator: Migrator, connection: psycopg.Connection) -> None:
        assert migrator.plan(allow_existing=True).refusals == ()
        migrator.migrate(allow_existing=True)
        assert _counted(connection, "users") == 0

    def test_a_word_in_the_manifest(self, project: ProjectFolder, migrator: Migrator) -> None:
        project.change(tracking={"allow_existing": True})
        assert len(migrator.migrate().completed) == 2

    def test_the_second_run_is_not_asked(self, project: ProjectFolder, migrator: Migrator) -> None:
        migrator.migrate_to_version(0)
        migrator.migrate(to=1, allow_existing=True)
        project.sql("003_three", "create table three ();")
        assert len(migrator.migrate().completed) == 2


class TestABaselineBehindAFailedRun:
    def test_takes_what_failed_in_its_transaction_too(self, project: ProjectFolder, facts: Facts) -> None:
        project.sql("001_users", "create table users (id int);\nselect 1 / 0;")
        project.sql("002_more", "create table more ();")
        migrator = Migrator(project.manifest)
        with pytest.raises(MigrationFailed):
            migrator.migrate()
        assert migrator.baseline(to=2, reason="made by dbmate") == ["001_users", "002_more"]
        assert facts.applied == [(1, "001_users"), (2, "002_more")]
        assert migrator.migrate().completed == ()

    def test_leaves_to_a_person_what_failed_outside_one(self, project: ProjectFolder, facts: Facts) -> None:
        project.sql("001_users", "create table users (id int);\nselect 1 / 0;", transaction=False)
        migrator = Migrator(project.manifest)
        with pytest.raises(MigrationFailed):
            migrator.migrate()
        with pytest.raises(UsageError, match="no transaction undid") as caught:
            migrator.baseline(to=1, reason="made by dbmate")
        assert caught.value.code == "baseline-unclear"
        assert facts.applied == []
        migrator.resolve("1", "done", reason="completed by hand")
        assert migrator.baseline(to=1, reason="made by dbmate") == []
