"""A limit on processor time, as a container has one: a control group of the Linux kernel."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_PERIOD_MICROSECONDS = 100_000
_ROOTS = ((Path("/sys/fs/cgroup/cpu"), 1), (Path("/sys/fs/cgroup"), 2))
"""Where the two versions of control groups are mounted, by convention."""


@contextlib.contextmanager
def limited(fraction: float) -> Generator[dict[str, str] | None]:
    """Yield the environment with which `bench.measured.run` limits a process to a fraction of one processor.

    None where no control group can be made here.
    """
    quota = round(fraction * _PERIOD_MICROSECONDS)
    for root, version in _ROOTS:
        group = root / f"zmig-bench-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if version == 1:
                (group / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
                (group / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                (group / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        except OSError:
            group.rmdir()
            continue
        try:
            yield {"BENCH_CGROUP": str(group / "cgroup.procs")}
        finally:
            group.rmdir()
        return
    yield None
