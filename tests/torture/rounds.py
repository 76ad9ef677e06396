"""One round: a database is migrated and rolled back while everything dies, brought to the end, and looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import psycopg

from tests.support import database as databases
from tests.support.process import Process, run
from tests.torture import fingerprint
from tests.torture import project as projects
from tests.torture.disturbance import Disturber, Kind
from zmig.database.store import Store
from zmig.facts import EventType
from zmig.planning.history import fold

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.support.crash import CrashServer
    from tests.support.process import Ended
    from tests.support.project import ProjectFolder
    from zmig.facts import Fact

UP, ATOMIC = ("apply",), ("apply", "--atomic", "--to", str(projects.LAST_ATOMIC))
DOWN = ("rollback", "--yes", "--to", str(projects.BEFORE_ROLLBACKS))

_ALLOWED = frozenset({0, 1, 3, 143, -9, -15})
"""How a disturbed run may end: done, failed, connection lost, terminated, killed, terminated when it was over."""

_OVERTAKEN = "error: the plan changed since it was confirmed\n"
"""What a rollback says that waited for another one, which did the same."""


@dataclass(slots=True)
class Figures:
    """What the rounds so far amount to."""

    rounds: int = 0
    runs: int = 0
    ended: Counter[Kind] = field(default_factory=Counter[Kind])
    """Runs that were ended before their end, by the way it was done."""
    lost: int = 0
    """Effects that are missing, in a database that calls itself migrated."""
    doubled: int = 0
    """Effects that are there more than once."""
    faults: list[str] = field(default_factory=list[str])
    """Everything else that is wrong, in words."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.faults)

    def lines(self) -> Iterator[str]:
        """Yield the figures for people."""
        yield f"rounds    {self.rounds}"
        yield f"runs      {self.runs}"
        yield f"ended     {self.ended.total()}"
        for kind in Kind:
            yield f"  {self.ended[kind]:6} {kind}"
        yield f"lost      {self.lost}"
        yield f"doubled   {self.doubled}"
        yield f"faults    {len(self.faults)}"
        yield from (f"  {fault}" for fault in self.faults[:20])


class Torture:
    """Rounds on one server, compared with an undisturbed run."""

    def __init__(self, server: CrashServer, url: str, project: ProjectFolder, chance: random.Random) -> None:
        self._url = url
        self._project = project
        self._chance = chance
        self._disturber = Disturber(server, url, chance)
        self.figures = Figures()
        databases.empty(url)
        self._must(*UP)
        self._expected = self._look()
        self._must(*DOWN)
        self._must(*UP)
        self._expected_after_rollback = self._look()

    def _look(self) -> tuple[Counter[tuple[str, str, str]], Counter[tuple[int, int, str]]]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return fingerprint.catalog(connection), fingerprint.tally(connection)

    def _must(self, *arguments: str) -> None:
        ended = self._run(*arguments)
        assert ended.code == 0, ended.stderr

    def _run(self, *arguments: str) -> Ended:
        self.figures.runs += 1
        return run(arguments[0], self._project.manifest, *arguments[1:])

    def round(self) -> None:
        """Migrate, perhaps roll back and migrate again, disturbed all the time; then compare."""
        databases.empty(self._url)
        self._set_up()
        goes_back, is_atomic = self._chance.random() < 0.5, self._chance.random() < 0.3
        for arguments in (*((ATOMIC,) if is_atomic else ()), *((UP, DOWN, UP) if goes_back else (UP,))):
            self._disturbed(*arguments)
        if self._chance.random() < 0.3:
            self._disturber.crash()  # what a run that succeeded called done is flushed, whatever the database says
        self._compare(self._expected_after_rollback if goes_back else self._expected)
        self.figures.rounds += 1

    def _set_up(self) -> None:
        """Give the database settings that are hostile to promises, sometimes, and what releases every advisory lock."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            if self._chance.random() < 0.5:
                name = connection.info.dbname
                connection.execute(f'alter database "{name}" set synchronous_commit = off'.encode())

    def _disturbed(self, *arguments: str) -> None:
        """Start a run again and again until one reaches the end; the first few are ended before."""
        for _ in range(self._chance.randint(1, 3)):
            self._end_one(*arguments)
        ended = self._run(*arguments)
        if ended.code != 0:
            self._fault(f"`zmig {' '.join(arguments)}` ended with {ended.code}: {ended.stderr[-2000:]}")

    def _end_one(self, *arguments: str) -> None:
        kind = self._disturber.choose()
        self.figures.runs += 1
        releases = self._chance.random() < 0.2
        environ = {projects.RELEASES: "0.05"} if releases else {}
        with Process(arguments[0], self._project.manifest, *arguments[1:], environ=environ) as process:
            within = self._chance.choice((0.1, 0.4, 1.0))
            meanwhile = self._chance.choice((lambda: self._run(*arguments), lambda: None))
            was_ended = self._disturber.end(process, kind, within_seconds=within, meanwhile=meanwhile)
            if releases:
                self._run(*arguments)  # perhaps beside it
            ended = process.wait()
        self.figures.ended[kind] += was_ended
        if ended.code not in _ALLOWED and _OVERTAKEN not in ended.stderr:
            self._fault(f"ended with {ended.code} ({kind}): {ended.stderr[-2000:]}")

    def _fault(self, what: str) -> None:
        self.figures.faults.append(f"round {self.figures.rounds + 1}: {what}")

    def _compare(self, expected: tuple[Counter[tuple[str, str, str]], Counter[tuple[int, int, str]]]) -> None:
        expected_catalog, expected_tally = expected
        catalog, tally = self._look()
        # A repeatable may be due again, or not, after a rollback; it has run at least once.
        for key in {key for key in tally | expected_tally if key[0] in projects.REPEATABLES}:
            expected_tally = expected_tally | Counter({key: 1})
            tally[key] = min(tally[key], expected_tally[key])
        self.figures.lost += (expected_tally - tally).total() + (expected_catalog - catalog).total()
        self.figures.doubled += (tally - expected_tally).total() + (catalog - expected_catalog).total()
        for sign, difference in (("lost", expected_catalog - catalog), ("too much", catalog - expected_catalog)):
            for item in difference:
                self._fault(f"{sign}: {item}")
        for sign, rows in (("lost", expected_tally - tally), ("done again", tally - expected_tally)):
            for row in rows:
                self._fault(f"{sign}: {row}")
        with psycopg.connect(self._url, autocommit=True) as connection:
            for fault in _bookkeeping_faults(connection):
                self._fault(fault)


def _bookkeeping_faults(connection: psycopg.Connection) -> Iterator[str]:
    """Yield where the simple table is not what the facts fold to, and executions without an end."""
    store = Store(connection, "zmig")
    if not store.inspect().exists:
        yield "there are no tracking tables"
        return
    facts = list(store.facts())
    folded = {
        (version, record.name, record.applied.position)
        for version, record in fold(facts).records.items()
        if record.applied is not None
    }
    simple = set(connection.execute("select version, name, position from zmig.schema_migrations").fetchall())
    for row in folded ^ simple:
        yield f"the simple table and the facts disagree on {row}"
    yield from order_faults(facts)
    ends = {_attempt(fact) for fact in facts if fact.type not in _BEGINNINGS}
    for fact in facts:
        if fact.type in _BEGINNINGS and _attempt(fact) not in ends:
            yield f"{fact.type} of {fact.name}, attempt {fact.integer('attempt')}, has no end"


def order_faults(facts: list[Fact]) -> Iterator[str]:
    """Yield facts that are there twice, and those that stand behind the end that another run recorded."""
    twice = Counter((fact.type, _attempt(fact)) for fact in facts if fact.type in {*_BEGINNINGS, *_ENDS})
    yield from (
        f"{type} of {attempt[1]} is there {count} times" for (type, attempt), count in twice.items() if count > 1
    )
    last_run: dict[str, str | None] = {}
    for fact in facts:
        if fact.type in (EventType.DONE, EventType.ROLLED_BACK):
            last_run[fact.name] = fact.run_id
        is_late = fact.type in (EventType.FAILED, EventType.CHECKPOINT) and fact.name in last_run
        if is_late and not _has_begun_since(facts, fact):
            yield f"{fact.type} of {fact.name} stands behind the end recorded by run {last_run[fact.name]}"
        if fact.type in _BEGINNINGS and _runs_seen(facts, fact) > 1:
            yield f"{fact.type} of {fact.name} by run {fact.run_id} stands behind what another run recorded"


def _has_begun_since(facts: list[Fact], fact: Fact) -> bool:
    """Whether something was begun between the latest end of a migration before this fact, and the fact."""
    own = [one for one in facts if one.name == fact.name and one.position < fact.position]
    ended = max((one.position for one in own if one.type in (EventType.DONE, EventType.ROLLED_BACK)), default=0)
    return any(one.type in _BEGINNINGS and one.position > ended for one in own)


def _runs_seen(facts: list[Fact], begun: Fact) -> int:
    """Return in how many stretches a run wrote its facts, up to this one: in one, as long as it holds the lock."""
    written = [one.run_id for one in facts if one.position <= begun.position]
    return sum(1 for before, run in pairwise([None, *written]) if run == begun.run_id and before != run)


_BEGINNINGS = {EventType.STARTED: "forward", EventType.ROLLBACK_STARTED: "back"}
_ENDS = {
    EventType.DONE: "forward",
    EventType.FAILED: "forward",
    EventType.ROLLED_BACK: "back",
    EventType.ROLLBACK_FAILED: "back",
}


def _attempt(fact: Fact) -> tuple[object, ...]:
    direction = _BEGINNINGS.get(fact.type) or _ENDS.get(fact.type)
    return (direction, fact.name, fact.text("run_id"), fact.integer("attempt"))
