"""Executes a step in a transaction: `started` before it, `done` with the changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.running import envelope
from zmig.running.attempt import Fate, failed
from zmig.running.python_call import call
from zmig.running.transport import Script
from zmig.session import conditions

if TYPE_CHECKING:
    from zmig.running.attempt import Attempt, Failed
    from zmig.running.run_session import RunSession
    from zmig.running.transport import Transport


class Transactional:
    """One attempt at a step that has a transaction of its own."""

    def __init__(self, session: RunSession, attempt: Attempt, transport: Transport) -> None:
        self._session = session
        self._attempt = attempt
        self._transport = transport
        self._script = Script(session, attempt)

    @property
    def is_complete(self) -> bool:
        """Whether its `done` fact is committed."""
        return self._script.is_complete

    def run(self) -> None:
        """Execute the step; return once it is committed."""
        prepared = self._attempt.prepared
        if prepared.is_sql and prepared.verify is None and not conditions.needs_check(self._attempt.step):
            self._transport.run(self._script)
        else:
            self._run_around()

    def _run_around(self) -> None:
        """Run what is not only statements in a row: code, or something that the server is asked at the end."""
        session, attempt = self._session, self._attempt
        session.read_as_usual()
        with session.interrupts.deferred():
            session.send(*envelope.opening_sql(session, attempt))
        run_body(self._script)
        closing = envelope.closing_sql(session, attempt, seconds=attempt.seconds)
        self._script.close((*closing, "commit"))

    def failed(self, error: BaseException) -> Failed:
        """Return what an error left of it: the server rolls it back, unless it had the commit already."""
        return script_failed(self._script, error)


def script_failed(script: Script, error: BaseException) -> Failed:
    """Return what an error left of the transaction that a script runs in."""
    may_be_committed = script.at_commit or script.may_commit
    return failed(
        script.session,
        script.attempt,
        error,
        at=script.place,
        fate=Fate.ROLLED_BACK,
        fate_if_lost=Fate.UNKNOWN if may_be_committed else Fate.ROLLED_BACK,
    )


def run_body(script: Script) -> None:
    """Run a step's statements, or its function, in the transaction that is open, and ask there what is to be asked."""
    if not script.attempt.prepared.is_sql:
        call(script.session, script.attempt)
    else:
        for part in script.parts():
            script.send(part)
            del part  # a large one is not held while the next is read
    if conditions.needs_check(script.attempt.step):
        _check_condition(script)
    if script.attempt.prepared.verify is not None:
        from zmig.running import verifying

        script.own()
        verifying.ask_inside(script.session, script.attempt, script.attempt.prepared.verify)


def _check_condition(script: Script) -> None:
    """Ask after a repeatable's first run, in its transaction, whether the server understands its condition."""
    session = script.session
    script.own()
    with session.interrupts.deferred():
        session.send(*envelope.own_again_sql(session))
    conditions.check_condition(session.connection, script.attempt.step)
