"""A short torture; the long one is a command, and its figures stand in docs/reliability.md."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.torture.rounds import order_faults
from tests.torture.stage import staged
from zmig.facts import EventType, Fact

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 15.0


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    began, seed = time.monotonic(), random.SystemRandom().randrange(1 << 32)
    with staged(tmp_path) as stage:
        torture = stage.torture(random.Random(seed))
        while not torture.figures.ended.total() or time.monotonic() - began < _SECONDS:
            torture.round()
    assert torture.figures.is_clean, "\n".join((f"seed {seed}", *torture.figures.lines()))
    assert torture.figures.ended.total() > 0


def told(*facts: tuple[str, str]) -> list[str]:
    """Return what is wrong with facts of one migration, each given as its run and its type."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return list(
        order_faults(
            [
                Fact(
                    position,
                    "001_m",
                    EventType(f"migration.{type}"),
                    created_at=at,
                    data={"run_id": run, "attempt": 1},
                    run_id=run,
                )
                for position, (run, type) in enumerate(facts, start=1)
            ]
        )
    )


GOOD = [("a", "started"), ("b", "started"), ("b", "done")]


def test_facts_in_order_are_no_fault() -> None:
    assert told(*GOOD) == []


@pytest.mark.parametrize("late", ["started", "failed", "done"])
def test_a_fact_behind_what_another_run_recorded_is_seen(late: str) -> None:
    fault = told(*GOOD, ("a" if late != "done" else "b", late))
    assert fault, late
