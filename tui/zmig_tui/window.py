"""What is written to a terminal for its window: a title, a bell, a notification. Where one is not known, nothing shows.

The title that was there before is pushed on the terminal's stack, and popped at the end.
"""

from __future__ import annotations

from zmig.text.terminal import first_cells, visible

SAVE_TITLE = "\x1b[22;2t"
RESTORE_TITLE = "\x1b]2;\x1b\\\x1b[23;2t"
"""A terminal without such a stack is left without a title; shells set theirs anew."""
BELL = "\x07"
_LONGEST_CELLS = 120


def title(text: str) -> str:
    """Return what sets the title."""
    return f"\x1b]2;{_safe(text)}\x1b\\"


def notification(text: str) -> str:
    """Return what rings the bell, and has the desktop show a text."""
    return f"{BELL}\x1b]9;zmig: {_safe(text)}\x1b\\"


def _safe(text: str) -> str:
    return first_cells(visible(" ".join(text.split())), _LONGEST_CELLS)
