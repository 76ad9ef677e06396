"""What works on whole tables and leaves their definition alone: TRUNCATE, VACUUM, CLUSTER, REINDEX, REFRESH, LOCK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import rows, tree
from zmig.lint.replay.effects import (
    Analyzes,
    Builds,
    Extent,
    FailureCause,
    LosesData,
    RewriteCause,
    Rewrites,
    RowChange,
    WritesRows,
)
from zmig.lint.replay.objects import Event, LockMode, ObjectKind, Ref, TableKind
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.statement_replay import StatementReplay

EVERY_TABLE = Name(None, "")
"""Stands for all tables of the database, where a command names none."""
_EXCLUSIVE = LockMode.ACCESS_EXCLUSIVE


def truncate(replay: StatementReplay, statement: pg.TruncateStmt) -> None:
    """TRUNCATE."""
    names = [replay.relation(node.range_var) for node in statement.relations]
    for name in names:
        replay.add_target(name)
    emptied = _emptied(replay, names, cascade=statement.behavior == pg.DROP_CASCADE)
    for name in emptied:
        replay.lock(name, _EXCLUSIVE)
        table = replay.catalog.table(name)
        replay.record(WritesRows(name, RowChange.TRUNCATE, Extent.ALL))
        rows.fire(replay, name, Event.TRUNCATE)
        for index in replay.catalog.indexes_of(name):
            if table is not None and table.kind is TableKind.TABLE:
                replay.record(Builds(index.name, name, _EXCLUSIVE, is_rebuilt=True, is_of_nothing=True))
        if table is None or replay.catalog.may_have_rows(table):
            replay.record(LosesData(Ref(ObjectKind.TABLE, name)))
        if table is not None:
            replay.catalog.put(replace(table, empty_since=replay.generation))


def _emptied(replay: StatementReplay, names: list[Name], *, cascade: bool) -> list[Name]:
    """Return the tables that are emptied: those named, their partitions, and by CASCADE what references them."""
    emptied = dict.fromkeys(names)
    for name in names:
        emptied |= {one.name: None for one in replay.catalog.descendants_of(name)}
    waiting = [*emptied]
    while waiting:
        name = waiting.pop()
        for other, key in replay.catalog.referencing(name):
            if other.name in emptied:
                continue
            if not cascade:
                reason = f"`{name.name}` cannot be emptied: `{other.name.name}` references it by `{key.name}`"
                advice = f"write `truncate {name.name}, {other.name.name}`"
                blocker = Ref(ObjectKind.CONSTRAINT, other.name, key.name)
                raise replay.fail(FailureCause.IN_THE_WAY, reason, advice, (blocker,))
            emptied[other.name] = None
            waiting.append(other.name)
    return [*emptied]


def lock(replay: StatementReplay, statement: pg.LockStmt) -> None:
    """LOCK TABLE."""
    for node in statement.relations:
        name = replay.relation(node.range_var)
        mode = LockMode(statement.mode) if 1 <= statement.mode <= len(LockMode) else _EXCLUSIVE
        replay.add_target(name)
        for one in (name, *(child.name for child in replay.catalog.descendants_of(name))):
            replay.lock(one, mode)


def vacuum(replay: StatementReplay, statement: pg.VacuumStmt) -> None:
    """VACUUM and ANALYZE."""
    options = tree.options(statement.options)
    is_full = statement.is_vacuumcmd and tree.is_on(options, "full")
    names = [replay.relation(node.vacuum_relation.relation) for node in statement.rels]
    for name in names or [EVERY_TABLE]:
        replay.add_target(name)
        replay.lock(name, _EXCLUSIVE if is_full else LockMode.SHARE_UPDATE_EXCLUSIVE)
        if not statement.is_vacuumcmd:
            replay.record(Analyzes(name))
        if is_full:
            replay.record(Rewrites(name, RewriteCause.COMMAND, "`VACUUM FULL` leaves no gaps in it"))


def move_all(replay: StatementReplay, statement: pg.AlterTableMoveAllStmt) -> None:
    """ALTER TABLE, INDEX or MATERIALIZED VIEW ALL IN TABLESPACE, which moves whatever is there."""
    replay.add_target(EVERY_TABLE)
    replay.lock(EVERY_TABLE, _EXCLUSIVE)
    if statement.objtype == pg.OBJECT_INDEX:
        replay.record(Builds(None, EVERY_TABLE, _EXCLUSIVE, is_rebuilt=True))
        return
    reason = f"what is in the tablespace `{statement.orig_tablespacename}` moves to `{statement.new_tablespacename}`"
    replay.record(Rewrites(EVERY_TABLE, RewriteCause.TABLESPACE, reason))


def cluster(replay: StatementReplay, statement: pg.ClusterStmt) -> None:
    """CLUSTER."""
    name = replay.relation(statement.relation) if statement.HasField("relation") else EVERY_TABLE
    replay.add_target(name)
    replay.lock(name, _EXCLUSIVE)
    replay.record(Rewrites(name, RewriteCause.COMMAND, "`CLUSTER` puts its rows in order"))


def reindex(replay: StatementReplay, statement: pg.ReindexStmt) -> None:
    """REINDEX."""
    options = tree.options(statement.params)
    concurrently = tree.is_on(options, "concurrently")
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    if not statement.HasField("relation"):
        replay.add_target(EVERY_TABLE)
        replay.record(Builds(None, EVERY_TABLE, mode, concurrently, is_rebuilt=True))
        return
    name = replay.relation(statement.relation)
    replay.add_target(name)
    if statement.kind == pg.REINDEX_OBJECT_INDEX:
        index = replay.catalog.index(name)
        table = name if index is None else index.table
        replay.lock(table, mode)
        replay.record(Builds(name, table, mode, concurrently, is_rebuilt=True))
        return
    table = replay.catalog.table(name)
    for one in (name,) if table is None else (part.name for part in replay.catalog.stored(table)):
        replay.lock(one, mode)
        replay.record(Builds(None, one, mode, concurrently, is_rebuilt=True))


def refresh(replay: StatementReplay, statement: pg.RefreshMatViewStmt) -> None:
    """REFRESH MATERIALIZED VIEW."""
    name = replay.relation(statement.relation)
    replay.add_target(name)
    view = replay.catalog.view(name)
    if view is not None and not view.is_materialized and replay.catalog.is_certain(view):
        reason = f"`{name.name}` is no materialized view"
        raise replay.fail(FailureCause.REFUSED, reason, "correct the name", (view.ref,))
    if statement.concurrent:
        if view is not None and replay.catalog.is_certain(view):
            keys = (one for one in replay.catalog.indexes_of(name) if one.is_unique and one.predicate is None)
            if not any(not one.expressions for one in keys):
                reason = f"`{name.name}` has no unique index of plain columns, which `concurrently` needs"
                raise replay.fail(FailureCause.REFUSED, reason, "create one first", (view.ref,))
        replay.lock(name, LockMode.EXCLUSIVE)
        return
    replay.lock(name, _EXCLUSIVE)
    if not statement.skip_data:
        reason = "`REFRESH MATERIALIZED VIEW` fills it again"
        replay.record(Rewrites(name, RewriteCause.COMMAND, reason))


def comment(replay: StatementReplay, statement: pg.CommentStmt) -> None:
    """COMMENT ON: of a table and its columns, under a lock of it."""
    parts = tree.strings(statement.object.list.items)
    if statement.objtype == pg.OBJECT_COLUMN:
        parts = parts[:-1]
    elif statement.objtype not in (pg.OBJECT_TABLE, pg.OBJECT_VIEW):
        return
    written = tree.name_of(parts)
    # A composite type has columns, too.
    if replay.catalog.find_type(replay.path, written) is None:
        replay.lock(replay.known(written), LockMode.SHARE_UPDATE_EXCLUSIVE)
