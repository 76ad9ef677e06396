"""Reads what the pages about one migration show: its files, its facts, what applying it would do."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.model import Language
from zmig.planning import planner
from zmig.planning.request import Apply
from zmig.planning.snapshot import Snapshot
from zmig.planning.state import FindingCode
from zmig.project import outside, prepare, text_file
from zmig.sql import script
from zmig_tui.models import remote_run
from zmig_tui.models.details import EVENTS_LIMIT, Detail, File

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.errors import Problem
    from zmig.model import Migration
    from zmig.planning.plan import Plan, Step
    from zmig.planning.state import Entry
    from zmig.session.watcher import Observation, Watcher
    from zmig.sql.statement import Statement
    from zmig_tui.models.remote_run import StatementPosition


_SHOWN_BYTES = 1_000_000
"""Of a larger file only the beginning is shown, and what it would do is not worked out: that takes seconds."""


def read_detail(entry: Entry, watcher: Watcher) -> Detail:
    """Return everything about one migration; what cannot be read is replaced by its problems."""
    migration = entry.migration
    file = _read(migration.file) if migration is not None else None
    plan, statements, problems = _effect(entry, is_large=file is not None and file.is_cut)
    if any(finding.code is FindingCode.EDITED for finding in entry.findings):
        statements = _counted(file, migration)
    try:
        facts = tuple(watcher.facts(entry.name, most=EVENTS_LIMIT))
    except ZmigError:
        facts = ()
    return Detail(
        entry=entry,
        file=file,
        rollback=_read(migration.rollback_file) if migration is not None else None,
        facts=facts,
        statements=statements,
        plan=plan,
        plan_problems=problems,
    )


def read_step_file(step: Step) -> File | None:
    """Return the file that a step of a plan runs; None for one that runs none."""
    return _read(step.file)


def _read(path: Path | None) -> File | None:
    if path is None:
        return None
    if outside.is_outside(str(path)):
        return File(is_outside=True)
    try:
        if _is_large(path):
            return File(next(text_file.pieces(path), ""), is_cut=True)
        return File(text_file.read(path))
    except ZmigError as error:
        return File(problems=error.problems)


def _is_large(path: Path) -> bool:
    try:
        return text_file.size(path) > _SHOWN_BYTES
    except ZmigError:
        return False


def _effect(entry: Entry, *, is_large: bool) -> tuple[Plan | None, int | None, tuple[Problem, ...]]:
    """Return what an apply would do with this migration, with its transaction mode and how many statements it has."""
    plan = planner.plan(Apply(), Snapshot((entry,)))
    if is_large:
        return plan, None, ()
    try:
        works = prepare.read(plan)
    except ZmigError as error:
        return None, None, error.problems
    modes = {work.step.migration.version: work.mode for work in works}
    return plan.with_modes(modes), works[0].count if works else None, ()


def _counted(file: File | None, migration: Migration | None) -> int | None:
    """Return how many statements the file has, though it would not be run now; None where that is not known."""
    if migration is None or migration.file is None or migration.language is not Language.SQL:
        return None
    if file is None or file.text is None or file.is_cut:
        return None
    return len(_statements(migration.file, migration.checksum)) or None


def running_position(observation: Observation) -> StatementPosition | None:
    """Return which statement of its file a run in another process is at, by what the server says it is running."""
    work, holder = observation.work, observation.status.holder
    if work is None or holder is None or work.backend.state != "active":
        return None
    running = next((entry for entry in observation.status.migrations if entry.name == holder.migration), None)
    migration = running.migration if running is not None else None
    if running is None or migration is None:
        return None
    is_rollback = running.record is not None and running.record.is_in_rollback
    file = migration.rollback_file if is_rollback else migration.file
    if file is None or file.suffix.lower() == ".py" or outside.is_outside(str(file)) or _is_large(file):
        return None
    return remote_run.position_of_query(_statements(file, migration.checksum), work.backend)


@lru_cache(maxsize=2)
def _statements(file: Path, _checksum: str | None) -> tuple[Statement, ...]:
    try:
        return tuple(script.split(text_file.read(file), path=str(file)))
    except ZmigError:
        return ()
