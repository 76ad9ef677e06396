"""Proves the migrations of a project that are asked for: alone, or with two servers at once where there are many."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from queue import SimpleQueue
from typing import TYPE_CHECKING

from zmig.model import Language
from zmig.running.cancellation import Cancellation
from zmig.valueclass import field, slotted, valueclass
from zmig.verification import scratch
from zmig.verification.replay import Ground
from zmig.verification.round_trips import Proof, RoundTrips, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.model import Migration
    from zmig.process.interrupts import Interrupts
    from zmig.project.project import Project
    from zmig.verification.round_trips import Stage

_ENOUGH_FOR_TWO = 24
"""Migrations that take longer to prove than a second server to start, and to be brought to their middle."""
_LATER_HALF = 0.54
"""Where the second one begins: later migrations take longer, since there is more to compare."""


@valueclass
class Task:
    """What is to be proved."""

    manifest: Path
    project: Project
    chosen: tuple[Migration, ...]
    """The migrations that are proved, of those that run once; in order."""
    _: KW_ONLY
    scratch_url: str | None
    environ: Mapping[str, str]


@slotted
class Result:
    """What was found."""

    server_version: int = 0
    """Of the scratch server, as in `server_version_num`."""
    proofs: list[Proof] = field(default_factory=list[Proof])
    stopped: Proof | None = None
    """Of the migration that cannot be applied; None where all can."""
    remark: str | None = None
    """What is to be known of the scratch server."""
    left: int = 0
    """How many were not reached for that."""


def prove(task: Task, *, interrupts: Interrupts, hear: Callable[[Migration, Stage | Proof], None]) -> Result:
    """Prove migrations and every repeatable; `hear` is called, in this thread, with what is going on.

    Raises ZmigError where there is no scratch server, or it does not do.
    """
    parts = _parts(task)
    if len(parts) == 1:
        return _prove(task, task.chosen, interrupts, hear, is_last=True)
    return _together(task, parts, hear)


def _parts(task: Task) -> list[tuple[Migration, ...]]:
    """Return what is proved at the same time.

    Code of migrations may not expect to run beside other such code, and roles that migrations make are the server's.
    """
    has_code = any(one.language is Language.PYTHON for one in task.project.migrations)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if has_code or cores < 2 or task.scratch_url is not None or len(task.chosen) < _ENOUGH_FOR_TWO:
        return [task.chosen]
    middle = int(len(task.chosen) * _LATER_HALF)
    return [task.chosen[:middle], task.chosen[middle:]]


def _prove(
    task: Task,
    part: Sequence[Migration],
    interrupts: Interrupts,
    hear: Callable[[Migration, Stage | Proof], None],
    *,
    is_last: bool,
) -> Result:
    result = Result()
    with ExitStack() as closing:
        place = closing.enter_context(scratch.opened(task.project, url=task.scratch_url, environ=task.environ))
        result.server_version, result.remark = place.server_version, place.remark
        ground = Ground(
            manifest=task.manifest,
            project=task.project,
            scratch=place,
            environ=task.environ,
            interrupts=interrupts,
        )
        trips = RoundTrips(ground, begun=hear)
        closing.callback(trips.close)

        def found(proof: Proof) -> None:
            result.proofs.append(proof)
            hear(proof.migration, proof)

        try:
            for proof in trips.prove(part):
                found(proof)
            if is_last:
                trips.finish()
                for proof in trips.prove_repeatables():
                    found(proof)
        except Stopped as stopped:
            result.stopped, result.left = stopped.proof, stopped.left
            hear(stopped.proof.migration, stopped.proof)
    return result


def _together(
    task: Task, parts: Sequence[Sequence[Migration]], hear: Callable[[Migration, Stage | Proof], None]
) -> Result:
    """Prove several parts at once, each by a thread and on a server of its own; most of the work is the servers'."""
    heard: SimpleQueue[Callable[[], None]] = SimpleQueue()
    results: dict[int, Result] = {}
    errors: list[BaseException] = []
    cancellations = [Cancellation() for _ in parts]

    def work(number: int) -> None:
        def pass_on(migration: Migration, what: Stage | Proof) -> None:
            heard.put(lambda: hear(migration, what))

        try:
            is_last = number == len(parts) - 1
            results[number] = _prove(task, parts[number], cancellations[number], pass_on, is_last=is_last)
        except BaseException as error:  # it is raised where somebody waits for it
            errors.append(error)
        finally:
            heard.put(lambda: running.discard(number))

    running = set(range(len(parts)))
    threads = [threading.Thread(target=work, args=(number,), name=f"zmig verify {number}") for number in running]
    for thread in threads:
        thread.start()
    try:
        while running:
            heard.get()()
            if errors:
                break
    finally:
        for cancellation in cancellations if running else ():
            cancellation.request()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return _joined([results[number] for number in sorted(results)], parts)


def _joined(results: Sequence[Result], parts: Sequence[Sequence[Migration]]) -> Result:
    """Return what was found, as if one part had come after the other."""
    joined = Result(results[0].server_version, remark=results[0].remark)
    for number, result in enumerate(results):
        joined.proofs += result.proofs
        if result.stopped is not None:
            joined.stopped = result.stopped
            joined.left = result.left + sum(map(len, parts[number + 1 :]))
            break
    return joined
