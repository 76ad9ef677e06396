"""What a rollback leaves of privileges: those that its migration gave, and those that it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import Drops, Grants, Makes, Renames, RunsCode
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.finding import Remark
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.objects import Privilege
    from zmig.lint.steps import Step, Undoing
    from zmig.sql.token_reader import Name

_MOST = 3
"""Names in one message."""


def left(undoing: Undoing) -> Iterator[Remark]:
    """Privileges on what was there before that are others once a rollback is done."""
    before, undone = undoing.before.privileges, undoing.undone.privileges
    if before == undone or not undoing.is_seen or any(next(step.of(RunsCode), None) for step in undoing.steps):
        return
    made = _made(undoing)
    found: dict[int, tuple[Step, bool, list[Privilege]]] = {}
    for one in sorted(before ^ undone):
        step = _last_about(one, (*undoing.done, *undoing.steps), is_lost=one in before)
        if step is not None and one.name not in made and all(_holds(one, c) for c in (undoing.before, undoing.undone)):
            found.setdefault(id(step), (step, one in before, []))[2].append(one)
    for step, is_lost, ones in found.values():
        yield _remark(undoing, step, ones, is_lost=is_lost)


def _made(undoing: Undoing) -> frozenset[Name]:
    """Return the names of what the migration or its rollback makes, drops or renames: with those go privileges."""
    names: set[Name] = set()
    for step in (*undoing.done, *undoing.steps):
        names |= {one.ref.name for one in (*step.of(Makes), *step.of(Drops)) if one.ref.part is None}
        names |= {
            name for one in step.of(Renames) if one.before.part is None for name in (one.before.name, one.after.name)
        }
    return frozenset(names)


def _holds(one: Privilege, catalog: Catalog) -> bool:
    """Whether what a privilege is on is certainly there."""
    if one.kind == "schema":
        return one.name.name == "public" or catalog.schema(one.name.name) is not None
    if one.kind in ("function", "procedure", "routine"):
        return bool(catalog.functions(one.name))
    return catalog.relation(one.name) is not None


def _last_about(one: Privilege, steps: Sequence[Step], *, is_lost: bool) -> Step | None:
    """Return the last statement that gives something on an object to a role, or where it is lost, takes it."""
    for step in reversed(steps):
        for granted in step.of(Grants):
            if granted.is_revoke is is_lost and one.name in granted.objects and one.role in granted.grantees:
                return step
    return None


def _remark(undoing: Undoing, step: Step, ones: Sequence[Privilege], *, is_lost: bool) -> Remark:
    shown = listing.first([f"{_shown(one.what)} on `{one.name.name}` to `{one.role}`" for one in ones], _MOST)
    is_own = any(step is one for one in undoing.steps)
    if is_lost:
        message = (
            f"this takes {shown}, which was given before" if is_own else f"the rollback does not give {shown} back"
        )
    else:
        message = f"this gives {shown}, which was not given before" if is_own else f"the rollback leaves {shown}"
    hint = "correct the rollback" if is_own else f"{'grant' if is_lost else 'revoke'} it in `{undoing.path}`"
    return step.file.remark("rollback/incomplete", step.statement, message, hint)


def _shown(what: str) -> str:
    word, bracket, columns = what.partition(" (")
    return word.upper() + bracket + columns
