"""A change of any property of any object is found, and nothing else: a sample of `python -m tests.proof.mutations`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.proof.mutations import Laboratory
from tests.support.schema_parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAMPLE = 25


@pytest.fixture
def laboratory(server: str, worker_name: str) -> Iterator[Laboratory]:
    made = Laboratory(server, f"{worker_name}_laboratory", [Part(1), Part(2)])
    yield made
    made.close()


def test_there_are_as_many_changes_as_promised() -> None:
    mutations = [one for number in (1, 2) for one in Part(number).mutations]
    assert len({one.sql for one in mutations}) >= 500


def test_each_of_a_sample_of_changes_is_found_and_nothing_else(laboratory: Laboratory) -> None:
    major = laboratory.before.server_version // 10000
    mutations = [one for number in (1, 2) for one in Part(number).mutations if one.since <= major]
    chosen = random.Random(0).sample(mutations, _SAMPLE)
    verdicts = {one.name: laboratory.verdict(one, judged=False) for one in chosen}
    assert verdicts == dict.fromkeys(verdicts)
