"""Who waits for a backend: for a lock that it holds, or waits for itself, directly or through others.

The server's locks are read once, and what waits for what is decided here. `pg_blocking_pids` says the same of one
backend, but for each it holds up the whole lock manager while it reads the queue of a lock: with 1,900 backends that
wait for one table, in four modes, 1.1 s together. To read the locks once takes 16 ms of the server's time then, and
20 ms of the client's; with nobody waiting among 1,900 backends, 3 ms of the server's.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

from zmig.database import activity
from zmig.sql.quoting import array
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.database.activity import Backend
    from zmig.database.types import Questioning

_WAITSTART_SINCE = 140000
MOST_BACKENDS = 200
"""Of how many of those that queue more is read than their application."""

_MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_CONFLICTS: Mapping[str, frozenset[str]] = {
    mode: frozenset(_MODES[at] for at in conflicting)
    for mode, conflicting in zip(
        _MODES,
        ((7,), (6, 7), (4, 5, 6, 7), (3, 4, 5, 6, 7), (2, 3, 5, 6, 7), (2, 3, 4, 5, 6, 7), range(1, 8), range(8)),
        strict=True,
    )
}
"""Which modes cannot be held beside each."""


@valueclass
class Lock:
    """A lock that a backend holds or waits for."""

    pid: int
    key: str
    """What is locked: equal for the same object, and nothing to read."""
    mode: str
    """As `pg_locks` spells it: `AccessExclusiveLock`, ..."""
    is_held: bool
    _: KW_ONLY
    since: datetime | None = None
    """Since when it is waited for; None for one that is held, and before PostgreSQL 14."""
    target: str = ""
    """What is locked, in words: `table orders`, `a row of orders`, `transaction 742`."""

    @property
    def mode_words(self) -> str:
        """Its mode as it is written in SQL: `ACCESS EXCLUSIVE`."""
        name = self.mode.removesuffix("Lock")
        return "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip().upper()


@valueclass
class QueuedBackend:
    """A backend that waits for another one, at whose end, or nearer to it, is the one asked about."""

    depth: int
    """0 for those that wait for the backend asked about."""
    waits_for_pid: int
    pid: int
    lock: Lock
    """What it waits for."""
    backend: Backend | None = None
    """None where there are too many to read of each, and where it is gone."""


@valueclass
class LockQueue:
    """What a backend waits for, and who waits for it, in the queues of locks."""

    pid: int = 0
    """The backend asked about."""
    awaited: Lock | None = None
    """What it waits for; None while it waits for no lock."""
    queued: tuple[QueuedBackend, ...] = ()
    """Those that wait for it, each once, below one that it waits for; those of which most is known first."""
    applications: tuple[tuple[str, int], ...] = ()
    """How many of those each application has, the most first; without a name, they are under an empty one."""
    _: KW_ONLY
    held: Mapping[int, tuple[Lock, ...]] = field(default_factory=dict[int, "tuple[Lock, ...]"])
    """What backends, by their process ids, hold that somebody waits for."""
    waits: Mapping[int, Lock] = field(default_factory=dict[int, Lock])
    """What backends wait for."""

    @property
    def application_names(self) -> list[str]:
        """The applications of those that have a name, the most frequent first."""
        return [name for name, _ in self.applications if name]

    @property
    def count(self) -> int:
        """How many wait for it."""
        return len(self.queued)

    def as_dict(self) -> dict[str, object]:
        """Return how many wait for it as JSON types."""
        applications = [{"application_name": name or None, "count": count} for name, count in self.applications]
        return {"count": self.count, "applications": applications}


_WAITING = """
select a.pid, a.application_name from pg_catalog.pg_stat_activity a
where (a.wait_event_type = 'Lock' or a.query = '<insufficient privilege>')
    and a.leader_pid is distinct from {pid}
"""
"""Those that wait for a lock, and those of whom this role may not see whether they do."""

_LOCKS = """
with lock as materialized (
    select *, concat_ws(' ', locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid,
        objsubid) as key
    from pg_catalog.pg_locks
    where not granted or pid = any ({pids}::int[])
), awaited as (
    select distinct key from lock where not granted
), relation as materialized (
    select c.oid, concat_ws(' ',
        case c.relkind when 'i' then 'index' when 'I' then 'index' when 'S' then 'sequence' when 'v' then 'view'
            when 'm' then 'materialized view' else 'table' end,
        case when n.nspname = 'public' then quote_ident(c.relname) else format('%I.%I', n.nspname, c.relname) end
        ) as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = any (array(select distinct relation from lock where database = (
        select oid from pg_catalog.pg_database where datname = current_database())))
)
select lock.pid, lock.key, lock.mode, lock.granted, {waitstart}, lock.locktype, lock.transactionid::text,
    lock.objid::text, relation.name
from lock left join relation on relation.oid = lock.relation
where lock.key in (select key from awaited) or lock.locktype = 'tuple'
"""


def of_backend(connection: Questioning, pid: int) -> LockQueue | None:
    """Return the same as `read` where it is not known who keeps the backend waiting."""
    return read(connection, pid, (blocker.pid for blocker in activity.blockers(connection, pid)))


def read(connection: Questioning, pid: int, blockers: Iterable[int] = ()) -> LockQueue | None:
    """Return who waits for backend `pid`; None where nobody waits for any lock.

    `blockers` are those that keep it waiting itself, which are taken only where somebody waits: what they hold is
    read, too.
    """
    rows = connection.execute(_WAITING.format(pid=pid).encode()).fetchall()
    waiting = dict(cast("list[tuple[int, str | None]]", rows))
    if not waiting:
        return None
    ahead = frozenset(blockers)
    locks = _locks(connection, {pid, *ahead, *waiting})
    awaited = {lock.pid: lock for lock in locks if not lock.is_held}
    found = queue_of(pid, locks, ahead)
    known = _backends(connection, [one.pid for one in found[:MOST_BACKENDS]])
    queued = tuple(QueuedBackend(one.depth, one.waits_for_pid, one.pid, one.lock, known.get(one.pid)) for one in found)
    held: defaultdict[int, tuple[Lock, ...]] = defaultdict(tuple)
    for lock in locks:
        if lock.is_held and lock.target:
            held[lock.pid] += (lock,)
    return LockQueue(
        pid,
        awaited.get(pid),
        queued,
        _applications(waiting.get(one.pid) or "" for one in queued),
        held=dict(held),
        waits=awaited,
    )


def queue_of(pid: int, locks: Iterable[Lock], ahead: Container[int] = ()) -> list[QueuedBackend]:
    """Return who waits for `pid`, in the order of a tree, each below the one by which it is nearest to `pid`.

    Those `ahead` of it are left out.
    A backend waits for who holds a lock that conflicts with the one it wants, and for who wants one that does and came
    before it.
    """
    mine: defaultdict[int, list[Lock]] = defaultdict(list)
    waiting: defaultdict[str, dict[int, Lock]] = defaultdict(dict)
    for lock in locks:
        mine[lock.pid].append(lock)
        if not lock.is_held and lock.pid != pid and lock.pid not in ahead:
            waiting[lock.key][lock.pid] = lock
    below: defaultdict[int, list[Lock]] = defaultdict(list)
    level = [pid]
    while level:
        found: list[int] = []
        for one in level:
            for lock in mine[one]:
                for other in [wanted for wanted in waiting[lock.key].values() if _is_held_up(wanted, lock)]:
                    del waiting[lock.key][other.pid]
                    below[one].append(other)
                    found.append(other.pid)
        level = found
    return list(_in_order(pid, below))


def _is_held_up(wanted: Lock, lock: Lock) -> bool:
    """Whether who wants a lock has to wait for another one's, which is held, or was wanted before."""
    if wanted.pid == lock.pid or lock.mode not in _CONFLICTS.get(wanted.mode, ()):
        return False
    return lock.is_held or lock.since is None or wanted.since is None or lock.since <= wanted.since


def _in_order(pid: int, below: Mapping[int, list[Lock]]) -> Iterator[QueuedBackend]:
    todo = [(0, pid, lock) for lock in reversed(below.get(pid, ()))]
    while todo:
        depth, waits_for, lock = todo.pop()
        yield QueuedBackend(depth, waits_for, lock.pid, lock)
        todo += [(depth + 1, lock.pid, other) for other in reversed(below.get(lock.pid, ()))]


def _locks(connection: Questioning, pids: Iterable[int]) -> list[Lock]:
    """Return the locks that are waited for, with those that these backends hold of the same objects."""
    has_start = connection.info.server_version >= _WAITSTART_SINCE
    waitstart = "lock.waitstart" if has_start else "null::timestamptz"
    query = _LOCKS.format(waitstart=waitstart, pids=array(map(str, pids)))
    rows = connection.execute(query.encode()).fetchall()
    # Who waits for another transaction to end with a row holds the lock on that row.
    rows_of = {cast("int", row[0]): row[8] for row in rows if row[5] == "tuple" and row[3] and row[8]}
    return sorted(
        (_lock(row, rows_of.get(cast("int", row[0]))) for row in rows),
        key=lambda lock: (lock.since is None, lock.since and lock.since.timestamp(), lock.pid),
    )


def _lock(row: Sequence[object], row_of: object) -> Lock:
    pid, key, mode, is_held, since, kind, transaction, number, relation = row
    if kind in ("relation", "extend"):
        target = str(relation or "a table of another database")
    elif kind == "tuple" or (kind == "transactionid" and row_of and not is_held):
        target = f"a row of {str(relation or row_of).removeprefix('table ')}"
    elif kind == "transactionid":
        target = f"transaction {transaction}"
    elif kind == "virtualxid":
        target = "the end of a transaction"
    elif kind == "advisory":
        target = f"advisory lock {number}"
    else:
        target = f"{kind} lock"
    return Lock(
        cast("int", pid), str(key), str(mode), bool(is_held), since=cast("datetime | None", since), target=target
    )


def _backends(connection: Questioning, pids: list[int]) -> dict[int, Backend]:
    return {backend.pid: backend for backend in activity.several(connection, pids)} if pids else {}


def _applications(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts: defaultdict[str, int] = defaultdict(int)
    for name in names:
        counts[name] += 1
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
