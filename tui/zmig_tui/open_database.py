"""One of the databases that the console is opened on: its threads, what is known of it, and its screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.events import EventReceived, ObservationFailed, Observed, RunAttached, RunEnded
from zmig_tui.models.notice import EndingWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig_tui.controller import Controller
    from zmig_tui.events import ConsoleEvent
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.screens.main import MainScreen

_SECONDS_WHERE_HIDDEN = 15.0
"""Between two observations of a database that nobody looks at."""
_SECONDS_WHERE_LISTED = 2.0


class OpenDatabase:
    """A database of the console. What its threads send goes to its screen; one that was never shown has none."""

    def __init__(self, controller: Controller, model: ConsoleModel) -> None:
        self.controller = controller
        self.model = model
        self.screen: MainScreen | None = None
        self.endings = EndingWatch(model)

    def receive(self, event: ConsoleEvent) -> None:
        """Take what a thread has sent, in the screen's thread."""
        if self.screen is not None:
            self.screen.post_message(EventReceived(event))
            return
        model = self.model
        match event:
            case Observed():
                model.runs.advance(self.controller.take_progress())
                is_running = self.controller.is_running
                model.observe(
                    event.observation,
                    event.rows,
                    event.widths,
                    event.position,
                    is_running=is_running,
                    refusals=event.refusals,
                    seen=event.seen,
                )
            case ObservationFailed():
                model.note_failure(event.problems, is_unreachable=event.is_unreachable)
            case RunAttached():
                model.runs.attach(event.title, event.steps, event.began)
                self.controller.listen_to_found_run()
            case RunEnded():
                model.runs.advance(self.controller.take_progress())
                model.runs.end(event.outcome, event.problems, event.at)
            case _:  # the answer to a question, which only a screen asks
                pass

    def show(self, make: Callable[[], MainScreen]) -> MainScreen:
        """Return the screen; what it shows is observed as often as somebody can see it."""
        if self.screen is None:
            self.screen = make()
        self.controller.observe_every(0.0)
        return self.screen

    def hide(self, *, is_listed: bool = False) -> None:
        """Observe the database seldom."""
        self.controller.observe_every(_SECONDS_WHERE_LISTED if is_listed else _SECONDS_WHERE_HIDDEN)
