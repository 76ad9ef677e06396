"""Who waits for whom: those that block the run, the run, and those that wait for it, as one tree. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.database.lock_queue import LockQueue
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.database.activity import Backend, BackendWork
    from zmig.database.lock_queue import Lock
    from zmig.session.watcher import Observation
    from zmig_tui.models.run import Run


class Part(StrEnum):
    """Where in the tree a backend is."""

    BLOCKER = "blocker"
    RUN = "run"
    WAITING = "waiting"


@valueclass
class WaitNode:
    """One backend of the tree."""

    part: Part
    depth: int
    pid: int
    """0 for a prepared transaction, which has no backend."""
    _: KW_ONLY
    backend: Backend | None = None
    """None where it is not known, of a prepared transaction, or of the last of very many."""
    awaited: Lock | None = None
    """What it waits for."""
    held: tuple[Lock, ...] = ()
    """What it holds that others wait for."""
    query: str | None = None
    """Its statement, the last one where it has none; None where this role may not see it."""

    @property
    def key(self) -> tuple[Part, int]:
        """What makes it the same one when the tree is asked for again."""
        return self.part, self.pid


@valueclass
class WaitTree:
    """Everybody who waits, from those that block the run to those that wait for it."""

    nodes: tuple[WaitNode, ...] = ()
    seconds_left: float | None = None
    """Until the run's statement gives up; None where it waits for nothing, or its lock timeout is not known."""
    blockers: int = 0
    """How many backends block the run, directly or through others."""
    waiting: int = 0
    """How many wait for the run."""
    applications: Sequence[tuple[str, int]] = field(default_factory=tuple)
    """How many of those each application has, the most first."""

    @property
    def is_anybody_waiting(self) -> bool:
        """Whether the run waits for somebody, or somebody for the run."""
        return bool(self.blockers or self.waiting)


def is_anybody_waiting(observation: Observation | None) -> bool:
    """Return whether the run waits for somebody, or somebody for the run."""
    if observation is None or observation.work is None:
        return False
    return bool(observation.work.blockers) or (observation.queue is not None and observation.queue.count > 0)


def wait_tree(observation: Observation | None, run: Run | None) -> WaitTree:
    """Return the tree of what was observed last; `run` is the one that is in progress, if that is known."""
    work = observation.work if observation is not None else None
    if observation is None or work is None:
        return WaitTree()
    queue = observation.queue
    return WaitTree(
        tuple(_nodes(work, queue, run)),
        seconds_left=_seconds_left(observation, run),
        blockers=len({blocker.pid for blocker in work.blockers}),
        waiting=queue.count if queue is not None else 0,
        applications=queue.applications if queue is not None else (),
    )


def _nodes(work: BackendWork, queue: LockQueue | None, run: Run | None) -> Iterator[WaitNode]:
    queue = queue or LockQueue()
    waits, held = queue.waits, queue.held
    for blocker in work.blockers:
        yield WaitNode(
            Part.BLOCKER,
            blocker.depth,
            blocker.pid,
            backend=blocker.backend,
            query=_query(blocker.backend),
            awaited=waits.get(blocker.pid),
            held=held.get(blocker.pid, ()),
        )
    pid = work.backend.pid
    awaited = waits.get(pid) if work.backend.waits_for_lock else None
    # The migration's own statement, and none of zmig's.
    statement = run.current.text if run is not None and run.current is not None else None
    query = statement if statement else _query(work.backend)
    yield WaitNode(Part.RUN, 0, pid, backend=work.backend, awaited=awaited, held=held.get(pid, ()), query=query)
    for one in queue.queued:
        yield WaitNode(
            Part.WAITING,
            one.depth,
            one.pid,
            backend=one.backend,
            query=_query(one.backend),
            awaited=one.lock,
            held=held.get(one.pid, ()),
        )


def _query(backend: Backend | None) -> str | None:
    return backend.query if backend is not None else None


def _seconds_left(observation: Observation, run: Run | None) -> float | None:
    """Return how long the run's statement goes on waiting, by its lock timeout and the server's clock."""
    queue, current = observation.queue, run.current if run is not None else None
    limit = current.lock_timeout_seconds if current is not None else None
    if not limit or queue is None or queue.awaited is None or queue.awaited.since is None:
        return None
    if observation.work is None or not observation.work.backend.waits_for_lock:
        return None
    left = limit - (observation.now - queue.awaited.since).total_seconds()
    return left if left >= 0 else None
