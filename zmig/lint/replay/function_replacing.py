"""What CREATE OR REPLACE FUNCTION cannot change: which kind of routine it is, what it returns, its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay import function_users
from zmig.lint.replay.effects import FailureCause, MakesStale
from zmig.lint.replay.objects import Generated, ObjectKind

if TYPE_CHECKING:
    from zmig.lint.replay.objects import Function, Ref, Type
    from zmig.lint.replay.statement_replay import StatementReplay


def need_same_form(replay: StatementReplay, before: Function, after: Function) -> None:
    """Raise StatementFails where a function cannot be replaced by another."""
    name = before.name.name
    if before.is_procedure != after.is_procedure:
        was, becomes = ("procedure", "function") if before.is_procedure else ("function", "procedure")
        reason = f"`{name}` is a {was}, which cannot be replaced by a {becomes}"
    elif not _is_same(before.returns, after.returns) or before.returns_set != after.returns_set:
        reason = f"`{name}` returns something else, which `create or replace` cannot change"
    elif not _have_same_results(before, after):
        reason = f"`{name}` gives back other columns, which `create or replace` cannot change"
    elif (renamed := _renamed(before, after)) is not None:
        reason = f"`{name}` has the argument `{renamed}`, whose name `create or replace` cannot change"
    elif after.defaults < before.defaults:
        reason = f"`{name}` has arguments with a default, which `create or replace` cannot take away"
    else:
        return
    kind = "procedure" if before.is_procedure else "function"
    advice = f"write `drop {kind} {name}` first, or choose another name"
    raise replay.fail(FailureCause.REFUSED, reason, advice, (before.ref,))


def record_stale(replay: StatementReplay, before: Function, after: Function) -> None:
    """Record which indexes and generated columns hold what a function has returned, if it may return another value."""
    if before.body is None or after.body is None or before.body.split() == after.body.split():
        return
    others = [one for one in replay.catalog.functions(before.name) if one.arguments != before.arguments]
    users = function_users.users(replay.catalog, before.name, (before,), others)
    holders = tuple(ref for ref in users if _holds_values(replay, ref))
    if holders:
        replay.record(MakesStale(after.name, holders))


def _holds_values(replay: StatementReplay, ref: Ref) -> bool:
    if ref.kind is not ObjectKind.COLUMN:
        return ref.kind is ObjectKind.INDEX
    column = replay.catalog.column(ref)
    return column is not None and column.generated is Generated.STORED


def _is_same(one: Type | None, other: Type | None) -> bool:
    """Whether types are the same, as a function has them: without modifiers; what is not known may be anything."""
    if one is None or other is None or not (one.is_built_in and other.is_built_in):
        return True
    return (one.name, one.is_array) == (other.name, other.is_array)


def _have_same_results(before: Function, after: Function) -> bool:
    if len(before.results) != len(after.results):
        return False
    # One result is what the function returns, and its name is nobody's.
    if len(before.results) > 1 and any(
        one != other for (one, _), (other, _) in zip(before.results, after.results, strict=True)
    ):
        return False
    pairs = zip(before.results, after.results, strict=True)
    return all(_is_same(one, other) for (_, one), (_, other) in pairs)


def _renamed(before: Function, after: Function) -> str | None:
    pairs = zip(before.argument_names, after.argument_names, strict=False)
    return next((old for old, new in pairs if old and old != new), None)
