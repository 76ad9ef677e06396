"""How the statements of a step in a transaction get to the server: as one message, where that is possible.

A small file is one message: `started` commits, the transaction opens, the statements run, the lock is checked, `done`
is written, all is committed. The server stops at the first error, so nothing after it happens.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from zmig.database import wire
from zmig.progress import StatementFinished
from zmig.running import envelope
from zmig.running.copy_rows import copy_rows
from zmig.sql import message
from zmig.sql.message import ChunkMessage, Composed, Message
from zmig.sql.statement import Statement
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg

    from zmig.running.attempt import Attempt, Place
    from zmig.running.run_session import RunSession


class Transport(Protocol):
    """Sends the steps of one run that are SQL in a transaction of their own."""

    def start(self, index: int) -> None:
        """Go on to the step at this 0-based index of the plan, however that is run."""
        ...

    def run(self, script: Script) -> None:
        """Run a script in a transaction of its own; return once that is committed with the `done` fact."""
        ...

    def reset(self) -> None:
        """Take note that an attempt failed, in whatever state it left the session."""
        ...

    def committed(self) -> None:
        """Take note that the present step is committed."""
        ...

    def recorded(self) -> None:
        """Take note that a fact is committed by itself, so everything before it is flushed."""
        ...

    def end(self, session: RunSession) -> None:
        """Report everything, and have the server flush what is committed."""
        ...

    @property
    def may_lose_committed(self) -> bool:
        """Whether a crash of the server may take the last migrations that are committed, each with its facts."""
        ...


class Direct:
    """Sends each step at once, cleans the session before it, and waits until each commit is flushed."""

    may_lose_committed = False
    """Nothing that is committed can be lost."""

    def start(self, index: int) -> None:
        """Every step begins alike."""

    def run(self, script: Script) -> None:
        """Send a script with what opens and closes its transaction."""
        session, attempt = script.session, script.attempt
        session.read_as_usual()
        for part in script.parts(*envelope.around_sql(session, attempt)):
            script.send(part)
            del part  # a large one is not held while the next is read

    def reset(self) -> None:
        """Nothing is kept for the next attempt."""

    def committed(self) -> None:
        """Every commit was waited for."""

    def recorded(self) -> None:
        """Every fact was waited for."""

    def end(self, session: RunSession) -> None:
        """Everything is reported and flushed."""


@valueclass
class OwnStatements:
    """Statements of zmig's own that are sent by themselves."""

    statements: tuple[str, ...]
    is_end: bool
    """Whether they end the step."""


Sendable = Message | ChunkMessage | Statement
"""What of a migration's is sent at once; a statement by itself is a COPY with its rows."""

Part = Composed | OwnStatements | Statement
"""What is sent at once; a statement by itself is a COPY with its rows."""


class Script:
    """The statements of one attempt on their way to the server, and which of them is running."""

    def __init__(self, session: RunSession, attempt: Attempt) -> None:
        self.session = session
        self.attempt = attempt
        self._running: Statement | None = None
        self._shift = 0
        self._at_commit = False
        self._sendables = _Sendables(iter(()))
        self.may_commit = False
        """Whether what was sent last goes on to the commit by itself, whatever becomes of this process."""
        self.is_complete = False
        """Whether its `done` fact is committed."""

    @property
    def place(self) -> Place:
        """Where it is."""
        return self.attempt.place(self._running, at_commit=self._at_commit, shift=self._shift)

    @property
    def at_commit(self) -> bool:
        """Whether its statements are done, and zmig's own after them are not."""
        return self._at_commit

    def parts(self, opening: Sequence[str] = (), closing: Sequence[str] = ()) -> Iterator[Part]:
        """Yield what is to be sent, in order: the statements, with zmig's own that open and close the transaction.

        What Citus gets is sent statement by statement. It hands on the message that a statement is in to other nodes
        as its text (13.2: `metadataSyncCommand`), and they take one statement only.
        """
        if self.session.server.has_citus or self.session.one_by_one:
            yield from self._single_parts(tuple(opening), tuple(closing))
            return
        yield from self._composed_parts(self.attempt.prepared.sendables(), opening, closing)

    def parts_after(self, first: Composed, rest: Iterable[Sendable], closing: Sequence[str]) -> Iterator[Part]:
        """Yield a part that is put together already, and those with the rest of the statements."""
        yield first
        if not first.tail:
            yield from self._composed_parts(iter(rest), (), closing)

    def _composed_parts(
        self, sendables: Iterator[Sendable], opening: Sequence[str], closing: Sequence[str]
    ) -> Iterator[Part]:
        # `done` and the commit travel with the last statement, so each is looked at with whether another follows.
        self._sendables = _Sendables(sendables)
        for sendable, is_last in self._sendables:
            if opening and _is_by_itself(sendable):
                yield OwnStatements(tuple(opening), is_end=False)
                opening = ()
            if isinstance(sendable, Message | ChunkMessage):
                yield self._composed(sendable, opening, closing if is_last else ())
            else:
                yield sendable
            opening = ()
            del sendable  # a large one is not held while the next is read

    def _single_parts(self, opening: tuple[str, ...], closing: tuple[str, ...]) -> Iterator[Part]:
        if opening:
            yield OwnStatements(opening, is_end=False)
        for sendable in self.attempt.prepared.one_by_one():
            yield self._composed(sendable, (), ()) if isinstance(sendable, Message) else sendable
        if closing:
            yield OwnStatements(closing, is_end=True)

    def _composed(self, sendable: Message | ChunkMessage, opening: Sequence[str], closing: Sequence[str]) -> Composed:
        attempt = self.attempt
        return message.compose(sendable, opening, closing, name=attempt.name, total=attempt.total)

    def send(self, part: Part) -> None:
        """Send a part, and report what became of its statements."""
        if not isinstance(part, Composed):
            self._send_other(part)
            return
        began = self.begin(part)
        try:
            meanwhile = None if part.sent.is_large else self.read_ahead
            reply = wire.send(self.session.connection, part.content, meanwhile=meanwhile)
        except wire.MessageError as failed:
            raise self.refused(part, failed) from None
        self.finish(part, reply, began)

    def begin(self, part: Composed) -> float:
        """Report the statements of a message that is about to be sent; return when, by the attempt's stopwatch."""
        sent = part.sent
        self._announce(sent)
        self._check_reading(sent)
        self.session.speak_utf8()
        self.may_commit = bool(part.tail)
        return self.attempt.seconds

    def refused(self, part: Composed, failed: wire.MessageError) -> psycopg.Error:
        """Return the server's error; the statement that is running is the one that failed."""
        index = failed.completed - part.opening
        if index < 0:
            index = self._refused_unread(part, failed.error)
        self._point_at(part, index)
        return failed.error

    def finish(self, part: Composed, reply: wire.Reply, began: float) -> None:
        """Report what became of the statements of a message that the server has carried out.

        Raises what interrupted the message.
        """
        with self.session.interrupts.deferred():
            self.is_complete = bool(part.tail)
            self._report_finished(part.sent, reply.rows(part.opening), self.attempt.seconds - began)
            self._running = None
        if reply.interrupt is not None:
            raise reply.interrupt

    def read_ahead(self) -> None:
        """Read on in the file, while the server works."""
        self._sendables.read_ahead()

    def start_again(self) -> None:
        """Take note that everything was rolled back that was sent."""
        self._running, self._shift, self._at_commit, self.may_commit = None, 0, False, False

    def close(self, closing: Sequence[str], *, commits: bool = True) -> None:
        """Send zmig's own statements at the end of the step; `commits` says that its commit is among them."""
        with self.session.interrupts.deferred():
            self._running, self._at_commit = None, True
            self.session.send(*closing)
            self.is_complete = commits

    def own(self) -> None:
        """Take note that its statements are done, and zmig's own are running."""
        self._running = None

    def _send_other(self, part: OwnStatements | Statement) -> None:
        if isinstance(part, Statement):
            self._copy(part)
        elif part.is_end:
            self.close(part.statements)
        else:
            with self.session.interrupts.deferred():
                self.session.send(*part.statements)

    def _copy(self, one: Statement) -> None:
        attempt, self._running, self._shift = self.attempt, one, 0
        self.session.observer(attempt.starting(one))
        began = attempt.seconds
        rows = copy_rows(self.session, one)
        took = attempt.seconds - began
        self.session.observer(StatementFinished(attempt.step, one.number, attempt.total, rows, took))

    def _refused_unread(self, part: Composed, error: psycopg.Error) -> int:
        """Return the index of the statement the server could not read, for which it ran nothing of the message."""
        encoding, position = self.session.encoding, error.diag.statement_position
        if position is not None:
            # The server counts from the message's beginning, in characters of its own encoding.
            after = int(position) - 1 - encoding.length(part.head)
            offset = encoding.index(part.sent.text, after) if after >= 0 else None
        else:
            offset = encoding.unknown(part.sent.text)
        index = part.sent.at(offset) if offset is not None else None
        return -1 if index is None else index

    def _point_at(self, part: Composed, index: int) -> None:
        """Make the running statement the one that failed; after the last one, the commit did."""
        member = part.sent.member(index)
        if member is None:
            self._running, self._shift, self._at_commit = None, 0, index >= 0
        else:
            self._running, before = member
            front = part.head + part.sent.text[:before] if before else part.head
            self._shift = self.session.encoding.length(front)

    def _check_reading(self, sent: Message | ChunkMessage) -> None:
        """Make sure that the server will see the statements that were found in the file."""
        if sent.conforming is self.session.conforms:
            return
        last = self._running
        for one in sent.statements:
            self._running, self._shift = one, 0
            self.session.check_reading(one)
        self._running = last

    def _announce(self, sent: Message | ChunkMessage) -> None:
        """Report which statements begin."""
        if isinstance(sent, ChunkMessage):
            self.session.observer(self.attempt.starting(sent.chunk))
            return
        for one in sent.statements:
            self._running = one
            self.session.observer(self.attempt.starting(one))

    def _report_finished(self, sent: Message | ChunkMessage, rows: Sequence[int | None], seconds: float) -> None:
        """Report which statements ended: all of the time is the last one's, since those before it are brief."""
        step, total, observer = self.attempt.step, self.attempt.total, self.session.observer
        if isinstance(sent, ChunkMessage):
            number = sent.chunk.number + sent.chunk.statements - 1
            observer(StatementFinished(step, number, total, None, seconds))
            return
        for one, count in zip(sent.statements, rows, strict=False):
            observer(StatementFinished(step, one.number, total, count, seconds if one is sent.statements[-1] else 0.0))


class _Sendables:
    """What is sent, one after the other, each with whether it is the last one.

    A message is read while the server works on the one before the last; rows after a COPY must be read before the
    next is asked for, and a large statement is sent before the next is held in memory.
    """

    def __init__(self, sendables: Iterator[Sendable]) -> None:
        self._unread = sendables
        self._read: deque[Sendable] = deque()

    def __iter__(self) -> Iterator[tuple[Sendable, bool]]:
        needs_end = True
        while self._read or self.read_ahead():
            one = self._read.popleft()
            needs_end = _is_by_itself(one)
            yield one, not (needs_end or self._read or self.read_ahead())
            del one  # a large one is not held while the next is read
        if needs_end:
            yield Message(()), True

    def read_ahead(self) -> bool:
        """Read one more, unless rows come in between; return whether there was one."""
        if self._read and _is_by_itself(self._read[-1]):
            return False
        one = next(self._unread, None)
        if one is not None:
            self._read.append(one)
        return one is not None


def _is_by_itself(one: Sendable) -> bool:
    """Whether nothing of zmig's own goes into one message with it: a COPY, and a large statement."""
    return not isinstance(one, Message | ChunkMessage) or one.is_large
