"""Requests: what somebody wants to be run, in words of one front end or another. `zmig.planning.planner` plans it.

The same value is planned to be shown, planned again under the lock, and run, so both plans are of the same wish.
"""

from __future__ import annotations

from zmig.valueclass import valueclass


@valueclass
class Apply:
    """Apply everything that is pending, failed, stuck or due."""

    to: int | None = None
    """The version it stops at; None for the last."""
    is_atomic: bool = False
    """Whether all steps are run in one transaction."""
    allow_out_of_order: bool = False
    """Whether migrations below the highest applied version may be applied."""
    allow_existing: bool = False
    """Whether the first run may be on a database that is not empty."""

    is_destructive = False

    @property
    def title(self) -> str:
        """What its run is called."""
        return "apply" if self.to is None else f"apply to {self.to}"


@valueclass
class Retry:
    """Run failed and stuck migrations again."""

    names: tuple[str, ...] = ()
    """Which, by name or version; without any, all of them."""
    only_stuck: bool = False
    """Whether, without names, those that failed are left as they are."""

    is_atomic = False
    is_destructive = False

    @property
    def title(self) -> str:
        """What its run is called."""
        return f"retry {', '.join(self.names)}" if self.names else "retry all"


@valueclass
class Rollback:
    """Roll back the last migrations, or all above a version; repeatables stay as they are."""

    to: int | None = None
    """The version that stays the highest applied one; None rolls back `steps` migrations."""
    steps: int = 1
    include_repeatables: bool = False
    """Whether repeatables that have a rollback are rolled back before the others."""

    is_atomic = False
    is_destructive = True

    @property
    def title(self) -> str:
        """What its run is called."""
        return "rollback" if self.to is None else f"rollback to {self.to}"


Request = Apply | Retry | Rollback
