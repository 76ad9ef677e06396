"""What works on whole tables and leaves their definition alone: TRUNCATE, VACUUM, CLUSTER, REINDEX, REFRESH, LOCK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import tree
from zmig.lint.replay.effects import (
    Builds,
    Extent,
    FailureCause,
    LosesData,
    RewriteCause,
    Rewrites,
    RowChange,
    WritesRows,
)
from zmig.lint.replay.objects import LockMode, ObjectKind, Ref, TableKind
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.scene import Scene

EVERY_TABLE = Name(None, "")
"""Stands for all tables of the database, where a command names none."""
_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def truncate(scene: Scene, statement: pg.TruncateStmt) -> None:
    """TRUNCATE."""
    names = [scene.relation(node.range_var) for node in statement.relations]
    for name in names:
        scene.aim(name)
    emptied = _emptied(scene, names, cascade=statement.behavior == pg.DROP_CASCADE)
    for name in emptied:
        scene.lock(name, _EXCLUSIVE)
        table = scene.catalog.table(name)
        scene.say(WritesRows(name, RowChange.TRUNCATE, Extent.ALL))
        for index in scene.catalog.indexes_of(name):
            if table is not None and table.kind is TableKind.TABLE:
                scene.say(Builds(index.name, name, _EXCLUSIVE, is_rebuilt=True, is_of_nothing=True))
        if table is None or scene.catalog.may_have_rows(table):
            scene.say(LosesData(Ref(ObjectKind.TABLE, name)))
        if table is not None:
            scene.catalog.put(replace(table, empty_since=scene.period))


def _emptied(scene: Scene, names: list[Name], *, cascade: bool) -> list[Name]:
    """Return the tables that are emptied: those named, their partitions, and by CASCADE what references them."""
    emptied = dict.fromkeys(names)
    for name in names:
        emptied |= {one.name: None for one in scene.catalog.descendants_of(name)}
    waiting = [*emptied]
    while waiting:
        name = waiting.pop()
        for other, key in scene.catalog.referencing(name):
            if other.name in emptied:
                continue
            if not cascade:
                reason = f"`{name.name}` cannot be emptied: `{other.name.name}` references it by `{key.name}`"
                advice = f"write `truncate {name.name}, {other.name.name}`"
                blocker = Ref(ObjectKind.CONSTRAINT, other.name, key.name)
                raise scene.fail(FailureCause.IN_THE_WAY, reason, advice, (blocker,))
            emptied[other.name] = None
            waiting.append(other.name)
    return [*emptied]


def lock(scene: Scene, statement: pg.LockStmt) -> None:
    """LOCK TABLE."""
    for node in statement.relations:
        name = scene.relation(node.range_var)
        mode = LockMode(statement.mode) if 1 <= statement.mode <= len(LockMode) else _EXCLUSIVE
        scene.aim(name)
        for one in (name, *(child.name for child in scene.catalog.descendants_of(name))):
            scene.lock(one, mode)


def vacuum(scene: Scene, statement: pg.VacuumStmt) -> None:
    """VACUUM and ANALYZE."""
    options = tree.options(statement.options)
    is_full = statement.is_vacuumcmd and tree.is_on(options, "full")
    names = [scene.relation(node.vacuum_relation.relation) for node in statement.rels]
    for name in names or [EVERY_TABLE]:
        scene.aim(name)
        scene.lock(name, _EXCLUSIVE if is_full else LockMode.SHARE_UPDATE_EXCLUSIVE)
        if is_full:
            scene.say(Rewrites(name, RewriteCause.COMMAND, "`VACUUM FULL` leaves no gaps in it"))


def cluster(scene: Scene, statement: pg.ClusterStmt) -> None:
    """CLUSTER."""
    name = scene.relation(statement.relation) if statement.HasField("relation") else EVERY_TABLE
    scene.aim(name)
    scene.lock(name, _EXCLUSIVE)
    scene.say(Rewrites(name, RewriteCause.COMMAND, "`CLUSTER` puts its rows in order"))


def reindex(scene: Scene, statement: pg.ReindexStmt) -> None:
    """REINDEX."""
    options = tree.options(statement.params)
    concurrently = tree.is_on(options, "concurrently")
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    if not statement.HasField("relation"):
        scene.aim(EVERY_TABLE)
        scene.say(Builds(None, EVERY_TABLE, mode, concurrently, is_rebuilt=True))
        return
    name = scene.relation(statement.relation)
    scene.aim(name)
    if statement.kind == pg.REINDEX_OBJECT_INDEX:
        index = scene.catalog.index(name)
        table = name if index is None else index.table
        scene.lock(table, mode)
        scene.say(Builds(name, table, mode, concurrently, is_rebuilt=True))
        return
    table = scene.catalog.table(name)
    for one in (name,) if table is None else (part.name for part in scene.catalog.stored(table)):
        scene.lock(one, mode)
        scene.say(Builds(None, one, mode, concurrently, is_rebuilt=True))


def refresh(scene: Scene, statement: pg.RefreshMatViewStmt) -> None:
    """REFRESH MATERIALIZED VIEW."""
    name = scene.relation(statement.relation)
    scene.aim(name)
    view = scene.catalog.view(name)
    if view is not None and not view.is_materialized and scene.catalog.is_certain(view):
        reason = f"`{name.name}` is no materialized view"
        raise scene.fail(FailureCause.REFUSED, reason, "correct the name", (view.ref,))
    if statement.concurrent:
        if view is not None and scene.catalog.is_certain(view):
            keys = (one for one in scene.catalog.indexes_of(name) if one.is_unique and one.predicate is None)
            if not any(not one.expressions for one in keys):
                reason = f"`{name.name}` has no unique index of plain columns, which `concurrently` needs"
                raise scene.fail(FailureCause.REFUSED, reason, "create one first", (view.ref,))
        scene.lock(name, LockMode.EXCLUSIVE)
        return
    scene.lock(name, _EXCLUSIVE)
    if not statement.skip_data:
        reason = "`REFRESH MATERIALIZED VIEW` fills it again"
        scene.say(Rewrites(name, RewriteCause.COMMAND, reason))


def comment(scene: Scene, statement: pg.CommentStmt) -> None:
    """COMMENT ON: of a table and its columns, under a lock of it."""
    parts = tree.strings(statement.object.list.items)
    if statement.objtype == pg.OBJECT_COLUMN:
        parts = parts[:-1]
    elif statement.objtype not in (pg.OBJECT_TABLE, pg.OBJECT_VIEW):
        return
    written = tree.name_of(parts)
    # A composite type has columns, too.
    if scene.catalog.find_type(scene.path, written) is None:
        scene.lock(scene.known(written), LockMode.SHARE_UPDATE_EXCLUSIVE)
