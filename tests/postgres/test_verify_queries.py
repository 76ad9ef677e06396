"""Verify queries: asked once a migration has run, before that is recorded; anything but true fails it."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process, run
from zmig import ManifestError, MigrationFailed, Migrator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.errors import Problem

ROLES = "create table roles (name text); insert into roles values ('a'), ('b'), ('c');"
THREE = "select count(*) = 3 from roles"


def _tables(connection: psycopg.Connection) -> list[str]:
    query = "select tablename from pg_tables where schemaname = 'public' order by 1"
    return [str(name) for (name,) in connection.execute(query)]


def _fail(project: ProjectFolder, *, is_atomic: bool = False) -> Problem:
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate(atomic=is_atomic)
    (problem,) = caught.value.problems
    assert problem.code == "verify-failed"
    return problem


def test_a_migration_is_done_once_its_query_returned_true(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_roles", ROLES, verify=THREE)
    project.sql("002_more", "create table more ();")
    assert list(Migrator(project.manifest).migrate().completed) == ["001_roles", "002_more"]
    assert facts.data("001_roles", "done")[0]["verified"] is True
    assert "verified" not in facts.data("002_more", "done")[0]


ANSWERS = {
    "select count(*) = 4 from roles": "its verify query returned false",
    "select null::boolean": "its verify query returned null",
    "select true from roles where name = 'd'": "its verify query gave no answer: it returned 0 rows",
    "select true from roles": "its verify query gave no answer: it returned 3 rows",
    "select true, true": "its verify query gave no answer: it returned 2 columns",
    "select count(*) from roles": "its verify query gave no answer: what it returned is not a boolean",
    "select 'true'": "its verify query gave no answer: what it returned is not a boolean",
    "select count(*) = 3 from rolls": 'its verify query gave no answer: relation "rolls" does not exist',
    "with one as (insert into roles values ('d') returning 1) select true from one": (
        "its verify query gave no answer: cannot execute SELECT in a read-only transaction"
    ),
    "select 1 / 0 = 1": "its verify query gave no answer: division by zero",
}


@pytest.mark.parametrize("query", ANSWERS)
def test_any_other_answer_fails_the_migration_and_rolls_it_back(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, query: str
) -> None:
    project.sql("001_roles", ROLES, verify=query)
    problem = _fail(project)
    assert problem.message == f"migration `001_roles` failed: {ANSWERS[query]}"
    assert problem.effect == "rolled back: `001_roles` left nothing behind"
    assert str(problem.hint).startswith("correct the migration or its verify query, then run `zmig retry ")
    assert problem.location is not None
    assert (problem.location.path, problem.location.line > 1) == (str(project.manifest), True)
    assert _tables(connection) == []
    assert facts.told == [("001_roles", "started"), ("001_roles", "failed")]
    (failed,) = facts.data("001_roles", "failed")
    assert (failed["error"]["code"], failed["will_retry"]) == ("verify-failed", False)


def test_what_the_hint_says_runs_as_it_is_printed(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_roles", ROLES, verify="select count(*) = 4 from roles")
    failed = run("apply", str(project.manifest))
    assert failed.code == 1
    found = re.search(r"then run `zmig (retry [^`]+)`", failed.stderr)
    assert found is not None
    project.sql("001_roles", ROLES, verify=THREE)
    assert run(*found[1].split()).code == 0
    assert _tables(connection) == ["roles"]


def test_a_file_may_hold_the_query_and_an_error_has_its_place_there(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    file = project.folder / "001_roles.verify.sql"
    file.write_text("-- three of them\nselect count(*) = 3\nfrom rolls;\n")
    project.sql("001_roles", ROLES, verify={"file": file.name})
    problem = _fail(project)
    assert problem.location is not None
    assert (problem.location.path, problem.location.line, problem.location.column) == (str(file), 3, 6)
    file.write_text(f"-- three of them\n{THREE};\n")
    migrator = Migrator(project.manifest)
    assert list(migrator.migrate().completed) == ["001_roles"]
    assert not migrator.status().undeclared
    assert _tables(connection) == ["roles"]


def test_what_is_in_a_file_that_a_link_leads_to_out_of_the_project_is_not_shown(
    project: ProjectFolder, facts: Facts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "other.sql"
    elsewhere.write_text("select sesame from nowhere")
    (project.folder / ".git").mkdir()
    (project.folder / "verify.sql").symlink_to(elsewhere)
    project.sql("001_roles", ROLES, verify={"file": "verify.sql"})
    ended = run("apply", str(project.manifest))
    assert (ended.code, "verify query gave no answer" in ended.stderr) == (1, True)
    assert not {word for word in ("sesame", "nowhere") if word in ended.stderr + str(facts.data("001_roles", "failed"))}


def test_variables_are_replaced_in_a_file(project: ProjectFolder) -> None:
    (project.folder / "verify.sql").write_text("select count(*) = ${count} from roles")
    project.change(variables={"count": "3"})
    project.sql("001_roles", ROLES, verify={"file": "verify.sql"}, variables=True)
    assert list(Migrator(project.manifest).migrate().completed) == ["001_roles"]


@pytest.mark.parametrize(
    ("verify", "code"),
    [
        ({"file": "nowhere.sql"}, "file-missing"),
        ({"file": "verify.py"}, "verify-invalid"),
        (" \n", "verify-invalid"),
        ("select true; select true", "verify-invalid"),
        ("delete from roles returning true", "verify-invalid"),
        ("commit", "verify-invalid"),
        ("select 'never", "verify-invalid"),
        ("-- nothing", "verify-invalid"),
    ],
)
def test_what_is_no_query_is_refused_before_anything_runs(
    project: ProjectFolder, connection: psycopg.Connection, verify: object, code: str
) -> None:
    (project.folder / "verify.py").write_text("")
    project.sql("001_other", "create table other ();")
    project.sql("002_roles", ROLES, verify=verify)
    with pytest.raises(ManifestError) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert (problem.code, problem.location is not None) == (code, True)
    assert _tables(connection) == []


def test_it_is_asked_as_psql_would_whatever_the_migration_set(project: ProjectFolder) -> None:
    project.sql("001_roles", f"{ROLES} set search_path = ''; set role pg_read_all_stats;", verify=THREE)
    Migrator(project.manifest).migrate()


def test_the_migration_itself_may_write_after_another_one_was_asked(project: ProjectFolder) -> None:
    project.sql("001_roles", ROLES, verify=THREE)
    project.sql("002_more", "insert into roles values ('d');", verify="select count(*) = 4 from roles")
    migrator = Migrator(project.manifest)
    assert list(migrator.migrate(atomic=True).completed) == ["001_roles", "002_more"]


def test_with_atomic_nothing_stays_where_one_query_is_false(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_roles", ROLES, verify=THREE)
    project.sql("002_more", "insert into roles values ('d');", verify=THREE)
    _fail(project, is_atomic=True)
    assert _tables(connection) == []
    assert facts.applied == []


def test_among_many_small_ones_each_is_asked_where_it_is_its_turn(project: ProjectFolder, facts: Facts) -> None:
    for number in range(1, 10):
        text = f"create table t{number} ();"
        asked = f"select count(*) = {number} from pg_tables where schemaname = 'public'"
        project.sql(f"00{number}_t", text, **({"verify": asked} if number % 3 == 0 else {}))
    assert len(Migrator(project.manifest).migrate().completed) == 9
    verified = [number for number in range(1, 10) if "verified" in facts.data(f"00{number}_t", "done")[0]]
    assert verified == [3, 6, 9]


def test_where_one_of_many_small_ones_fails_those_before_it_stay(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    for number in range(1, 6):
        asked = {"verify": "select false"} if number == 4 else {}
        project.sql(f"00{number}_t", f"create table t{number} ();", **asked)
    _fail(project)
    assert _tables(connection) == ["t1", "t2", "t3"]
    assert facts.applied == [(1, "001_t"), (2, "002_t"), (3, "003_t")]


def test_outside_of_a_transaction_the_statements_stay_and_a_retry_asks_again(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_roles", "create table roles (name text);")
    project.sql(
        "002_index",
        "create index concurrently roles_name on roles (name);\ninsert into roles values ('a');",
        transaction=False,
        verify="select count(*) = 2 from roles",
    )
    problem = _fail(project)
    assert problem.effect is not None
    assert problem.effect.startswith("not rolled back: ")
    assert any("another attempt runs none of them" in fact for fact in problem.facts)
    assert facts.applied == [(1, "001_roles")]
    connection.execute("insert into roles values ('b')")
    assert list(Migrator(project.manifest).retry(["002_index"]).completed) == ["002_index"]
    assert connection.execute("select count(*) from roles").fetchone() == (2,)
    assert facts.data("002_index", "done")[0]["verified"] is True
    # What the question set is gone with it.
    assert list(Migrator(project.manifest).migrate().completed) == []


def test_a_batch_is_asked_after_its_last_round(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    connection.execute("create table n as select id, null::int as double from generate_series(1, 25) id")
    connection.execute("alter table n add primary key (id)")
    project.sql(
        "001_double",
        "update n set double = id * 2 where id in (select id from n where double is null limit :size)",
        batch={"size": 10},
        verify="select count(*) = 0 from n where double is null or id = 26",
    )
    connection.execute("insert into n values (26, 0)")
    problem = _fail(project)
    assert "rounds" in str(problem.effect) or "rows" in str(problem.effect)
    assert connection.execute("select count(*) from n where double is null").fetchone() == (0,)
    assert facts.applied == []
    connection.execute("delete from n where id = 26")
    assert list(Migrator(project.manifest).migrate().completed) == ["001_double"]
    assert (facts.data("001_double", "done")[0]["verified"], facts.data("001_double", "done")[0]["rows"]) == (True, 25)


CODE = """
def execute(ctx):
    ctx.connection.execute("create table roles (name text)")
    ctx.connection.execute("insert into roles values ('a')")
"""


@pytest.mark.parametrize("transaction", [True, False])
def test_python_is_asked_too(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, transaction: bool
) -> None:
    project.python("001_roles", CODE, transaction=transaction, verify=THREE)
    _fail(project)
    assert _tables(connection) == ([] if transaction else ["roles"])
    assert facts.data("001_roles", "failed")[0].get("may_be_partial", False) is not transaction
    if not transaction:
        connection.execute("drop table roles")
    project.python("001_roles", CODE, transaction=transaction, verify="select count(*) = 1 from roles")
    Migrator(project.manifest).retry(["001_roles"])
    assert facts.data("001_roles", "done")[0]["verified"] is True


def test_a_batch_in_python_is_asked_after_its_last_round(project: ProjectFolder, facts: Facts) -> None:
    project.python(
        "001_none",
        "def execute(ctx):\n    for batch in ctx.batches():\n        batch.done(0, cursor=None)\n",
        batch={"size": 10},
        verify="select false",
    )
    _fail(project)
    assert facts.applied == []


def test_a_repeatable_is_asked_each_time(project: ProjectFolder, facts: Facts) -> None:
    project.repeatable("090_view", "create or replace view v as select 1 as n;", verify="select max(n) = 1 from v")
    Migrator(project.manifest).migrate()
    project.repeatable("090_view", "create or replace view v as select 2 as n;", verify="select max(n) = 1 from v")
    _fail(project)
    assert facts.told[-1] == ("090_view", "failed")


def test_a_repeatable_by_condition_is_asked_in_its_first_run_and_the_later_ones(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    text = "create table if not exists n (i int); insert into n values (1);"
    project.repeatable(
        "090_n", text, repeat={"condition": "select count(*) < 3 from n"}, verify="select count(*) < 3 from n"
    )
    migrator = Migrator(project.manifest)
    migrator.migrate()
    migrator.migrate()
    _fail(project)
    assert connection.execute("select count(*) from n").fetchone() == (2,)
    assert [one["verified"] for one in facts.data("090_n", "done")] == [True, True]


def test_a_rollback_a_baseline_and_an_operators_word_ask_nothing(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_roles", ROLES, rollback="drop table roles;", verify=THREE)
    project.sql("002_no", "select 1;", verify="select false")
    project.sql("003_no", "select 1;", verify="select false")
    migrator = Migrator(project.manifest)
    migrator.migrate_to_version(1)
    migrator.rollback()
    migrator.baseline(to=2, reason="it is there")
    migrator.resolve("003_no", "done", reason="so is this")
    assert facts.applied == [(1, "001_roles"), (2, "002_no"), (3, "003_no")]


def test_it_runs_with_zmigs_own_rights_and_not_those_of_run_as(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("001_roles", "select 1;", run_as="pg_monitor", verify="select current_user = session_user")
    assert list(Migrator(project.manifest).migrate().completed) == ["001_roles"]


def test_the_lock_is_proved_after_it(project: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
    project.sql("001_roles", ROLES, verify="select pg_advisory_unlock_all() is not null")
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.code == "lock-lost"
    assert _tables(connection) == []


def test_it_takes_no_longer_than_the_migration_may(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_roles", ROLES, statement_timeout="200ms", verify="select pg_sleep(600) is not null")
    problem = _fail(project)
    assert "statement timeout" in problem.message
    assert _tables(connection) == []


SLEEPS = "select pg_sleep(600) is not null"


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it(
    project: ProjectFolder,
    connection: psycopg.Connection,
    facts: Facts,
    number: signal.Signals,
    code: int,
    *,
    transaction: bool,
) -> None:
    project.sql("001_roles", ROLES, transaction=transaction, verify=SLEEPS)
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        process.send(number)
        assert process.wait().code == code
    assert _tables(connection) == ([] if transaction else ["roles"])
    assert facts.told[-1] == ("001_roles", "failed")
    assert facts.data("001_roles", "failed")[0]["error"]["interrupted"] == number.name
    project.sql("001_roles", ROLES, transaction=transaction, verify=THREE)
    assert list(Migrator(project.manifest).migrate().completed) == ["001_roles"]


@pytest.mark.parametrize("transaction", [True, False])
def test_a_run_that_is_killed_while_it_is_asked_has_not_done_it(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, *, transaction: bool
) -> None:
    project.sql("001_roles", ROLES, transaction=transaction, verify=SLEEPS)
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        working = backends.pid(connection, "wait_event = 'PgSleep'")
        process.kill()
    # Before PostgreSQL 14 a server does not notice that a client is gone while a query runs.
    connection.execute("select pg_terminate_backend(%s)", (working,))
    backends.wait_for(connection, 0)
    assert facts.applied == []
    project.sql("001_roles", ROLES, transaction=transaction, verify=THREE)
    assert list(Migrator(project.manifest).migrate().completed) == ["001_roles"]
    assert connection.execute("select count(*) from roles").fetchone() == (3,)


def test_a_connection_that_is_lost_while_it_is_asked_is_no_answer(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_roles", ROLES, verify=SLEEPS)
    with Process("apply", project.manifest) as process:
        backends.wait_for(connection, 1, "wait_event = 'PgSleep'", of=process)
        working = backends.pid(connection, "wait_event = 'PgSleep'")
        connection.execute("select pg_terminate_backend(%s)", (working,))
        ended = process.wait()
    assert (ended.code, "connection" in ended.stderr) == (3, True)
    assert (_tables(connection), facts.applied) == ([], [])


def test_a_rehearsal_asks_it_too(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.sql("001_roles", ROLES, verify=THREE)
    project.sql("002_more", "insert into roles values ('d');", verify=THREE)
    rehearsal = Migrator(project.manifest).rehearse()
    first, second = rehearsal.steps
    assert first.problem is None
    assert second.problem is not None
    assert second.problem.message == "migration `002_more` failed in its rehearsal: its verify query returned false"
    assert _tables(connection) == []


def test_lint_finds_what_is_no_sql_in_the_manifest_and_in_a_file(project: ProjectFolder) -> None:
    (project.folder / "001_roles.verify.sql").write_text("-- description: x\nselect count(*) = = 3 from roles;\n")
    project.sql("001_roles", ROLES, verify={"file": "001_roles.verify.sql"})
    project.sql("002_more", "select 1;", verify="select = true")
    project.sql("003_more", "select 1;", verify="select true; select true")
    found = run("lint", str(project.manifest), "--format", "json")
    assert found.code == 1
    assert "001_roles.verify.sql" in found.stdout
    lines: Sequence[str] = [line for line in found.stdout.splitlines() if '"rule"' in line]
    text = "".join(lines) + found.stdout
    assert "the verify query of `002_more`: syntax error" in text
    assert "manifest/verify-invalid" in text
    assert "name/undeclared" not in text
