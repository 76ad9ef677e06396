from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recorder import Recorder
from zmig import ManifestError, MigrationFailed, Migrator, Problem
from zmig.database.lock import RunLock
from zmig.progress import Notice, StatementFinished, StatementStarted, StepFinished

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.progress import Progress


def _apply(project: ProjectFolder) -> Recorder:
    recorder = Recorder()
    Migrator(project.manifest, observer=recorder).migrate()
    return recorder


def _problem(project: ProjectFolder) -> Problem:
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    return problem


def _one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


class TestStatements:
    def test_each_statement_is_told_with_its_place_and_its_rows(self, project: ProjectFolder) -> None:
        project.sql("001_one", "create table a (x int);\n\ninsert into a\n  values (1), (2);\n-- the end\n")
        recorder = _apply(project)
        assert [(told.number, told.total, told.line, told.text) for told in recorder.all(StatementStarted)] == [
            (1, 2, 1, "create table a (x int)"),
            (2, 2, 3, "insert into a values (1), (2)"),
        ]
        assert [told.rows for told in recorder.all(StatementFinished)] == [None, 2]

    @pytest.mark.parametrize("transaction", [True, False])
    def test_text_reaches_the_server_as_it_is_written(
        self, project: ProjectFolder, connection: psycopg.Connection, transaction: bool
    ) -> None:
        text = "100 %, %s %(x)s {} {x} \\ \\n $1 ; -- /* ж 汉 🎉 é"
        project.sql(
            "001_one",
            "create table a (x text);\n"
            f"insert into a values ('{text}'), ($q${text}$q$);\n"
            "do $$ begin insert into a values ('a;b'); end $$;\n"
            "create function f() returns text language sql begin atomic; select 'x;y'; end;\n",
            transaction=transaction,
        )
        if connection.info.server_version < 140000:
            project.sql("001_one", f"create table a (x text); insert into a values ('{text}'), ('{text}'), ('a;b');")
        _apply(project)
        assert connection.execute("select x from a order by x").fetchall() == sorted([("a;b",), (text,), (text,)])

    @pytest.mark.parametrize("size", [1, 1_100_000], ids=["small", "large"])
    @pytest.mark.parametrize("transaction", [True, False])
    def test_settings_that_change_how_text_is_read_hold_from_the_next_statement_on(
        self, project: ProjectFolder, connection: psycopg.Connection, transaction: bool, size: int
    ) -> None:
        project.sql(
            "001_one",
            "create table a (x text);\ninsert into a values ('one\\ttwo');\n"
            "set standard_conforming_strings = off;\ninsert into a values ('one\\ttwo');\n"
            "set local standard_conforming_strings to on;\ninsert into a values ('one\\ttwo');\n"
            f"/* {'x' * size} */\n",
            transaction=transaction,
        )
        _apply(project)
        expected = ["one\\ttwo", "one\ttwo", "one\\ttwo" if transaction else "one\ttwo"]
        assert [x for (x,) in connection.execute("select x from a")] == expected

    @pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
    def test_a_name_that_spans_lines_is_nothing_but_a_name(
        self, project: ProjectFolder, connection: psycopg.Connection, end: str
    ) -> None:
        """The statement's beginning stands in a comment in front of the message, where a line end would end it."""
        name = f"a{end}; create table intruder (); --"
        path = project.sql("001_one", "select 1;")
        path.write_bytes(f'create table "{name}" ();\nselect 1 as "{name}";\n'.encode())
        recorder = _apply(project)
        assert _one(connection, "select to_regclass('intruder')") is None
        assert connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall() == [(name,)]
        assert all(told.text.isprintable() for told in recorder.all(StatementStarted))

    def test_many_statements(self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
        project.sql("001_one", "create table a (x int);" + "insert into a values (1);" * 2000)
        _apply(project)
        assert _one(connection, "select count(*) from a") == 2000
        assert facts.data("001_one", "done")[0]["statements"] == 2001

    def test_many_statements_outside_a_transaction(self, project: ProjectFolder, facts: Facts) -> None:
        project.sql("001_one", "create table a (x int);" + "insert into a values (1);" * 300, transaction=False)
        _apply(project)
        assert len(facts.data("001_one", "checkpoint")) == 301

    def test_rows_that_a_statement_returns_are_counted_and_dropped(self, project: ProjectFolder) -> None:
        project.sql("001_one", "select generate_series(1, 5000);\nvalues (1), (2);\nshow all;")
        finished = _apply(project).all(StatementFinished)
        assert [told.rows for told in finished[:2]] == [5000, 2]

    def test_a_notice_is_heard_while_its_statement_still_runs(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        """The statement waits for a lock that the observer gives back when it hears the notice."""
        connection.execute("select pg_advisory_lock(7)")
        project.sql(
            "001_one",
            "do $$ begin raise notice 'ready' using detail = 'so far', hint = 'go on'; "
            "perform pg_advisory_xact_lock(7); raise warning 'got it'; end $$;",
            lock_timeout="20s",
        )
        recorder = Recorder()

        def observe(progress: Progress) -> None:
            recorder(progress)
            if isinstance(progress, Notice) and progress.message == "ready":
                connection.execute("select pg_advisory_unlock(7)")

        Migrator(project.manifest, observer=observe).migrate()
        assert recorder.words[2:6] == ["StatementStarted", "Notice", "Notice", "StatementFinished"]
        first, second = recorder.all(Notice)
        assert (first.severity, first.message, first.detail, first.hint) == ("NOTICE", "ready", "so far", "go on")
        assert (second.severity, second.message) == ("WARNING", "got it")
        assert facts.told[-1] == ("001_one", "done")

    def test_started_is_visible_to_others_while_the_migration_runs_and_its_changes_are_not(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        seen: list[object] = []
        project.sql(
            "001_one",
            "create table a ();\ndo $$ begin raise notice 'look'; perform pg_advisory_xact_lock(7); end $$;\n",
        )
        connection.execute("select pg_advisory_lock(7)")

        def observe(progress: Progress) -> None:
            if isinstance(progress, Notice):
                seen.append((facts.told, _one(connection, "select to_regclass('a')"), facts.applied))
                (started,) = facts.data("001_one", "started")
                query = f"select application_name from pg_stat_activity where pid = {started['backend_pid']}"
                seen.append(_one(connection, query) == started["application_name"])
                connection.execute("select pg_advisory_unlock(7)")

        Migrator(project.manifest, observer=observe).migrate()
        assert seen == [([("001_one", "started")], None, []), True]

    def test_done_is_written_by_the_transaction_that_made_the_changes(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("001_one", "create table a as select 1 as x;")
        _apply(project)
        assert _one(
            connection,
            "select (select xmin::text from a) = (select xmin::text from zmig.migration_events "
            "where event_type = 'migration.done') and (select xmin::text from a) = (select xmin::text "
            "from zmig.schema_migrations)",
        )

    def test_limits_of_the_manifest_hold_and_those_of_the_role_do_not(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        name = f'"{connection.info.dbname}"'
        connection.execute(f"alter database {name} set statement_timeout = '50ms'".encode())
        connection.execute(f"alter database {name} set idle_in_transaction_session_timeout = '50ms'".encode())
        project.sql("001_one", "select pg_sleep(0.1);")
        project.sql("002_two", "select pg_sleep(60);", statement_timeout="500ms")
        problem = _problem(project)
        assert problem.message == "migration `002_two` failed: canceling statement due to statement timeout"
        assert Migrator(project.manifest).status().applied == ["001_one"]


class TestCopy:
    def test_rows_in_the_file_are_copied(self, project: ProjectFolder, connection: psycopg.Connection) -> None:
        project.sql(
            "001_one",
            "create table a (x int, y text);\n"
            "copy a from stdin;\n1\tone; 'two' %s\n2\tж 汉\n3\t\\N\n\\.\n\n"
            'copy a (y, x) from stdin with (format csv, header);\ny,x\n"a,b\nc",4\n\\.\n'
            "copy a from stdin;\n\\.\ninsert into a values (5, '5');\n",
        )
        _apply(project)
        rows = connection.execute("select x, y from a order by x").fetchall()
        assert rows == [(1, "one; 'two' %s"), (2, "ж 汉"), (3, None), (4, "a,b\nc"), (5, "5")]

    def test_text_is_taken_as_utf8_whatever_encoding_the_file_sets(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        """A file is UTF-8, whatever encoding it asks for: so it means the same in psql once it is recoded."""
        project.sql(
            "001_one",
            "create table a (x text);\nset client_encoding = 'latin1';\ncopy a from stdin;\né\nж\n\\.\n"
            "insert into a values ('é');\n",
        )
        _apply(project)
        assert connection.execute("select x from a").fetchall() == [("é",), ("ж",), ("é",)]

    def test_a_row_that_is_refused_is_named_by_its_line(self, project: ProjectFolder) -> None:
        project.sql("001_one", "create table a (x int);\ncopy a from stdin;\n1\n2\nthree\n4\n\\.\n")
        problem = _problem(project)
        assert "invalid input syntax" in problem.message
        assert problem.location is not None
        assert (problem.location.line, problem.location.text) == (5, "three")

    @pytest.mark.parametrize("transaction", [True, False])
    def test_what_is_copied_out_is_dropped(
        self, project: ProjectFolder, connection: psycopg.Connection, transaction: bool
    ) -> None:
        project.sql(
            "001_one",
            "create table a as select generate_series(1, 3) x;\ncopy a to stdout;\n"
            "copy (select x from a where x > 1) to stdout with (format csv);\ncreate table b ();\n",
            transaction=transaction,
        )
        recorder = _apply(project)
        assert [told.rows for told in recorder.all(StatementFinished)] == [3, 3, 2, None]
        assert _one(connection, "select to_regclass('b') is not null")


class TestPlaces:
    """Where an error is, in lines and characters of the file."""

    @pytest.mark.parametrize(
        ("text", "line", "column", "shown"),
        [
            pytest.param("select 1;\nselect nope;\n", 2, 8, "select nope;", id="second statement"),
            pytest.param("/* 汉字🎉 */ select 'ж', nope;", 1, 23, None, id="wide characters"),
            pytest.param("select 1;\r\n\r\n  select\r\n\tnope;\r\n", 4, 2, "\tnope;", id="crlf and a tab"),
            pytest.param("\ufeffselect nope;", 1, 8, "select nope;", id="byte order mark"),
            pytest.param("\ufeff\r\n-- é\r\nselect nope;", 3, 8, "select nope;", id="byte order mark and crlf"),
            pytest.param("select 1 from a a b;", 1, 19, None, id="syntax"),
            pytest.param("select 1;\nselect 'a' || (1 + ", 2, 19, None, id="syntax at the end"),
            pytest.param("select 1;\nselect 1 +;\nselect 2;", 2, 11, "select 1 +;", id="syntax in the middle"),
            pytest.param(
                "create table a (x int check (x > 0));\ninsert into a values (-1);", 2, 1, None, id="constraint"
            ),
            pytest.param(
                "create function f() returns int language plpgsql as $$\nbegin\n  retrun 1;\nend $$;",
                3,
                3,
                None,
                id="body of a function",
            ),
        ],
    )
    @pytest.mark.parametrize("transaction", [True, False], ids=["transaction", "no transaction"])
    def test_an_error_is_where_the_server_says(
        self,
        project: ProjectFolder,
        facts: Facts,
        text: str,
        line: int,
        column: int,
        shown: str | None,
        transaction: bool,
    ) -> None:
        path = project.sql("001_one", text, transaction=transaction)
        path.write_bytes(text.encode())
        problem = _problem(project)
        assert problem.location is not None
        assert (problem.location.line, problem.location.column) == (line, column)
        if shown is not None:
            assert problem.location.text == shown
        assert [type for _, type in facts.told if type != "checkpoint"] == ["started", "failed"]
        (failed,) = facts.data("001_one", "failed")
        assert (failed["error"]["line"], failed["error"]["column"]) == (line, column)

    def test_an_error_inside_a_do_block_is_in_its_line(self, project: ProjectFolder) -> None:
        project.sql(
            "001_one",
            "select 1;\n\ndo\n$body$\ndeclare\n  x int;\nbegin\n  x := 1;\n"
            "  select count(*) into x from nowhere;\nend\n$body$;\n",
        )
        problem = _problem(project)
        assert problem.location is not None
        assert (problem.location.line, problem.location.column) == (9, 31)
        assert problem.location.text == "  select count(*) into x from nowhere;"

    def test_an_error_that_a_do_block_raises_is_in_its_line(self, project: ProjectFolder) -> None:
        project.sql("001_one", "do '\nbegin\n  perform 1;\n\traise exception ''no'';\nend';\n")
        problem = _problem(project)
        assert problem.location is not None
        assert (problem.location.line, problem.location.column) == (4, 2)

    def test_an_error_at_commit_has_no_place_and_says_so(self, project: ProjectFolder, facts: Facts) -> None:
        project.sql(
            "001_one",
            "create table a (x int primary key);\n"
            "create table b (x int references a deferrable initially deferred);\ninsert into b values (1);\n",
        )
        problem = _problem(project)
        assert "violates foreign key constraint" in problem.message
        assert problem.location is None
        assert "raised at commit, by a deferred check" in problem.facts
        assert problem.effect == "rolled back: `001_one` left nothing behind"
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]

    def test_an_error_with_text_in_the_language_of_the_server_is_told_as_it_is(self, project: ProjectFolder) -> None:
        project.sql("001_one", "do $$ begin raise exception 'ж 汉 🎉 [red] %', E'\\x1b[31m' using hint = 'é'; end $$;")
        problem = _problem(project)
        assert problem.message == "migration `001_one` failed: ж 汉 🎉 [red] \x1b[31m"


class TestTransactions:
    @pytest.mark.parametrize(
        "statement", ["begin", "commit", "rollback", "end", "abort", "start transaction", "prepare transaction 'x'"]
    )
    def test_a_file_that_ends_the_transaction_is_refused_before_anything_runs(
        self, project: ProjectFolder, connection: psycopg.Connection, statement: str
    ) -> None:
        project.sql("001_one", "create table a ();")
        project.sql("002_two", f"create table b ();\n{statement};\n")
        with pytest.raises(ManifestError) as caught:
            Migrator(project.manifest).migrate()
        assert caught.value.code == "transaction-control"
        assert _one(connection, "select to_regclass('a') is null and to_regnamespace('zmig') is null")

    def test_a_transaction_of_its_own_in_a_file_outside_of_zmigs(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts
    ) -> None:
        project.sql(
            "001_one",
            "begin;\ncreate table a (x int);\ninsert into a values (1);\ncommit;\n"
            "begin;\ninsert into a values (2);\nrollback;\n"
            "insert into a values (3);\n"
            "start transaction isolation level serializable;\ninsert into a values (4);\ncommit and chain;\n"
            "insert into a values (5);\nend;\n",
            transaction=False,
        )
        _apply(project)
        assert connection.execute("select x from a order by 1").fetchall() == [(1,), (3,), (4,), (5,)]
        assert facts.told[-1] == ("001_one", "done")

    def test_a_failure_in_a_transaction_of_its_own_is_continued_at_its_beginning(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        text = (
            "begin;\ncreate table a (x int);\ncommit;\n"
            "begin;\ninsert into a values (1);\ninsert into a values ({});\ncommit;"
        )
        project.sql("001_one", text.format("'x'"), transaction=False)
        problem = _problem(project)
        assert problem.effect == "not rolled back: statements 1-3 stay applied"
        project.sql("001_one", text.format("2"), transaction=False)
        _apply(project)
        assert connection.execute("select x from a order by 1").fetchall() == [(1,), (2,)]

    def test_a_transaction_left_open_is_a_failure(self, project: ProjectFolder, connection: psycopg.Connection) -> None:
        project.sql("001_one", "create table a ();\nbegin;\ncreate table b ();\n", transaction=False)
        problem = _problem(project)
        assert "left a transaction open" in problem.message
        assert _one(connection, "select to_regclass('a') is not null and to_regclass('b') is null")

    @pytest.mark.parametrize("transaction", [True, False])
    def test_a_migration_that_gives_the_lock_back_once_lets_nobody_in(
        self, project: ProjectFolder, connect: Callable[..., psycopg.Connection], transaction: bool
    ) -> None:
        lock, other = RunLock("zmig"), connect()
        project.sql("001_one", f"select pg_advisory_unlock({lock.key});\ncreate table a ();\n", transaction=transaction)
        project.sql("002_two", "create table b ();\n")
        taken: list[bool] = []
        recorder = Recorder()

        def observe(progress: Progress) -> None:
            recorder(progress)
            taken.append(lock.try_acquire(other) if isinstance(progress, StatementFinished | StepFinished) else False)

        Migrator(project.manifest, observer=observe).migrate()
        assert recorder.all(StepFinished)
        assert not any(taken)
        assert lock.try_acquire(other)

    @pytest.mark.parametrize("transaction", [True, False])
    def test_a_migration_that_releases_the_lock_fails_and_is_not_applied(
        self, project: ProjectFolder, connection: psycopg.Connection, facts: Facts, transaction: bool
    ) -> None:
        project.sql("001_one", "create table a ();\nselect pg_advisory_unlock_all();\n", transaction=transaction)
        problem = _problem(project)
        assert problem.code == "lock-lost"
        assert "released the run's lock" in problem.message
        assert "that it failed is not recorded" in problem.facts
        assert {type for _, type in facts.told} <= {"started", "checkpoint"}
        assert facts.applied == []
        assert "raised at commit, by a deferred check" not in problem.facts
        if transaction:
            assert problem.effect == "rolled back: `001_one` left nothing behind"
            assert _one(connection, "select to_regclass('a') is null")

    def test_a_declared_transaction_that_a_statement_refuses_is_told_before_anything_runs(
        self, project: ProjectFolder, connection: psycopg.Connection
    ) -> None:
        project.sql("001_one", "create table a (x int);\ncreate index concurrently a_x on a (x);", transaction=True)
        with pytest.raises(ManifestError) as caught:
            Migrator(project.manifest).migrate()
        (problem,) = caught.value.problems
        assert problem.location is not None
        assert (problem.location.line, problem.hint) == (2, "write `transaction: false` in the manifest entry")
        assert _one(connection, "select to_regclass('a') is null")

    def test_a_procedure_that_commits_is_told_to_run_outside(self, project: ProjectFolder) -> None:
        project.sql("001_one", "do $$ begin commit; end $$;")
        problem = _problem(project)
        assert (problem.hint or "").startswith("write `transaction: false` in the manifest entry of `001_one`, then ")
        project.sql(
            "001_one", "do $$ begin create table a (); commit; create table b (); commit; end $$;", transaction=False
        )
        _apply(project)

    def test_tracking_tables_that_a_migration_drops_are_there_again_after_its_failure(
        self, project: ProjectFolder, facts: Facts
    ) -> None:
        project.sql("001_one", "drop schema zmig cascade;")
        problem = _problem(project)
        assert 'relation "zmig.migration_events" does not exist' in problem.message
        assert facts.told == [("001_one", "started"), ("001_one", "failed")]
        assert "raised at commit, by a deferred check" not in problem.facts

    def test_a_failure_that_cannot_be_recorded_is_told_all_the_same(self, project: ProjectFolder) -> None:
        project.python("001_one", "def execute(ctx):\n    ctx.execute('drop schema zmig cascade')\n", transaction=False)
        problem = _problem(project)
        assert problem.code == "migration-failed"
        assert any("could not be recorded" in fact for fact in problem.facts)


def test_no_connection_of_a_run_holds_a_snapshot_between_statements(
    project: ProjectFolder, connect: Callable[..., psycopg.Connection]
) -> None:
    watcher = connect()
    held: list[object] = []

    def observe(progress: Progress) -> None:
        if isinstance(progress, StatementStarted | StatementFinished):
            query = "select application_name from pg_stat_activity where application_name like 'zmig/%%' "
            held.extend(watcher.execute(query + "and datname = current_database() and backend_xmin is not null"))

    project.sql("001_one", "create table a (x int);\nselect count(*) from a;\n", transaction=False)
    project.python("002_two", "def execute(ctx):\n    ctx.execute('select %s', [1])\n", transaction=False)
    project.sql("003_three", "select 1;\nselect count(*) from a;\n")
    Migrator(project.manifest, observer=observe).migrate()
    assert held == []


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (r"reset standard_conforming_strings; insert into kept values ('c\\d');", r"c\\d"),
        (r"reset all; insert into kept values ('c\\d');", r"c\\d"),
        (r"set /* c */ standard_conforming_strings = off; insert into kept values ('c\\d');", r"c\d"),
        (r"""set "standard_conforming_strings" = off; insert into kept values ('c\\d');""", r"c\d"),
        (
            r"insert into other values (set_config('standard_conforming_strings', 'off', true));"
            r"insert into kept values ('c\\d');",
            r"c\d",
        ),
        (r"insert into other values (off()); insert into kept values ('c\\d');", r"c\d"),
    ],
)
def test_a_backslash_is_read_as_psql_would_have_it_read(
    project: ProjectFolder, connection: psycopg.Connection, text: str, stored: str
) -> None:
    connection.execute(
        "create table kept (it text); create table other (it text);"
        "create function off() returns text language sql as "
        "$$ select set_config('standard_conforming_strings', 'off', true) $$"
    )
    before = "set standard_conforming_strings = off;\n" if text.startswith("reset") else ""
    project.sql("001_kept", f"{before}{text}\n")
    Migrator(project.manifest).migrate()
    assert connection.execute("select it from kept").fetchall() == [(stored,)]
