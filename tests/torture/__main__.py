"""The long run: `python -m tests.torture --rounds 500 --seed 1`."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.stage import staged


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="decides what is ended, how, and when")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="zmig-torture-") as folder, staged(Path(folder)) as stage:
        torture = stage.torture(random.Random(arguments.seed))
        _tell(f"PostgreSQL {stage.version}, seed {arguments.seed}")
        for number in range(1, arguments.rounds + 1):
            known = len(torture.figures.faults)
            torture.round()
            _tell(*torture.figures.faults[known:])
            if number % 10 == 0:
                told = torture.figures
                counts = f"lost {told.lost}, doubled {told.doubled}, faults {len(told.faults)}"
                _tell(f"{number} rounds, {told.ended.total()} ended, {counts}")
    _tell(*torture.figures.lines(), f"seconds   {time.monotonic() - began:.0f}")
    return 0 if torture.figures.is_clean else 1


def _tell(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
