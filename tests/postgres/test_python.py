"""Migrations written in Python: in files, and registered in code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.recorder import Recorder
from zmig import ManifestError, MigrationFailed, Migrator, Problem
from zmig.progress import Notice, Reported

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig import Context


def _run(project: ProjectFolder, body: str, **entry: Any) -> Recorder:
    """Apply one migration whose `execute(ctx)` has this body."""
    project.python("001_one", "def execute(ctx):\n" + "".join(f"    {line}\n" for line in body.splitlines()), **entry)
    recorder = Recorder()
    Migrator(project.manifest, observer=recorder).migrate()
    return recorder


def _problem(project: ProjectFolder, body: str, **entry: Any) -> Problem:
    with pytest.raises(MigrationFailed) as caught:
        _run(project, body, **entry)
    (problem,) = caught.value.problems
    return problem


def _exists(connection: psycopg.Connection, table: str) -> bool:
    row = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    assert row is not None
    return bool(row[0])


class TestContext:
    def test_it_gives_the_connection_inside_the_transaction(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        _run(
            project,
            "assert (ctx.version, ctx.name) == (1, '001_one')\n"
            "assert ctx.connection.info.transaction_status.name == 'INTRANS'\n"
            "ctx.execute('create table a (x int, y text)')\n"
            "ctx.execute('insert into a values (%s, %s)', (1, '100 %'))\n"
            "ctx.execute('insert into a values (%(x)s, %(y)s)', {'x': 2, 'y': 'ж'})\n"
            "ctx.execute(\"insert into a values (3, '%s is nothing special here')\")\n"
            "from psycopg import sql\n"
            "ctx.execute(sql.SQL('insert into {} values (4)').format(sql.Identifier('a')))\n"
            "assert ctx.execute('select count(*) from a').fetchone() == (4,)\n"
            "with ctx.connection.cursor() as cursor:\n"
            "    with cursor.copy('copy a from stdin') as copy:\n"
            "        copy.write_row((5, 'copied'))\n"
            "assert ctx.run_id\n",
        )
        rows = connection.execute("select x, y from a order by x").fetchall()
        assert rows == [
            (1, "100 %"),
            (2, "ж"),
            (3, "%s is nothing special here"),
            (4, None),
            (5, "copied"),
        ]
        (done,) = facts.data("001_one", "done")
        assert done["statements"] is None

    def test_what_it_logs_and_reports_is_heard(self, project: ProjectFolder, capfd: pytest.CaptureFixture[str]) -> None:
        recorder = _run(
            project,
            "ctx.log.info('%s of %s', 1, 2)\nctx.log.warning('careful')\nctx.log.debug('unheard')\n"
            "ctx.progress('half', done=1, total=2)\nctx.progress('whole')\n"
            "ctx.execute(\"do $$ begin raise notice 'from the server'; end $$\")\n",
        )
        assert [(notice.severity, notice.message) for notice in recorder.all(Notice)] == [
            ("INFO", "1 of 2"),
            ("WARNING", "careful"),
            ("NOTICE", "from the server"),
        ]
        assert [(said.message, said.done, said.total) for said in recorder.all(Reported)] == [
            ("half", 1, 2),
            ("whole", None, None),
        ]
        assert capfd.readouterr() == ("", "")

    def test_savepoints_and_batches_of_its_own_work(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        _run(
            project,
            "ctx.execute('create table a (x int)')\n"
            "try:\n"
            "    with ctx.connection.transaction():\n"
            "        ctx.execute('insert into a values (1)')\n"
            "        raise ValueError\n"
            "except ValueError:\n"
            "    pass\n"
            "with ctx.connection.cursor() as cursor:\n"
            "    cursor.executemany('insert into a values (%s)', [(2,), (3,)])\n"
            "with ctx.connection.cursor('named') as cursor:\n"
            "    assert cursor.execute('select x from a order by 1').fetchone() == (2,)\n"
            "with ctx.connection.pipeline():\n"
            "    ctx.execute('insert into a values (4)')\n",
        )
        assert connection.execute("select array_agg(x order by x) from a").fetchone() == ([2, 3, 4],)


class TestFailures:
    def test_an_exception_is_told_with_its_message_its_place_and_its_cause(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        project.python(
            "001_one",
            "def execute(ctx):\n    ctx.execute('create table a ()')\n    return helper('ä', 1)\n\n\n"
            "def helper(*parts):\n    return [str(p) for p in parts].index('ж')\n",
        )
        with pytest.raises(MigrationFailed, match="'ж' is not in list") as caught:
            Migrator(project.manifest).migrate()
        assert isinstance(caught.value.__cause__, ValueError)
        (problem,) = caught.value.problems
        assert problem.location is not None
        assert problem.location.path.endswith("001_one.py")
        assert (problem.location.line, problem.location.column) == (7, 12)
        assert any("ValueError" in fact for fact in problem.facts)
        assert problem.effect == "rolled back: `001_one` left nothing behind"
        error = facts.data("001_one", "failed")[0]["error"]
        assert (error["exception"], error["line"], error["message"]) == ("ValueError", 7, "'ж' is not in list")
        assert not _exists(connection, "a")

    def test_an_error_of_the_server_has_the_line_of_the_call(self, project: ProjectFolder, facts: Facts) -> None:
        problem = _problem(project, "ctx.execute('select 1')\nctx.execute('select 1 / 0')\n")
        assert problem.message == "migration `001_one` failed: division by zero"
        assert problem.location is not None
        assert problem.location.line == 3
        error = facts.data("001_one", "failed")[0]["error"]
        assert (error["sqlstate"], error["line"]) == ("22012", 3)

    def test_an_error_that_is_caught_leaves_a_transaction_that_cannot_be_committed(
        self, project: ProjectFolder, facts: Facts
    ) -> None:
        problem = _problem(project, "try:\n    ctx.execute('select 1 / 0')\nexcept Exception:\n    pass\n")
        assert "division by zero" in problem.message
        assert "the code caught this error and went on, but the transaction had failed by it" in problem.facts
        assert "raised at commit, by a deferred check" not in problem.facts
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]

    @pytest.mark.parametrize("body", ["raise SystemExit(3)", "import sys; sys.exit('enough')"])
    def test_an_exit_is_a_failure(self, project: ProjectFolder, facts: Facts, body: str) -> None:
        _problem(project, body)
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]

    def test_an_interruption_is_recorded_and_passed_on(self, project: ProjectFolder, facts: Facts) -> None:
        with pytest.raises(KeyboardInterrupt):
            _run(project, "raise KeyboardInterrupt")
        assert facts.data("001_one", "failed")[0]["error"]["interrupted"] == "SIGINT"

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("import not_installed_anywhere\n\ndef execute(ctx):\n    pass\n", "No module named"),
            ("x = 1 / 0\n\ndef execute(ctx):\n    pass\n", "division by zero"),
            ("import sys\nsys.exit(1)\n\ndef execute(ctx):\n    pass\n", "SystemExit"),
        ],
    )
    def test_a_file_that_does_not_import_is_told_before_anything_runs(
        self, project: ProjectFolder, connection: psycopg.Connection, source: str, said: str
    ) -> None:
        project.sql("001_one", "create table a ();")
        project.python("002_two", source)
        with pytest.raises(ManifestError, match=said) as caught:
            Migrator(project.manifest).migrate()
        (problem,) = caught.value.problems
        assert (problem.code, problem.effect) == ("python-not-importable", "nothing was run")
        assert not _exists(connection, "a")
        assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)

    def test_a_module_may_use_what_looks_it_up_by_name(self, project: ProjectFolder) -> None:
        project.python(
            "001_one",
            "from __future__ import annotations\n"
            "import dataclasses, pickle, typing\n\n"
            "@dataclasses.dataclass\nclass Row:\n    x: int\n    kind: typing.ClassVar[str] = 'row'\n\n"
            "def execute(ctx):\n"
            "    assert pickle.loads(pickle.dumps(Row(1))) == Row(1)\n"
            "    assert typing.get_type_hints(Row)['x'] is int\n",
        )
        Migrator(project.manifest).migrate()

    def test_two_files_of_one_name_are_two_modules(self, project: ProjectFolder) -> None:
        for folder in ("left", "right"):
            (project.folder / folder).mkdir()
            (project.folder / folder / "same.py").write_text(
                f"NAME = '{folder}'\n\ndef execute(ctx):\n    assert NAME == '{folder}'\n"
            )
        project.python("001_left", "def execute(ctx): pass", file="left/same.py", name="left")
        project.python("002_right", "def execute(ctx): pass", file="right/same.py", name="right")
        assert list(Migrator(project.manifest).migrate().completed) == ["left", "right"]


class TestTransactionIsZmigs:
    @pytest.mark.parametrize("method", ["commit", "rollback", "close"])
    def test_a_method_that_would_end_it_is_refused(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts, method: str
    ) -> None:
        problem = _problem(project, f"ctx.execute('create table a ()')\nctx.connection.{method}()\n")
        assert f"`{method}()` is zmig's to call" in problem.message
        assert problem.location is not None
        assert problem.location.line == 3
        assert problem.effect == "rolled back: `001_one` left nothing behind"
        assert not _exists(connection, "a")
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]

    def test_a_connection_used_as_a_context_is_not_closed(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        problem = _problem(project, "with ctx.connection as c:\n    c.execute('create table a ()')\n")
        assert "is zmig's to call" in problem.message
        assert not _exists(connection, "a")

    def test_a_commit_sent_as_a_statement_is_told(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        problem = _problem(project, "ctx.execute('create table a ()')\nctx.execute('commit')\n")
        assert problem.code == "transaction-ended"
        assert problem.effect == "not rolled back: what `001_one` committed stays"
        assert _exists(connection, "a")
        assert facts.applied == []
        assert facts.data("001_one", "failed")[0]["error"]["code"] == "transaction-ended"

    def test_a_commit_and_another_transaction_is_told(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        problem = _problem(
            project,
            "ctx.execute('create table a ()')\nctx.execute('commit')\nctx.execute('begin')\n"
            "ctx.execute('create table b ()')\n",
        )
        assert problem.code == "transaction-ended"
        assert _exists(connection, "a")
        assert not _exists(connection, "b")

    def test_an_error_after_a_commit_does_not_hide_it(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        problem = _problem(
            project,
            "ctx.execute('create table a ()')\ntry:\n    ctx.execute('commit')\n"
            "finally:\n    raise RuntimeError('later')\n",
        )
        assert "later" in problem.message
        assert problem.effect == "not rolled back: what `001_one` committed stays"
        assert _exists(connection, "a")
        assert facts.data("001_one", "failed")[0]["transactional"] is False

    def test_work_that_was_committed_in_part_is_not_repeated_by_itself(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        connection.execute("create table busy ()")
        with connection.transaction():
            connection.execute("lock table busy")
            _problem(
                project,
                "ctx.execute('create table if not exists a ()')\nctx.execute('commit')\n"
                "ctx.execute(\"set lock_timeout = '1ms'\")\nctx.execute('alter table busy add y int')\n",
                retry={"attempts": 3, "backoff": 0},
            )
        assert [type for _, type in facts.told] == ["started", "failed"]


class TestOutsideATransaction:
    def test_it_commits_by_itself(self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
        _run(
            project,
            "assert ctx.connection.autocommit\n"
            "ctx.execute('create table a (x int)')\n"
            "ctx.execute('create index concurrently a_x on a (x)')\n"
            "with ctx.connection.transaction():\n    ctx.execute('insert into a values (1)')\n"
            "ctx.connection.commit()\n",
            transaction=False,
        )
        assert _exists(connection, "a_x")
        assert facts.data("001_one", "started")[0]["transactional"] is False
        assert facts.told[-1] == ("001_one", "done")

    @pytest.mark.parametrize("begin", ["ctx.execute('begin')", "ctx.connection.autocommit = False"])
    def test_a_transaction_left_open_is_a_failure(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts, begin: str
    ) -> None:
        problem = _problem(
            project, f"ctx.execute('create table a ()')\n{begin}\nctx.execute('create table b ()')\n", transaction=False
        )
        assert "left a transaction open" in problem.message
        assert _exists(connection, "a")
        assert not _exists(connection, "b")
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]

    def test_it_is_not_repeated_by_itself(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        """What it did before the lock timeout is committed, and doing it again might do it twice."""
        connection.execute("create table busy (); create table log (x int)")
        with connection.transaction():
            connection.execute("lock table busy")
            _problem(
                project,
                "ctx.execute('insert into log values (1)')\n"
                "ctx.execute(\"set lock_timeout = '1ms'\")\nctx.execute('alter table busy add y int')\n",
                transaction=False,
                retry={"attempts": 3, "backoff": 0},
            )
        assert connection.execute("select count(*) from log").fetchone() == (1,)
        assert facts.data("001_one", "failed")[0]["will_retry"] is False

    def test_settings_it_makes_do_not_reach_the_next_one(self, project: ProjectFolder) -> None:
        project.python(
            "001_one",
            "def execute(ctx):\n"
            "    import psycopg.rows\n"
            "    ctx.connection.row_factory = psycopg.rows.dict_row\n"
            "    ctx.connection.autocommit = False\n"
            "    ctx.connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE\n"
            "    ctx.connection.read_only = True\n",
            transaction=False,
        )
        project.repeatable("090_fix", "select 1;", repeat={"condition": "select true"})
        project.sql("002_two", "create table b ();")
        project.python(
            "003_three",
            "def execute(ctx):\n    assert ctx.connection.execute('select 1').fetchone() == (1,)\n"
            "    ctx.execute('insert into b default values')\n",
        )
        migrator = Migrator(project.manifest)
        migrator.migrate()
        assert migrator.migrate().completed == ("090_fix",)


def test_connection_settings_do_not_reach_the_next_migration(project: ProjectFolder) -> None:
    source = (
        "def execute(ctx):\n"
        "    import psycopg, psycopg.rows\n"
        "    c = ctx.connection\n"
        "    assert c.execute('select %s::int', [1], prepare=True).fetchone() == (1,)\n"
        "    c.row_factory = psycopg.rows.dict_row\n"
        "    c.cursor_factory = psycopg.ClientCursor\n"
        "    c.prepare_threshold = 0\n"
    )
    for number in range(1, 4):
        project.python(f"{number:03}_m", source)
    project.repeatable("090_fix", "select 1;", repeat={"condition": "select true"})
    Migrator(project.manifest).migrate()
    assert Migrator(project.manifest).migrate().completed == ("090_fix",)


def test_a_block_that_was_never_left_does_not_reach_the_next_migration(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.python(
        "001_enters",
        "kept = []\n\ndef execute(ctx):\n    ctx.execute('create table t (x int)')\n"
        "    kept.append(ctx.connection.transaction())\n    kept[0].__enter__()\n",
    )
    uses = (
        "def execute(ctx):\n    with ctx.connection.transaction():\n        ctx.execute('insert into t values (1)')\n"
    )
    project.python("002_uses", uses, transaction=False)
    Migrator(project.manifest).migrate()
    assert connection.execute("select x from t").fetchall() == [(1,)]


class Twice:
    """Reversible, and defined in code."""

    version = 2
    name = "002_twice"

    def execute(self, ctx: Context) -> None:
        ctx.execute("create table twice ()")

    def rollback(self, ctx: Context) -> None:
        ctx.execute("drop table twice")


def test_a_migration_registered_in_code_runs_in_its_place_and_is_rolled_back(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts
) -> None:
    project.sql("001_one", "create table one ();", rollback="drop table one;")
    project.sql("003_three", "create table three as table twice;", rollback="drop table three;")
    migrator = Migrator(project.manifest)
    migrator.register_migration(Twice())
    assert list(migrator.migrate().completed) == ["001_one", "002_twice", "003_three"]
    assert migrator.status().migrations[1].migration is not None
    assert facts.data("002_twice", "started")[0]["kind"] == "python"
    assert list(migrator.rollback(to=1).completed) == ["003_three", "002_twice"]
    assert not _exists(connection, "twice")
    plain = Migrator(project.manifest)
    assert plain.status().applied == ["001_one"]


def test_a_migration_in_code_takes_the_limits_of_the_manifest(project: ProjectFolder) -> None:
    project.change(defaults={"lock_timeout": "7s", "statement_timeout": "8s"})

    class Asking:
        version = 1
        name = "001_ask"

        def execute(self, ctx: Context) -> None:
            row = ctx.execute("select current_setting('lock_timeout'), current_setting('statement_timeout')").fetchone()
            assert row == ("7s", "8s")

    migrator = Migrator(project.manifest)
    migrator.register_migration(Asking())
    migrator.migrate()


def test_the_place_of_an_error_in_registered_code_is_in_its_own_file(project: ProjectFolder) -> None:
    class Failing:
        version = 1
        name = "001_fail"

        def execute(self, ctx: Context) -> None:
            raise RuntimeError("here")

    migrator = Migrator(project.manifest)
    migrator.register_migration(Failing())
    with pytest.raises(MigrationFailed) as caught:
        migrator.migrate()
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert problem.location.path.endswith("test_python.py")
    assert problem.location.text == '            raise RuntimeError("here")'
    assert "file" not in (problem.hint or "")


YET_TO_RUN = {
    "a generator": "def execute(ctx):\n    return (ctx.execute(text) for text in ['create table t ()'])\n",
    "a lazy map": "def execute(ctx):\n    return map(ctx.execute, ['create table t ()'])\n",
    "a decorated generator": (
        "def plain(function):\n    return function\n\n\n"
        "@plain\ndef execute(ctx):\n    yield ctx.execute('create table t ()')\n"
    ),
    "a coroutine": "async def work(ctx):\n    ctx.execute('create table t ()')\n\n\nexecute = lambda ctx: work(ctx)\n",
    "an asynchronous generator": (
        "async def work(ctx):\n    yield ctx.execute('create table t ()')\n\n\nexecute = lambda ctx: work(ctx)\n"
    ),
    "a function": "def execute(ctx):\n    return lambda: ctx.execute('create table t ()')\n",
}


@pytest.mark.parametrize("transaction", [True, False])
@pytest.mark.parametrize("source", YET_TO_RUN.values(), ids=YET_TO_RUN)
def test_work_that_was_only_begun_is_not_done(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, source: str, *, transaction: bool
) -> None:
    project.python("001_one", source, transaction=transaction)
    with pytest.raises(MigrationFailed, match="which has yet to run") as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.code == "python-yet-to-run"
    assert "without `async` and `yield`" in (problem.hint or "")
    assert facts.told == [("001_one", "started"), ("001_one", "failed")]
    assert not _exists(connection, "t")


def test_whatever_is_returned_of_work_that_was_done_is_no_matter(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.python("001_cursor", "def execute(ctx):\n    return ctx.execute('create table t (x int)')\n")
    project.python("002_inner", "def execute(ctx):\n    def rows():\n        yield 1\n    return list(rows())\n")
    project.python(
        "003_decorated",
        "def to_end(function):\n    return lambda ctx: list(function(ctx))\n\n\n"
        "@to_end\ndef execute(ctx):\n    yield ctx.execute('insert into t values (1)').rowcount\n",
    )
    assert len(Migrator(project.manifest).migrate().completed) == 3
    assert connection.execute("select x from t").fetchall() == [(1,)]
