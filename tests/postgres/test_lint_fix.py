"""Migrations that `zmig lint --fix` has split, run on a server: the schema is what it would have been without it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.process import run
from tests.support.project import ProjectFolder
from zmig.lint.fix import fixing

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

TABLES = """-- The start.
create table users (id bigint primary key, name text);
create table orders (id bigint not null, user_id bigint, status text not null default 's', note text);
create index orders_note_idx on orders (note);
insert into users select n, 'u' from generate_series(1, 5) n;
insert into orders select n, n, 's', 'n' from generate_series(1, 5) n;
"""
MIGRATIONS = {
    "indexes": (
        "alter table orders add column t text;\ncreate index t_idx on orders (t);\ndrop index orders_note_idx;\n"
        "comment on column orders.t is 'x';",
        "create index orders_note_idx on orders (note);\ndrop index t_idx;\nalter table orders drop column t;",
    ),
    "keys": (
        "alter table orders add constraint fk foreign key (user_id) references users (id) on delete cascade,\n"
        "  add column total numeric, add constraint c check (total > 0);\n"
        "alter table orders add constraint k unique (id, user_id);",
        "alter table orders drop constraint k;\nalter table orders drop constraint fk, drop constraint c, drop total;",
    ),
    "not null": (
        "alter table orders alter column user_id set not null;\nalter table orders add column more text;",
        "alter table orders drop column more;\nalter table orders alter column user_id drop not null;",
    ),
    "primary key": (
        "alter table orders add constraint orders_pkey primary key (id);\ncreate table lines (order_id bigint);",
        "drop table lines;\nalter table orders drop constraint orders_pkey;",
    ),
    "rows": (
        "alter table orders add column t text;\n"
        "update orders set t = note || '!', status = 'done' where id <> 4;\n"
        "alter table orders add constraint c check (t <> 'x');",
        "alter table orders drop constraint c;\nupdate orders set status = 's';\nalter table orders drop column t;",
    ),
    "default": (
        "alter table orders add column r double precision default random() not null;",
        "alter table orders drop column r;",
    ),
}
OBJECTS = """
select 'row ' || orders::text from orders where not exists (
    select from pg_attribute where attrelid = 'orders'::regclass and attname = 'r'
)
union all
select 'column ' || a.attrelid::regclass || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || ' ' || a.attnotnull || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
    || coalesce(' ' || col_description(a.attrelid, a.attnum), '')
from pg_attribute a join pg_class c on c.oid = a.attrelid
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
union all
select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated
from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
union all
select 'index ' || pg_get_indexdef(i.indexrelid) || i.indisvalid from pg_index i
join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'public'::regnamespace
order by 1
"""


@pytest.mark.parametrize("case", MIGRATIONS)
def test_the_schema_is_the_same_as_without_it_and_so_is_the_way_back(
    database: str, connection: psycopg.Connection, tmp_path: Path, case: str
) -> None:
    sql, rollback = MIGRATIONS[case]
    written = ProjectFolder(tmp_path / "written", database, lint={"postgres_version": 16})
    written.sql("001_base", TABLES)
    written.sql("002_change", f"-- Why.\n{sql}\n", rollback=f"{rollback}\n")
    shutil.copytree(written.folder, tmp_path / "fixed")
    manifest = tmp_path / "fixed" / written.manifest.name
    fixes = fixing.find(manifest, environ={}, base=None, names=["2"])
    assert fixes.fixed == ("002_change",), fixes.refused
    assert any("limit :size" in (one.after or "") for one in fixes.changes) == (case in ("default", "rows"))
    fixing.write(fixes)

    def objects() -> list[tuple[str]]:
        return connection.execute(OBJECTS).fetchall()

    def applied(path: Path) -> list[tuple[str]]:
        assert run("apply", path).code == 0
        return objects()

    def rolled_back(path: Path) -> list[tuple[str]]:
        ended = run("rollback", path, "--to", "1", "--yes")
        assert ended.code == 0, ended.stderr
        return objects()

    before = applied(written.manifest)
    undone = rolled_back(written.manifest)
    assert applied(manifest) == before
    assert rolled_back(manifest) == undone
    assert applied(manifest) == before
