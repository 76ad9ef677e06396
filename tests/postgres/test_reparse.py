"""What is only spelled in another way is a note: after a dump and its restoration there are no findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.proof.mutations import dumped
from tests.proof.restored import findings_of_restored, make_random
from tests.support import database as databases
from zmig.catalog.difference import Difference, differences
from zmig.catalog.objects import Kind
from zmig.catalog.scope import Scope
from zmig.database.schema_reader import read
from zmig.embedded import find_binaries
from zmig.verification.reparse import mark_respelled

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPE = Scope("zmig")
needs_pg_dump = pytest.mark.skipif(
    not find_binaries().binaries.path("pg_dump").is_file(), reason="there is no pg_dump beside the server"
)

SPELLED = """
create schema app;
create domain app.code as varchar(10) check (value in ('A', 'B')) default substring('Axx' from 1 for 1);
create table app.t (
    code varchar(10) check (code in ('A', 'B')),
    kind char(3) default case when 'a'::varchar in ('A', 'B') then 'x' end,
    is_known boolean generated always as (code in ('A', 'B')) stored,
    constraint apart exclude (kind with =) where (code in ('A', 'B'))
);
create view app.v with (security_barrier) as select code, kind from app.t where code in ('A', 'B');
create materialized view app.m as select code from app.t where code in ('A', 'B');
create index by_known on app.t ((code in ('A', 'B')));
create index by_kind on app.t (kind) where code in ('A', 'B');
create function app.tf() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger tg before insert on app.t for each row when (new.code in ('A', 'B')) execute function app.tf();
alter table app.t disable trigger tg;
create policy p on app.t for update using (code in ('A', 'B')) with check (code in ('C', 'D'));
create function app.f(a boolean default 'A'::varchar in ('A', 'B')) returns int language sql as 'select 1';
create table app.parts (code varchar(10)) partition by list ((code in ('A', 'B')));
create table app.part partition of app.parts for values in (true);
create table app.rest partition of app.parts default;
create rule r as on delete to app.t where old.code in ('A', 'B') do also delete from app.parts;
"""
SINCE_14 = """
create statistics app.st on (code in ('A', 'B')) from app.t;
create function app.g(a varchar) returns boolean begin atomic select a in ('A', 'B'); end;
"""
OTHERWISE = SPELLED.replace("'B'", "'C'")


@pytest.fixture
def other(server: str, worker_name: str) -> Iterator[str]:
    """The URL of a second empty database."""
    with databases.temporary(server, f"{worker_name}_other") as url:
        yield url


def restore(text: str, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema if exists app cascade")
        connection.execute(text.encode())


def compared(one: psycopg.Connection, url: str) -> list[Difference]:
    with psycopg.connect(url) as other:
        return differences(read(one, SCOPE), read(other, SCOPE))


def findings(found: list[Difference]) -> set[str]:
    return {f"{one.kind} {one.identity}: {list(one.lines)}" for one in found if not one.is_note}


@needs_pg_dump
def test_what_was_dumped_and_restored_differs_only_in_spelling(connection: psycopg.Connection, other: str) -> None:
    version = connection.info.server_version
    text = SPELLED + (SINCE_14 if version >= 140000 else "")
    connection.execute(text.encode())
    connection.execute("alter table app.t replica identity full")
    restore(dumped(connection.info.dsn), other)
    found = compared(connection, other)
    assert len(findings(found)) >= 12, "what the server spells in two ways is what this test is of"
    before = read(connection, SCOPE).fingerprint
    marked = mark_respelled(connection, found)
    assert findings(marked) == set()
    assert {one.reason for one in marked} == {"same after reparse"}
    assert read(connection, SCOPE).fingerprint == before
    with psycopg.connect(other) as restored:
        assert findings(mark_respelled(restored, found)) == set()


def test_what_means_something_else_stays_a_finding(connection: psycopg.Connection, other: str) -> None:
    connection.execute(SPELLED.encode())
    restore(OTHERWISE, other)
    found = compared(connection, other)
    assert len(found) >= 12
    assert mark_respelled(connection, found) == found


@pytest.mark.parametrize(
    "change",
    [
        "alter table app.t alter code set not null",
        "alter table app.t alter code drop default",
        "alter table app.t drop constraint c; alter table app.t add constraint c check (code <> 'a') not valid",
        "alter table app.t drop constraint c; alter table app.t add constraint c unique (code)",
        "alter table app.t enable always trigger tg",
        "drop trigger tg on app.t; create trigger tg after insert on app.t for each row execute function app.tf()",
        "drop index app.i; create unique index i on app.t (lower(code))",
        "drop policy p on app.t; create policy p on app.t with check (code = 'a')",
        "drop policy p on app.t; create policy p on app.t for select using (code = 'a')",
        "alter table app.t drop constraint c; alter table app.t add constraint c check (code <> 'a') no inherit",
        "alter view app.v set (check_option = local)",
    ],
)
def test_what_is_around_an_expression_counts(connection: psycopg.Connection, other: str, change: str) -> None:
    make = (
        "create schema app; create table app.t (code text default 'a', constraint c check (code <> 'a'));"
        "create function app.tf() returns trigger language plpgsql as $$ begin return new; end $$;"
        "create trigger tg before insert on app.t for each row execute function app.tf();"
        "create view app.v as select code from app.t;"
        "create index i on app.t (lower(code)); create policy p on app.t using (code = 'a')"
    )
    connection.execute(make.encode())
    restore(f"{make}; set search_path = app; {change}", other)
    found = compared(connection, other)
    assert len(found) == 1
    assert mark_respelled(connection, found) == found


def test_conditions_of_a_publication_are_read(connection: psycopg.Connection) -> None:
    if connection.info.server_version < 150000:
        pytest.skip("publications have conditions since PostgreSQL 15")
    connection.execute('create schema app; create table app.t (code text, "a b" int)')
    shown = 'insert\ntable app.t (code, "a b") where {}\ntable app.t where {}'
    spelled = shown.format("(code = 'A'::text)", '("a b" > 5)'), shown.format("(code = 'A')", '((("a b")) > 5::int)')
    others = (
        shown.format("(code = 'A')", '("a b" > 6)'),
        shown.replace("(code,", "(").format("(code = 'A')", '("a b" > 5)'),
    )
    found = [Difference(Kind.PUBLICATION, "p", spelled[0], text) for text in (spelled[1], *others)]
    assert [one.is_note for one in mark_respelled(connection, found)] == [True, False, False]


def test_what_cannot_be_read_stays_a_finding(connection: psycopg.Connection, other: str) -> None:
    """A view that names what the scratch database does not have."""
    connection.execute("create schema app; create table app.t (x int); create view app.v as select x from app.t")
    restore(
        "create schema app; create table app.t (x int, y int); create view app.v as select y as x from app.t", other
    )
    found = compared(connection, other)
    assert {one for one in findings(mark_respelled(connection, found)) if one.startswith("view")}


@needs_pg_dump
@pytest.mark.parametrize("seed", [0, 1])
def test_a_random_schema_that_was_dumped_and_restored_has_no_findings(
    admin: psycopg.Connection, other: str, seed: int
) -> None:
    """A sample of `python -m tests.proof.restored`."""
    assert len(make_random(admin, seed)) > 20
    assert findings_of_restored(admin, other) == []
