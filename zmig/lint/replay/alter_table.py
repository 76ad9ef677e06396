"""ALTER TABLE: its actions, in the order in which the server takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import (
    alter_column,
    constraints,
    drop,
    inheritance,
    partitions,
    replica_identity,
    row_security,
    tree,
    typed_tables,
)
from zmig.lint.replay.effects import (
    Builds,
    FailureCause,
    OpensRows,
    Redefines,
    RewriteCause,
    Rewrites,
    ScanCause,
    Scans,
    StopsTriggers,
    Validates,
)
from zmig.lint.replay.objects import (
    ConstraintKind,
    Index,
    LockMode,
    ObjectKind,
    Persistence,
    Ref,
    Table,
    TableKind,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.replay.objects import Constraint
    from zmig.lint.replay.statement_replay import StatementReplay

_PASSES = (
    {pg.AT_DropColumn, pg.AT_DropConstraint, pg.AT_DropNotNull, pg.AT_DropExpression, pg.AT_DropIdentity},
    {pg.AT_AlterColumnType},
    {pg.AT_AddColumn},
    {pg.AT_SetExpression},
    {pg.AT_AddConstraint},
    {pg.AT_SetNotNull, pg.AT_AddIdentity, pg.AT_ColumnDefault},
)
"""What comes first, whatever is written first; the rest comes after."""
_OF_NOT_NULL = re.compile(r"_not_null\d*$")
"""How the names end that NOT NULL constraints get since 18, which earlier statements need not show."""


def alter(replay: StatementReplay, statement: pg.AlterTableStmt) -> None:
    """ALTER TABLE, and what shares its grammar: ALTER INDEX, VIEW, SEQUENCE, MATERIALIZED VIEW, FOREIGN TABLE."""
    name = replay.relation(statement.relation, is_optional=statement.missing_ok)
    if name is None:
        return
    replay.add_target(name)
    relation = replay.catalog.relation(name)
    if statement.objtype == pg.OBJECT_INDEX or isinstance(relation, Index):
        _alter_index(replay, name, statement)
        return
    if statement.objtype in (pg.OBJECT_VIEW, pg.OBJECT_MATVIEW, pg.OBJECT_SEQUENCE) or (
        relation is not None and not isinstance(relation, Table)
    ):
        _alter_other(replay, name, statement)
        return
    is_only = not statement.relation.inh
    numbered = [(number, node.alter_table_cmd) for number, node in enumerate(statement.cmds)]
    for number, command in sorted(numbered, key=lambda one: (_pass_of(one[1]), one[0])):
        with replay.within_action(number):
            _do(replay, name, command, is_only=is_only)


def _pass_of(command: pg.AlterTableCmd) -> int:
    return next((number for number, some in enumerate(_PASSES) if command.subtype in some), len(_PASSES))


def _do(replay: StatementReplay, name: Name, command: pg.AlterTableCmd, *, is_only: bool) -> None:
    replay.lock(name, _MODES.get(command.subtype, LockMode.ACCESS_EXCLUSIVE))
    action = _ACTIONS.get(command.subtype)
    if action is None:
        return
    table = replay.table(name)
    if replay.catalog.relation(name) is None:
        replay.catalog.put(table)
    typed_tables.refuse(replay, table, command.subtype)
    action(replay, table, command, is_only)


_SHARE_UPDATE = LockMode.SHARE_UPDATE_EXCLUSIVE
_MODES = {
    pg.AT_SetStatistics: _SHARE_UPDATE,
    pg.AT_SetOptions: _SHARE_UPDATE,
    pg.AT_ResetOptions: _SHARE_UPDATE,
    pg.AT_ClusterOn: _SHARE_UPDATE,
    pg.AT_DropCluster: _SHARE_UPDATE,
    pg.AT_SetRelOptions: _SHARE_UPDATE,
    pg.AT_ResetRelOptions: _SHARE_UPDATE,
    pg.AT_ReplaceRelOptions: _SHARE_UPDATE,
    pg.AT_ValidateConstraint: _SHARE_UPDATE,
    pg.AT_AttachPartition: _SHARE_UPDATE,
    pg.AT_DetachPartition: _SHARE_UPDATE,
    pg.AT_DetachPartitionFinalize: _SHARE_UPDATE,
    pg.AT_AddConstraint: _SHARE_UPDATE,  # more, by the kind of the constraint
    pg.AT_EnableTrig: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_EnableAlwaysTrig: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_EnableReplicaTrig: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_EnableTrigAll: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_EnableTrigUser: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_DisableTrig: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_DisableTrigAll: LockMode.SHARE_ROW_EXCLUSIVE,
    pg.AT_DisableTrigUser: LockMode.SHARE_ROW_EXCLUSIVE,
}
"""The locks of actions; any other is ACCESS EXCLUSIVE (`AlterTableGetLockLevel` in PostgreSQL's sources)."""


# constraints


def _add_constraint(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    add_constraint(replay, table, tree.defined(command).constraint, is_only=is_only)


def add_constraint(
    replay: StatementReplay,
    table: Table,
    declared: pg.Constraint,
    columns: tuple[str, ...] = (),
    *,
    is_only: bool,
    is_of_new_column: bool = False,
    is_checked: bool = True,
) -> None:
    """Add a constraint, and record what it takes; `is_checked` is False where no row can break it."""
    if not constraints.is_constraint(declared):
        return
    is_key = declared.contype == pg.CONSTR_FOREIGN
    if not is_of_new_column:
        replay.lock(table.name, LockMode.SHARE_ROW_EXCLUSIVE if is_key else LockMode.ACCESS_EXCLUSIVE)
    if declared.contype == pg.CONSTR_PRIMARY:
        _need_no_primary_key(replay, table)
    if not (is_key or is_only):
        for child in replay.catalog.descendants_of(table.name):
            replay.lock(child.name, LockMode.ACCESS_EXCLUSIVE)
    before = table
    table, added = constraints.add(replay, table, declared, columns)
    constraints.need_columns(replay, table, added.columns)
    replay.catalog.put(table)
    replay.make(ObjectKind.CONSTRAINT, table.name, added.name)
    alone = is_only or declared.is_no_inherit
    _record_work(replay, before, added, declared, is_only=alone, is_checked=is_checked)
    if not (alone or is_key or added.kind.has_index):
        _hand_down(replay, table, added)


def _hand_down(replay: StatementReplay, table: Table, added: Constraint) -> None:
    """Give a constraint to all that inherits a table."""
    for child in replay.catalog.descendants_of(table.name):
        inherited = {added.name: replace(added, is_inherited=True), **child.constraints}
        is_not_null = added.kind is ConstraintKind.NOT_NULL and added.is_valid
        kept = constraints.never_null(child, added.columns) if is_not_null else child
        replay.catalog.put(replace(kept, constraints=inherited))


def _need_no_primary_key(replay: StatementReplay, table: Table) -> None:
    key = table.primary_key
    if key is not None and replay.catalog.is_certain(table):
        raise replay.fail(
            FailureCause.EXISTS,
            f"`{table.name.name}` already has the primary key `{key.name}`",
            f"drop it first: `drop constraint {key.name}`",
            (Ref(ObjectKind.CONSTRAINT, table.name, key.name),),
        )


def _record_work(
    replay: StatementReplay,
    before: Table,
    added: Constraint,
    declared: pg.Constraint,
    *,
    is_only: bool,
    is_checked: bool,
) -> None:
    stored = replay.catalog.stored(before, is_only=is_only)
    match added.kind:
        case ConstraintKind.CHECK:
            if added.is_valid and added.is_enforced and is_checked:
                for one in stored:
                    reason = f"check `{added.name}` for every row"
                    _scan(replay, one, ScanCause.CHECK, reason, constraint=added.name)
        case ConstraintKind.NOT_NULL:
            if added.is_valid:
                for one in stored:
                    alter_column.record_not_null(replay, one, added.columns[0], ScanCause.NOT_NULL)
        case ConstraintKind.FOREIGN_KEY:
            _record_foreign_key(replay, before, added, stored, is_checked=is_checked)
        case _:
            _record_index(replay, before, added, stored, is_new=not declared.indexname, is_only=is_only)


def _scan(
    replay: StatementReplay, table: Table, cause: ScanCause, reason: str, *, constraint: str | None = None
) -> None:
    replay.record(Scans(table.name, LockMode.ACCESS_EXCLUSIVE, cause, reason, constraint=constraint))


def _record_index(
    replay: StatementReplay, before: Table, added: Constraint, stored: tuple[Table, ...], *, is_new: bool, is_only: bool
) -> None:
    below = () if is_only else replay.catalog.descendants_of(before.name)
    if added.kind is ConstraintKind.PRIMARY_KEY:
        for one in stored:
            for column in added.columns:
                alter_column.record_not_null(replay, one, column, ScanCause.PRIMARY_KEY, known=before)
        for child in below:
            replay.catalog.put(constraints.never_null(child, added.columns))
    if not is_new:
        return
    is_partitioned = before.kind is TableKind.PARTITIONED
    for one in stored if is_partitioned else (before,):
        index_name = added.index if one.name == before.name else None
        is_empty = not replay.catalog.may_have_rows(one)
        replay.record(Builds(index_name, one.name, LockMode.ACCESS_EXCLUSIVE, is_of_nothing=is_empty))
    index = None if added.index is None else replay.catalog.index(added.index)
    for child in below if is_partitioned and index is not None else ():
        assert index is not None, "else nothing is gone through"
        replay.lock(child.name, LockMode.ACCESS_EXCLUSIVE)
        replay.catalog.put(constraints.copy_index(replay, replay.table(child.name), index, parent=index.name))


def _record_foreign_key(
    replay: StatementReplay, before: Table, added: Constraint, stored: tuple[Table, ...], *, is_checked: bool
) -> None:
    if added.references is None:
        return
    constraints.need_key(replay, replay.table(before.name), added)
    replay.lock_referenced(added.references, LockMode.SHARE_ROW_EXCLUSIVE)
    if before.kind is TableKind.PARTITIONED:
        _need_later_keys(replay, before, added)
        for child in replay.catalog.descendants_of(before.name):
            replay.lock(child.name, LockMode.SHARE_ROW_EXCLUSIVE)
            if any(partitions.is_same_key(one, added) for one in child.foreign_keys):
                replay.lock_referenced(added.references, LockMode.ACCESS_EXCLUSIVE)
        _hand_down(replay, before, added)
    if added.is_valid and added.is_enforced and is_checked:
        for one in stored:
            replay.record(Validates(added.name, one.name, added.references, LockMode.SHARE_ROW_EXCLUSIVE))


_KNOWS_LATER_KEYS = 18
"""The first version in which a foreign key of a partitioned table can be validated later."""


def _need_later_keys(replay: StatementReplay, table: Table, added: Constraint) -> None:
    """Raise StatementFails where a foreign key of a partitioned table is to be validated later, on a server too old."""
    if not added.is_valid and replay.is_before(_KNOWS_LATER_KEYS):
        reason = f"`{table.name.name}` is partitioned, and its foreign keys cannot be `not valid` before PostgreSQL 18"
        advice = "add the foreign key to each partition `not valid`, validate those, and then add it to the table"
        raise replay.fail(FailureCause.REFUSED, reason, advice, (table.ref,))


def _find_constraint(replay: StatementReplay, table: Table, name: str) -> Constraint | None:
    """Return a constraint that a statement needs; None where it is not known. Raises StatementFails."""
    found = table.constraints.get(name)
    if found is None and replay.catalog.is_certain(table):
        is_gone = name in table.missing_constraints
        if is_gone or (table.is_whole and not _OF_NOT_NULL.search(name) and not table.parents):
            raise replay.missing("constraint", Name(table.name.name, name))
    return found


def _validate_constraint(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    found = _find_constraint(replay, table, command.name)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE
    if found is not None and found.is_valid:
        return
    if found is not None and found.kind is ConstraintKind.FOREIGN_KEY and found.references is not None:
        replay.lock(found.references, LockMode.ROW_SHARE)
        for one in replay.catalog.stored(table, is_only=is_only):
            replay.record(Validates(found.name, one.name, found.references, mode))
    else:
        cause = ScanCause.NOT_NULL if found is not None and found.kind is ConstraintKind.NOT_NULL else ScanCause.CHECK
        for one in replay.catalog.stored(table, is_only=is_only):
            replay.lock(one.name, mode)
            reason = f"check `{command.name}` for every row"
            replay.record(Scans(one.name, mode, cause, reason, constraint=command.name))
    if found is None:
        return
    for one in (table, *replay.catalog.descendants_of(table.name)):
        known = one.constraints.get(found.name)
        if known is not None:
            valid = replace(one, constraints={**one.constraints, found.name: replace(known, is_valid=True)})
            if found.kind is ConstraintKind.NOT_NULL:
                valid = constraints.never_null(valid, found.columns)
            replay.catalog.put(valid)
    replay.record(Redefines(Ref(ObjectKind.CONSTRAINT, table.name, found.name), what="validated"))


def _alter_constraint(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    asked = tree.defined(command).atalter_constraint
    found = _find_constraint(replay, table, asked.conname)
    if found is None:
        return
    is_key = found.kind is ConstraintKind.FOREIGN_KEY
    if (asked.alter_deferrability or asked.alter_enforceability) and not is_key and replay.catalog.is_certain(table):
        reason = f"`{found.name}` is no foreign key, and only one of those can be altered so"
        advice = f"drop `{found.name}`, and add it again as it is to be"
        raise replay.fail(FailureCause.REFUSED, reason, advice, (Ref(ObjectKind.CONSTRAINT, table.name, found.name),))
    if asked.alter_deferrability:
        found = replace(found, is_deferrable=asked.deferrable)
        replay.catalog.put(replace(table, constraints={**table.constraints, found.name: found}))
        replay.record(Redefines(Ref(ObjectKind.CONSTRAINT, table.name, found.name), what="deferrable"))


def _drop_constraint(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    if command.missing_ok and command.name not in table.constraints:
        return
    found = _find_constraint(replay, table, command.name)
    if found is not None and found.is_inherited and table.parents and replay.catalog.is_certain(table):
        raise replay.fail(
            FailureCause.REFUSED,
            f"`{table.name.name}` inherits the constraint `{found.name}`",
            f"drop it from `{table.parents[0].name}`",
        )
    drop.constraint(replay, table, command.name, cascade=command.behavior == pg.DROP_CASCADE)


# columns


def _add_column(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    declared = tree.defined(command).column_def
    if not alter_column.add(replay, table, declared, is_optional=command.missing_ok, is_only=is_only):
        return
    for constraint, columns in constraints.declared_with(declared):
        column = replay.table(table.name).column(declared.colname)
        # The server checks a foreign key that has a default beside it, be it null.
        has_value = column is not None and column.default is not None
        is_key = constraint.contype == pg.CONSTR_FOREIGN
        has_value = has_value or (column is not None and column.identity is not None)
        add_constraint(
            replay,
            replay.table(table.name),
            constraint,
            columns,
            is_only=is_only,
            is_of_new_column=True,
            is_checked=has_value or not is_key,
        )


# storage and the rest


def _rewrite(cause: RewriteCause, reason: str) -> Callable[[StatementReplay, Table, pg.AlterTableCmd, bool], None]:
    def apply(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        if table.kind is TableKind.TABLE or not table.is_whole:
            replay.record(Rewrites(table.name, cause, reason.format(name=command.name)))

    return apply


_REFUSES_LOGGED_PARTITIONED = 18
"""The first version that refuses what those before pass over."""


def _set_persistence(persistence: Persistence) -> Callable[[StatementReplay, Table, pg.AlterTableCmd, bool], None]:
    def apply(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        if table.kind is TableKind.PARTITIONED and replay.version >= _REFUSES_LOGGED_PARTITIONED:
            reason = f"`{table.name.name}` is partitioned, and only its partitions are logged, or not"
            raise replay.fail(FailureCause.REFUSED, reason, "change its partitions", (table.ref,))
        if (table.persistence is persistence and table.is_whole) or table.kind is TableKind.PARTITIONED:
            return
        _need_alike(replay, table, persistence)
        word = "unlogged" if persistence is Persistence.UNLOGGED else "logged"
        replay.record(Rewrites(table.name, RewriteCause.PERSISTENCE, f"it becomes {word}"))
        after = replace(table, persistence=persistence)
        replay.catalog.put(after)
        replay.record(Redefines(table.ref, table, after, word))

    return apply


def _need_alike(replay: StatementReplay, table: Table, persistence: Persistence) -> None:
    """Raise StatementFails where a table that is logged would reference one that is not."""
    if persistence is Persistence.UNLOGGED:
        others = [one for one, _ in replay.catalog.referencing(table.name) if one.name != table.name]
    else:
        names = (key.references for key in table.foreign_keys)
        others = [replay.table(one) for one in names if one is not None and one != table.name]
    wrong = next((one for one in others if one.is_whole and one.persistence is not persistence), None)
    if wrong is not None and replay.catalog.is_certain(wrong):
        relation = (
            "references it and is logged" if persistence is Persistence.UNLOGGED else "is referenced and unlogged"
        )
        reason = f"`{table.name.name}` cannot be set so alone: `{wrong.name.name}` {relation}"
        raise replay.fail(FailureCause.REFUSED, reason, f"change `{wrong.name.name}` first", (wrong.ref,))


def _set_access_method(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    if command.name not in ("", "heap"):
        replay.record(Rewrites(table.name, RewriteCause.ACCESS_METHOD, f"it is stored by `{command.name}` from now on"))


def _row_security(*, has: bool | None = None, forces: bool | None = None) -> Callable[..., None]:
    def apply(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        after = replace(
            table,
            has_row_security=table.has_row_security if has is None else has,
            forces_row_security=table.forces_row_security if forces is None else forces,
        )
        replay.catalog.put(after)
        replay.record(Redefines(table.ref, table, after, "row security"))
        if has and not table.has_row_security:
            row_security.record_shown_of(replay, after)
        if has is False:
            replay.record(OpensRows(table.name, "shows all its rows to whoever may read it"))
        elif forces is False:
            replay.record(OpensRows(table.name, "shows all its rows to its owner"))

    return apply


def _switch_triggers(*, on: bool) -> Callable[[StatementReplay, Table, pg.AlterTableCmd, bool], None]:
    def apply(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        changed = {
            name: replace(one, is_enabled=on)
            for name, one in table.triggers.items()
            if not command.name or name == command.name
        }
        if command.name and not changed and table.is_whole and replay.catalog.is_certain(table):
            raise replay.missing("trigger", Name(table.name.name, command.name))
        after = replace(table, triggers={**table.triggers, **changed})
        replay.catalog.put(after)
        replay.record(Redefines(table.ref, table, after, "trigger"))
        if not on:
            replay.record(StopsTriggers(table.name, command.name or None))

    return apply


def _owner(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    replay.catalog.put(replace(table, owner=tree.role(command.newowner)))


def _attach(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    asked = tree.defined(command).partition_cmd
    name = replay.relation(asked.name)
    if replay.catalog.table(table.name) is None or not table.is_whole:
        table = replace(table, kind=TableKind.PARTITIONED)
        replay.catalog.put(table)
    partitions.attach(replay, table, replay.table(name), partitions.bound(asked.bound))


def _detach(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    asked = tree.defined(command).partition_cmd
    name = replay.relation(asked.name)
    child = replay.table(name)
    if child.is_whole and table.is_whole and table.name not in child.parents and replay.catalog.is_certain(child):
        reason = f"`{name.name}` is no partition of `{table.name.name}`"
        raise replay.fail(FailureCause.REFUSED, reason, "correct the name", (child.ref,))
    replay.catalog.put(partitions.detach(replay, table, child, concurrently=asked.concurrent))


_ACTIONS: dict[int, Callable[[StatementReplay, Table, pg.AlterTableCmd, bool], None]] = {
    pg.AT_AddColumn: _add_column,
    pg.AT_SetStorage: alter_column.set_storage,
    pg.AT_SetCompression: alter_column.set_compression,
    pg.AT_DropColumn: alter_column.drop_column,
    pg.AT_AlterColumnType: alter_column.change_type,
    pg.AT_ColumnDefault: alter_column.set_default,
    pg.AT_SetNotNull: alter_column.set_not_null,
    pg.AT_DropNotNull: alter_column.drop_not_null,
    pg.AT_SetExpression: alter_column.set_expression,
    pg.AT_DropExpression: alter_column.drop_expression,
    pg.AT_AddIdentity: alter_column.add_identity,
    pg.AT_DropIdentity: alter_column.drop_identity,
    pg.AT_AddConstraint: _add_constraint,
    pg.AT_ValidateConstraint: _validate_constraint,
    pg.AT_AlterConstraint: _alter_constraint,
    pg.AT_DropConstraint: _drop_constraint,
    pg.AT_SetTableSpace: _rewrite(RewriteCause.TABLESPACE, "it moves to the tablespace `{name}`"),
    pg.AT_SetAccessMethod: _set_access_method,
    pg.AT_SetLogged: _set_persistence(Persistence.PERMANENT),
    pg.AT_SetUnLogged: _set_persistence(Persistence.UNLOGGED),
    pg.AT_EnableRowSecurity: _row_security(has=True),
    pg.AT_DisableRowSecurity: _row_security(has=False),
    pg.AT_ForceRowSecurity: _row_security(forces=True),
    pg.AT_NoForceRowSecurity: _row_security(forces=False),
    pg.AT_ReplicaIdentity: replica_identity.change,
    pg.AT_EnableTrig: _switch_triggers(on=True),
    pg.AT_EnableTrigAll: _switch_triggers(on=True),
    pg.AT_EnableTrigUser: _switch_triggers(on=True),
    pg.AT_DisableTrig: _switch_triggers(on=False),
    pg.AT_DisableTrigAll: _switch_triggers(on=False),
    pg.AT_DisableTrigUser: _switch_triggers(on=False),
    pg.AT_ChangeOwner: _owner,
    pg.AT_AddInherit: inheritance.inherit,
    pg.AT_DropInherit: inheritance.no_inherit,
    pg.AT_AddOf: typed_tables.attach,
    pg.AT_DropOf: typed_tables.detach,
    pg.AT_AttachPartition: _attach,
    pg.AT_DetachPartition: _detach,
}


# indexes and views


def _alter_index(replay: StatementReplay, name: Name, statement: pg.AlterTableStmt) -> None:
    index = replay.catalog.index(name)
    for node in statement.cmds:
        command = node.alter_table_cmd
        if command.subtype == pg.AT_AttachPartition:
            part = replay.catalog.index(replay.relation(tree.defined(command).partition_cmd.name))
            if part is not None and index is not None:
                partitions.need_same_index(replay, index, part)
            if part is not None:
                replay.catalog.put(replace(part, parent=name))
                replay.lock(part.table, LockMode.ACCESS_SHARE)
            if index is not None:
                replay.lock(index.table, LockMode.ACCESS_SHARE)
        elif command.subtype == pg.AT_SetTableSpace and index is not None:
            replay.record(Builds(name, index.table, LockMode.ACCESS_EXCLUSIVE, is_rebuilt=True))
            replay.lock(index.table, LockMode.ACCESS_EXCLUSIVE)


def _alter_other(replay: StatementReplay, name: Name, statement: pg.AlterTableStmt) -> None:
    view = replay.catalog.view(name)
    is_stored = statement.objtype == pg.OBJECT_MATVIEW or (view is not None and view.is_materialized)
    for number, node in enumerate(statement.cmds):
        command = node.alter_table_cmd
        with replay.within_action(number):
            replay.lock(name, _MODES.get(command.subtype, LockMode.ACCESS_EXCLUSIVE))
            if is_stored and command.subtype == pg.AT_SetTableSpace:
                replay.record(Rewrites(name, RewriteCause.TABLESPACE, f"it moves to the tablespace `{command.name}`"))
            elif is_stored and command.subtype == pg.AT_SetAccessMethod and command.name not in ("", "heap"):
                reason = f"it is stored by `{command.name}` from now on"
                replay.record(Rewrites(name, RewriteCause.ACCESS_METHOD, reason))
            elif command.subtype in (pg.AT_SetRelOptions, pg.AT_ResetRelOptions) and view is not None:
                is_reset = command.subtype == pg.AT_ResetRelOptions
                given = tree.defined(command).list.items
                view = row_security.set_options(replay, view, given, is_reset=is_reset)
                replay.record(Redefines(view.ref, view, view, "options"))
