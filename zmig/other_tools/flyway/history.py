"""Flyway's history: rows in the order of their ranks, of which later ones may undo earlier ones, and its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.other_tools.flyway.names import Version, repeatable_id
from zmig.other_tools.history import AppliedMigration, ToolHistory, ToolLock, in_order, local_time, moment
from zmig.other_tools.problems import unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from zmig.errors import Problem
    from zmig.other_tools.history import Place, Row
    from zmig.other_tools.source import Source, SourceMigration

_MAGIC = int.from_bytes(b"Flyway", "big")
_BASELINES = ("BASELINE", "SQL_BASELINE", "JDBC_BASELINE", "SQL_STATE_SCRIPT")
_SYNTHETIC = ("SCHEMA", "BASELINE", "DELETE")
_HALF, _WORD = 1 << 31, 1 << 32


class _Entry(NamedTuple):
    """A row of the table."""

    rank: int
    version: str | None
    description: str
    type: str
    script: str
    checksum: int | None
    by: str | None
    at: datetime | None
    duration_ms: int | None
    success: bool

    @property
    def key(self) -> tuple[int, ...] | str:
        """What another row of the same migration has, too: the numbers of its version, or its description."""
        if self.version is None:
            return self.description
        version = Version.parse(self.version)
        return version.numbers if version is not None else self.version

    @property
    def id(self) -> str:
        """What it is called where no file is known of it."""
        return repeatable_id(self.description) if self.version is None else self.version


def queries(place: Place) -> Sequence[str]:
    """Return the query for all rows, which all versions since 3 have alike."""
    return (
        "select installed_rank, version, description, type, script, checksum, installed_by, "
        f"{local_time('installed_on')}, execution_time, success from {place.quoted} order by installed_rank",
    )


def read(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    """Return what is applied after all rows; one that failed, and was not repaired, is a problem."""
    rows = [_entry(row) for row in results[0]]
    standing = _standing(rows)
    problems = tuple(_failed(row) for row in standing if not row.success)
    by_key = {_key_of(one): one for one in source.migrations}
    applied: list[AppliedMigration] = []
    for row in standing:
        if row.success:
            applied += _below(row, source) if row.type in _BASELINES else ()
            one = by_key.get(row.key)
            if row.type != "BASELINE" or one is None:
                applied.append(_applied(row, one))
    return ToolHistory(in_order(applied, source), problems=problems, notes=tuple(_notes(rows, source)))


def _entry(row: Row) -> _Entry:
    rank, version, description, type, script, checksum, by, at, duration, success = row
    return _Entry(
        rank if isinstance(rank, int) else 0,
        str(version) if version is not None else None,
        str(description),
        str(type),
        str(script),
        checksum if isinstance(checksum, int) else None,
        str(by) if by is not None else None,
        moment(at),
        duration if isinstance(duration, int) else None,
        bool(success),
    )


def _standing(rows: list[_Entry]) -> list[_Entry]:
    """Return the rows that no later one deletes or undoes, without those that do so, and those of schemas."""
    standing: list[_Entry] = []
    for row in rows:
        is_undo = row.type.startswith("UNDO")
        if row.success and (row.type == "DELETE" or is_undo):
            taken = next((one for one in reversed(standing) if _takes_back(row, one)), None)
            if taken is not None:
                standing.remove(taken)
        elif row.type != "SCHEMA":
            standing.append(row)
    return standing


def _takes_back(row: _Entry, earlier: _Entry) -> bool:
    return earlier.key == row.key and earlier.type not in _SYNTHETIC and not earlier.type.startswith("UNDO")


def _key_of(migration: SourceMigration) -> tuple[int, ...] | str:
    if migration.repeats is not None:
        return migration.id.removeprefix(repeatable_id(""))
    version = Version.parse(migration.id)
    return version.numbers if version is not None else migration.id


def _below(baseline: _Entry, source: Source) -> Iterator[AppliedMigration]:
    """Yield the migrations that a baseline says are there: those up to its version."""
    for one in source.migrations:
        key = _key_of(one)
        if isinstance(key, tuple) and isinstance(baseline.key, tuple) and key <= baseline.key:
            yield AppliedMigration(one.id, at=baseline.at, by=baseline.by, was_run=False)


def _applied(row: _Entry, one: SourceMigration | None) -> AppliedMigration:
    """Return a row as applied; the checksum of a baseline's file says nothing of a migration of the same version."""
    is_other_file = row.type in _BASELINES and one is not None and one.up is not None and not _is_of(row, one.up.path)
    return AppliedMigration(
        row.id if one is None else one.id,
        at=row.at,
        by=row.by,
        duration_ms=row.duration_ms,
        checksum=str(row.checksum) if row.checksum is not None and not is_other_file else None,
        was_run=row.type not in _BASELINES,
        stands_for="a baseline" if row.type == "BASELINE" else None,
        called=row.script.rpartition("/")[2].rpartition(".")[0] or None,
    )


def _is_of(row: _Entry, path: str) -> bool:
    """Whether a row names a file, whose folder it has relative to one of the locations."""
    return path.rpartition("/")[2] == row.script.rpartition("/")[2]


def _failed(row: _Entry) -> Problem:
    return unfinished(
        f"`{row.script}` failed in Flyway, and what of it was outside of a transaction may be in the database",
        facts=(f"rank {row.rank}, by {row.by}",),
        hint="look what of it is in the database, undo that, and run `flyway repair`, which removes the row",
    )


def _notes(rows: list[_Entry], source: Source) -> Iterator[str]:
    for row in rows:
        if row.type == "SCHEMA":
            yield f"Flyway created the schema {row.script}, which no file says: write a migration for new databases"


def lock(place: Place) -> ToolLock:
    """Return the lock that Flyway takes for a table; its number is of the name with quotes, as Java has it."""
    return ToolLock((_MAGIC + java_hash(f'"{place.schema}"."{place.table}"'),))


def java_hash(text: str) -> int:
    """Return Java's `hashCode` of a text: of its units in UTF-16, in 32 bits with a sign."""
    units = text.encode("utf-16-be")
    number = 0
    for index in range(0, len(units), 2):
        number = (31 * number + int.from_bytes(units[index : index + 2], "big")) % _WORD
    return number - _WORD if number >= _HALF else number
