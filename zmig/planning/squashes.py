"""What a squash, a migration that replaces others, is on a database: it runs, it counts as applied, or it waits. Pure.

A database that has none of the versions it replaces runs it instead of them. One that has all of them is where it
would bring it: there it counts as applied, and nothing is recorded, so that a checkout from before finds what it
knows. One that has a part of them still needs the others: while their entries are declared beside the squash they
run as ever, and the squash is passed over; once they are deleted it cannot be brought further, and that is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import Versions
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.model import Migration
    from zmig.planning.history import History, Record


@valueclass
class Squashed:
    """What became of one squash."""

    records: tuple[Record, ...]
    """What was applied one by one of what it replaces."""
    _: KW_ONLY
    missing: int | None = None
    """The lowest version that keeps it from counting as applied; None where nothing does."""
    is_own: bool = False
    """Whether its own record says what it is: it ran, or an operator said so."""


@valueclass
class Chosen:
    """What is declared, as far as it matters to one database."""

    migrations: Sequence[Migration]
    squashed: Mapping[int, Squashed]
    """Of the squashes that do not simply wait to be run, by version."""
    replaced: frozenset[int]
    """The versions of records that a squash takes the place of."""


def choose(
    migrations: Sequence[Migration], history: History, *, whole: Collection[int], there: Collection[int]
) -> Chosen:
    """Return which migrations count.

    `whole` are the recorded versions that are applied, and nothing is to be said against that; `there` those of which
    something may be in the database.
    """
    applied = Versions.of(_ranges(history.records[version] for version in whole))
    squashes = [(one, one.replaces) for one in migrations if one.replaces is not None]
    chosen, squashed, replaced = list(migrations), dict[int, Squashed](), set[int]()
    # The largest first: one inside of it may be all that is left of its parts.
    gone: set[int] = set()
    for squash, versions in sorted(squashes, key=lambda pair: pair[1].count, reverse=True):
        if id(squash) in gone:
            continue
        parts = [one for one in chosen if one is not squash and not one.is_repeatable and one.version in versions]
        recorded = sorted(version for version in there if version in versions)
        own = history.records.get(squash.version)
        is_own = own is not None and squash.version in there and is_own_record(squash, own)
        if is_own and own is not None and own.applied is None:
            # It failed, or is stuck, and left nothing; a checkout from before may have gone on since.
            is_own = all(one == squash.version or history.records[one].applied is None for one in recorded)
        if recorded and not is_own:
            declared = Versions.of((*applied.ranges, *(pair for one in parts for pair in _ranges_of(one))))
            if parts and declared.covers(versions):
                chosen = [one for one in chosen if one is not squash]
                replaced.update(recorded)
                continue
        gone.update(map(id, parts))
        chosen = [one for one in chosen if id(one) not in gone]
        if recorded:
            records = tuple(history.records[version] for version in recorded)
            missing = None if is_own else versions.lowest_not_in(applied)
            if not is_own and missing is None and squash.version not in history.records:
                missing = squash.version
            squashed[squash.version] = Squashed(records, missing=missing, is_own=is_own)
            replaced.update(recorded)
    return Chosen(chosen, squashed, frozenset(replaced))


def is_own_record(squash: Migration, record: Record) -> bool:
    """Whether a record is about a squash itself, and not about the last one that it replaces."""
    if record.name == squash.name:
        return True
    return squash.checksum is not None and record.checksum == squash.checksum


def replaced_by(record: Record) -> Versions | None:
    """Return the versions that what was applied took the place of; None for all but squashes."""
    text = record.applied.text("replaces") if record.applied is not None else None
    return None if text is None else Versions.parse(text)


def _ranges(records: Iterable[Record]) -> Iterable[tuple[int, int]]:
    for record in records:
        replaces = replaced_by(record)
        if replaces is not None:
            yield from replaces.ranges
        if record.version is not None:
            yield record.version, record.version


def _ranges_of(migration: Migration) -> Iterable[tuple[int, int]]:
    return ((migration.version, migration.version),) if migration.replaces is None else migration.replaces.ranges
