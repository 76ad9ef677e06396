"""The half of the main screen that watches: what was observed and heard is shown, as often as that costs little."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zmig_tui.models import blocking, remote_run, table
from zmig_tui.models.run import Run, advance
from zmig_tui.screens.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.errors import Problem
    from zmig.planning.state import State
    from zmig_tui.events import Observed

_PROCESSOR_SHARE = 0.03
"""How much of a core drawing what goes on may take; a table that moves with a quick run is dear."""
_LONGEST_SECONDS_BETWEEN_DRAWINGS = 1.5


class Watching(Finding):
    """Keeps what is known of runs, here and in other processes."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Mapping[State, int] = {}
        """How many migrations are in each state."""
        self.remote_run: Run | None = None
        """The run of another process, going on or over."""
        self.unreachable_since: float | None = None
        """When the database ceased to answer, on the screen's clock."""
        self._observed: Observed | None = None
        """What was observed last, if it is not taken in yet."""
        self._draws_again_at = 0.0

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        """Show what is wrong with the manifest."""
        raise NotImplementedError

    @property
    def shown_run(self) -> Run | None:
        """The run that the panel shows."""
        own = self.run
        if own is not None and not own.is_over:
            return own
        return (
            self.remote_run if self.remote_run is not None and not self.remote_run.is_over else own or self.remote_run
        )

    def _take_in(self, event: Observed) -> None:
        is_first = self.observation is None
        is_same = event.rows is self.all_rows
        self.observation, self.all_rows, self.widths = event.observation, event.rows, event.widths
        self.unreachable_since = None
        self.known_blockers = blocking.update_blockers(self.known_blockers, event.observation)
        self.show_problems(event.observation.manifest_problems)
        has_failed = self._watch_elsewhere(event) and self.follows
        if not is_same:
            self.counts = table.count_states(event.rows)
            self.put_rows()
        if is_first or has_failed:
            self.table.go_to(table.first_of_interest(self.table.rows))

    def _watch_elsewhere(self, event: Observed) -> bool:
        """Take in what is known of a run in another process; return whether it has failed just now."""
        if self.controller.is_running:
            self.remote_run = None
            return False
        before = self.remote_run
        going_on = remote_run.remote_run(event.observation, self.clock(), event.position, before)
        if going_on is None and before is not None and not before.is_over:
            going_on = remote_run.ended_run(before, event.observation, self.clock())
        self.remote_run = going_on if going_on is not None else before
        if before is None and going_on is not None:
            self.follows = True
        return going_on is not None and going_on is not before and going_on.has_failed

    @property
    def is_following(self) -> bool:
        """Whether the cursor moves with a run."""
        run = self.shown_run
        return self.follows and run is not None and not run.is_over

    def note(self, observed: Observed) -> None:
        """Keep what was observed until it is time to draw."""
        self._observed = observed
        self.tick()

    def _follow(self) -> None:
        run = self.shown_run
        if run is None or run.current is None or not self.is_following:
            return
        key = str(run.current.version)
        index = next((at for at, row in enumerate(self.table.rows) if row.key == key), None)
        if index is not None:
            self.table.go_to(index)

    def tick(self) -> None:
        """Show what goes on, as often as that costs little."""
        if time.monotonic() < self._draws_again_at:
            return
        began = time.thread_time()
        if self.catch_up():
            self.call_after_refresh(self._note_cost, began)

    def _note_cost(self, began: float) -> None:
        """Put the next drawing off for as long as this one asks for; its cost is known once it is on the screen."""
        pause = min((time.thread_time() - began) / _PROCESSOR_SHARE, _LONGEST_SECONDS_BETWEEN_DRAWINGS)
        self._draws_again_at = time.monotonic() + pause

    def catch_up(self) -> bool:
        """Take in what was observed and heard; return whether that, or the time that goes on, changes the screen."""
        observed, self._observed = self._observed, None
        if observed is not None:
            self._take_in(observed)
        heard = self.controller.take_progress()
        for progress, moment in heard:
            if self.run is not None and not self.run.is_over:
                self.run = advance(self.run, progress, moment)
        run = self.shown_run
        is_changing = (run is not None and not run.is_over) or self.unreachable_since is not None
        if not (observed or heard or is_changing):
            return False
        self._follow()
        self.redraw()
        return True

    def action_follow(self) -> None:
        """Keep the cursor on the running migration, or stop that."""
        self.follows = not self.follows
        self.say("the cursor follows the run" if self.follows else "the cursor stays where it is")
        self._follow()
