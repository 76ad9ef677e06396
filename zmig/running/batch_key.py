"""Makes sure, before the first round of a batch, that its key orders all rows: unique, and never null.

The next round begins after the last key of the one before. Of rows that share a key some may be after that border,
and rows without a key are never chosen: both would be passed over for ever, and `done` be recorded. Where the key comes
from is asked of the server, which parses the statement and runs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import psycopg

from zmig.batches import batch, expressions, joins, query, selection, side_queries, uniqueness
from zmig.batches.uniqueness import Catalog, Table
from zmig.database import wire
from zmig.database.settings import OWN_SEARCH_PATH
from zmig.errors import Problem, ZmigError
from zmig.running.envelope import looked_ahead
from zmig.sql.quoting import literal
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.batches.query import Node, Nodes
    from zmig.batches.selection import Choice, NestedQuery
    from zmig.running.attempt import Attempt
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement

_NAME = "zmig_batch"

_IS_NOT_NULL = """(a.attnotnull and not exists (
        select from pg_catalog.pg_constraint p
        where p.conrelid = c.oid and p.contype = 'n' and p.conkey = array[a.attnum] and not p.convalidated))"""
"""From PostgreSQL 18 on, a column may be declared so before its rows were looked through."""
_COLUMN = f"""
select a.attname::text, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind::text,
    {_IS_NOT_NULL},
    exists (
        select from pg_catalog.pg_index i
        where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
            and i.indnkeyatts = 1 and i.indkey[0] = a.attnum
            and not exists (select from pg_catalog.pg_collation o
                where {{collation}} and not o.collisdeterministic and o.oid <> i.indcollation[0])),
    c.relkind = 'r' and exists (select from pg_catalog.pg_inherits h where h.inhparent = c.oid),
    case when c.relkind = 'v' and pg_catalog.pg_relation_is_updatable(c.oid, false) & 4 = 4
        then pg_catalog.pg_get_viewdef(c.oid) end,
    array(select g.attname::text from pg_catalog.pg_depend d
        join pg_catalog.pg_attribute g on g.attrelid = c.oid and g.attnum = d.refobjsubid and g.attnum <> a.attnum
        where a.attgenerated <> '' and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.refobjid = c.oid and (
                d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid in (
                    select e.oid from pg_catalog.pg_attrdef e where e.adrelid = c.oid and e.adnum = a.attnum)
                -- before PostgreSQL 15 it is the column that depends
                or d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
                    and d.objsubid = a.attnum))
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'v', 'f') and (c.oid, a.attnum) in (values {{columns}})
"""
"""An index may keep apart what the column's collation calls equal, such as `a` and `A`."""
_TABLES = f"""
select c.oid,
    array(select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum),
    array(select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and {_IS_NOT_NULL}),
    array(select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)),
    c.relkind = 'v'
from pg_catalog.pg_class c where c.oid in ({{tables}})
"""
_UNIQUE_KEYS = """
select i.indrelid, array(
        select pg_catalog.pg_get_indexdef(i.indexrelid, n, true) from pg_catalog.generate_series(1, i.indnkeyatts) n),
    pg_catalog.pg_get_expr(i.indpred, i.indrelid, true)
from pg_catalog.pg_index i
where i.indrelid in ({tables}) and i.indisunique and i.indisvalid
    and not exists (select from pg_catalog.pg_inherits h join pg_catalog.pg_class c on c.oid = h.inhparent
        where h.inhparent = i.indrelid and c.relkind = 'r')
    and not exists (
        select from pg_catalog.generate_series(0, i.indnkeyatts - 1) n
            join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[n]
            join pg_catalog.pg_collation o on o.oid = a.attcollation
        where not o.collisdeterministic and o.oid <> i.indcollation[n])
"""
"""What an expression of an index or its condition calls equal, the column's collation is not compared with."""


_Column = tuple[int, int]
"""The oid of a table and the number of a column in it."""
_Row = tuple[str, str, str, bool, bool, bool, "str | None", list[str]]


@valueclass
class _Key:
    """A column of a table that may be the key, as the catalog has it."""

    column: str
    table: str
    kind: str
    _: KW_ONLY
    is_not_null: bool
    is_unique: bool
    has_children: bool
    """Whether other tables inherit from its table, whose rows no index of it covers."""
    view: str | None
    """The query of a view each of whose rows is one of a table."""
    computed_from: list[str]
    """The columns from which the server computes it."""


def _key(row: _Row) -> _Key:
    column, table, kind, is_not_null, is_unique, has_children, view, computed_from = row
    return _Key(
        column,
        table,
        kind,
        is_not_null=is_not_null,
        is_unique=is_unique,
        has_children=has_children,
        view=view,
        computed_from=computed_from,
    )


def check(session: RunSession, attempt: Attempt, one: Statement, *, start: object) -> None:
    """Make sure that the key of a batched statement with `:cursor` orders its rows, as far as the server says.

    Raises:
        ZmigError: two rows may have the same key, or a row none.
    """
    _Check(session, attempt, one, literal(None if start is None else str(start))).run()


class _Check:
    def __init__(self, session: RunSession, attempt: Attempt, one: Statement, after: str) -> None:
        self._session = session
        self._attempt = attempt
        self._one = one
        self._after = after
        self._chosen = selection.read(one)
        self._catalog = Catalog({})
        self._leans_on_others = False
        """Whether the query that takes `:size` rows names what is not in it."""

    def run(self) -> None:
        with looked_ahead(self._session, self._attempt):
            self._check()

    def _check(self) -> None:
        found, spelled = self._chosen.chooser, side_queries.chooser_key(self._chosen)
        asked = side_queries.key_query(self._one.text, self._chosen)
        columns = self._tried(asked) if asked is not None else []
        if not columns:
            self._check_returned()
            if self._leans_on_others and not any(cte.query.writes for cte in (found.scope if found else ())):
                self._refuse(self._shown, *_LEANING)
        self._read_catalog()
        if found is not None and self._chosen.row is not None:
            self._judge_row(found, self._chosen.row)
            return
        self._judge_order(found)
        is_unique = found is not None and bool(spelled) and self._is_unique(found, spelled or ())
        known = self._look(columns[:1])
        name = f"{known[0].table}.{known[0].column}" if known else self._shown
        if known:
            self._judge(self._through_view(known[0], columns[0]), is_unique=is_unique)
        elif found is not None and spelled and query.column(spelled) is None and found.query.command == "select":
            self._judge_nulls(found, spelled)
        if found is not None and spelled and not is_unique and not self._may_share_keys:
            self._judge_repeated(found, spelled, name if known else None)

    def _judge_order(self, found: NestedQuery | None) -> None:
        """Make sure that an order by the key as a whole number is that of the key."""
        order, key = self._chosen.order, self._chosen.key
        if found is None or order is None or not key or not expressions.is_whole_cast(order.key, key):
            return
        if not uniqueness.is_whole(found, key, self._catalog):
            self._refuse(self._shown, *_CAST)

    def _judge_repeated(self, found: NestedQuery, spelled: Nodes, name: str | None) -> None:
        """Judge whether the query that chooses may return a key several times; it has a name if it is a column."""
        if name is None:
            if self._chosen.limited is not None and found.query.command == "select":
                self._judge_unknown(found, spelled)
            return
        if self._returns_sets():
            self._refuse(name, *_OF_A_FUNCTION)
        if not self._stays_unique(found, spelled):
            self._refuse(name, *self._why_repeated(found))

    def _is_unique(self, found: NestedQuery, spelled: Nodes) -> bool:
        """Whether the indexes of the tables that are read, and the text, make the key unique."""
        is_collated = any(one.collation is not None for one in self._chosen.comparisons)
        return not is_collated and uniqueness.is_key(found, spelled, self._catalog)

    def _read_catalog(self) -> None:
        """Ask what the tables and functions are that the choice names."""
        found = self._chosen.chooser
        if found is None or found.query.command != "select":
            return
        oids = self._oids(sorted(set(uniqueness.tables(found))))
        names = ", ".join(literal(name) for name in sorted({"", *uniqueness.calls(found)}))
        repeating = self._ask(
            f"select distinct proname::text from pg_catalog.pg_proc where proretset and proname in ({names})"
        )
        self._catalog = Catalog(self._tables(oids), frozenset(cast("str", name) for (name,) in repeating))

    def _oids(self, names: Sequence[str]) -> dict[str, int]:
        """Return the tables that names stand for where the migration runs."""
        if not names:
            return {}
        listed = ", ".join(literal(name) for name in names)
        asked = (
            "select name, pg_catalog.to_regclass(name)::pg_catalog.oid "
            f"from pg_catalog.unnest(array[{listed}]) as names (name)"
        )
        rows = self._session.connection.execute(asked.encode())
        return {cast("str", name): cast("int", oid) for name, oid in rows if oid is not None}

    def _tables(self, oids: Mapping[str, int]) -> dict[str, Table]:
        listed = ", ".join(map(str, {0, *oids.values()}))
        keys: dict[object, list[frozenset[str]]] = {}
        for oid, parts, condition in self._ask(_UNIQUE_KEYS.format(tables=listed)):
            key = uniqueness.index_key(cast("list[str]", parts), cast("str | None", condition))
            keys.setdefault(oid, []).append(key)
        tables = {
            oid: Table(
                tuple(cast("list[str]", columns)),
                not_null=frozenset(cast("list[str]", not_null)),
                whole=frozenset(cast("list[str]", whole)),
                keys=tuple(keys.get(oid, ())),
                is_view=bool(is_view),
            )
            for oid, columns, not_null, whole, is_view in self._ask(_TABLES.format(tables=listed))
        }
        return {name: tables[oid] for name, oid in oids.items() if oid in tables}

    def _judge_unknown(self, found: NestedQuery, spelled: Nodes) -> None:
        """Judge a key that is no column of a table: an expression, or what a query in brackets returns."""
        if not self._chosen.inserts and joins.repeats_alike(found.query, spelled, None):
            return
        if joins.repeats_rows(found) or self._calls_repeating(found):
            self._refuse(self._shown, *self._why_repeated(found))
        if uniqueness.is_computed(found, spelled, self._catalog):
            self._refuse(self._shown, *_COMPUTED)

    def _judge_row(self, found: NestedQuery, row: Node) -> None:
        """Judge several columns that are compared together, where all that is read are tables."""
        read = [self._catalog.tables.get(source.table or "") for source in joins.sources(found)]
        if any(table is None or table.is_view for table in read):
            return
        if not self._is_unique(found, (row,)):
            self._refuse(self._shown, *_SHARED_ROW)
        self._judge_nulls(found, (row,))

    def _judge_nulls(self, found: NestedQuery, spelled: Nodes) -> None:
        """Make sure that no row is without a key that consists of several columns, or is a cast of one."""
        column = uniqueness.nullable(found, spelled, self._catalog)
        if column is not None and not self._chosen.leaves_out_nulls_of(column):
            left_out = f"take columns that are not null, or say that those are left out: `and {column} is not null`"
            self._refuse(self._shown, "may be null: rows without a key would be passed over", left_out)

    def _calls_repeating(self, found: NestedQuery) -> bool:
        return not self._catalog.repeating.isdisjoint(uniqueness.calls(found))

    def _why_repeated(self, found: NestedQuery) -> tuple[str, str]:
        if self._calls_repeating(found):
            return _OF_A_FUNCTION
        return _REPEATED if joins.repeats_rows(found) else _JOINED

    @property
    def _shown(self) -> str:
        return self._one.text[row.start : row.end] if (row := self._chosen.row) else _spelled(self._one, self._chosen)

    def _returns_sets(self) -> bool:
        """Whether the query that chooses calls a function for its result that returns several rows."""
        found = self._chosen.limited
        called = expressions.called(found.query.clause("select")) if found is not None else ()
        return not self._catalog.repeating.isdisjoint(called)

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
        sent = batch.render(replace(self._one, source=text), size=1, cursor=self._after).text
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
        return [_key(cast("_Row", row)) for row in self._ask(_COLUMN.format(columns=values, collation=wanted))]

    def _ask(self, text: str) -> list[tuple[object, ...]]:
        own = (f"set local search_path = {OWN_SEARCH_PATH}", "set local quote_all_identifiers = off")
        self._session.send("savepoint zmig_look", *own)
        rows = self._session.connection.execute(text.encode()).fetchall()
        self._session.send("rollback to zmig_look")
        return rows

    def _through_view(self, known: _Key, column: _Column) -> _Key:
        """Return the column of a table that a view shows, where each of the view's rows is one of the table."""
        while known.view is not None:
            column = self._described(known.view.rstrip().removesuffix(";"))[column[1] - 1]
            shown = self._look([column]) if column[0] else []
            if not shown:
                return known
            known = shown[0]
        return known

    @property
    def _may_share_keys(self) -> bool:
        """Whether a round takes all rows of a key: no row that shares the last one is left behind."""
        chosen = self._chosen
        if chosen.takes_ties or (chosen.limited is None and chosen.upper is not None):
            return True
        found, spelled = chosen.chooser, side_queries.chooser_key(chosen)
        return found is not None and bool(spelled) and joins.is_grouped(found.query, spelled or ())

    def _stays_unique(self, found: NestedQuery, spelled: Nodes) -> bool:
        """Whether no join takes a row of the key's table more than once."""
        read = joins.sources(found) if found.query.command == "select" else []
        alias = uniqueness.owner(found, spelled, self._catalog) if read else None
        own = alias if any(one.alias == alias and one.is_table for one in read) else None
        if not self._chosen.inserts and joins.repeats_alike(found.query, spelled, own):
            return True  # what is done to a row again in its round has been done
        if self._calls_repeating(found) or joins.groups_repeatedly(found.query):
            return False
        if len(read) < 2:
            return not any(joins.multiplies(one) for one in read)
        if alias is None or any(joins.multiplies(one) for one in read if one.alias == alias):
            return False
        return uniqueness.stays_unique(found, alias, self._catalog)

    def _judge(self, known: _Key, *, is_unique: bool = False) -> None:
        """Make sure that a column orders all rows, or that the statement makes up for it."""
        name = f"{known.table}.{known.column}"
        if not self._may_share_keys and not is_unique:
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
        place = self._attempt.prepared.location(self._one.offset)
        message = f"the key of its rounds, `{key}`, {why}"
        raise ZmigError(Problem("batch-key", message, place, facts=(), effect="nothing was run", hint=hint))


def _spelled(one: Statement, chosen: Choice) -> str:
    """Return the key as the statement spells it."""
    return one.text[chosen.key[0].start : chosen.key[-1].end] if chosen.key else ""


_TIES = "let a round take such rows whole: `fetch first :size rows with ties`"
_SHARED = (
    "is not unique: rows that share the last key of a round would be passed over",
    f"take a unique column as the key, or {_TIES}",
)
_SHARED_ROW = (
    "are not unique together: rows that share the last ones of a round would be passed over",
    "add a column that makes them so, to the comparison and to `order by`",
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
    "after the greatest key of all would be passed over",
    "write the query that has `limit :size` by itself",
)
_REPEATED = (
    "may come more than once, because of a `union` or groups of several kinds: rows that share the last key of a "
    "round would be passed over",
    f"write `union`, with the key as the only column, or {_TIES}",
)
_CAST = (
    "is compared as it is, and `order by` orders by a cast of it, which is another order: rows would be passed over",
    "write `order by` and the key without a cast",
)
_COMPUTED = (
    "is computed, and two rows may have the same one: those that share the last key of a round would be passed over",
    f"take a column as the key, make a unique index on what is computed, or {_TIES}",
)
_JOINED = (
    "may come more than once, because of a join: rows that share the last key of a round would be passed over",
    f"write `exists (select ...)` instead of the join, or {_TIES}",
)
