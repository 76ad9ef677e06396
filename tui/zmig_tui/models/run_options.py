"""Runs with an option of the command line that no key of its own stands for: out of order, in one transaction, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.request import Apply, Request, Rollback
from zmig.planning.state import FindingCode, State
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.session.watcher import Observation


@valueclass
class RunOption:
    """A run with an option."""

    option: str
    """As the command line has it."""
    name: str
    """What the console calls it."""
    about: str
    request: Request

    @property
    def text(self) -> str:
        """The option in one line."""
        return f"{self.name}: {self.about}"


_OUT_OF_ORDER = RunOption(
    "--allow-out-of-order",
    "out of order",
    "apply, and let migrations run below the highest applied version",
    Apply(allow_out_of_order=True),
)
_EXISTING = RunOption(
    "--allow-existing",
    "on top of what is there",
    "apply for the first time to a database that is not empty",
    Apply(allow_existing=True),
)
_ATOMIC = RunOption("--atomic", "in one transaction", "apply everything, or nothing of it", Apply(is_atomic=True))
_REPEATABLES = RunOption(
    "--include-repeatables",
    "with repeatables",
    "roll back the last migration, and repeatables before it",
    Rollback(include_repeatables=True),
)
OPTIONS = (_OUT_OF_ORDER, _EXISTING, _ATOMIC, _REPEATABLES)


def choices(observation: Observation | None) -> Sequence[RunOption]:
    """Return the runs with an option, first those that the state of the database suggests."""
    status = observation.status if observation is not None else None
    entries = status.migrations if status is not None else ()

    def is_unlikely(one: RunOption) -> bool:
        if one is _OUT_OF_ORDER:
            return not any(entry.has(FindingCode.OUT_OF_ORDER) and entry.state is State.PENDING for entry in entries)
        if one is _EXISTING:
            return status is None or bool(status.applied)
        if one is _REPEATABLES:
            return not any(entry.is_repeatable and entry.is_in_rollback for entry in entries)
        return True

    return sorted(OPTIONS, key=is_unlikely)


def named(option: str) -> RunOption | None:
    """Return the run with an option of the command line; None where the console has none."""
    return next((one for one in OPTIONS if one.option == option), None)
