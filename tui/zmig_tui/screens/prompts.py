"""What comes up over the main screen: notifications, and dialogs with what follows from their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Tone
from zmig_tui.pages import heading
from zmig_tui.screens.decision_dialogs import ReasonDialog, Resolution, ResolveDialog
from zmig_tui.screens.dialogs import (
    ConfirmDialog,
    PickDialog,
    QuitChoice,
    QuitDialog,
    TextDialog,
    WaitDialog,
)
from zmig_tui.screens.finder import FinderDialog
from zmig_tui.screens.runs import RunsScreen
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import App
    from textual.screen import Screen

    from zmig_tui.controller import Controller
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.finder import Choice, Group
    from zmig_tui.screens.dialogs import Dialog


class Prompts:
    """Opens dialogs. Each takes what is to be done with its answer; leaving a dialog does nothing."""

    def __init__(self, app: App[int], model: ConsoleModel, *, reading_seconds: float) -> None:
        """`reading_seconds` is how long a question is on the screen before a key may agree to it."""
        self._app = app
        self._model = model
        self.reading_seconds = reading_seconds
        """How long a question is on the screen before a key may agree to it."""
        self._waiting: WaitDialog | None = None
        self._question: object = None
        """What the dialog that waits waits for."""

    def show_runs(self, controller: Controller, go_to: Callable[[str], None]) -> None:
        """Show all runs; `go_to` gets the key of a migration that is chosen there."""
        screen = RunsScreen(controller, self._model)
        self._app.push_screen(screen, lambda key: go_to(key) if key is not None else None)

    def notify(self, text: str, *, is_warning: bool = False) -> None:
        """Show a sentence for some seconds."""
        self._app.notify(text, severity="warning" if is_warning else "information", markup=False)

    def read(self, title: str, lines: Sequence[Line], *, tone: Tone = Tone.ACCENT) -> None:
        """Show a text until it is closed."""
        self._app.push_screen(TextDialog(title, lines, tone=tone))

    def open(self, screen: Screen[None]) -> None:
        """Show another screen until it is left."""
        self._app.push_screen(screen)

    def ask(self, dialog: Dialog[str | None], answered: Callable[[str], None]) -> None:
        """Ask for a text; `answered` gets it."""
        self._app.push_screen(dialog, lambda answer: answered(answer) if answer is not None else None)

    def confirm(self, title: str, lines: Sequence[Line], agreed: Callable[[], None], *, is_destructive: bool) -> None:
        """Ask; in production enter does not agree, and what is destructive asks for the database's name."""
        observation, is_production = self._model.observation, self._model.is_production
        status = observation.status if observation is not None else None
        where = None
        if status is not None:
            where = line(heading.environment_badge(status.environment), " ", span(status.database, Tone.STRONG))
        dialog = ConfirmDialog(
            title,
            lines,
            must_type=status.database if status is not None and is_production and is_destructive else None,
            must_press_y=is_production,
            reading_seconds=self.reading_seconds,
            tone=Tone.BAD if is_destructive else Tone.ACCENT,
            where=where,
        )
        self._app.push_screen(dialog, lambda is_agreed: agreed() if is_agreed else None)

    def pick(self, title: str, question: str, choices: Sequence[str], picked: Callable[[int], None]) -> None:
        """Ask for one of several; `picked` gets its index."""
        dialog = PickDialog(title, question, choices)
        self._app.push_screen(dialog, lambda index: picked(index) if index is not None else None)

    def resolve(self, name: str, facts: list[Line], decided: Callable[[Resolution], None]) -> None:
        """Ask what a migration is to be recorded as."""
        dialog = ResolveDialog(name, facts)
        self._app.push_screen(dialog, lambda resolution: decided(resolution) if resolution is not None else None)

    def find(self, title: str, groups: Sequence[Group], *, placeholder: str) -> None:
        """Have something found by its name, and do it."""

        async def do(choice: Choice | None) -> None:
            if choice is not None and choice.run is not None:
                await choice.run()

        if not any(isinstance(screen, FinderDialog) for screen in self._app.screen_stack):
            self._app.push_screen(FinderDialog(title, groups, placeholder=placeholder), do)

    def ask_reason(self, title: str, facts: list[Line], decided: Callable[[str], None]) -> None:
        """Ask for the reason of a decision."""
        self._app.push_screen(
            ReasonDialog(title, facts), lambda reason: decided(reason) if reason is not None else None
        )

    def ask_to_quit(self, verb: str, chosen: Callable[[QuitChoice], None], *, can_outlive: bool) -> None:
        """Ask, once, what is to become of the run `verb` when the console is left."""
        if not any(isinstance(screen, QuitDialog) for screen in self._app.screen_stack):
            dialog = QuitDialog(verb, can_outlive=can_outlive)
            self._app.push_screen(dialog, lambda choice: chosen(choice) if choice is not None else None)

    def show_end(self, outcome: str) -> None:
        """Have a dialog that asks what is to become of the run say that it has ended."""
        for screen in self._app.screen_stack:
            if isinstance(screen, QuitDialog):
                screen.show_end(outcome)

    def wait_for(self, question: object, title: str, text: str) -> None:
        """Open a dialog at once, which waits for the answer to `question`: keys meant for the screen end in it."""
        waiting = self._waiting = WaitDialog(title, text)
        self._question = question

        def forget(_: None) -> None:
            if self._waiting is waiting:
                self._waiting = self._question = None

        self._app.push_screen(waiting, forget)

    def answer(self, question: object, follow: Callable[[], None]) -> None:
        """Show with `follow` the answer to a question, unless nobody waits for it any more."""
        if self._waiting is not None and self._question is question:
            self._waiting.finish(follow)
