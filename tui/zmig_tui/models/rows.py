"""The table's rows: made of entries, and sorted. Pure, and quick on ten thousand of them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.planning.state import NO_WARNINGS, FindingCode, State
from zmig.presentation import words
from zmig.text.terminal import visible
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.planning.plan import Refusal
    from zmig.planning.state import Entry
    from zmig.presentation.spans import Tone

TROUBLED = (State.FAILED, State.STUCK)
_DECIDED = NO_WARNINGS | {FindingCode.PAUSED, FindingCode.REPLACED}
"""Findings that nobody has to go to: they are no warnings, or somebody's decision."""


@valueclass
class Row:
    """One migration as the table shows it; every text is safe for a terminal."""

    key: str
    """What stays the same while its state changes."""
    _: KW_ONLY
    entry: Entry
    state: State
    version: int | None
    name: str
    kind: str
    when: str
    took: str
    by: str
    findings: str
    has_warning: bool
    """Whether a finding is more than that a repeatable is due."""
    haystack: str
    """Everything a filter searches, in lower case."""
    is_refusing: bool = False
    """Whether nothing may be applied on its account."""
    is_amiss: bool = False
    """Whether somebody has to look at it: it is failed or stuck, forbids an apply, or has a finding that says so."""

    @property
    def is_troubled(self) -> bool:
        """Whether it is failed or stuck."""
        return self.state in TROUBLED

    @property
    def glyph(self) -> str:
        """Its state as one character."""
        return words.GLYPHS[self.state]

    @property
    def tone(self) -> Tone:
        """The tone of its state."""
        return words.TONES[self.state]


def row_key(version: int | None, name: str) -> str:
    """Return what stays the same of a migration while its state changes."""
    return str(version) if version is not None else name


def refusing_keys(refusals: Iterable[Refusal]) -> frozenset[str]:
    """Return the keys of the rows on whose account nothing may be applied."""
    return frozenset(row_key(refusal.version, refusal.name) for refusal in refusals)


def make_row(entry: Entry, *, is_refusing: bool = False) -> Row:
    """Return the row of an entry."""
    record = entry.record
    applied = record.applied if record is not None else None
    last = record.last if record is not None else None
    decisive = applied or last
    since = decisive if entry.state is State.DONE else last
    took = record.duration_ms if record is not None else None
    kind = entry.migration.kind.value if entry.migration is not None else ""
    findings = " ".join(finding.code.label for finding in entry.findings)
    name, state = visible(entry.name).replace("\n", "⏎").replace("\t", " "), words.state(entry.state)
    return Row(
        key=row_key(entry.version, entry.name),
        entry=entry,
        state=entry.state,
        version=entry.version,
        name=name,
        kind=kind,
        when=words.day_and_minute(since.created_at) if since is not None else "",
        took=words.duration(took / 1000) if took is not None else "",
        by=visible(decisive.database_user or "") if decisive is not None else "",
        findings=findings,
        has_warning=any(finding.code not in NO_WARNINGS for finding in entry.findings),
        haystack=" ".join(map(str, (entry.version or "", name, state, kind, findings, *_searched(entry)))).lower(),
        is_refusing=is_refusing,
        is_amiss=is_refusing
        or entry.state in TROUBLED
        or any(finding.code not in _DECIDED for finding in entry.findings),
    )


def _searched(entry: Entry) -> Iterator[str]:
    """Yield what a filter finds though the table does not show it: what a migration is for, and its error."""
    if entry.migration is not None:
        yield entry.migration.description or ""
    if entry.record is not None and entry.record.last is not None and entry.state in TROUBLED:
        yield entry.record.last.error_message or ""


class Order(StrEnum):
    """The column that rows are sorted by."""

    PLAN = "order"
    """As the manifest has them run."""
    STATE = "state"
    NAME = "name"
    WHEN = "when"
    TOOK = "took"

    @property
    def following(self) -> Order:
        """The next one, in a circle."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]


_URGENCY = [State.FAILED, State.STUCK, State.STARTED, State.PENDING, State.DONE]


_KEYS: dict[Order, Callable[[Row], tuple[int, str]]] = {
    Order.STATE: lambda row: (_URGENCY.index(row.state), ""),
    Order.NAME: lambda row: (0, row.name),
    Order.WHEN: lambda row: (0, row.when),
    Order.TOOK: lambda row: ((row.entry.record.duration_ms if row.entry.record is not None else None) or -1, ""),
}


def sort_rows(rows: Sequence[Row], order: Order, *, is_reversed: bool) -> Sequence[Row]:
    """Return rows in an order; the sort is stable, so rows that are alike stay in the plan's order."""
    key = _KEYS.get(order)
    if key is None:
        return list(reversed(rows)) if is_reversed else rows
    # Times read best from the latest on, lengths from the longest on.
    descending = (order in (Order.WHEN, Order.TOOK)) != is_reversed
    return sorted(rows, key=key, reverse=descending)


def count_states(rows: Iterable[Row]) -> dict[State, int]:
    """Return how many rows are in each state."""
    result = dict.fromkeys((State.DONE, State.STARTED, State.PENDING, State.FAILED, State.STUCK), 0)
    for row in rows:
        result[row.state] += 1
    return result


def count_findings(rows: Iterable[Row]) -> dict[str, int]:
    """Return how many rows have each finding that somebody has to look at, by its label."""
    result: dict[str, int] = {}
    for row in rows:
        for finding in row.entry.findings:
            if finding.code not in _DECIDED:
                result[finding.code.label] = result.get(finding.code.label, 0) + 1
    return result


def first_of_interest(rows: Sequence[Row]) -> int:
    """Return where to begin: at the first row that is failed or stuck, else refuses, else runs, else is pending."""
    tests: tuple[Callable[[Row], bool], ...] = (
        lambda row: row.is_troubled,
        lambda row: row.is_refusing,
        lambda row: row.state is State.STARTED,
        lambda row: row.state is State.PENDING,
    )
    for test in tests:
        for index, row in enumerate(rows):
            if test(row):
                return index
    return max(len(rows) - 1, 0)


def next_amiss(rows: Sequence[Row], index: int, *, backwards: bool = False) -> int | None:
    """Return the next row after `index` that somebody has to look at, in a circle; None where there is none."""
    step = -1 if backwards else 1
    for distance in range(1, len(rows) + 1):
        at = (index + step * distance) % len(rows)
        if rows[at].is_amiss:
            return at
    return None


class RowCache:
    """Makes rows, and hands out the same row again for an entry that has not changed."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[object, Row]] = {}

    def __call__(self, entries: Iterable[Entry], refusing: Collection[str] = ()) -> tuple[Row, ...]:
        """Return the rows of `entries`; those with the keys `refusing` forbid an apply."""
        made: dict[str, tuple[object, Row]] = {}
        for entry in entries:
            key = row_key(entry.version, entry.name)
            is_refusing = key in refusing
            signature = (_signature(entry), is_refusing)
            known = self._made.get(key)
            if known is None or known[0] != signature:
                known = signature, make_row(entry, is_refusing=is_refusing)
            made[key] = known
        self._made = made
        return tuple(row for _, row in made.values())


def _signature(entry: Entry) -> object:
    record = entry.record
    facts = (record.last, record.applied, record.accepted, record.checkpoint) if record is not None else ()
    positions = tuple(fact.position if fact is not None else 0 for fact in facts)
    return (entry.state, entry.due, entry.findings, positions, id(entry.migration))
