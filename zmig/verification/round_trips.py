"""Proves rollbacks: up, down and up again on a scratch database, which is compared with what it was each time.

One database goes the straight way through the history. Each migration that is to be proved is rolled back there and
applied again, and where both leave everything as it was, the next one goes on from there. Where not, a copy of the
straight way is built anew, so that no finding brings about another one.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.catalog.difference import Change, differences
from zmig.errors import ManifestError, MigrationFailed, PlanRefused
from zmig.model import RepeatRule
from zmig.valueclass import valueclass
from zmig.verification.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from dataclasses import KW_ONLY

    from zmig.catalog.difference import Difference
    from zmig.catalog.objects import SchemaSnapshot
    from zmig.errors import Problem, ZmigError
    from zmig.model import Migration
    from zmig.verification.replay import Ground, Look


class Stage(StrEnum):
    """What was being done with a migration."""

    APPLY = "apply"
    ROLL_BACK = "roll back"
    AGAIN = "apply again"
    REPEAT = "repeat"


@valueclass
class RowChange:
    """A table, or a column, that holds another number of values than before; or a kind of objects, by their number."""

    name: str
    before: int
    after: int


@valueclass
class Deviation:
    """What is not as it was expected to be after a stage."""

    stage: Stage
    differences: tuple[Difference, ...]
    rows: tuple[RowChange, ...]
    is_by_rule: bool = True
    """Whether it must not be; False for rows of a repeatable that is to run whenever its condition says so."""
    uncovered: tuple[RowChange, ...] = ()
    """What is only counted of the schema, where there is another number of it after a rollback."""


@valueclass
class Proof:
    """What was found of one migration."""

    migration: Migration
    _: KW_ONLY
    seconds: float
    deviations: tuple[Deviation, ...] = ()
    failed_at: Stage | None = None
    problem: Problem | None = None
    """Why it failed there."""
    changes_schema: bool = True
    """Whether it changes anything that could be undone."""

    @property
    def is_of_anything(self) -> bool:
        """Whether there is anything to prove: a rollback, or that it may run any number of times."""
        return self.migration.is_reversible or self.migration.is_repeatable

    @property
    def is_proved(self) -> bool:
        """Whether everything could be done, and undone."""
        return self.problem is None and not self.deviations


class Stopped(Exception):
    """A migration cannot be applied, so nothing after it can be proved."""

    def __init__(self, proof: Proof, left: int) -> None:
        super().__init__(proof.migration.name)
        self.proof = proof
        self.left = left
        """How many of those to be proved were not reached."""


class RoundTrips:
    """Proves migrations of one project on a place for scratch databases."""

    def __init__(self, ground: Ground, *, begun: Callable[[Migration, Stage], None]) -> None:
        """`begun` is called as each stage of a migration that is proved begins."""
        self._ground = ground
        self._begun = begun
        self._replay = Replay(ground, ground.create())
        self._kept: str | None = None
        """A database of the straight way that is as it was at the last deviation."""
        self._roles = ground.scratch.roles()
        """Those that were there then."""
        self._last: Look | None = None
        """What the database is like now, if that is known."""

    @property
    def straight(self) -> Replay:
        """The database that went the straight way, as it is now."""
        return self._replay

    def close(self) -> None:
        """Close every connection; the databases are dropped with the others of their place."""
        self._replay.close()

    def prove(self, migrations: Iterable[Migration]) -> Iterator[Proof]:
        """Yield what is found of migrations that run once, which are in order; those before each are applied.

        Raises Stopped where one cannot be applied.
        """
        waiting = list(migrations)
        while waiting:
            migration = waiting.pop(0)
            began = time.monotonic()
            before = max((one.version for one in self._ground.ordinary if one.version < migration.version), default=0)
            try:
                if before:
                    self._apply(before)
                yield self._proved(migration, began)
            except MigrationFailed as error:
                failed = self._replay.failed or migration
                proof = _failed(failed, Stage.APPLY, error, began)
                raise Stopped(proof, len(waiting) + (failed is not migration)) from error

    def finish(self) -> None:
        """Apply what is left of those that run once. Raises Stopped where one cannot be applied."""
        began = time.monotonic()
        try:
            self._last = None
            self._replay.apply()
        except MigrationFailed as error:
            assert self._replay.failed is not None, "a migration failed"
            raise Stopped(_failed(self._replay.failed, Stage.APPLY, error, began), 0) from error

    def _apply(self, version: int) -> None:
        """Apply what is not yet, up to a version."""
        if self._last is None:
            self._replay.apply(to=version)

    def _proved(self, migration: Migration, began: float) -> Proof:
        """Return what is found of a migration. Raises MigrationFailed where it cannot be applied at all."""
        before = self._last or self._replay.look()
        self._begun(migration, Stage.APPLY)
        self._last = None
        self._replay.apply(to=migration.version)
        first = self._replay.look()
        if not migration.is_reversible:
            self._last = first
            changes = bool(_of_schema(before, first)) or before.rows != first.rows
            return Proof(migration, seconds=time.monotonic() - began, changes_schema=changes)
        stage = Stage.ROLL_BACK
        deviations: list[Deviation] = []
        try:
            self._begun(migration, stage)
            self._replay.roll_back()
            undone = self._replay.look()
            deviations += self._compared(stage, before, undone)
            if not any(one.differences for one in deviations):
                stage = Stage.AGAIN
                self._begun(migration, stage)
                self._replay.apply(to=migration.version)
                again = self._replay.look()
                deviations += [] if deviations else self._compared(stage, first, again)
                if not deviations and again.schema.objects == first.schema.objects:
                    self._last = again
        except _FAILURES as error:
            self._rebuild(migration.version)
            return _failed(migration, stage, error, began, deviations)
        if self._last is None:
            self._rebuild(migration.version)
        return Proof(migration, seconds=time.monotonic() - began, deviations=tuple(deviations))

    def prove_repeatables(self) -> Iterator[Proof]:
        """Yield what is found of each repeatable, which comes after everything else: up, down, up, and once more.

        Those before it are as if they were not declared, so that none of them runs meanwhile. One that fails is the
        last.
        """
        for migration in self._ground.repeatables:
            proof = self._proved_repeatable(migration)
            yield proof
            if proof.problem is not None:
                return

    def _proved_repeatable(self, migration: Migration) -> Proof:
        began, stage = time.monotonic(), Stage.APPLY
        deviations: list[Deviation] = []
        try:
            before = self._last or self._replay.look()
            self._last = None
            first = after = self._at_stage(stage, migration)
            for stage in _ONCE_MORE if migration.is_reversible else _ONCE_MORE[-1:]:
                after = self._at_stage(stage, migration)
                deviations += self._compared(stage, before if stage is Stage.ROLL_BACK else first, after, migration)
            self._last = after
        except _FAILURES as error:
            return _failed(self._replay.failed or migration, stage, error, began, deviations)
        return Proof(migration, seconds=time.monotonic() - began, deviations=tuple(deviations))

    def _at_stage(self, stage: Stage, migration: Migration) -> Look:
        self._begun(migration, stage)
        if stage is Stage.ROLL_BACK:
            self._replay.roll_back(with_repeatables=(migration,))
        else:
            if stage is Stage.REPEAT:
                self._replay.make_due(migration, (migration,))
            self._replay.apply(with_repeatables=(migration,))
        return self._replay.look()

    def _compared(
        self, stage: Stage, expected: Look, found: Look, migration: Migration | None = None
    ) -> Iterator[Deviation]:
        """Yield how a database is not what it should be, at most one deviation."""
        order_counts = self._ground.project.verify.column_order_counts
        differing = tuple(
            one
            for one in self._replay.respelled(differences(expected.schema, found.schema))
            if one.counts(column_order=order_counts)
        )
        there = {one.identity for one in differing if one.change is not Change.CHANGED}
        rows = tuple(one for one in _row_changes(expected, found) if one.name not in there)
        uncovered = tuple(_counts(expected.schema, found.schema)) if stage is Stage.ROLL_BACK else ()
        if differing or rows or uncovered:
            repeat = migration and migration.repeat
            is_by_rule = bool(differing) or repeat is None or repeat.rule is RepeatRule.CHECKSUM
            yield Deviation(stage, differing, rows, is_by_rule, uncovered)

    def _rebuild(self, version: int) -> None:
        """Go the straight way again, from the last place that was kept to a version; keep that place, too."""
        scratch = self._ground.scratch
        self._replay.close()
        scratch.drop(self._replay.url)
        scratch.keep_roles(self._roles)
        url = self._ground.create() if self._kept is None else scratch.clone(self._kept)
        self._replay = Replay(self._ground, url)
        self._last = None
        self._replay.apply(to=version)
        self._replay.close()
        if self._kept is not None:
            scratch.drop(self._kept)
        self._kept, self._roles = scratch.clone(url), scratch.roles()


_ONCE_MORE = (Stage.ROLL_BACK, Stage.AGAIN, Stage.REPEAT)
_FAILURES = (MigrationFailed, PlanRefused, ManifestError)
"""What says that a migration cannot be done, or not be undone, as opposed to what lies with the scratch server."""


def _failed(
    migration: Migration,
    stage: Stage,
    error: ZmigError,
    began: float,
    deviations: Iterable[Deviation] = (),
) -> Proof:
    return Proof(
        migration,
        seconds=time.monotonic() - began,
        deviations=tuple(deviations),
        failed_at=stage,
        problem=error.problems[0],
    )


def _of_schema(before: Look, after: Look) -> list[Difference]:
    return differences(before.schema, after.schema)


def _counts(expected: SchemaSnapshot, found: SchemaSnapshot) -> Iterator[RowChange]:
    """Yield what is counted and not compared, where there is another number of it."""
    for name in sorted(expected.uncovered.keys() | found.uncovered.keys()):
        before, after = expected.uncovered.get(name, 0), found.uncovered.get(name, 0)
        if before != after:
            yield RowChange(name, before, after)


def _row_changes(expected: Look, found: Look) -> Iterator[RowChange]:
    """Yield the tables that hold another number of rows, and the columns of the others that hold fewer values."""
    tables = set[str]()
    for name in sorted(expected.rows.keys() | found.rows.keys(), key=lambda name: (name.count("."), name)):
        before, after = expected.rows.get(name, 0), found.rows.get(name, 0)
        if before != after and not any(name.startswith(f"{table}.") for table in tables):
            tables.add(name)
            yield RowChange(name, before, after)
