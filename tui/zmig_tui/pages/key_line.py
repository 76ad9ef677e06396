"""The line of keys at the bottom: as many as there is room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Line, Span, Tone
from zmig.text.terminal import display_width
from zmig.valueclass import valueclass
from zmig_tui.text import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig_tui.models.offers import Offer

_GAP = 2


@valueclass
class KeyLine:
    """Keys in a line, with the columns that each takes."""

    line: Line = ()
    places: tuple[tuple[range, Offer], ...] = ()

    def at(self, column: int) -> Offer | None:
        """Return the key at a column."""
        return next((offer for columns, offer in self.places if column in columns), None)


def key_line(offers: Sequence[Offer], cells: int, *, kept: int = 2) -> KeyLine:
    """Return keys in `cells`; the last `kept` ones stay however little room there is."""
    first, last = offers[: len(offers) - kept], offers[len(offers) - kept :]
    # Nothing follows the last one.
    room = cells - 1 + _GAP - sum(_cells(offer) for offer in last)
    chosen: list[Offer] = []
    for offer in first:
        if _cells(offer) > room:
            # One that is too long must not leave less useful ones in its place.
            break
        chosen.append(offer)
        room -= _cells(offer)
    spans: list[Span] = [Span(" ")]
    places: list[tuple[range, Offer]] = []
    column = 1
    for offer in (*chosen, *last):
        spans += [span(offer.shown, Tone.ACCENT), span(f" {offer.label}", Tone.PLAIN), Span(" " * _GAP)]
        places.append((range(column, column + _cells(offer) - _GAP), offer))
        column += _cells(offer)
    return KeyLine(tuple(spans[:-1]), tuple(places))


def _cells(offer: Offer) -> int:
    return display_width(f"{offer.shown} {offer.label}") + _GAP
