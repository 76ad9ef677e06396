from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.support.facts import Facts
from tests.support.project import ProjectFolder
from zmig import MigrationFailed, Migrator, TrackingError
from zmig.database.lock import RunLock
from zmig.database.store import Store, storable
from zmig.facts import EventType, Run
from zmig.planning.history import fold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.planning.history import Record

RUN = Run("abc123", "build-7", 4711, "zmig/abc123")

COMMON = {"version", "name", "run_id", "attempt"}


@pytest.fixture
def store(connection: psycopg.Connection) -> Store:
    """A store whose tables are there."""
    made = Store(connection, "zmig")
    made.create(made.inspect())
    return made


def _send(connection: psycopg.Connection, statement: str) -> None:
    """Send a statement that writes a fact, as a session does that holds the run's lock."""
    lock = RunLock("zmig")
    assert lock.try_acquire(connection)
    connection.execute(statement.encode())
    lock.release(connection)


class TestFacts:
    def test_an_applied_migration_leaves_started_and_done_with_what_the_contract_lists(
        self, project: ProjectFolder, facts: Facts
    ) -> None:
        project.sql("001_one", "create table a ();\ncreate table b ();\n")
        run_id = Migrator(project.manifest).migrate().run_id
        (started,), (done,) = facts.data("001_one", "started"), facts.data("001_one", "done")
        assert started.keys() == COMMON | {
            "started_at",
            "kind",
            "checksum",
            "transactional",
            "backend_pid",
            "application_name",
            "client",
            "server",
        }
        assert done.keys() == COMMON | {
            "completed_at",
            "duration_ms",
            "statements",
            "checksum",
            "token_checksum",
            "kind",
        }
        assert {key: started[key] for key in ("version", "name", "run_id", "attempt", "kind", "transactional")} == {
            "version": 1,
            "name": "001_one",
            "run_id": run_id,
            "attempt": 1,
            "kind": "sql",
            "transactional": True,
        }
        assert started["application_name"] == f"zmig/{run_id}"
        assert done["statements"] == 2
        assert done["checksum"] == started["checksum"]

    def test_a_failed_migration_leaves_the_error_with_its_place(self, project: ProjectFolder, facts: Facts) -> None:
        path = project.sql("001_one", "create table a ();\n\n  select 1 / 0;\n")
        with pytest.raises(MigrationFailed):
            Migrator(project.manifest).migrate()
        (failed,) = facts.data("001_one", "failed")
        assert failed.keys() == COMMON | {"completed_at", "duration_ms", "error", "will_retry", "transactional"}
        assert failed["will_retry"] is False
        error = failed["error"]
        assert error["message"] == "division by zero"
        assert (error["sqlstate"], error["statement"], error["statements"]) == ("22012", 2, 2)
        assert (error["line"], error["column"]) == (3, 3)
        assert error["location"].endswith(f"{path.name}:3:3")

    def test_a_rollback_leaves_facts_of_its_own(self, project: ProjectFolder, facts: Facts) -> None:
        project.sql("001_one", "create table a ();", rollback="drop table a;")
        migrator = Migrator(project.manifest)
        migrator.migrate()
        migrator.rollback()
        assert facts.told[2:] == [("001_one", "rollback_started"), ("001_one", "rolled_back")]
        (started,), (done,) = facts.data("001_one", "rollback_started"), facts.data("001_one", "rolled_back")
        assert {"started_at", "transactional", "backend_pid"} <= started.keys()
        assert {"completed_at", "duration_ms", "statements"} <= done.keys()
        assert facts.applied == []

    def test_every_fact_says_who_and_where(self, project: ProjectFolder, connection: psycopg.Connection) -> None:
        project.sql("001_one", "select 1;")
        run_id = Migrator(project.manifest).migrate().run_id
        rows = connection.execute(
            "select aggregate_type, database_user, run_id, host, created_at between now() - interval '1 min' and now() "
            "from zmig.migration_events"
        ).fetchall()
        import platform

        types = ("migration", "migration", "schema")
        assert rows == [(type, connection.info.user, run_id, platform.node(), True) for type in types]

    def test_the_simple_table_repeats_the_done_fact(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("001_one", "select 1;")
        Migrator(project.manifest).migrate()
        row = connection.execute(
            "select s.version, s.name, s.kind, s.checksum = e.event_data->>'checksum', s.applied_at = e.created_at, "
            "s.applied_by = e.database_user, s.duration_ms = (e.event_data->>'duration_ms')::int "
            "from zmig.schema_migrations s join zmig.migration_events e using (position) "
            "where e.event_type = 'migration.done'"
        ).fetchall()
        assert row == [(1, "001_one", "sql", True, True, True, True)]

    @pytest.mark.parametrize("type", ["migration.done", "done"])
    def test_a_fact_appended_by_hand_counts_with_and_without_the_prefix(
        self, project: ProjectFolder, facts: Facts, store: Store, type: str
    ) -> None:
        del store
        project.sql("001_one", "create table one ();")
        project.sql("002_two", "create table two ();")
        facts.append("001_one", type)
        migrator = Migrator(project.manifest)
        assert migrator.status().applied == ["001_one"]
        assert list(migrator.migrate().completed) == ["002_two"]

    def test_facts_of_other_aggregates_and_of_unknown_types_are_passed_over(
        self, project: ProjectFolder, facts: Facts, store: Store, connection: psycopg.Connection
    ) -> None:
        del store
        project.sql("001_one", "select 1;")
        facts.append("001_one", "migration.celebrated")
        connection.execute(
            "insert into zmig.migration_events (aggregate_type, aggregate_id, event_type) "
            "values ('order', '001_one', 'migration.done')"
        )
        migrator = Migrator(project.manifest)
        assert migrator.status().pending == ["001_one"]
        assert migrator.history() == []

    def test_event_data_that_is_not_an_object_is_taken_as_empty(
        self, project: ProjectFolder, facts: Facts, store: Store
    ) -> None:
        del store
        project.sql("001_one", "select 1;")
        for data in ("[]", "null", '"text"', '{"version": "one"}', '{"version": true}'):
            facts.append("001_one", "done", data=data)
        assert Migrator(project.manifest).status().applied == ["001_one"]


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "update zmig.migration_events set event_type = 'migration.done'",
            "delete from zmig.migration_events",
            "truncate zmig.migration_events",
            "delete from zmig.migration_events where false",
            "insert into zmig.migration_events (position, aggregate_id, event_type) overriding system value "
            "values (1, 'x', 'y') on conflict (position) do update set event_type = 'z'",
        ],
    )
    @pytest.mark.parametrize("role", ["origin", "replica"])
    def test_changing_facts_is_refused_even_for_their_owner(
        self, store: Store, connection: psycopg.Connection, statement: str, role: str
    ) -> None:
        _send(connection, store.append_sql(RUN, EventType.STARTED, "one", {"version": 1}))
        connection.execute(f"set session_replication_role = {role}".encode())
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            connection.execute(statement.encode())
        assert [fact.name for fact in store.facts()] == ["one"]


class TestSchema:
    @pytest.mark.parametrize(
        "schema",
        [
            "public",
            "Upper",
            'quo"te',
            "with space",
            "dot.ted",
            "per%cent",
            "ünï_ж_汉",
            "select",
            "x" * 63,
            "back\\slash",
        ],
    )
    def test_any_schema_name_works(
        self, tmp_path: Path, database: str, connection: psycopg.Connection, schema: str
    ) -> None:
        project = ProjectFolder(tmp_path, database, tracking={"schema": schema})
        project.sql("001_one", "create table a ();", rollback="drop table a;")
        migrator = Migrator(project.manifest)
        migrator.migrate()
        assert migrator.migrate().run_id is None
        assert migrator.current_version() == 1
        assert Facts(connection, schema).applied == [(1, "001_one")]
        migrator.rollback()
        assert migrator.current_version() == 0

    def test_two_manifests_with_schemas_of_their_own_share_a_database(
        self, tmp_path: Path, database: str, connection: psycopg.Connection
    ) -> None:
        for name in ("left", "right"):
            project = ProjectFolder(tmp_path / name, database, tracking={"schema": name})
            project.sql("001_one", f"create table {name}_table ();")
            assert list(Migrator(project.manifest).migrate().completed) == ["001_one"]
        assert Facts(connection, "left").applied == Facts(connection, "right").applied == [(1, "001_one")]

    @pytest.mark.parametrize(
        "foreign",
        [
            "create table public.schema_migrations (version varchar primary key)",
            "create table public.schema_migrations (version bigint not null, dirty boolean not null)",
            "create view public.schema_migrations as select 1 as version",
            "create view public.migration_events as select 1 as position",
            "create type public.migration_events as (position bigint)",
            "create table public.migration_events (position bigint primary key, aggregate_type text, "
            "aggregate_id text, event_type text, event_data jsonb, created_at timestamptz)",
        ],
    )
    def test_a_table_of_another_tool_is_refused_and_nothing_is_written(
        self, tmp_path: Path, database: str, connection: psycopg.Connection, foreign: str
    ) -> None:
        connection.execute(foreign.encode())
        project = ProjectFolder(tmp_path, database, tracking={"schema": "public"})
        project.sql("001_one", "create table a ();")
        before = _catalog(connection)
        for action in (Migrator(project.manifest).migrate, Migrator(project.manifest).status):
            with pytest.raises(TrackingError, match="belongs to another tool"):
                action()
        assert _catalog(connection) == before

    def test_reads_create_nothing(self, project: ProjectFolder, connection: psycopg.Connection) -> None:
        project.sql("001_one", "create table a ();")
        migrator = Migrator(project.manifest)
        before = _catalog(connection)
        assert migrator.status().pending == ["001_one"]
        assert migrator.plan().summary == "apply 001_one"
        assert (migrator.history(), migrator.current_version(), migrator.find_stuck_migrations()) == ([], 0, [])
        assert migrator.plan_rollback().steps == ()
        assert _catalog(connection) == before

    def test_every_table_and_column_says_what_it_is_for(self, store: Store, connection: psycopg.Connection) -> None:
        del store
        without = connection.execute(
            "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid "
            "where c.relnamespace = 'zmig'::regnamespace and c.relkind = 'r' and a.attnum >= 0 "
            "and (col_description(c.oid, a.attnum) is null or obj_description(c.oid, 'pg_class') is null)"
        ).fetchall()
        assert without == []


def _catalog(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """All relations, functions and schemas, with their transaction ids: whatever is written changes it."""
    return connection.execute(
        "select 'class', oid::text, xmin::text from pg_class "
        "union all select 'proc', oid::text, xmin::text from pg_proc "
        "union all select 'schema', oid::text, xmin::text from pg_namespace order by 1, 2"
    ).fetchall()


class TestProjection:
    """The simple table can be rebuilt from the facts, and is, whenever a run finds that it does not fit them."""

    @pytest.fixture
    def applied(self, project: ProjectFolder) -> ProjectFolder:
        for number in range(1, 4):
            project.sql(f"{number:03}_m", f"create table t{number} ();", rollback=f"drop table t{number};")
        Migrator(project.manifest).migrate_to_version(2)
        return project

    @pytest.mark.parametrize(
        "damage",
        [
            "drop table zmig.schema_migrations",
            "delete from zmig.schema_migrations",
            "delete from zmig.schema_migrations where version = 1",
            "update zmig.schema_migrations set version = 77 where version = 1",
            "update zmig.schema_migrations set name = 'else', position = 1 where version = 1",
        ],
    )
    def test_a_damaged_simple_table_is_rebuilt_by_the_next_run(
        self, applied: ProjectFolder, connection: psycopg.Connection, damage: str
    ) -> None:
        query = "select * from zmig.schema_migrations where version < 3 order by version"
        before = connection.execute(query).fetchall()
        connection.execute(damage.encode())
        Migrator(applied.manifest).migrate()
        assert connection.execute(query).fetchall() == before
        assert Facts(connection).applied == [(1, "001_m"), (2, "002_m"), (3, "003_m")]

    def test_a_fact_appended_by_hand_gets_its_row_with_the_next_run(
        self, applied: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        facts = Facts(connection)
        applied.sql("004_m", "select 1;")
        facts.append("003_m", "done")
        Migrator(applied.manifest).migrate()
        row = connection.execute(
            "select name, kind, checksum, applied_by from zmig.schema_migrations where version = 3"
        )
        assert row.fetchall() == [("003_m", "sql", None, connection.info.user)]
        assert [version for version, _ in facts.applied] == [1, 2, 3, 4]

    def test_a_decision_rebuilds_it_too(self, applied: ProjectFolder, connection: psycopg.Connection) -> None:
        connection.execute("drop table zmig.schema_migrations")
        Migrator(applied.manifest).resolve("003_m", "done", reason="done by hand")
        assert [version for version, _ in Facts(connection).applied] == [1, 2, 3]

    def test_nothing_is_written_where_nothing_is_to_be_done(
        self, applied: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        migrator = Migrator(applied.manifest)
        migrator.migrate()
        connection.execute("delete from zmig.schema_migrations")
        assert migrator.status().applied == ["001_m", "002_m", "003_m"]
        assert migrator.migrate().run_id is None
        assert Facts(connection).applied == []


def _as_it_stands(records: Mapping[Any, Record]) -> dict[object, Record]:
    """Leave out what only tells of earlier attempts."""
    return {key: replace(record, started=None, failed=None) for key, record in records.items()}


class TestReading:
    def test_the_latest_facts_fold_to_the_same_as_all_of_them(
        self, store: Store, connection: psycopg.Connection
    ) -> None:
        """Folding needs the latest fact of each sort only; which sorts there are is the reader's business."""
        dice = random.Random(7)
        for _ in range(600):
            version = dice.randint(1, 25)
            name = f"m{version}" if dice.random() < 0.9 else f"m{dice.randint(1, 25)}"
            stated = dice.choice([version] * 8 + [float(version), str(version)])
            data: dict[str, object] = {} if dice.random() < 0.2 else {"version": stated}
            type = dice.choice(list(EventType))
            if type is EventType.RESOLVED:
                data["as"] = dice.choice(["done", "failed", "pending"])
            if type in (EventType.STARTED, EventType.ROLLBACK_STARTED) and dice.random() < 0.3:
                data["resumed_after"] = 1
            _send(connection, store.append_sql(RUN, type, name, data))
        versions = {f"m{number}": number for number in range(1, 20)}
        every = fold(store.facts(), versions=versions)
        assert fold(store.latest_facts(), versions=versions) == every
        standing = fold(store.standing_facts(), versions=versions)
        assert _as_it_stands(standing.records) == _as_it_stands(every.records)
        assert _as_it_stands(standing.unversioned) == _as_it_stands(every.unversioned)

    def test_facts_that_no_longer_matter_are_not_sent(self, store: Store, connection: psycopg.Connection) -> None:
        for number in range(100):
            type = EventType.STARTED if number % 2 == 0 else EventType.FAILED
            _send(connection, store.append_sql(RUN, type, "m1", {"version": 1, "attempt": number // 2}))
        assert [fact.position for fact in store.standing_facts()] == [99, 100]


class TestStorable:
    @pytest.mark.parametrize(
        "value", ["nul \0 byte", "lone \ud800 surrogate", 'quote " and \\ backslash', "汉字 🎉", "\x01\x1b[31m"]
    )
    def test_any_text_can_be_stored(self, store: Store, connection: psycopg.Connection, value: str) -> None:
        _send(connection, store.append_sql(RUN, EventType.FAILED, "one", {"error": {"message": [value]}}))
        (fact,) = store.facts()
        error: Any = fact.data["error"]
        assert error["message"][0].replace("\\0", "\0") == value.encode("utf-8", "backslashreplace").decode()

    def test_what_is_no_json_is_stored_as_text(self) -> None:
        from pathlib import PurePosixPath

        assert storable({"path": PurePosixPath("a/b")}) == '{"path": "a/b"}'
