"""The marks that git leaves in a file whose two versions it could not merge. Pure."""

from __future__ import annotations

BEGIN, _MIDDLE, _END = "<<<<<<<", "=======", ">>>>>>>"

HINT = "keep what belongs there of both sides, and remove the three lines of marks"


def find(text: str) -> int | None:
    """Return where the first conflict of a text begins (0-based), None where there is none.

    A conflict is three lines that begin with seven `<`, `=` and `>`, in this order.
    https://git-scm.com/docs/git-merge#_how_conflicts_are_presented
    """
    begin = _line_of(text, BEGIN, 0)
    middle = None if begin is None else _line_of(text, _MIDDLE, begin)
    return begin if middle is not None and _line_of(text, _END, middle) is not None else None


def _line_of(text: str, mark: str, start: int) -> int | None:
    """Return where a line begins with a mark of seven characters and no more, at or after `start`."""
    while (place := text.find(mark, start)) >= 0:
        is_first = place == 0 or text[place - 1] in "\r\n"
        if is_first and text[place + len(mark) : place + len(mark) + 1] in ("", " ", "\r", "\n"):
            return place
        start = place + 1
    return None
