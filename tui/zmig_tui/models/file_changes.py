"""Files of migrations that have changed while the console is open, by whatever program, and what to press then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.planning.state import FindingCode, State
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig_tui.models.rows import Row

_MOST_NAMES = 3


def changed_files(before: Sequence[Row], after: Sequence[Row]) -> list[Row]:
    """Return the rows whose migration's file is another one than before; new migrations are not among them."""
    known = {row.key: row for row in before}
    found: list[Row] = []
    for row in after:
        earlier = known.get(row.key)
        # A row is the same object as long as nothing about it has changed.
        if earlier is None or earlier is row or earlier.entry.migration is None or row.entry.migration is None:
            continue
        if earlier.entry.migration.checksum != row.entry.migration.checksum:
            found.append(row)
    return found


def sentence(changed: Sequence[Row], keys: Mapping[str, str]) -> str:
    """Return what has changed, and which key does something about it; `keys` has the key of each action."""
    if len(changed) > 1:
        names = listing.first([row.name for row in changed], _MOST_NAMES)
        return f"{len(changed)} files changed: {names}"
    row = changed[0]
    return f"file changed: {row.name}; {_way_on(row, keys)}"


def _way_on(row: Row, keys: Mapping[str, str]) -> str:
    if row.is_troubled:
        return f"press {keys['retry']} to retry it"
    if row.state is State.STARTED:
        return "what runs now is the file as it was"
    if row.entry.has(FindingCode.EDITED):
        return f"it is applied already: press {keys['accept']} if that is harmless, else restore it"
    if row.entry.has(FindingCode.COSMETIC):
        return f"the server sees no difference: press {keys['accept']} to say that it is right"
    if row.state is State.DONE and not row.entry.is_repeatable:
        return "it is again what was applied"
    return f"press {keys['apply']} to apply it"
