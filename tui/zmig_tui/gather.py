"""Reads what the pages about one migration show: its files, its facts, what applying it would do."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.planning import plan as planner
from zmig.project import project
from zmig.running import prepare
from zmig.sql import script
from zmig_tui import elsewhere
from zmig_tui.detail import Detail, File

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.errors import Problem
    from zmig.invocation import Invocation
    from zmig.planning.plan import Plan
    from zmig.planning.state import Entry
    from zmig.sql.script import Statement
    from zmig.watching.watch import Observation, Watcher
    from zmig_tui.elsewhere import Place


def detail(entry: Entry, watcher: Watcher, invocation: Invocation) -> Detail:
    """Return everything about one migration; what cannot be read is told in its place."""
    migration = entry.migration
    plan, problems = _effect(entry, invocation)
    try:
        facts = tuple(watcher.facts(entry.name))
    except ZmigError:
        facts = ()
    return Detail(
        entry=entry,
        invocation=invocation,
        file=_read(migration.file) if migration is not None else None,
        rollback=_read(migration.rollback_file) if migration is not None else None,
        facts=facts,
        plan=plan,
        plan_problems=problems,
    )


def _read(path: Path | None) -> File | None:
    if path is None:
        return None
    try:
        return File(project.read_text(path))
    except ZmigError as error:
        return File(problems=error.problems)


def _effect(entry: Entry, invocation: Invocation) -> tuple[Plan | None, tuple[Problem, ...]]:
    """Return what an apply would do with this migration, with its transaction mode."""
    plan = planner.forward([entry], invocation=invocation)
    try:
        return plan.with_modes({work.step.migration.version: work.mode for work in prepare.read(plan)}), ()
    except ZmigError as error:
        return None, error.problems


def place(observation: Observation) -> Place | None:
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
    if file is None or file.suffix.lower() == ".py":
        return None
    return elsewhere.place(_statements(file, migration.checksum), work.backend)


@lru_cache(maxsize=2)
def _statements(file: Path, _checksum: str | None) -> tuple[Statement, ...]:
    try:
        return tuple(script.split(project.read_text(file), path=str(file)))
    except ZmigError:
        return ()
