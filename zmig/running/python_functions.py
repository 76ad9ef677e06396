"""The functions that the steps of a plan call, of those written in Python.

All files of a plan are imported before its first step runs.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.planning.plan import Direction
from zmig.python import loader, locations
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.project.prepare import Execute, PreparedStep


def load(prepared_steps: Sequence[PreparedStep]) -> tuple[PreparedStep, ...]:
    """Import the Python files of a plan's steps.

    Raises:
        ManifestError: with every problem of every file.
    """
    loaded: list[PreparedStep] = []
    problems: list[Problem] = []
    for prepared in prepared_steps:
        try:
            loaded.append(prepared if prepared.is_sql else _with_function(prepared))
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(*problems)
    return tuple(loaded)


def _with_function(prepared: PreparedStep) -> PreparedStep:
    found = loader.functions(prepared.step)
    function: Execute = found.rollback if prepared.step.direction is Direction.ROLLBACK else found.execute
    _check_takes(function, ("ctx",), prepared)
    path = _source(function) if prepared.step.migration.code is not None else None
    return replace(prepared, function=function, path=path or prepared.path)


def _check_takes(function: Callable[..., object], given: tuple[str, ...], prepared: PreparedStep) -> None:
    """Make sure that a function can be called with what zmig gives it, before anything runs."""
    import inspect

    try:
        inspect.signature(function).bind(*given)
    except TypeError:
        name = getattr(function, "__name__", "execute")
        migration = prepared.step.migration.name
        raise ManifestError(
            Problem(
                "python-signature",
                f"`{name}` of migration `{migration}` cannot be called as `{name}({', '.join(given)})`",
                location=_defined_at(function),
                effect="nothing was run",
                hint=f"write `def {name}({', '.join(given)}):`",
            )
        ) from None
    except ValueError:
        pass  # something that does not say what it takes


def _defined_at(function: Callable[..., object]) -> Location | None:
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return None
    return locations.line_location(code.co_filename, code.co_firstlineno)


def _source(function: Execute) -> str | None:
    """Return the file in which a registered object's method is."""
    code = getattr(function, "__code__", None)
    return code.co_filename if isinstance(code, types.CodeType) else None
