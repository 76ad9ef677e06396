"""Tries migrations and their rollbacks on a scratch database, and keeps what the server did for each statement."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from zmig.errors import ManifestError, PlanRefused
from zmig.planning import selection
from zmig.project import project as projects
from zmig.valueclass import field, slotted, valueclass
from zmig.verification import choosing, scratch
from zmig.verification.replay import Ground, Start
from zmig.verification.round_trips import RoundTrips, Stage, Stopped
from zmig.verification.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.lint.base import Comparison
    from zmig.lint.entries import Gathered
    from zmig.model import Migration
    from zmig.process.interrupts import Interrupts
    from zmig.project.project import Project
    from zmig.verification.round_trips import Proof
    from zmig.verification.watching import Seen


@valueclass
class Task:
    """What is to be tried."""

    manifest: Path
    project: Project
    chosen: tuple[Migration, ...]
    """The migrations that are tried, in order; those that run again are the last."""
    _: KW_ONLY
    fresh: Collection[int] = ()
    """The versions of those that were never applied anywhere, so that nobody uses the tables they make."""
    start: Start | None = None
    """What is there before the first one."""
    scratch_url: str | None
    environ: Mapping[str, str]


@slotted
class Trial:
    """What was seen."""

    server_version: int = 0
    """Of the scratch server, as in `server_version_num`."""
    seen: list[Seen] = field(default_factory=list["Seen"])
    """What each statement did, in the order they were carried out."""
    proofs: list[Proof] = field(default_factory=list["Proof"])
    """What came of each migration and its rollback."""
    _: KW_ONLY
    stopped: Proof | None = None
    """Of the migration that cannot be applied; None where all can."""
    left: int = 0
    """How many were not reached for that."""
    refused: bool | None = None
    """Whether a file that no run takes kept the rest from being tried, and is reported as such; None where none did."""
    remark: str | None = None
    """What is to be known of how the server was chosen."""


def task(
    gathered: Gathered,
    compared: Comparison | None,
    *,
    base: str | None,
    names: Sequence[str],
    scratch_url: str | None,
    environ: Mapping[str, str],
) -> Task | None:
    """Return what is to be tried of a manifest: what is named, or is not on a revision as it is here, else all.

    None where the manifest, or one of its files, cannot be read.

    Raises:
        UsageError: nothing has such a name or version.
    """
    if gathered.problems or gathered.remarks or (gathered.start is not None and gathered.start.problems):
        return None
    try:
        project = choosing.on_new_database(projects.load(gathered.path, environ=environ))
    except ManifestError:
        return None
    chosen = project.migrations
    if names:
        named = {one.version for one in selection.find_all(chosen, names)}
        chosen = tuple(one for one in chosen if one.version in named)
    fresh = frozenset[int]()
    if compared is not None and base is not None:
        examined = compared.examined | choosing.with_other_rollbacks(chosen, gathered.path, base)
        chosen, fresh = tuple(one for one in chosen if one.version in examined), compared.new
    return Task(
        gathered.path,
        project,
        chosen,
        fresh=fresh,
        start=_start(gathered),
        scratch_url=scratch_url,
        environ=environ,
    )


def _start(gathered: Gathered) -> Start | None:
    if gathered.start is None:
        return None
    return Start(gathered.start.path, tuple(one.raw for one in gathered.start.statements))


def try_out(task: Task, *, interrupts: Interrupts, hear: Callable[[Migration, Stage | Proof], None]) -> Trial:
    """Try migrations; `hear` is called with what is going on. Raises ZmigError where there is no scratch server."""
    trial = Trial()
    if not task.chosen:
        return trial
    with ExitStack() as closing:
        place = closing.enter_context(scratch.opened(task.project, url=task.scratch_url, environ=task.environ))
        trial.server_version, trial.remark = place.server_version, place.remark
        watch = Watch(task.project.scope)
        trial.seen = watch.seen
        ground = Ground(
            manifest=task.manifest,
            project=task.project,
            scratch=place,
            environ=task.environ,
            interrupts=interrupts,
            watch=watch,
            start=task.start,
        )

        def begun(migration: Migration, stage: Stage) -> None:
            is_watched = migration in task.chosen and stage in (Stage.APPLY, Stage.ROLL_BACK)
            watch.look_at(migration if is_watched else None, is_rollback=stage is Stage.ROLL_BACK)
            hear(migration, stage)

        trips = RoundTrips(ground, begun=begun)
        closing.callback(trips.close)
        try:
            _go(task, trips, trial, watch, hear)
        except Stopped as stopped:
            trial.stopped, trial.left = stopped.proof, stopped.left
            hear(stopped.proof.migration, stopped.proof)
        except (ManifestError, PlanRefused) as error:
            trial.refused = isinstance(error, ManifestError)  # which lint finds by itself
        watch.check()
    return trial


def _go(
    task: Task, trips: RoundTrips, trial: Trial, watch: Watch, hear: Callable[[Migration, Stage | Proof], None]
) -> None:
    """Make the round trips. Raises Stopped where a migration cannot be applied."""

    def found(proof: Proof) -> None:
        watch.look_at(None)
        watch.check()
        if proof.migration.version in task.fresh:
            watch.made_is_fresh()
        if proof.migration in task.chosen:
            trial.proofs.append(proof)
            hear(proof.migration, proof)

    for proof in trips.prove(one for one in task.chosen if not one.is_repeatable):
        found(proof)
    if any(one.is_repeatable for one in task.chosen):
        trips.finish()
        for proof in trips.prove_repeatables():
            found(proof)
