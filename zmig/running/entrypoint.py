"""The functions of steps written in Python: of a registered object, or of a file, which is imported.

All files of a plan are imported before its first step runs.
"""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, cast

from zmig.errors import Location, ManifestError, Problem
from zmig.planning.plan import Direction
from zmig.project import project
from zmig.running import prepare
from zmig.running.surroundings import surroundings_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zmig.model import LastRun
    from zmig.planning.plan import Step
    from zmig.running.context import Context
    from zmig.running.prepare import Execute, Work


MODULES = "zmig_migration_"
"""How the names of the modules begin that hold migrations' code."""


class _Functions(Protocol):
    def execute(self, ctx: Context, /) -> object: ...
    def rollback(self, ctx: Context, /) -> object: ...
    def should_repeat(self, ctx: Context, last_run: LastRun | None, /) -> object: ...


def load(works: Sequence[Work]) -> tuple[Work, ...]:
    """Import the Python files of a plan's steps.

    Raises:
        ManifestError: with every problem of every file.
    """
    loaded: list[Work] = []
    problems: list[Problem] = []
    for work in works:
        try:
            loaded.append(work if work.is_sql else _with_function(work))
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(*problems)
    return tuple(loaded)


def _with_function(work: Work) -> Work:
    found = functions(work.step)
    function: Execute = found.rollback if work.step.direction is Direction.ROLLBACK else found.execute
    _check_takes(function, ("ctx",), work)
    path = _source(function) if work.step.migration.code is not None else None
    return replace(work, function=function, path=path or work.path)


def _check_takes(function: Callable[..., object], given: tuple[str, ...], work: Work) -> None:
    """Make sure that a function can be called with what zmig gives it, before anything runs."""
    import inspect

    try:
        inspect.signature(function).bind(*given)
    except TypeError:
        name = getattr(function, "__name__", "execute")
        raise ManifestError(
            Problem(
                "python-signature",
                f"`{name}` of migration `{work.step.migration.name}` cannot be called as `{name}({', '.join(given)})`",
                location=_defined_at(function),
                effect="nothing was run",
                hint=f"write `def {name}({', '.join(given)}):`",
            )
        ) from None
    except ValueError:
        pass  # something that does not tell what it takes


def _defined_at(function: Callable[..., object]) -> Location | None:
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return None
    from zmig.running import failure

    return failure.line_location(code.co_filename, code.co_firstlineno)


def _source(function: Execute) -> str | None:
    """Return the file in which a registered object's method stands."""
    code = getattr(function, "__code__", None)
    return code.co_filename if isinstance(code, types.CodeType) else None


def functions(step: Step) -> _Functions:
    """Return the functions of a step: the registered object, or its file, imported.

    Raises:
        ManifestError: the file does not import, or lacks the function.
    """
    if step.migration.code is not None:
        return cast("_Functions", step.migration.code)
    file = prepare.file_of(step)
    if file is None:
        raise AssertionError(f"{step.migration.name} has neither code nor a file")
    module = _import(file, step.migration.checksum)
    needed = "rollback" if step.direction is Direction.ROLLBACK else "execute"
    if not callable(getattr(module, needed, None)):
        raise ManifestError(
            Problem(
                "python-function-missing",
                f"Python file `{file}` has no function `{needed}`",
                effect="nothing was run",
                hint=f"define `def {needed}(ctx):` in it",
            )
        )
    return cast("_Functions", module)


def _import(file: Path, checksum: str | None) -> types.ModuleType:
    """Run the file's module-level code; without a byte-code file beside it, and under a name of its own.

    The module can be looked up by its name, as dataclasses and pickle do.
    """
    source = project.read_text(file)
    prepare.check_unchanged(file, source, checksum)
    digest = sha256(f"{file.absolute()}\0{source}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    module = types.ModuleType(f"{MODULES}{file.stem}_{digest}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        with surroundings_kept():
            exec(compile(source, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        from zmig.running import failure

        raise ManifestError(failure.code_error(file, error)) from error
    return module
