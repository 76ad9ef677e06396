"""The history of another migration tool in a database: its table looked up, its lock held, its rows read.

Nothing of it is ever written.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.database import lock
from zmig.database.quoting import identifier, literal, operator
from zmig.other_tools.history import Place
from zmig.other_tools.history_tables import is_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from zmig.database.lock_holder import LockHolder
    from zmig.database.types import Connection, Questioning, Row
    from zmig.other_tools.history import HistoryTable

    Report = Callable[[LockHolder | None, float], object]
    Refuse = Callable[[LockHolder | None, float], Exception]

_EQUALS = operator("=")


class MayNotLock(Exception):
    """The role lacks the right to lock a tool's tables."""

    def __init__(self, cause: psycopg.Error) -> None:
        super().__init__(str(cause))
        self.cause = cause


_TABLES = f"""
select s.nspname::pg_catalog.text, c.relname::pg_catalog.text,
    array(select a.attname::pg_catalog.text from pg_catalog.pg_attribute a
        where a.attrelid {_EQUALS} c.oid and a.attnum {operator(">")} 0 and not a.attisdropped)
from pg_catalog.pg_class c join pg_catalog.pg_namespace s on s.oid {_EQUALS} c.relnamespace
where (c.relkind {_EQUALS} 'r' or c.relkind {_EQUALS} 'p') and s.nspname {operator("<>")} 'information_schema'
    and s.nspname {operator("!~")} '^pg_' and {{condition}}
order by 1, 2
"""

_RUNS_CODE = f"""
select exists (select from pg_catalog.pg_class c where c.oid {_EQUALS} any (array[{{tables}}]::pg_catalog.regclass[])
    and (c.relrowsecurity or exists (select from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid {_EQUALS} a.atttypid
        where a.attrelid {_EQUALS} c.oid and a.attnum {operator(">")} 0
            and t.typnamespace {operator("<>")} 'pg_catalog'::pg_catalog.regnamespace)))
"""


def tables(connection: Questioning, schema: str | None = None) -> dict[tuple[str, str], frozenset[str]]:
    """Return the columns of each table, by schema and name: of one schema, or of all."""
    condition = "true" if schema is None else f"s.nspname {_EQUALS} {literal(schema)}"
    rows = connection.execute(_TABLES.format(condition=condition).encode()).fetchall()
    return {(str(row[0]), str(row[1])): frozenset(cast("list[str]", row[2])) for row in rows}


def place(connection: Questioning, schema: str, table: str, seen: Mapping[tuple[str, str], frozenset[str]]) -> Place:
    """Return one of the tables that were seen as the place of a history."""
    row = connection.execute(b"select pg_catalog.current_database()::pg_catalog.text").fetchone()
    return Place(
        schema,
        table,
        str(row and row[0]),
        seen[schema, table],
        tables={".".join(names): columns for names, columns in seen.items()},
    )


def runs_code(connection: Questioning, at: Place, tool: str) -> bool:
    """Whether reading a tool's tables may run code of whoever made them: a policy, or what a type of theirs brings."""
    names = [
        name
        for name, columns in at.tables.items()
        if name == at.name or (name.startswith(f"{at.schema}.") and is_beside(tool, columns))
    ]
    listed = ", ".join(literal(identifier(at.schema, name[len(at.schema) + 1 :])) for name in names)
    row = connection.execute(_RUNS_CODE.format(tables=listed).encode()).fetchone()
    return row is None or row[0] is not False


def rows(connection: Questioning, history: HistoryTable, at: Place) -> list[Sequence[Row]]:
    """Return what each of a tool's queries finds."""
    return [connection.execute(query.encode()).fetchall() for query in history.queries(at)]


@contextmanager
def advisory_locks(
    connection: Connection, keys: Sequence[int], *, limit_seconds: float | None, report: Report, not_obtained: Refuse
) -> Generator[None]:
    """Hold a tool's advisory locks inside the block."""

    def take(key: int) -> bool:
        row = connection.execute(f"select pg_catalog.pg_try_advisory_lock({key})".encode()).fetchone()
        return row is not None and row[0] is True

    def release(key: int) -> None:
        # Whatever keeps it from being released ends with the session, and so does the lock.
        with suppress(psycopg.Error):
            connection.execute(f"select pg_catalog.pg_advisory_unlock({key})".encode())

    with ExitStack() as held:
        for key in keys:
            lock.poll(
                partial(take, key),
                limit_seconds=limit_seconds,
                holder=partial(lock.find_holder, connection, lock.advisory(key)),
                report=report,
                not_obtained=not_obtained,
            )
            held.callback(release, key)
        yield


@contextmanager
def transaction(
    connection: Connection,
    locked: Sequence[str],
    *,
    limit_seconds: float | None,
    report: Report,
    not_obtained: Refuse,
) -> Generator[None]:
    """Run the block in one transaction with one snapshot; nobody else is at these tables, given as SQL, meanwhile.

    The transaction begins anew for each attempt, so that nobody has to wait for one that itself only waits. Raises
    MayNotLock.
    """
    begun = ExitStack()

    def begin() -> bool:
        begun.enter_context(connection.transaction())
        # All before the first snapshot, which then has everything that was committed by whoever had the locks.
        connection.execute(b"set transaction isolation level repeatable read")
        if not locked:
            return True
        try:
            connection.execute(f"lock table {', '.join(locked)} in access exclusive mode nowait".encode())
        except psycopg.errors.LockNotAvailable as error:
            begun.__exit__(type(error), error, error.__traceback__)
            return False
        except psycopg.errors.InsufficientPrivilege as error:
            raise MayNotLock(error) from error
        return True

    with begun:
        lock.poll(
            begin,
            limit_seconds=limit_seconds,
            holder=partial(lock.find_holder, connection, _on_tables(locked)),
            report=report,
            not_obtained=not_obtained,
        )
        yield


def _on_tables(names: Sequence[str]) -> str:
    """Return what is true of a row `l` of pg_locks that is about one of these tables, given as SQL."""
    listed = ", ".join(f"{literal(name)}::pg_catalog.regclass" for name in names)
    others = f"l.pid {operator('<>')} pg_catalog.pg_backend_pid()"
    return f"l.locktype {_EQUALS} 'relation' and l.relation {_EQUALS} any (array[{listed}]) and {others}"
