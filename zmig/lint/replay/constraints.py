"""Columns and constraints as CREATE TABLE and ALTER TABLE declare them, put into a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import naming, tree, types
from zmig.lint.replay.effects import FailureCause
from zmig.lint.replay.objects import (
    Column,
    Constraint,
    ConstraintKind,
    Expression,
    Generated,
    Index,
    ObjectKind,
    Ref,
    Sequence,
    Table,
)
from zmig.sql.token_reader import Name
from zmig.text.nearest import nearest
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.statement_replay import StatementReplay

_KINDS = {
    pg.CONSTR_CHECK: ConstraintKind.CHECK,
    pg.CONSTR_NOTNULL: ConstraintKind.NOT_NULL,
    pg.CONSTR_PRIMARY: ConstraintKind.PRIMARY_KEY,
    pg.CONSTR_UNIQUE: ConstraintKind.UNIQUE,
    pg.CONSTR_EXCLUSION: ConstraintKind.EXCLUDE,
    pg.CONSTR_FOREIGN: ConstraintKind.FOREIGN_KEY,
}
_SUFFIXES = {
    ConstraintKind.CHECK: "check",
    ConstraintKind.NOT_NULL: "not_null",
    ConstraintKind.PRIMARY_KEY: "pkey",
    ConstraintKind.UNIQUE: "key",
    ConstraintKind.EXCLUDE: "excl",
    ConstraintKind.FOREIGN_KEY: "fkey",
}
_ON_DELETE = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}
_IDENTITY = {"a": "always", "d": "by default"}


def add_column(replay: StatementReplay, table: Table, definition: pg.ColumnDef, *, is_inherited: bool = False) -> Table:
    """Return a table with one more column, without the constraints that are declared with it but NOT NULL."""
    name = definition.colname
    own = types.serial(definition.type_name)
    kind = own if own is not None else replay.type(definition.type_name)
    column = Column(name, kind, is_inherited=is_inherited)
    if definition.coll_clause.collname:
        column = replace(column, collation=tree.name(definition.coll_clause.collname).name)
    if own is not None:
        column = replace(column, is_not_null=True, default=_NEXT_VALUE)
        add_sequence(replay, table.name, name, is_identity=False)
    for node in definition.constraints:
        column = _with_declared(replay, table, column, node.constraint)
    columns = {**table.columns, name: column}
    return replace(table, columns=columns, missing=table.missing - {name})


def with_options(replay: StatementReplay, table: Table, column: Column, declared: pg.ColumnDef) -> Table:
    """Return a table with what is declared of a column that it has from its type, or from what it is part of."""
    for node in declared.constraints:
        column = _with_declared(replay, table, column, node.constraint)
    return replace(table, columns={**table.columns, column.name: column})


def _next_value() -> Expression:
    node = tree.parse("select nextval('')").select_stmt.target_list[0].res_target.val
    made = tree.expression(node)
    assert made is not None, "there is an expression"
    return made


_NEXT_VALUE = _next_value()


def _with_declared(replay: StatementReplay, table: Table, column: Column, constraint: pg.Constraint) -> Column:
    match constraint.contype:
        case pg.CONSTR_NOTNULL | pg.CONSTR_PRIMARY:
            return replace(column, is_not_null=True)
        case pg.CONSTR_DEFAULT:
            return replace(column, default=tree.expression(constraint.raw_expr))
        case pg.CONSTR_GENERATED:
            kind = Generated.VIRTUAL if constraint.generated_kind == "v" else Generated.STORED
            return replace(column, default=tree.expression(constraint.raw_expr), generated=kind)
        case pg.CONSTR_IDENTITY:
            add_sequence(replay, table.name, column.name)
            return replace(column, is_not_null=True, identity=_IDENTITY.get(constraint.generated_when, "always"))
        case _:
            return column


def add_sequence(replay: StatementReplay, table: Name, column: str, *, is_identity: bool = True) -> None:
    """Make the sequence of a column."""
    name = naming.choose(
        table.name, [column], "seq", lambda one: replay.catalog.relation(Name(table.schema, one)) is not None
    )
    full = Name(table.schema, name)
    replay.catalog.put(Sequence(full, (table, column), is_identity, made_by=replay.generation))


def is_constraint(constraint: pg.Constraint) -> bool:
    """Whether it is one, and no default or attribute of one."""
    return constraint.contype in _KINDS


def declared_with(definition: pg.ColumnDef) -> Iterable[tuple[pg.Constraint, tuple[str, ...]]]:
    """Yield the constraints that are declared with a column but NOT NULL, each with its columns."""
    for node in definition.constraints:
        if is_constraint(node.constraint) and node.constraint.contype != pg.CONSTR_NOTNULL:
            yield node.constraint, (definition.colname,)


def add(
    replay: StatementReplay,
    table: Table,
    declared: pg.Constraint,
    columns: tuple[str, ...] = (),
    *,
    is_of_new_table: bool = False,
) -> tuple[Table, Constraint]:
    """Return a table with one more constraint, and that; what enforces it is put into the catalog as well."""
    constraint = _read(replay, table, declared, columns)
    if is_of_new_table:
        constraint = replace(constraint, is_valid=True)  # NOT VALID means nothing where there are no rows
    same = table.constraints.get(constraint.name)
    # A check like one that is inherited becomes one with it.
    is_merged = same is not None and same.is_inherited and same.kind is constraint.kind is ConstraintKind.CHECK
    if declared.conname and same is not None and not is_merged:
        raise replay.fail(
            FailureCause.EXISTS,
            f"`{table.name.name}` already has a constraint `{constraint.name}`",
            "choose another name, or drop the old one first",
            (Ref(ObjectKind.CONSTRAINT, table.name, constraint.name),),
        )
    if constraint.kind.has_index:
        constraint = _with_index(replay, table, declared, constraint)
    table = replace(
        table,
        constraints={**table.constraints, constraint.name: constraint},
        missing_constraints=table.missing_constraints - {constraint.name},
    )
    if constraint.kind in (ConstraintKind.PRIMARY_KEY, ConstraintKind.NOT_NULL) and (
        constraint.kind is ConstraintKind.PRIMARY_KEY or constraint.is_valid
    ):
        table = never_null(table, constraint.columns)
    return table, constraint


def need_columns(replay: StatementReplay, table: Table, names: Iterable[str]) -> None:
    """Raise StatementFails where a table certainly has no such column."""
    for name in names:
        if name and table.certainly_lacks(name) and replay.catalog.is_certain(table):
            raise replay.missing("column", Name(table.name.name, name), nearest(name, table.columns))


_KINDS_OF_TYPES = (
    frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"}),
    frozenset({"text", "varchar", "bpchar", "char", "name"}),
    frozenset({"date", "timestamp", "timestamptz"}),
    frozenset({"uuid"}),
    frozenset({"bool"}),
    frozenset({"bytea"}),
    frozenset({"inet", "cidr"}),
)
"""Types that can be compared with one another, and with none of another row."""


def _need_alike(replay: StatementReplay, table: Table, added: Constraint, other: Table) -> None:
    """Raise StatementFails where a foreign key is between types that certainly cannot be compared."""
    key = other.primary_key
    referenced = added.referenced_columns or (key.columns if key is not None else ())
    for name, there in zip(added.columns, referenced, strict=False):
        column, target = table.column(name), other.column(there)
        kinds = [_kind_of_type(one) for one in (column, target)]
        if None not in kinds and kinds[0] != kinds[1]:
            reason = f"`{table.name.name}.{name}` cannot reference `{other.name.name}.{there}`, whose type is another"
            raise replay.fail(FailureCause.REFUSED, reason, "give both columns the same type", (other.ref,))


def _kind_of_type(column: Column | None) -> int | None:
    if column is None or column.type is None or column.type.is_array or not column.type.is_built_in:
        return None
    return next((n for n, kinds in enumerate(_KINDS_OF_TYPES) if column.type.name.name in kinds), None)


def need_key(replay: StatementReplay, owner: Table, added: Constraint) -> None:
    """Raise StatementFails where a foreign key cannot be: nothing is unique there, or the types are others."""
    assert added.references is not None, "it is a foreign key"
    table = replay.catalog.table(added.references)
    if table is None or not table.is_whole or not replay.catalog.is_certain(table):
        return
    _need_alike(replay, owner, added, table)
    for column in added.referenced_columns:
        if column not in table.columns:
            raise replay.missing("column", Name(table.name.name, column))
    if not added.referenced_columns:
        if table.primary_key is None:
            reason = f"`{table.name.name}` has no primary key, which the foreign key `{added.name}` references"
            raise replay.fail(FailureCause.REFUSED, reason, "name the columns that it references", (table.ref,))
        return
    wanted = frozenset(added.referenced_columns)
    keys = (
        one
        for one in replay.catalog.indexes_of(table.name)
        if one.is_unique and one.predicate is None and not one.expressions
    )
    if not any(frozenset(one.columns) == wanted for one in keys):
        shown = ", ".join(added.referenced_columns)
        reason = f"no unique constraint of `{table.name.name}` is on ({shown}), which the foreign key references"
        advice = f"create a unique index on `{table.name.name} ({shown})` first"
        raise replay.fail(FailureCause.REFUSED, reason, advice, (table.ref,))


def never_null(table: Table, names: Iterable[str], *, is_not_null: bool = True) -> Table:
    """Return a table whose columns are declared never to be null, or no longer so."""
    changed = {
        name: replace(column, is_not_null=is_not_null)
        for name in names
        if (column := table.columns.get(name)) is not None or (not table.is_whole and (column := Column(name, None)))
    }
    return replace(table, columns={**table.columns, **changed})


def _read(replay: StatementReplay, table: Table, declared: pg.Constraint, columns: tuple[str, ...]) -> Constraint:
    kind = _KINDS[declared.contype]
    expression = tree.expression(declared.raw_expr)
    if kind is ConstraintKind.FOREIGN_KEY:
        columns = columns or tuple(tree.strings(declared.fk_attrs))
    elif kind is ConstraintKind.EXCLUDE:
        columns = tuple(node.list.items[0].index_elem.name for node in declared.exclusions)
    elif kind is ConstraintKind.CHECK:
        columns = tuple(sorted(expression.columns)) if expression is not None else ()
    else:
        columns = tuple(tree.strings(declared.keys)) or columns
    references = replay.relation(declared.pktable) if kind is ConstraintKind.FOREIGN_KEY else None
    return Constraint(
        declared.conname or _chosen_name(replay, table, kind, columns),
        kind,
        columns,
        is_valid=not declared.skip_validation,
        is_enforced=declared.is_enforced or kind not in (ConstraintKind.CHECK, ConstraintKind.FOREIGN_KEY),
        expression=expression,
        references=references,
        referenced_columns=tuple(tree.strings(declared.pk_attrs)),
        on_delete=_ON_DELETE.get(declared.fk_del_action, "no action"),
        is_deferrable=declared.deferrable,
        made_by=replay.generation,
    )


def _chosen_name(replay: StatementReplay, table: Table, kind: ConstraintKind, columns: tuple[str, ...]) -> str:
    if kind is ConstraintKind.PRIMARY_KEY or (kind is ConstraintKind.CHECK and len(columns) != 1):
        columns = ()

    def is_taken(name: str) -> bool:
        if name in table.constraints:
            return True
        return kind.has_index and replay.catalog.relation(Name(table.name.schema, name)) is not None

    return naming.choose(table.name.name, [one for one in columns if one], _SUFFIXES[kind], is_taken)


def _with_index(replay: StatementReplay, table: Table, declared: pg.Constraint, constraint: Constraint) -> Constraint:
    name = Name(table.name.schema, constraint.name)
    if declared.indexname:
        return _using_index(replay, table, declared, constraint)
    found = replay.catalog.relation(name)
    if declared.conname and found is not None:
        raise replay.taken(found.ref)
    replay.catalog.put(
        Index(
            name,
            table.name,
            columns=tuple(one or None for one in constraint.columns),
            included=tuple(tree.strings(declared.including)),
            predicate=tree.expression(declared.where_clause),
            is_unique=constraint.kind is not ConstraintKind.EXCLUDE,
            method=declared.access_method or "btree",
            constraint=constraint.name,
            made_by=replay.generation,
        )
    )
    return replace(constraint, index=name)


def _using_index(replay: StatementReplay, table: Table, declared: pg.Constraint, constraint: Constraint) -> Constraint:
    """Take over an index that is there, which gets the constraint's name."""
    old = Name(table.name.schema, declared.indexname)
    index = replay.catalog.index(old)
    name = declared.conname or declared.indexname
    constraint = replace(constraint, name=name, index=Name(table.name.schema, name))
    if index is None:
        if replay.catalog.relation(old) is None and replay.certainly_lacks(old):
            raise replay.missing("index", old)
        return constraint
    _need_fit(replay, table, index)
    replay.catalog.remove(old)
    replay.catalog.put(replace(index, name=Name(table.name.schema, name), constraint=name))
    return replace(constraint, columns=tuple(one for one in index.columns if one is not None))


def _need_fit(replay: StatementReplay, table: Table, index: Index) -> None:
    """Raise StatementFails where no constraint can use an index."""
    reason = None
    if index.table != table.name:
        reason = f"the index `{index.name.name}` is of `{index.table.name}`, not of `{table.name.name}`"
    elif not index.is_unique:
        reason = f"the index `{index.name.name}` is not unique"
    elif index.expressions or index.predicate is not None:
        reason = f"the index `{index.name.name}` is of expressions, or of some rows only"
    elif index.constraint is not None:
        reason = f"the index `{index.name.name}` already belongs to the constraint `{index.constraint}`"
    if reason is not None and replay.catalog.is_certain(index):
        advice = "create a unique index of plain columns concurrently, and use that"
        raise replay.fail(FailureCause.REFUSED, reason, advice, (index.ref,))


def copy_onto(replay: StatementReplay, table: Table, parent: Table, *, is_partition: bool) -> Table:
    """Return a table with what it inherits: columns, checks, and of a partitioned table keys and indexes too."""
    columns = {name: replace(column, is_inherited=True) for name, column in parent.columns.items()}
    for name, column in table.columns.items():
        kept = columns.get(name)
        columns[name] = column if kept is None else replace(column, is_not_null=column.is_not_null or kept.is_not_null)
    inherited = {
        name: replace(one, is_inherited=True, made_by=replay.generation)
        for name, one in parent.constraints.items()
        if one.kind in (ConstraintKind.CHECK, ConstraintKind.NOT_NULL)
        or (is_partition and one.kind is ConstraintKind.FOREIGN_KEY)
    }
    table = replace(
        table,
        columns=columns,
        constraints={**inherited, **table.constraints},
        is_whole=table.is_whole and parent.is_whole,
    )
    if is_partition:
        for index in replay.catalog.indexes_of(parent.name):
            table = copy_index(replay, table, index, parent=index.name)
    return table


def copy_index(replay: StatementReplay, table: Table, index: Index, *, parent: Name | None) -> Table:
    """Give a table an index like one of another table, and return it with the constraint that this enforces."""
    kind = None
    if index.constraint is not None and (owner := replay.catalog.table(index.table)) is not None:
        constraint = owner.constraints.get(index.constraint)
        kind = None if constraint is None else constraint.kind
    suffix = "idx" if kind is None else _SUFFIXES[kind]
    named = index.attributes or tuple(one or "expr" for one in index.columns)
    columns = () if kind is ConstraintKind.PRIMARY_KEY else named
    schema = table.name.schema
    name = naming.choose(
        table.name.name,
        columns,
        suffix,
        lambda one: replay.catalog.relation(Name(schema, one)) is not None or one in table.constraints,
    )
    made = replace(
        index,
        name=Name(schema, name),
        table=table.name,
        parent=parent,
        is_on_only=False,
        number=0,
        constraint=name if kind is not None else None,
        made_by=replay.generation,
    )
    replay.catalog.put(made)
    if kind is None:
        return table
    key = Constraint(
        name,
        kind,
        tuple(one for one in index.columns if one),
        index=made.name,
        is_inherited=True,
        made_by=replay.generation,
    )
    table = replace(table, constraints={**table.constraints, name: key})
    return never_null(table, key.columns) if kind is ConstraintKind.PRIMARY_KEY else table
