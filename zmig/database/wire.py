"""Sends one message of SQL and waits for its results, below psycopg's cursors, over the public `psycopg.pq`.

One message may hold many statements and costs one round trip. What a cursor does not say is found out here: how many
statements the server completed before one failed, so that the failing one is known even where the error carries no
position.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from functools import cache, partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import capabilities, pq

from zmig.database import large_message, unresponsive
from zmig.database.interruptible import InterruptibleConnection
from zmig.process.interrupts import UNHEEDED, Look
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.database.types import Connection

_SECONDS_BETWEEN_CANCELS = 1.0
"""A request that comes while the server reads the message is lost on it."""
_LONGEST_WAIT_SECONDS = 0.2
"""Python heeds a signal that comes just before a wait only after it."""


_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""For one socket it costs less than the default one, which asks the kernel to keep a list."""


_LONGEST_AWAKE_SECONDS = 0.0005


LONGEST_MESSAGE = 0x3FFFFFFF - 1024
"""In octets. A server cannot hold a longer one, and ends the connection when all of it has come.

`MaxAllocSize` in https://github.com/postgres/postgres/blob/master/src/include/utils/memutils.h
"""


class MessageError(Exception):
    """The server refused a statement of a message; the cause is the server's error."""

    def __init__(self, error: psycopg.Error, completed: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.completed = completed
        """How many statements of the message were completed before it."""


@valueclass
class Reply:
    """What the server said to one message."""

    results: tuple[pq.abc.PGresult, ...] = ()
    """Of the statements it completed, in order, without their rows."""
    last: tuple[str | None, ...] | None = None
    """The last row that any of them returned, as the server writes it."""
    interrupt: BaseException | None = None
    """Raised while the message was under way, which the server completed all the same."""

    @property
    def completed(self) -> int:
        """How many statements the server completed."""
        return len(self.results)

    def rows(self, start: int = 0) -> tuple[int | None, ...]:
        """Return how many rows each statement from `start` on touched or returned; None where that is not counted."""
        return tuple(result.command_tuples for result in self.results[start:])


def _octets(text: str | bytes) -> bytes:
    """Return a message as it is sent. Raises psycopg.DataError where the server could not take it."""
    octets = text.encode() if isinstance(text, str) else text
    if len(octets) > LONGEST_MESSAGE:
        raise psycopg.DataError(f"it is longer than a message to the server may be: {LONGEST_MESSAGE:,} bytes")
    return octets


def send(
    connection: Connection, text: str | bytes, *, meanwhile: Callable[[], object] | None = None, is_brief: bool = False
) -> Reply:
    """Send a message without parameters and wait for all its results; of the rows, only the last is kept.

    One that is large is best given as it is sent, in UTF-8.

    `meanwhile` is called once, when the server has the message. The answer to a brief one is waited for awake.

    An interrupt, or another exception that ends the program, cancels the statement on the server before it is raised;
    where the server completed the message before the cancellation reached it, the reply holds the interrupt instead.

    Raises:
        MessageError: a statement failed; those after it were not run.
        psycopg.DataError: the message is longer than any server takes, and was not sent.
        psycopg.OperationalError: the connection was lost.
    """
    link = connection.pgconn
    if link.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is closed")
    interrupts, look = UNHEEDED, _look(connection)
    if isinstance(connection, InterruptibleConnection):
        connection.refuse_children()
        interrupts = connection.interrupts
    with interrupts.polled():
        try:
            large_message.send(link, _octets(text))
            link.set_single_row_mode()
            _flush(link, look)
            if meanwhile is not None:
                meanwhile()
            if is_brief:
                _busy_wait(link)
            reply, interrupt = _read(link, look), interrupts.taken()
            return reply if interrupt is None else replace(reply, interrupt=interrupt)
        except BaseException as interrupt:
            if isinstance(interrupt, Exception) or link.transaction_status != pq.TransactionStatus.ACTIVE:
                raise
            reply = _cancel(connection)
            if reply is None:
                raise
            return replace(reply, interrupt=interrupt)


def describe(connection: Connection, name: str) -> pq.abc.PGresult:
    """Return what a prepared statement returns, as the server describes it; the names are those of its columns.

    Raises:
        MessageError: the server refuses.
        psycopg.OperationalError: the connection was lost.
    """
    link = connection.pgconn
    look = _look(connection)
    link.send_describe_prepared(name.encode())
    _flush(link, look)
    return _read(link, look).results[0]


def _look(connection: Connection) -> Look:
    if isinstance(connection, InterruptibleConnection):
        return connection.look()
    return Look(UNHEEDED, partial(unresponsive.require_answer, connection))


def cancel_in_flight(connection: Connection) -> None:
    """End what is under way where an exception broke in between sending and reading; the session can be used again.

    Raises:
        psycopg.OperationalError: the connection was lost.
    """
    link = connection.pgconn
    if link.status == pq.ConnStatus.OK and link.transaction_status == pq.TransactionStatus.ACTIVE:
        _cancel(connection)


def leave_pipeline(connection: Connection) -> None:
    """Leave the mode in which several statements are under way; what is, is cancelled, and what they return is dropped.

    Raises:
        psycopg.OperationalError: the connection was lost.
    """
    link = connection.pgconn
    link.pipeline_sync()
    cancelling = _Cancelling(connection)
    _flush(link, cancelling.look)
    cancelling.ask()
    while link.pipeline_status != pq.PipelineStatus.OFF:
        while link.is_busy():
            came = _wait(link, selectors.EVENT_READ, _LONGEST_WAIT_SECONDS)
            link.consume_input()
            cancelling.look(came)
        result = link.get_result()
        if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
            with contextlib.suppress(psycopg.OperationalError):  # there is another one to come
                link.exit_pipeline_mode()


def _flush(link: pq.abc.PGconn, look: Callable[[int], None]) -> None:
    while link.flush():
        # Read while writing: a server that waits for its notices to be taken takes nothing of the rest of the message.
        came = _wait(link, selectors.EVENT_READ | selectors.EVENT_WRITE, _LONGEST_WAIT_SECONDS)
        if came & selectors.EVENT_READ:
            link.consume_input()
        look(came)


def _wait(link: pq.abc.PGconn, events: int, seconds: float) -> int:
    """Wait for one of these events on the socket; return what came, 0 where nothing did in that time."""
    with _Selector() as selector:
        selector.register(link.socket, events)
        return sum(came for _, came in selector.select(seconds))


def _busy_wait(link: pq.abc.PGconn) -> None:
    """Look for the answer again and again, for an instant, instead of sleeping until the system wakes it up.

    To be woken takes nearly as long as a small migration. Where there is but one processor, the server needs it.
    """
    if _processors() > 1:
        end = time.perf_counter() + _LONGEST_AWAKE_SECONDS
        while link.is_busy() and time.perf_counter() < end:
            link.consume_input()


@cache
def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read(link: pq.abc.PGconn, look: Callable[[int], None]) -> Reply:
    """Read all results; `look` is called after each wait with what came of it."""
    results: list[pq.abc.PGresult] = []
    failed: MessageError | None = None
    row: pq.abc.PGresult | None = None
    while True:
        while link.is_busy():
            came = _wait(link, selectors.EVENT_READ, _LONGEST_WAIT_SECONDS)
            link.consume_input()
            look(came)
        result = link.get_result()
        if result is None:
            break
        status = result.status
        if status == _SINGLE_TUPLE:
            row = result
        elif status == pq.ExecStatus.FATAL_ERROR:
            failed = failed or MessageError(_error(result), len(results))
        elif status in _COPYING:
            _end_copy(link, status, look)
        else:
            results.append(result)
    if failed is not None:
        raise failed from failed.error
    return Reply(tuple(results), None if row is None else _texts(row))


def _texts(result: pq.abc.PGresult) -> tuple[str | None, ...]:
    values = (result.get_value(0, column) for column in range(result.nfields))
    return tuple(None if value is None else value.decode("utf-8", "replace") for value in values)


_SINGLE_TUPLE = int(pq.ExecStatus.SINGLE_TUPLE)
"""A plain number, because every row is compared with it."""
_COPYING = frozenset({pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH})


def _end_copy(link: pq.abc.PGconn, status: int, look: Callable[[int], None]) -> None:
    """Drop the rows that a COPY sends; refuse one that expects rows."""
    if status != pq.ExecStatus.COPY_OUT:
        link.put_copy_end(b"no rows come after the statement")
        return
    while (size := link.get_copy_data(_WITHOUT_WAITING)[0]) >= 0:
        if size == 0:
            came = _wait(link, selectors.EVENT_READ, _LONGEST_WAIT_SECONDS)
            link.consume_input()
            look(came)


_WITHOUT_WAITING = 1
"""libpq would wait for the next row without heeding signals."""


_LONGEST_ERROR = 1 << 16
"""In octets. A server quotes a value that it cannot read as a whole."""


def _error(result: pq.abc.PGresult) -> psycopg.Error:
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    message = result.error_message[:_LONGEST_ERROR].decode("utf-8", "replace").strip()
    kind: type[psycopg.Error] = psycopg.OperationalError
    if state is not None:
        try:
            kind = psycopg.errors.lookup(state.decode())
        except KeyError:
            kind = psycopg.DatabaseError
    return kind(message, info=result, encoding="utf-8")


def _cancel(connection: Connection) -> Reply | None:
    """Cancel on the server, and read to the end of the results so that the session can be used again.

    Raises:
        psycopg.OperationalError: nobody answers.
    """
    cancelling = _Cancelling(connection)
    _flush(connection.pgconn, cancelling.look)
    cancelling.ask()
    try:
        return _read(connection.pgconn, cancelling.look)
    except MessageError:
        return None


class _Cancelling:
    """Asks the server to cancel, again and again until the statement ends or nobody answers any more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard_at = self._asked_at = time.monotonic()

    def ask(self) -> None:
        """Ask once. A request that fails is no reason to give up: the next one may get through."""
        with contextlib.suppress(psycopg.OperationalError):
            if capabilities.has_cancel_safe() or unresponsive.answers(self._connection):
                self._connection.cancel_safe(timeout=unresponsive.PATIENCE_SECONDS)
                self._heard_at = time.monotonic()
        self._asked_at = time.monotonic()

    def look(self, came: int) -> None:
        """Take note of what came; where that is nothing, ask again."""
        now = time.monotonic()
        if came:
            self._heard_at = now
        elif now - self._heard_at >= unresponsive.PATIENCE_SECONDS:
            unresponsive.give_up(self._connection)
        elif now - self._asked_at >= _SECONDS_BETWEEN_CANCELS:
            self.ask()
