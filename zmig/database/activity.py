"""What the server's backends are doing: the one at work, how far its statement is, who blocks it. Reads only.

What a role may not see of other roles' backends is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.sql import message
from zmig.sql.quoting import array
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.database.types import Connection, Questioning

_COPY_PROGRESS_SINCE = 140000
_INDEXES_OF_VACUUM_SINCE = 170000
_DEEPEST = 8


@valueclass
class Backend:
    """One server process that serves a client."""

    pid: int
    _: KW_ONLY
    started_at: datetime | None
    """Distinguishes it from a later backend of the same pid."""
    application_name: str | None
    database_user: str | None
    host: str | None
    state: str | None
    """As PostgreSQL spells it: `active`, `idle in transaction`, ..."""
    since: datetime | None
    """When its transaction began, else its latest change of state."""
    query: str | None
    """The running statement, else the latest; PostgreSQL cuts it after `track_activity_query_size` bytes."""
    query_since: datetime | None
    wait: str | None
    """What it waits for, as `Lock: relation`; None while it computes."""
    statement: int | None = None
    """Which statement of its migration's file `query` is, from 1; None where the message does not say."""

    @property
    def waits_for_lock(self) -> bool:
        """Whether another backend keeps it waiting."""
        return (self.wait or "").startswith("Lock:")


@valueclass
class Blocker:
    """A backend that keeps another one waiting; who keeps *it* waiting follows, one level deeper."""

    depth: int
    """0 for those that block the backend asked about."""
    waiting_pid: int
    pid: int
    """0 for a prepared transaction, which has no backend."""
    backend: Backend | None


@valueclass
class ServerProgress:
    """How far a statement is, as the server reports it."""

    command: str
    phase: str
    _: KW_ONLY
    relation: str | None
    done: int | None = None
    total: int | None = None
    unit: str | None = None

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1; None where the phase has no end that could be known."""
        return min(1.0, (self.done or 0) / self.total) if self.total else None


@valueclass
class BackendWork:
    """What one backend is doing."""

    backend: Backend
    progress: ServerProgress | None = None
    blockers: tuple[Blocker, ...] = ()


@valueclass
class Blocking:
    """Who keeps a run waiting; the backend that runs is never among them."""

    now: tuple[Blocker, ...] = ()
    """Those that block it at this moment, those first that block it directly."""
    before: tuple[Blocker, ...] = ()
    """Others that blocked it earlier, and are still in the transaction they did it with."""


_BACKEND = """a.pid, a.backend_start, a.application_name, a.usename::text, host(a.client_addr), a.state,
    coalesce(a.xact_start, a.state_change), a.query, a.query_start, a.wait_event_type || ': ' || a.wait_event"""

_ONE = f"select {_BACKEND} from pg_catalog.pg_stat_activity a where a.pid = %s"

_SEVERAL = f"select {_BACKEND} from pg_catalog.pg_stat_activity a where a.pid = any({{pids}}::int[])"

_BLOCKERS = f"""
with recursive tree (pid, waiting_pid, path) as (
    select found.pid, {{pid}}, array[{{pid}}, found.pid]
    from (select distinct unnest(pg_catalog.pg_blocking_pids({{pid}}))) as found (pid)
    union all
    select found.pid, tree.pid, tree.path || found.pid
    from tree cross join lateral (select distinct unnest(pg_catalog.pg_blocking_pids(tree.pid))) as found (pid)
    where tree.pid <> 0 and found.pid <> all (tree.path) and array_length(tree.path, 1) <= {_DEEPEST}
)
select array_length(tree.path, 1) - 2, tree.waiting_pid, tree.pid, {_BACKEND}
from tree left join pg_catalog.pg_stat_activity a on a.pid = tree.pid
order by tree.path
"""
"""The tree of those that block a backend.

`pg_blocking_pids` may name one twice, as of a parallel query, and names a prepared transaction by 0, about which nobody
can be asked. `path` ends a circle, which is a deadlock that the server has not found yet.
"""

_CREATE_INDEX = """
select command, phase, relid, index_relid,
    case when blocks_total > 0 then blocks_done when tuples_total > 0 then tuples_done
        when lockers_total > 0 then lockers_done else partitions_done end,
    case when blocks_total > 0 then blocks_total when tuples_total > 0 then tuples_total
        when lockers_total > 0 then lockers_total else partitions_total end,
    case when blocks_total > 0 then 'blocks' when tuples_total > 0 then 'rows'
        when lockers_total > 0 then 'transactions waited for' else 'partitions' end
from pg_catalog.pg_stat_progress_create_index where pid = %(pid)s"""

_CLUSTER = """
select command, phase, relid, cluster_index_relid, heap_blks_scanned, heap_blks_total, 'blocks'
from pg_catalog.pg_stat_progress_cluster where pid = %(pid)s"""

_VACUUM = """
select 'VACUUM', phase, relid, 0::oid,
    case when phase = 'vacuuming heap' then heap_blks_vacuumed {case} else heap_blks_scanned end,
    case when phase = 'vacuuming heap' then heap_blks_total {total} else heap_blks_total end,
    {unit}
from pg_catalog.pg_stat_progress_vacuum where pid = %(pid)s"""

_ANALYZE = """
select 'ANALYZE', phase, relid, 0::oid, sample_blks_scanned, sample_blks_total, 'blocks'
from pg_catalog.pg_stat_progress_analyze where pid = %(pid)s"""

_COPY = """
select command, type, relid, 0::oid, bytes_processed, bytes_total, 'bytes'
from pg_catalog.pg_stat_progress_copy where pid = %(pid)s"""

_RELATION = """(
    select case when n.nspname = 'public' then quote_ident(c.relname) else format('%%I.%%I', n.nspname, c.relname) end
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = coalesce(nullif(p.index_relid, 0), nullif(p.relid, 0)))"""


def _vacuum_sql(server_version: int) -> str:
    if server_version < _INDEXES_OF_VACUUM_SINCE:
        return _VACUUM.format(case="", total="", unit="'blocks'")
    indexes = "when phase in ('vacuuming indexes', 'cleaning up indexes') then"
    return _VACUUM.format(
        case=f"{indexes} indexes_processed",
        total=f"{indexes} indexes_total",
        unit=f"case {indexes} 'indexes' else 'blocks' end",
    )


def _progress_sql(server_version: int) -> str:
    """Return the query over every progress view that this server has."""
    views = [_CREATE_INDEX, _CLUSTER, _vacuum_sql(server_version), _ANALYZE]
    if server_version >= _COPY_PROGRESS_SINCE:
        views.append(_COPY)
    return (
        f"select p.command, p.phase, {_RELATION}, p.done, p.total, p.unit from ("
        + " union all ".join(f"({view})" for view in views)
        + ") as p (command, phase, relid, index_relid, done, total, unit) limit 1"
    )


def work(connection: Connection, pid: int) -> BackendWork | None:
    """Return what the backend `pid` is doing; None when there is no such backend."""
    row = connection.execute(_ONE.encode(), [pid]).fetchone()
    if row is None:
        return None
    backend = _backend(row)
    return BackendWork(
        backend,
        progress(connection, pid),
        tuple(blockers(connection, pid)) if backend.waits_for_lock else (),
    )


def progress(connection: Connection, pid: int) -> ServerProgress | None:
    """Return how far the statement of backend `pid` is; None for a kind that the server does not report on."""
    query = _progress_sql(connection.info.server_version)
    row = connection.execute(query.encode(), {"pid": pid}).fetchone()
    if row is None:
        return None
    return ServerProgress(
        command=str(row[0]).lower(),
        phase=str(row[1]).lower(),
        relation=cast("str | None", row[2]),
        done=cast("int | None", row[3]),
        total=cast("int | None", row[4]),
        unit=cast("str | None", row[5]),
    )


def blockers(connection: Questioning, pid: int) -> Iterator[Blocker]:
    """Yield who blocks backend `pid`, and who blocks them, as a tree in depth-first order."""
    for row in connection.execute(_BLOCKERS.format(pid=pid).encode()):
        depth, waiting_pid, blocking_pid = cast("tuple[int, int, int]", row[:3])
        yield Blocker(depth, waiting_pid, blocking_pid, _backend(row[3:]) if row[3] is not None else None)


def blocking(connection: Connection, pid: int, remembered: Iterable[Blocker]) -> Blocking:
    """Return who blocks backend `pid`, and who of those `remembered` from earlier still could.

    Between two attempts of a migration its backend waits for nobody, but whoever blocked the last one would block the
    next one too.
    """
    at_work = work(connection, pid)
    now = tuple(blocker for blocker in at_work.blockers if blocker.pid != pid) if at_work is not None else ()
    known = {pid, *(blocker.pid for blocker in now)}
    earlier = {
        blocker.pid: blocker for blocker in remembered if blocker.backend is not None and blocker.pid not in known
    }
    before: list[Blocker] = []
    for backend in several(connection, earlier) if earlier else ():
        seen = earlier[backend.pid].backend
        # The same backend, in the transaction that it was seen in.
        if seen is not None and (backend.started_at, backend.since) == (seen.started_at, seen.since):
            before.append(replace(earlier[backend.pid], backend=backend))
    return Blocking(now, tuple(before))


def several(connection: Questioning, pids: Iterable[int]) -> list[Backend]:
    """Return what these backends are doing, as far as they are there."""
    query = _SEVERAL.format(pids=array(map(str, pids)))
    return [_backend(row) for row in connection.execute(query.encode())]


def cancel(connection: Connection, backend: Backend) -> bool:
    """Ask the server to cancel the statement of a backend; return False when that backend is gone."""
    return _signal(connection, "pg_cancel_backend", backend)


def terminate(connection: Connection, backend: Backend) -> bool:
    """Ask the server to end a backend, which rolls its transaction back; return False when it is gone already."""
    return _signal(connection, "pg_terminate_backend", backend)


def _signal(connection: Connection, function: str, backend: Backend) -> bool:
    query = (
        f"select pg_catalog.{function}(pid) from pg_catalog.pg_stat_activity "
        "where pid = %s and backend_start is not distinct from %s"
    )
    row = connection.execute(query.encode(), [backend.pid, backend.started_at]).fetchone()
    return row is not None and row[0] is True


def _backend(row: Sequence[object]) -> Backend:
    return Backend(
        pid=cast("int", row[0]),
        started_at=cast("datetime | None", row[1]),
        application_name=cast("str | None", row[2]) or None,
        database_user=cast("str | None", row[3]),
        host=cast("str | None", row[4]),
        state=cast("str | None", row[5]),
        since=cast("datetime | None", row[6]),
        query=message.query_of(cast("str | None", row[7])),
        query_since=cast("datetime | None", row[8]),
        wait=cast("str | None", row[9]),
        statement=message.statement_number(cast("str | None", row[7])),
    )
