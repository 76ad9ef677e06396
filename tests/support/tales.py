"""Facts and migrations in few words, for tables of what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.facts import EventType, Fact
from zmig.model import Kind, Language, Migration, Repeat, RepeatRule
from zmig.planning import planner
from zmig.planning.history import fold
from zmig.planning.snapshot import Snapshot
from zmig.planning.state import Entry, Liveness, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zmig.planning.plan import Plan
    from zmig.planning.request import Request

NOW = datetime(2026, 8, 30, 14, 0, tzinfo=UTC)
NOBODY = Liveness(NOW)
"""The run's lock is free."""

_AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Told:
    """One fact, before it has a position."""

    type: EventType
    of: int = 1
    name: str | None = None
    """By default the name that `once(of)` has."""
    ago: timedelta = _AN_HOUR
    by_hand: bool = False
    """Whether it says no version."""
    run_id: str | None = None
    data: Mapping[str, object] = field(default_factory=dict[str, object])

    def at(self, position: int) -> Fact:
        version = {} if self.by_hand else {"version": self.of}
        name = name_of(self.of) if self.name is None else self.name
        return Fact(
            position, name, self.type, created_at=NOW - self.ago, data={**version, **self.data}, run_id=self.run_id
        )


def _told(
    type: EventType,
    of: int = 1,
    *,
    name: str | None = None,
    ago: timedelta = _AN_HOUR,
    by_hand: bool = False,
    run_id: str | None = None,
    **data: object,
) -> Told:
    return Told(type, of, name, ago, by_hand, run_id, data)


done = partial(_told, EventType.DONE, checksum="c1")
failed = partial(_told, EventType.FAILED, transactional=True)
rolled_back = partial(_told, EventType.ROLLED_BACK)
rollback_failed = partial(_told, EventType.ROLLBACK_FAILED)
baselined = partial(_told, EventType.BASELINED, checksum="c1")
accepted = partial(_told, EventType.ACCEPTED)
paused = partial(_told, EventType.PAUSED)
resumed = partial(_told, EventType.RESUMED)
checkpoint = partial(_told, EventType.CHECKPOINT)
by_hand = partial(_told, by_hand=True)
"""A fact somebody appended, with nothing but its type."""


def resolved(verdict: str | None, of: int = 1, *, checksum: str | None = None) -> Told:
    """An operator's word."""
    return Told(EventType.RESOLVED, of, data={"as": verdict, "checksum": checksum})


_BACKEND = 4711
started = partial(_told, EventType.STARTED, backend_pid=_BACKEND, transactional=True)
rollback_started = partial(_told, EventType.ROLLBACK_STARTED, backend_pid=_BACKEND, transactional=True)
RUNNING = Liveness(NOW, holder_pid=_BACKEND)
"""The run's lock is held by the backend that started facts name."""


def name_of(version: int) -> str:
    return f"{version:03}_m"


def tale(*told: Told) -> list[Fact]:
    """Return facts with the positions they get in this order."""
    return [one.at(position) for position, one in enumerate(told, start=1)]


def once(
    version: int = 1, *, checksum: str | None = "c1", reversible: bool = False, name: str | None = None
) -> Migration:
    """A migration that runs once."""
    name = name_of(version) if name is None else name
    return Migration(
        version,
        name,
        Kind.SQL,
        Language.SQL,
        file=Path(f"m/{name}.sql"),
        checksum=checksum,
        rollback_file=Path(f"m/{name}.rollback.sql") if reversible else None,
        locate=lambda: Location("prod.yaml", version, 5),
    )


def _repeatable(
    repeat: Repeat, version: int = 90, *, checksum: str = "c1", reversible: bool = False, name: str | None = None
) -> Migration:
    made = once(version, checksum=checksum, reversible=reversible, name=name)
    return replace(made, kind=Kind.REPEATABLE, repeat=repeat)


by_checksum = partial(_repeatable, Repeat(RepeatRule.CHECKSUM))
by_condition = partial(_repeatable, Repeat(RepeatRule.CONDITION, "select true"))
by_code = partial(_repeatable, Repeat(RepeatRule.CODE))


def planned(request: Request, entries: Iterable[Entry]) -> Plan:
    """Return the plan of a request, where migrations stand as these entries say."""
    return planner.plan(request, Snapshot(tuple(entries)))


def entries(
    migrations: Sequence[Migration],
    *told: Told,
    liveness: Liveness = NOBODY,
    due: Mapping[int, bool | None] | None = None,
) -> tuple[Entry, ...]:
    """Return how migrations stand after facts."""
    versions = {migration.name: migration.version for migration in migrations}
    return evaluate(migrations, fold(tale(*told), versions=versions), liveness, due=due)
