"""Executes one step, once: its `started` fact, its statements or its function, its `done` fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.running import transactional

if TYPE_CHECKING:
    from zmig.running.group_commit import GroupCommit
    from zmig.running.session import Attempt, RunSession


def execute(session: RunSession, group_commit: GroupCommit, attempt: Attempt) -> None:
    """Execute a step; returns once its changes and its `done` fact are committed.

    Raises whatever the server or the migration's code raises; nothing is rolled back or recorded here then.
    """
    if attempt.prepared.batch is not None:
        from zmig.running import batched

        batched.run(session, attempt, attempt.prepared.batch)
    elif attempt.prepared.mode.transactional:
        transactional.run(session, group_commit, attempt)
    else:
        from zmig.running import statementwise

        run = statementwise.run if attempt.prepared.is_sql else statementwise.run_code
        run(session, attempt)
