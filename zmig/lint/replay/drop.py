"""What is dropped, and what goes with it or is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import partitions, tree, types
from zmig.lint.replay.effects import Drops, FailureCause, LosesData
from zmig.lint.replay.objects import (
    ConstraintKind,
    Index,
    LockMode,
    ObjectKind,
    Ref,
    Sequence,
    Space,
    Table,
    TableKind,
    View,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zmig.lint.replay.objects import Column, Function, Relation
    from zmig.lint.replay.scene import Scene, StatementFails

_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def statement(scene: Scene, dropped: pg.DropStmt) -> None:
    """DROP of anything in a database."""
    drop_it = _DROPS.get(dropped.remove_type)
    if drop_it is not None:
        drop_it(scene, dropped, dropped.behavior == pg.DROP_CASCADE)


def _relations(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    found = _found(scene, dropped)
    relations(scene, found, _KINDS[dropped.remove_type], cascade=cascade)


def _indexes(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    for name in _found(scene, dropped):
        _index(scene, name, concurrently=dropped.concurrent)


def _types(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _type(scene, tree.object_name(node), is_optional=dropped.missing_ok, cascade=cascade)


def _functions(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _function(scene, node.object_with_args, is_optional=dropped.missing_ok, cascade=cascade)


def _schemas(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _schema(scene, tree.object_name(node).name, is_optional=dropped.missing_ok, cascade=cascade)


def _parts(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _part(scene, dropped.remove_type, tree.strings(node.list.items), is_optional=dropped.missing_ok)


def _extensions(scene: Scene, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        name = tree.object_name(node)
        scene.catalog.extensions -= {name.name}
        scene.say(Drops(Ref(ObjectKind.EXTENSION, name)))
    if cascade:
        scene.catalog.lose_track()


_DROPS: dict[int, Callable[[Scene, pg.DropStmt, bool], None]] = {
    pg.OBJECT_TABLE: _relations,
    pg.OBJECT_FOREIGN_TABLE: _relations,
    pg.OBJECT_VIEW: _relations,
    pg.OBJECT_MATVIEW: _relations,
    pg.OBJECT_SEQUENCE: _relations,
    pg.OBJECT_INDEX: _indexes,
    pg.OBJECT_TYPE: _types,
    pg.OBJECT_DOMAIN: _types,
    pg.OBJECT_FUNCTION: _functions,
    pg.OBJECT_PROCEDURE: _functions,
    pg.OBJECT_ROUTINE: _functions,
    pg.OBJECT_SCHEMA: _schemas,
    pg.OBJECT_TRIGGER: _parts,
    pg.OBJECT_POLICY: _parts,
    pg.OBJECT_RULE: _parts,
    pg.OBJECT_EXTENSION: _extensions,
}


def owned(scene: Scene, dropped: pg.DropOwnedStmt) -> None:
    """DROP OWNED: of whose things nobody knows."""
    scene.catalog.lose_track()


def role(scene: Scene, dropped: pg.DropRoleStmt) -> None:
    """DROP ROLE."""
    for node in dropped.roles:
        name = tree.role(node.role_spec)
        scene.catalog.roles -= {name}
        scene.say(Drops(Ref(ObjectKind.ROLE, Name(None, name))))


def _found(scene: Scene, dropped: pg.DropStmt) -> list[Name]:
    found = (scene.known(tree.object_name(node), is_optional=dropped.missing_ok) for node in dropped.objects)
    return [name for name in found if name is not None]


def in_the_way(scene: Scene, what: str, blockers: Iterable[Ref]) -> StatementFails:
    """Return what to raise where something depends on what is changed or dropped."""
    blockers = tuple(dict.fromkeys(blockers))
    first = blockers[0]
    shown = first.shown if len(blockers) == 1 else f"{first.shown} and {len(blockers) - 1} more"
    verb = "depends" if len(blockers) == 1 else "depend"
    if first.kind in (ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW):
        advice = f"drop `{first.name.name}` before, and create it again after"
    elif first.kind is ObjectKind.CONSTRAINT and first.part is not None:
        advice = f"drop it first: `alter table {first.name.name} drop constraint {first.part}`"
    else:
        advice = f"drop or change {first.shown} first"
    return scene.fail(FailureCause.IN_THE_WAY, f"{what}: {shown} {verb} on it", advice, blockers)


# relations


_KINDS = {
    pg.OBJECT_TABLE: ObjectKind.TABLE,
    pg.OBJECT_FOREIGN_TABLE: ObjectKind.FOREIGN_TABLE,
    pg.OBJECT_VIEW: ObjectKind.VIEW,
    pg.OBJECT_MATVIEW: ObjectKind.MATERIALIZED_VIEW,
    pg.OBJECT_SEQUENCE: ObjectKind.SEQUENCE,
}


def relations(scene: Scene, names: Iterable[Name], kind: ObjectKind, *, cascade: bool) -> None:
    """Drop tables, views and sequences, all at once."""
    dropping = dict.fromkeys(names)
    for name in dropping:
        scene.aim(name)
    for name in [*dropping]:
        table = scene.catalog.table(name)
        if table is not None:
            dropping |= {one.name: None for one in scene.catalog.descendants_of(name) if one.is_partition}
    blockers = [ref for name in dropping for ref in _dependents(scene, name, dropping)]
    if blockers and not cascade:
        first = next(iter(dropping))
        relation = scene.catalog.relation(first)
        shown = f"the {relation.ref.kind if relation is not None else 'table'} `{first.name}` cannot be dropped"
        raise in_the_way(scene, shown, blockers)
    known = [name for name in dropping if scene.catalog.relation(name) is not None]
    for name in dropping:
        if name not in known or scene.catalog.relation(name) is not None:  # else it went with one before it
            _remove(scene, name, {}, kind)


def _dependents(scene: Scene, name: Name, dropping: Iterable[Name]) -> list[Ref]:
    """Return what would be in the way of dropping a relation, together with others."""
    found: list[Ref] = [one.ref for one in scene.catalog.views_on(name) if one.name not in dropping]
    relation = scene.catalog.relation(name)
    if isinstance(relation, Table):
        found += (
            Ref(ObjectKind.CONSTRAINT, one.name, key.name)
            for one, key in scene.catalog.referencing(name)
            if one.name not in dropping
        )
        children = (one for one in scene.catalog.children_of(name) if one.name not in dropping)
        found += (one.ref for one in children if not one.is_partition)
    elif isinstance(relation, Sequence):
        found += (
            Ref(ObjectKind.COLUMN, table.name, one.name)
            for table in scene.catalog.tables()
            for one in table.columns.values()
            if table.name not in dropping and _draws(table, one, relation)
        )
    return found


def _draws(table: Table, one: Column, sequence: Sequence) -> bool:
    """Whether a column gets its numbers from a sequence."""
    is_own = sequence.owner == (table.name, one.name)
    if one.identity is not None:
        return is_own
    drawn = one.default.sequences if one.default is not None else ()
    names = [shown.rpartition(".")[2].strip('"') for shown in drawn]
    return sequence.name.name in names or (is_own and "" in names)


def _forget_defaults(scene: Scene, sequence: Sequence) -> None:
    for table in [*scene.catalog.tables()]:
        drawing = [one for one in table.columns.values() if _draws(table, one, sequence)]
        if drawing:
            scene.lock(table.name, _EXCLUSIVE)
            changed = {one.name: replace(one, default=None) for one in drawing}
            scene.catalog.put(replace(table, columns={**table.columns, **changed}))


def _remove(scene: Scene, name: Name, cascaded: dict[Ref, None], named: ObjectKind | None = None) -> None:
    """Take a relation out with all that depends on it; one that the statement names says of which kind it is."""
    relation = scene.catalog.relation(name)
    if name in scene.going or (relation is None and named is None):
        return
    scene.going.add(name)
    ref = Ref(named or ObjectKind.TABLE, name) if relation is None else relation.ref
    below: dict[Ref, None] = {}
    parts: list[Ref] = []
    scene.lock(name, _EXCLUSIVE)
    for view in scene.catalog.views_on(name):
        below[view.ref] = None
        _remove(scene, view.name, below)
    if isinstance(relation, Table):
        parts += _remove_around(scene, relation, below)
    elif isinstance(relation, Sequence):
        _forget_defaults(scene, relation)
    for index in scene.catalog.indexes_of(name):
        parts.append(index.ref)
        scene.catalog.remove(index.name)
    for sequence in scene.catalog.sequences_of(name):
        parts.append(sequence.ref)
        scene.catalog.remove(sequence.name)
    scene.catalog.remove(name)
    if named is not None:
        scene.say(Drops(ref, tuple(below), tuple(parts)))
    cascaded |= below
    if (ref.kind is ObjectKind.TABLE and relation is None) or (
        isinstance(relation, Table) and scene.catalog.may_have_rows(relation)
    ):
        scene.say(LosesData(ref))


def _remove_around(scene: Scene, table: Table, below: dict[Ref, None]) -> list[Ref]:
    for other, key in scene.catalog.referencing(table.name):
        if other.name != table.name:
            below[Ref(ObjectKind.CONSTRAINT, other.name, key.name)] = None
            scene.lock(other.name, _EXCLUSIVE)
            known = scene.table(other.name)
            kept = {name: one for name, one in known.constraints.items() if name != key.name}
            scene.catalog.put(replace(known, constraints=kept))
    for child in scene.catalog.children_of(table.name):
        if not child.is_partition:
            below[child.ref] = None
        _remove(scene, child.name, below)
    for key in table.foreign_keys:
        if key.references is not None and key.references != table.name:
            scene.lock(key.references, _EXCLUSIVE)
    for parent in table.parents if table.is_partition else ():
        scene.lock(parent, _EXCLUSIVE)
        default = partitions.default_of(scene, scene.table(parent))
        if default is not None:
            scene.lock(default.name, _EXCLUSIVE)
    return [Ref(ObjectKind.TRIGGER, table.name, name) for name in table.triggers]


def _is_shared_out(table: Table) -> bool:
    """Whether rows are in partitions, that others see as well."""
    return table.kind is TableKind.PARTITIONED and not table.is_temporary


def _index(scene: Scene, name: Name, *, concurrently: bool) -> None:
    scene.aim(name)
    index = scene.catalog.index(name)
    if index is None:
        scene.say(Drops(Ref(ObjectKind.INDEX, name)))
        scene.catalog.remove(name)
        return
    table = scene.catalog.table(index.table)
    certain = scene.catalog.is_certain(index)
    if index.constraint is not None and certain:
        blocker = Ref(ObjectKind.CONSTRAINT, index.table, index.constraint)
        reason = f"the index `{name.name}` enforces the constraint `{index.constraint}` of `{index.table.name}`"
        advice = f"write `alter table {index.table.name} drop constraint {index.constraint}`"
        raise scene.fail(FailureCause.IN_THE_WAY, reason, advice, (blocker,))
    if index.parent is not None and certain:
        reason = f"the index `{name.name}` is part of `{index.parent.name}`"
        blocker = Ref(ObjectKind.INDEX, index.parent)
        raise scene.fail(FailureCause.IN_THE_WAY, reason, f"drop `{index.parent.name}`", (blocker,))
    if concurrently and table is not None and _is_shared_out(table) and certain:
        reason = f"`{table.name.name}` is partitioned, and no index of it can be dropped concurrently"
        raise scene.fail(FailureCause.PARTITIONED, reason, "leave `concurrently` out", (table.ref,))
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else _EXCLUSIVE
    scene.lock(index.table, mode)
    parts = [one for child in scene.catalog.descendants_of(index.table) for one in scene.catalog.indexes_of(child.name)]
    of_it = [one for one in parts if one.parent == name]
    for one in of_it:
        scene.lock(one.table, mode)
        scene.catalog.remove(one.name)
    scene.catalog.remove(name)
    scene.say(Drops(index.ref, parts=tuple(one.ref for one in of_it)))


# parts of tables


def users_of_column(scene: Scene, table: Table, name: str) -> list[Ref]:
    """Return the views, triggers, policies and generated columns that certainly use a column."""
    found = [one.ref for one in scene.catalog.views_on(table.name) if name in one.uses.get(table.name, ())]
    if not scene.catalog.is_certain(table):
        return []
    found += (Ref(ObjectKind.TRIGGER, table.name, one.name) for one in table.triggers.values() if name in one.columns)
    for policy in table.policies.values():
        for expression in (policy.using, policy.check):
            if expression is not None and not expression.has_query and name in expression.columns:
                found.append(Ref(ObjectKind.POLICY, table.name, policy.name))
    for column in table.columns.values():
        if column.generated is not None and column.default is not None and name in column.default.columns:
            found.append(Ref(ObjectKind.COLUMN, table.name, column.name))
    return [*dict.fromkeys(found)]


_KEEPS_GENERATED = 15


def column(scene: Scene, table: Table, name: str, *, cascade: bool, is_only: bool = False) -> None:
    """Drop a column of a table, and of what inherits it."""
    blockers = users_of_column(scene, table, name)
    keys = [
        (other, key)
        for other, key in scene.catalog.referencing(table.name)
        if other.name != table.name and name in table.columns_referenced_by(key)
    ]
    blockers += (Ref(ObjectKind.CONSTRAINT, other.name, key.name) for other, key in keys)
    # Before 15, generated columns went with the columns that they are computed of.
    refusing = [ref for ref in blockers if ref.kind is not ObjectKind.COLUMN or scene.version >= _KEEPS_GENERATED]
    if refusing and not cascade:
        raise in_the_way(scene, f"the column `{table.name.name}.{name}` cannot be dropped", refusing)
    below: dict[Ref, None] = dict.fromkeys(blockers)
    for ref in blockers:
        _remove_user(scene, table, ref, below)
    parts: list[Ref] = []
    for one in (table, *(() if is_only else scene.catalog.descendants_of(table.name))):
        parts += _without_column(scene, scene.table(one.name), name)
    scene.say(Drops(Ref(ObjectKind.COLUMN, table.name, name), tuple(below), tuple(parts)))


def _remove_user(scene: Scene, table: Table, ref: Ref, below: dict[Ref, None]) -> None:
    match ref.kind:
        case ObjectKind.VIEW | ObjectKind.MATERIALIZED_VIEW:
            _remove(scene, ref.name, below)
        case ObjectKind.COLUMN if ref.part is not None:
            scene.say(LosesData(ref))
            _without_column(scene, scene.table(table.name), ref.part)
        case _:
            owner = scene.table(ref.name)
            scene.lock(ref.name, _EXCLUSIVE)
            scene.catalog.put(
                replace(
                    owner,
                    triggers={name: one for name, one in owner.triggers.items() if name != ref.part},
                    policies={name: one for name, one in owner.policies.items() if name != ref.part},
                    constraints={name: one for name, one in owner.constraints.items() if name != ref.part},
                )
            )


def _without_column(scene: Scene, table: Table, name: str) -> list[Ref]:
    """Take a column out of one table with its indexes, constraints and sequences, and return these."""
    parts: list[Ref] = []
    for index in scene.catalog.indexes_of(table.name):
        if name in index.all_columns:
            parts.append(index.ref)
            scene.catalog.remove(index.name)
    for sequence in scene.catalog.sequences_of(table.name, name):
        parts.append(sequence.ref)
        scene.catalog.remove(sequence.name)
    kept = {key: one for key, one in table.constraints.items() if name not in one.columns}
    lost = table.constraints.keys() - kept.keys()
    for one in lost:
        references = table.constraints[one].references
        if references is not None and references != table.name:
            scene.lock(references, _EXCLUSIVE)
    parts += (Ref(ObjectKind.CONSTRAINT, table.name, one) for one in sorted(lost))
    scene.catalog.put(
        replace(
            table,
            columns={key: one for key, one in table.columns.items() if key != name},
            constraints=kept,
            missing=table.missing | {name},
            missing_constraints=table.missing_constraints | lost,
        )
    )
    return parts


def constraint(scene: Scene, table: Table, name: str, *, cascade: bool) -> None:
    """Drop a constraint of a table, and of what inherits it."""
    found = table.constraints.get(name)
    below: list[Ref] = []
    if found is not None and found.kind in (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE):
        keys = [
            (other, key)
            for other, key in scene.catalog.referencing(table.name)
            if frozenset(table.columns_referenced_by(key)) == frozenset(found.columns)
        ]
        below = [Ref(ObjectKind.CONSTRAINT, other.name, key.name) for other, key in keys]
        if (
            below
            and not cascade
            and scene.catalog.is_certain(table)
            and not _has_other_key(scene, table, found.columns)
        ):
            raise in_the_way(scene, f"the constraint `{name}` cannot be dropped", below)
        for ref in below:
            _remove_user(scene, table, ref, {})
    if found is not None and found.references is not None and found.references != table.name:
        scene.lock(found.references, _EXCLUSIVE)
    ref = Ref(ObjectKind.CONSTRAINT, table.name, name)
    scene.say(Drops(ref, tuple(below) if cascade else ()))
    for one in (table, *scene.catalog.descendants_of(table.name)):
        known = scene.table(one.name)
        own = known.constraints.get(name)
        if own is None and one.name != table.name:
            continue
        if own is not None and own.index is not None:
            scene.catalog.remove(own.index)
        kept = {key: other for key, other in known.constraints.items() if key != name}
        gone = known.missing_constraints | {name}
        scene.catalog.put(replace(known, constraints=kept, missing_constraints=gone))


def _has_other_key(scene: Scene, table: Table, columns: tuple[str, ...]) -> bool:
    wanted = frozenset(columns)
    keys = (one for one in scene.catalog.indexes_of(table.name) if one.is_unique)
    return sum(frozenset(one.columns) == wanted for one in keys) > 1


def _part(scene: Scene, kind: pg.ObjectType, parts: list[str], *, is_optional: bool) -> None:
    name = scene.known(tree.name_of(parts[:-1]), is_optional=is_optional)
    if name is None:
        return
    scene.aim(name)
    relation: Relation | None = scene.catalog.relation(name)
    owner = relation if isinstance(relation, View) else scene.table(name)
    part = parts[-1]
    shown = tree.PARTS_OF_TABLES[kind]
    if isinstance(owner, Table):
        own = {ObjectKind.TRIGGER: owner.triggers, ObjectKind.POLICY: owner.policies, ObjectKind.RULE: owner.rules}
        if part not in own[shown]:
            if is_optional:
                return
            if owner.is_whole and scene.catalog.is_certain(owner):
                raise scene.missing(shown, Name(owner.name.name, part))
    scene.lock(name, _EXCLUSIVE)
    scene.say(Drops(Ref(shown, name, part)))
    triggers = {key: one for key, one in owner.triggers.items() if key != part or shown is not ObjectKind.TRIGGER}
    owner = replace(owner, triggers=triggers)
    if isinstance(owner, Table):
        policies = {key: one for key, one in owner.policies.items() if key != part or shown is not ObjectKind.POLICY}
        rules = owner.rules - {part} if shown is ObjectKind.RULE else owner.rules
        owner = replace(owner, policies=policies, rules=rules)
    if relation is not None:
        scene.catalog.put(owner)


# types, functions and schemas


def _type(scene: Scene, written: Name, *, is_optional: bool, cascade: bool) -> None:
    name = scene.known_type(written, is_optional=is_optional)
    if name is None:
        return
    scene.aim(name, Space.TYPE)
    known = scene.catalog.type(name)
    using = scene.catalog.columns_of_type(name)
    blockers = [Ref(ObjectKind.COLUMN, table.name, one.name) for table, one in using]
    if blockers and not cascade:
        raise in_the_way(scene, f"the type `{name.name}` cannot be dropped", blockers)
    for table, one in using:
        scene.lock(table.name, _EXCLUSIVE)
        column(scene, scene.table(table.name), one.name, cascade=True)
        scene.say(LosesData(Ref(ObjectKind.COLUMN, table.name, one.name)))
    scene.catalog.remove_type(name)
    scene.say(Drops(Ref(ObjectKind.TYPE, name) if known is None else known.ref, tuple(blockers)))


def _function(scene: Scene, asked: pg.ObjectWithArgs, *, is_optional: bool, cascade: bool) -> None:
    written = tree.name(asked.objname)
    name = scene.catalog.find_function(scene.path, written)
    if name is None:
        full = scene.full(written)
        if not is_optional and scene.catalog.certainly_lacks(Space.FUNCTION, full):
            raise scene.missing("function", written)
        scene.aim(full, Space.FUNCTION)
        scene.catalog.remove_functions(full)
        scene.say(Drops(Ref(ObjectKind.FUNCTION, full)))
        return
    scene.aim(name, Space.FUNCTION)
    known = scene.catalog.functions(name)
    arguments = types.of_arguments(asked, scene.catalog, scene.path)
    kept: tuple[Function, ...] = ()
    if not asked.args_unspecified:
        kept = tuple(one for one in known if one.arguments != arguments)
    triggers = [] if kept else _triggers_of(scene, name)
    blockers = [Ref(ObjectKind.TRIGGER, owner, trigger) for owner, trigger in triggers]
    if blockers and not cascade:
        raise in_the_way(scene, f"the function `{name.name}` cannot be dropped", blockers)
    for ref in blockers:
        _remove_user(scene, scene.table(ref.name), ref, {})
    scene.catalog.remove_functions(name, kept)
    scene.say(Drops(Ref(ObjectKind.FUNCTION, name), tuple(blockers)))


def _triggers_of(scene: Scene, function: Name) -> list[tuple[Name, str]]:
    found: list[tuple[Name, str]] = []
    for node in scene.catalog.dependents(Space.FUNCTION, function):
        table = scene.catalog.table(node.name)
        for trigger in table.triggers.values() if table is not None else ():
            if trigger.function == function:
                found.append((node.name, trigger.name))
    return found


def _schema(scene: Scene, name: str, *, is_optional: bool, cascade: bool) -> None:
    if scene.catalog.schema(name) is None and scene.catalog.is_schema_gone(name):
        if is_optional:
            return
        raise scene.missing("schema", Name(None, name))
    inside = [one for one in scene.catalog.relations_in(name) if not isinstance(one, Index)]
    refs: list[Ref] = [one.ref for one in inside if not (isinstance(one, Sequence) and one.owner is not None)]
    refs += (one.ref for one in scene.catalog.types_in(name))
    refs += (one.ref for one in scene.catalog.functions_in(name))
    if refs and not cascade:
        raise in_the_way(scene, f"the schema `{name}` cannot be dropped", refs)
    below: dict[Ref, None] = dict.fromkeys(refs)
    for one in inside:
        _remove(scene, one.name, below)
    for one in [*scene.catalog.types_in(name)]:
        scene.catalog.remove_type(one.name)
    for one in [*scene.catalog.functions_in(name)]:
        scene.catalog.remove_functions(one.name)
    scene.catalog.remove_schema(name)
    scene.say(Drops(Ref(ObjectKind.SCHEMA, Name(None, name)), tuple(below)))
