"""The pages about one migration, as lines: its state, its files, its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Tone
from zmig_tui.models.details import Tab
from zmig_tui.pages import code, events, failure_mark, overview, plan_text
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.presentation.hints import HintStyle
    from zmig_tui.models.details import Detail, RunningStatement


def page_lines(detail: Detail, tab: Tab, hints: HintStyle, running: RunningStatement | None = None) -> Sequence[Line]:
    """Return one page; `running` is marked in its file."""
    match tab:
        case Tab.OVERVIEW:
            return list(overview.overview_lines(detail, hints))
        case Tab.FILE | Tab.ROLLBACK:
            return _file_lines(detail, tab, _mark(detail, tab, running), hints)
        case Tab.EVENTS:
            return list(events.event_lines(detail, hints))


def marked_line(detail: Detail, tab: Tab, running: RunningStatement | None = None) -> int | None:
    """Return the 0-based line of a page that should be seen first, if any is marked."""
    mark = _mark(detail, tab, running)
    return mark.line - 1 if mark is not None else None


def _mark(detail: Detail, tab: Tab, running: RunningStatement | None) -> code.Mark | None:
    if running is not None and running.tab is tab:
        return code.Mark(running.line, tone=Tone.BUSY)
    return failure_mark.failure_mark(detail) if tab is Tab.FILE else None


def _file_lines(detail: Detail, tab: Tab, mark: code.Mark | None, hints: HintStyle) -> Sequence[Line]:
    """Return the page of a migration's file, or of its rollback's."""
    migration, file = detail.entry.migration, detail.file
    if tab is Tab.ROLLBACK:
        if migration is None or not migration.is_reversible:
            return [line(span("no rollback is declared", Tone.QUIET))]
        if migration.rollback_file is None and not migration.has_code_rollback:
            return [line(span("there is nothing to undo: its entry says `empty: true`", Tone.QUIET))]
        if migration.rollback_file is None:
            return [line(span("`rollback(ctx)` is in the file itself: press 2", Tone.QUIET))]
        file = detail.rollback
    if migration is None:
        return [line(span("no longer declared, so its file is not known", Tone.QUIET))]
    if file is None:
        return [line(span("defined in code, so there is no file", Tone.QUIET))]
    if file.is_outside:
        return [line(span("a link leads to this file, out of the project: what is in it is not shown", Tone.QUIET))]
    if file.text is None:
        return plan_text.problem_lines(file.problems, hints)
    lines = code.code_lines(file.text, migration.language, mark)
    return [*lines, line(span("the file is large: only its beginning is shown", Tone.WARN))] if file.is_cut else lines
