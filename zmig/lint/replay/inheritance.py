"""ALTER TABLE ... INHERIT and NO INHERIT: which tables fit below another one, and what they have from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay import tree
from zmig.lint.replay.effects import FailureCause
from zmig.lint.replay.objects import ConstraintKind, LockMode
from zmig.valueclass import replace

if TYPE_CHECKING:
    from postgast import pg_query_pb2 as pg

    from zmig.lint.replay.objects import Column, Table
    from zmig.lint.replay.statement_replay import StatementReplay


def inherit(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """INHERIT: the table must have all that its new parent has, which is no longer its own alone."""
    name = replay.relation(tree.defined(command).range_var)
    replay.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)
    parent = replay.catalog.table(name)
    if parent is None:
        replay.catalog.put(replace(table, parents=(*table.parents, name)))
        return
    reason = _why_not(replay, table, parent) if _is_known(replay, table, parent) else None
    if reason is not None:
        raise replay.fail(FailureCause.REFUSED, reason, "make the table fit first", (parent.ref,))
    columns = {
        key: replace(one, is_inherited=True, is_own=one.is_own or not one.is_inherited)
        if key in parent.columns
        else one
        for key, one in table.columns.items()
    }
    kept = {
        key: replace(one, is_inherited=True, is_own=one.is_own or not one.is_inherited)
        if one.kind is _CHECK and key in parent.constraints
        else one
        for key, one in table.constraints.items()
    }
    replay.catalog.put(replace(table, parents=(*table.parents, name), columns=columns, constraints=kept))


_CHECK = ConstraintKind.CHECK


def _is_known(replay: StatementReplay, *tables: Table) -> bool:
    return all(one.is_whole and replay.catalog.is_certain(one) for one in tables)


def _why_not(replay: StatementReplay, table: Table, parent: Table) -> str | None:
    """Return why a table cannot inherit from another one; None where it can, as far as is known."""
    child, above = table.name.name, parent.name.name
    if table.name == parent.name or table.name in _ancestors(replay, parent):
        return f"`{above}` inherits from `{child}` already" if table.name != parent.name else f"`{child}` is itself"
    if parent.name in table.parents:
        return f"`{child}` inherits from `{above}` already"
    for column in parent.columns.values():
        own = table.column(column.name)
        if own is None:
            return f"`{child}` lacks the column `{column.name}` of `{above}`"
        if not _is_same_type(own, column):
            return f"the column `{column.name}` of `{child}` has another type than that of `{above}`"
        if column.is_not_null and not own.is_not_null:
            return f"the column `{column.name}` of `{child}` may be null, and that of `{above}` may not"
    for key, one in parent.constraints.items():
        if one.kind is _CHECK and key not in table.constraints:
            return f"`{child}` lacks the constraint `{key}` of `{above}`"
    return None


def _is_same_type(own: Column, column: Column) -> bool:
    return own.type is None or column.type is None or own.type == column.type


def _ancestors(replay: StatementReplay, table: Table) -> set[object]:
    found: set[object] = set()
    waiting = [*table.parents]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            above = replay.catalog.table(name)
            waiting += above.parents if above is not None else ()
    return found


def no_inherit(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """NO INHERIT: what the table had from its parent is its own."""
    name = replay.relation(tree.defined(command).range_var)
    replay.lock(name, LockMode.ACCESS_SHARE)
    if name not in table.parents and table.is_whole and replay.catalog.is_certain(table):
        reason = f"`{table.name.name}` does not inherit from `{name.name}`"
        raise replay.fail(FailureCause.REFUSED, reason, "correct the name", (table.ref,))
    parents = tuple(one for one in table.parents if one != name)
    columns = {key: replace(one, is_inherited=bool(parents)) for key, one in table.columns.items()}
    kept = {key: replace(one, is_inherited=bool(parents)) for key, one in table.constraints.items()}
    replay.catalog.put(replace(table, parents=parents, columns=columns, constraints=kept))
