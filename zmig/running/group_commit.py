"""Group commit: small migrations in a row share a flush of WAL, by `synchronous_commit`, and do not wait between them.

The next file's first message is put together while the server works on the present one. A file that only defines
something leaves the session as it was: zmig's own statements around such files are prepared on the server once.

Such files share a flush of WAL, too: a commit need not wait for it where the next such file's message follows at once.
WAL is one sequence, so a server that goes down in between loses the last ones whole, each with its facts, and the run
that was cut off is repeated. A file that may take long, or comes after some milliseconds, begins with a flush: that of
its `started`. That a run is over is reported only once everything is flushed.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from zmig.database import wire
from zmig.planning.plan import Action, Direction
from zmig.running import envelope
from zmig.running.attempt import Attempt
from zmig.session import conditions
from zmig.sql import message
from zmig.sql.message import Composed, Message
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.observer import BufferedObserver
    from zmig.project.prepare import PreparedStep
    from zmig.running.run_session import RunSession
    from zmig.running.transport import Part, Script, Sendable

_LONGEST_UNFLUSHED_SECONDS = 0.05


@valueclass
class _StepTraits:
    """What may be shared between a step and those beside it."""

    sendables: tuple[Sendable, ...] = ()
    """What it sends in a transaction; empty where it is sent in the plain form."""
    is_plain: bool = False
    """Whether it only defines something, and leaves the session as it was."""
    may_share_flush: bool = False
    """Whether it is one message, is plain, and takes no setting over from the session."""
    is_brief: bool = False
    """Whether all of its statements are brief."""


_PLAIN_FORM = _StepTraits()


@valueclass
class _ComposedStep:
    """A step whose first message is put together."""

    prepared: PreparedStep
    first: Composed
    rest: tuple[Sendable, ...]
    closing: tuple[str, ...]
    flushes_first: bool
    """Whether the commit of `started` waits until WAL is flushed, with all that was committed before."""
    awaits_flush: bool
    """Whether its own commit does."""


class GroupCommit:
    """A transport in which each step may hand over to the next."""

    def __init__(self, prepared_steps: Sequence[PreparedStep], observer: BufferedObserver) -> None:
        """`observer` is what the run reports to; it is held while the next message is ready to be sent."""
        self._prepared_steps = prepared_steps
        self._observer = observer
        self._index = 0
        self._known_traits: dict[int, _StepTraits] = {}
        self._has_given_up = False
        """Whether everything is sent in the plain form from now on."""
        self._present: _ComposedStep | None = None
        self._next: _ComposedStep | None = None
        self._is_prepared = False
        """Whether the session is ready for the prepared form of zmig's own statements."""
        self._is_flushed = True
        self._flushed_at = time.monotonic()

    @property
    def may_lose_committed(self) -> bool:
        """Whether a crash of the server may take the last migrations that are committed, or may be."""
        return not self._is_flushed

    def start(self, index: int) -> None:
        """Go on to the step at this 0-based index."""
        self._known_traits.pop(self._index - 1, None)
        self._index, self._present = index, None
        if not self._traits(index).sendables:
            self.reset()

    def reset(self) -> None:
        """Hand nothing over: the session is cleaned of everything."""
        self._observer.release()
        self._next, self._is_prepared = None, False

    def run(self, script: Script) -> None:
        """Run a script in the prepared form, or in the plain one where the server has none of that any more."""
        session, attempt = script.session, script.attempt
        if session.read_as_usual():
            self.reset()
        if attempt.number > 1 or not self._traits(self._index).sendables:
            self.reset()
            self._present = None
            _run_plain(script, *envelope.around_sql(session, attempt))
            return
        try:
            for part in self._parts(script):
                if isinstance(part, Composed):
                    self._send(script, part)
                else:
                    self._observer.release()
                    script.send(part)
        except psycopg.Error as error:
            opening = self._opening_instead(session, attempt, error)
            if opening is None:
                raise
            self.reset()
            self._has_given_up, self._present = True, None
            session.send("rollback")
            script.start_again()
            _run_plain(script, opening, envelope.around_sql(session, attempt)[1])

    def _opening_instead(self, session: RunSession, attempt: Attempt, error: psycopg.Error) -> tuple[str, ...] | None:
        """Return what opens a step again that failed by its prepared form; None where it failed by anything else.

        Either the server declined it, and carried nothing of it out, or code took back what its end needs; then its
        `started` is recorded already.
        """
        if envelope.is_declined(error):
            return envelope.opening_sql(session, attempt)
        if self._traits(self._index).is_plain and envelope.is_taken_back(error):
            return (*session.clean_sql, *envelope.open_sql(session, attempt))
        return None

    def _parts(self, script: Script) -> Iterator[Part]:
        """Return what is to be sent of the present step, which is about to begin."""
        present = self._present = self._composed_step(script.session, script.attempt)
        self._is_flushed = self._is_flushed and present.awaits_flush
        if present.flushes_first:
            self._flushed_at = time.monotonic()
        return script.parts_after(present.first, present.rest, present.closing)

    def _composed_step(self, session: RunSession, attempt: Attempt) -> _ComposedStep:
        """Return the present step, which may be composed already."""
        ready, self._next = self._next, None
        flushes_first = not self._is_flushed and self._is_flush_due(self._index)
        # Composed when the step before had just been sent, which may have taken longer since than may stay unflushed.
        if ready is not None and ready.prepared is attempt.prepared and (ready.flushes_first or not flushes_first):
            return ready
        return self._compose(session, self._index, is_prepared=self._is_prepared, flushes_first=flushes_first)

    def _send(self, script: Script, part: Composed) -> None:
        assert self._present is not None
        is_brief = self._traits(self._index).is_brief and not self._present.awaits_flush
        began, connection = script.begin(part), script.session.connection
        work_ahead = partial(self._work_ahead, script, part)
        try:
            reply = wire.send(connection, part.text, meanwhile=work_ahead, is_brief=is_brief)
        except wire.MessageError as failed:
            raise script.refused(part, failed) from None
        self._is_prepared = self._traits(self._index).is_plain
        # Only now, with the answer: what the server says while it works is to be seen at once.
        if self._next is not None:
            self._observer.hold()  # it is reported while the server works on the next one
        script.finish(part, reply, began)

    def _work_ahead(self, script: Script, part: Composed) -> None:
        """Report what was held back, and put together what is sent next; the server works on a part."""
        began = time.monotonic()
        self._observer.release()
        script.attempt.stopwatch.leave_out(time.monotonic() - began)
        index = self._index + 1
        if not part.tail:
            script.read_ahead()
        elif index < len(self._prepared_steps) and self._traits(index).sendables:
            assert self._present is not None
            # As if the present step succeeded: every error is followed by `reset`, which drops what is composed here.
            is_prepared = self._traits(self._index).is_plain
            flushes_first = not self._present.awaits_flush and self._is_flush_due(index)
            # What it raises, it raises again when it is the next step's turn.
            with contextlib.suppress(Exception):
                self._next = self._compose(script.session, index, is_prepared=is_prepared, flushes_first=flushes_first)

    def committed(self) -> None:
        """Take note that the present step is committed, which may have been waited for."""
        if self._present is None or self._present.awaits_flush:
            self.recorded()

    def recorded(self) -> None:
        """Take note that the commit of a fact was waited for: everything before it is flushed."""
        self._is_flushed, self._flushed_at = True, time.monotonic()

    def end(self, session: RunSession) -> None:
        """Report everything, and see to it that what is committed is flushed."""
        try:
            self._observer.release()
            self._flush(session)
        except KeyboardInterrupt:  # it was on its way when the run ended, which may be because of it
            self._observer.release()
            self._flush(session)
            raise

    def _flush(self, session: RunSession) -> None:
        if self._is_flushed or session.is_in_transaction:
            return
        with contextlib.suppress(psycopg.Error), session.interrupts.deferred():
            session.send(*session.clean_sql, _FLUSH)
            self._is_flushed = True

    def _traits(self, index: int) -> _StepTraits:
        if self._has_given_up:
            return _PLAIN_FORM
        if index not in self._known_traits:
            self._known_traits[index] = _traits_of(self._prepared_steps[index])
        return self._known_traits[index]

    def _compose(self, session: RunSession, index: int, *, is_prepared: bool, flushes_first: bool) -> _ComposedStep:
        prepared, traits = self._prepared_steps[index], self._traits(index)
        attempt, awaits_flush = Attempt(prepared, prepared.step.attempt), not self._may_leave_flush_to_next(index)
        # What is prepared was prepared for the step before, or for one before that with the same limits.
        is_prepared = is_prepared and envelope.has_same_limits(prepared.step, self._prepared_steps[index - 1].step)
        if traits.is_plain or is_prepared:
            opening = envelope.prepared_opening_sql(
                session,
                attempt,
                is_prepared=is_prepared,
                stays_prepared=traits.is_plain,
                flushes_first=flushes_first,
                awaits_flush=awaits_flush,
            )
        else:
            opening = envelope.opening_sql(session, attempt)
        if traits.is_plain:
            closing = (*envelope.prepared_closing_sql(session, attempt), "commit")
        else:
            closing = (*envelope.closing_sql(session, attempt, seconds=None), "commit")
        first, *rest = traits.sendables
        assert isinstance(first, Message)
        return _ComposedStep(
            prepared=prepared,
            first=message.compose(first, opening, () if rest else closing, name=attempt.name, total=prepared.count),
            rest=tuple(rest),
            closing=closing,
            flushes_first=flushes_first,
            awaits_flush=awaits_flush,
        )

    def _may_leave_flush_to_next(self, index: int) -> bool:
        """Whether the commit of a step need not wait until WAL is flushed, since that of the next one follows."""
        is_last = index + 1 >= len(self._prepared_steps)
        return not is_last and self._traits(index).may_share_flush and self._traits(index + 1).is_plain

    def _is_flush_due(self, index: int) -> bool:
        """Whether a step should begin with a flush of what was committed before it."""
        return not self._traits(index).is_brief or time.monotonic() - self._flushed_at > _LONGEST_UNFLUSHED_SECONDS


_FLUSH = "select pg_catalog.pg_logical_emit_message(true, 'zmig', 'flush')"
"""Writes next to nothing to WAL; the commit of a transaction that wrote nothing would not be waited for."""


def _run_plain(script: Script, opening: Sequence[str], closing: Sequence[str]) -> None:
    for part in script.parts(opening, closing):
        script.send(part)
        del part  # a large one is not held while the next is read


def _traits_of(prepared: PreparedStep) -> _StepTraits:
    statements, step = prepared.statements, prepared.step
    if not statements or not prepared.mode.transactional or prepared.batch is not None:
        return _PLAIN_FORM
    if step.direction is not Direction.FORWARD or step.action in (Action.RECORD_END, Action.CHECK) or step.attempt > 1:
        return _PLAIN_FORM
    if conditions.needs_check(step) or prepared.verify is not None:  # the server is asked something after it
        return _PLAIN_FORM
    is_plain = all(one.command.is_definition for one in statements)
    sendables = tuple(prepared.sendables(runs_no_code=is_plain))
    if not isinstance(sendables[0], Message):
        return _PLAIN_FORM
    takes_over = any(one.command.takes_settings_over for one in statements)
    return _StepTraits(
        sendables=sendables,
        is_plain=is_plain,
        may_share_flush=is_plain and len(sendables) == 1 and not takes_over,
        is_brief=is_plain and all(one.command.is_short for one in statements),
    )
