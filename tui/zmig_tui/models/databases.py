"""Several databases, each in a line: how far each is, what is wrong with it, and which are ahead of it. Pure."""

from __future__ import annotations

from os.path import commonprefix
from typing import TYPE_CHECKING

from zmig.planning.state import FindingCode
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.model import Environment
    from zmig_tui.models.console import ConsoleModel

_DRIFTED = (FindingCode.EDITED, FindingCode.MISSING, FindingCode.OTHER)


@valueclass
class Lacking:
    """Another database has migrations that this one has not."""

    count: int
    whom: str


@valueclass
class DatabaseSummary:
    """One database as it was seen last."""

    manifest: str
    """How the manifest was named, without the folder that all are in."""
    _: KW_ONLY
    environment: Environment | None = None
    """None before it was seen."""
    database: str = ""
    version: int = 0
    done: int = 0
    pending: int = 0
    failed: int = 0
    stuck: int = 0
    drift: int = 0
    """How many files and objects are not what was applied."""
    running: str = ""
    """What goes on there; empty where nothing does."""
    lacking: Lacking | None = None
    silent_seconds: float = 0.0
    problem: str = ""
    """What is wrong with the manifest, or why the database cannot be read."""
    is_shown: bool = False


def summaries(models: Sequence[ConsoleModel], shown: int) -> list[DatabaseSummary]:
    """Return all databases, in order; `shown` is the place of the one that the main screen shows."""
    applied = [_applied(model) for model in models]
    labels = _labels(models)
    names = _without_common_folder([model.manifest for model in models])
    return [
        _summary(model, names[place], _lacking(place, applied, labels), is_shown=place == shown)
        for place, model in enumerate(models)
    ]


def _without_common_folder(names: Sequence[str]) -> Sequence[str]:
    """Return paths without the folder that all are in: they differ in the rest."""
    folder = len(names) > 1 and commonprefix(names).rpartition("/")[0]  # noqa: RUF071 - cut at the last folder
    return [name.removeprefix(f"{folder}/") for name in names] if folder else names


def _summary(model: ConsoleModel, name: str, lacking: Lacking | None, *, is_shown: bool) -> DatabaseSummary:
    problem = model.problems[0].message if model.problems else ""
    observation = model.observation
    if observation is None:
        return DatabaseSummary(name, silent_seconds=model.silent_seconds, problem=problem, is_shown=is_shown)
    status = observation.status
    return DatabaseSummary(
        name,
        environment=status.environment,
        database=status.database,
        version=status.current_version,
        done=len(status.applied),
        pending=len(status.pending),
        failed=len(status.failed),
        stuck=len(status.stuck),
        drift=_drift(model),
        running=_running(model),
        lacking=lacking,
        silent_seconds=model.silent_seconds,
        problem=problem,
        is_shown=is_shown,
    )


def _drift(model: ConsoleModel) -> int:
    if model.observation is None:
        return 0
    status = model.observation.status
    edited = sum(any(finding.code in _DRIFTED for finding in entry.findings) for entry in status.migrations)
    return edited + (len(status.schema.objects) if status.schema is not None else 0)


def _running(model: ConsoleModel) -> str:
    run = model.runs.shown
    if run is None or run.is_over:
        return model.running_name or ""
    what = run.current.name if run.current is not None else run.verb
    return f"{what} {run.finished:,} of {run.total:,}" if run.total else what


def _applied(model: ConsoleModel) -> frozenset[str]:
    return frozenset(model.observation.status.applied) if model.observation is not None else frozenset()


def _labels(models: Sequence[ConsoleModel]) -> list[str]:
    """Return what each is called beside the others: its environment, unless another has the same."""
    known = [model.observation.status if model.observation is not None else None for model in models]
    environments = [status.environment.value if status is not None else "" for status in known]
    return [
        environment if status is not None and environments.count(environment) == 1 else model.manifest
        for model, status, environment in zip(models, known, environments, strict=True)
    ]


def _lacking(place: int, applied: Sequence[frozenset[str]], labels: Sequence[str]) -> Lacking | None:
    """Return which other database has most that this one has not; those that have nothing in common do not count."""
    own = applied[place]
    others = ((len(other - own), labels[at]) for at, other in _related(place, applied))
    count, whom = max(others, default=(0, ""), key=lambda found: found[0])
    return Lacking(count, whom) if count else None


def _related(place: int, applied: Sequence[frozenset[str]]) -> Iterator[tuple[int, frozenset[str]]]:
    own = applied[place]
    return ((at, other) for at, other in enumerate(applied) if at != place and own & other)
