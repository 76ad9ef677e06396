"""Which of the keys that act have something to act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.planning.state import Entry
    from zmig.session.watcher import Observation
    from zmig_tui.models.rows import Row


def _is_troubled(row: Row | None, _observation: Observation | None, _is_running: bool) -> bool:
    return row is not None and row.is_troubled


def _is_anything_troubled(_row: Row | None, observation: Observation | None, _is_running: bool) -> bool:
    return observation is not None and bool(observation.status.failed or observation.status.stuck)


def _is_at_rest(_row: Row | None, observation: Observation | None, is_running: bool) -> bool:
    return observation is not None and not is_running and observation.status.holder is None


def _is_anything_running(_row: Row | None, observation: Observation | None, is_running: bool) -> bool:
    return is_running or (observation is not None and observation.work is not None)


def _can_apply_to(row: Row | None, observation: Observation | None, is_running: bool) -> bool:
    return _is_at_rest(row, observation, is_running) and row is not None and row.state is not State.DONE


def _can_undo(row: Row | None, observation: Observation | None, is_running: bool) -> bool:
    return _is_at_rest(row, observation, is_running) and observation is not None and bool(observation.status.applied)


def pausable(row: Row | None, observation: Observation | None) -> Entry | None:
    """Return the migration with rounds that is meant: the running one, else the one under the cursor."""
    entries = observation.status.migrations if observation is not None and observation.status.running else ()
    running = next((entry for entry in entries if entry.state is State.STARTED and _has_rounds(entry)), None)
    if running is not None or row is None or not _has_rounds(row.entry) or row.state is State.DONE:
        return running
    return row.entry


def _has_rounds(entry: Entry) -> bool:
    return entry.migration is not None and entry.migration.batch is not None


_NEXT_AMISS = "next_amiss"

_TESTS: dict[str, Callable[[Row | None, Observation | None, bool], bool]] = {
    "retry": _is_troubled,
    "retry_all": _is_anything_troubled,
    "resolve": lambda row, observation, is_running: row is not None and _is_at_rest(row, observation, is_running),
    "apply": _is_at_rest,
    "apply_here": _can_apply_to,
    "rollback": _can_undo,
    "rollback_here": _can_undo,
    "pause": lambda row, observation, _is_running: pausable(row, observation) is not None,
    "cancel": _is_anything_running,
    "terminate": _is_anything_running,
    "end_run": _is_anything_running,
}


def is_available(
    action: str, row: Row | None, observation: Observation | None, *, is_running: bool, is_anything_amiss: bool = False
) -> bool:
    """Return whether an action can do anything now; one that changes nothing always can.

    `is_anything_amiss` is whether there is a migration that somebody has to look at.
    """
    if action == _NEXT_AMISS:
        return is_anything_amiss
    test = _TESTS.get(action)
    return test is None or test(row, observation, is_running)


def offered(
    row: Row | None, observation: Observation | None, *, is_running: bool, is_anything_amiss: bool = False
) -> frozenset[str]:
    """Return the acting keys' actions that are available."""
    return frozenset(
        action
        for action in (*_TESTS, _NEXT_AMISS)
        if is_available(action, row, observation, is_running=is_running, is_anything_amiss=is_anything_amiss)
    )
