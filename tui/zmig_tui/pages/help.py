"""The list of keys, made of the bindings themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Tone
from zmig_tui.text import EMPTY, line, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import Binding

_MOVING = (
    ("↑ ↓ j k", "Move by one; page up and page down move by a screen, home and end to the edges"),
    ("tab", "Go on to the next part of the screen"),
    ("ctrl+p", "Find a command by its name; themes are there too"),
)
_KEY_CELLS = 10


def help_lines(bindings: Sequence[Binding]) -> list[Line]:
    """Return a line for each key."""
    lines = [
        _line(binding.key_display or binding.key, f"{binding.description}: {binding.tooltip}") for binding in bindings
    ]
    moving = [_line(key, text) for key, text in _MOVING]
    return [*lines, EMPTY, *moving]


def _line(key: str, text: str) -> Line:
    return line(span(f" {key:<{_KEY_CELLS}}", Tone.ACCENT), text)
