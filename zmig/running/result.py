"""What a run did, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.planning.plan import Plan


@valueclass
class RunResult:
    """What a run did."""

    run_id: str | None
    """None where nothing had to run, so no run began."""
    plan: Plan
    completed: tuple[str, ...] = ()
    """Names of the migrations applied, or rolled back, in order."""
    skipped: tuple[str, ...] = ()
    """Names of repeatables that turned out not to be due."""
    duration_seconds: float = 0.0
