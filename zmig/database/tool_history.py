"""The history of another migration tool in a database: its table looked up, its rows read. Nothing of it is written.

The status asks it over libpq itself, so nothing here imports psycopg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.other_tools.history import Place
from zmig.other_tools.history_tables import is_beside
from zmig.sql.quoting import identifier, literal, operator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.database.types import Questioning, Row
    from zmig.other_tools.history import HistoryTable

_EQUALS = operator("=")


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
