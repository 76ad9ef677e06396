"""What one migration hands over to the next, so that a run of many small ones does not wait between them.

A file that only defines something leaves the session as it was: statements prepared on the server last, and the next
file's message is put together while the server works on the present one. Where both are brief, the first one's commit
need not wait until WAL is flushed: the last one's does, or the first one's after some milliseconds. WAL is one
sequence, so a server that goes down in between loses the last ones whole, each with its facts, and the run that was cut
off is repeated. That a run is over is told only once everything is flushed.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psycopg

from zmig.planning.plan import Action, Direction
from zmig.running import envelope
from zmig.running.session import Attempt
from zmig.session import conditions
from zmig.sql import definition, message
from zmig.sql.message import Message
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.observer import BufferedObserver
    from zmig.project.prepare import PreparedStep
    from zmig.running.session import RunSession
    from zmig.sql.message import Composed
    from zmig.sql.statement import Statement

_LONGEST_UNFLUSHED_SECONDS = 0.05


@valueclass
class _StepTraits:
    """What the relay needs to know of a step."""

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
    """The steps of one run, of which each may hand over to the next."""

    def __init__(
        self, prepared_steps: Sequence[PreparedStep], outbox: BufferedObserver, *, may_share_flush: bool
    ) -> None:
        """Without `may_share_flush` nothing is handed over: each step is cleaned up behind, and flushed by itself."""
        self._prepared_steps = prepared_steps
        self._outbox = outbox
        self._may_share_flush = may_share_flush
        self._place = 0
        self._natures: dict[int, _StepTraits] = {}
        self._present: _ComposedStep | None = None
        self._next: _ComposedStep | None = None
        self._is_prepared = False
        """Whether the session is ready for the short form of zmig's own statements."""
        self.is_flushed = True
        """Whether a crash of the server would leave everything that is committed, or may be."""
        self._flushed_at = time.monotonic()
        self.reported_seconds = 0.0
        """How long it took to tell what was held back, while the server worked on the present step."""

    def start(self, place: int) -> None:
        """Go on to the step at this 0-based place."""
        self._natures.pop(self._place - 1, None)
        self._place, self._present = place, None
        if not self._traits(place).is_plain:
            self.reset()

    def reset(self) -> None:
        """Hand nothing over: the session is cleaned of everything."""
        self._outbox.release()
        self._next, self._is_prepared = None, False

    def is_declined(self, error: psycopg.Error) -> bool:
        """Whether the server declined a step's short form, and carried nothing of it out; there is none from now on."""
        return envelope.is_declined(error) and self._has_given_up()

    def is_taken_back(self, error: psycopg.Error) -> bool:
        """Whether code took back what the end of a step's short form needs; there is no short form from now on."""
        return self._traits(self._place).is_plain and envelope.is_taken_back(error) and self._has_given_up()

    def _has_given_up(self) -> bool:
        self.reset()
        self._may_share_flush, self._present = False, None
        self._natures.clear()
        return True

    def compose(self, session: RunSession, attempt: Attempt) -> Composed | None:
        """Return a step as one message; None where it is not to be one, or where the last attempt at it failed."""
        ready, self._next = self._next, None
        if attempt.number > 1 or self._traits(self._place).whole is None:
            self._present = None
            return None
        if ready is None or ready.prepared is not attempt.prepared:
            ready = self._compose(session, self._place, is_prepared=self._is_prepared)
        self._present = ready
        self.is_flushed = self.is_flushed and ready.awaits_flush
        return ready.composed

    def envelope(self, session: RunSession, attempt: Attempt) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what opens and what closes a step that is several messages."""
        if attempt.number > 1 or not self._traits(self._place).is_plain:
            self.reset()
            return envelope.opening_sql(session, attempt), envelope.closing_sql(session, attempt)
        is_prepared, self._is_prepared = self._is_prepared, True
        opening = envelope.prepared_opening_sql(session, attempt, is_prepared=is_prepared, awaits_flush=True)
        return opening, envelope.prepared_closing_sql(session, attempt)

    def work_ahead(self, session: RunSession) -> None:
        """Tell what was held back and put the next step's message together; the server works on the present one."""
        began = time.monotonic()
        self._outbox.release()
        self.reported_seconds = time.monotonic() - began
        place = self._place + 1
        if place < len(self._prepared_steps) and self._traits(place).whole is not None:
            # What it raises, it raises again when it is the next step's turn.
            with contextlib.suppress(Exception):
                self._next = self._compose(session, place, is_prepared=True)

    def acknowledge(self) -> None:
        """Take note that the server carried the present message out; with the next one ready, telling waits for it."""
        self._is_prepared = True
        if self._next is not None:
            self._outbox.hold()

    def committed(self) -> None:
        """Take note that the present step is committed, which may have been waited for."""
        if self._present is None or self._present.awaits_flush:
            self.recorded()

    def recorded(self) -> None:
        """Take note that the commit of a fact was waited for: everything before it is flushed."""
        self.is_flushed, self._flushed_at = True, time.monotonic()

    def end(self, session: RunSession) -> None:
        """Tell everything, and see to it that what is committed is flushed."""
        try:
            self._outbox.release()
            self._flush(session)
        except KeyboardInterrupt:  # it was on its way when the run ended, which may be because of it
            self._outbox.release()
            self._flush(session)
            raise

    def _flush(self, session: RunSession) -> None:
        if self.is_flushed or session.is_in_transaction:
            return
        with contextlib.suppress(psycopg.Error), session.interrupts.deferred():
            session.send(*session.clean_sql, _FLUSH)
            self.is_flushed = True

    def _traits(self, place: int) -> _StepTraits:
        if place not in self._natures:
            self._natures[place] = _traits_of(self._prepared_steps[place]) if self._may_share_flush else _StepTraits()
        return self._natures[place]

    def _compose(self, session: RunSession, place: int, *, is_prepared: bool) -> _ComposedStep:
        prepared, sent = self._prepared_steps[place], self._traits(place).whole
        assert sent is not None
        attempt = Attempt(prepared, prepared.step.attempt, is_timed_by_server=True)
        awaits_flush = not self._may_leave_flush_to_next(place)
        opening = envelope.prepared_opening_sql(session, attempt, is_prepared=is_prepared, awaits_flush=awaits_flush)
        closing = (*envelope.prepared_closing_sql(session, attempt), "commit")
        composed = message.compose(sent, opening, closing, name=prepared.step.migration.name, total=prepared.count)
        return _ComposedStep(prepared, composed, awaits_flush)

    def _may_leave_flush_to_next(self, place: int) -> bool:
        if not self._traits(place).is_brief or time.monotonic() - self._flushed_at > _LONGEST_UNFLUSHED_SECONDS:
            return False
        return place + 1 < len(self._prepared_steps) and self._traits(place + 1).is_brief


_FLUSH = "select pg_catalog.pg_logical_emit_message(true, 'zmig', 'flush')"
"""Writes next to nothing to WAL; the commit of a transaction that wrote nothing would not be waited for."""


def _traits_of(prepared: PreparedStep) -> _StepTraits:
    statements, step = prepared.statements, prepared.step
    if not statements or not prepared.mode.transactional or prepared.batch is not None:
        return _StepTraits()
    if step.direction is not Direction.FORWARD or step.action in (Action.SETTLE, Action.CHECK) or step.attempt > 1:
        return _StepTraits()
    if conditions.needs_check(step):  # the server is asked something behind it
        return _StepTraits()
    if not all(definition.only_defines(one) for one in statements):
        return _StepTraits()
    sent = tuple(prepared.sendables(runs_no_code=True))
    whole = sent[0] if len(sent) == 1 and isinstance(sent[0], Message) else None
    is_brief = whole is not None and all(map(_is_brief, whole.statements))
    return _StepTraits(True, whole, is_brief)


def _is_brief(one: Statement) -> bool:
    return message.is_brief(one) and "from current" not in " ".join(one.text.lower().split())
