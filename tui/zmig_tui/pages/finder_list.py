"""The list of what can be chosen by its name: a line for each, under the headings of their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig.valueclass import valueclass
from zmig_tui.text import EMPTY, fitted, line, padded, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig_tui.models.finder import Choice, Found

_LEAST_KEY_CELLS = 3
_MOST_KEY_CELLS = 12
_MOST_LABEL_CELLS = 40
_LEAST_ABOUT_CELLS = 24


@valueclass
class FinderList:
    """The lines, and which choice each is."""

    lines: Sequence[Line]
    choices: Sequence[Choice | None]
    """None for a heading, and for the blank line above it."""


def finder_list(found: Found, cells: int) -> FinderList:
    """Return the list in `cells`."""
    everything = [choice for group in found.groups for choice in group.choices]
    if not everything:
        return FinderList([line(span("nothing fits", Tone.QUIET))], [None])
    key_cells = _widest((choice.key for choice in everything), _LEAST_KEY_CELLS, _MOST_KEY_CELLS)
    most = max(min(_MOST_LABEL_CELLS, cells - key_cells - _LEAST_ABOUT_CELLS), _LEAST_KEY_CELLS)
    label_cells = _widest((choice.label for choice in everything), _LEAST_KEY_CELLS, most)
    lines: list[Line] = []
    choices: list[Choice | None] = []
    for group in found.groups:
        if group.title:
            lines += [EMPTY, line(span(group.title, Tone.ACCENT))] if lines else [line(span(group.title, Tone.ACCENT))]
            choices += [None] * (len(lines) - len(choices))
        for choice in group.choices:
            lines.append(fitted(_line(choice, key_cells, label_cells), cells))
            choices.append(choice)
    if found.left_out:
        lines.append(line(span(f"and {found.left_out:,} more: type to narrow", Tone.QUIET)))
        choices.append(None)
    return FinderList(lines, choices)


def _line(choice: Choice, key_cells: int, label_cells: int) -> Line:
    is_pale = choice.why_not is not None
    key = padded(span(choice.key).text, key_cells)
    label = padded(span(choice.label).text, label_cells)
    about = span(choice.about if choice.why_not is None else f"not now: {choice.why_not}", Tone.QUIET)
    return (
        Span(f" {key} ", Tone.QUIET if is_pale else Tone.ACCENT),
        Span(f"{label}  ", Tone.QUIET if is_pale else Tone.PLAIN),
        about,
    )


def _widest(texts: Iterator[str], least: int, most: int) -> int:
    return min(max((display_width(text) for text in texts), default=least), most) if least <= most else most
