"""What is created: tables, indexes, views, sequences, schemas, functions, triggers, policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import (
    access,
    columns_of,
    constraints,
    function_replacing,
    naming,
    other_objects,
    partitions,
    queries,
    reach,
    row_security,
    tree,
    typed_tables,
)
from zmig.lint.replay.effects import Builds, FailureCause, OpensRows, Redefines, Skips
from zmig.lint.replay.objects import (
    TEMPORARY,
    Column,
    ConstraintKind,
    Event,
    Function,
    Index,
    LockMode,
    ObjectKind,
    OtherObject,
    Persistence,
    Policy,
    Ref,
    Schema,
    Sequence,
    Table,
    TableKind,
    Trigger,
    View,
    Volatility,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.queries import Output
    from zmig.lint.replay.statement_replay import StatementReplay

_PERSISTENCE = {"p": Persistence.PERMANENT, "u": Persistence.UNLOGGED, "t": Persistence.TEMPORARY}
_STRATEGIES = {
    pg.PARTITION_STRATEGY_LIST: "list",
    pg.PARTITION_STRATEGY_RANGE: "range",
    pg.PARTITION_STRATEGY_HASH: "hash",
}
_LIKE_CONSTRAINTS, _LIKE_DEFAULTS, _LIKE_GENERATED, _LIKE_IDENTITY, _LIKE_INDEXES = 4, 8, 16, 32, 64


def table(replay: StatementReplay, statement: pg.CreateStmt, *, is_foreign: bool = False) -> None:
    """CREATE TABLE, also of a partition, and CREATE FOREIGN TABLE."""
    name = replay.new_name(statement.relation)
    replay.need_schema(name)
    if statement.if_not_exists and _is_there(replay, name):
        _record_skipped(replay, name, statement)
        return
    replay.need_free(name)
    persistence = _PERSISTENCE.get(statement.relation.relpersistence, Persistence.PERMANENT)
    made = Table(
        name,
        _kind(statement, is_foreign=is_foreign),
        persistence=persistence,
        partition_strategy=_STRATEGIES.get(statement.partspec.strategy),
        partition_key=tuple(node.partition_elem.name or None for node in statement.partspec.part_params),
        empty_since=None if is_foreign else replay.generation,
        made_by=replay.generation,
    )
    is_sure = not statement.if_not_exists or _is_sure(replay, name)
    if statement.of_typename.names:
        made = typed_tables.of_type(replay, made, statement.of_typename)
    made = _with_elements(replay, made, statement)
    if name.schema != TEMPORARY and not statement.if_not_exists:
        replay.catalog.begin_schema(name.schema or "")
    if statement.oncommit == pg.ONCOMMIT_DROP:
        replay.catalog.dropped_on_commit |= {name}
    if not is_sure:
        # There may have been one, with other columns, and in use.
        made = _unsure(made)
        for index in replay.catalog.indexes_of(name):
            replay.catalog.put(replace(index, made_by=None))
    replay.catalog.put(made)
    replay.make(ObjectKind.FOREIGN_TABLE if is_foreign else ObjectKind.TABLE, name)


def _record_skipped(replay: StatementReplay, name: Name, statement: pg.CreateStmt) -> None:
    known = replay.catalog.table(name)
    if known is None or not replay.catalog.is_certain(known):
        return
    declared = [node.column_def.colname for node in statement.table_elts if node.HasField("column_def")]
    lacking = tuple(one for one in declared if known.certainly_lacks(one))
    if lacking:
        replay.record(Skips(known.ref, lacking))


def _unsure(made: Table) -> Table:
    """Return what is known of a table where there may have been another one of its name."""
    columns = {name: replace(one, type=None, is_not_null=False) for name, one in made.columns.items()}
    constraints = {name: replace(one, is_valid=False) for name, one in made.constraints.items()}
    return replace(made, columns=columns, constraints=constraints, is_whole=False, empty_since=None, made_by=None)


def _is_there(replay: StatementReplay, name: Name) -> bool:
    """Whether IF NOT EXISTS finds something, and does nothing."""
    return replay.catalog.relation(name) is not None


def _is_sure(replay: StatementReplay, name: Name) -> bool:
    """Whether IF NOT EXISTS certainly finds nothing: no entry has made it, or nobody but the session could see it."""
    return name.schema == TEMPORARY or replay.catalog.certainly_lacked(name)


def _kind(statement: pg.CreateStmt, *, is_foreign: bool) -> TableKind:
    if is_foreign:
        return TableKind.FOREIGN
    return TableKind.PARTITIONED if statement.HasField("partspec") else TableKind.TABLE


def _with_elements(replay: StatementReplay, made: Table, statement: pg.CreateStmt) -> Table:
    replay.catalog.put(made)  # sequences, and keys that reference the table itself, need it
    declared: list[tuple[pg.Constraint, tuple[str, ...]]] = []
    for node in statement.table_elts:
        if node.HasField("column_def"):
            made = _with_column(replay, made, node.column_def)
            declared += constraints.declared_with(node.column_def)
        elif node.HasField("table_like_clause"):
            made = _with_columns_like(replay, made, node.table_like_clause)
        elif node.HasField("constraint") and constraints.is_constraint(node.constraint):
            declared.append((node.constraint, ()))
    made = _with_inherited(replay, made, statement)
    made = _with_options(replay, made, statement)
    for constraint, columns in declared:
        made, added = constraints.add(replay, made, constraint, columns, is_of_new_table=True)
        constraints.need_columns(replay, made, added.columns)
        replay.catalog.put(made)
        if added.references is not None and added.references != made.name:
            constraints.need_key(replay, made, added)
            replay.lock_referenced(added.references, LockMode.SHARE_ROW_EXCLUSIVE)
    for node in statement.table_elts:
        if node.HasField("table_like_clause"):
            made = _with_rest_like(replay, made, node.table_like_clause)
    return made


def _with_options(replay: StatementReplay, made: Table, statement: pg.CreateStmt) -> Table:
    """Return a table with what is declared of columns that it has from its type, or the table that it is part of."""
    for node in statement.table_elts:
        column = made.column(node.column_def.colname)
        if column is not None and not node.column_def.HasField("type_name"):
            made = constraints.with_options(replay, made, column, node.column_def)
    return made


def _with_inherited(replay: StatementReplay, made: Table, statement: pg.CreateStmt) -> Table:
    parents = [_parent(replay, made, node.range_var, statement) for node in statement.inh_relations]
    is_partition = statement.HasField("partbound")
    bound = partitions.bound(statement.partbound) if is_partition else None
    made = replace(made, parents=tuple(one.name for one in parents), bound=bound)
    for parent in parents:
        made = constraints.copy_onto(replay, made, parent, is_partition=is_partition)
    replay.catalog.put(made)
    if bound is not None and parents:
        partitions.need_no_overlap(replay, parents[0], made.name, bound)
        partitions.make_room(replay, parents[0], made)
        partitions.lock_around_new(replay, parents[0])
    return made


def _with_column(replay: StatementReplay, made: Table, declared: pg.ColumnDef) -> Table:
    if declared.colname in made.columns and declared.HasField("type_name"):
        raise _twice(replay, made, declared.colname)
    # A column of a partition, or of a typed table, may be named for its constraints alone.
    return constraints.add_column(replay, made, declared) if declared.HasField("type_name") else made


def _twice(replay: StatementReplay, made: Table, column: str) -> Exception:
    return replay.fail(
        FailureCause.EXISTS, f"`{made.name.name}` has the column `{column}` twice", "leave one of them out"
    )


def _parent(replay: StatementReplay, made: Table, relation: pg.RangeVar, statement: pg.CreateStmt) -> Table:
    name = replay.relation(relation)
    is_partition = statement.HasField("partbound")
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE if is_partition else LockMode.SHARE_UPDATE_EXCLUSIVE)
    parent = replay.table(name)
    if is_partition and parent.kind is not TableKind.PARTITIONED and parent.is_whole:
        raise replay.fail(
            FailureCause.REFUSED,
            f"`{name.name}` is not partitioned, so it has no partitions",
            "create it with `partition by`, or leave `partition of` out",
            (parent.ref,),
        )
    if replay.catalog.relation(name) is None:
        replay.catalog.put(replace(parent, kind=TableKind.PARTITIONED if is_partition else TableKind.TABLE))
    return replay.table(name)


def _with_columns_like(replay: StatementReplay, made: Table, like: pg.TableLikeClause) -> Table:
    name = replay.relation(like.relation)
    replay.lock(name, LockMode.ACCESS_SHARE)
    source = replay.catalog.relation(name)
    if not isinstance(source, Table):
        columns = columns_of.known(replay.catalog, name)
        if columns is None:
            return replace(made, is_whole=False)
        source = Table(name, columns=columns)
    if (twice := next((one for one in source.columns if one in made.columns), None)) is not None:
        raise _twice(replay, made, twice)
    columns = dict(made.columns)
    for column in source.columns.values():
        kept = Column(column.name, column.type, is_not_null=column.is_not_null, collation=column.collation)
        if column.generated is not None and like.options & _LIKE_GENERATED:
            kept = replace(kept, default=column.default, generated=column.generated)
        elif column.generated is None and like.options & _LIKE_DEFAULTS:
            kept = replace(kept, default=column.default)
        if column.identity is not None and like.options & _LIKE_IDENTITY:
            kept = replace(kept, identity=column.identity)
            constraints.add_sequence(replay, made.name, column.name)
        columns[column.name] = kept
    return replace(made, columns=columns, is_whole=made.is_whole and source.is_whole)


def _with_rest_like(replay: StatementReplay, made: Table, like: pg.TableLikeClause) -> Table:
    source = replay.catalog.table(replay.relation(like.relation))
    if source is None:
        return made
    if like.options & _LIKE_CONSTRAINTS:
        checks = {
            one.name: replace(one, is_valid=True, made_by=replay.generation)
            for one in source.constraints.values()
            if one.kind is ConstraintKind.CHECK
        }
        made = replace(made, constraints={**checks, **made.constraints})
    if like.options & _LIKE_INDEXES:
        if made.primary_key is not None and source.primary_key is not None:
            reason = f"`{made.name.name}` would have two primary keys: its own, and that of `{source.name.name}`"
            raise replay.fail(FailureCause.EXISTS, reason, "leave one of them out")
        for index in replay.catalog.indexes_of(source.name):
            made = constraints.copy_index(replay, made, index, parent=None)
    return made


def table_as(
    replay: StatementReplay, query: pg.SelectStmt, into: pg.IntoClause, *, if_not_exists: bool, is_view: bool
) -> None:
    """CREATE TABLE AS, SELECT INTO and CREATE MATERIALIZED VIEW."""
    name = replay.new_name(into.rel)
    replay.need_schema(name)
    if if_not_exists and _is_there(replay, name):
        return
    replay.need_free(name)
    read = queries.read(query, replay)
    for used in read.uses:
        replay.lock(used, LockMode.ACCESS_SHARE)
    if not into.skip_data:
        reach.record_read(replay, query)
    outputs = queries.renamed(read.outputs, tree.strings(into.col_names))
    made_by = None if if_not_exists and not _is_sure(replay, name) else replay.generation
    if is_view:
        uses = {one: frozenset(columns) for one, columns in read.uses.items()}
        names = None if outputs is None else tuple(one.name for one in outputs)
        asked = pg.Node(create_table_as_stmt=pg.CreateTableAsStmt(query=pg.Node(select_stmt=query), into=into))
        asked.create_table_as_stmt.objtype = pg.OBJECT_MATVIEW
        made = View(name, columns=names, uses=uses, is_materialized=True, made_by=made_by)
        calls = tree.expression(pg.Node(select_stmt=query))
        replay.catalog.put(replace(made, definition=tree.definition(asked), calls=calls))
        replay.make(ObjectKind.MATERIALIZED_VIEW, name)
        return
    if into.on_commit == pg.ONCOMMIT_DROP:
        replay.catalog.dropped_on_commit |= {name}
    replay.catalog.put(
        Table(
            name,
            columns=_columns(outputs or ()),
            is_whole=outputs is not None and made_by is not None,
            persistence=_PERSISTENCE.get(into.rel.relpersistence, Persistence.PERMANENT),
            empty_since=replay.generation if into.skip_data else None,
            made_by=made_by,
        )
    )
    replay.make(ObjectKind.TABLE, name)


def _columns(outputs: Iterable[Output]) -> dict[str, Column]:
    return {one.name: Column(one.name, one.type) for one in outputs}


def view(replay: StatementReplay, statement: pg.ViewStmt) -> None:
    """CREATE VIEW."""
    name = replay.new_name(statement.view)
    replay.need_schema(name)
    before = replay.catalog.view(name)
    if before is None or not statement.replace or before.is_materialized:
        replay.need_free(name)
    read = queries.read(statement.query.select_stmt, replay)
    for used in read.uses:
        replay.lock(used, LockMode.ACCESS_SHARE)
    outputs = queries.renamed(read.outputs, tree.strings(statement.aliases))
    columns = None if outputs is None else tuple(one.name for one in outputs)
    uses = {one: frozenset(used) for one, used in read.uses.items() if one != name}
    definition = tree.definition(pg.Node(view_stmt=statement))
    made = View(name, columns=columns, uses=uses, definition=definition, made_by=replay.generation)
    types = {one.name: one.type for one in outputs or () if one.type is not None}
    made = replace(
        made,
        types=types,
        calls=tree.expression(statement.query),
        is_invokers=row_security.is_invokers(statement.options),
    )
    if name.schema != TEMPORARY:
        row_security.record_shown(replay, made)
    if before is None:
        # With OR REPLACE there may have been one, in use.
        replay.catalog.put(replace(made, made_by=None) if statement.replace else made)
        replay.make(ObjectKind.VIEW, name)
        return
    replay.add_target(name)
    _need_same_columns(replay, before, columns)
    _need_same_types(replay, before, made)
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    after = replace(made, made_by=before.made_by, triggers=before.triggers)
    replay.catalog.put(after)
    replay.record(Redefines(before.ref, before, after, "query"))


def _need_same_columns(replay: StatementReplay, before: View, columns: tuple[str, ...] | None) -> None:
    """Raise StatementFails where a view would lose columns, or have others in their place."""
    if before.columns is None or columns is None or columns[: len(before.columns)] == before.columns:
        return
    if not replay.catalog.is_certain(before):
        return
    both = zip(before.columns, columns, strict=False)
    lost = next((old for old, new in both if old != new), before.columns[min(len(columns), len(before.columns) - 1)])
    raise replay.fail(
        FailureCause.REFUSED,
        f"`create or replace view` can only add columns at the end, and `{before.name.name}.{lost}` would not stay "
        "where it is",
        f"keep the columns in front, or write `drop view {before.name.name};` first",
        (before.ref,),
    )


def _need_same_types(replay: StatementReplay, before: View, after: View) -> None:
    """Raise StatementFails where a column of a view certainly would be of another type."""
    for name, old in before.types.items() if replay.catalog.is_certain(before) else ():
        new = after.types.get(name)
        if new is None or not (old.is_built_in and new.is_built_in):
            continue
        if (old.name, old.is_array) != (new.name, new.is_array):
            raise replay.fail(
                FailureCause.REFUSED,
                f"`create or replace view` cannot change the type of `{before.name.name}.{name}`",
                f"cast it to what it is, or write `drop view {before.name.name};` first",
                (before.ref,),
            )


def index(replay: StatementReplay, statement: pg.IndexStmt) -> None:
    """CREATE INDEX."""
    table_name = replay.relation(statement.relation)
    replay.add_target(table_name)
    relation = replay.catalog.relation(table_name)
    if statement.idxname:
        name = Name(table_name.schema, statement.idxname)
        if statement.if_not_exists and _is_there(replay, name):
            replay.lock(table_name, LockMode.SHARE_UPDATE_EXCLUSIVE if statement.concurrent else LockMode.SHARE)
            return
        replay.need_free(name)
    else:
        name = _index_name(replay, table_name, statement)
    owner = relation if isinstance(relation, (Table, View)) else replay.table(table_name)
    made = Index(
        name,
        table_name,
        columns=tuple(node.index_elem.name or None for node in statement.index_params),
        expressions=tuple(
            one for node in statement.index_params if (one := tree.expression(node.index_elem.expr)) is not None
        ),
        included=tuple(node.index_elem.name for node in statement.index_including_params),
        predicate=tree.expression(statement.where_clause),
        is_unique=statement.unique,
        method=statement.access_method or "btree",
        opclasses=tuple(_last(node.index_elem.opclass) for node in statement.index_params),
        collations=tuple(_last(node.index_elem.collation) for node in statement.index_params),
        orders=tuple(_order(node.index_elem) for node in statement.index_params),
        options=_options(statement.options),
        is_on_only=not statement.relation.inh,
        attributes=_attributes(statement),
        made_by=None if statement.if_not_exists else replay.generation,
    )
    if isinstance(owner, Table):
        constraints.need_columns(replay, owner, [*(one for one in made.columns if one is not None), *made.included])
        _build(replay, owner, made, concurrently=statement.concurrent)
    else:
        _record_build(replay, table_name, name, concurrently=statement.concurrent)
    replay.catalog.put(made)
    replay.make(ObjectKind.INDEX, name)


def _options(nodes: Iterable[pg.Node]) -> tuple[str, ...]:
    return tuple(sorted(f"{name}={tree.option_text(one) or 'true'}" for name, one in tree.options(nodes).items()))


def _order(element: pg.IndexElem) -> str:
    is_descending = element.ordering == pg.SORTBY_DESC
    usual = pg.SORTBY_NULLS_FIRST if is_descending else pg.SORTBY_NULLS_LAST
    is_usual = (
        element.nulls_ordering not in (pg.SORTBY_NULLS_FIRST, pg.SORTBY_NULLS_LAST) or element.nulls_ordering == usual
    )
    nulls = "" if is_usual else "nulls last" if is_descending else "nulls first"
    return " ".join(part for part in ("desc" if is_descending else "", nulls) if part)


def _last(parts: Iterable[pg.Node]) -> str | None:
    return tree.name(parts).name or None


def _index_name(replay: StatementReplay, table_name: Name, statement: pg.IndexStmt) -> Name:
    columns = _attributes(statement)
    schema = table_name.schema
    chosen = naming.choose(
        table_name.name, columns, "idx", lambda one: replay.catalog.relation(Name(schema, one)) is not None
    )
    return Name(schema, chosen)


def _attributes(statement: pg.IndexStmt) -> tuple[str, ...]:
    elements = (*statement.index_params, *statement.index_including_params)
    return tuple(node.index_elem.name or _expression_name(node.index_elem.expr) for node in elements)


def _expression_name(node: pg.Node) -> str:
    return tree.name(node.func_call.funcname).name if node.HasField("func_call") else "expr"


def _build(replay: StatementReplay, owner: Table, made: Index, *, concurrently: bool) -> None:
    if made.is_on_only and not owner.is_whole:
        # Nobody writes ONLY but of a partitioned table.
        replay.lock(owner.name, LockMode.SHARE)
        return
    if owner.kind is TableKind.PARTITIONED:
        if concurrently and not owner.is_temporary:
            raise replay.fail(
                FailureCause.PARTITIONED,
                f"`{owner.name.name}` is partitioned, and no index of it can be built concurrently",
                f"write `create index {made.name.name} on only {owner.name.name} (...)`, build one of each partition "
                f"concurrently, and attach them: `alter index {made.name.name} attach partition ...`",
                (owner.ref,),
            )
        replay.lock(owner.name, LockMode.SHARE)
        if made.is_on_only:
            return
        for part in replay.catalog.descendants_of(owner.name):
            if part.kind is TableKind.TABLE:
                _record_build(replay, part.name, None, concurrently=False)
            constraints.copy_index(replay, part, made, parent=made.name)
        if owner in replay.catalog.stored(owner):
            _record_build(replay, owner.name, made.name, concurrently=False)
        return
    _record_build(replay, owner.name, made.name, concurrently=concurrently)


def _record_build(replay: StatementReplay, table_name: Name, index_name: Name | None, *, concurrently: bool) -> None:
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    replay.lock(table_name, mode)
    table = replay.catalog.table(table_name)
    is_empty = table is not None and not replay.catalog.may_have_rows(table)
    replay.record(Builds(index_name, table_name, mode, concurrently, is_of_nothing=is_empty))


def sequence(replay: StatementReplay, statement: pg.CreateSeqStmt) -> None:
    """CREATE SEQUENCE."""
    name = replay.new_name(statement.sequence)
    replay.need_schema(name)
    if statement.if_not_exists and _is_there(replay, name):
        return
    replay.need_free(name)
    made_by = None if statement.if_not_exists else replay.generation
    options = sequence_options(statement.options)
    replay.catalog.put(Sequence(name, owned_by(replay, statement.options), options=options, made_by=made_by))
    replay.make(ObjectKind.SEQUENCE, name)


def alter_sequence(replay: StatementReplay, statement: pg.AlterSeqStmt) -> None:
    """ALTER SEQUENCE."""
    name = replay.relation(statement.sequence, is_optional=statement.missing_ok)
    if name is None:
        return
    replay.add_target(name)
    known = replay.catalog.relation(name)
    names_owner = any(node.def_elem.defname == "owned_by" for node in statement.options)
    if isinstance(known, Sequence):
        owner = owned_by(replay, statement.options) if names_owner else known.owner
        options = {**known.options, **sequence_options(statement.options)}
        replay.catalog.put(replace(known, owner=owner, options=options))
    replay.record(Redefines(Ref(ObjectKind.SEQUENCE, name), known, replay.catalog.relation(name), "options"))


def sequence_options(options: Iterable[pg.Node]) -> dict[str, str]:
    """Return what is said of how a sequence counts; an empty text for the server's own choice."""
    given = (node.def_elem for node in options)
    return {one.defname: tree.option_text(one) or "" for one in given if one.defname not in ("owned_by", "restart")}


def owned_by(replay: StatementReplay, options: Iterable[pg.Node]) -> tuple[Name, str] | None:
    """Return the column that OWNED BY names; None without it, and for OWNED BY NONE."""
    for node in options:
        if node.def_elem.defname == "owned_by":
            parts = tree.strings(node.def_elem.arg.list.items)
            return None if len(parts) < 2 else (replay.known(tree.name_of(parts[:-1])), parts[-1])
    return None


def schema(replay: StatementReplay, statement: pg.CreateSchemaStmt) -> None:
    """CREATE SCHEMA; the statements within it are replayed by who calls this."""
    name = statement.schemaname or tree.role(statement.authrole)
    known = replay.catalog.schema(name)
    if known is not None and not statement.if_not_exists and known.made_by is not None:
        raise replay.fail(
            FailureCause.EXISTS, f"there is already a schema `{name}`", "choose another name, or leave it out"
        )
    if known is None:
        made_by = None if statement.if_not_exists else replay.generation
        replay.catalog.put_schema(Schema(name, is_whole=not statement.if_not_exists, made_by=made_by))
    replay.make(ObjectKind.SCHEMA, Name(None, name))


_RESULTS = frozenset({pg.FUNC_PARAM_OUT, pg.FUNC_PARAM_INOUT, pg.FUNC_PARAM_TABLE})


def function(replay: StatementReplay, statement: pg.CreateFunctionStmt) -> None:
    """CREATE FUNCTION and CREATE PROCEDURE."""
    name = replay.full(tree.name(statement.funcname))
    replay.need_schema(name)
    parameters = [node.function_parameter for node in statement.parameters]
    given = [one for one in parameters if one.mode not in (pg.FUNC_PARAM_OUT, pg.FUNC_PARAM_TABLE)]
    arguments = tuple(kind for one in given if (kind := replay.type(one.arg_type)) is not None)
    options = tree.options(statement.options)
    settings = [node.def_elem.arg.variable_set_stmt for node in statement.options if node.def_elem.defname == "set"]
    body = options.get("as")
    results = [one for one in parameters if one.mode in _RESULTS]
    made = Function(
        name,
        arguments,
        language=(tree.text_of(options, "language") or "").lower(),
        volatility=Volatility(tree.text_of(options, "volatility") or Volatility.VOLATILE),
        is_security_definer=tree.is_on(options, "security"),
        settings=frozenset(one.name.lower() for one in settings),
        is_procedure=statement.is_procedure,
        body=tree.strings(body.arg.list.items)[0] if body is not None and body.arg.list.items else None,
        returns=replay.type(statement.return_type) if statement.HasField("return_type") else None,
        returns_set=statement.return_type.setof,
        argument_names=tuple(one.name for one in given),
        results=tuple((one.name, replay.type(one.arg_type)) for one in results),
        defaults=sum(one.HasField("defexpr") for one in given),
        options={name: tree.option_text(one) or "" for name, one in options.items() if name in tree.FUNCTION_OPTIONS},
        definition=tree.definition(pg.Node(create_function_stmt=statement)),
        made_by=replay.generation,
    )
    same = [one for one in replay.catalog.functions(name) if one.arguments == arguments]
    if same and not statement.replace and replay.catalog.is_certain(same[0]):
        raise replay.fail(
            FailureCause.EXISTS,
            f"there is already a function `{name.name}` with these arguments",
            "write `create or replace`, or choose another name",
            (same[0].ref,),
        )
    if statement.replace and not same:
        made = replace(made, made_by=None)
    elif same:
        if replay.catalog.is_certain(same[0]):
            function_replacing.need_same_form(replay, same[0], made)
        made = replace(made, made_by=same[0].made_by)
        replay.record(Redefines(made.ref, None, None, "body"))
        function_replacing.record_stale(replay, same[0], made)
    replay.catalog.put_function(made)
    if not same:
        replay.make(ObjectKind.FUNCTION, name)


_EVENTS = {4: Event.INSERT, 8: Event.DELETE, 16: Event.UPDATE, 32: Event.TRUNCATE}
_BEFORE, _INSTEAD = 2, 64


def trigger(replay: StatementReplay, statement: pg.CreateTrigStmt) -> None:
    """CREATE TRIGGER."""
    name = replay.relation(statement.relation)
    condition = tree.expression(statement.when_clause)
    columns = set(tree.strings(statement.columns)) | set(condition.columns if condition is not None else ())
    written = tree.name(statement.funcname)
    function_name = replay.catalog.find_function(replay.path, written) or replay.full(written)
    timing = "before" if statement.timing & _BEFORE else "instead of" if statement.timing & _INSTEAD else "after"
    made = Trigger(
        statement.trigname,
        function_name,
        frozenset(columns),
        timing=timing,
        is_for_rows=statement.row,
        condition=condition,
        events=frozenset(event for bit, event in _EVENTS.items() if statement.events & bit),
        definition=tree.definition(pg.Node(create_trig_stmt=statement)),
    )
    replay.add_target(name)
    relation = replay.catalog.relation(name)
    owner = relation if isinstance(relation, View) else replay.table(name)
    if made.name in owner.triggers and not statement.replace:
        raise replay.fail(
            FailureCause.EXISTS,
            f"`{name.name}` already has a trigger `{made.name}`",
            "choose another name, or drop the old one first",
        )
    replay.lock(name, LockMode.SHARE_ROW_EXCLUSIVE)
    replay.catalog.put(replace(owner, triggers={**owner.triggers, made.name: made}))
    if isinstance(owner, Table) and owner.kind is TableKind.PARTITIONED and statement.row:
        for part in replay.catalog.descendants_of(name):
            replay.lock(part.name, LockMode.SHARE_ROW_EXCLUSIVE)
    replay.make(ObjectKind.TRIGGER, name, made.name)


def policy(replay: StatementReplay, statement: pg.CreatePolicyStmt) -> None:
    """CREATE POLICY."""
    name = replay.relation(statement.table)
    replay.add_target(name)
    owner = replay.table(name)
    if statement.policy_name in owner.policies:
        raise replay.fail(
            FailureCause.EXISTS,
            f"`{name.name}` already has a policy `{statement.policy_name}`",
            "choose another name, or drop the old one first",
        )
    made = Policy(
        statement.policy_name,
        statement.cmd_name or "all",
        statement.permissive,
        using=tree.expression(statement.qual),
        check=tree.expression(statement.with_check),
        roles=tuple(tree.role(node.role_spec) for node in statement.roles),
    )
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    replay.catalog.put(replace(owner, policies={**owner.policies, made.name: made}))
    if made.is_permissive and owner.has_row_security and owner.policies and access.is_always_true(statement.qual):
        others = "another policy" if len(owner.policies) == 1 else "other policies"
        opened = f"shows all rows to those whom `{made.name}` is for, whatever {others} of it may say"
        replay.record(OpensRows(name, opened, made.name))
    replay.make(ObjectKind.POLICY, name, made.name)


def rule(replay: StatementReplay, statement: pg.RuleStmt) -> None:
    """CREATE RULE."""
    name = replay.relation(statement.relation)
    replay.add_target(name)
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    owner = replay.catalog.relation(name)
    if not isinstance(owner, View):
        known = replay.table(name)
        replay.catalog.put(replace(known, rules=known.rules | {statement.rulename}))
    replay.make(ObjectKind.RULE, name, statement.rulename)


def extension(replay: StatementReplay, statement: pg.CreateExtensionStmt) -> None:
    """CREATE EXTENSION."""
    made = OtherObject(ObjectKind.EXTENSION, Name(None, statement.extname))
    replay.catalog.extensions |= {statement.extname}
    if statement.extname not in _WITHOUT_TABLES:
        replay.catalog.open_schema(replay.path[0])
        replay.catalog.open_schema("public")
    other_objects.make(replay, made, is_optional=statement.if_not_exists)


_WITHOUT_TABLES = frozenset(
    {
        "amcheck", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn",
        "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "lo", "ltree", "moddatetime", "pg_trgm",
        "pgcrypto", "plpgsql", "seg", "tablefunc", "tcn", "tsm_system_rows", "unaccent", "uuid-ossp",
        "uuid_ossp", "vector", "xml2",
    }
)  # fmt: skip
"""Extensions that make no tables or views."""


def role(replay: StatementReplay, statement: pg.CreateRoleStmt) -> None:
    """CREATE ROLE and CREATE USER."""
    access.role(replay, statement.role, statement.options)
    other_objects.make(replay, OtherObject(ObjectKind.ROLE, Name(None, statement.role)))
