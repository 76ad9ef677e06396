"""What is created: tables, indexes, views, sequences, schemas, functions, triggers, policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import access, constraints, naming, partitions, queries, reach, tree
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
    Persistence,
    Policy,
    Ref,
    Schema,
    Sequence,
    Space,
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
    from zmig.lint.replay.scene import Scene

_PERSISTENCE = {"p": Persistence.PERMANENT, "u": Persistence.UNLOGGED, "t": Persistence.TEMPORARY}
_STRATEGIES = {
    pg.PARTITION_STRATEGY_LIST: "list",
    pg.PARTITION_STRATEGY_RANGE: "range",
    pg.PARTITION_STRATEGY_HASH: "hash",
}
_LIKE_CONSTRAINTS, _LIKE_DEFAULTS, _LIKE_GENERATED, _LIKE_IDENTITY, _LIKE_INDEXES = 4, 8, 16, 32, 64


def table(scene: Scene, statement: pg.CreateStmt, *, is_foreign: bool = False) -> None:
    """CREATE TABLE, also of a partition, and CREATE FOREIGN TABLE."""
    name = scene.new_name(statement.relation)
    scene.need_schema(name)
    if statement.if_not_exists and _is_there(scene, name):
        _say_skipped(scene, name, statement)
        return
    scene.need_free(name)
    persistence = _PERSISTENCE.get(statement.relation.relpersistence, Persistence.PERMANENT)
    made = Table(
        name,
        _kind(statement, is_foreign=is_foreign),
        persistence=persistence,
        partition_strategy=_STRATEGIES.get(statement.partspec.strategy),
        partition_key=tuple(node.partition_elem.name or None for node in statement.partspec.part_params),
        is_whole=not statement.of_typename.names,
        empty_since=None if is_foreign else scene.period,
        made_by=scene.period,
    )
    made = _with_elements(scene, made, statement)
    if name.schema != TEMPORARY and not statement.if_not_exists:
        scene.catalog.begin_schema(name.schema or "")
    if statement.oncommit == pg.ONCOMMIT_DROP:
        scene.catalog.brief |= {name}
    if statement.if_not_exists and not _is_sure(scene, name):
        # There may have been one, with other columns, and in use.
        made = _unsure(made)
        for index in scene.catalog.indexes_of(name):
            scene.catalog.put(replace(index, made_by=None))
    scene.catalog.put(made)
    scene.make(ObjectKind.FOREIGN_TABLE if is_foreign else ObjectKind.TABLE, name)


def _say_skipped(scene: Scene, name: Name, statement: pg.CreateStmt) -> None:
    known = scene.catalog.table(name)
    if known is None or not scene.catalog.is_certain(known):
        return
    declared = [node.column_def.colname for node in statement.table_elts if node.HasField("column_def")]
    lacking = tuple(one for one in declared if known.certainly_lacks(one))
    if lacking:
        scene.say(Skips(known.ref, lacking))


def _unsure(made: Table) -> Table:
    """Return what is known of a table where there may have been another one of its name."""
    columns = {name: replace(one, type=None, is_not_null=False) for name, one in made.columns.items()}
    constraints = {name: replace(one, is_valid=False) for name, one in made.constraints.items()}
    return replace(made, columns=columns, constraints=constraints, is_whole=False, empty_since=None, made_by=None)


def _is_there(scene: Scene, name: Name) -> bool:
    """Whether IF NOT EXISTS finds something, and does nothing."""
    return scene.catalog.relation(name) is not None


def _is_sure(scene: Scene, name: Name) -> bool:
    """Whether IF NOT EXISTS certainly finds nothing: it was dropped, or nobody but the session could see it."""
    return name.schema == TEMPORARY or scene.catalog.is_gone(Space.RELATION, name)


def _kind(statement: pg.CreateStmt, *, is_foreign: bool) -> TableKind:
    if is_foreign:
        return TableKind.FOREIGN
    return TableKind.PARTITIONED if statement.HasField("partspec") else TableKind.TABLE


def _with_elements(scene: Scene, made: Table, statement: pg.CreateStmt) -> Table:
    scene.catalog.put(made)  # sequences, and keys that reference the table itself, need it
    declared: list[tuple[pg.Constraint, tuple[str, ...]]] = []
    for node in statement.table_elts:
        if node.HasField("column_def"):
            made = _with_column(scene, made, node.column_def)
            declared += constraints.declared_with(node.column_def)
        elif node.HasField("table_like_clause"):
            made = _with_columns_like(scene, made, node.table_like_clause)
        elif node.HasField("constraint") and constraints.is_constraint(node.constraint):
            declared.append((node.constraint, ()))
    made = _with_inherited(scene, made, statement)
    for constraint, columns in declared:
        made, added = constraints.add(scene, made, constraint, columns, is_of_new_table=True)
        constraints.need_columns(scene, made, added.columns)
        scene.catalog.put(made)
        if added.references is not None and added.references != made.name:
            constraints.need_key(scene, added)
            scene.lock(added.references, LockMode.SHARE_ROW_EXCLUSIVE)
    for node in statement.table_elts:
        if node.HasField("table_like_clause"):
            made = _with_rest_like(scene, made, node.table_like_clause)
    return made


def _with_inherited(scene: Scene, made: Table, statement: pg.CreateStmt) -> Table:
    parents = [_parent(scene, made, node.range_var, statement) for node in statement.inh_relations]
    is_partition = statement.HasField("partbound")
    bound = partitions.bound(statement.partbound) if is_partition else None
    made = replace(made, parents=tuple(one.name for one in parents), bound=bound)
    for parent in parents:
        made = constraints.copy_onto(scene, made, parent, is_partition=is_partition)
    scene.catalog.put(made)
    if is_partition and parents:
        partitions.make_room(scene, parents[0], made)
    return made


def _with_column(scene: Scene, made: Table, declared: pg.ColumnDef) -> Table:
    if declared.colname in made.columns:
        raise _twice(scene, made, declared.colname)
    # A column of a partition, or of a typed table, may be named for its constraints alone.
    return constraints.add_column(scene, made, declared) if declared.HasField("type_name") else made


def _twice(scene: Scene, made: Table, column: str) -> Exception:
    return scene.fail(
        FailureCause.EXISTS, f"`{made.name.name}` has the column `{column}` twice", "leave one of them out"
    )


def _parent(scene: Scene, made: Table, relation: pg.RangeVar, statement: pg.CreateStmt) -> Table:
    name = scene.relation(relation)
    is_partition = statement.HasField("partbound")
    scene.lock(name, LockMode.ACCESS_EXCLUSIVE if is_partition else LockMode.SHARE_UPDATE_EXCLUSIVE)
    parent = scene.table(name)
    if is_partition and parent.kind is not TableKind.PARTITIONED and parent.is_whole:
        raise scene.fail(
            FailureCause.REFUSED,
            f"`{name.name}` is not partitioned, so it has no partitions",
            "create it with `partition by`, or leave `partition of` out",
            (parent.ref,),
        )
    if scene.catalog.relation(name) is None:
        scene.catalog.put(replace(parent, kind=TableKind.PARTITIONED if is_partition else TableKind.TABLE))
    return scene.table(name)


def _with_columns_like(scene: Scene, made: Table, like: pg.TableLikeClause) -> Table:
    name = scene.relation(like.relation)
    scene.lock(name, LockMode.ACCESS_SHARE)
    source = scene.catalog.relation(name)
    if not isinstance(source, Table):
        return replace(made, is_whole=False)
    columns = dict(made.columns)
    for column in source.columns.values():
        kept = Column(column.name, column.type, is_not_null=column.is_not_null, collation=column.collation)
        if column.generated is not None and like.options & _LIKE_GENERATED:
            kept = replace(kept, default=column.default, generated=column.generated)
        elif column.generated is None and like.options & _LIKE_DEFAULTS:
            kept = replace(kept, default=column.default)
        if column.identity is not None and like.options & _LIKE_IDENTITY:
            kept = replace(kept, identity=column.identity)
            constraints.add_sequence(scene, made.name, column.name)
        columns[column.name] = kept
    return replace(made, columns=columns, is_whole=made.is_whole and source.is_whole)


def _with_rest_like(scene: Scene, made: Table, like: pg.TableLikeClause) -> Table:
    source = scene.catalog.table(scene.relation(like.relation))
    if source is None:
        return made
    if like.options & _LIKE_CONSTRAINTS:
        checks = {
            one.name: replace(one, is_valid=True, made_by=scene.period)
            for one in source.constraints.values()
            if one.kind is ConstraintKind.CHECK
        }
        made = replace(made, constraints={**checks, **made.constraints})
    if like.options & _LIKE_INDEXES:
        for index in scene.catalog.indexes_of(source.name):
            made = constraints.copy_index(scene, made, index, parent=None)
    return made


def table_as(scene: Scene, query: pg.SelectStmt, into: pg.IntoClause, *, if_not_exists: bool, is_view: bool) -> None:
    """CREATE TABLE AS, SELECT INTO and CREATE MATERIALIZED VIEW."""
    name = scene.new_name(into.rel)
    scene.need_schema(name)
    if if_not_exists and _is_there(scene, name):
        return
    scene.need_free(name)
    read = queries.read(query, scene)
    for used in read.uses:
        scene.lock(used, LockMode.ACCESS_SHARE)
    if not into.skip_data:
        reach.say_read(scene, query)
    outputs = queries.renamed(read.outputs, tree.strings(into.col_names))
    made_by = None if if_not_exists and not _is_sure(scene, name) else scene.period
    if is_view:
        uses = {one: frozenset(columns) for one, columns in read.uses.items()}
        names = None if outputs is None else tuple(one.name for one in outputs)
        asked = pg.Node(create_table_as_stmt=pg.CreateTableAsStmt(query=pg.Node(select_stmt=query), into=into))
        asked.create_table_as_stmt.objtype = pg.OBJECT_MATVIEW
        made = View(name, columns=names, uses=uses, is_materialized=True, made_by=made_by)
        scene.catalog.put(replace(made, definition=tree.definition(asked)))
        scene.make(ObjectKind.MATERIALIZED_VIEW, name)
        return
    if into.on_commit == pg.ONCOMMIT_DROP:
        scene.catalog.brief |= {name}
    scene.catalog.put(
        Table(
            name,
            columns=_columns(outputs or ()),
            is_whole=outputs is not None and made_by is not None,
            persistence=_PERSISTENCE.get(into.rel.relpersistence, Persistence.PERMANENT),
            empty_since=scene.period if into.skip_data else None,
            made_by=made_by,
        )
    )
    scene.make(ObjectKind.TABLE, name)


def _columns(outputs: Iterable[Output]) -> dict[str, Column]:
    return {one.name: Column(one.name, one.type) for one in outputs}


def view(scene: Scene, statement: pg.ViewStmt) -> None:
    """CREATE VIEW."""
    name = scene.new_name(statement.view)
    scene.need_schema(name)
    before = scene.catalog.view(name)
    if before is None or not statement.replace or before.is_materialized:
        scene.need_free(name)
    read = queries.read(statement.query.select_stmt, scene)
    for used in read.uses:
        scene.lock(used, LockMode.ACCESS_SHARE)
    outputs = queries.renamed(read.outputs, tree.strings(statement.aliases))
    columns = None if outputs is None else tuple(one.name for one in outputs)
    uses = {one: frozenset(used) for one, used in read.uses.items() if one != name}
    definition = tree.definition(pg.Node(view_stmt=statement))
    made = View(name, columns=columns, uses=uses, definition=definition, made_by=scene.period)
    if before is None:
        # With OR REPLACE there may have been one, in use.
        scene.catalog.put(replace(made, made_by=None) if statement.replace else made)
        scene.make(ObjectKind.VIEW, name)
        return
    scene.aim(name)
    _need_same_columns(scene, before, columns)
    scene.lock(name, LockMode.ACCESS_EXCLUSIVE)
    after = replace(made, made_by=before.made_by, triggers=before.triggers)
    scene.catalog.put(after)
    scene.say(Redefines(before.ref, before, after, "query"))


def _need_same_columns(scene: Scene, before: View, columns: tuple[str, ...] | None) -> None:
    """Raise StatementFails where a view would lose columns, or have others in their place."""
    if before.columns is None or columns is None or columns[: len(before.columns)] == before.columns:
        return
    if not scene.catalog.is_certain(before):
        return
    both = zip(before.columns, columns, strict=False)
    lost = next((old for old, new in both if old != new), before.columns[min(len(columns), len(before.columns) - 1)])
    raise scene.fail(
        FailureCause.REFUSED,
        f"`create or replace view` can only add columns at the end, and `{before.name.name}.{lost}` would not stay "
        "where it is",
        f"keep the columns in front, or write `drop view {before.name.name};` first",
        (before.ref,),
    )


def index(scene: Scene, statement: pg.IndexStmt) -> None:
    """CREATE INDEX."""
    table_name = scene.relation(statement.relation)
    scene.aim(table_name)
    relation = scene.catalog.relation(table_name)
    if statement.idxname:
        name = Name(table_name.schema, statement.idxname)
        if statement.if_not_exists and _is_there(scene, name):
            scene.lock(table_name, LockMode.SHARE_UPDATE_EXCLUSIVE if statement.concurrent else LockMode.SHARE)
            return
        scene.need_free(name)
    else:
        name = _index_name(scene, table_name, statement)
    owner = relation if isinstance(relation, (Table, View)) else scene.table(table_name)
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
        made_by=None if statement.if_not_exists else scene.period,
    )
    if isinstance(owner, Table):
        constraints.need_columns(scene, owner, [*(one for one in made.columns if one is not None), *made.included])
        _build(scene, owner, made, concurrently=statement.concurrent)
    else:
        _say_build(scene, table_name, name, concurrently=statement.concurrent)
    scene.catalog.put(made)
    scene.make(ObjectKind.INDEX, name)


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


def _index_name(scene: Scene, table_name: Name, statement: pg.IndexStmt) -> Name:
    columns = _attributes(statement)
    schema = table_name.schema
    chosen = naming.choose(
        table_name.name, columns, "idx", lambda one: scene.catalog.relation(Name(schema, one)) is not None
    )
    return Name(schema, chosen)


def _attributes(statement: pg.IndexStmt) -> tuple[str, ...]:
    elements = (*statement.index_params, *statement.index_including_params)
    return tuple(node.index_elem.name or _expression_name(node.index_elem.expr) for node in elements)


def _expression_name(node: pg.Node) -> str:
    return tree.name(node.func_call.funcname).name if node.HasField("func_call") else "expr"


def _build(scene: Scene, owner: Table, made: Index, *, concurrently: bool) -> None:
    if made.is_on_only and not owner.is_whole:
        # Nobody writes ONLY but of a partitioned table.
        scene.lock(owner.name, LockMode.SHARE)
        return
    if owner.kind is TableKind.PARTITIONED:
        if concurrently and not owner.is_temporary:
            raise scene.fail(
                FailureCause.PARTITIONED,
                f"`{owner.name.name}` is partitioned, and no index of it can be built concurrently",
                f"write `create index {made.name.name} on only {owner.name.name} (...)`, build one of each partition "
                f"concurrently, and attach them: `alter index {made.name.name} attach partition ...`",
                (owner.ref,),
            )
        scene.lock(owner.name, LockMode.SHARE)
        if made.is_on_only:
            return
        for part in scene.catalog.descendants_of(owner.name):
            if part.kind is TableKind.TABLE:
                _say_build(scene, part.name, None, concurrently=False)
            constraints.copy_index(scene, part, made, parent=made.name)
        if owner in scene.catalog.stored(owner):
            _say_build(scene, owner.name, made.name, concurrently=False)
        return
    _say_build(scene, owner.name, made.name, concurrently=concurrently)


def _say_build(scene: Scene, table_name: Name, index_name: Name | None, *, concurrently: bool) -> None:
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    scene.lock(table_name, mode)
    scene.say(Builds(index_name, table_name, mode, concurrently))


def sequence(scene: Scene, statement: pg.CreateSeqStmt) -> None:
    """CREATE SEQUENCE."""
    name = scene.new_name(statement.sequence)
    scene.need_schema(name)
    if statement.if_not_exists and _is_there(scene, name):
        return
    scene.need_free(name)
    made_by = None if statement.if_not_exists else scene.period
    scene.catalog.put(Sequence(name, owned_by(scene, statement.options), made_by=made_by))
    scene.make(ObjectKind.SEQUENCE, name)


def alter_sequence(scene: Scene, statement: pg.AlterSeqStmt) -> None:
    """ALTER SEQUENCE, of which OWNED BY matters."""
    name = scene.relation(statement.sequence, is_optional=statement.missing_ok)
    if name is None:
        return
    scene.aim(name)
    known = scene.catalog.relation(name)
    names_owner = any(node.def_elem.defname == "owned_by" for node in statement.options)
    if isinstance(known, Sequence) and names_owner:
        scene.catalog.put(replace(known, owner=owned_by(scene, statement.options)))
    scene.say(Redefines(Ref(ObjectKind.SEQUENCE, name), known, scene.catalog.relation(name), "options"))


def owned_by(scene: Scene, options: Iterable[pg.Node]) -> tuple[Name, str] | None:
    """Return the column that OWNED BY names; None without it, and for OWNED BY NONE."""
    for node in options:
        if node.def_elem.defname == "owned_by":
            parts = tree.strings(node.def_elem.arg.list.items)
            return None if len(parts) < 2 else (scene.known(tree.name_of(parts[:-1])), parts[-1])
    return None


def schema(scene: Scene, statement: pg.CreateSchemaStmt) -> None:
    """CREATE SCHEMA; the statements within it are replayed by who calls this."""
    name = statement.schemaname or tree.role(statement.authrole)
    known = scene.catalog.schema(name)
    if known is not None and not statement.if_not_exists and known.made_by is not None:
        raise scene.fail(
            FailureCause.EXISTS, f"there is already a schema `{name}`", "choose another name, or leave it out"
        )
    if known is None:
        made_by = None if statement.if_not_exists else scene.period
        scene.catalog.put_schema(Schema(name, is_whole=not statement.if_not_exists, made_by=made_by))
    scene.make(ObjectKind.SCHEMA, Name(None, name))


def function(scene: Scene, statement: pg.CreateFunctionStmt) -> None:
    """CREATE FUNCTION and CREATE PROCEDURE."""
    name = scene.full(tree.name(statement.funcname))
    scene.need_schema(name)
    parameters = [node.function_parameter for node in statement.parameters]
    given = [one for one in parameters if one.mode not in (pg.FUNC_PARAM_OUT, pg.FUNC_PARAM_TABLE)]
    arguments = tuple(kind for one in given if (kind := scene.type(one.arg_type)) is not None)
    options = tree.options(statement.options)
    settings = [node.def_elem.arg.variable_set_stmt for node in statement.options if node.def_elem.defname == "set"]
    body = options.get("as")
    made = Function(
        name,
        arguments,
        language=(tree.text_of(options, "language") or "").lower(),
        volatility=Volatility(tree.text_of(options, "volatility") or Volatility.VOLATILE),
        is_security_definer=tree.is_on(options, "security"),
        settings=frozenset(one.name.lower() for one in settings),
        is_procedure=statement.is_procedure,
        body=tree.strings(body.arg.list.items)[0] if body is not None and body.arg.list.items else None,
        returns=scene.type(statement.return_type) if statement.HasField("return_type") else None,
        definition=tree.definition(pg.Node(create_function_stmt=statement)),
        made_by=scene.period,
    )
    same = [one for one in scene.catalog.functions(name) if one.arguments == arguments]
    if same and not statement.replace and scene.catalog.is_certain(same[0]):
        raise scene.fail(
            FailureCause.EXISTS,
            f"there is already a function `{name.name}` with these arguments",
            "write `create or replace`, or choose another name",
            (same[0].ref,),
        )
    if statement.replace and not same:
        made = replace(made, made_by=None)
    elif same:
        made = replace(made, made_by=same[0].made_by)
        scene.say(Redefines(made.ref, None, None, "body"))
    scene.catalog.put_function(made)
    if not same:
        scene.make(ObjectKind.FUNCTION, name)


_EVENTS = {4: Event.INSERT, 8: Event.DELETE, 16: Event.UPDATE, 32: Event.TRUNCATE}
_BEFORE, _INSTEAD = 2, 64


def trigger(scene: Scene, statement: pg.CreateTrigStmt) -> None:
    """CREATE TRIGGER."""
    name = scene.relation(statement.relation)
    condition = tree.expression(statement.when_clause)
    columns = set(tree.strings(statement.columns)) | set(condition.columns if condition is not None else ())
    written = tree.name(statement.funcname)
    function_name = scene.catalog.find_function(scene.path, written) or scene.full(written)
    timing = "before" if statement.timing & _BEFORE else "instead of" if statement.timing & _INSTEAD else "after"
    made = Trigger(
        statement.trigname,
        function_name,
        frozenset(columns),
        timing=timing,
        is_for_rows=statement.row,
        events=frozenset(event for bit, event in _EVENTS.items() if statement.events & bit),
        definition=tree.definition(pg.Node(create_trig_stmt=statement)),
    )
    scene.aim(name)
    relation = scene.catalog.relation(name)
    owner = relation if isinstance(relation, View) else scene.table(name)
    if made.name in owner.triggers and not statement.replace:
        raise scene.fail(
            FailureCause.EXISTS,
            f"`{name.name}` already has a trigger `{made.name}`",
            "choose another name, or drop the old one first",
        )
    scene.lock(name, LockMode.SHARE_ROW_EXCLUSIVE)
    scene.catalog.put(replace(owner, triggers={**owner.triggers, made.name: made}))
    if isinstance(owner, Table) and owner.kind is TableKind.PARTITIONED and statement.row:
        for part in scene.catalog.descendants_of(name):
            scene.lock(part.name, LockMode.SHARE_ROW_EXCLUSIVE)
    scene.make(ObjectKind.TRIGGER, name, made.name)


def policy(scene: Scene, statement: pg.CreatePolicyStmt) -> None:
    """CREATE POLICY."""
    name = scene.relation(statement.table)
    scene.aim(name)
    owner = scene.table(name)
    if statement.policy_name in owner.policies:
        raise scene.fail(
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
    scene.lock(name, LockMode.ACCESS_EXCLUSIVE)
    scene.catalog.put(replace(owner, policies={**owner.policies, made.name: made}))
    if made.is_permissive and owner.has_row_security and owner.policies and access.is_always_true(statement.qual):
        others = "another policy" if len(owner.policies) == 1 else "other policies"
        opened = f"shows all rows to those whom `{made.name}` is for, whatever {others} of it may say"
        scene.say(OpensRows(name, opened, made.name))
    scene.make(ObjectKind.POLICY, name, made.name)


def rule(scene: Scene, statement: pg.RuleStmt) -> None:
    """CREATE RULE."""
    name = scene.relation(statement.relation)
    scene.aim(name)
    scene.lock(name, LockMode.ACCESS_EXCLUSIVE)
    owner = scene.catalog.relation(name)
    if not isinstance(owner, View):
        known = scene.table(name)
        scene.catalog.put(replace(known, rules=known.rules | {statement.rulename}))
    scene.make(ObjectKind.RULE, name, statement.rulename)


def extension(scene: Scene, statement: pg.CreateExtensionStmt) -> None:
    """CREATE EXTENSION."""
    scene.catalog.extensions |= {statement.extname}
    if statement.extname not in _WITHOUT_TABLES:
        scene.catalog.open_schema(scene.path[0])
        scene.catalog.open_schema("public")
    scene.make(ObjectKind.EXTENSION, Name(None, statement.extname))


_WITHOUT_TABLES = frozenset(
    {
        "amcheck", "bloom", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn",
        "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "lo", "ltree", "moddatetime", "pg_trgm",
        "pgcrypto", "plpgsql", "seg", "tablefunc", "tcn", "tsm_system_rows", "unaccent", "uuid-ossp",
        "uuid_ossp", "vector", "xml2",
    }
)  # fmt: skip
"""Extensions that make no tables or views."""


def role(scene: Scene, statement: pg.CreateRoleStmt) -> None:
    """CREATE ROLE and CREATE USER."""
    scene.catalog.roles |= {statement.role}
    access.role(scene, statement.role, statement.options)
    scene.make(ObjectKind.ROLE, Name(None, statement.role))
