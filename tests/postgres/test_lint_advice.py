"""The corrected SQL of `zmig lint`, run on a server: it does what the statement does, and writes no table anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zmig.lint.run import lint
from zmig.lint.sizes import Size, read
from zmig.sql.token_reader import Name

if TYPE_CHECKING:
    import psycopg

TABLES = """
create type mood as enum ('sad', 'ok');
create domain positive as integer;
create table users (id bigint primary key, name text);
create table orders (id integer not null, user_id bigint, status text, total numeric, note varchar(20),
    points positive);
create index orders_status_idx on orders (status);
create table "Odd Table" ("A b" integer, c text);
insert into users select n, 'u' || n from generate_series(1, 5) n;
insert into orders select n, n, 's', n, 'x', n from generate_series(1, 5) n;
insert into "Odd Table" select n, 'c' from generate_series(1, 5) n;
"""
OBJECTS = """
select 'column ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
    || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
from pg_attribute a join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = %(schema)s::text::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    and a.attname !~ '_old$'
union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
where connamespace = %(schema)s::text::regnamespace and contype <> 'n'
union all select 'index ' || indexdef from pg_indexes where schemaname = %(schema)s::text
order by 1
"""
FILES = """
select relname, pg_relation_filenode(oid) from pg_class
where relnamespace = 'good'::regnamespace and relkind = 'r' order by 1
"""


@pytest.mark.parametrize(
    "statement",
    [
        "create index on orders (status, lower(note))",
        "CREATE UNIQUE INDEX IF NOT EXISTS orders_total_key ON orders USING btree (total DESC) WHERE total > 0",
        'create index on "Odd Table" ("A b")',
        "drop index orders_status_idx",
        "reindex index orders_status_idx",
        "reindex (verbose) table orders",
        "alter table orders add foreign key (user_id) references users (id) on delete set null",
        "alter table orders add constraint fk foreign key (user_id) references users deferrable initially deferred",
        "alter table orders add column owner_id bigint not null default 1 references users (id)",
        "alter table only orders add check (total > 0)",
        "alter table orders add constraint c check (total > 0 and note <> 'a, b')",
        'alter table "Odd Table" add constraint "C d" check ("A b" > 0)',
        "alter table orders add constraint k unique (id, user_id) include (status)",
        "alter table orders add unique (id) deferrable initially deferred",
        "alter table orders add column code text unique",
        "alter table orders add primary key (id)",
        "alter table orders add constraint orders_pk primary key (id, user_id)",
        "alter table orders add column number bigserial primary key",
        "alter table orders add column key uuid default gen_random_uuid() primary key",
        "alter table orders alter column status set not null",
        'alter table "Odd Table" alter "A b" set not null',
        "alter table orders add column r double precision default random()",
        "alter table orders add column r double precision default (random() * 2) not null",
        "alter table orders alter column user_id type integer",
        "alter table orders alter note set data type varchar(10)",
        "alter domain positive add constraint p check (value > 0)",
        "alter domain positive add check (value > 0)",
        "alter table orders rename to purchases",
    ],
)
@pytest.mark.parametrize("version", [16, 18])
def test_the_corrected_statements_do_the_same(
    admin: psycopg.Connection, tmp_path: Path, statement: str, version: int
) -> None:
    if "set not null" in statement and version > admin.info.server_version // 10000:
        pytest.skip("a named NOT NULL can be added NOT VALID since PostgreSQL 18")
    (tmp_path / "001_a.sql").write_text(f"-- why\n{statement};\n")
    lint_keys = f"lint: {{postgres_version: {version}}}\n"
    (tmp_path / "manifest.yaml").write_text(f"manifest: 1\nmigrations: [{{version: 1, file: 001_a.sql}}]\n{lint_keys}")
    (finding,) = [one for one in lint([tmp_path / "manifest.yaml"], environ={}).findings if one.fix]

    build(admin, "bad")
    admin.execute(statement.encode())
    build(admin, "good")
    before = admin.execute(FILES).fetchall()
    for migration in finding.fix:
        for sql in pieces(migration):
            admin.execute(sql.replace(":size", "1000").encode())
    assert objects(admin, "good") == objects(admin, "bad")
    assert {oid for _, oid in before} == {oid for _, oid in admin.execute(FILES).fetchall()}


def test_the_query_for_sizes_makes_a_file_that_can_be_read(admin: psycopg.Connection, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "lint.md").read_text(encoding="utf-8")
    found = re.search(r'psql --csv --command "(.*?)" > sizes.csv', page, re.DOTALL)
    assert found is not None
    query = found[1].replace('\\"', '"').replace("\\\n", "\n")
    admin.execute("create table t (a int); insert into t select generate_series(1, 100); analyze t")
    admin.execute("create table p (a int) partition by range (a)")
    admin.execute("create table p1 partition of p for values from (0) to (9)")
    admin.execute("insert into p values (1)")
    cursor = admin.execute(query.encode())
    names = [column.name for column in cursor.description or ()]
    lines = [",".join("" if value is None else str(value) for value in row) for row in cursor.fetchall()]
    (tmp_path / "sizes.csv").write_text("\n".join((",".join(names), *lines)))
    sizes = read(tmp_path / "sizes.csv")
    assert sizes[Name("public", "t")] == Size(8192, 100)
    assert sizes[Name("public", "p")].bytes == 8192, "a partitioned table is as large as its partitions"


def build(admin: psycopg.Connection, schema: str) -> None:
    """Make the tables in a schema of their own, which names without one mean from then on."""
    admin.execute(f"create schema {schema}".encode())
    admin.execute(f"set search_path to {schema}".encode())
    admin.execute(TABLES)


def pieces(migration: str) -> list[str]:
    """Return the statements of a migration, each to run alone: CONCURRENTLY does not run beside another one."""
    return [migration] if "$$" in migration else migration.split(";\n")


def objects(admin: psycopg.Connection, schema: str) -> list[str]:
    """Return what is in a schema, without its own name."""
    return [one.replace(f"{schema}.", "") for (one,) in admin.execute(OBJECTS, {"schema": schema}).fetchall()]
