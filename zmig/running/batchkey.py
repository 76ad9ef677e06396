"""Makes sure, before the first round of a batch, that its key orders all rows: unique, and never null.

The next round begins behind the last key of the one before. Of rows that share a key some may stand behind that border,
and rows without a key are never chosen: both would be passed over for ever, and `done` be recorded. Where the key comes
from is asked of the server, which parses the statement and runs nothing.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.database import wire
from zmig.database.quoting import literal
from zmig.database.settings import OWN_SEARCH_PATH
from zmig.errors import Problem, ZmigError
from zmig.running.bookkeeping import open_sql
from zmig.sql import batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.running.session import Attempt, Session
    from zmig.sql.script import Statement

_NAME = "zmig_batch"

_COLUMN = """
select a.attname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), a.attnotnull, exists (
    select from pg_catalog.pg_index i
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
        and i.indnkeyatts = 1 and i.indkey[0] = a.attnum)
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm') and (c.oid, a.attnum) in (values {columns})
"""


def check(session: Session, attempt: Attempt, one: Statement, *, start: object) -> None:
    """Make sure that the key of a batched statement with `:cursor` orders its rows, as far as the server tells.

    Raises:
        ZmigError: two rows may have the same key, or a row none.
    """
    after = literal(None if start is None else str(start))
    try:
        session.send(*open_sql(session, attempt))
        columns = [*_columns(session, _rendered(one, after)), *_chosen(session, one, after)]
        found = _look(session, columns)
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.ProgrammingError:
        return  # the first round says what is wrong, and where
    finally:
        if not session.connection.closed and not session.connection.broken:
            session.send("rollback")
    name = batch.key_name(one)
    for column, table, is_not_null, is_unique in found:
        if name is None or column == name:
            _refuse(attempt, one, f"{table}.{column}", is_not_null=is_not_null, is_unique=is_unique)
            return


def _rendered(one: Statement, after: str) -> str:
    return batch.render(one, size=1, cursor=after).text


def _chosen(session: Session, one: Statement, after: str) -> Iterator[tuple[int, int]]:
    """Yield the columns of the SELECT that chooses the rows of a round, where that can be read by itself."""
    span = batch.choice(one)
    if span is not None:
        session.send("savepoint chosen")
        with contextlib.suppress(psycopg.ProgrammingError):
            yield from _columns(session, _rendered(replace(one, text=one.text[slice(*span)]), after))
        session.send("rollback to chosen")


def _columns(session: Session, text: str) -> Iterator[tuple[int, int]]:
    """Yield the columns of tables that a statement returns as they are, each as the table's oid and its number."""
    session.send_alone(f"prepare {_NAME} as {text}")
    try:
        described = wire.describe(session.connection, _NAME)
        for number in range(described.nfields):
            if described.ftable(number):
                yield described.ftable(number), described.ftablecol(number)
    finally:
        session.send(f"deallocate {_NAME}")


def _look(session: Session, columns: list[tuple[int, int]]) -> list[tuple[str, str, bool, bool]]:
    if not columns:
        return []
    session.send(f"set local search_path = {OWN_SEARCH_PATH}")
    values = ", ".join(f"({table}::oid, {number}::int2)" for table, number in columns)
    rows = session.connection.execute(_COLUMN.format(columns=values).encode()).fetchall()
    return cast("list[tuple[str, str, bool, bool]]", rows)


def _refuse(attempt: Attempt, one: Statement, key: str, *, is_not_null: bool, is_unique: bool) -> None:
    if not is_unique and not batch.says(one, "with", "ties"):
        why = "is not unique: rows that share the last key of a round would be passed over"
        hint = (
            "take a unique column as the key, or let a round take such rows whole: `fetch first :size rows with ties`"
        )
    elif not is_not_null and not batch.says(one, "is", "not", "null"):
        why = "may be null: rows without a key would be passed over"
        hint = f"take a column that is not null as the key, or say that those are left out: `and {key} is not null`"
    else:
        return
    place = attempt.work.location(one.offset)
    raise ZmigError(Problem("batch-key", f"the key of its rounds, `{key}`, {why}", place, (), "nothing was run", hint))
