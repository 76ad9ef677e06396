"""What is called something else from now on, or moves to another schema; whatever refers to it goes on doing so."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import constraints, other_objects, tree, typed_tables
from zmig.lint.replay.effects import FailureCause, Renames
from zmig.lint.replay.objects import (
    Column,
    Composite,
    Domain,
    Enum,
    Expression,
    Index,
    LockMode,
    ObjectKind,
    Ref,
    Sequence,
    Space,
    Table,
    View,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zmig.lint.replay.objects import Constraint, Relation, Type
    from zmig.lint.replay.statement_replay import StatementReplay

Text = TypeVar("Text", str, str | None)
_RELATIONS = frozenset(
    {
        pg.OBJECT_FOREIGN_TABLE, pg.OBJECT_INDEX, pg.OBJECT_MATVIEW, pg.OBJECT_SEQUENCE, pg.OBJECT_TABLE,
        pg.OBJECT_VIEW,
    }
)  # fmt: skip
_OF_RELATIONS = frozenset({pg.OBJECT_COLUMN, pg.OBJECT_TABCONSTRAINT})
_TYPES = frozenset({pg.OBJECT_TYPE, pg.OBJECT_DOMAIN})
_FUNCTIONS = frozenset({pg.OBJECT_FUNCTION, pg.OBJECT_PROCEDURE, pg.OBJECT_ROUTINE})


def statement(replay: StatementReplay, asked: pg.RenameStmt) -> None:
    """ALTER ... RENAME."""
    kind = asked.rename_type
    if kind in _OF_RELATIONS or kind in _RELATIONS or kind in tree.PARTS_OF_TABLES:
        name = replay.relation(asked.relation, is_optional=asked.missing_ok)
        if name is not None:
            _rename_of_relation(replay, name, asked)
    elif kind in _TYPES:
        name = replay.known_type(tree.object_name(asked.object))
        _move_type(replay, name, Name(name.schema, asked.newname))
    elif kind in _FUNCTIONS:
        _move_function(replay, tree.object_name(asked.object), new=asked.newname)
    else:
        _rename_other(replay, asked)


def _rename_of_relation(replay: StatementReplay, name: Name, asked: pg.RenameStmt) -> None:
    match asked.rename_type:
        case pg.OBJECT_COLUMN:
            _rename_column(replay, name, asked.subname, asked.newname, is_only=not asked.relation.inh)
        case pg.OBJECT_TABCONSTRAINT:
            _rename_constraint(replay, name, asked.subname, asked.newname)
        case part if part in tree.PARTS_OF_TABLES:
            _rename_part(replay, name, tree.PARTS_OF_TABLES[part], asked.subname, asked.newname)
        case _:
            _rename_relation(replay, name, asked.newname)


def _rename_other(replay: StatementReplay, asked: pg.RenameStmt) -> None:
    before, after = Name(None, asked.subname), Name(None, asked.newname)
    match asked.rename_type:
        case pg.OBJECT_ATTRIBUTE:
            name = replay.known_type(tree.relation_name(asked.relation))
            cascade = asked.behavior == pg.DROP_CASCADE
            _rename_attribute(replay, name, asked.subname, asked.newname, cascade=cascade)
        case pg.OBJECT_SCHEMA:
            _rename_schema(replay, asked.subname, asked.newname)
        case pg.OBJECT_ROLE:
            other_objects.rename(replay, ObjectKind.ROLE, before, after)
        case pg.OBJECT_PUBLICATION:
            name = tree.object_name(asked.object)
            other_objects.rename(replay, ObjectKind.PUBLICATION, name, Name(None, asked.newname))
        case pg.OBJECT_STATISTIC_EXT:
            name = other_objects.find_statistics(replay, tree.object_name(asked.object))
            other_objects.rename(replay, ObjectKind.STATISTICS, name, Name(name.schema, asked.newname))
        case _:
            return


def set_schema(replay: StatementReplay, asked: pg.AlterObjectSchemaStmt) -> None:
    """ALTER ... SET SCHEMA."""
    kind, schema = asked.object_type, asked.newschema
    if kind in _RELATIONS:
        name = replay.relation(asked.relation, is_optional=asked.missing_ok)
        if name is None:
            return
        new = Name(schema, name.name)
        replay.add_target(name)
        replay.need_free(new)
        replay.need_schema(new)
        replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
        for part in (*replay.catalog.indexes_of(name), *replay.catalog.sequences_of(name)):
            move(replay, part.name, Name(schema, part.name.name))
        before = _ref(replay, name)
        move(replay, name, new)
        replay.record(Renames(before, Ref(before.kind, new)))
    elif kind in _TYPES:
        name = replay.known_type(tree.object_name(asked.object))
        _move_type(replay, name, Name(schema, name.name))
    elif kind in _FUNCTIONS:
        _move_function(replay, tree.object_name(asked.object), schema=schema)
    elif kind == pg.OBJECT_STATISTIC_EXT:
        name = other_objects.find_statistics(replay, tree.object_name(asked.object))
        other_objects.rename(replay, ObjectKind.STATISTICS, name, Name(schema, name.name))


def _ref(replay: StatementReplay, name: Name) -> Ref:
    relation = replay.catalog.relation(name)
    return Ref(ObjectKind.TABLE, name) if relation is None else relation.ref


# relations


def _rename_relation(replay: StatementReplay, name: Name, new_name: str) -> None:
    new = Name(name.schema, new_name)
    replay.add_target(name)
    replay.need_free(new)
    relation = replay.catalog.relation(name)
    if not isinstance(relation, Index):
        replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    before = _ref(replay, name)
    if relation is None:
        # Nothing is known of it, but that it has this name now.
        replay.catalog.remove(name)
        replay.catalog.put(Table(new, is_whole=False))
    else:
        move(replay, name, new)
    if isinstance(relation, Index) and relation.constraint is not None:
        _rename_constraint_of(replay, relation.table, relation.constraint, new_name)
    replay.record(Renames(before, Ref(before.kind, new)))


def move(replay: StatementReplay, old: Name, new: Name) -> None:
    """Give a relation another full name, everywhere."""
    relation = replay.catalog.relation(old)
    if relation is None:
        return
    around = [*_around(replay, old)]
    replay.catalog.remove(old)
    replay.catalog.put(_referring(replace(relation, name=new), old, new))
    other_objects.follow(replay, old, new)
    for one in around:
        if one.name != old:
            replay.catalog.put(_referring(one, old, new))


def _around(replay: StatementReplay, name: Name) -> Iterable[Relation]:
    """Yield what refers to a relation by its name."""
    for node in replay.catalog.dependents(Space.RELATION, name):
        if node.space is Space.RELATION and (found := replay.catalog.relation(node.name)) is not None:
            yield found
    index = replay.catalog.index(name)
    if index is not None:
        owner = replay.catalog.table(index.table)
        if owner is not None:
            yield owner
            for child in replay.catalog.descendants_of(owner.name):
                yield from (one for one in replay.catalog.indexes_of(child.name) if one.parent == name)


def _referring(relation: Relation, old: Name, new: Name) -> Relation:
    """Return a relation that refers to another by its new name."""
    match relation:
        case Table():
            constraints = {
                name: replace(
                    one,
                    references=new if one.references == old else one.references,
                    index=new if one.index == old else one.index,
                )
                for name, one in relation.constraints.items()
            }
            parents = tuple(new if one == old else one for one in relation.parents)
            return replace(relation, constraints=constraints, parents=parents)
        case View():
            uses = {new if name == old else name: used for name, used in relation.uses.items()}
            # Its text is not what it was made by any longer.
            return replace(relation, uses=uses, definition=relation.definition if old not in relation.uses else None)
        case Index():
            table = new if relation.table == old else relation.table
            return replace(relation, table=table, parent=new if relation.parent == old else relation.parent)
        case Sequence():
            owner = relation.owner
            return replace(relation, owner=(new, owner[1])) if owner is not None and owner[0] == old else relation


# columns and other parts


def _rename_column(replay: StatementReplay, name: Name, before: str, after: str, *, is_only: bool) -> None:
    replay.add_target(name)
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    relation = replay.catalog.relation(name)
    ref = Ref(ObjectKind.COLUMN, name, before)
    if isinstance(relation, View):
        if relation.columns is not None:
            replay.catalog.put(replace(relation, columns=_renamed(relation.columns, before, after)))
        _rename_users(replay, name, before, after)
        replay.record(Renames(ref, Ref(ObjectKind.COLUMN, name, after)))
        return
    table = replay.table(name)
    if table.of_type is not None and replay.catalog.is_certain(table):
        raise typed_tables.refusal(replay, table)
    _need_column(replay, table, before, after)
    for one in (table, *(() if is_only else replay.catalog.descendants_of(name))):
        if one.name != name:
            replay.lock(one.name, LockMode.ACCESS_EXCLUSIVE)
        _rename_in(replay, one, before, after)
    replay.record(Renames(ref, Ref(ObjectKind.COLUMN, name, after)))


def _need_column(replay: StatementReplay, table: Table, before: str, after: str) -> None:
    if not replay.catalog.is_certain(table):
        return
    constraints.need_columns(replay, table, (before,))
    known = table.column(before)
    if table.parents and known is not None and known.is_inherited:
        reason = f"`{table.name.name}` inherits the column `{before}`"
        raise replay.fail(FailureCause.REFUSED, reason, f"rename it in `{table.parents[0].name}`")
    if after in table.columns:
        reason = f"`{table.name.name}` already has a column `{after}`"
        blocker = Ref(ObjectKind.COLUMN, table.name, after)
        raise replay.fail(FailureCause.EXISTS, reason, "choose another name", (blocker,))


def _rename_in(replay: StatementReplay, table: Table, before: str, after: str) -> None:
    for index in replay.catalog.indexes_of(table.name):
        if before in index.all_columns:
            replay.catalog.put(_renamed_index(index, before, after))
    for sequence in replay.catalog.sequences_of(table.name, before):
        replay.catalog.put(replace(sequence, owner=(table.name, after)))
    for other, key in replay.catalog.referencing(table.name):
        if before in key.referenced_columns:
            columns = _renamed(key.referenced_columns, before, after)
            known = replay.table(other.name)
            changed = {**known.constraints, key.name: replace(known.constraints[key.name], referenced_columns=columns)}
            replay.catalog.put(replace(known, constraints=changed))
    _rename_users(replay, table.name, before, after)
    known = replay.table(table.name)
    columns = {}
    for name, column in known.columns.items():
        renamed = replace(column, name=after) if name == before else column
        default = _renamed_expression(column.default, before, after) if column.generated is not None else column.default
        columns[after if name == before else name] = replace(renamed, default=default)
    if before not in known.columns:
        columns[after] = Column(after, None)
    replay.catalog.put(
        replace(
            known,
            columns=columns,
            missing=known.missing - {after} | {before},
            constraints={name: _renamed_constraint(one, before, after) for name, one in known.constraints.items()},
            triggers={
                name: replace(one, columns=one.columns - {before} | {after}, definition=None)
                if before in one.columns
                else one
                for name, one in known.triggers.items()
            },
            policies={
                name: replace(
                    one,
                    using=_renamed_expression(one.using, before, after),
                    check=_renamed_expression(one.check, before, after),
                )
                for name, one in known.policies.items()
            },
            partition_key=_renamed(known.partition_key, before, after),
        )
    )


def _rename_users(replay: StatementReplay, name: Name, before: str, after: str) -> None:
    for view in replay.catalog.views_on(name):
        used = view.uses.get(name, frozenset())
        if before in used:
            uses = {**view.uses, name: used - {before} | {after}}
            replay.catalog.put(replace(view, uses=uses, definition=None))


def _renamed(columns: tuple[Text, ...], before: str, after: Text) -> tuple[Text, ...]:
    return tuple(after if one == before else one for one in columns)


def _renamed_expression(one: Expression | None, before: str, after: str) -> Expression | None:
    return None if one is None else one.with_renamed(before, after)


def _renamed_constraint(one: Constraint, before: str, after: str) -> Constraint:
    expression = _renamed_expression(one.expression, before, after)
    return replace(one, columns=_renamed(one.columns, before, after), expression=expression)


def _renamed_index(index: Index, before: str, after: str) -> Index:
    return replace(
        index,
        columns=_renamed(index.columns, before, after),
        included=_renamed(index.included, before, after),
        expressions=tuple(one.with_renamed(before, after) for one in index.expressions),
        predicate=_renamed_expression(index.predicate, before, after),
    )


def _rename_constraint(replay: StatementReplay, name: Name, before: str, after: str) -> None:
    replay.add_target(name)
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    table = replay.table(name)
    if before not in table.constraints and replay.catalog.is_certain(table) and before in table.missing_constraints:
        raise replay.missing("constraint", Name(name.name, before))
    found = table.constraints.get(before)
    if found is not None and found.index is not None:
        move(replay, found.index, Name(found.index.schema, after))
    _rename_constraint_of(replay, name, before, after)
    replay.record(Renames(Ref(ObjectKind.CONSTRAINT, name, before), Ref(ObjectKind.CONSTRAINT, name, after)))


def _rename_constraint_of(replay: StatementReplay, name: Name, before: str, after: str) -> None:
    table = replay.catalog.table(name)
    if table is None:
        return
    found = table.constraints.get(before)
    if found is None:
        return
    kept = {key: one for key, one in table.constraints.items() if key != before}
    index = found.index
    if index is not None and replay.catalog.index(index) is None:
        index = Name(index.schema, after)
    kept[after] = replace(found, name=after, index=index)
    gone = table.missing_constraints - {after} | {before}
    replay.catalog.put(replace(table, constraints=kept, missing_constraints=gone))
    if index is not None and (owned := replay.catalog.index(index)) is not None:
        replay.catalog.put(replace(owned, constraint=after))


def _rename_part(replay: StatementReplay, name: Name, kind: ObjectKind, before: str, after: str) -> None:
    replay.add_target(name)
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    table = replay.catalog.table(name)
    if table is not None:
        triggers, policies = dict(table.triggers), dict(table.policies)
        if kind is ObjectKind.TRIGGER and before in triggers:
            triggers[after] = replace(triggers.pop(before), name=after)
        if kind is ObjectKind.POLICY and before in policies:
            policies[after] = replace(policies.pop(before), name=after)
        rules = table.rules - {before} | {after} if before in table.rules else table.rules
        replay.catalog.put(replace(table, triggers=triggers, policies=policies, rules=rules))
    replay.record(Renames(Ref(kind, name, before), Ref(kind, name, after)))


# types, functions and schemas


def _move_type(replay: StatementReplay, name: Name, new: Name) -> None:
    replay.add_target(name, Space.TYPE)
    known = replay.catalog.type(name)
    replay.need_free_type(new)
    kind = ObjectKind.TYPE if known is None else known.ref.kind
    replay.record(Renames(Ref(kind, name), Ref(kind, new)))
    if known is None:
        replay.catalog.remove_type(name)
        return
    for one in replay.catalog.typed_tables(name):
        replay.catalog.put(replace(one, of_type=new))
    using = replay.catalog.columns_of_type(name)
    domains = [*_domains_over(replay, name)]
    replay.catalog.remove_type(name)
    replay.catalog.put_type(replace(known, name=new))
    for domain in domains:
        assert domain.base is not None, "it is over this one"
        replay.catalog.put_type(replace(domain, base=replace(domain.base, name=new)))
    for table, column in using:
        own = replay.table(table.name)
        kept = own.columns[column.name]
        if kept.type is not None and kept.type.name == name:
            changed = replace(kept, type=_named(kept.type, new))
            replay.catalog.put(replace(own, columns={**own.columns, column.name: changed}))


def _named(one: Type, name: Name) -> Type:
    return replace(one, name=name)


def _domains_over(replay: StatementReplay, name: Name) -> Iterable[Domain]:
    for node in replay.catalog.dependents(Space.TYPE, name):
        found = replay.catalog.type(node.name) if node.space is Space.TYPE else None
        if isinstance(found, Domain) and found.base is not None and found.base.name == name:
            yield found


def _rename_attribute(replay: StatementReplay, name: Name, before: str, after: str, *, cascade: bool) -> None:
    known = replay.catalog.type(name)
    if isinstance(known, Composite):
        typed_tables.need_attribute(replay, known, before)
        for table in typed_tables.following(replay, name, cascade=cascade):
            replay.lock(table.name, LockMode.ACCESS_EXCLUSIVE)
            _rename_in(replay, table, before, after)
        attributes: Mapping[str, Type] = {after if key == before else key: one for key, one in known.attributes.items()}
        replay.catalog.put_type(replace(known, attributes=attributes))
    replay.record(Renames(Ref(ObjectKind.TYPE, name, before), Ref(ObjectKind.TYPE, name, after)))


def rename_value(replay: StatementReplay, known: Enum, before: str, after: str) -> None:
    """ALTER TYPE ... RENAME VALUE."""
    replay.catalog.put_type(replace(known, values=_renamed(known.values, before, after)))


def _move_function(
    replay: StatementReplay, written: Name, *, new: str | None = None, schema: str | None = None
) -> None:
    name = replay.catalog.find_function(replay.path, written) or replay.full(written)
    replay.add_target(name, Space.FUNCTION)
    after = Name(schema or name.schema, new or name.name)
    replay.catalog.renamed_functions |= {name.name, after.name}
    moved = replay.catalog.functions(name)
    replay.catalog.remove_functions(name)
    for one in moved:
        replay.catalog.put_function(replace(one, name=after))
    for table in [*replay.catalog.tables()] if moved else ():
        if any(one.function == name for one in table.triggers.values()):
            triggers = {
                key: replace(one, function=after, definition=None) if one.function == name else one
                for key, one in table.triggers.items()
            }
            replay.catalog.put(replace(table, triggers=triggers))
    replay.record(Renames(Ref(ObjectKind.FUNCTION, name), Ref(ObjectKind.FUNCTION, after)))


def _rename_schema(replay: StatementReplay, before: str, after: str) -> None:
    known = replay.catalog.schema(before)
    for relation in [*replay.catalog.relations_in(before)]:
        move(replay, relation.name, Name(after, relation.name.name))
    for one in [*replay.catalog.types_in(before)]:
        _move_type(replay, one.name, Name(after, one.name.name))
    for one in [*replay.catalog.functions_in(before)]:
        replay.catalog.remove_functions(one.name)
        replay.catalog.put_function(replace(one, name=Name(after, one.name.name)))
    replay.catalog.remove_schema(before)
    if known is not None:
        replay.catalog.put_schema(replace(known, name=after))
    replay.effects = [one for one in replay.effects if not isinstance(one, Renames)]
    replay.record(Renames(Ref(ObjectKind.SCHEMA, Name(None, before)), Ref(ObjectKind.SCHEMA, Name(None, after))))
