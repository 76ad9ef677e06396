"""What one migration hands over to the next, so that a run of many small ones does not wait between them.

A file that only defines something leaves the session as it was: statements prepared on the server last, and the next
file's message is put together while the server works on the present one. Where both are brief, the first one's commit
need not wait until WAL is flushed: the last one's does, or the first one's after some milliseconds. WAL is one
sequence, so a server that goes down in between loses the last ones whole, each with its facts, and the run that was cut
off is repeated. That a run is over is reported only once everything is flushed.
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
from zmig.sql.message import Message
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.observer import BufferedObserver
    from zmig.project.prepare import PreparedStep
    from zmig.running.run_session import RunSession
    from zmig.running.transport import Script
    from zmig.sql.message import Composed
    from zmig.sql.statement import Statement

_LONGEST_UNFLUSHED_SECONDS = 0.05


@valueclass
class _StepTraits:
    """What may be shared between a step and the next one."""

    is_plain: bool = False
    """Whether it only defines something, and leaves the session as it was."""
    whole: Message | None = None
    """Its statements, where it is plain and they are one message."""
    is_brief: bool = False
    """Whether all of those are brief, and none takes a setting over from the session."""


@valueclass
class _ComposedStep:
    """A step that is one message, put together."""

    prepared: PreparedStep
    composed: Composed
    awaits_flush: bool
    """Whether its commit waits until WAL is flushed."""


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
        if not self._traits(index).is_plain:
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
        try:
            whole = self._whole(session, attempt)
            if whole is not None:
                self._send_whole(script, whole)
                return
            for part in script.parts(*self._envelope(session, attempt)):
                script.send(part)
        except psycopg.Error as error:
            opening = self._opening_instead(session, attempt, error)
            if opening is None:
                raise
            self._give_up()
            session.send("rollback")
            script.start_again()
            _, closing = envelope.around_sql(session, attempt)
            for part in script.parts(opening, closing):
                script.send(part)

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

    def _give_up(self) -> None:
        self.reset()
        self._has_given_up, self._present = True, None

    def _whole(self, session: RunSession, attempt: Attempt) -> Composed | None:
        """Return a step as one message; None where it is not to be one, or where the last attempt at it failed."""
        ready, self._next = self._next, None
        if attempt.number > 1 or self._traits(self._index).whole is None:
            self._present = None
            return None
        if ready is None or ready.prepared is not attempt.prepared:
            ready = self._compose(session, self._index, is_prepared=self._is_prepared)
        self._present = ready
        self._is_flushed = self._is_flushed and ready.awaits_flush
        return ready.composed

    def _send_whole(self, script: Script, whole: Composed) -> None:
        began = script.begin(whole)
        connection, work_ahead = script.session.connection, partial(self._work_ahead, script)
        try:
            reply = wire.send(connection, whole.text, meanwhile=work_ahead, is_brief=True)
        except wire.MessageError as failed:
            raise script.refused(whole, failed) from None
        self._is_prepared = True
        if self._next is not None:
            self._observer.hold()  # it is reported while the server works on the next one
        script.finish(whole, reply, began)

    def _envelope(self, session: RunSession, attempt: Attempt) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what opens and what closes a step that is several messages."""
        if attempt.number > 1 or not self._traits(self._index).is_plain:
            self.reset()
            return envelope.around_sql(session, attempt)
        is_prepared, self._is_prepared = self._is_prepared, True
        opening = envelope.prepared_opening_sql(session, attempt, is_prepared=is_prepared, awaits_flush=True)
        return opening, (*envelope.prepared_closing_sql(session, attempt), "commit")

    def _work_ahead(self, script: Script) -> None:
        """Report what was held back and put the next step's message together; the server works on the present one."""
        began = time.monotonic()
        self._observer.release()
        script.attempt.stopwatch.leave_out(time.monotonic() - began)
        index = self._index + 1
        if index < len(self._prepared_steps) and self._traits(index).whole is not None:
            # What it raises, it raises again when it is the next step's turn.
            with contextlib.suppress(Exception):
                self._next = self._compose(script.session, index, is_prepared=True)

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
            return _StepTraits()
        if index not in self._known_traits:
            self._known_traits[index] = _traits_of(self._prepared_steps[index])
        return self._known_traits[index]

    def _compose(self, session: RunSession, index: int, *, is_prepared: bool) -> _ComposedStep:
        prepared, sent = self._prepared_steps[index], self._traits(index).whole
        assert sent is not None
        attempt = Attempt(prepared, prepared.step.attempt)
        awaits_flush = not self._may_leave_flush_to_next(index)
        opening = envelope.prepared_opening_sql(session, attempt, is_prepared=is_prepared, awaits_flush=awaits_flush)
        closing = (*envelope.prepared_closing_sql(session, attempt), "commit")
        composed = message.compose(sent, opening, closing, name=attempt.name, total=prepared.count)
        return _ComposedStep(prepared, composed, awaits_flush)

    def _may_leave_flush_to_next(self, index: int) -> bool:
        if not self._traits(index).is_brief or time.monotonic() - self._flushed_at > _LONGEST_UNFLUSHED_SECONDS:
            return False
        return index + 1 < len(self._prepared_steps) and self._traits(index + 1).is_brief


_FLUSH = "select pg_catalog.pg_logical_emit_message(true, 'zmig', 'flush')"
"""Writes next to nothing to WAL; the commit of a transaction that wrote nothing would not be waited for."""


def _traits_of(prepared: PreparedStep) -> _StepTraits:
    statements, step = prepared.statements, prepared.step
    if not statements or not prepared.mode.transactional or prepared.batch is not None:
        return _StepTraits()
    if step.direction is not Direction.FORWARD or step.action in (Action.RECORD_END, Action.CHECK) or step.attempt > 1:
        return _StepTraits()
    if conditions.needs_check(step):  # the server is asked something after it
        return _StepTraits()
    if not all(one.command.is_definition for one in statements):
        return _StepTraits()
    sent = tuple(prepared.sendables(runs_no_code=True))
    whole = sent[0] if len(sent) == 1 and isinstance(sent[0], Message) else None
    is_brief = whole is not None and all(map(_is_brief, whole.statements))
    return _StepTraits(True, whole, is_brief)


def _is_brief(one: Statement) -> bool:
    return one.command.is_short and "from current" not in " ".join(one.text.lower().split())
