"""Whether a key has something to act on, and if it has not, why, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.state import FindingCode, State
from zmig.presentation import words
from zmig.valueclass import valueclass
from zmig_tui.models.wait_tree import is_anybody_waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.planning.state import Entry
    from zmig.session.watcher import Observation
    from zmig_tui.models.rows import Row

    Test = Callable[["Situation"], str | None]


@valueclass
class Situation:
    """What decides whether a key has something to act on."""

    row: Row | None = None
    """The row under the cursor."""
    observation: Observation | None = None
    """What was observed last; None before the first observation."""
    is_running: bool = False
    """Whether a run of this console is in progress."""
    has_run: bool = False
    """Whether a run is shown, in progress or over."""
    is_anything_amiss: bool = False
    """Whether there is a migration that somebody has to look at."""
    is_anything_open: bool = False
    """Whether there is something to close: the detail, the filter, or the panel of a run that is over."""
    no_editor: str | None = None
    """Why no editor can be opened; None where one can."""

    @property
    def is_anything_running(self) -> bool:
        """Whether a run is in progress, here or in another process."""
        return self.is_running or (self.observation is not None and self.observation.status.holder is not None)


def pausable(row: Row | None, observation: Observation | None) -> Entry | None:
    """Return the migration with rounds that is meant: the running one, else the one under the cursor."""
    entries = observation.status.migrations if observation is not None and observation.status.running else ()
    running = next((entry for entry in entries if entry.state is State.STARTED and _has_rounds(entry)), None)
    if running is not None or row is None or not _has_rounds(row.entry) or row.state is State.DONE:
        return running
    return row.entry


def to_baseline(row: Row | None, observation: Observation | None) -> list[Entry]:
    """Return what a baseline up to a row would record as applied."""
    if row is None or row.entry.migration is None or observation is None:
        return []
    last = row.entry.migration.version
    return [
        entry
        for entry in observation.status.migrations
        if entry.migration is not None
        and not entry.is_repeatable
        and not entry.is_applied
        and entry.migration.version <= last
    ]


def _has_rounds(entry: Entry) -> bool:
    return entry.migration is not None and entry.migration.batch is not None


def _row(at: Situation) -> str | None:
    return "no migration is under the cursor" if at.row is None else None


def _rest(at: Situation) -> str | None:
    if at.observation is None:
        return "nothing is known of the database yet"
    if at.is_running:
        return "a run is under way; c cancels it"
    return "a run is under way in another process" if at.is_anything_running else None


def _failed(at: Situation) -> str | None:
    if at.row is None or at.row.is_troubled:
        return _row(at)
    return f"{at.row.name} is {words.state(at.row.state)}: only a failed or stuck migration can be retried"


def _any_failed(at: Situation) -> str | None:
    status = at.observation.status if at.observation is not None else None
    return None if status is not None and (status.failed or status.stuck) else "nothing is failed or stuck"


def _amiss(at: Situation) -> str | None:
    return None if at.is_anything_amiss else "nothing is failed or stuck, and nothing keeps apply from running"


def _work(at: Situation) -> str | None:
    is_at_work = at.is_running or (at.observation is not None and at.observation.work is not None)
    return None if is_at_work else "nothing is running"


def _unapplied(at: Situation) -> str | None:
    if at.row is None or at.row.version is None:
        return _row(at) or "what is under the cursor has no version to stop at"
    return f"{at.row.name} is applied already" if at.row.state is State.DONE else None


def _applied(at: Situation) -> str | None:
    is_any = at.observation is not None and at.observation.status.applied
    return None if is_any else "nothing is applied that could be rolled back"


def _changed(at: Situation) -> str | None:
    if at.row is None:
        return _row(at)
    is_changed = at.row.entry.has(FindingCode.EDITED) or at.row.entry.has(FindingCode.COSMETIC)
    return None if is_changed else f"the file of {at.row.name} has not changed since it was applied"


def _baseline(at: Situation) -> str | None:
    if at.row is None:
        return _row(at)
    if at.row.entry.migration is None:
        return f"{at.row.name} is not declared any more"
    is_any = (at.row.state is not State.DONE and not at.row.entry.is_repeatable) or to_baseline(at.row, at.observation)
    return None if is_any else f"everything up to {at.row.name} is applied already"


def _rounds(at: Situation) -> str | None:
    return None if pausable(at.row, at.observation) is not None else "only a migration with rounds can be paused"


def _run(at: Situation) -> str | None:
    return None if at.has_run else "there was no run yet"


def _file(at: Situation) -> str | None:
    if at.row is None:
        return _row(at)
    migration = at.row.entry.migration
    if migration is None:
        return f"{at.row.name} is not declared any more, so its file is not known"
    return f"{at.row.name} is defined in code" if migration.file is None else None


def _open(at: Situation) -> str | None:
    return None if at.is_anything_open else "nothing is open that could be closed; q quits"


def _waits(at: Situation) -> str | None:
    return None if is_anybody_waiting(at.observation) else "nobody waits for a lock of the run, nor the run for one"


_TESTS: dict[str, tuple[Test, ...]] = {
    "apply": (_rest,),
    "apply_here": (_rest, _unapplied),
    "apply_otherwise": (_rest,),
    "retry": (_failed, _rest),
    "retry_all": (_any_failed, _rest),
    "rollback": (_rest, _applied),
    "rollback_here": (_rest, _row, _applied),
    "resolve": (_rest, _row),
    "accept": (_changed, _rest),
    "baseline": (_baseline, _rest),
    "pause": (_rounds,),
    "cancel": (_work,),
    "terminate": (_work,),
    "end_run": (_work,),
    "next_amiss": (_amiss,),
    "log": (_run,),
    "waits": (_waits,),
    "detail": (_row,),
    "turn_to": (_row,),
    "copy": (_row,),
    "edit": (_file, lambda at: at.no_editor),
    "back": (_open,),
}
"""What has to be true for an action, by its name; the first reason against it is the one that is said."""


def why_not(action: str, at: Situation) -> str | None:
    """Return why an action can do nothing now; None where it can. Its name may be followed by parameters."""
    tests = _TESTS.get(action.partition("(")[0], ())
    return next((reason for test in tests if (reason := test(at)) is not None), None)
