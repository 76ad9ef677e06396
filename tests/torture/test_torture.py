"""A short torture; the long one is a command, and its figures stand in docs/reliability.md."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from tests.torture.stage import staged

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 15.0


def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    began, seed = time.monotonic(), random.SystemRandom().randrange(1 << 32)
    with staged(tmp_path) as stage:
        torture = stage.torture(random.Random(seed))
        while torture.figures.rounds == 0 or time.monotonic() - began < _SECONDS:
            torture.round()
    assert torture.figures.is_clean, "\n".join((f"seed {seed}", *torture.figures.lines()))
    assert torture.figures.ended.total() > 0
