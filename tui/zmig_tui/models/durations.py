"""How long migrations took before, here or in other databases, as what to expect of one that runs now. Pure.

What counts is the same file under the same name: a migration that was edited since may take any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.planning.state import Entry

_SHORTEST_SECONDS = 2.0
"""What took less is over before anybody has read what to expect."""

HERE = "here before"


@valueclass
class EarlierDuration:
    """How long the same migration took once."""

    seconds: float
    where: str
    """After the words `took 4 min`."""


class Durations:
    """What is known from one or several sources, by name and checksum."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Sequence[Entry], dict[tuple[str, str], float]]] = {}
        """Of each source the entries that were read last, and what they say."""

    def take(self, source: str, entries: Sequence[Entry]) -> None:
        """Take over what the entries of a source say, unless they are those that were read last."""
        known = self._known.get(source)
        if known is None or known[0] is not entries:
            self._known[source] = entries, dict(_durations(entries))

    def earlier(self, name: str, checksum: str | None) -> EarlierDuration | None:
        """Return how long a migration took: here, else where it took longest; None where that is not known."""
        if checksum is None:
            return None
        found = [
            EarlierDuration(seconds, source)
            for source, (_, durations) in self._known.items()
            if (seconds := durations.get((name, checksum))) is not None
        ]
        if not found:
            return None
        best = max(found, key=lambda one: (one.where == HERE, one.seconds))
        return best if best.seconds >= _SHORTEST_SECONDS else None


def _durations(entries: Iterable[Entry]) -> Iterable[tuple[tuple[str, str], float]]:
    for entry in entries:
        done = entry.record.completed if entry.record is not None else None
        if done is None:
            continue
        checksum, milliseconds = done.text("checksum"), done.integer("duration_ms")
        # What went on where an attempt before had ended took only a part of the time.
        is_part = "rows" in done.data and (done.integer("attempt") or 1) > 1
        if checksum is not None and milliseconds is not None and not is_part:
            yield (done.name, checksum), milliseconds / 1000
