"""The quick way to nothing to do: it never says so where the facts, all folded, say that there is something."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.tales import by_checksum, by_condition, once, planned
from zmig import Migrator
from zmig.database.store import Store
from zmig.planning import up_to_date
from zmig.planning.history import fold
from zmig.planning.request import Apply
from zmig.planning.state import Liveness, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.database.tracking_check import Inspection
    from zmig.model import Migration

Row = tuple[str, str, dict[str, object]]

DECLARED = (once(1), once(2), by_checksum(90))
TYPES = (
    *["migration.started", "migration.done"] * 6,
    "migration.baselined",
    "migration.failed",
    "migration.checkpoint",
    "migration.rollback_started",
    "migration.rolled_back",
    "migration.resolved",
    "migration.accepted",
    "migration.paused",
    "done",
    "foreign",
)


def row(chance: random.Random, migration: Migration) -> Row:
    """Return a fact that a run would append, or one that is somewhat odd."""
    data: dict[str, object] = {"version": migration.version, "checksum": migration.checksum, "as": "done"}
    name = migration.name
    if chance.random() < 0.05:
        name = chance.choice(["stranger", DECLARED[0].name, f"{name}\n2 x y"])
    if chance.random() < 0.05:
        data["checksum"] = chance.choice([None, "other", 7])
    if chance.random() < 0.05:
        data["version"] = chance.choice([None, 1, 2, 7, str(migration.version), 1.0, [1]])
    return name, chance.choice(TYPES), data


def history(chance: random.Random) -> list[Row]:
    """Return facts that are ended by a `done` for most migrations."""
    rows = [row(chance, chance.choice(DECLARED)) for _ in range(chance.randrange(5))]
    ends: list[Row] = [
        (one.name, "migration.done", {"version": one.version, "checksum": one.checksum}) for one in DECLARED
    ]
    chance.shuffle(ends)
    rows += ends if chance.random() < 0.8 else ends[1:]
    return rows if chance.random() < 0.6 else [*rows, row(chance, chance.choice(DECLARED))]


def is_settled(store: Store, inspection: Inspection, declared: Sequence[Migration]) -> bool:
    expected = up_to_date.expected_lines(declared)
    assert expected is not None
    asked = store.ask_up_to_date(inspection)
    assert asked is not None
    return store.is_up_to_date(asked, expected)


@pytest.mark.parametrize("seed", range(4))
def test_it_agrees_with_all_facts_folded(connection: psycopg.Connection, facts: Facts, seed: int) -> None:
    chance, store, found = random.Random(seed), Store(connection, "zmig"), 0
    store.create(store.inspect())
    inspection = store.inspect()
    for _ in range(150):
        rows = history(chance)
        with connection.transaction(force_rollback=True):
            for name, type, data in rows:
                facts.append(name, type, data=json.dumps(data))
            quick = is_settled(store, inspection, DECLARED)
            folded = fold(store.standing_facts(), versions={one.name: one.version for one in DECLARED})
            now = store.inspect().now
        made = planned(Apply(), evaluate(DECLARED, folded, Liveness(now, stuck_after=timedelta(minutes=10))))
        found += quick
        assert not quick or not (made.steps or made.refusals), rows
    assert found > 30


def test_what_has_to_be_asked_is_never_settled() -> None:
    assert up_to_date.expected_lines([once(1), by_condition(91)]) is None
    assert up_to_date.expected_lines([once(1, checksum=None)]) is None
    assert up_to_date.expected_lines([]) == []


def test_a_run_with_nothing_to_do_reads_no_fact_by_itself(
    project: ProjectFolder, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sql("001_a", "select 1;")
    project.repeatable("090_r", "select 2;")
    Migrator(project.manifest).migrate()
    told = facts.told
    with monkeypatch.context() as patched:
        patched.setattr(Store, "standing_facts", None)
        assert Migrator(project.manifest).migrate().completed == ()
    project.repeatable("090_r", "select 3;")
    assert Migrator(project.manifest).migrate().completed == ("090_r",)
    assert facts.told == [*told, ("090_r", "started"), ("090_r", "done")]
