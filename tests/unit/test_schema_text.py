"""A schema as text: one block for each table, in an order that nothing but names decides."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from zmig.catalog import schema_text
from zmig.catalog.objects import Kind, SchemaSnapshot

if TYPE_CHECKING:
    from pathlib import Path

SHOP: dict[tuple[Kind, str], str] = {
    (Kind.VERSION, "extension pg_trgm"): "1.6",
    (Kind.EXTENSION, "pg_trgm"): "schema public",
    (Kind.SCHEMA, "public"): "",
    (Kind.OWNER, "schema public"): "the usual one",
    (Kind.SCHEMA, "shop"): "",
    (Kind.OWNER, "schema shop"): "zmig",
    (Kind.PRIVILEGES, "schema shop"): "reader: usage",
    (Kind.TYPE, "shop.mood"): "enum\n'ok'\n'it''s bad'",
    (Kind.TYPE, "shop.pair"): "composite\na integer\nb text",
    (Kind.DOMAIN, "shop.email"): "text\nnot null",
    (Kind.CONSTRAINT, "shop.email.has_at"): "CHECK ((VALUE ~ '@'::text))",
    (Kind.TABLE, "shop.orders"): "unlogged\nwith fillfactor=70\nrow level security",
    (Kind.COLUMN, "shop.orders.total"): "numeric\ndefault 0\nnot null",
    (Kind.COLUMN, "shop.orders.id"): "bigint\ngenerated always as identity\nnot null constraint has_id",
    (Kind.COLUMN, 'shop.orders."a.b(c"'): "text\ndefault 'one\ntwo'::text",
    (Kind.COLUMN_ORDER, "shop.orders"): 'total, id, "a.b(c"',
    (Kind.CONSTRAINT, "shop.orders.orders_pkey"): "PRIMARY KEY (id)",
    (Kind.SEQUENCE, "shop.orders_id_seq"): (
        "as bigint\nstart 1\nincrement 1\nminvalue 1\nmaxvalue 9223372036854775807\ncache 1\nidentity of shop.orders.id"
    ),
    (Kind.SEQUENCE, 'shop."Odd One_position_seq"'): (
        "as bigint\nstart 1\nincrement 1\nminvalue 1\nmaxvalue 9223372036854775807\ncache 1\n"
        'identity of shop."Odd One"."position"'
    ),
    (Kind.TABLE, 'shop."Odd One"'): "",
    (Kind.COLUMN, 'shop."Odd One"."position"'): "bigint\ngenerated always as identity",
    (Kind.SEQUENCE, "shop.numbers"): (
        "as integer\nstart -1\nincrement -5\nminvalue -2147483648\nmaxvalue -1\ncache 1\ncycle"
    ),
    (Kind.INDEX, "shop.orders_total"): "CREATE INDEX orders_total ON shop.orders USING btree (total)\ninvalid",
    (Kind.TRIGGER, "shop.orders.note"): "CREATE TRIGGER note AFTER INSERT ON shop.orders EXECUTE FUNCTION shop.f()",
    (Kind.POLICY, "shop.orders.own"): "permissive\nfor select\nto public\nusing (true)",
    (Kind.OWNER, "statistics shop.more"): "boss",
    (Kind.STATISTICS, "shop.more"): "CREATE STATISTICS shop.more ON id, total FROM shop.orders",
    (Kind.OWNER, "something new x"): "boss",
    (Kind.OWNER, "table shop.orders"): "Boss",
    (
        Kind.PRIVILEGES,
        "table shop.orders",
    ): "owner: not delete\npublic: maintain\nreader: maintain\nreader: select\nreader: update",
    (Kind.PRIVILEGES, "column shop.orders.total"): "writer: update with grant option",
    (Kind.COMMENT, "table shop.orders"): "what's ordered",
    (Kind.COMMENT, "table column shop.orders.total"): "in cents",
    (Kind.COMMENT, "index shop.orders_total"): "for sums",
    (Kind.COMMENT, "trigger note on shop.orders"): "notes",
    (Kind.STORAGE, "shop.orders.total"): "compression lz4",
    (Kind.TABLE, "shop.log"): "partition by RANGE (at)",
    (Kind.COLUMN, "shop.log.at"): "timestamp with time zone",
    (Kind.TABLE, "shop.log_1"): "partition of shop.log FOR VALUES FROM (MINVALUE) TO ('2024-01-01')",
    (Kind.COLUMN, "shop.log_1.at"): "timestamp with time zone",
    (Kind.INDEX, "shop.log_at"): "CREATE INDEX log_at ON ONLY shop.log USING btree (at)",
    (Kind.INDEX, "shop.log_1_at"): "CREATE INDEX log_1_at ON shop.log_1 USING btree (at)\npartition of shop.log_at",
    (Kind.CONSTRAINT, "shop.log_1.log_1_pkey"): "PRIMARY KEY (at)\npartition of shop.log.log_pkey",
    (Kind.CONSTRAINT, "shop.log.log_pkey"): "PRIMARY KEY (at)",
    (Kind.VIEW, "shop.sums"): "with security_barrier=true\n SELECT sum(total) AS sum\n   FROM shop.orders;",
    (Kind.COLUMN, "shop.sums.sum"): "numeric",
    (Kind.ROUTINE, "shop.f(a integer)"): "CREATE OR REPLACE FUNCTION shop.f(a integer)\nAS $function$ x $function$\n",
    (Kind.PRIVILEGES, "routine shop.f(a integer)"): "reader: execute",
    (Kind.COMMENT, "function shop.f(integer)"): "does x",
    (Kind.FOREIGN_TABLE, "shop.far"): "server away\noptions password 'secret\nsecret'",
    (Kind.COLUMN, "shop.far.x"): "integer\nforeign options column_name 'secret\nsecret'",
    (Kind.SERVER, "away"): "wrapper postgres_fdw\noptions password sha256:secret",
    (Kind.PUBLICATION, "news"): "insert, update\ntable shop.orders",
    (Kind.DEFAULT_PRIVILEGES, "zmig in schema shop on tables"): "reader: select",
    (Kind.DEFAULT_PRIVILEGES, "boss on routines"): "none",
}

TEXT = """\
-- The schema of the database, as `zmig schema` writes it, for people to read.
-- It is changed by migrations; whatever is written here by hand is lost.

create extension pg_trgm
    schema public;

create schema shop;
grant usage on schema shop to reader;

create domain shop.email as text not null;
alter domain shop.email add constraint has_at CHECK ((VALUE ~ '@'::text));

create type shop.mood as enum (
    'ok',
    'it''s bad'
);

create type shop.pair as (
    a integer,
    b text
);

create sequence shop.numbers as integer increment -5 cycle;

create table shop."Odd One" (
    "position" bigint generated always as identity
);

create foreign table shop.far (
    x integer
)
server away;

create table shop.log (
    at timestamp with time zone,
    constraint log_pkey PRIMARY KEY (at)
)
partition by RANGE (at);
CREATE INDEX log_at ON ONLY shop.log USING btree (at);

create table shop.log_1
partition of shop.log FOR VALUES FROM (MINVALUE) TO ('2024-01-01');

create unlogged table shop.orders (
    id bigint generated always as identity not null,
    "a.b(c" text default 'one
two'::text,
    total numeric default 0 not null,
    constraint orders_pkey PRIMARY KEY (id)
)
with fillfactor=70
row level security;
CREATE INDEX orders_total ON shop.orders USING btree (total)
invalid;
CREATE STATISTICS shop.more ON id, total FROM shop.orders;
CREATE TRIGGER note AFTER INSERT ON shop.orders EXECUTE FUNCTION shop.f();
create policy own on shop.orders
    permissive
    for select
    to public
    using (true);
alter statistics shop.more owner to boss;
alter table shop.orders owner to "Boss";
grant update (total) on table shop.orders to writer with grant option;
revoke delete on table shop.orders from owner;
grant select, update on table shop.orders to reader;
comment on table shop.orders is 'what''s ordered';
comment on trigger note on shop.orders is 'notes';
comment on index shop.orders_total is 'for sums';
comment on column shop.orders.total is 'in cents';

create view shop.sums with security_barrier=true as
 SELECT sum(total) AS sum
   FROM shop.orders;

CREATE OR REPLACE FUNCTION shop.f(a integer)
AS $function$ x $function$;
revoke all on routine shop.f(a integer) from public;
grant execute on routine shop.f(a integer) to reader;
comment on function shop.f(integer) is 'does x';

create publication news
    insert, update
    table shop.orders;

create server away
    wrapper postgres_fdw;

alter default privileges for role boss revoke all on routines from public;

alter default privileges in schema shop grant select on tables to reader;

alter something new x owner to boss;
"""


def text_of(objects: dict[tuple[Kind, str], str], **options: bool) -> str:
    return schema_text.text(SchemaSnapshot(180000, objects), usual_owners={"zmig"}, **options)


def test_everything_that_belongs_to_a_table_is_in_its_block() -> None:
    assert text_of(SHOP) == TEXT


def test_the_order_in_which_objects_were_read_makes_no_difference() -> None:
    assert text_of(dict(reversed(SHOP.items()))) == TEXT


def test_columns_are_in_the_order_of_the_table_where_that_counts() -> None:
    text = text_of(SHOP, keeps_column_order=True)
    assert text.index("    total numeric") < text.index("    id bigint") < text.index('    "a.b(c"')


def test_nothing_of_what_a_foreign_server_is_given_is_shown() -> None:
    assert "secret" not in text_of(SHOP)


def test_what_is_said_of_an_object_that_is_left_out_is_shown_by_itself() -> None:
    text = text_of({(Kind.COMMENT, "schema public"): "ours", (Kind.OWNER, "schema public"): "boss"})
    assert text.endswith("\n\nalter schema public owner to boss;\ncomment on schema public is 'ours';\n")


@pytest.mark.parametrize("has_objects", [True, False])
def test_the_text_ends_with_one_line_end(has_objects: bool) -> None:
    text = text_of(SHOP if has_objects else {})
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_branches_that_change_different_tables_merge(tmp_path: Path) -> None:
    def branch(name: str, **more: str) -> Path:
        tables = {"a": "x integer", "b": "x integer", "c": "x integer"} | more
        objects: dict[tuple[Kind, str], str] = {}
        for table, column in tables.items():
            objects[Kind.TABLE, f"public.{table}"] = ""
            for one in column.split(","):
                objects[Kind.COLUMN, f"public.{table}.{one.split()[0]}"] = one.split()[1]
        file = tmp_path / name
        file.write_text(text_of(objects), encoding="utf-8")
        return file

    ours, base, theirs = branch("ours", a="x integer,y text"), branch("base"), branch("theirs", b="w text,x integer")
    command = ["git", "merge-file", "-p", str(ours), str(base), str(theirs)]
    merged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert merged.returncode == 0, merged.stdout
    assert merged.stdout == branch("both", a="x integer,y text", b="w text,x integer").read_text(encoding="utf-8")
