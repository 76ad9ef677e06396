"""What a real server's errors become: place, facts, and what may be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from zmig.errors import Problem
from zmig.presentation.problems import problem_text
from zmig.running import failure_message
from zmig.running.attempt import Place
from zmig.sql import script
from zmig.text.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.running.failure_message import Failure

_PATH = "m/007_x.sql"


def _explain(error: BaseException, place: Place, *, record_detail: bool = False) -> Failure:
    return failure_message.explain(error, place, redact=Redactor("hunter2"), record_detail=record_detail, seconds=0.2)


def _fail(
    connection: psycopg.Connection, text: str, *, record_detail: bool = False, holds_text: bool = True
) -> Failure:
    """Run a script, statement by statement, up to the one that fails."""
    statements = list(script.split(text, path=_PATH))
    for one in statements:
        try:
            connection.execute(one.text.encode())
        except psycopg.Error as error:
            place = Place(_PATH, text if holds_text else None, one, total=len(statements))
            return _explain(error, place, record_detail=record_detail)
    raise AssertionError("no statement failed")


def _marked(found: Failure) -> list[str]:
    return problem_text(Problem("x", "m", found.location)).split("\n")[1:]


def test_the_place_is_that_of_the_failing_word_behind_wide_characters(connection: psycopg.Connection) -> None:
    found = _fail(connection, "select 1;\n\nselect '日本é🎉', nope;\n")
    assert found.message == 'column "nope" does not exist'
    assert found.facts == ("PostgreSQL 42703, statement 2 of 2, after 0.2 s",)
    assert _marked(found) == [
        f"  --> {_PATH}:3:16",
        "   |",
        " 3 | select '日本é🎉', nope;",
        "   |                   ^",
    ]
    assert found.error == {
        "message": 'column "nope" does not exist',
        "sqlstate": "42703",
        "statement": 2,
        "statements": 2,
        "location": f"{_PATH}:3:16",
        "file": _PATH,
        "line": 3,
        "column": 16,
    }


def test_the_place_is_exact_in_a_later_line_of_a_statement_that_begins_in_the_middle_of_one(
    connection: psycopg.Connection,
) -> None:
    text = "select 1; /* é */ select\r\n  'ü',\r\n    nope\r\n;\r\n"
    assert _marked(_fail(connection, text))[0] == f"  --> {_PATH}:3:5"
    assert _marked(_fail(connection, text, holds_text=False)) == [f"  --> {_PATH}:3:5"]


def test_an_error_at_the_end_of_the_text_is_placed_behind_its_last_character(connection: psycopg.Connection) -> None:
    found = _fail(connection, "select 1;\nselect 'é' from")
    assert found.message == "syntax error at end of input"
    assert _marked(found)[-2:] == [" 2 | select 'é' from", "   |                ^"]


def test_an_error_without_position_is_placed_at_its_statement(connection: psycopg.Connection) -> None:
    found = _fail(connection, "select 1;\n  select 1 / 0;\n")
    assert str(found.location) == f"{_PATH}:2:3"
    assert str(_fail(connection, "select 1;\n  select 1 / 0;\n", holds_text=False).location) == f"{_PATH}:2:3"


class TestInsideFunctions:
    TEXT = "do $$\nbegin\n    execute 'select nope';\nend $$;\n"

    def test_the_inner_query_and_the_context_are_shown(self, connection: psycopg.Connection) -> None:
        found = _fail(connection, self.TEXT)
        assert str(found.location) == f"{_PATH}:3:21"
        assert found.facts[1:] == (
            "inner query: select nope",
            "context: PL/pgSQL function inline_code_block line 3 at EXECUTE",
        )

    def test_they_are_stored_only_on_request_because_they_can_hold_values(self, connection: psycopg.Connection) -> None:
        assert {"query", "context"}.isdisjoint(_fail(connection, self.TEXT).error)
        recorded = _fail(connection, self.TEXT, record_detail=True).error
        assert recorded["query"] == "select nope"
        assert recorded["context"] == "PL/pgSQL function inline_code_block line 3 at EXECUTE"

    def test_a_password_in_the_inner_query_is_masked_everywhere(self, connection: psycopg.Connection) -> None:
        text = "do $$\nbegin\n    execute 'alter role no_such_role password ''s3cret'' valid';\nend $$;\n"
        found = _fail(connection, text, record_detail=True)
        assert "password '***'" in str(found.error["query"])
        assert "s3cret" not in repr(found)


class TestValuesOfRows:
    TEXT = "create table u (email text unique); insert into u values ('a@b.c'); insert into u values ('a@b.c');"

    def test_the_servers_detail_is_shown(self, connection: psycopg.Connection) -> None:
        assert "detail: Key (email)=(a@b.c) already exists." in _fail(connection, self.TEXT).facts

    def test_it_is_kept_out_of_the_fact(self, connection: psycopg.Connection) -> None:
        found = _fail(connection, self.TEXT)
        assert found.error["sqlstate"] == "23505"
        assert "a@b.c" not in repr(found.error)

    def test_it_is_stored_where_the_manifest_asks_for_it(self, connection: psycopg.Connection) -> None:
        assert _fail(connection, self.TEXT, record_detail=True).error["detail"] == "Key (email)=(a@b.c) already exists."


def test_the_servers_hint_is_shown_and_stored(connection: psycopg.Connection) -> None:
    found = _fail(connection, "select lenght('x');")
    assert found.error["hint"] == (
        "No function matches the given name and argument types. You might need to add explicit type casts."
    )
    assert f"server hint: {found.error['hint']}" in found.facts


def test_a_known_secret_in_the_servers_words_is_masked(connection: psycopg.Connection) -> None:
    found = _fail(connection, "do $$ begin raise 'not hunter2' using hint = 'nor hunter2', detail = 'hunter2'; end $$")
    assert (found.message, found.error["hint"]) == ("not ***", "nor ***")
    assert "hunter2" not in repr(found)


def test_a_value_of_a_megabyte_in_the_message_is_cut(connection: psycopg.Connection) -> None:
    found = _fail(connection, f"select '{'x' * 1_000_000}'::integer")
    assert found.message.startswith('invalid input syntax for type integer: "xxx')
    assert len(found.message) < 4_100
    assert len(repr(found.error)) < 10_000


@pytest.mark.parametrize(
    ("sqlstate", "is_retryable"),
    [
        pytest.param("55P03", True, id="a lock was not to be had in time"),
        pytest.param("40P01", True, id="a deadlock"),
        pytest.param("40001", True, id="a serialization failure"),
        pytest.param("57014", False, id="the statement took too long"),
        pytest.param("23505", False, id="a value is there twice"),
        pytest.param("P0001", False, id="the code raised"),
    ],
)
def test_only_what_may_succeed_next_time_is_retryable(
    connection: psycopg.Connection, sqlstate: str, is_retryable: bool
) -> None:
    found = _fail(connection, f"do $$ begin raise exception 'x' using errcode = '{sqlstate}'; end $$")
    assert (found.sqlstate, found.is_retryable) == (sqlstate, is_retryable)


def test_a_lock_timeout_is_retryable(
    connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    other = connect(autocommit=False)
    other.execute("create table t ()")
    other.commit()
    other.execute("lock t")
    found = _fail(connection, "set lock_timeout = '1ms'; alter table t add a int;")
    assert found.message == "canceling statement due to lock timeout"
    assert found.is_retryable


@pytest.mark.parametrize(
    ("text", "sqlstate", "expected"),
    [
        pytest.param("create index concurrently on t (a);", "25001", True, id="an index built concurrently"),
        pytest.param("vacuum t;", "25001", True, id="vacuum"),
        pytest.param("do $$ begin commit; end $$;", "2D000", True, id="a block that commits"),
        pytest.param(
            "alter type e add value 'b'; select 'b'::e;", "55P04", True, id="a new value of an enumeration used"
        ),
        pytest.param(
            "select from t; set transaction isolation level serializable;",
            "25001",
            False,
            id="the isolation level set too late",
        ),
        pytest.param("select nope;", "42703", False, id="any other error"),
    ],
)
def test_what_postgresql_does_only_outside_a_transaction_is_told_apart(
    connection: psycopg.Connection, text: str, sqlstate: str, expected: bool
) -> None:
    connection.execute("create table t (a int); create type e as enum ('a')")
    connection.execute("begin")
    found = _fail(connection, text)
    assert (found.sqlstate, found.needs_no_transaction) == (sqlstate, expected)


def test_an_error_at_commit_says_so_and_has_no_statement(connection: psycopg.Connection) -> None:
    connection.execute("create table t (a int unique deferrable initially deferred)")
    connection.execute("begin; insert into t values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        connection.execute("commit")
    found = _explain(caught.value, Place(_PATH, "insert into t values (1), (1)", None, total=1, at_commit=True))
    assert found.location is None
    assert found.facts[0] == "PostgreSQL 23505, after 0.2 s"
    assert found.facts[-1] == "raised at commit, by a deferred check"


def test_a_database_error_in_a_python_migration_names_its_line(connection: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "003_seed.py"
    path.write_text("def execute(connection):\n    connection.execute('select 1')\n    connection.execute('nope')\n")
    names: dict[str, Callable[[psycopg.Connection], None]] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(psycopg.errors.SyntaxError) as caught:
        names["execute"](connection)
    found = _explain(caught.value, Place(str(path)))
    assert found.message == 'syntax error at or near "nope"'
    assert _marked(found)[0] == f"  --> {path}:3:5"
    assert found.error["line"] == 3


def test_a_connection_ended_by_an_administrator_keeps_its_sqlstate(
    connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    victim = connect()
    connection.execute("select pg_terminate_backend(%s)", [victim.info.backend_pid])
    found = _fail(victim, "select 1;")
    assert (found.sqlstate, found.is_retryable) == ("57P01", False)
