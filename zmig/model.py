"""The values that everything else uses: a migration as declared, its kind, its settings.

Nothing here reads a file or a database; a path is a label until `zmig.project.project` opens it.
"""

from __future__ import annotations

from bisect import bisect_right
from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING

from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from dataclasses import KW_ONLY
    from datetime import datetime
    from pathlib import Path

    from zmig.errors import Location


class Kind(StrEnum):
    """How a migration is declared to run."""

    SQL = "sql"
    PYTHON = "python"
    REPEATABLE = "repeatable"


class Language(StrEnum):
    """What a migration's code is written in."""

    SQL = "sql"
    PYTHON = "python"


class Environment(StrEnum):
    """What a manifest's database is for; guards destructive commands."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    TEST = "test"


class RepeatRule(StrEnum):
    """What decides that a repeatable is due again once it has run."""

    CHECKSUM = "checksum"
    CONDITION = "condition"
    CODE = "code"
    """`should_repeat(ctx, last_run)` in the Python file or on the registered object."""


@valueclass
class Repeat:
    """When a repeatable runs again."""

    rule: RepeatRule
    condition: str | None = None
    """Read-only SQL that returns one boolean; only with `RepeatRule.CONDITION`."""


@valueclass
class VerifyQuery:
    """The query that has to say, after a migration has run, that it did what it is for."""

    query: str | None = None
    """As the manifest has it; None where a file holds it."""
    file: Path | None = None
    _: KW_ONLY
    locate: Callable[[], Location] | None = field(default=None, repr=False, compare=False)
    """Works out where it is declared."""


@valueclass
class Retry:
    """How often, and how patiently, a migration is tried again after a lock timeout or a deadlock."""

    attempts: int = 5
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 30.0


@valueclass
class Settings:
    """The limits a migration runs under; seconds, 0 means no limit."""

    lock_timeout_seconds: float = 3.0
    statement_timeout_seconds: float = 900.0
    retry: Retry = Retry()
    run_as: str | None = None
    """The role whose rights its statements have; None for the role that zmig connects as."""


@valueclass
class Batch:
    """How a migration is done in rounds that commit one by one."""

    _: KW_ONLY
    size: int = 1000
    """How many rows a round takes."""
    start: str | int | None = None
    """Where `:cursor` begins: below every key."""
    pause_seconds: float = 0.0
    """Between two rounds."""
    total: str | None = None
    """A query that returns how many rows there are to do."""
    max_lag_seconds: float = 10.0
    """How far replicas may be behind before the next round waits for them; 0 means that none is waited for."""


@valueclass
class Versions:
    """Versions, as the ranges that they make up: from the first to the last of each, both included."""

    ranges: tuple[tuple[int, int], ...]
    """In ascending order, and none reaches into the next."""

    @classmethod
    def parse(cls, text: str) -> Versions | None:
        """Return what a text such as `1..12` or `1..4, 6` means; None where it means nothing."""
        ranges: list[tuple[int, int]] = []
        for part in text.split(","):
            first, dots, last = part.strip().partition("..")
            numbers = [number for number in (first, last if dots else first) if number.isascii() and number.isdecimal()]
            if len(numbers) < 2 or max(map(len, numbers)) > _LONGEST_VERSION:
                return None
            low, high = map(int, numbers)
            if not (ranges[-1][1] if ranges else 0) < low <= high:
                return None
            ranges.append((low, high))
        return cls(tuple(ranges))

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> Versions:
        """Return the versions in any of these ranges, in whatever order they come."""
        joined: list[tuple[int, int]] = []
        for low, high in sorted(ranges):
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        return cls(tuple(joined))

    @property
    def first(self) -> int:
        """The lowest."""
        return self.ranges[0][0]

    @property
    def last(self) -> int:
        """The highest."""
        return self.ranges[-1][1]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(high - low + 1 for low, high in self.ranges)

    def __contains__(self, version: int | None) -> bool:
        return version is not None and self._end_around(version) is not None

    def _end_around(self, version: int) -> int | None:
        """Return the last version of the range that one is in; None where it is in none."""
        place = bisect_right(self.ranges, version, key=itemgetter(0))
        return self.ranges[place - 1][1] if place and version <= self.ranges[place - 1][1] else None

    def covers(self, other: Versions) -> bool:
        """Whether all of others are among them."""
        return other.lowest_not_in(self) is None

    def meets(self, other: Versions) -> bool:
        """Whether some are among others."""
        return any(low in other for low, _ in self.ranges) or any(low in self for low, _ in other.ranges)

    def lowest_not_in(self, others: Versions) -> int | None:
        """Return the lowest that is not among others; None where all are."""
        for low, high in self.ranges:
            at = low
            while at <= high and (end := others._end_around(at)) is not None:
                at = end + 1
            if at <= high:
                return at
        return None

    def __str__(self) -> str:
        return ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in self.ranges)


_LONGEST_VERSION = 19
"""Digits of the largest `bigint`."""


@valueclass
class LastRun:
    """What a repeatable's `should_repeat` learns of its latest completed run."""

    completed_at: datetime
    checksum: str | None
    duration_seconds: float | None
    data: Mapping[str, object] = field(default_factory=dict[str, object])
    """Everything the `migration.done` fact holds."""


@valueclass
class Migration:
    """One declared unit of change."""

    version: int
    """Its identity; ordered numerically."""
    name: str
    kind: Kind
    language: Language
    _: KW_ONLY
    file: Path | None = None
    """Absolute or relative to the working directory; None for a migration registered in code."""
    checksum: str | None = None
    """sha256, in hex, of the file's normalised text; None where there is no file."""
    token_checksum: str | None = field(default=None, repr=False, compare=False)
    """`zmig.sql.token_checksum` of its SQL file; None where that has none, and where it was not needed."""
    rollback_file: Path | None = None
    has_code_rollback: bool = False
    """Whether the Python file or the registered object defines `rollback(ctx)`."""
    repeat: Repeat | None = None
    """Set for repeatables only."""
    transaction: bool | None = None
    """Declared transaction mode; None lets the file's statements decide."""
    settings: Settings = Settings()
    description: str | None = None
    locate: Callable[[], Location] | None = field(default=None, repr=False, compare=False)
    """Works out where it is declared: that is seldom asked, and takes as long as opening its file."""
    code: object = None
    """The registered object that defines it, a `zmig.context.CodeMigration`; None for one that has a file."""
    batch: Batch | None = None
    """Set for a migration that is done in rounds."""
    verify: VerifyQuery | None = None
    """What is asked before it is recorded as done; None where nothing is."""
    variables: Mapping[str, str] | None = field(default=None, repr=False)
    """What `${name}` stands for in its SQL files; None where nothing is replaced."""
    replaces: Versions | None = None
    """The versions that it takes the place of, its own the last of them; None for one that is no squash."""
    is_empty: bool = False
    """Whether its file has to be without a statement: it is done once that is recorded, and undone likewise."""
    origin: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What other tools call it, or have called it, by their names."""

    @property
    def declared_at(self) -> Location | None:
        """Where its manifest declares it; None for one registered in code."""
        return None if self.locate is None else self.locate()

    @property
    def is_repeatable(self) -> bool:
        """Whether it may run again after it is done."""
        return self.kind is Kind.REPEATABLE

    @property
    def is_conditional(self) -> bool:
        """Whether a query, or code, is asked whether it is due again."""
        return self.repeat is not None and self.repeat.rule is not RepeatRule.CHECKSUM

    @property
    def is_reversible(self) -> bool:
        """Whether a rollback is declared for it, or it has nothing to undo."""
        return self.rollback_file is not None or self.has_code_rollback or self.is_empty

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it is declared with."""
        verify = None if self.verify is None else self.verify.file
        return tuple(path for path in (self.file, self.rollback_file, verify) if path is not None)

    @property
    def order(self) -> tuple[bool, int]:
        """The key that sorts migrations into the order they run in: repeatables last, then by version."""
        return (self.is_repeatable, self.version)
