"""Facts, the simple table and the sequence that contradict each other, after a restore or by somebody's hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.support import database as databases
from tests.support.recorder import Recorder
from zmig import Migrator, PlanRefused, ZmigError
from zmig.planning.state import FindingCode
from zmig.progress import Notice

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder


@pytest.fixture
def paid(project: ProjectFolder, connection: psycopg.Connection) -> ProjectFolder:
    """A project of which two migrations are applied, each with an effect."""
    connection.execute("create table money (i int)")
    for number in (1, 2):
        project.sql(f"{number:03}_pay", f"insert into money values ({number});", rollback="delete from money;")
    Migrator(project.manifest).migrate()
    return project


def lose_facts(connection: psycopg.Connection, condition: str) -> None:
    """Delete facts, as a restore of an older backup does."""
    connection.execute("alter table zmig.migration_events disable trigger append_only")
    connection.execute(f"delete from zmig.migration_events where {condition}".encode())
    connection.execute("alter table zmig.migration_events enable always trigger append_only")


def drop_facts(connection: psycopg.Connection, condition: str) -> None:
    """Drop the whole table of facts."""
    del condition
    connection.execute("drop table zmig.migration_events")


WRITES: dict[str, Callable[[Migrator], object]] = {
    "apply": lambda migrator: migrator.migrate(),
    "apply to a version": lambda migrator: migrator.migrate(to=1),
    "apply atomically": lambda migrator: migrator.migrate(atomic=True),
    "retry": lambda migrator: migrator.retry(),
    "rehearse": lambda migrator: migrator.rehearse(),
    "resolve another": lambda migrator: migrator.resolve("001_pay", "failed", reason="x"),
}


@pytest.mark.parametrize("lose", [lose_facts, drop_facts])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_row_that_no_fact_founds_is_refused_and_stays(
    paid: ProjectFolder,
    connection: psycopg.Connection,
    facts: Facts,
    write: Callable[[Migrator], object],
    lose: Callable[[psycopg.Connection, str], None],
) -> None:
    if lose is drop_facts and write is WRITES["resolve another"]:
        connection.execute("delete from zmig.schema_migrations where version = 1")
    lose(connection, "position > 2")
    before = facts.applied
    with pytest.raises(PlanRefused) as raised:
        write(Migrator(paid.manifest))
    assert "facts-missing" in {problem.code for problem in raised.value.problems}
    assert facts.applied == before
    assert connection.execute("select i from money order by i").fetchall() == [(1,), (2,)]
    told = [one.code for told in Migrator(paid.manifest).status().migrations for one in told.findings]
    assert FindingCode.FACTS_MISSING in told
    assert [one.problem.code for one in Migrator(paid.manifest).plan().refusals] == ["facts-missing"]


@pytest.mark.parametrize("lost", ["position > 2", "true"])
def test_it_is_refused_though_nothing_seems_to_be_left_to_do(
    paid: ProjectFolder, connection: psycopg.Connection, facts: Facts, lost: str
) -> None:
    paid.forget(2)
    if lost == "true":
        paid.forget(1)
    lose_facts(connection, lost)
    with pytest.raises(PlanRefused):
        Migrator(paid.manifest).migrate()
    with pytest.raises(PlanRefused):
        Migrator(paid.manifest).rollback()
    assert facts.applied == [(1, "001_pay"), (2, "002_pay")]


def test_a_word_about_its_migration_ends_the_contradiction(
    paid: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    lose_facts(connection, "position > 2")
    Migrator(paid.manifest).resolve("002_pay", "done", reason="restored")
    assert Migrator(paid.manifest).migrate().completed == ()
    assert facts.applied == [(1, "001_pay"), (2, "002_pay")]
    assert connection.execute("select i from money order by i").fetchall() == [(1,), (2,)]


def test_one_word_about_all_of_them_is_enough(
    paid: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    lose_facts(connection, "true")
    with pytest.raises(PlanRefused) as raised:
        Migrator(paid.manifest).migrate()
    assert any("baseline" in fact and "--to 2" in fact for fact in raised.value.problems[0].facts)
    assert Migrator(paid.manifest).baseline(to=2, reason="restored") == ["001_pay", "002_pay"]
    assert Migrator(paid.manifest).migrate().completed == ()
    assert connection.execute("select i from money order by i").fetchall() == [(1,), (2,)]


def test_a_position_that_another_migrations_fact_has_by_now_founds_nothing(
    paid: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    lose_facts(connection, "position > 2")
    connection.execute("alter table zmig.migration_events alter position restart with 4")
    facts.append("003_other", "migration.done", data='{"version": 3}')
    with pytest.raises(PlanRefused, match="002_pay"):
        Migrator(paid.manifest).migrate()


FAULTS = {
    "missing": "delete from zmig.schema_migrations where version = 2",
    "older": "update zmig.schema_migrations set position = 3 where version = 2",
    "renamed": "update zmig.schema_migrations set name = 'x' where version = 2",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_is_the_simple_tables_fault_is_mended(
    paid: ProjectFolder, connection: psycopg.Connection, facts: Facts, fault: str
) -> None:
    connection.execute(fault.encode())
    paid.sql("003_pay", "insert into money values (3);")
    Migrator(paid.manifest).migrate()
    assert facts.applied == [(number, f"{number:03}_pay") for number in (1, 2, 3)]
    assert connection.execute("select position from zmig.schema_migrations where version = 2").fetchone() == (4,)


SET_BACK = {
    "to the beginning": "alter table zmig.migration_events alter position restart with 1",
    "into the middle": "alter table zmig.migration_events alter position restart with 3",
    "by one": "select setval('zmig.migration_events_position_seq', 3)",
    "never called": "select setval('zmig.migration_events_position_seq', 1, false)",
}


@pytest.mark.parametrize("act", ["apply", "rollback", "resolve"])
@pytest.mark.parametrize("way", SET_BACK.values(), ids=SET_BACK)
def test_positions_that_lag_are_mended_before_anything_runs(
    paid: ProjectFolder, connection: psycopg.Connection, facts: Facts, way: str, act: str
) -> None:
    connection.execute(way.encode())
    recorder = Recorder()
    migrator = Migrator(paid.manifest, observer=recorder)
    if act == "apply":
        paid.sql("003_pay", "insert into money values (3);")
        migrator.migrate()
        assert facts.told[-1] == ("003_pay", "done")
    elif act == "rollback":
        migrator.rollback()
        assert facts.told[-1] == ("002_pay", "rolled_back")
        assert facts.applied == [(1, "001_pay")]
    else:
        migrator.resolve("002_pay", "failed", reason="x")
        assert facts.told[-1] == ("002_pay", "resolved")
    assert any("continue after it" in one.message for one in recorder.all(Notice))


def test_a_hole_far_below_is_not_filled(paid: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
    connection.execute("alter table zmig.migration_events alter position restart with 1000")
    Migrator(paid.manifest).rollback()
    Migrator(paid.manifest).migrate()
    connection.execute("alter table zmig.migration_events alter position restart with 100")
    Migrator(paid.manifest).rollback()
    assert Migrator(paid.manifest).status().pending == ["002_pay"]
    assert facts.told[-1] == ("002_pay", "rolled_back")


@pytest.mark.parametrize("restart", [2, 3])
def test_a_role_that_may_not_mend_them_is_told_how(
    paid: ProjectFolder, connection: psycopg.Connection, worker_name: str, restart: int
) -> None:
    role = sql.Identifier(f"{worker_name}_plain")
    connection.execute(f"alter table zmig.migration_events alter position restart with {restart}".encode())
    connection.execute(sql.SQL("create role {} login").format(role))
    try:
        for grant in (
            "usage, create on schema public",
            "usage on schema zmig",
            "select, insert on zmig.migration_events",
            "select, insert, update, delete on zmig.schema_migrations",
        ):
            connection.execute(sql.SQL("grant {} to {}").format(sql.SQL(grant), role))
        paid.sql("003_pay", "create table three (x int);")
        url = f"{paid.url}{'&' if '?' in paid.url else '?'}options=-c%20role%3D{worker_name}_plain"
        with pytest.raises(ZmigError) as raised:
            Migrator(paid.manifest, database_url=url).migrate()
        problem = raised.value.problems[0]
        assert problem.code == "positions-behind"
        assert "select setval(pg_get_serial_sequence('zmig.migration_events', 'position')" in (problem.hint or "")
        assert connection.execute("select to_regclass('three')").fetchone() == (None,)
    finally:
        connection.execute(sql.SQL("drop owned by {0}; drop role {0}").format(role))


def test_a_copied_history_is_right_as_it_is(paid: ProjectFolder, server: str, worker_name: str) -> None:
    name = f"{worker_name}_copy"
    with psycopg.connect(server, autocommit=True) as admin:
        source = conninfo_to_dict(paid.url)["dbname"]
        databases.end_sessions(admin, str(source))
        admin.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(str(source)))
        )
    try:
        paid.sql("003_pay", "insert into money values (3);")
        recorder = Recorder()
        result = Migrator(paid.manifest, database_url=databases.url_of(server, name), observer=recorder).migrate()
        assert result.completed == ("003_pay",)
        assert recorder.all(Notice) == []
    finally:
        databases.drop(server, name)
