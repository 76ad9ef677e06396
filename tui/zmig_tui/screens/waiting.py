"""The dialog that stands at once where an answer takes its time: keys meant for what was on the screen end in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from zmig_tui.screens.dialog import Dialog
from zmig_tui.text import Tone, line, span

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiting(Dialog[None]):
    """Says what is waited for, until the dialog with the answer takes its place."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Never mind", key_display="esc", id="dialog.leave"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title, [line(span(text, Tone.QUIET))])
        self._follow: Callable[[], object] | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the answer is there, and waits for another dialog to be closed."""
        return self._follow is not None

    def give_way(self, follow: Callable[[], object]) -> None:
        """Close, and show what was waited for with `follow`; where another dialog is on top, only after that one."""
        self._follow = follow
        # `is_current` is true of one that is seen behind another, too.
        if self.app.screen is self:  # pyright: ignore[reportUnknownMemberType] - a bare App
            self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """Show what came in while another dialog was on top."""
        follow, self._follow = self._follow, None
        if follow is not None:
            self.dismiss(None)
            follow()

    def action_leave(self) -> None:
        """Wait no longer."""
        self.dismiss(None)
