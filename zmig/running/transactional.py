"""Executes a step in one transaction: `started` before it, `done` with the changes, in as few messages as can be.

A small file is one message: `started` commits, the transaction opens, the statements run, the lock is checked, `done`
is written, all is committed. The server stops at the first error, so nothing behind it happens.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from zmig.database import wire
from zmig.progress import StatementFinished
from zmig.running import envelope
from zmig.running.copy_rows import copy_rows
from zmig.running.python_call import call
from zmig.session import conditions
from zmig.sql import message
from zmig.sql.message import ChunkMessage, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zmig.running.group_commit import GroupCommit
    from zmig.running.session import Attempt, RunSession
    from zmig.sql.message import Composed
    from zmig.sql.statement import Statement


def run(session: RunSession, group_commit: GroupCommit, attempt: Attempt) -> None:
    """Execute a step in a transaction of its own; returns once it is committed.

    Raises whatever the server or the migration's code raises.
    """
    if attempt.prepared.is_sql and not conditions.needs_check(attempt.step):
        _run_sql(session, group_commit, attempt)
        return
    if session.read_as_usual():
        group_commit.reset()
    with session.interrupts.deferred():
        session.send(*envelope.opening_sql(session, attempt))
    run_body(session, attempt)
    check_condition(session, attempt)
    with session.interrupts.deferred():
        attempt.at_commit = True
        session.send(*envelope.closing_sql(session, attempt), "commit")
        attempt.is_complete = True


def _run_sql(session: RunSession, group_commit: GroupCommit, attempt: Attempt) -> None:
    attempt.is_timed_by_server = True
    if session.read_as_usual():
        group_commit.reset()
    if session.server.has_citus:
        closing = (*envelope.closing_sql(session, attempt), "commit")
        _run_one_by_one(session, attempt, envelope.opening_sql(session, attempt), closing)
        return
    try:
        _run_handed_over(session, group_commit, attempt)
    except psycopg.Error as error:
        is_declined = group_commit.is_declined(error)
        if not is_declined and not group_commit.is_taken_back(error):
            raise
        session.send("rollback")
        attempt.may_commit = False
        if is_declined:
            _run_handed_over(session, group_commit, attempt)
        else:
            _run_begun(session, attempt)


def _run_begun(session: RunSession, attempt: Attempt) -> None:
    """Run a step again whose `started` is recorded, and of which nothing else came, without what was prepared."""
    opening = (*session.clean_sql, *envelope.open_sql(session, attempt))
    _run_script(session, attempt, opening, (*envelope.closing_sql(session, attempt), "commit"))


def _run_handed_over(session: RunSession, group_commit: GroupCommit, attempt: Attempt) -> None:
    composed = group_commit.compose(session, attempt)
    if composed is not None:
        _send(session, attempt, composed, group_commit=group_commit)
    else:
        opening, closing = group_commit.envelope(session, attempt)
        _run_script(session, attempt, opening, (*closing, "commit"))


def check_condition(session: RunSession, attempt: Attempt) -> None:
    """Ask behind a repeatable's first run, in its transaction, whether the server understands its condition."""
    if conditions.needs_check(attempt.step):
        attempt.running = None
        with session.interrupts.deferred():
            session.send(*envelope.own_again_sql(session))
        conditions.check_condition(session.connection, attempt.step)


def run_body(session: RunSession, attempt: Attempt) -> None:
    """Run a step's statements, or its function, in the transaction that is open."""
    if not attempt.prepared.is_sql:
        call(session, attempt)
    elif session.server.has_citus:
        _run_one_by_one(session, attempt, (), ())
    else:
        _run_script(session, attempt, (), ())


def _run_one_by_one(session: RunSession, attempt: Attempt, opening: Sequence[str], closing: Sequence[str]) -> None:
    """Send each statement as a message of its own, and what opens and closes the step, too.

    Citus hands the message in which a statement stands on to other nodes as its text (13.2: `metadataSyncCommand`), and
    they take one statement only.
    """
    if opening:
        with session.interrupts.deferred():
            session.send(*opening)
    for sendable in attempt.prepared.one_by_one():
        if isinstance(sendable, Message):
            _send(
                session,
                attempt,
                message.compose(sendable, (), (), name=attempt.step.migration.name, total=attempt.total),
            )
        else:
            _copy(session, attempt, sendable)
    if closing:
        _close(session, attempt, closing)


def _run_script(session: RunSession, attempt: Attempt, opening: Sequence[str], closing: Sequence[str]) -> None:
    sendables = _Sendables(attempt.prepared.sendables())
    for sendable, is_last in sendables:
        if isinstance(sendable, Message | ChunkMessage):
            name, behind = attempt.step.migration.name, closing if is_last else ()
            composed = message.compose(sendable, opening, behind, name=name, total=attempt.total)
            _send(session, attempt, composed, meanwhile=sendables.read_ahead)
        else:
            if opening:
                with session.interrupts.deferred():
                    session.send(*opening)
            _copy(session, attempt, sendable)
            if is_last and closing:
                _close(session, attempt, closing)
        opening = ()


class _Sendables:
    """What is sent, one after the other, each with whether it is the last one.

    A message is read while the server works on the one before the last; rows behind a COPY must be read before the
    next is asked for.
    """

    def __init__(self, sendables: Iterator[Message | ChunkMessage | Statement]) -> None:
        self._unread = sendables
        self._read: deque[Message | ChunkMessage | Statement] = deque()

    def __iter__(self) -> Iterator[tuple[Message | ChunkMessage | Statement, bool]]:
        needs_end = True
        while self._read or self.read_ahead():
            one = self._read.popleft()
            needs_end = not isinstance(one, Message | ChunkMessage)
            yield one, not (needs_end or self._read or self.read_ahead())
        if needs_end:
            yield Message(()), True

    def read_ahead(self) -> bool:
        """Read one more, unless rows stand in between; return whether there was one."""
        if self._read and not isinstance(self._read[-1], Message | ChunkMessage):
            return False
        one = next(self._unread, None)
        if one is not None:
            self._read.append(one)
        return one is not None


def _send(
    session: RunSession,
    attempt: Attempt,
    composed: Composed,
    *,
    group_commit: GroupCommit | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> None:
    """Send a message; `relay`, given with a whole migration, goes on with the next one while the server works."""
    sent = composed.sent
    _announce(session, attempt, sent)
    _check_reading(session, attempt, sent)
    attempt.may_commit = bool(composed.tail)
    began = time.monotonic()
    try:
        if group_commit is not None:
            meanwhile = partial(group_commit.work_ahead, session)
        reply = session.send_text(composed.text, meanwhile=meanwhile, is_brief=group_commit is not None)
    except wire.MessageError as failed:
        index = failed.completed - composed.opening
        if index < 0:
            index = _refused_unread(session, sent, failed.error, composed.head)
        _point_at(session, attempt, sent, index, composed.head)
        raise failed.error from None
    with session.interrupts.deferred():
        attempt.is_complete = bool(composed.tail)
        if group_commit is not None:
            group_commit.acknowledge()
            attempt.began, began = attempt.began + group_commit.reported_seconds, began + group_commit.reported_seconds
        _tell_finished(session, attempt, sent, reply.rows(composed.opening), time.monotonic() - began)
        attempt.running = None
    if reply.interrupt is not None:
        raise reply.interrupt


def _refused_unread(session: RunSession, sent: Message | ChunkMessage, error: psycopg.Error, head: str) -> int:
    """Return the index of the statement the server could not read, for which it ran nothing of the message."""
    encoding, position = session.encoding, error.diag.statement_position
    if position is not None:
        behind = int(position) - 1 - encoding.length(head)
        offset = encoding.index(sent.text, behind) if behind >= 0 else None
    else:
        offset = encoding.unknown(sent.text)
    found = sent.at(offset) if offset is not None else None
    return -1 if found is None else found


def _point_at(session: RunSession, attempt: Attempt, sent: Message | ChunkMessage, index: int, head: str) -> None:
    """Make an attempt's running statement the one that failed; behind the last one, the commit did."""
    found = sent.member(index)
    if found is None:
        attempt.running, attempt.position_offset, attempt.at_commit = None, 0, index >= 0
    else:
        statement, before = found
        attempt.running, attempt.position_offset = statement, session.encoding.length(head + sent.text[:before])


def _check_reading(session: RunSession, attempt: Attempt, sent: Message | ChunkMessage) -> None:
    """Make sure that the server will see the statements that were found in the file."""
    if sent.conforming is session.conforms:
        return
    last = attempt.running
    for one in sent.statements:
        attempt.running, attempt.position_offset = one, 0
        session.check_reading(one)
    attempt.running = last


def _announce(session: RunSession, attempt: Attempt, sent: Message | ChunkMessage) -> None:
    """Tell which statements begin."""
    if isinstance(sent, ChunkMessage):
        session.observer(attempt.starting(sent.chunk))
        return
    for one in sent.statements:
        attempt.running = one
        session.observer(attempt.starting(one))


def _tell_finished(
    session: RunSession, attempt: Attempt, sent: Message | ChunkMessage, rows: Sequence[int | None], seconds: float
) -> None:
    """Tell which statements ended: all of the time is the last one's, for those before it are brief."""
    if isinstance(sent, ChunkMessage):
        number = sent.chunk.number + sent.chunk.statements - 1
        session.observer(StatementFinished(attempt.step, number, attempt.total, None, seconds))
        return
    for one, count in zip(sent.statements, rows, strict=False):
        took = seconds if one is sent.statements[-1] else 0.0
        session.observer(StatementFinished(attempt.step, one.number, attempt.total, count, took))


def _copy(session: RunSession, attempt: Attempt, one: Statement) -> None:
    attempt.running, attempt.position_offset = one, 0
    session.observer(attempt.starting(one))
    began = time.monotonic()
    rows = copy_rows(session, one)
    session.observer(StatementFinished(attempt.step, one.number, attempt.total, rows, time.monotonic() - began))


def _close(session: RunSession, attempt: Attempt, closing: Sequence[str]) -> None:
    with session.interrupts.deferred():
        attempt.running, attempt.at_commit = None, True
        session.send(*closing)
        attempt.is_complete = True
