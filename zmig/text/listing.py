"""Names in a sentence: the first few, and how many more there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def first(names: Sequence[str], most: int, *, count: int | None = None) -> str:
    """Return at most so many names; `count` is how many there are, where not all of them are given."""
    shown = names[:most]
    left = (len(names) if count is None else count) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")


def quoted(names: Sequence[str], most: int) -> str:
    """Return the same as messages write names, each in backquotes."""
    return first([f"`{name}`" for name in names], most)
