"""Migrations defined in code, as values beside the declared ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.manifest import typed_reader
from zmig.manifest.declaration import LARGEST_VERSION
from zmig.model import Kind, Language, Migration, Repeat, RepeatRule
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.context import CodeMigration
    from zmig.project.project import Project

_MAY_DEFINE = ("execute", "rollback", "should_repeat")


def from_code(code: CodeMigration) -> Migration:
    """Return the migration that an object defines.

    Raises:
        UsageError: it lacks `version`, `name` or `execute`, or one of them is of no use.
    """
    _check(code)
    repeats = callable(getattr(code, "should_repeat", None))
    return Migration(
        version=code.version,
        name=code.name,
        kind=Kind.REPEATABLE if repeats else Kind.PYTHON,
        language=Language.PYTHON,
        has_code_rollback=callable(getattr(code, "rollback", None)),
        repeat=Repeat(RepeatRule.CODE) if repeats else None,
        code=code,
    )


def _check(code: object) -> None:
    if isinstance(code, type):
        raise _unfit(code.__name__, "it is a class", f"register an object of it: `{code.__name__}()`")
    kind = type(code).__name__
    version: object = getattr(code, "version", None)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= LARGEST_VERSION:
        raise _unfit(kind, f"its `version` is {version!r}", "give it a positive whole number as `version`")
    name: object = getattr(code, "name", None)
    if not isinstance(name, str) or not typed_reader.NAME.fullmatch(name):
        raise _unfit(kind, f"its `name` is {name!r}", "give it a text of one line as `name`, as in `004_totals`")
    if not callable(getattr(code, "execute", None)):
        raise _unfit(kind, "it has no method `execute`", "define `execute(self, ctx)`")
    from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

    for method in _MAY_DEFINE:
        function: object = getattr(code, method, None)
        if iscoroutinefunction(function) or isgeneratorfunction(function) or isasyncgenfunction(function):
            why = f"calling its `{method}` would only begin it: it is asynchronous, or a generator"
            raise _unfit(kind, why, f"define `{method}` with plain `def`, and without `yield`")


def _unfit(kind: str, why: str, hint: str) -> UsageError:
    return UsageError(Problem("registered-unfit", f"the registered `{kind}` is not a migration: {why}", hint=hint))


def joined(loaded: Project, registered: Iterable[Migration]) -> Sequence[Migration]:
    """Return the migrations of a project with those that are registered, which have the settings that it says for all.

    Raises:
        UsageError: a version or a name is taken.
    """
    for migration in registered:
        reject_duplicates(migration, loaded.migrations)
    own = (replace(migration, settings=loaded.defaults) for migration in registered)
    return sorted((*loaded.migrations, *own), key=lambda migration: migration.order)


def reject_duplicates(registered: Migration, others: Iterable[Migration]) -> None:
    """Make sure that no other migration has the version or the name of a registered one.

    Raises:
        UsageError: one has.
    """
    for other in others:
        taken = "version" if other.version == registered.version else "name" if other.name == registered.name else None
        if taken is not None:
            raise UsageError(
                Problem(
                    "registered-twice",
                    f"the registered migration `{registered.name}` has the {taken} of `{other.name}`",
                    location=other.declared_at,
                    hint=f"give it a {taken} of its own",
                )
            )
