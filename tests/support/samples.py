"""Values made by the types of their fields: no field is left at what it is by default, and none is forgotten later."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, cast

import zmig
from zmig.hints import Hint, run_command
from zmig.valueclass import fields

_counter = itertools.count(1)


@cache
def _namespace() -> dict[str, Any]:
    """Every public class of zmig by its name: fields are typed by what is imported for type checkers alone."""
    found: dict[str, Any] = {}
    for room in ("planning", "batches", "database"):
        package = importlib.import_module(f"zmig.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"zmig.{room}."):
            _add(found, importlib.import_module(module.name))
    for name in ("errors", "facts", "hints", "model", "progress"):
        _add(found, importlib.import_module(f"zmig.{name}"))
    return found | {"datetime": datetime, "Path": Path, "Mapping": Mapping, "Callable": Callable, "zmig": zmig}


def _add(found: dict[str, Any], module: types.ModuleType) -> None:
    for name, value in vars(module).items():
        if (isinstance(value, type) and value.__module__ == module.__name__) or name == "Key":
            found[name] = value


def samples(cls: type) -> Iterator[object]:
    """Yield values of a class: each field has each form it may have at least once, and texts like a hint once."""
    hints = _types(cls)
    choices = {one.name: list(_of(hints[one.name])) for one in fields(cls)}
    for turn in range(max(map(len, choices.values()), default=1)):
        yield cls(**{name: values[turn % len(values)] for name, values in choices.items()})


def _types(cls: type) -> dict[str, Any]:
    own = vars(importlib.import_module(cls.__module__))
    known = _namespace() | {name: value for name, value in own.items() if isinstance(value, type) or name == "Key"}
    return {one.name: eval(one.type, dict(known)) for one in fields(cls)}


def _of(hint: Any) -> Iterator[object]:  # noqa: C901, PLR0912 - a case for each kind of type
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    number = next(_counter)
    if hint is None or hint is type(None):
        yield None
    elif isinstance(hint, types.UnionType) or origin is typing.Union:
        for one in arguments:
            yield from _of(one)
    elif origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        yield tuple(_of(arguments[0]))
    elif origin is tuple:
        yield tuple(next(_of(one)) for one in arguments)
    elif origin is Mapping:
        yield {f"key {number}": next(_of(arguments[1])), "é [x]": next(_of(arguments[1]))}
    elif origin is Callable:
        yield None
    elif hint is object:
        yield {"a": [1, "two", None, {"b": 1.5}], "c": True}
        yield None
    elif hint is str:
        yield f"text {number} é \ud800 [bold]"
        yield Hint("do this: ", run_command("apply", "--to", str(number)))
    elif hint is bool:
        yield True
        yield False
    elif hint is int:
        yield number
    elif hint is float:
        yield number + 0.25
    elif hint is datetime:
        yield datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=number, microseconds=7)
    elif hint is Path:
        yield Path(f"folder/file {number}.sql")
    elif isinstance(hint, type) and issubclass(hint, Enum):
        yield from hint
    else:
        yield from samples(cast("type", hint))
