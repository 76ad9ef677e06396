"""What reads and writes rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import access, constraints, create, queries, reach, tree
from zmig.lint.replay.effects import Extent, RowChange, RunsCode, WritesRows
from zmig.lint.replay.objects import LockMode
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.objects import Table
    from zmig.lint.replay.scene import Scene
    from zmig.sql.token_reader import Name


def insert(scene: Scene, statement: pg.InsertStmt) -> None:
    """INSERT."""
    _read(scene, statement)
    name = scene.relation(statement.relation)
    query = statement.select_stmt.select_stmt
    is_listed = bool(query.values_lists) or not (query.from_clause or query.op in tree.SET_OPERATIONS)
    columns = [node.res_target.name for node in statement.cols]
    reach.say_read(scene, query)
    _write(scene, name, RowChange.INSERT, Extent.FEW if is_listed else Extent.SOME, columns)


def update(scene: Scene, statement: pg.UpdateStmt) -> None:
    """UPDATE."""
    _read(scene, statement)
    columns = [node.res_target.name for node in statement.target_list]
    name = _target(scene, statement)
    reached = reach.extent(statement.where_clause, _table(scene, name), statement.from_clause)
    _write(scene, name, RowChange.UPDATE, reached, columns)


def delete(scene: Scene, statement: pg.DeleteStmt) -> None:
    """DELETE."""
    _read(scene, statement)
    name = _target(scene, statement)
    reached = reach.extent(statement.where_clause, _table(scene, name), statement.using_clause)
    _write(scene, name, RowChange.DELETE, reached, ())


def merge(scene: Scene, statement: pg.MergeStmt) -> None:
    """MERGE."""
    _read(scene, statement)
    _write(scene, scene.relation(statement.relation), RowChange.MERGE, Extent.SOME, ())


def copy(scene: Scene, statement: pg.CopyStmt) -> None:
    """COPY."""
    if statement.HasField("relation"):
        name = scene.relation(statement.relation)
        if statement.is_from:
            _write(scene, name, RowChange.COPY, Extent.SOME, tree.strings(statement.attlist))


def _table(scene: Scene, name: Name | None) -> Table | None:
    return None if name is None else scene.catalog.table(name)


def _target(scene: Scene, statement: pg.UpdateStmt | pg.DeleteStmt) -> Name | None:
    relation = statement.relation
    named = {node.common_table_expr.ctename for node in statement.with_clause.ctes}
    return None if not relation.schemaname and relation.relname in named else scene.relation(relation)


def _write(scene: Scene, name: Name | None, change: RowChange, extent: Extent, columns: Iterable[str]) -> None:
    if name is None:
        return
    scene.aim(name)
    table = scene.catalog.table(name)
    columns = tuple(columns)
    if table is not None:
        constraints.need_columns(scene, table, columns)
    scene.lock(name, LockMode.ROW_EXCLUSIVE)
    scene.say(WritesRows(name, change, extent, columns))
    if table is None or change in (RowChange.DELETE, RowChange.UPDATE):
        return
    for one in (table, *scene.catalog.descendants_of(name)):
        if one.empty_since is not None:
            scene.catalog.put(replace(one, empty_since=None))


def _read(scene: Scene, statement: tree.Message) -> None:
    """Say what the queries of a statement read, and what is written within them."""
    for part in tree.walk(statement):
        if part is statement:
            continue
        if isinstance(part, pg.CommonTableExpr):
            _written_within(scene, part.ctequery)
        elif isinstance(part, pg.RangeVar) and (read := scene.catalog.find(scene.path, tree.relation_name(part))):
            scene.lock(read, LockMode.ACCESS_SHARE)


def _written_within(scene: Scene, node: pg.Node) -> None:
    match tree.kind_of(node):
        case "insert_stmt":
            insert(scene, node.insert_stmt)
        case "update_stmt":
            update(scene, node.update_stmt)
        case "delete_stmt":
            delete(scene, node.delete_stmt)
        case _:
            pass


def select(scene: Scene, statement: pg.SelectStmt) -> None:
    """SELECT, which may make a table, write rows, or call what does anything."""
    if statement.HasField("into_clause"):
        create.table_as(scene, statement, statement.into_clause, if_not_exists=False, is_view=False)
        return
    _read(scene, statement)
    read = queries.read(statement, scene)
    for name in read.uses:
        scene.lock(name, LockMode.ACCESS_SHARE)
    reach.say_read(scene, statement)
    for part in tree.walk(statement):
        if isinstance(part, pg.FuncCall):
            called = tree.name(part.funcname)
            access.sleep(scene, called)
            found = scene.catalog.find_function(scene.path, called)
            for one in scene.catalog.functions(found) if found is not None else ():
                scene.say(RunsCode(one.body or "", one.name))
                scene.catalog.distrust(one.body or "execute")


def code(scene: Scene, statement: pg.DoStmt) -> None:
    """DO."""
    text = next((tree.option_text(node.def_elem) for node in statement.args if node.def_elem.defname == "as"), "")
    scene.say(RunsCode(text or ""))
    scene.catalog.distrust(text or "")


def call(scene: Scene, statement: pg.CallStmt) -> None:
    """CALL, of whose procedure only what the migrations made is known."""
    called = tree.name(statement.funccall.funcname)
    found = scene.catalog.find_function(scene.path, called)
    bodies = [one.body or "" for one in scene.catalog.functions(found)] if found is not None else ["drop"]
    for body in bodies:
        scene.say(RunsCode(body, found))
        scene.catalog.distrust(body)
