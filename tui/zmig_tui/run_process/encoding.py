"""Values as JSON and back: data alone, of classes that are listed here. Whoever sends cannot have any code run.

Fields that are as they are by default are left out, and so is what is a function. The plan of a run, and its steps, are
sent once: what is reported afterwards names them by their places.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zmig import errors, facts, hints, model, progress
from zmig.batches import batch
from zmig.database import activity, lock_holder
from zmig.planning import blocked_by, checkpoint, plan, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from enum import Enum

VALUES: tuple[type, ...] = (
    *progress.Progress.__args__,
    *request.Request.__args__,
    activity.Backend,
    activity.Blocker,
    activity.ServerProgress,
    batch.Reached,
    checkpoint.Checkpoint,
    checkpoint.Sent,
    errors.Location,
    errors.Problem,
    facts.Fact,
    hints.SuggestedCommand,
    lock_holder.LockHolder,
    model.Batch,
    model.LastRun,
    model.Migration,
    model.Repeat,
    model.Retry,
    model.Settings,
    model.VerifyQuery,
    model.Versions,
    blocked_by.PastBlocker,
    plan.Mode,
    plan.Plan,
    plan.Refusal,
    plan.RunResult,
    plan.Step,
)
"""The classes of values that are sent."""

_ENUMS: tuple[type[Enum], ...] = (
    facts.EventType,
    lock_holder.ClientState,
    model.Kind,
    model.Language,
    model.RepeatRule,
    plan.Action,
    plan.Direction,
)

LONGEST_TEXT = 100_000
"""Characters; what servers and migrations say may have any length, and nobody reads more."""


class NotEncodable(Exception):
    """A value is of no class that is sent, or what came is no value."""


def _name(cls: type) -> str:
    return f"{cls.__module__.removeprefix('zmig.')}.{cls.__qualname__}"


class Encoder:
    """Turns values into JSON, for a decoder that gets all of it in the same order."""

    def __init__(self, more: Iterable[type] = ()) -> None:
        """`more` are classes of values beside those of this module."""
        self._names: dict[type, str] = {cls: _name(cls) for cls in (*VALUES, *more)}
        self._enums: dict[type, str] = {cls: _name(cls) for cls in _ENUMS}
        self._plan: plan.Plan | None = None
        self._places: dict[int, int] = {}

    def line(self, value: object) -> bytes:
        """Return a value as one line. Raises NotEncodable."""
        return json.dumps(self._encoded(value), separators=(",", ":")).encode() + b"\n"

    def _encoded(self, value: Any) -> object:
        cls: type = value.__class__
        if cls is str:
            return value if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]}…"
        if value is None or cls is int or cls is float or cls is bool:
            return value
        if cls is tuple:
            return [self._encoded(one) for one in value]
        known = self._known(value)
        if known is not None:
            return known
        if (name := self._names.get(cls)) is not None:
            made: object = {"=": name, "v": self._fields(value, cls)}
            if cls is progress.RunStarted:
                self._plan = value.plan
                self._places = {id(step): place for place, step in enumerate(value.plan.steps)}
            return made
        return self._other(value, cls)

    def _fields(self, value: object, cls: type) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, default, default_class in _defaults(cls):
            field = getattr(value, name)
            if field is default or (field.__class__ is default_class and field == default) or callable(field):
                continue
            found[name] = self._encoded(field)
        return found

    def _known(self, value: object) -> object:
        """Return what stands for the run's plan or one of its steps, once that was sent; None for anything else."""
        if self._plan is None:
            return None
        if value is self._plan:
            return {"=": "plan"}
        if value.__class__ is not plan.Step:
            return None
        place = self._places.get(id(value), -1)
        return {"=": "step", "v": place} if place >= 0 and self._plan.steps[place] is value else None

    def _other(self, value: Any, cls: type) -> object:
        if (name := self._enums.get(cls)) is not None:
            return {"=": name, "v": value.value}
        if cls is hints.Hint:
            return {"=": "hint", "v": [self._encoded(part) for part in value.parts]}
        if cls is list:
            return {"=": "list", "v": [self._encoded(one) for one in value]}
        if isinstance(value, datetime):
            return {"=": "datetime", "v": value.isoformat()}
        if isinstance(value, Path):
            return {"=": "path", "v": str(value)}
        if isinstance(value, str):
            return self._encoded(str(value))
        if hasattr(value, "items"):
            items = cast("Mapping[str, object]", value).items()
            return {"=": "dict", "v": [[key, self._encoded(one)] for key, one in items]}
        raise NotEncodable(f"{cls.__qualname__} is not sent")


class Decoder:
    """Turns JSON back into values."""

    def __init__(self, more: Iterable[type] = ()) -> None:
        """`more` are classes of values beside those of this module."""
        self._classes: dict[str, type] = {_name(cls): cls for cls in (*VALUES, *more)}
        self._enums: dict[str, type[Enum]] = {_name(cls): cls for cls in _ENUMS}
        self._plan: plan.Plan | None = None
        self._special: dict[str, Callable[[Any], object]] = {
            "plan": self._known_plan,
            "step": self._known_step,
            "hint": lambda parts: hints.Hint(*map(self._decoded, parts)),
            "list": lambda items: list(map(self._decoded, items)),
            "dict": self._dict,
            "datetime": datetime.fromisoformat,
            "path": Path,
        }

    def value(self, line: bytes) -> object:
        """Return the value that a line holds. Raises NotEncodable."""
        try:
            return self._decoded(json.loads(line))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise NotEncodable(f"{type(error).__name__}: {error}") from error

    def _known_plan(self, _content: object = None) -> plan.Plan:
        if self._plan is None:
            raise ValueError("a plan is named before it came")
        return self._plan

    def _known_step(self, place: int) -> plan.Step:
        return self._known_plan().steps[place]

    def _dict(self, items: Iterable[tuple[str, object]]) -> dict[str, object]:
        return {key: self._decoded(one) for key, one in items}

    def _decoded(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self._decoded(one) for one in cast("list[object]", value))
        if not isinstance(value, dict):
            return value
        found = cast("Mapping[str, Any]", value)
        name, content = found["="], cast("Any", found.get("v"))
        cls = self._classes.get(name)
        if cls is not None:
            made = cls(**{name: self._decoded(field) for name, field in content.items()})
            if isinstance(made, progress.RunStarted):
                self._plan = made.plan
            return made
        enum = self._enums.get(name)
        return self._special[name](content) if enum is None else enum(content)


@cache
def _defaults(cls: type) -> tuple[tuple[str, object, type], ...]:
    """Return the name of each field, with what it is by default, and the class of that; one without has the marker."""
    found: list[tuple[str, object, type]] = []
    for one in dataclasses.fields(cast("Any", cls)):
        default: object = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        found.append((one.name, default, default.__class__))
    return tuple(found)
