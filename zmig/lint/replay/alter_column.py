"""What ALTER TABLE does to single columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import constraints, conversions, drop, functions, tree, types
from zmig.lint.replay.effects import (
    Builds,
    FailsIfRows,
    FailureCause,
    LosesData,
    Redefines,
    RewriteCause,
    Rewrites,
    ScanCause,
    Scans,
    Skips,
    Validates,
)
from zmig.lint.replay.objects import (
    Column,
    ConstraintKind,
    Generated,
    LockMode,
    ObjectKind,
    Ref,
    Table,
)
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.conversions import Work
    from zmig.lint.replay.objects import Type
    from zmig.lint.replay.statement_replay import StatementReplay
    from zmig.sql.token_reader import Name

_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def _find(replay: StatementReplay, table: Table, name: str) -> Column:
    """Return a column that a statement needs; one that is not known has no type. Raises StatementFails."""
    constraints.need_columns(replay, table, (name,))
    return table.column(name) or Column(name, None)


def _put(replay: StatementReplay, table: Table, column: Column, what: str, *, is_only: bool = False) -> None:
    """Put a changed column into a table and what inherits it, and record that."""
    for one in (table, *(() if is_only else replay.catalog.descendants_of(table.name))):
        known = one.column(column.name)
        if one.name != table.name:
            replay.lock(one.name, _EXCLUSIVE)
        if one.name != table.name and known is None:
            continue
        changed = replace(column, is_inherited=known.is_inherited if known is not None else column.is_inherited)
        replay.catalog.put(replace(one, columns={**one.columns, column.name: changed}))
    before, after = table, replay.catalog.table(table.name)
    replay.record(Redefines(Ref(ObjectKind.COLUMN, table.name, column.name), before, after, what))


# adding and dropping


def _may_add(replay: StatementReplay, table: Table, declared: pg.ColumnDef, *, is_only: bool) -> None:
    """Record what it takes to add a column that may be there, without which nothing is done."""
    known = replay.catalog.table(table.name)
    lacking = {name: one for name, one in table.columns.items() if name != declared.colname}
    column = constraints.add_column(replay, replace(table, columns=lacking), declared).columns[declared.colname]
    for one in replay.catalog.stored(table, is_only=is_only):
        _record_added(replay, one, column)
    if known is not None:
        replay.catalog.put(known)


def add(replay: StatementReplay, table: Table, declared: pg.ColumnDef, *, is_optional: bool, is_only: bool) -> bool:
    """Add a column, and record what that takes; return whether there was none."""
    name = declared.colname
    if name in table.columns:
        if is_optional and replay.catalog.is_certain(table) and table.made_by is not None:
            _record_skipped(replay, table.name, table.columns[name], declared)
            return False
        if is_optional:
            _may_add(replay, table, declared, is_only=is_only)
            return False
        if replay.catalog.is_certain(table):
            reason = f"`{table.name.name}` already has a column `{name}`"
            ref = Ref(ObjectKind.COLUMN, table.name, name)
            raise replay.fail(FailureCause.EXISTS, reason, "choose another name, or leave it out", (ref,))
    if table.is_partition and replay.catalog.is_certain(table):
        reason = f"`{table.name.name}` is a partition, which has the columns of `{table.parents[0].name}`"
        raise replay.fail(FailureCause.REFUSED, reason, f"add it to `{table.parents[0].name}`", (table.ref,))
    if is_only and replay.catalog.children_of(table.name) and replay.catalog.is_certain(table):
        reason = f"`{table.name.name}` has partitions or inheritors, which need the column, too"
        raise replay.fail(FailureCause.REFUSED, reason, "leave `only` out", (table.ref,))
    after = constraints.add_column(replay, table, declared)
    column = after.columns[name]
    replay.catalog.put(_unsure(after, name) if is_optional and not table.is_whole else after)
    for child in () if is_only else replay.catalog.descendants_of(table.name):
        replay.lock(child.name, _EXCLUSIVE)
        if name not in child.columns:
            inherited = replace(column, is_inherited=True)
            replay.catalog.put(replace(child, columns={**child.columns, name: inherited}))
    replay.make(ObjectKind.COLUMN, table.name, name)
    for one in replay.catalog.stored(table, is_only=is_only):
        _record_added(replay, one, column)
    return True


def _record_skipped(replay: StatementReplay, table: Name, known: Column, declared: pg.ColumnDef) -> None:
    """Record that a column is there already, where it is of another type."""
    asked = types.serial(declared.type_name) or replay.type(declared.type_name)
    if asked is None or known.type is None or asked == known.type:
        return
    kinds = (_type_text(known.type), _type_text(asked))
    replay.record(Skips(Ref(ObjectKind.COLUMN, table, known.name), types=kinds))


def _unsure(table: Table, name: str) -> Table:
    """Return a table with a column that may have been another one, which was there before."""
    column = replace(table.columns[name], type=None, is_not_null=False)
    return replace(table, columns={**table.columns, name: column})


def _record_added(replay: StatementReplay, table: Table, column: Column) -> None:
    reason = _why_rewritten(replay, column)
    if reason is not None:
        replay.record(Rewrites(table.name, RewriteCause.ADDED_COLUMN, reason, column.name))
    has_value = column.default is not None and not column.default.is_null
    is_filled = has_value or column.identity is not None or column.generated is Generated.STORED
    if reason is not None and is_filled:
        return
    if column.is_not_null and column.generated is Generated.VIRTUAL:
        reason = f"see that `{column.name}` is null in none of them"
        replay.record(Scans(table.name, _EXCLUSIVE, ScanCause.NOT_NULL, reason, column.name))
    elif column.is_not_null and not has_value and replay.catalog.may_have_rows(table):
        why = f"`{column.name}` must not be null and has no default"
        replay.record(FailsIfRows(table.name, why, column.name))
        if reason is None:
            replay.record(Scans(table.name, _EXCLUSIVE, ScanCause.NOT_NULL, "see that there is none", column.name))


def _why_rewritten(replay: StatementReplay, column: Column) -> str | None:
    """Return why a new column is written into every row; None where it is not."""
    if column.identity is not None:
        return f"every row gets a number in `{column.name}`"
    if column.generated is Generated.STORED:
        return f"`{column.name}` is computed for every row"
    if column.generated is Generated.VIRTUAL:
        return None
    if conversions.is_constrained(column.type, replay.catalog):
        domain = column.type.name.name if column.type is not None else ""
        return f"the domain `{domain}` has constraints, so `{column.name}` is written into every row"
    default = column.default
    if default is None or default.is_null:
        return None
    if functions.may_be_volatile(default, replay.catalog, replay.path):
        called = default.functions[0].name
        return f"`{called}()` may return something else for every row of `{column.name}`"
    return None


def drop_column(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """DROP COLUMN."""
    name = command.name
    if command.missing_ok and name not in table.columns and table.certainly_lacks(name):
        return
    column = _find(replay, table, name)
    if column.is_inherited and table.parents and replay.catalog.is_certain(table):
        reason = f"`{table.name.name}` inherits the column `{name}`"
        raise replay.fail(FailureCause.REFUSED, reason, f"drop it from `{table.parents[0].name}`")
    if name in table.partition_key:
        _refuse_partition_key(replay, table, name)
    for one in () if is_only else replay.catalog.descendants_of(table.name):
        replay.lock(one.name, _EXCLUSIVE)
    drop.column(replay, table, name, cascade=command.behavior == pg.DROP_CASCADE, is_only=is_only)
    replay.record(LosesData(Ref(ObjectKind.COLUMN, table.name, name)))


def _refuse_partition_key(replay: StatementReplay, table: Table, name: str) -> None:
    if replay.catalog.is_certain(table):
        reason = f"rows of `{table.name.name}` are parted by `{name}`"
        raise replay.fail(FailureCause.REFUSED, reason, "make another table that is parted otherwise", (table.ref,))


# types


def change_type(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """ALTER COLUMN ... TYPE."""
    declared = tree.defined(command).column_def
    column = _find(replay, table, command.name)
    new = replay.type(declared.type_name)
    _need_free_column(replay, table, column, new, declared)
    work = _work(replay, column, new, declared)
    collation = tree.name(declared.coll_clause.collname).name or None
    changes_collation = collation != column.collation
    for one in replay.catalog.stored(table, is_only=is_only):
        if work.rewrites:
            _record_rewritten(replay, one, column, new, is_certain=work.is_certain)
        else:
            _record_rechecked(replay, one, column.name, rebuilds=work.rebuilds or changes_collation)
    _put(replay, table, replace(column, type=new, collation=collation), "type", is_only=is_only)


def _record_rewritten(
    replay: StatementReplay, table: Table, column: Column, new: Type | None, *, is_certain: bool
) -> None:
    old_name = "another type" if column.type is None else f"`{_type_text(column.type)}`"
    new_name = "another type" if new is None else f"`{_type_text(new)}`"
    reason = f"`{column.name}` changes from {old_name} to {new_name}"
    replay.record(Rewrites(table.name, RewriteCause.TYPE, reason, column.name, is_certain=is_certain))
    for key in table.foreign_keys:
        if column.name in key.columns and key.is_valid and key.references is not None:
            replay.lock_referenced(key.references, _EXCLUSIVE)
            replay.record(Validates(key.name, table.name, key.references, _EXCLUSIVE))
    _record_referencing(replay, table, column.name)


def _record_referencing(replay: StatementReplay, table: Table, column: str) -> None:
    for other, key in replay.catalog.referencing(table.name):
        if column in table.columns_referenced_by(key) and key.is_valid:
            replay.lock(other.name, _EXCLUSIVE)
            replay.record(Validates(key.name, other.name, table.name, _EXCLUSIVE))


def _record_rechecked(replay: StatementReplay, table: Table, column: str, *, rebuilds: bool) -> None:
    """Record what is done again though no row is written."""
    for index in replay.catalog.indexes_of(table.name):
        computed = [*index.expressions, *([index.predicate] if index.predicate is not None else [])]
        is_computed = any(column in one.columns for one in computed)
        # An index with any expression or condition is never kept, once it is of the column.
        is_concerned = column in index.columns and (rebuilds or bool(computed))
        if is_computed or is_concerned:
            replay.record(Builds(index.name, table.name, _EXCLUSIVE, is_rebuilt=True))
    for one in table.constraints.values():
        is_check = one.kind is ConstraintKind.CHECK and one.is_valid and one.expression is not None
        if is_check and one.expression is not None and column in one.expression.columns:
            reason = f"check `{one.name}` again, which is on `{column}`"
            replay.record(Scans(table.name, _EXCLUSIVE, ScanCause.RECHECK, reason, column, constraint=one.name))


def _type_text(one: Type) -> str:
    """Return a type as people write it."""
    shown = _SPOKEN.get(one.name.name, one.name.name) if one.is_built_in else one.name.name
    numbers = f"({', '.join(map(str, one.modifiers))})" if one.modifiers and one.name.name != "interval" else ""
    return f"{shown}{numbers}{'[]' if one.is_array else ''}"


_SPOKEN = {
    "bool": "boolean", "bpchar": "char", "float4": "real", "float8": "double precision", "int2": "smallint",
    "int4": "integer", "int8": "bigint",
}  # fmt: skip


def _work(replay: StatementReplay, column: Column, new: Type | None, declared: pg.ColumnDef) -> Work:
    """Return what a change of a type takes, by the expression that makes new values of old ones."""
    using = declared.raw_default
    if not tree.kind_of(using) or tree.column(using) == column.name:
        return conversions.of_change(column.type, new, replay.catalog, is_utc=replay.is_utc)
    if using.HasField("type_cast") and tree.column(using.type_cast.arg) == column.name:
        cast = types.read(using.type_cast.type_name, replay.catalog, replay.path)
        first = conversions.of_change(column.type, cast, replay.catalog, is_utc=replay.is_utc)
        second = conversions.of_change(cast, new, replay.catalog, is_utc=replay.is_utc)
        if first.rewrites or second.rewrites:
            return first if first.rewrites else second
        return conversions.Work(rewrites=False, rebuilds=first.rebuilds or second.rebuilds)
    return conversions.Work(rewrites=True, rebuilds=True)


def _need_free_column(
    replay: StatementReplay, table: Table, column: Column, new: Type | None, declared: pg.ColumnDef
) -> None:
    """Raise StatementFails where a column's type certainly cannot be changed."""
    name = column.name
    certain = replay.catalog.is_certain(table)
    if column.is_inherited and table.parents and certain:
        reason = f"`{table.name.name}` inherits the column `{name}`"
        raise replay.fail(FailureCause.REFUSED, reason, f"change it in `{table.parents[0].name}`")
    if name in table.partition_key:
        _refuse_partition_key(replay, table, name)
    blockers = drop.users_of_column(replay, table, name)
    if blockers:
        raise drop.in_the_way(replay, f"the type of `{table.name.name}.{name}` cannot change", blockers)
    if not tree.kind_of(declared.raw_default) and conversions.has_no_cast(column.type, new, replay.catalog):
        assert column.type is not None, "a type that is not known has any cast"
        assert new is not None, "a type that is not known has any cast"
        wanted = _type_text(new)
        reason = f"`{name}` is `{_type_text(column.type)}`, of which nothing becomes `{wanted}` by itself"
        raise replay.fail(FailureCause.REFUSED, reason, f"add `using {name}::{wanted}`")


# null and defaults


def record_not_null(
    replay: StatementReplay, table: Table, column: str, cause: ScanCause, *, known: Table | None = None
) -> None:
    """Record that rows are read to see that a column is null in none, unless something proves it.

    `known` is the table before the statement, where it has changed meanwhile.
    """
    seen = known if known is not None and known.name == table.name else table
    if seen.is_never_null(column):
        return
    reason = f"see that `{column}` is null in none of them"
    is_certain = seen.column(column) is not None
    replay.record(Scans(table.name, _EXCLUSIVE, cause, reason, column, is_certain=is_certain))


def set_not_null(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """SET NOT NULL."""
    column = _find(replay, table, command.name)
    for one in replay.catalog.stored(table, is_only=is_only):
        record_not_null(replay, one, column.name, ScanCause.NOT_NULL)
    if not column.is_not_null:
        _put(replay, table, replace(column, is_not_null=True), "not null", is_only=is_only)


def drop_not_null(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """DROP NOT NULL."""
    column = _find(replay, table, command.name)
    if table.is_whole and not column.is_not_null:
        for one in () if is_only else replay.catalog.descendants_of(table.name):
            replay.lock(one.name, _EXCLUSIVE)
        return
    key = table.primary_key
    if key is not None and column.name in key.columns and replay.catalog.is_certain(table):
        reason = f"`{column.name}` is in the primary key `{key.name}`, so it cannot be null"
        blocker = Ref(ObjectKind.CONSTRAINT, table.name, key.name)
        raise replay.fail(FailureCause.REFUSED, reason, "leave it, or drop the primary key first", (blocker,))
    if column.identity is not None and replay.catalog.is_certain(table):
        reason = f"`{column.name}` is an identity column, which cannot be null"
        raise replay.fail(FailureCause.REFUSED, reason, "drop the identity first")
    kept = {
        name: one
        for name, one in table.constraints.items()
        if one.kind is not ConstraintKind.NOT_NULL or one.columns != (column.name,)
    }
    _put(replay, replace(table, constraints=kept), replace(column, is_not_null=False), "not null", is_only=is_only)


def set_default(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """SET DEFAULT and DROP DEFAULT."""
    column = _find(replay, table, command.name)
    if (column.identity is not None or column.generated is not None) and replay.catalog.is_certain(table):
        what = "an identity column" if column.identity is not None else "a generated column"
        reason = f"`{column.name}` is {what}, which has no default"
        raise replay.fail(FailureCause.REFUSED, reason, "leave the default out")
    _put(replay, table, replace(column, default=tree.expression(tree.defined(command))), "default", is_only=is_only)


def set_storage(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """SET STORAGE."""
    column = _find(replay, table, command.name)
    said = tree.defined(command).string.sval.lower()
    _put(replay, table, replace(column, storage=None if said == "default" else said), "storage", is_only=is_only)


def set_compression(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """SET COMPRESSION."""
    column = _find(replay, table, command.name)
    said = tree.defined(command).string.sval.lower()
    _put(
        replay, table, replace(column, compression=None if said == "default" else said), "compression", is_only=is_only
    )


def set_expression(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """SET EXPRESSION."""
    column = _find(replay, table, command.name)
    if column.generated is not Generated.VIRTUAL:
        for one in replay.catalog.stored(table, is_only=is_only):
            reason = f"`{column.name}` is computed for every row again"
            replay.record(Rewrites(one.name, RewriteCause.GENERATED, reason, column.name))
    expression = tree.expression(tree.defined(command))
    _put(replay, table, replace(column, default=expression), "expression", is_only=is_only)


def drop_expression(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """DROP EXPRESSION."""
    column = _find(replay, table, command.name)
    _put(replay, table, replace(column, default=None, generated=None), "expression", is_only=is_only)


def add_identity(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """ADD GENERATED ... AS IDENTITY."""
    column = _find(replay, table, command.name)
    if replay.catalog.is_certain(table) and table.is_whole:
        reason, advice = None, ""
        if not column.is_not_null:
            reason = f"`{column.name}` can be null, so it cannot become an identity column"
            advice = f"write `alter column {column.name} set not null` first"
        elif column.default is not None:
            reason = f"`{column.name}` has a default, so it cannot become an identity column"
            advice = f"write `alter column {column.name} drop default` first"
        elif column.identity is not None:
            reason, advice = f"`{column.name}` is an identity column already", "leave it out"
        if reason is not None:
            raise replay.fail(FailureCause.REFUSED, reason, advice)
    constraints.add_sequence(replay, table.name, column.name)
    asked = tree.defined(command).constraint
    kind = "by default" if asked.generated_when == "d" else "always"
    _put(replay, table, replace(column, identity=kind), "identity", is_only=True)


def drop_identity(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """DROP IDENTITY."""
    column = _find(replay, table, command.name)
    for sequence in replay.catalog.sequences_of(table.name, column.name):
        if sequence.is_identity:
            replay.catalog.remove(sequence.name)
    _put(replay, table, replace(column, identity=None), "identity", is_only=True)
