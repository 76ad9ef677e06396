"""What reads and writes rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import access, constraints, create, queries, reach, tree
from zmig.lint.replay.effects import Extent, FiresTrigger, LocksRows, RowChange, RunsCode, WritesRows
from zmig.lint.replay.objects import Event, LockMode
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.objects import Table
    from zmig.lint.replay.statement_replay import StatementReplay
    from zmig.sql.token_reader import Name


def insert(replay: StatementReplay, statement: pg.InsertStmt) -> None:
    """INSERT."""
    _read(replay, statement)
    name = replay.relation(statement.relation)
    query = statement.select_stmt.select_stmt
    is_listed = bool(query.values_lists) or not (query.from_clause or query.op in tree.SET_OPERATIONS)
    is_listed = is_listed or reach.is_one_row(query)
    columns = [node.res_target.name for node in statement.cols]
    reach.record_read(replay, query)
    overwrites = statement.on_conflict_clause.action == pg.ONCONFLICT_UPDATE
    extent = Extent.FEW if is_listed else Extent.SOME
    _write(replay, name, RowChange.INSERT, extent, columns, overwrites=overwrites)
    if overwrites:
        fire(replay, name, Event.UPDATE, [node.res_target.name for node in statement.on_conflict_clause.target_list])


def update(replay: StatementReplay, statement: pg.UpdateStmt) -> None:
    """UPDATE."""
    _read(replay, statement)
    columns = [node.res_target.name for node in statement.target_list]
    name = _target(replay, statement)
    reached = reach.extent(statement.where_clause, _table(replay, name), statement.from_clause)
    _write(replay, name, RowChange.UPDATE, reached, columns, is_picked=reach.is_picked(statement.where_clause))


def delete(replay: StatementReplay, statement: pg.DeleteStmt) -> None:
    """DELETE."""
    _read(replay, statement)
    name = _target(replay, statement)
    reached = reach.extent(statement.where_clause, _table(replay, name), statement.using_clause)
    _write(replay, name, RowChange.DELETE, reached, (), is_picked=reach.is_picked(statement.where_clause))


def merge(replay: StatementReplay, statement: pg.MergeStmt) -> None:
    """MERGE."""
    _read(replay, statement)
    extent = Extent.FEW if reach.is_listed(statement.source_relation) else Extent.SOME
    reach.record_source(replay, statement.source_relation)
    _write(replay, replay.relation(statement.relation), RowChange.MERGE, extent, ())


def copy(replay: StatementReplay, statement: pg.CopyStmt) -> None:
    """COPY."""
    if statement.HasField("relation"):
        name = replay.relation(statement.relation)
        if statement.is_from:
            _write(replay, name, RowChange.COPY, Extent.SOME, tree.strings(statement.attlist))


def _table(replay: StatementReplay, name: Name | None) -> Table | None:
    return None if name is None else replay.catalog.table(name)


def _target(replay: StatementReplay, statement: pg.UpdateStmt | pg.DeleteStmt) -> Name | None:
    relation = statement.relation
    named = {node.common_table_expr.ctename for node in statement.with_clause.ctes}
    return None if not relation.schemaname and relation.relname in named else replay.relation(relation)


def _write(
    replay: StatementReplay, name: Name | None, change: RowChange, extent: Extent, columns: Iterable[str], *,
    overwrites: bool = False, is_picked: bool = False,
) -> None:  # fmt: skip
    if name is None:
        return
    replay.add_target(name)
    table = replay.catalog.table(name)
    columns = tuple(columns)
    if table is not None:
        constraints.need_columns(replay, table, columns)
    replay.lock(name, LockMode.ROW_EXCLUSIVE)
    replay.record(WritesRows(name, change, extent, columns, overwrites=overwrites, is_picked=is_picked))
    for event in _EVENTS[change]:
        fire(replay, name, event, columns)
    if table is None or change in (RowChange.DELETE, RowChange.UPDATE):
        return
    for one in (table, *replay.catalog.descendants_of(name)):
        if one.empty_since is not None:
            replay.catalog.put(replace(one, empty_since=None))


_EVENTS = {
    RowChange.INSERT: (Event.INSERT,),
    RowChange.COPY: (Event.INSERT,),
    RowChange.UPDATE: (Event.UPDATE,),
    RowChange.DELETE: (Event.DELETE,),
    RowChange.MERGE: (Event.INSERT, Event.UPDATE, Event.DELETE),
}


def fire(replay: StatementReplay, name: Name, event: Event, columns: Iterable[str] = ()) -> None:
    """Record the triggers of a table, and of those that it is part of, that a statement fires."""
    table = replay.catalog.table(name)
    if table is None:
        return
    changed = frozenset(columns)
    for one in table.triggers.values():
        is_about = event is not Event.UPDATE or not (one.columns and changed) or not changed.isdisjoint(one.columns)
        if one.is_enabled and event in one.events and is_about:
            replay.record(FiresTrigger(name, one.name, one.function))
    if table.is_partition and event is not Event.TRUNCATE:
        for parent in table.parents:
            fire(replay, parent, event, columns)


def _read(replay: StatementReplay, statement: tree.Message) -> None:
    """Record what the queries of a statement read, and what is written within them."""
    for part in tree.walk(statement):
        if part is statement:
            continue
        if isinstance(part, pg.CommonTableExpr):
            _written_within(replay, part.ctequery)
        elif isinstance(part, pg.RangeVar) and (read := replay.catalog.find(replay.path, tree.relation_name(part))):
            replay.lock(read, LockMode.ACCESS_SHARE)


def _written_within(replay: StatementReplay, node: pg.Node) -> None:
    match tree.kind_of(node):
        case "insert_stmt":
            insert(replay, node.insert_stmt)
        case "update_stmt":
            update(replay, node.update_stmt)
        case "delete_stmt":
            delete(replay, node.delete_stmt)
        case _:
            pass


def select(replay: StatementReplay, statement: pg.SelectStmt) -> None:
    """SELECT, which may make a table, write rows, or call what does anything."""
    if statement.HasField("into_clause"):
        create.table_as(replay, statement, statement.into_clause, if_not_exists=False, is_view=False)
        return
    _read(replay, statement)
    read = queries.read(statement, replay)
    for name in read.uses:
        replay.lock(name, LockMode.ACCESS_SHARE)
    reach.record_read(replay, statement)
    _lock_rows(replay, statement)
    for part in tree.walk(statement):
        if isinstance(part, pg.FuncCall):
            called = tree.name(part.funcname)
            access.sleep(replay, called)
            access.drop_slot(replay, called, part.args)
            access.end_sessions(replay, called)
            access.set_sequence(replay, called, part.args)
            access.set_config(replay, called, part.args)
            found = replay.catalog.find_function(replay.path, called)
            for one in replay.catalog.functions(found) if found is not None else ():
                replay.record(RunsCode(one.body or "", one.name))
                replay.catalog.allow_for_code(one.body or "execute")


_STRONG = frozenset({pg.LCS_FORSHARE, pg.LCS_FORNOKEYUPDATE, pg.LCS_FORUPDATE})
"""The locks of rows for which whoever changes them waits."""


def _lock_rows(replay: StatementReplay, statement: pg.SelectStmt) -> None:
    """Record which rows FOR UPDATE and the like lock."""
    clauses = [node.locking_clause for node in statement.locking_clause]
    if not clauses or tree.kind_of(statement.limit_count):
        return
    sources = [*statement.from_clause]
    for one in (found for node in sources for found in reach.tables(node)):
        alias = one.alias.aliasname or one.relname
        meant = [
            clause
            for clause in clauses
            if not clause.locked_rels or alias in {node.range_var.relname for node in clause.locked_rels}
        ]
        name = replay.catalog.find(replay.path, tree.relation_name(one)) if meant else None
        if name is None:
            continue
        replay.lock(name, LockMode.ROW_SHARE)
        # Rows that somebody else has locked are passed over, or end the statement: nobody waits for them.
        if any(clause.strength in _STRONG for clause in meant):
            others = [node for node in sources if not (node.HasField("range_var") and node.range_var == one)]
            extent = reach.extent(statement.where_clause, replay.catalog.table(name), others)
            replay.record(LocksRows(name, extent, is_picked=reach.is_picked(statement.where_clause)))


def code(replay: StatementReplay, statement: pg.DoStmt) -> None:
    """DO."""
    text = next((tree.option_text(node.def_elem) for node in statement.args if node.def_elem.defname == "as"), "")
    replay.record(RunsCode(text or ""))
    replay.catalog.allow_for_code(text or "")


def call(replay: StatementReplay, statement: pg.CallStmt) -> None:
    """CALL, of whose procedure only what the migrations made is known."""
    called = tree.name(statement.funccall.funcname)
    found = replay.catalog.find_function(replay.path, called)
    bodies = [one.body or "" for one in replay.catalog.functions(found)] if found is not None else ["drop"]
    for body in bodies:
        replay.record(RunsCode(body, found))
        replay.catalog.allow_for_code(body)
