"""Makes sure, before the first round of a batch, that its key orders all rows: unique, and never null.

The next round begins behind the last key of the one before. Of rows that share a key some may stand behind that border,
and rows without a key are never chosen: both would be passed over for ever, and `done` be recorded. Where the key comes
from is asked of the server, which parses the statement and runs nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.database import wire
from zmig.database.quoting import identifier, literal
from zmig.database.settings import OWN_SEARCH_PATH
from zmig.errors import Problem, ZmigError
from zmig.frozen import frozen
from zmig.running.bookkeeping import open_sql
from zmig.sql import batch, besides, choice, joins, query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.running.session import Attempt, Session
    from zmig.sql.choice import Choice
    from zmig.sql.joins import Source
    from zmig.sql.script import Statement

_NAME = "zmig_batch"

_COLUMN = """
select a.attname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text,
    a.attnotnull and not exists (
        select from pg_catalog.pg_constraint p
        where p.conrelid = c.oid and p.contype = 'n' and p.conkey = array[a.attnum] and not p.convalidated),
    exists (
        select from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
            and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
            and not exists (select from pg_catalog.pg_collation o
                where {collation} and not o.collisdeterministic and o.oid <> i.indcollation[0])),
    c.relkind = 'r' and exists (select from pg_catalog.pg_inherits h where h.inhparent = c.oid),
    case when c.relkind = 'v' and pg_catalog.pg_relation_is_updatable(c.oid, false) & 4 = 4
        then pg_catalog.pg_get_viewdef(c.oid) end,
    array(select g.attname::text from pg_catalog.pg_attrdef e
        join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid = e.oid
            and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = c.oid
        join pg_catalog.pg_attribute g on g.attrelid = c.oid and g.attnum = d.refobjsubid and g.attnum <> a.attnum
        where e.adrelid = c.oid and e.adnum = a.attnum and a.attgenerated <> '')
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'v', 'f') and (c.oid, a.attnum) in (values {columns})
"""
"""An index may tell apart what the column's collation calls equal, such as `a` and `A`."""
_UNIQUE_KEYS = """
select i.indrelid, array(
    select a.attname::text from pg_catalog.pg_attribute a
    where a.attrelid = i.indrelid and a.attnum = any (i.indkey[0:i.indnkeyatts - 1]))
from pg_catalog.pg_index i
where i.indrelid in ({tables}) and i.indisunique and i.indisvalid and i.indpred is null and 0 <> all (i.indkey)
    and not exists (select from pg_catalog.pg_inherits h join pg_catalog.pg_class c on c.oid = h.inhparent
        where h.inhparent = i.indrelid and c.relkind = 'r')
"""


_Column = tuple[int, int]
"""The oid of a table and the number of a column in it."""
_Row = tuple[str, str, str, bool, bool, bool, "str | None", list[str]]


@frozen
class _Key:
    """A column of a table that may be the key, as the catalog has it."""

    column: str
    table: str
    kind: str
    is_not_null: bool
    is_unique: bool
    has_children: bool
    """Whether other tables inherit from its table, whose rows no index of it covers."""
    view: str | None
    """The query of a view each of whose rows is one of a table."""
    computed_from: list[str]
    """The columns from which the server computes it."""


def check(session: Session, attempt: Attempt, one: Statement, *, start: object) -> None:
    """Make sure that the key of a batched statement with `:cursor` orders its rows, as far as the server tells.

    Raises:
        ZmigError: two rows may have the same key, or a row none.
    """
    _Check(session, attempt, one, literal(None if start is None else str(start))).run()


class _Check:
    def __init__(self, session: Session, attempt: Attempt, one: Statement, after: str) -> None:
        self._session = session
        self._attempt = attempt
        self._one = one
        self._after = after
        self._chosen = choice.read(one)
        self._leans_on_others = False
        """Whether the query that takes `:size` rows names what is not in it."""

    def run(self) -> None:
        session = self._session
        try:
            session.send(*open_sql(session, self._attempt))
            self._check()
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.ProgrammingError:
            return  # the first round says what is wrong, and where
        finally:
            if not session.connection.closed and not session.connection.broken:
                session.send("rollback")

    def _check(self) -> None:
        found = self._chosen.chooser
        read = joins.sources(found) if found is not None and found.query.command == "select" else []
        is_joined = len(read) > 1 and found is not None and "group" not in found.query.clauses
        tables = [source.alias for source in read if source.is_table] if is_joined else []
        asked = besides.key_query(self._one.text, self._chosen, [identifier(alias) for alias in tables])
        columns = self._tried(asked) if asked is not None else []
        if not columns:
            self._check_returned()
            if self._leans_on_others and not any(cte.query.writes for cte in (found.scope if found else ())):
                self._refuse(_spelled(self._one, self._chosen), *_LEANING)
            return
        key, of_tables = columns[0], dict(zip(tables, (table for table, _ in columns[1:]), strict=True))
        known = self._look([key])
        if known:
            self._judge(self._behind_view(known[0], key))
            name = f"{known[0].table}.{known[0].column}"
            if not self._chosen.takes_ties and self._returns_sets():
                self._refuse(name, *_OF_A_FUNCTION)
            if not self._may_share_keys and not self._stays_unique(read, key, of_tables):
                self._refuse(name, *_JOINED)

    def _returns_sets(self) -> bool:
        """Whether the query that chooses calls a function for its result that returns several rows."""
        found = self._chosen.limited
        names = sorted(joins.called(found.query.clause("select"))) if found is not None else []
        if not names:
            return False
        listed = ", ".join(literal(name) for name in names)
        query = f"select from pg_catalog.pg_proc where proretset and proname in ({listed}) limit 1"
        return bool(self._ask(query))

    def _check_returned(self) -> None:
        """Judge the column that the statement returns, where the query that chooses cannot be read by itself."""
        key = self._chosen.key
        found = query.column(key) if key else None
        for known in self._look([one for one in self._described(self._one.text) if one[0]]):
            if found is None or known.column == found[1]:
                self._judge(known)
                return

    def _tried(self, text: str) -> list[_Column]:
        """Return the columns of a query of zmig's own; none where the server refuses it."""
        self._session.send("savepoint zmig_batch")
        try:
            return self._described(text)
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.ProgrammingError as error:
            missing = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
            self._leans_on_others = self._chosen.limited is not None and isinstance(error, missing)
            self._session.send("rollback to zmig_batch")
            return []

    def _described(self, text: str) -> list[_Column]:
        """Return the columns of tables that a statement returns; a column of no table has the oid 0."""
        session = self._session
        sent = batch.render(replace(self._one, text=text), size=1, cursor=self._after).text
        session.send_alone(f"prepare {_NAME} as {sent}")
        described = wire.describe(session.connection, _NAME)
        session.send(f"deallocate {_NAME}")
        return [(described.ftable(number), described.ftablecol(number)) for number in range(described.nfields)]

    def _look(self, columns: Sequence[_Column]) -> list[_Key]:
        """Return what the catalog says of columns, in their order."""
        if not columns:
            return []
        values = ", ".join(f"({table}::oid, {number}::int2)" for table, number in columns)
        collation = next((one.collation for one in self._chosen.comparisons), None)
        wanted = "o.oid = a.attcollation" if collation is None else f"o.collname = {literal(collation)}"
        return [_Key(*cast("_Row", row)) for row in self._ask(_COLUMN.format(columns=values, collation=wanted))]

    def _ask(self, text: str) -> list[tuple[object, ...]]:
        own = (f"set local search_path = {OWN_SEARCH_PATH}", "set local quote_all_identifiers = off")
        self._session.send("savepoint zmig_look", *own)
        rows = self._session.connection.execute(text.encode()).fetchall()
        self._session.send("rollback to zmig_look")
        return rows

    def _behind_view(self, known: _Key, column: _Column) -> _Key:
        """Return the column of a table that a view shows, where each of the view's rows is one of the table."""
        while known.view is not None:
            column = self._described(known.view.rstrip().removesuffix(";"))[column[1] - 1]
            behind = self._look([column]) if column[0] else []
            if not behind:
                return known
            known = behind[0]
        return known

    @property
    def _may_share_keys(self) -> bool:
        """Whether a round takes all rows of a key: no row that shares the last one is left behind."""
        chosen = self._chosen
        if chosen.takes_ties or (chosen.limited is None and chosen.upper is not None):
            return True
        found, spelled = chosen.chooser, besides.chooser_key(chosen)
        return found is not None and bool(spelled) and joins.is_grouped(found.query, spelled or ())

    def _stays_unique(self, read: Sequence[Source], key: _Column, tables: Mapping[str, int]) -> bool:
        """Whether no join takes a row of the key's table more than once."""
        found, spelled = self._chosen.chooser, besides.chooser_key(self._chosen)
        if found is None or not spelled:
            return True
        column = query.column(spelled)
        alias = column[0] if column is not None else None
        alias = alias or next((one for one, table in tables.items() if table == key[0]), None)
        own = alias if any(one.alias == alias and one.is_table for one in read) else None
        if not self._chosen.inserts and joins.repeats_alike(found.query, spelled, own):
            return True  # what is done to a row again in its round has been done
        if len(read) < 2:
            return not any(joins.multiplies(one) for one in read)
        if alias is None or any(joins.multiplies(one) for one in read if one.alias == alias):
            return False
        unique: dict[str, list[frozenset[str]]] = {}
        for table, names in self._ask(_UNIQUE_KEYS.format(tables=", ".join(map(str, {0, *tables.values()})))):
            for one in (one for one, oid in tables.items() if oid == table):
                unique.setdefault(one, []).append(frozenset(cast("list[str]", names)))
        return joins.stays_unique(alias, read, joins.equations(found), unique)

    def _judge(self, known: _Key) -> None:
        """Make sure that a column orders all rows, or that the statement makes up for it."""
        name = f"{known.table}.{known.column}"
        if not self._may_share_keys:
            if known.has_children and not self._chosen.is_only:
                self._refuse(name, *_INHERITED)
            if not known.is_unique:
                self._refuse(name, *(_OF_A_VIEW if known.kind == "v" else _SHARED))
        if not known.is_not_null and not self._chosen.leaves_out_nulls:
            left_out = f"`and {_spelled(self._one, self._chosen) or known.column} is not null`"
            hint = f"take a column that is not null as the key, or say that those are left out: {left_out}"
            self._refuse(name, "may be null: rows without a key would be passed over", hint)
        changed = next((column for column, _ in self._chosen.changed if column in known.computed_from), None)
        if changed is not None:
            why = f"is computed from `{changed}`, which the statement changes: rows would be taken again or passed over"
            self._refuse(name, why, "take a key that the statement leaves as it is")

    def _refuse(self, key: str, why: str, hint: str) -> None:
        place = self._attempt.work.location(self._one.offset)
        message = f"the key of its rounds, `{key}`, {why}"
        raise ZmigError(Problem("batch-key", message, place, (), "nothing was run", hint))


def _spelled(one: Statement, chosen: Choice) -> str:
    """Return the key as the statement spells it."""
    return one.text[chosen.key[0].start : chosen.key[-1].end] if chosen.key else ""


_TIES = "let a round take such rows whole: `fetch first :size rows with ties`"
_SHARED = (
    "is not unique: rows that share the last key of a round would be passed over",
    f"take a unique column as the key, or {_TIES}",
)
_OF_A_VIEW = (
    "is of a view that may show it twice: rows that share the last key of a round would be passed over",
    f"choose the rows from the table, or {_TIES}",
)
_INHERITED = (
    "is unique in its own table, not in those that inherit from it: rows that share the last key of a round would be "
    "passed over",
    f"write `only` before the table, with a migration for each that inherits, or {_TIES}",
)
_OF_A_FUNCTION = (
    "may come more than once, because of a function that returns several rows: those that share the last key of a "
    "round would be passed over",
    f"call the function for the rows that were chosen, or {_TIES}",
)
_LEANING = (
    "is chosen by a query that names tables around it, so that `:size` rows are taken for each of their rows, and some "
    "behind the greatest key of all would be passed over",
    "let the query that has `limit :size` stand by itself",
)
_JOINED = (
    "may come more than once, because of a join: rows that share the last key of a round would be passed over",
    f"write `exists (select ...)` instead of the join, or {_TIES}",
)
