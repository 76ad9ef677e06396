"""What a person wants to run: each can be planned, shown, and run exactly as it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.migrator import Migrator
    from zmig.planning.plan import Plan, RunResult


@valueclass
class Apply:
    """Apply everything that is pending, failed, stuck or due."""

    to: int | None = None
    """The version it stops at; None for the last."""

    is_destructive = False

    @property
    def verb(self) -> str:
        """What the run is called."""
        return "apply" if self.to is None else f"apply to {self.to}"

    def plan(self, migrator: Migrator) -> Plan:
        """Return what would run. Raises like `Migrator.plan`."""
        return migrator.plan(to=self.to)

    def run(self, migrator: Migrator, confirmed: Plan) -> RunResult:
        """Run the plan that was agreed to. Raises like `Migrator.migrate`."""
        return migrator.migrate(to=self.to, confirmed=confirmed)


@valueclass
class Retry:
    """Run failed and stuck migrations again."""

    names: tuple[str, ...] = ()
    """Which; none means all of them."""

    is_destructive = False

    @property
    def verb(self) -> str:
        """What the run is called."""
        return f"retry {', '.join(self.names)}" if self.names else "retry all"

    def plan(self, migrator: Migrator) -> Plan:
        """Return what would run. Raises like `Migrator.plan_retry`."""
        return migrator.plan_retry(self.names)

    def run(self, migrator: Migrator, confirmed: Plan) -> RunResult:
        """Run the plan that was agreed to. Raises like `Migrator.retry`."""
        return migrator.retry(self.names, confirmed=confirmed)


@valueclass
class Rollback:
    """Undo the last migration, or all above a version; repeatables stay as they are."""

    to: int | None = None
    """The version that stays the highest applied one; None undoes one migration."""

    is_destructive = True

    @property
    def verb(self) -> str:
        """What the run is called."""
        return "rollback" if self.to is None else f"rollback to {self.to}"

    def plan(self, migrator: Migrator) -> Plan:
        """Return what would run. Raises like `Migrator.plan_rollback`."""
        return migrator.plan_rollback(to=self.to)

    def run(self, migrator: Migrator, confirmed: Plan) -> RunResult:
        """Run the plan that was agreed to. Raises like `Migrator.rollback`."""
        return migrator.rollback(to=self.to, confirmed=confirmed)


Intent = Apply | Retry | Rollback
