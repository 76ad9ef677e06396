"""What a server says against a connection, or against zmig's own statements, is told with what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support import backends
from tests.support.process import Process, run
from tests.support.project import ProjectFolder
from tests.support.refusing import RefusingServer
from zmig import ConnectionFailed, Migrator, Problem, TrackingError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path, fresh_database: str, role: str) -> ProjectFolder:
    made = ProjectFolder(tmp_path, make_conninfo(fresh_database, user=role, password="pa55-word"))
    made.sql("001_one", "select 1")
    return made


def turned_away(project: ProjectFolder, url: str | None = None) -> Problem:
    """Return what is told where no connection comes about."""
    with pytest.raises(ConnectionFailed) as caught:
        Migrator(project.manifest, database_url=url).migrate()
    (problem,) = caught.value.problems
    assert (problem.code, problem.effect) == ("no-connection", "nothing was run")
    return problem


@pytest.mark.parametrize(
    ("change", "said", "hint"),
    [
        ("alter role {role} nologin", "is not permitted to log in", "the right to log in"),
        ("alter role {role} connection limit 0", "too many connections for role", "raise the connection limit"),
        ("alter database {database} connection limit 0", "too many connections for database", "raise the connection"),
        ("revoke connect on database {database} from public", "permission denied for database", "`connect`"),
    ],
)
def test_why_the_server_admits_nobody_is_told_with_what_helps(
    project: ProjectFolder, admin: psycopg.Connection, role: str, change: str, said: str, hint: str
) -> None:
    names = {"role": sql.Identifier(role), "database": sql.Identifier(admin.info.dbname)}
    admin.execute(sql.SQL(change).format(**names))  # pyright: ignore[reportArgumentType]: a constant of this file
    problem = turned_away(project)
    assert said in " ".join((problem.message, *problem.facts))
    assert hint in (problem.hint or "")


def test_a_database_and_a_role_that_are_not_there_are_told_apart(project: ProjectFolder, fresh_database: str) -> None:
    no_database = turned_away(project, make_conninfo(fresh_database, dbname="nowhere"))
    assert no_database.hint == "create it, or correct the name in `--database-url`"
    no_role = turned_away(project, make_conninfo(fresh_database, user="nobody_here", password=""))
    if "does not exist" in no_role.message:  # a server that asks for passwords does not tell
        assert no_role.hint == "create the role, or correct the user in `--database-url`"


FULL = "remaining connection slots are reserved for roles with the SUPERUSER attribute"
ENTRY = 'no pg_hba.conf entry for host "10.0.0.1", user "app", database "shop"'


@pytest.mark.parametrize(
    ("sqlstate", "message", "hint"),
    [
        ("57P03", "the database system is starting up", "wait until the server is ready, then run the same command"),
        ("57P03", "the database system is in recovery mode", "wait until the server is ready"),
        ("57P03", "the database system is not yet accepting connections", "wait until the server is ready"),
        ("55000", 'database "shop" is not currently accepting connections', "let it accept them"),
        ("53300", "sorry, too many clients already", "raise max_connections"),
        ("53300", FULL, "raise max_connections"),
        ("28000", f"{ENTRY}, no encryption", "add `sslmode=require`"),
        ("28000", f"{ENTRY}, SSL off", "add `sslmode=require`"),
        ("28000", f"{ENTRY}, SSL encryption", "let the server's pg_hba.conf admit"),
        ("28P01", 'password authentication failed for user "app"', "correct the user or the password"),
        ("28000", 'role "app" does not exist', "create the role"),
    ],
)
def test_a_server_that_turns_everybody_away(project: ProjectFolder, sqlstate: str, message: str, hint: str) -> None:
    with RefusingServer(sqlstate, message) as server:
        problem = turned_away(project, server.url(sslmode="disable"))
    assert message in " ".join((problem.message, *problem.facts))
    assert (problem.hint or "").startswith(hint) or hint in (problem.hint or "")


def test_a_server_without_the_encryption_that_is_asked_for(project: ProjectFolder) -> None:
    with RefusingServer("28000", "no one") as server:
        problem = turned_away(project, server.url(sslmode="require"))
    assert "does not support SSL" in problem.message
    assert problem.hint == "let the server use SSL, or write another `sslmode` in `--database-url`"


@pytest.mark.slow
def test_how_long_a_silent_server_is_waited_for_is_ones_own_choice(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGCONNECT_TIMEOUT")
    with (
        RefusingServer() as server,
        Process(
            "status", project.manifest, "--database-url", server.url(), environ={"PGCONNECT_TIMEOUT": "3600"}
        ) as chosen_by_environment,
        Process("status", project.manifest, "--database-url", server.url(connect_timeout="3600")) as chosen_by_url,
    ):
        server.wait_for_sessions(2)
        ended = run("status", project.manifest, "--database-url", server.url())
        assert chosen_by_environment.is_running
        assert chosen_by_url.is_running
    assert ended.code == 3
    assert "timeout expired" in ended.stderr
    assert "check host and port" in ended.stderr


def test_a_database_that_a_role_may_only_read_is_told(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    admin.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(sql.Identifier(role)))
    with pytest.raises(TrackingError) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert (problem.code, problem.effect) == ("read-only", "nothing was run")
    assert problem.hint == "connect to the primary server, as a role that may write"


def test_a_statement_of_zmigs_own_that_a_setting_of_the_role_cuts_off_is_told(
    project: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    name = sql.Identifier(role)
    admin.execute(sql.SQL("grant create on database {} to {}").format(sql.Identifier(admin.info.dbname), name))
    Migrator(project.manifest).migrate()
    admin.execute(sql.SQL("alter role {} set statement_timeout = '100ms'").format(name))
    with admin.transaction(), pytest.raises(TrackingError) as caught:
        admin.execute("lock table zmig.migration_events")
        Migrator(project.manifest).status()
    (problem,) = caught.value.problems
    assert (problem.code, problem.facts[0]) == ("database-refused", "PostgreSQL 57014")
    assert "raise the `statement_timeout`" in (problem.hint or "")


_CANCEL = (
    "select pg_cancel_backend(pid) from pg_stat_activity where {} "
    "and datname = current_database() and application_name like 'zmig%'"
)


def test_a_question_of_zmigs_own_that_somebody_cancels_may_be_asked_again(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection
) -> None:
    project = ProjectFolder(tmp_path, fresh_database)
    project.sql("001_one", "select 1")
    Migrator(project.manifest).migrate()
    admin.execute("begin; lock table zmig.migration_events")
    with Process("status", project.manifest) as process:
        waiting = "from pg_stat_activity where application_name = 'zmig' and wait_event_type = 'Lock'"
        backends.wait_until(admin, f"exists (select {waiting} and datname = current_database())", of=process)
        admin.execute(_CANCEL.format("wait_event_type = 'Lock'").encode())
        ended = process.wait()
    admin.execute("rollback")
    assert ended.stderr == (
        "error: somebody cancelled what zmig asked: canceling statement due to user request\n"
        "   = PostgreSQL 57014\n   = nothing was run\nhint: run the same command again\n"
    )


def test_a_condition_that_somebody_cancels_may_be_asked_again(
    tmp_path: Path, fresh_database: str, admin: psycopg.Connection
) -> None:
    project = ProjectFolder(tmp_path, fresh_database)
    project.repeatable("090_asked", "select 1;", repeat={"condition": "select pg_sleep(60) is null"})
    Migrator(project.manifest).migrate()
    with Process("apply", project.manifest) as process:
        while process.is_running:
            admin.execute(_CANCEL.format("wait_event = 'PgSleep'").encode())
        ended = process.wait()
    assert "gave no answer: canceling statement due to user request\n" in ended.stderr
    assert ended.stderr.endswith("hint: run the same command again: somebody cancelled the question\n")
