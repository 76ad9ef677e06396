"""Executes one step, once: its `started` fact, its statements or its function, its `done` fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.running import transaction

if TYPE_CHECKING:
    from zmig.running.relay import Relay
    from zmig.running.session import Attempt, Session


def execute(session: Session, relay: Relay, attempt: Attempt) -> None:
    """Execute a step; returns once its changes and its `done` fact are committed.

    Raises whatever the server or the migration's code raises; nothing is rolled back or recorded here then.
    """
    if attempt.work.batch is not None:
        from zmig.running import rounds

        rounds.run(session, attempt, attempt.work.batch)
    elif attempt.work.mode.transactional:
        transaction.run(session, relay, attempt)
    else:
        from zmig.running import autocommit

        run = autocommit.run if attempt.work.is_sql else autocommit.run_code
        run(session, attempt)
