"""Which keys the bar at the bottom offers, the most useful ones for what goes on first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zmig_tui.models.availability import Situation


@valueclass
class Offer:
    """A key with what it does."""

    key: str
    """As the keyboard has it."""
    shown: str
    """As it is written."""
    label: str
    action: str


_BLOCKED = "K w c C z l f"
_IN_A_RUN = "z c l v f w K C"
_FAILED = "r e y x n A 2 4 R"
_AT_REST = "a p n A t u b o x"
_BACK = "escape"
_OTHERWISE = "a p t R u U x o b A n slash e y v 1 2 3 4 enter l f s S N ctrl+r colon ctrl+p"
_LAST = ("question_mark", "q")
FILTERING = (Offer("enter", "enter", "Keep", ""), Offer("escape", "esc", "Clear", ""))
"""While a filter is typed, every other key is a letter of it."""


def _context(at: Situation) -> str:
    """Return the keys that fit what goes on, the most useful one first."""
    work = at.observation.work if at.observation is not None else None
    if at.is_anything_running:
        return _BLOCKED if work is not None and work.blockers else _IN_A_RUN
    return _FAILED if at.row is not None and at.row.is_troubled else _AT_REST


def offers(
    keys: Iterable[Offer], at: Situation, why_not: Callable[[str], str | None], *, is_paused: bool
) -> Sequence[Offer]:
    """Return the keys that have something to act on, the most useful one first; help and the way out are the last.

    `why_not` says of an action why it can do nothing; `is_paused` is about the migration that would be paused.
    """
    known = {offer.key: offer for offer in keys}
    ordered = dict.fromkeys((_BACK, *_context(at).split(), *_OTHERWISE.split(), *known))
    usable = (known[key] for key in ordered if key in known and key not in _LAST)
    shown = [offer for offer in usable if why_not(offer.action) is None]
    return [*(_named(offer, is_paused=is_paused) for offer in shown), *(known[key] for key in _LAST if key in known)]


def _named(offer: Offer, *, is_paused: bool) -> Offer:
    """Return a key with the word for what it would do now."""
    return replace(offer, label="Resume") if offer.action == "pause" and is_paused else offer
