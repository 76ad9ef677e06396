from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.recorder import Recorder
from zmig import MigrationFailed, Migrator
from zmig.planning.plan import Action
from zmig.progress import StepSkipped

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig import Context, LastRun

NOTES = "create table if not exists notes (text text); insert into notes values ('ran');"


def _notes(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from public.notes").fetchone()
    assert row is not None
    return int(row[0])


def test_a_repeatable_by_checksum_runs_again_when_its_file_changes(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.repeatable("090_view", NOTES)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    assert migrator.migrate().run_id is None
    project.repeatable("090_view", NOTES + "-- changed")
    assert migrator.status().due == ["090_view"]
    assert [step.action for step in migrator.plan().steps] == [Action.REPEAT]
    migrator.migrate()
    assert migrator.migrate().run_id is None
    assert _notes(connection) == 2
    assert facts.told == [("090_view", type) for type in ("started", "done")] * 2
    (first, second) = facts.data("090_view", "done")
    assert first["checksum"] != second["checksum"]
    assert facts.applied == [(90, "090_view")]


def test_repeatables_run_behind_every_version_and_do_not_count_as_the_current_one(project: ProjectFolder) -> None:
    project.repeatable("001_view", "create or replace view v as select * from t;")
    project.sql("002_table", "create table t ();")
    migrator = Migrator(project.manifest)
    assert list(migrator.migrate().completed) == ["002_table", "001_view"]
    assert migrator.current_version() == 2


def test_a_repeatable_by_condition_runs_again_while_the_condition_holds(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.repeatable("090_fix", NOTES, repeat={"condition": "select count(*) < 3 from notes"})
    migrator = Migrator(project.manifest)
    for expected in (1, 2, 3, 3):
        migrator.migrate()
        assert _notes(connection) == expected
    assert migrator.status().due == []


def test_a_condition_is_asked_again_when_its_turn_comes(project: ProjectFolder, connection: psycopg.Connection) -> None:
    """What runs before it in the same run may make it due, or no longer due."""
    project.repeatable("090_fix", NOTES, repeat={"condition": "select exists (select from dirt)"})
    project.sql("001_dirt", "create table dirt (x int);")
    Migrator(project.manifest).migrate()
    project.sql("002_idle", "select 1;")
    recorder = Recorder()
    result = Migrator(project.manifest, observer=recorder).migrate()
    assert (result.completed, result.skipped) == (("002_idle",), ("090_fix",))
    assert recorder.one(StepSkipped).step.action is Action.CHECK
    project.sql("003_dirty", "insert into dirt values (1);")
    assert list(Migrator(project.manifest).migrate().completed) == ["003_dirty", "090_fix"]
    assert _notes(connection) == 2


def test_a_condition_sees_the_session_as_it_was_before_any_migration(project: ProjectFolder) -> None:
    project.repeatable("090_fix", NOTES, repeat={"condition": "select count(*) < 2 from notes"})
    Migrator(project.manifest).migrate()
    project.sql("001_dump", "select pg_catalog.set_config('search_path', '', false);")
    assert list(Migrator(project.manifest).migrate().completed) == ["001_dump", "090_fix"]


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("select 1 / 0 = 1", "division by zero"),
        ("select null::boolean", "it returned None, not a boolean"),
        ("select true union all select false", "it returned 2 rows"),
        ("select true where false", "it returned 0 rows"),
        ("select nextval('s') > 0", "read-only transaction"),
        ("with x as (delete from notes returning true) select true from x", "read-only transaction"),
    ],
)
def test_a_condition_that_gives_no_answer_is_told_and_changes_nothing(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, condition: str, reason: str
) -> None:
    connection.execute("create sequence s")
    project.repeatable("090_fix", NOTES, repeat={"condition": condition})
    migrator = Migrator(project.manifest)
    migrator.migrate()
    told = facts.told

    status = migrator.status()
    assert (status.applied, status.due, status.migrations[0].due) == (["090_fix"], [], None)
    with pytest.raises(MigrationFailed, match="gave no answer") as caught:
        migrator.migrate()

    (problem,) = caught.value.problems
    assert (problem.code, problem.effect) == ("repeat-undecided", "it was not run")
    assert reason in problem.message
    assert problem.location is not None
    assert facts.told == told
    assert _notes(connection) == 1
    assert connection.execute("select is_called from s").fetchone() == (False,)


_NO_CONDITIONS = [
    ("select missing from nowhere", 'relation "nowhere" does not exist'),
    ("select missing from notes", 'column "missing" does not exist'),
    ("select syntax is wrong is", "syntax error"),
    ("select 1", "not a boolean"),
    ("select true, true", "it returns 2 columns"),
    ("set search_path = x", "it is not a query"),
    ("commit", "it is not a query"),
    ("insert into notes values ('x') returning true", "it is not a query"),
    ("select true; select true", "cannot insert multiple commands"),
    ("select true; commit; insert into notes values ('x')", "cannot insert multiple commands"),
    ("copy notes to stdout", "it is not a query"),
]


@pytest.mark.parametrize(("condition", "reason"), _NO_CONDITIONS)
@pytest.mark.parametrize("is_atomic", [False, True])
def test_a_condition_that_the_server_does_not_understand_fails_the_first_run(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, condition: str, reason: str, is_atomic: bool
) -> None:
    project.sql("001_one", "create table one ();")
    project.repeatable("090_fix", NOTES, repeat={"condition": condition})
    project.repeatable("091_view", "create view v as select 1;")
    with pytest.raises(MigrationFailed, match=re.escape(reason)) as caught:
        Migrator(project.manifest).migrate(atomic=is_atomic)
    (problem,) = caught.value.problems
    assert problem.code == "repeat-undecided"
    assert problem.location is not None
    assert problem.location.path.endswith("manifest.yaml")
    assert ("090_fix", "done") not in facts.told
    assert connection.execute("select to_regclass('notes')").fetchone() == (None,)
    project.repeatable("090_fix", NOTES, repeat={"condition": "select count(*) < 2 from notes"})
    Migrator(project.manifest).migrate()
    assert _notes(connection) == 1


def test_a_condition_is_looked_at_behind_a_first_run_without_a_transaction_too(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.repeatable("090_fix", NOTES, transaction=False, repeat={"condition": "select missing from notes"})
    with pytest.raises(MigrationFailed, match='column "missing" does not exist'):
        Migrator(project.manifest).migrate()
    project.repeatable("090_fix", NOTES, transaction=False, repeat={"condition": "select false from notes"})
    migrator = Migrator(project.manifest)
    assert list(migrator.migrate().completed) == ["090_fix"]
    assert _notes(connection) == 1


@pytest.mark.parametrize("transaction", [False, True])
def test_the_condition_of_code_is_looked_at_behind_its_first_run(
    project: ProjectFolder, transaction: bool, facts: Facts
) -> None:
    body, condition = "def execute(ctx):\n    ctx.execute('create table notes ()')\n", "select missing from notes"
    project.python("090_fix", body, kind="repeatable", transaction=transaction, repeat={"condition": condition})
    with pytest.raises(MigrationFailed, match='column "missing" does not exist'):
        Migrator(project.manifest).migrate()
    assert facts.told == [("090_fix", "started"), ("090_fix", "failed")]


def test_a_first_condition_is_asked_where_zmig_looks_and_as_zmig(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("create schema own")
    body = "set search_path = own; create table notes (text text); set role pg_monitor;"
    project.repeatable("090_fix", body, repeat={"condition": "select count(*) < 0 from own.notes"})
    Migrator(project.manifest).migrate()
    project.repeatable("091_fix", "set search_path = own;", repeat={"condition": "select count(*) < 0 from notes"})
    with pytest.raises(MigrationFailed, match='relation "notes" does not exist'):
        Migrator(project.manifest).migrate()


def test_a_percent_sign_in_a_condition_is_nothing_special(project: ProjectFolder) -> None:
    project.repeatable("090_fix", NOTES, repeat={"condition": "select 'a%s%' like '%' and 7 % 2 = 1"})
    migrator = Migrator(project.manifest)
    migrator.migrate()
    assert migrator.status().due == ["090_fix"]


class TestInPython:
    BODY = (
        "def execute(ctx):\n"
        "    ctx.execute('create table if not exists notes (text text)')\n"
        "    ctx.execute('insert into notes values (%s)', ['ran'])\n"
        "def should_repeat(ctx, last_run):\n"
    )

    def _apply(self, project: ProjectFolder, body: str) -> Migrator:
        project.python("090_fix", self.BODY + body, kind="repeatable")
        migrator = Migrator(project.manifest)
        migrator.migrate()
        return migrator

    def test_should_repeat_is_asked_with_what_the_last_run_left(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        migrator = self._apply(
            project,
            "    assert last_run.completed_at.tzinfo is not None\n"
            "    assert last_run.duration_seconds >= 0\n"
            "    assert last_run.checksum == last_run.data['checksum']\n"
            "    assert (last_run.data['version'], ctx.version, ctx.name) == (90, 90, '090_fix')\n"
            "    return ctx.execute('select count(*) from notes').fetchone()[0] < 2\n",
        )
        assert migrator.status().due == ["090_fix"]
        assert list(migrator.migrate().completed) == ["090_fix"]
        assert migrator.migrate().run_id is None
        assert _notes(connection) == 2

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("    raise LookupError('no idea')\n", "LookupError: no idea"),
            ("    raise LookupError\n", "LookupError"),
            ("    return None\n", "it returned None, not a boolean"),
            ("    ctx.execute('insert into notes values (1)')\n    return True\n", "read-only transaction"),
            ("    ctx.connection.commit()\n    return True\n", "commit"),
            ("    ctx.execute('commit')\n    return True\n", "ended the transaction"),
            ("    ctx.execute('commit')\n    ctx.execute('insert into notes values (1)')\n", "ended the transaction"),
            ("    raise SystemExit(3)\n", "3"),
            ("    async def due(): return True\n    return due()\n", "a `coroutine`, which has yet to run"),
        ],
    )
    def test_an_answer_that_does_not_come_is_told_and_changes_nothing(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts, body: str, reason: str
    ) -> None:
        migrator = self._apply(project, body)
        assert migrator.status().migrations[0].due is None
        with pytest.raises(MigrationFailed, match="gave no answer") as caught:
            migrator.migrate()
        assert reason in str(caught.value)
        assert facts.told == [("090_fix", "started"), ("090_fix", "done")]
        assert _notes(connection) == 1

    def test_a_file_that_no_longer_imports_does_not_hide_the_status(self, project: ProjectFolder, facts: Facts) -> None:
        self._apply(project, "    return False\n")
        project.python(
            "090_fix", "import not_installed_anywhere\n" + self.BODY + "    return True\n", kind="repeatable"
        )
        migrator = Migrator(project.manifest)
        assert migrator.status().applied == ["090_fix"]
        from zmig import ManifestError

        with pytest.raises(ManifestError, match="not_installed_anywhere"):
            migrator.migrate()
        assert facts.told == [("090_fix", "started"), ("090_fix", "done")]

    def test_nothing_it_logs_goes_to_the_standard_streams(
        self, project: ProjectFolder, capfd: pytest.CaptureFixture[str]
    ) -> None:
        migrator = self._apply(
            project, "    ctx.log.warning('hm')\n    ctx.progress('half', done=1)\n    return False\n"
        )
        migrator.status()
        assert capfd.readouterr() == ("", "")


class Tidy:
    version = 90
    name = "090_tidy"

    def __init__(self) -> None:
        self.asked: list[LastRun | None] = []

    def execute(self, ctx: Context) -> None:
        ctx.execute("create table if not exists notes (text text)")
        ctx.execute("insert into notes values ('ran')")

    def should_repeat(self, ctx: Context, last_run: LastRun | None) -> bool:
        self.asked.append(last_run)
        row = ctx.execute("select count(*) < 2 from notes").fetchone()
        return row is not None and bool(row[0])


def test_a_repeatable_registered_in_code(project: ProjectFolder, connection: psycopg.Connection) -> None:
    migrator = Migrator(project.manifest)
    tidy = Tidy()
    migrator.register_migration(tidy)
    for _ in range(4):
        migrator.migrate()
    assert _notes(connection) == 2
    assert all(last is not None and last.checksum is None for last in tidy.asked)
    assert migrator.status().migrations[0].due is False
