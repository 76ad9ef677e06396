"""Messages of several statements: what came of each, notices, interruption, lost connections."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from tests.support.unwoken import unwoken
from zmig.database import wire
from zmig.process.interrupts import Interrupted, SignalInterrupts

if TYPE_CHECKING:
    from types import FrameType

    from zmig.database.types import Connection


def test_every_statement_of_a_message_is_counted(connection: Connection) -> None:
    reply = wire.send(connection, "create temp table t (n int); insert into t values (1), (2); select * from t")
    assert (reply.completed, reply.rows()) == (3, (None, 2, 2))


def test_an_empty_message_completes_nothing_that_counts_rows(connection: Connection) -> None:
    assert [rows for rows in wire.send(connection, "").rows() if rows is not None] == []


def test_the_failing_statement_is_known_without_a_position(connection: Connection) -> None:
    insert = "insert into t values (1)"
    text = f"select 1; create temp table t (n int primary key); {insert}; {insert}; select 2"
    with pytest.raises(wire.MessageError) as caught:
        wire.send(connection, text)
    assert caught.value.completed == 3
    assert isinstance(caught.value.error, psycopg.errors.UniqueViolation)
    assert caught.value.error.diag.message_detail == "Key (n)=(1) already exists."


def test_a_position_counts_characters_over_the_message(connection: Connection) -> None:
    text = "begin; select 'ü€𝄞', nope"
    with pytest.raises(wire.MessageError) as caught:
        wire.send(connection, text)
    assert text[int(caught.value.error.diag.statement_position or 0) - 1 :] == "nope"
    assert connection.info.transaction_status is TransactionStatus.INERROR


def test_the_rows_of_a_large_answer_are_not_kept(connection: Connection) -> None:
    assert wire.send(connection, "select n from generate_series(1, 300000) n").rows() == (300_000,)


def test_notices_reach_the_handler(connection: Connection) -> None:
    heard: list[str | None] = []
    connection.add_notice_handler(lambda diagnostic: heard.append(diagnostic.message_primary))
    wire.send(connection, "do $$ begin raise notice 'one'; raise warning 'two'; end $$")
    assert heard == ["one", "two"]


def test_a_percent_sign_is_sent_as_it_is(connection: Connection) -> None:
    assert wire.send(connection, "select 'a' like '%s' or 5 % 2 = 1").completed == 1


def test_a_message_larger_than_the_socket_takes_at_once_is_sent(connection: Connection) -> None:
    wire.send(connection, "create temp table t (v text)")
    rows = ",".join(f"('{number:0100d}')" for number in range(50_000))
    assert wire.send(connection, f"insert into t values {rows}").rows() == (50_000,)


def test_an_interrupt_cancels_the_statement_and_the_session_stays_usable(connection: Connection) -> None:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            wire.send(connection, "select pg_sleep(60)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert wire.send(connection, "select 1").completed == 1


def test_a_backend_that_is_ended_is_a_lost_connection(connection: Connection) -> None:
    with pytest.raises((psycopg.OperationalError, wire.MessageError)):
        wire.send(connection, "select pg_terminate_backend(pg_backend_pid())")
    assert connection.closed
    with pytest.raises(psycopg.OperationalError):
        wire.send(connection, "select 1")


def test_the_rows_of_a_copy_to_the_client_are_dropped(connection: Connection) -> None:
    assert wire.send(connection, "copy (select generate_series(1, 5)) to stdout; select 1").completed == 2


def test_a_copy_that_expects_rows_is_refused(connection: Connection) -> None:
    with pytest.raises(wire.MessageError, match="no rows come after"):
        wire.send(connection, "create temp table t (n int); copy t from stdin")


def test_a_signal_that_does_not_wake_the_wait_cancels_the_statement_all_the_same(
    connection: psycopg.Connection,
) -> None:
    with SignalInterrupts().installed(), unwoken(signal.SIGTERM), pytest.raises(Interrupted):
        wire.send(connection, "select pg_sleep(3600)")
    assert connection.execute("select 1").fetchone() == (1,)
