"""What is dropped, and what goes with it or is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import function_users, other_objects, partitions, tree, types
from zmig.lint.replay.effects import Drops, FailureCause, LosesData
from zmig.lint.replay.objects import (
    ConstraintKind,
    Domain,
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

    from zmig.lint.replay.objects import Column, Constraint, Function, Relation
    from zmig.lint.replay.statement_replay import StatementFails, StatementReplay

_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def statement(replay: StatementReplay, dropped: pg.DropStmt) -> None:
    """DROP of anything in a database."""
    drop_it = _DROPS.get(dropped.remove_type)
    if drop_it is not None:
        drop_it(replay, dropped, dropped.behavior == pg.DROP_CASCADE)


def _relations(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    found = _found(replay, dropped)
    relations(replay, found, _KINDS[dropped.remove_type], cascade=cascade)


def _indexes(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for name in _found(replay, dropped):
        _index(replay, name, concurrently=dropped.concurrent, cascade=cascade)


def _types(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _type(replay, tree.object_name(node), is_optional=dropped.missing_ok, cascade=cascade)


def _functions(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _function(replay, node.object_with_args, is_optional=dropped.missing_ok, cascade=cascade)


def _schemas(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _schema(replay, tree.object_name(node).name, is_optional=dropped.missing_ok, cascade=cascade)


def _parts(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        _part(replay, dropped.remove_type, tree.strings(node.list.items), is_optional=dropped.missing_ok)


def _extensions(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        name = tree.object_name(node)
        replay.catalog.extensions -= {name.name}
        other_objects.drop(replay, Ref(ObjectKind.EXTENSION, name), is_optional=dropped.missing_ok)
    if cascade:
        replay.catalog.lose_track()


def _publications(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        other_objects.drop_publication(replay, tree.object_name(node), is_optional=dropped.missing_ok)


def _statistics(replay: StatementReplay, dropped: pg.DropStmt, cascade: bool) -> None:
    for node in dropped.objects:
        name = other_objects.find_statistics(replay, tree.object_name(node))
        other_objects.drop(replay, Ref(ObjectKind.STATISTICS, name), is_optional=dropped.missing_ok)


_DROPS: dict[int, Callable[[StatementReplay, pg.DropStmt, bool], None]] = {
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
    pg.OBJECT_PUBLICATION: _publications,
    pg.OBJECT_STATISTIC_EXT: _statistics,
}


def owned(replay: StatementReplay, dropped: pg.DropOwnedStmt) -> None:
    """DROP OWNED: of whose things nobody knows."""
    replay.catalog.lose_track()


def role(replay: StatementReplay, dropped: pg.DropRoleStmt) -> None:
    """DROP ROLE."""
    for node in dropped.roles:
        name = tree.role(node.role_spec)
        other_objects.drop(replay, Ref(ObjectKind.ROLE, Name(None, name)), is_optional=dropped.missing_ok)


def _found(replay: StatementReplay, dropped: pg.DropStmt) -> list[Name]:
    found = (replay.known(tree.object_name(node), is_optional=dropped.missing_ok) for node in dropped.objects)
    return [name for name in found if name is not None]


def in_the_way(replay: StatementReplay, what: str, blockers: Iterable[Ref]) -> StatementFails:
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
    return replay.fail(FailureCause.IN_THE_WAY, f"{what}: {shown} {verb} on it", advice, blockers)


# relations


_KINDS = {
    pg.OBJECT_TABLE: ObjectKind.TABLE,
    pg.OBJECT_FOREIGN_TABLE: ObjectKind.FOREIGN_TABLE,
    pg.OBJECT_VIEW: ObjectKind.VIEW,
    pg.OBJECT_MATVIEW: ObjectKind.MATERIALIZED_VIEW,
    pg.OBJECT_SEQUENCE: ObjectKind.SEQUENCE,
}


def relations(replay: StatementReplay, names: Iterable[Name], kind: ObjectKind, *, cascade: bool) -> None:
    """Drop tables, views and sequences, all at once."""
    dropping = dict.fromkeys(names)
    for name in dropping:
        replay.add_target(name)
    for name in [*dropping]:
        table = replay.catalog.table(name)
        if table is not None:
            dropping |= {one.name: None for one in replay.catalog.descendants_of(name) if one.is_partition}
    blockers = [ref for name in dropping for ref in _dependents(replay, name, dropping)]
    if blockers and not cascade:
        first = next(iter(dropping))
        relation = replay.catalog.relation(first)
        shown = f"the {relation.ref.kind if relation is not None else 'table'} `{first.name}` cannot be dropped"
        raise in_the_way(replay, shown, blockers)
    known = [name for name in dropping if replay.catalog.relation(name) is not None]
    for name in dropping:
        if name not in known or replay.catalog.relation(name) is not None:  # else it went with one before it
            _remove(replay, name, {}, kind)


def _dependents(replay: StatementReplay, name: Name, dropping: Iterable[Name]) -> list[Ref]:
    """Return what would be in the way of dropping a relation, together with others."""
    found: list[Ref] = [one.ref for one in replay.catalog.views_on(name) if one.name not in dropping]
    relation = replay.catalog.relation(name)
    if isinstance(relation, Table):
        # What references a partitioned table references its partitions.
        above = relation.parents if relation.is_partition else ()
        found += (
            Ref(ObjectKind.CONSTRAINT, one.name, key.name)
            for referenced in (name, *above)
            for one, key in replay.catalog.referencing(referenced)
            if one.name not in dropping
        )
        children = (one for one in replay.catalog.children_of(name) if one.name not in dropping)
        found += (one.ref for one in children if not one.is_partition)
    elif isinstance(relation, Sequence):
        found += (
            Ref(ObjectKind.COLUMN, table.name, one.name)
            for table in replay.catalog.tables()
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


def _forget_defaults(replay: StatementReplay, sequence: Sequence) -> None:
    for table in [*replay.catalog.tables()]:
        drawing = [one for one in table.columns.values() if _draws(table, one, sequence)]
        if drawing:
            replay.lock(table.name, _EXCLUSIVE)
            changed = {one.name: replace(one, default=None) for one in drawing}
            replay.catalog.put(replace(table, columns={**table.columns, **changed}))


def _remove(replay: StatementReplay, name: Name, cascaded: dict[Ref, None], named: ObjectKind | None = None) -> None:
    """Take a relation out with all that depends on it; one that the statement names says of which kind it is."""
    relation = replay.catalog.relation(name)
    if name in replay.being_dropped or (relation is None and named is None):
        return
    replay.being_dropped.add(name)
    ref = Ref(named or ObjectKind.TABLE, name) if relation is None else relation.ref
    below: dict[Ref, None] = {}
    parts: list[Ref] = []
    replay.lock(name, _EXCLUSIVE)
    for view in replay.catalog.views_on(name):
        below[view.ref] = None
        _remove(replay, view.name, below)
    if isinstance(relation, Table):
        parts += _remove_around(replay, relation, below)
    elif isinstance(relation, Sequence):
        _forget_defaults(replay, relation)
    for index in replay.catalog.indexes_of(name):
        parts.append(index.ref)
        replay.catalog.remove(index.name)
    for sequence in replay.catalog.sequences_of(name):
        parts.append(sequence.ref)
        replay.catalog.remove(sequence.name)
    replay.catalog.remove(name)
    other_objects.lose_table(replay, name)
    if named is not None:
        replay.record(Drops(ref, tuple(below), tuple(parts)))
    cascaded |= below
    if (ref.kind is ObjectKind.TABLE and relation is None) or (
        isinstance(relation, Table) and replay.catalog.may_have_rows(relation)
    ):
        replay.record(LosesData(ref))


def _remove_around(replay: StatementReplay, table: Table, below: dict[Ref, None]) -> list[Ref]:
    above = table.parents if table.is_partition else ()
    for other, key in (one for name in (table.name, *above) for one in replay.catalog.referencing(name)):
        if other.name not in (table.name, *above):
            if key.references is not None:
                replay.lock_referenced(key.references, _EXCLUSIVE)
            below[Ref(ObjectKind.CONSTRAINT, other.name, key.name)] = None
            replay.lock(other.name, _EXCLUSIVE)
            known = replay.table(other.name)
            kept = {name: one for name, one in known.constraints.items() if name != key.name}
            replay.catalog.put(replace(known, constraints=kept))
    for child in replay.catalog.children_of(table.name):
        if not child.is_partition:
            below[child.ref] = None
        _remove(replay, child.name, below)
    for key in table.foreign_keys:
        is_of_parent = table.is_partition and key.is_inherited
        if key.references is not None and key.references != table.name and not is_of_parent:
            replay.lock_referenced(key.references, _EXCLUSIVE)
    for parent in table.parents if table.is_partition else ():
        replay.lock(parent, _EXCLUSIVE)
        default = partitions.default_of(replay, replay.table(parent))
        if default is not None:
            replay.lock(default.name, _EXCLUSIVE)
    return [Ref(ObjectKind.TRIGGER, table.name, name) for name in table.triggers]


def _is_shared_out(table: Table) -> bool:
    """Whether rows are in partitions, that others see as well."""
    return table.kind is TableKind.PARTITIONED and not table.is_temporary


def _index(replay: StatementReplay, name: Name, *, concurrently: bool, cascade: bool) -> None:
    replay.add_target(name)
    index = replay.catalog.index(name)
    if index is None:
        replay.record(Drops(Ref(ObjectKind.INDEX, name)))
        replay.catalog.remove(name)
        return
    table = replay.catalog.table(index.table)
    certain = replay.catalog.is_certain(index)
    if index.constraint is not None and certain:
        blocker = Ref(ObjectKind.CONSTRAINT, index.table, index.constraint)
        reason = f"the index `{name.name}` enforces the constraint `{index.constraint}` of `{index.table.name}`"
        advice = f"write `alter table {index.table.name} drop constraint {index.constraint}`"
        raise replay.fail(FailureCause.IN_THE_WAY, reason, advice, (blocker,))
    if index.parent is not None and certain:
        reason = f"the index `{name.name}` is part of `{index.parent.name}`"
        blocker = Ref(ObjectKind.INDEX, index.parent)
        raise replay.fail(FailureCause.IN_THE_WAY, reason, f"drop `{index.parent.name}`", (blocker,))
    if concurrently and table is not None and _is_shared_out(table) and certain:
        reason = f"`{table.name.name}` is partitioned, and no index of it can be dropped concurrently"
        raise replay.fail(FailureCause.PARTITIONED, reason, "leave `concurrently` out", (table.ref,))
    keys = _keys_that_need(replay, table, index) if table is not None else []
    if keys and not cascade and certain:
        raise in_the_way(replay, f"the index `{name.name}` cannot be dropped", keys)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else _EXCLUSIVE
    replay.lock(index.table, mode)
    for key in keys:
        _remove_user(replay, replay.table(index.table), key, {})
    parts = [
        one for child in replay.catalog.descendants_of(index.table) for one in replay.catalog.indexes_of(child.name)
    ]
    of_it = [one for one in parts if one.parent == name]
    for one in of_it:
        replay.lock(one.table, mode)
        replay.catalog.remove(one.name)
    replay.catalog.remove(name)
    replay.record(Drops(index.ref, tuple(keys), parts=tuple(one.ref for one in of_it)))


def _keys_that_need(replay: StatementReplay, table: Table, index: Index) -> list[Ref]:
    """Return the foreign keys that reference what an index alone keeps unique."""
    if not index.is_unique or index.predicate is not None or _has_other_key(replay, table, index.columns):
        return []
    wanted = frozenset(index.columns)
    return [
        Ref(ObjectKind.CONSTRAINT, other.name, key.name)
        for other, key in replay.catalog.referencing(table.name)
        if frozenset(table.columns_referenced_by(key)) == wanted
    ]


# parts of tables


def users_of_column(replay: StatementReplay, table: Table, name: str) -> list[Ref]:
    """Return the views, triggers, policies and generated columns that certainly use a column."""
    found = [one.ref for one in replay.catalog.views_on(table.name) if name in one.uses.get(table.name, ())]
    if not replay.catalog.is_certain(table):
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


def column(replay: StatementReplay, table: Table, name: str, *, cascade: bool, is_only: bool = False) -> None:
    """Drop a column of a table, and of what inherits it."""
    blockers = users_of_column(replay, table, name)
    keys = [
        (other, key)
        for other, key in replay.catalog.referencing(table.name)
        if other.name != table.name and name in table.columns_referenced_by(key)
    ]
    blockers += (Ref(ObjectKind.CONSTRAINT, other.name, key.name) for other, key in keys)
    # Before 15, generated columns went with the columns that they are computed of.
    refusing = [ref for ref in blockers if ref.kind is not ObjectKind.COLUMN or replay.version >= _KEEPS_GENERATED]
    if refusing and not cascade:
        raise in_the_way(replay, f"the column `{table.name.name}.{name}` cannot be dropped", refusing)
    below: dict[Ref, None] = dict.fromkeys(blockers)
    for ref in blockers:
        _remove_user(replay, table, ref, below)
    parts: list[Ref] = []
    for one in (table, *(() if is_only else replay.catalog.descendants_of(table.name))):
        own = one.column(name)
        if one.name != table.name and own is not None and own.is_own:
            kept = {**one.columns, name: replace(own, is_inherited=False, is_own=False)}
            replay.catalog.put(replace(replay.table(one.name), columns=kept))
        else:
            parts += _without_column(replay, replay.table(one.name), name)
    replay.record(Drops(Ref(ObjectKind.COLUMN, table.name, name), tuple(below), tuple(parts)))


def _remove_user(replay: StatementReplay, table: Table, ref: Ref, below: dict[Ref, None]) -> None:
    match ref.kind:
        case ObjectKind.VIEW | ObjectKind.MATERIALIZED_VIEW:
            _remove(replay, ref.name, below)
        case ObjectKind.INDEX:
            index = replay.catalog.index(ref.name)
            if index is not None:
                replay.lock(index.table, _EXCLUSIVE)
                replay.catalog.remove(ref.name)
        case ObjectKind.DEFAULT if ref.part is not None:
            replay.lock(table.name, _EXCLUSIVE)
            columns = {**table.columns, ref.part: replace(table.columns[ref.part], default=None)}
            replay.catalog.put(replace(table, columns=columns))
        case ObjectKind.CONSTRAINT if isinstance(domain := replay.catalog.type(ref.name), Domain):
            kept = {name: one for name, one in domain.constraints.items() if name != ref.part}
            replay.catalog.put_type(replace(domain, constraints=kept))
        case ObjectKind.COLUMN if ref.part is not None:
            replay.lock(table.name, _EXCLUSIVE)
            replay.record(LosesData(ref))
            _without_column(replay, replay.table(table.name), ref.part)
        case _:
            owner = replay.table(ref.name)
            replay.lock(ref.name, _EXCLUSIVE)
            replay.catalog.put(
                replace(
                    owner,
                    triggers={name: one for name, one in owner.triggers.items() if name != ref.part},
                    policies={name: one for name, one in owner.policies.items() if name != ref.part},
                    constraints={name: one for name, one in owner.constraints.items() if name != ref.part},
                )
            )


def _without_column(replay: StatementReplay, table: Table, name: str) -> list[Ref]:
    """Take a column out of one table with its indexes, constraints and sequences, and return these."""
    parts: list[Ref] = []
    for index in replay.catalog.indexes_of(table.name):
        if name in index.all_columns:
            parts.append(index.ref)
            replay.catalog.remove(index.name)
    for sequence in replay.catalog.sequences_of(table.name, name):
        parts.append(sequence.ref)
        replay.catalog.remove(sequence.name)
    other_objects.lose_table(replay, table.name, name)
    kept = {key: one for key, one in table.constraints.items() if name not in one.columns}
    lost = table.constraints.keys() - kept.keys()
    for one in lost:
        references = table.constraints[one].references
        if references is not None and references != table.name:
            replay.lock_referenced(references, _EXCLUSIVE)
    parts += (Ref(ObjectKind.CONSTRAINT, table.name, one) for one in sorted(lost))
    replay.catalog.put(
        replace(
            table,
            columns={key: one for key, one in table.columns.items() if key != name},
            constraints=kept,
            missing=table.missing | {name},
            missing_constraints=table.missing_constraints | lost,
        )
    )
    return parts


def constraint(replay: StatementReplay, table: Table, name: str, *, cascade: bool) -> None:
    """Drop a constraint of a table, and of what inherits it."""
    found = table.constraints.get(name)
    below: list[Ref] = []
    if found is not None and found.kind in (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE):
        keys = [
            (other, key)
            for other, key in replay.catalog.referencing(table.name)
            if frozenset(table.columns_referenced_by(key)) == frozenset(found.columns)
        ]
        below = [Ref(ObjectKind.CONSTRAINT, other.name, key.name) for other, key in keys]
        if not cascade and _has_other_key(replay, table, found.columns):
            below = []  # they reference what another index keeps unique
        if below and not cascade and replay.catalog.is_certain(table):
            raise in_the_way(replay, f"the constraint `{name}` cannot be dropped", below)
        for ref in below:
            _remove_user(replay, table, ref, {})
    if found is not None and found.references is not None and found.references != table.name:
        replay.lock_referenced(found.references, _EXCLUSIVE)
    ref = Ref(ObjectKind.CONSTRAINT, table.name, name)
    replay.record(Drops(ref, tuple(below) if cascade else ()))
    for one in (table, *replay.catalog.descendants_of(table.name)):
        known = replay.table(one.name)
        own = known.constraints.get(name)
        if one.name != table.name and (own is None or _keeps_own(replay, known, own)):
            continue
        if own is not None and own.index is not None:
            _without_parts(replay, known, own.index)
            replay.catalog.remove(own.index)
        kept = {key: other for key, other in known.constraints.items() if key != name}
        gone = known.missing_constraints | {name}
        replay.catalog.put(replace(known, constraints=kept, missing_constraints=gone))


def _without_parts(replay: StatementReplay, table: Table, index: Name) -> None:
    """Take out the parts that the index of a constraint has in partitions, with their constraints."""
    for child in replay.catalog.children_of(table.name):
        for part in replay.catalog.indexes_of(child.name):
            if part.parent == index:
                replay.lock(child.name, _EXCLUSIVE)
                _without_parts(replay, child, part.name)
                known = replay.table(child.name)
                kept = {name: one for name, one in known.constraints.items() if name != part.constraint}
                replay.catalog.put(replace(known, constraints=kept))
                replay.catalog.remove(part.name)


def _keeps_own(replay: StatementReplay, child: Table, own: Constraint) -> bool:
    """Whether a constraint of what inherits a table was its own before, and stays so."""
    replay.lock(child.name, _EXCLUSIVE)
    if own.is_own:
        left = {**child.constraints, own.name: replace(own, is_inherited=False, is_own=False)}
        replay.catalog.put(replace(child, constraints=left))
    return own.is_own


def _has_other_key(replay: StatementReplay, table: Table, columns: tuple[str | None, ...]) -> bool:
    wanted = frozenset(columns)
    keys = (one for one in replay.catalog.indexes_of(table.name) if one.is_unique)
    return sum(frozenset(one.columns) == wanted for one in keys) > 1


def _part(replay: StatementReplay, kind: pg.ObjectType, parts: list[str], *, is_optional: bool) -> None:
    name = replay.known(tree.name_of(parts[:-1]), is_optional=is_optional)
    if name is None:
        return
    replay.add_target(name)
    relation: Relation | None = replay.catalog.relation(name)
    owner = relation if isinstance(relation, View) else replay.table(name)
    part = parts[-1]
    shown = tree.PARTS_OF_TABLES[kind]
    if isinstance(owner, Table):
        own = {ObjectKind.TRIGGER: owner.triggers, ObjectKind.POLICY: owner.policies, ObjectKind.RULE: owner.rules}
        if part not in own[shown]:
            if is_optional:
                return
            if owner.is_whole and replay.catalog.is_certain(owner):
                raise replay.missing(shown, Name(owner.name.name, part))
    replay.lock(name, _EXCLUSIVE)
    replay.record(Drops(Ref(shown, name, part)))
    triggers = {key: one for key, one in owner.triggers.items() if key != part or shown is not ObjectKind.TRIGGER}
    owner = replace(owner, triggers=triggers)
    if isinstance(owner, Table):
        policies = {key: one for key, one in owner.policies.items() if key != part or shown is not ObjectKind.POLICY}
        rules = owner.rules - {part} if shown is ObjectKind.RULE else owner.rules
        owner = replace(owner, policies=policies, rules=rules)
    if relation is not None:
        replay.catalog.put(owner)


# types, functions and schemas


def _type(replay: StatementReplay, written: Name, *, is_optional: bool, cascade: bool) -> None:
    name = replay.known_type(written, is_optional=is_optional)
    if name is None:
        return
    replay.add_target(name, Space.TYPE)
    known = replay.catalog.type(name)
    using = replay.catalog.columns_of_type(name)
    typed = replay.catalog.typed_tables(name)
    blockers = [Ref(ObjectKind.COLUMN, table.name, one.name) for table, one in using]
    blockers += (one.ref for one in typed)
    if blockers and not cascade:
        raise in_the_way(replay, f"the type `{name.name}` cannot be dropped", blockers)
    for one in typed:
        _remove(replay, one.name, {})
    for table, one in using:
        replay.lock(table.name, _EXCLUSIVE)
        column(replay, replay.table(table.name), one.name, cascade=True)
        replay.record(LosesData(Ref(ObjectKind.COLUMN, table.name, one.name)))
    replay.catalog.remove_type(name)
    replay.record(Drops(Ref(ObjectKind.TYPE, name) if known is None else known.ref, tuple(blockers)))


def _function(replay: StatementReplay, asked: pg.ObjectWithArgs, *, is_optional: bool, cascade: bool) -> None:
    written = tree.name(asked.objname)
    name = replay.catalog.find_function(replay.path, written)
    if name is None:
        full = replay.full(written)
        if not is_optional and replay.catalog.certainly_lacks(Space.FUNCTION, full):
            raise replay.missing("function", written)
        replay.add_target(full, Space.FUNCTION)
        replay.catalog.remove_functions(full)
        replay.record(Drops(Ref(ObjectKind.FUNCTION, full)))
        return
    replay.add_target(name, Space.FUNCTION)
    known = replay.catalog.functions(name)
    arguments = types.of_arguments(asked, replay.catalog, replay.path)
    kept: tuple[Function, ...] = ()
    if asked.args_unspecified and _are_several(replay, known):
        reason = f"there are {len(known)} functions `{name.name}`, and nothing says which of them"
        raise replay.fail(FailureCause.REFUSED, reason, "write the types of its arguments, too", (known[0].ref,))
    if not asked.args_unspecified:
        kept = tuple(one for one in known if one.arguments != arguments)
    gone = [one for one in known if one not in kept]
    blockers = [*dict.fromkeys(function_users.users(replay.catalog, name, gone, kept))]
    if blockers and not cascade:
        raise in_the_way(replay, f"the function `{name.name}` cannot be dropped", blockers)
    below: dict[Ref, None] = dict.fromkeys(blockers)
    for ref in blockers:
        _remove_user(replay, replay.table(ref.name), ref, below)
    replay.catalog.remove_functions(name, kept)
    replay.record(Drops(Ref(ObjectKind.FUNCTION, name), tuple(below)))


def _are_several(replay: StatementReplay, known: tuple[Function, ...]) -> bool:
    """Whether a name alone certainly leads to more than one."""
    certain = [one.is_procedure for one in known if replay.catalog.is_certain(one)]
    return len(certain) > 1 and len({*certain}) == 1


def _schema(replay: StatementReplay, name: str, *, is_optional: bool, cascade: bool) -> None:
    if replay.catalog.schema(name) is None and replay.catalog.is_schema_gone(name):
        if is_optional:
            return
        raise replay.missing("schema", Name(None, name))
    inside = [one for one in replay.catalog.relations_in(name) if not isinstance(one, Index)]
    refs: list[Ref] = [one.ref for one in inside if not (isinstance(one, Sequence) and one.owner is not None)]
    refs += (one.ref for one in replay.catalog.types_in(name))
    refs += (one.ref for one in replay.catalog.functions_in(name))
    if refs and not cascade:
        raise in_the_way(replay, f"the schema `{name}` cannot be dropped", refs)
    below: dict[Ref, None] = dict.fromkeys(refs)
    for one in inside:
        _remove(replay, one.name, below)
    for one in [*replay.catalog.types_in(name)]:
        replay.catalog.remove_type(one.name)
    for one in [*replay.catalog.functions_in(name)]:
        replay.catalog.remove_functions(one.name)
    replay.catalog.remove_schema(name)
    replay.record(Drops(Ref(ObjectKind.SCHEMA, Name(None, name)), tuple(below)))
