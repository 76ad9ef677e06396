"""The pages about one migration, with their tabs on top; several at once where there is room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Horizontal, Vertical

from zmig.presentation.spans import Tone
from zmig_tui.models.details import Detail, RunningStatement, Tab
from zmig_tui.pages import detail_pages
from zmig_tui.text import line, span
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.lines import Lines
from zmig_tui.widgets.splitter import Splitter
from zmig_tui.widgets.tab_bar import TabBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Click, Resize

    from zmig_tui.models.key_hints import KeyHints
    from zmig_tui.models.rows import Row


_ROWS_FOR_TWO = 45
"""From this height on the file is under the overview."""
_CELLS_FOR_TWO = 104
"""From this width on the events are beside both."""


class PageBelow(Vertical):
    """Another page about the same migration, with its name above, where there is room for it."""

    def __init__(self, tab: Tab, *, id: str) -> None:
        super().__init__(id=id)
        self.tab = tab

    def compose(self) -> ComposeResult:
        """Put the name above the page."""
        yield Banner(classes="page-head")
        yield Lines(classes="page-text")

    def on_mount(self) -> None:
        """Name the page."""
        number = [*Tab].index(self.tab) + 1
        self.query_one(Banner).show([line(span(f" {number} {self.tab.value}", Tone.QUIET))])

    @property
    def page(self) -> Lines:
        """The text that is shown."""
        return self.query_one(Lines)

    def on_click(self, event: Click) -> None:
        """Turn to the page where its name is clicked on."""
        if event.widget is self.query_one(Banner):
            self.post_message(TabBar.Clicked(self.tab))


class DetailPane(Splitter):
    """Shows one page about one migration, and where there is room the file and the events besides its overview."""

    WRAPPED: ClassVar = {Tab.OVERVIEW, Tab.EVENTS}

    def __init__(self, hints: KeyHints, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hints = hints
        self.tab = Tab.OVERVIEW
        """The page that is shown."""
        self._detail: Detail | None = None
        self._row: Row | None = None
        self._is_at_once = True
        self._running_statement: RunningStatement | None = None
        self._is_turned_by_hand: bool | None = None
        """Whether somebody asked for the page that is shown, or a run did; None where it is the first one."""

    def compose(self) -> ComposeResult:
        """Put the tabs above the page."""
        yield TabBar(id="tabs")
        with Horizontal(id="pages"):
            with Vertical(id="page-column"):
                yield Lines(id="page")
                yield PageBelow(Tab.FILE, id="page-under")
            yield PageBelow(Tab.EVENTS, id="page-beside")

    def on_mount(self) -> None:
        """Show the tabs."""
        self._show_tabs()

    def on_resize(self, event: Resize) -> None:
        """Show as many pages as there is room for."""
        self.set_class(event.size.height >= _ROWS_FOR_TWO, "-tall")
        self.set_class(event.size.height >= _ROWS_FOR_TWO and event.size.width >= _CELLS_FOR_TWO, "-broad")
        self._show_others(is_first=True)

    @property
    def page(self) -> Lines:
        """The text that is shown."""
        return self.query_one("#page", Lines)

    def expect(self, row: Row | None, *, at_once: bool) -> bool:
        """Prepare for a migration's pages; return whether they are urgent.

        Unless another one's are wanted `at_once`, those that are shown stay until there are others.
        """
        before, self._row = self._row, row
        self._is_at_once = at_once
        if at_once and self._is_turned_by_hand is False and not (row and before and row.key == before.key):
            self._is_turned_by_hand = None
            self._turn_to(Tab.OVERVIEW)
        if row is not None and before is not None and row.key == before.key:
            return self._detail is None or row.state is not before.state
        if at_once or row is None or self._detail is None:
            self._detail = None
            for page in self.query(Lines):
                page.show([line(span("…", Tone.QUIET))] if row is not None else [])
                page.scroll_to(0, 0, animate=False)
        return self._detail is None

    def show(self, detail: Detail) -> None:
        """Show what was gathered, if it is still about the migration that is expected."""
        if self._row is None or (self._is_at_once and detail.entry.name != self._row.entry.name):
            return
        is_first = self._detail is None or detail.entry.name != self._detail.entry.name
        self._detail = detail
        self._show_page(is_first=is_first)

    def point_at(self, running: RunningStatement | None) -> None:
        """Mark the statement that runs now, and keep it in sight."""
        if running != self._running_statement:
            self._running_statement = running
            if running is not None:
                self.suggest(running.tab)
            self._show_page(is_first=running is not None and running.tab in (self.tab, Tab.FILE))

    def suggest(self, tab: Tab) -> None:
        """Show a page that says more of a run, unless somebody asked for another, or there is room for both."""
        if self._is_turned_by_hand is not True and not self.has_class("-tall"):
            self._is_turned_by_hand = False
            self._turn_to(tab)

    def turn_to(self, tab: Tab) -> None:
        """Show another page, as somebody asked for; from then on none comes by itself."""
        self._is_turned_by_hand = True
        self._turn_to(tab)

    def _turn_to(self, tab: Tab) -> None:
        if tab is self.tab:
            return
        self.tab = tab
        self._show_tabs()
        self._show_page(is_first=True)

    @property
    def detail(self) -> Detail | None:
        """What was gathered about the migration under the cursor, as soon as it is there."""
        if self._detail is None or self._row is None or self._detail.entry.name != self._row.entry.name:
            return None
        return self._detail

    @property
    def place(self) -> tuple[Tab, int | None]:
        """Which file is looked at, and the line of it, 1-based: the one that is marked, else the first that is seen."""
        tab = Tab.ROLLBACK if self.tab is Tab.ROLLBACK else Tab.FILE
        top = round(self.page.scroll_offset.y)
        if self.detail is None:
            return tab, None
        marked = detail_pages.marked_line(self.detail, tab, self._running_statement)
        if marked is not None:
            return tab, marked + 1
        return tab, top + 1 if tab is self.tab and top else None

    def _show_page(self, *, is_first: bool) -> None:
        if self._detail is None:
            return
        self._fill(self.page, self._detail, self.tab, is_first=is_first)
        self._show_others(is_first=is_first)

    def _show_others(self, *, is_first: bool) -> None:
        """Show what there is room for besides the overview; each of the other pages takes all of it."""
        for other, needed in ((self.query_one("#page-under", PageBelow), "-tall"), (self._beside, "-broad")):
            other.display = self.tab is Tab.OVERVIEW and self.has_class(needed)
            if other.display and self._detail is not None:
                self._fill(other.page, self._detail, other.tab, is_first=is_first)

    @property
    def _beside(self) -> PageBelow:
        return self.query_one("#page-beside", PageBelow)

    def _fill(self, page: Lines, detail: Detail, tab: Tab, *, is_first: bool) -> None:
        hints = self._hints.beside(self._row)
        page.show(detail_pages.page_lines(detail, tab, hints, self._running_statement), wrap=tab in self.WRAPPED)
        if is_first:
            marked = detail_pages.marked_line(detail, tab, self._running_statement)
            if marked is not None:
                page.reveal(marked)
            else:
                page.scroll_to(0, 0, animate=False)

    def _show_tabs(self) -> None:
        self.query_one(TabBar).mark(self.tab)
