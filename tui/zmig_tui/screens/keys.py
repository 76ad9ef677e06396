"""The main screen's keys: each with a name under which it can be changed, and a sentence for the help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding

from zmig.presentation.spans import Line, Tone
from zmig_tui.models.offers import Offer
from zmig_tui.text import EMPTY, line, span

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNNING = [
    Binding("a", "apply", "Apply", tooltip="Apply everything that is pending, failed, stuck or due", id="run.apply"),
    Binding(
        "t",
        "apply_here",
        "To here",
        tooltip="Apply everything up to the migration under the cursor",
        id="run.to",
        show=False,
    ),
    Binding(
        "o",
        "apply_otherwise",
        "Option",
        tooltip="Run with an option: out of order, on top of what is there, in one transaction, with repeatables",
        id="run.option",
        show=False,
    ),
    Binding("p", "plan", "Plan", tooltip="Show what apply would do and lock, and why", id="run.plan"),
    Binding("r", "retry", "Retry", tooltip="Run the failed or stuck migration under the cursor again", id="run.retry"),
    Binding(
        "R", "retry_all", "Retry all", tooltip="Retry all failed and stuck migrations", id="run.retry-all", show=False
    ),
    Binding("u", "rollback", "Undo", tooltip="Roll back the last migration; repeatables stay", id="run.rollback"),
    Binding(
        "U",
        "rollback_here",
        "Undo to here",
        tooltip="Roll back all above the migration under the cursor; repeatables stay",
        id="run.rollback-to",
        show=False,
    ),
    Binding("x", "resolve", "Resolve", tooltip="Record that a migration is done, failed or pending", id="run.resolve"),
    Binding(
        "A",
        "accept",
        "Accept",
        tooltip="Record that the file of an applied migration was changed on purpose",
        id="run.accept",
        show=False,
    ),
    Binding(
        "b",
        "baseline",
        "Baseline",
        tooltip="Record everything up to the migration under the cursor as applied, without running it",
        id="run.baseline",
        show=False,
    ),
    Binding(
        "c", "cancel", "Cancel", tooltip="Cancel the running statement, here or in another process", id="run.cancel"
    ),
    Binding(
        "z",
        "pause",
        "Pause",
        tooltip="Let a migration with rounds wait after its current one, or go on",
        id="run.pause",
    ),
    Binding(
        "K",
        "terminate",
        "Kill blocker",
        tooltip="Terminate a backend that blocks the run",
        id="run.terminate",
        show=False,
    ),
    Binding(
        "C",
        "end_run",
        "End the run",
        tooltip="Terminate the backend that runs the migration, where cancelling does not help",
        id="run.end",
        show=False,
    ),
]
"""Keys that change something; what is destructive asks first."""

CHANGING = frozenset(binding.action for binding in RUNNING) - {"plan"}
"""What a console that only reads does not do."""

KEYS = {binding.action: binding.key for binding in RUNNING}
"""The key of each action that changes something."""

LOOKING = [
    Binding(
        "enter",
        "detail",
        "Detail",
        tooltip="Show everything about the migration under the cursor",
        id="look.detail",
        show=False,
    ),
    Binding(
        "1",
        "turn_to('overview')",
        "Overview",
        tooltip="State, error, what applying would do",
        id="look.overview",
        show=False,
    ),
    Binding("2", "turn_to('file')", "File", tooltip="The migration's SQL or Python", id="look.file", show=False),
    Binding(
        "3",
        "turn_to('rollback')",
        "Rollback file",
        tooltip="The SQL that would undo it",
        id="look.rollback",
        show=False,
    ),
    Binding(
        "4",
        "turn_to('events')",
        "Events",
        tooltip="Everything that was recorded about it",
        id="look.events",
        show=False,
    ),
    Binding(
        "w",
        "waits",
        "Who waits",
        tooltip="Who blocks the run, who waits for it, and keys that end them",
        id="look.waits",
        show=False,
    ),
    Binding(
        "e",
        "edit",
        "Edit",
        tooltip="Open the file in your editor, at the place of the failure or the one that is shown",
        id="look.edit",
        show=False,
    ),
    Binding(
        "y",
        "copy",
        "Copy",
        tooltip="Copy the selected text; else the error, a statement, the file, the name or a command",
        id="look.copy",
        show=False,
    ),
    Binding(
        "l",
        "log",
        "Log",
        tooltip="What the run has reported, live: to be searched, and saved to a file",
        id="look.log",
        show=False,
    ),
    Binding(
        "f",
        "follow",
        "Follow",
        tooltip="Keep the cursor on the running migration, or stop that",
        id="look.follow",
        show=False,
    ),
    Binding(
        "slash",
        "filter",
        "Filter",
        key_display="/",
        tooltip="Narrow by text; state:failed kind:sql has:edited took>5s -word",
        id="find.filter",
    ),
    Binding(
        "n",
        "next_amiss(1)",
        "Next ✗ ≠",
        tooltip="Go to the next migration that is failed or stuck, or that a finding is about",
        id="find.next",
    ),
    Binding(
        "N",
        "next_amiss(-1)",
        "Previous ✗ ≠",
        tooltip="Go to the previous migration that is failed or stuck, or that a finding is about",
        id="find.previous",
        show=False,
    ),
    Binding(
        "s",
        "sort",
        "Sort",
        tooltip="Sort by the next column: order, state, name, when, took",
        id="find.sort",
        show=False,
    ),
    Binding("S", "reverse", "Reverse", tooltip="Turn the order round", id="find.reverse", show=False),
    Binding(
        "ctrl+r",
        "refresh_now",
        "Refresh",
        tooltip="Look again now, and ask the repeatables' conditions",
        id="look.refresh",
        show=False,
    ),
    Binding("question_mark", "help", "Keys", key_display="?", tooltip="List every key", id="look.help"),
    Binding(
        "escape",
        "back",
        "Back",
        key_display="esc",
        tooltip="Close the detail, the run's panel or the filter",
        id="look.back",
        show=False,
    ),
    Binding(
        "v",
        "runs",
        "Runs",
        tooltip="List all runs: who, when, how each ended, and what it did when",
        id="look.runs",
        show=False,
    ),
    Binding(
        "colon",
        "databases",
        "Databases",
        key_display=":",
        tooltip="List all databases that the console is open on, and show another one",
        id="look.databases",
        show=False,
    ),
    Binding(
        "D",
        "detach",
        "Leave it running",
        tooltip="End the console, not the run; opened again, the console attaches to it",
        id="detach",
        show=False,
    ),
    Binding("q", "leave", "Quit", tooltip="Leave; asks if a run is under way", id="leave"),
]
"""Keys that change nothing in the database."""


def all_offers() -> list[Offer]:
    """Return every key of the main screen, for the bar at the bottom;"""
    bindings = (*RUNNING, *LOOKING)
    found = [
        Offer(one.key, one.key_display or one.key, one.description, one.action) for one in bindings if one.description
    ]
    more = Offer("ctrl+p", "ctrl+p", "Commands", "app.command_palette")
    return [*found, more]


MOVING = (
    ("↑ ↓ j k", "Move", "by one; page up and page down move by a screen, home and end to the edges"),
    ("tab", "Next part", "go on to the next part of the screen"),
    ("ctrl+p", "Commands", "find a command, a migration or a theme by its name"),
)
"""Keys that every part of the screen has."""
_KEY_CELLS = 10


def help_lines(bindings: Sequence[Binding]) -> list[Line]:
    """Return a line for each key."""
    lines = [
        _line(binding.key_display or binding.key, f"{binding.description}: {binding.tooltip}") for binding in bindings
    ]
    moving = [_line(key, f"{label}: {about}") for key, label, about in MOVING]
    return [*lines, EMPTY, *moving]


def _line(key: str, text: str) -> Line:
    return line(span(f" {key:<{_KEY_CELLS}}", Tone.ACCENT), text)
