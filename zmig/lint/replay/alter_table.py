"""ALTER TABLE: its actions, in the order in which the server takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import alter_column, constraints, drop, partitions, tree
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
    from zmig.lint.replay.scene import Scene

_PASSES = (
    {pg.AT_DropColumn, pg.AT_DropConstraint, pg.AT_DropNotNull, pg.AT_DropExpression, pg.AT_DropIdentity},
    {pg.AT_AlterColumnType},
    {pg.AT_AddColumn},
    {pg.AT_SetExpression},
    {pg.AT_AddConstraint},
    {pg.AT_SetNotNull, pg.AT_AddIdentity, pg.AT_ColumnDefault},
)
"""What comes first, whatever is written first; the rest comes after."""


def alter(scene: Scene, statement: pg.AlterTableStmt) -> None:
    """ALTER TABLE, and what shares its grammar: ALTER INDEX, VIEW, SEQUENCE, MATERIALIZED VIEW, FOREIGN TABLE."""
    name = scene.relation(statement.relation, is_optional=statement.missing_ok)
    if name is None:
        return
    scene.aim(name)
    relation = scene.catalog.relation(name)
    if statement.objtype == pg.OBJECT_INDEX or isinstance(relation, Index):
        _alter_index(scene, name, statement)
        return
    if statement.objtype in (pg.OBJECT_VIEW, pg.OBJECT_MATVIEW, pg.OBJECT_SEQUENCE) or (
        relation is not None and not isinstance(relation, Table)
    ):
        _alter_other(scene, name, statement)
        return
    is_only = not statement.relation.inh
    numbered = [(number, node.alter_table_cmd) for number, node in enumerate(statement.cmds)]
    for number, command in sorted(numbered, key=lambda one: (_pass_of(one[1]), one[0])):
        with scene.in_action(number):
            _do(scene, name, command, is_only=is_only)


def _pass_of(command: pg.AlterTableCmd) -> int:
    return next((number for number, some in enumerate(_PASSES) if command.subtype in some), len(_PASSES))


def _do(scene: Scene, name: Name, command: pg.AlterTableCmd, *, is_only: bool) -> None:
    scene.lock(name, _MODES.get(command.subtype, LockMode.ACCESS_EXCLUSIVE))
    action = _ACTIONS.get(command.subtype)
    if action is None:
        return
    table = scene.table(name)
    if scene.catalog.relation(name) is None:
        scene.catalog.put(table)
    action(scene, table, command, is_only)


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


def _add_constraint(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    add_constraint(scene, table, tree.defined(command).constraint, is_only=is_only)


def add_constraint(
    scene: Scene,
    table: Table,
    declared: pg.Constraint,
    columns: tuple[str, ...] = (),
    *,
    is_only: bool,
    is_of_new_column: bool = False,
    is_checked: bool = True,
) -> None:
    """Add a constraint, and say what it takes; `is_checked` is False where no row can break it."""
    if not constraints.is_constraint(declared):
        return
    is_key = declared.contype == pg.CONSTR_FOREIGN
    if not is_of_new_column:
        scene.lock(table.name, LockMode.SHARE_ROW_EXCLUSIVE if is_key else LockMode.ACCESS_EXCLUSIVE)
    if declared.contype == pg.CONSTR_PRIMARY:
        _need_no_primary_key(scene, table)
    if not (is_key or is_only):
        for child in scene.catalog.descendants_of(table.name):
            scene.lock(child.name, LockMode.ACCESS_EXCLUSIVE)
    before = table
    table, added = constraints.add(scene, table, declared, columns)
    constraints.need_columns(scene, table, added.columns)
    scene.catalog.put(table)
    scene.make(ObjectKind.CONSTRAINT, table.name, added.name)
    alone = is_only or declared.is_no_inherit
    _say_work(scene, before, added, declared, is_only=alone, is_checked=is_checked)
    if not (alone or is_key or added.kind.has_index):
        _hand_down(scene, table, added)


def _hand_down(scene: Scene, table: Table, added: Constraint) -> None:
    """Give a constraint to all that inherits a table."""
    for child in scene.catalog.descendants_of(table.name):
        inherited = {added.name: replace(added, is_inherited=True), **child.constraints}
        is_not_null = added.kind is ConstraintKind.NOT_NULL and added.is_valid
        kept = constraints.never_null(child, added.columns) if is_not_null else child
        scene.catalog.put(replace(kept, constraints=inherited))


def _need_no_primary_key(scene: Scene, table: Table) -> None:
    key = table.primary_key
    if key is not None and scene.catalog.is_certain(table):
        raise scene.fail(
            FailureCause.EXISTS,
            f"`{table.name.name}` already has the primary key `{key.name}`",
            f"drop it first: `drop constraint {key.name}`",
            (Ref(ObjectKind.CONSTRAINT, table.name, key.name),),
        )


def _say_work(
    scene: Scene, before: Table, added: Constraint, declared: pg.Constraint, *, is_only: bool, is_checked: bool
) -> None:
    stored = scene.catalog.stored(before, is_only=is_only)
    match added.kind:
        case ConstraintKind.CHECK:
            if added.is_valid and added.is_enforced and is_checked:
                for one in stored:
                    reason = f"check `{added.name}` for every row"
                    _scan(scene, one, ScanCause.CHECK, reason, constraint=added.name)
        case ConstraintKind.NOT_NULL:
            if added.is_valid:
                for one in stored:
                    alter_column.say_not_null(scene, one, added.columns[0], ScanCause.NOT_NULL)
        case ConstraintKind.FOREIGN_KEY:
            _say_foreign_key(scene, before, added, stored, is_checked=is_checked)
        case _:
            _say_index(scene, before, added, stored, is_new=not declared.indexname, is_only=is_only)


def _scan(scene: Scene, table: Table, cause: ScanCause, reason: str, *, constraint: str | None = None) -> None:
    scene.say(Scans(table.name, LockMode.ACCESS_EXCLUSIVE, cause, reason, constraint=constraint))


def _say_index(
    scene: Scene, before: Table, added: Constraint, stored: tuple[Table, ...], *, is_new: bool, is_only: bool
) -> None:
    below = () if is_only else scene.catalog.descendants_of(before.name)
    if added.kind is ConstraintKind.PRIMARY_KEY:
        for one in stored:
            for column in added.columns:
                alter_column.say_not_null(scene, one, column, ScanCause.PRIMARY_KEY, known=before)
        for child in below:
            scene.catalog.put(constraints.never_null(child, added.columns))
    if not is_new:
        return
    is_partitioned = before.kind is TableKind.PARTITIONED
    for one in stored if is_partitioned else (before,):
        scene.say(Builds(added.index if one.name == before.name else None, one.name, LockMode.ACCESS_EXCLUSIVE))
    index = None if added.index is None else scene.catalog.index(added.index)
    for child in below if is_partitioned and index is not None else ():
        assert index is not None, "else nothing is gone through"
        scene.lock(child.name, LockMode.ACCESS_EXCLUSIVE)
        scene.catalog.put(constraints.copy_index(scene, scene.table(child.name), index, parent=index.name))


def _say_foreign_key(
    scene: Scene, before: Table, added: Constraint, stored: tuple[Table, ...], *, is_checked: bool
) -> None:
    if added.references is None:
        return
    constraints.need_key(scene, added)
    scene.lock(added.references, LockMode.SHARE_ROW_EXCLUSIVE)
    if before.kind is TableKind.PARTITIONED:
        for child in scene.catalog.descendants_of(before.name):
            scene.lock(child.name, LockMode.SHARE_ROW_EXCLUSIVE)
        _hand_down(scene, before, added)
    if added.is_valid and added.is_enforced and is_checked:
        for one in stored:
            scene.say(Validates(added.name, one.name, added.references, LockMode.SHARE_ROW_EXCLUSIVE))


def _find_constraint(scene: Scene, table: Table, name: str) -> Constraint | None:
    """Return a constraint that a statement needs; None where it is not known. Raises StatementFails."""
    found = table.constraints.get(name)
    if found is None and scene.catalog.is_certain(table):
        # NOT NULL constraints have names since 18, which earlier statements need not show.
        is_gone = name in table.missing_constraints
        if is_gone or (table.is_whole and not name.endswith("_not_null") and not table.parents):
            raise scene.missing("constraint", Name(table.name.name, name))
    return found


def _validate_constraint(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    found = _find_constraint(scene, table, command.name)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE
    if found is not None and found.is_valid:
        return
    if found is not None and found.kind is ConstraintKind.FOREIGN_KEY and found.references is not None:
        scene.lock(found.references, LockMode.ROW_SHARE)
        for one in scene.catalog.stored(table, is_only=is_only):
            scene.say(Validates(found.name, one.name, found.references, mode))
    else:
        cause = ScanCause.NOT_NULL if found is not None and found.kind is ConstraintKind.NOT_NULL else ScanCause.CHECK
        for one in scene.catalog.stored(table, is_only=is_only):
            scene.lock(one.name, mode)
            reason = f"check `{command.name}` for every row"
            scene.say(Scans(one.name, mode, cause, reason, constraint=command.name))
    if found is None:
        return
    for one in (table, *scene.catalog.descendants_of(table.name)):
        known = one.constraints.get(found.name)
        if known is not None:
            valid = replace(one, constraints={**one.constraints, found.name: replace(known, is_valid=True)})
            if found.kind is ConstraintKind.NOT_NULL:
                valid = constraints.never_null(valid, found.columns)
            scene.catalog.put(valid)
    scene.say(Redefines(Ref(ObjectKind.CONSTRAINT, table.name, found.name), what="validated"))


def _drop_constraint(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    if command.missing_ok and command.name not in table.constraints:
        return
    found = _find_constraint(scene, table, command.name)
    if found is not None and found.is_inherited and table.parents and scene.catalog.is_certain(table):
        raise scene.fail(
            FailureCause.REFUSED,
            f"`{table.name.name}` inherits the constraint `{found.name}`",
            f"drop it from `{table.parents[0].name}`",
        )
    drop.constraint(scene, table, command.name, cascade=command.behavior == pg.DROP_CASCADE)


# columns


def _add_column(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    declared = tree.defined(command).column_def
    if not alter_column.add(scene, table, declared, is_optional=command.missing_ok, is_only=is_only):
        return
    for constraint, columns in constraints.declared_with(declared):
        column = scene.table(table.name).column(declared.colname)
        has_value = column is not None and column.default is not None and not column.default.is_null
        is_key = constraint.contype == pg.CONSTR_FOREIGN
        has_value = has_value or (column is not None and column.identity is not None)
        add_constraint(
            scene,
            scene.table(table.name),
            constraint,
            columns,
            is_only=is_only,
            is_of_new_column=True,
            is_checked=has_value or not is_key,
        )


# storage and the rest


def _rewrite(cause: RewriteCause, reason: str) -> Callable[[Scene, Table, pg.AlterTableCmd, bool], None]:
    def apply(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        if table.kind is TableKind.TABLE or not table.is_whole:
            scene.say(Rewrites(table.name, cause, reason.format(name=command.name)))

    return apply


_REFUSES_LOGGED_PARTITIONED = 18
"""The first version that refuses what those before pass over."""


def _set_persistence(persistence: Persistence) -> Callable[[Scene, Table, pg.AlterTableCmd, bool], None]:
    def apply(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        if table.kind is TableKind.PARTITIONED and scene.version >= _REFUSES_LOGGED_PARTITIONED:
            reason = f"`{table.name.name}` is partitioned, and only its partitions are logged, or not"
            raise scene.fail(FailureCause.REFUSED, reason, "change its partitions", (table.ref,))
        if (table.persistence is persistence and table.is_whole) or table.kind is TableKind.PARTITIONED:
            return
        _need_alike(scene, table, persistence)
        word = "unlogged" if persistence is Persistence.UNLOGGED else "logged"
        scene.say(Rewrites(table.name, RewriteCause.PERSISTENCE, f"it becomes {word}"))
        after = replace(table, persistence=persistence)
        scene.catalog.put(after)
        scene.say(Redefines(table.ref, table, after, word))

    return apply


def _need_alike(scene: Scene, table: Table, persistence: Persistence) -> None:
    """Raise StatementFails where a table that is logged would reference one that is not."""
    if persistence is Persistence.UNLOGGED:
        others = [one for one, _ in scene.catalog.referencing(table.name) if one.name != table.name]
    else:
        names = (key.references for key in table.foreign_keys)
        others = [scene.table(one) for one in names if one is not None and one != table.name]
    wrong = next((one for one in others if one.is_whole and one.persistence is not persistence), None)
    if wrong is not None and scene.catalog.is_certain(wrong):
        said = "references it and is logged" if persistence is Persistence.UNLOGGED else "is referenced and unlogged"
        reason = f"`{table.name.name}` cannot be set so alone: `{wrong.name.name}` {said}"
        raise scene.fail(FailureCause.REFUSED, reason, f"change `{wrong.name.name}` first", (wrong.ref,))


def _set_access_method(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    if command.name not in ("", "heap"):
        scene.say(Rewrites(table.name, RewriteCause.ACCESS_METHOD, f"it is stored by `{command.name}` from now on"))


def _row_security(*, has: bool | None = None, forces: bool | None = None) -> Callable[..., None]:
    def apply(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        after = replace(
            table,
            has_row_security=table.has_row_security if has is None else has,
            forces_row_security=table.forces_row_security if forces is None else forces,
        )
        scene.catalog.put(after)
        scene.say(Redefines(table.ref, table, after, "row security"))
        if has is False:
            scene.say(OpensRows(table.name, "shows all its rows to whoever may read it"))
        elif forces is False:
            scene.say(OpensRows(table.name, "shows all its rows to its owner"))

    return apply


def _replica_identity(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    asked = tree.defined(command).replica_identity_stmt
    kinds = {"d": "default", "f": "full", "n": "nothing", "i": f"index {asked.name}"}
    after = replace(table, replica_identity=kinds.get(asked.identity_type, "default"))
    scene.catalog.put(after)
    scene.say(Redefines(table.ref, table, after, "replica identity"))


def _switch_triggers(*, on: bool) -> Callable[[Scene, Table, pg.AlterTableCmd, bool], None]:
    def apply(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
        changed = {
            name: replace(one, is_enabled=on)
            for name, one in table.triggers.items()
            if not command.name or name == command.name
        }
        if command.name and not changed and table.is_whole and scene.catalog.is_certain(table):
            raise scene.missing("trigger", Name(table.name.name, command.name))
        after = replace(table, triggers={**table.triggers, **changed})
        scene.catalog.put(after)
        scene.say(Redefines(table.ref, table, after, "trigger"))
        if not on:
            scene.say(StopsTriggers(table.name, command.name or None))

    return apply


def _owner(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    scene.catalog.put(replace(table, owner=tree.role(command.newowner)))


def _inherit(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    name = scene.relation(tree.defined(command).range_var)
    scene.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)
    scene.catalog.put(replace(table, parents=(*table.parents, name)))


def _no_inherit(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    name = scene.relation(tree.defined(command).range_var)
    scene.lock(name, LockMode.ACCESS_SHARE)
    parents = tuple(one for one in table.parents if one != name)
    columns = {key: replace(one, is_inherited=bool(parents)) for key, one in table.columns.items()}
    kept = {key: replace(one, is_inherited=bool(parents)) for key, one in table.constraints.items()}
    scene.catalog.put(replace(table, parents=parents, columns=columns, constraints=kept))


def _attach(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    asked = tree.defined(command).partition_cmd
    name = scene.relation(asked.name)
    if scene.catalog.table(table.name) is None or not table.is_whole:
        table = replace(table, kind=TableKind.PARTITIONED)
        scene.catalog.put(table)
    partitions.attach(scene, table, scene.table(name), partitions.bound(asked.bound))


def _detach(scene: Scene, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    asked = tree.defined(command).partition_cmd
    name = scene.relation(asked.name)
    child = scene.table(name)
    if child.is_whole and table.is_whole and table.name not in child.parents and scene.catalog.is_certain(child):
        reason = f"`{name.name}` is no partition of `{table.name.name}`"
        raise scene.fail(FailureCause.REFUSED, reason, "correct the name", (child.ref,))
    scene.catalog.put(partitions.detach(scene, table, child, concurrently=asked.concurrent))


_ACTIONS: dict[int, Callable[[Scene, Table, pg.AlterTableCmd, bool], None]] = {
    pg.AT_AddColumn: _add_column,
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
    pg.AT_DropConstraint: _drop_constraint,
    pg.AT_SetTableSpace: _rewrite(RewriteCause.TABLESPACE, "it moves to the tablespace `{name}`"),
    pg.AT_SetAccessMethod: _set_access_method,
    pg.AT_SetLogged: _set_persistence(Persistence.PERMANENT),
    pg.AT_SetUnLogged: _set_persistence(Persistence.UNLOGGED),
    pg.AT_EnableRowSecurity: _row_security(has=True),
    pg.AT_DisableRowSecurity: _row_security(has=False),
    pg.AT_ForceRowSecurity: _row_security(forces=True),
    pg.AT_NoForceRowSecurity: _row_security(forces=False),
    pg.AT_ReplicaIdentity: _replica_identity,
    pg.AT_EnableTrig: _switch_triggers(on=True),
    pg.AT_EnableTrigAll: _switch_triggers(on=True),
    pg.AT_EnableTrigUser: _switch_triggers(on=True),
    pg.AT_DisableTrig: _switch_triggers(on=False),
    pg.AT_DisableTrigAll: _switch_triggers(on=False),
    pg.AT_DisableTrigUser: _switch_triggers(on=False),
    pg.AT_ChangeOwner: _owner,
    pg.AT_AddInherit: _inherit,
    pg.AT_DropInherit: _no_inherit,
    pg.AT_AttachPartition: _attach,
    pg.AT_DetachPartition: _detach,
}


# indexes and views


def _alter_index(scene: Scene, name: Name, statement: pg.AlterTableStmt) -> None:
    index = scene.catalog.index(name)
    for node in statement.cmds:
        command = node.alter_table_cmd
        if command.subtype == pg.AT_AttachPartition:
            part = scene.catalog.index(scene.relation(tree.defined(command).partition_cmd.name))
            if part is not None:
                scene.catalog.put(replace(part, parent=name))
                scene.lock(part.table, LockMode.ACCESS_SHARE)
            if index is not None:
                scene.lock(index.table, LockMode.ACCESS_SHARE)
        elif command.subtype == pg.AT_SetTableSpace and index is not None:
            scene.say(Builds(name, index.table, LockMode.ACCESS_EXCLUSIVE, is_rebuilt=True))
            scene.lock(index.table, LockMode.ACCESS_EXCLUSIVE)


def _alter_other(scene: Scene, name: Name, statement: pg.AlterTableStmt) -> None:
    view = scene.catalog.view(name)
    is_stored = statement.objtype == pg.OBJECT_MATVIEW or (view is not None and view.is_materialized)
    for number, node in enumerate(statement.cmds):
        command = node.alter_table_cmd
        with scene.in_action(number):
            scene.lock(name, _MODES.get(command.subtype, LockMode.ACCESS_EXCLUSIVE))
            if is_stored and command.subtype == pg.AT_SetTableSpace:
                scene.say(Rewrites(name, RewriteCause.TABLESPACE, f"it moves to the tablespace `{command.name}`"))
            elif is_stored and command.subtype == pg.AT_SetAccessMethod and command.name not in ("", "heap"):
                reason = f"it is stored by `{command.name}` from now on"
                scene.say(Rewrites(name, RewriteCause.ACCESS_METHOD, reason))
            elif command.subtype in (pg.AT_SetRelOptions, pg.AT_ResetRelOptions) and view is not None:
                scene.say(Redefines(view.ref, view, view, "options"))
