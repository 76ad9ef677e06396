"""What another tool's history table says, as values, and how such a table is recognised and locked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zmig.sql.quoting import identifier
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.errors import Problem
    from zmig.other_tools.source import Source

Row = tuple[object, ...]
"""A row as the driver reads it: `int`, `str`, `bool`, `bytes`, `datetime`, `dict`, `list`, or None."""


@valueclass
class AppliedMigration:
    """One migration that the tool counts as applied."""

    id: str
    _: KW_ONLY
    at: datetime | None = None
    """When; with a time zone, or UTC where the tool stores none and says so."""
    by: str | None = None
    """Who, as the tool recorded it."""
    duration_ms: int | None = None
    checksum: str | None = None
    """As the table has it, as text; bytes in hex."""
    was_run: bool = True
    """False where somebody only had the tool record it, by a baseline or a like command."""
    is_concluded: bool = False
    """Whether the table does not name it: it keeps one number, and this is a migration with a smaller one."""
    stands_for: str | None = None
    """What it is in place of a migration, such as a baseline: then it is kept for the record alone."""
    statements: tuple[str, ...] | None = None
    """The SQL that was run, where the table keeps that."""
    called: str | None = None
    """What an import would call it by what the row alone says, where that is another name than `id`."""


@valueclass
class ToolHistory:
    """What a history table says."""

    applied: tuple[AppliedMigration, ...]
    """In the tool's order; each `id` once."""
    _: KW_ONLY
    problems: tuple[Problem, ...] = ()
    """States that nobody can take over, such as a failed or a half-applied migration; each with what to do."""
    notes: tuple[str, ...] = ()
    """What is to be known, such as files that the tool would never run: lower case, no final period."""
    begun: tuple[str, ...] = ()
    """What it has begun and not ended, as it calls migrations, where it has a row for such a thing."""


@valueclass
class Place:
    """A history table in one database."""

    schema: str
    table: str
    database: str
    columns: frozenset[str]
    _: KW_ONLY
    tables: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """The columns of every table in the database, by `schema.table`, without quotes."""

    @property
    def name(self) -> str:
        """The table as people write it."""
        return f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        """The table as SQL writes it."""
        return identifier(self.schema, self.table)

    def beside(self, table: str) -> str | None:
        """Return another table of the same schema as SQL writes it; None where it is not there."""
        return identifier(self.schema, table) if f"{self.schema}.{table}" in self.tables else None


@valueclass
class ToolLock:
    """What keeps the tool from running meanwhile."""

    keys: tuple[int, ...] = ()
    """Advisory locks to be held: as in `pg_try_advisory_lock(key)`."""
    _: KW_ONLY
    query: str | None = None
    """Returns one text that says who holds a lock that is kept in a table, null or no row where nobody does."""
    tables: tuple[str, ...] = ()
    """Tables, as SQL writes them, to be locked `in access exclusive mode` beside the history table."""


def no_lock(place: Place) -> ToolLock:
    """Return the lock of a tool that has none: only its history table keeps it from running."""
    return ToolLock()


def advisory_lock(key: int) -> Callable[[Place], ToolLock]:
    """Return the lock of a tool that has one key for all databases."""
    return lambda place: ToolLock((key,))


@valueclass
class HistoryTable:
    """How a tool keeps its history. By which columns it is recognised, `history_tables` says."""

    default: str
    """Where it is unless somebody has set it otherwise, as `schema.table`."""
    _: KW_ONLY
    queries: Callable[[Place], Sequence[str]]
    """SELECTs, each with qualified names and a fixed list of columns; they only read."""
    read: Callable[[Sequence[Sequence[Row]], Source], ToolHistory]
    """What the rows of those queries mean for a project.

    A source without migrations is one whose files are not known: then what the table names is what is applied.
    """
    lock: Callable[[Place], ToolLock] = no_lock
    """What keeps the tool from running meanwhile."""
    schemas: Callable[[Place], str] | None = None
    """For a tool whose schema holds nothing but what it has made: selects its other schemas, oid and name."""
    has_one_number: bool = False
    """Whether it keeps a single number, and `read` takes all migrations up to that as applied."""


def moment(value: object) -> datetime | None:
    """Return a time as a row has it; None where it has none."""
    return value if isinstance(value, datetime) else None


def local_time(column: str) -> str:
    """Return SQL for a time that a tool stored without a zone: it is taken to be in that of the server's sessions."""
    return f"{column} at time zone (select reset_val from pg_catalog.pg_settings where name = 'TimeZone')"


Matches = bool | None
"""Whether a file is as it was when it was applied; None where the tool keeps nothing that says so."""


def highest_number(ids: Iterable[str]) -> int:
    """Return the highest of the ids that are numbers."""
    return max((int(id) for id in ids if id.isdecimal()), default=-1)


def came_later(row: AppliedMigration, highest: int) -> bool:
    """Whether nothing but a number says that a migration is applied, and an import saw that number without it.

    `highest` is that of what was imported.
    """
    return row.is_concluded and row.id.isdecimal() and int(row.id) < highest


def in_order(applied: Iterable[AppliedMigration], source: Source) -> tuple[AppliedMigration, ...]:
    """Return migrations in a project's order, and after them those that are not in it. The last of an id counts."""
    found = {one.id: one for one in applied}
    known = [found.pop(one.id) for one in source.migrations if one.id in found]
    return (*known, *found.values())
