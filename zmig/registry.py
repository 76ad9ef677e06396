"""Migrations defined in code, as values beside the declared ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.model import Kind, Language, Migration, Repeat, RepeatRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.model import CodeMigration


def from_code(code: CodeMigration) -> Migration:
    """Return the migration that an object defines.

    Raises:
        UsageError: it lacks `version`, `name` or `execute`.
    """
    version: object = getattr(code, "version", None)
    name: object = getattr(code, "name", None)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _unfit(code, f"its `version` is {version!r}", "give it a positive whole number as `version`")
    if not isinstance(name, str) or not name:
        raise _unfit(code, f"its `name` is {name!r}", "give it a text as `name`")
    if not callable(getattr(code, "execute", None)):
        raise _unfit(code, "it has no method `execute`", "define `execute(self, ctx)`")
    repeats = callable(getattr(code, "should_repeat", None))
    return Migration(
        version=version,
        name=name,
        kind=Kind.REPEATABLE if repeats else Kind.PYTHON,
        language=Language.PYTHON,
        has_code_rollback=callable(getattr(code, "rollback", None)),
        repeat=Repeat(RepeatRule.CODE) if repeats else None,
        code=code,
    )


def _unfit(code: object, why: str, hint: str) -> UsageError:
    return UsageError(
        Problem("registered-unfit", f"the registered `{type(code).__name__}` is not a migration: {why}", hint=hint)
    )


def refuse_twins(registered: Migration, others: Iterable[Migration]) -> None:
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
