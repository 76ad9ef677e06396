"""Calls the function of a step written in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.running.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zmig.running.context import Round
    from zmig.running.session import Attempt, Session


def call(session: Session, attempt: Attempt, rounds: Callable[[], Iterator[Round]] | None = None) -> None:
    """Call the function of a step on the connection as it stands; whatever it raises comes out.

    `rounds` is what `ctx.batches()` gives to a batched migration.
    """
    migration, function = attempt.step.migration, attempt.work.function
    if function is None:
        raise AssertionError(f"{migration.name} was not loaded")
    context = Context(
        session.connection,
        version=migration.version,
        name=migration.name,
        run_id=session.run.id,
        step=attempt.step,
        observer=session.observer,
        rounds=rounds,
    )
    with session.connection.lent(in_transaction=attempt.work.mode.transactional), session.interrupts.in_code():
        function(context)
