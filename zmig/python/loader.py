"""Imports the Python file of a migration, or takes the object that was registered for it."""

from __future__ import annotations

import sys
import types
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, cast

from zmig.errors import ManifestError, Problem
from zmig.planning.plan import Direction
from zmig.process.surroundings import surroundings_kept
from zmig.project import text_file
from zmig.python import locations

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.context import Context
    from zmig.model import LastRun
    from zmig.planning.plan import Step

MODULES = "zmig_migration_"
"""How the names of the modules begin that hold migrations' code."""


class _Functions(Protocol):
    def execute(self, ctx: Context, /) -> object: ...
    def rollback(self, ctx: Context, /) -> object: ...
    def should_repeat(self, ctx: Context, last_run: LastRun | None, /) -> object: ...


def functions(step: Step) -> _Functions:
    """Return the functions of a step: the registered object, or its file, imported.

    Raises:
        ManifestError: the file does not import, or lacks the function.
    """
    if step.migration.code is not None:
        return cast("_Functions", step.migration.code)
    file = step.file
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
    source = text_file.read(file)
    text_file.check_unchanged(file, source, checksum)
    digest = sha256(f"{file.absolute()}\0{source}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
    module = types.ModuleType(f"{MODULES}{file.stem}_{digest}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        with surroundings_kept():
            exec(compile(source, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise ManifestError(locations.code_error(file, error)) from error
    return module
