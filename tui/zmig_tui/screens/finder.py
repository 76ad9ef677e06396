"""Finds a command, a migration or a theme by its name, and does or shows it: the command palette, and the help."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from zmig_tui.models.finder import narrowed
from zmig_tui.pages.finder_list import finder_list
from zmig_tui.screens.dialogs import Dialog
from zmig_tui.widgets.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.events import Click

    from zmig_tui.models.finder import Choice, Group
    from zmig_tui.pages.finder_list import FinderList

_ROWS_AROUND_LIST = 7
"""The box, the title, the field, blank rows and the keys."""


class ChoiceList(Choices):
    """A list with headings, over which the cursor passes. A click chooses."""

    can_focus = False
    _choices: Sequence[Choice | None] = ()

    def fill(self, made: FinderList) -> None:
        """Show a list, with the cursor on its first choice."""
        self._choices = made.choices
        self.show(made.lines)
        self.index = next((at for at, choice in enumerate(made.choices) if choice is not None), 0)
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    @property
    def choice(self) -> Choice | None:
        """The choice under the cursor."""
        return self._choices[self.index] if self.index < len(self._choices) else None

    def action_move(self, by: int) -> None:
        """Move the cursor by some choices; not beyond the ends."""
        places = [at for at, choice in enumerate(self._choices) if choice is not None]
        if not places:
            return
        at = places.index(self.index) if self.index in places else 0
        self.action_go_to(places[max(0, min(at + by, len(places) - 1))])
        if self.index == places[0]:
            self.scroll_to(0, 0, animate=False)

    def on_click(self, event: Click) -> None:
        """Choose what is under the mouse."""
        index = event.y + self.scroll_offset.y
        if index < len(self._choices) and self._choices[index] is not None:
            self.action_go_to(index)
            self.action_choose()


class FinderDialog(Dialog["Choice | None"]):
    """Shows groups of choices, narrowed by what is typed; is dismissed with the choice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Do it", key_display="enter", id="finder.choose"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("escape", "leave", "Close", key_display="esc", id="dialog.close"),
    ]

    def __init__(self, title: str, groups: Sequence[Group], *, placeholder: str = "type to narrow") -> None:
        super().__init__(title, ())
        self._groups = groups
        self._placeholder = placeholder

    def compose_more(self) -> ComposeResult:
        """Put the field above the list."""
        yield Input(id="finder-text", placeholder=self._placeholder)
        yield ChoiceList(id="finder-list")

    def begin(self) -> None:
        """Show everything."""
        self.text.display = False
        self.add_class("-finder")
        self.query_one(Input).focus()
        self.call_after_refresh(self._fill)

    @property
    def list(self) -> ChoiceList:
        """The list."""
        return self.query_one(ChoiceList)

    def on_resize(self) -> None:
        """Lay the list out for the new size."""
        self.list.styles.height = max(self.size.height - _ROWS_AROUND_LIST, 1)
        self.call_after_refresh(self._fill)

    @on(Input.Changed)
    def _fill(self) -> None:
        found = narrowed(self._groups, self.query_one(Input).value)
        cells = self.list.scrollable_content_region.width
        self.list.fill(finder_list(found, max(cells, 1)))

    @on(Input.Submitted)
    @on(Choices.Chosen)
    def action_choose(self) -> None:
        """Do what is under the cursor, or say why that cannot be done."""
        choice = self.list.choice
        if choice is None:
            return
        if choice.run is None:
            self.notify(f"{choice.key}: {choice.about}", markup=False)
        else:
            self.dismiss(choice)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.list.action_move(by)

    def action_page(self, direction: int) -> None:
        """Move the cursor by a screen."""
        self.list.action_move(direction * max(self.list.size.height - 1, 1))

    def action_leave(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
