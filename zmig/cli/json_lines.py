"""A run as lines of JSON on stderr, one for each progress, where the command's result is JSON too."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from zmig.cli import json_documents
from zmig.database.activity import Blocker, ServerProgress
from zmig.database.lock_holder import LockHolder
from zmig.errors import Problem
from zmig.planning.blocked_by import PastBlocker
from zmig.planning.plan import Plan, Step
from zmig.progress import Blocked, Notice, RunStarted, ServerReported, StatementStarted
from zmig.valueclass import fields

if TYPE_CHECKING:
    from zmig.cli.json_documents import Document
    from zmig.cli.output import Output
    from zmig.progress import Progress

_FIELDS: dict[type, tuple[str, ...]] = {
    RunStarted: ("run_id", "database", "plan"),
    Blocked: ("step", "waited_seconds", "blockers", "queued", "queued_applications"),
    Notice: ("severity", "message", "detail", "hint"),
    StatementStarted: ("step", "number", "total", "line", "text"),
    ServerReported: ("step", "seconds", "report"),
}
"""The fields that are written where they are not all fields in their order."""
_KEYS = {"plan": "steps", "problem": "error"}
"""How fields are called in JSON that are not called by their name."""
_DIGITS = {"rows_per_second": 1, "seconds_left": 1}
"""How many digits after the point numbers have that do not have three."""


class JsonLines:
    """An observer that writes each progress as one JSON object on a line of its own."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, progress: Progress) -> None:
        """Write a progress."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        # The type as words joined by hyphens: StepStarted is `step-started`.
        kind = re.sub("(?<!^)(?=[A-Z])", "-", type(progress).__name__).lower()
        self._output.note_document({"progress": kind, "at": now, **document(progress)})


def document(progress: Progress) -> Document:
    """Return what a progress holds as JSON types, key by key as its fields are called."""
    names = _FIELDS.get(type(progress)) or tuple(field.name for field in fields(progress))
    result: Document = {}
    for name in names:
        value = getattr(progress, name)
        if isinstance(value, ServerProgress):
            result |= {field.name: getattr(value, field.name) for field in fields(value)}
        else:
            result[_KEYS.get(name, name)] = _value(value, _DIGITS.get(name, 3))
    return result


def _value(value: object, digits: int) -> object:
    match value:
        case float():
            return round(value, digits)
        case Step():
            return _step(value)
        case Plan():
            return [_step(step) for step in value.steps]
        case Problem():
            return json_documents.of_problem(value)
        case LockHolder():
            return value.as_dict()
        case Blocker():
            return _blocker(value)
        case PastBlocker():
            return value.as_dict()
        case tuple():
            return [_value(item, digits) for item in cast("tuple[object, ...]", value)]
        case _:
            return value


def _step(step: Step) -> Document:
    return {"version": step.migration.version, "name": step.migration.name, "action": step.action.value}


def _blocker(blocker: Blocker) -> Document:
    document: Document = {"depth": blocker.depth, "pid": blocker.pid, "waiting_pid": blocker.waiting_pid}
    backend = blocker.backend
    if backend is None:
        return document
    return document | {
        "application_name": backend.application_name,
        "database_user": backend.database_user,
        "host": backend.host,
        "state": backend.state,
        "since": backend.since.isoformat() if backend.since is not None else None,
        "query": backend.query,
    }
