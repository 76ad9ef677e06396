"""What a snapshot of a schema withstands: somebody who changes it meanwhile, a role without rights, many objects."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.proof.mutations import make_role
from tests.support.schema_parts import Part
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database import schema_reader
from zmig.database.schema_reader import Reading, read
from zmig.errors import ZmigError

if TYPE_CHECKING:
    from collections.abc import Callable

SCOPE = Scope("zmig")
SCHEMA = """
create schema app;
create table app.t (id int primary key, a int default 1, constraint positive check (a > 0));
create index by_a on app.t (a);
create view app.v as select id, a from app.t;
create function app.f() returns int language sql as 'select 1';
create type app.mood as enum ('ok');
create materialized view app.m as select id from app.t;
create statistics app.s on id, a from app.t;
create function app.tf() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger g before insert on app.t for each row execute function app.tf();
create policy p on app.t using (a > 0);
create rule r as on insert to app.t do also notify x;
create domain app.d as int default 5 check (value > 0);
"""
CHANGES = [
    "drop table app.t cascade",
    "drop view app.v",
    "drop index app.by_a",
    "drop function app.f()",
    "drop type app.mood",
    "drop statistics app.s",
    "drop trigger g on app.t",
    "drop policy p on app.t",
    "drop rule r on app.t",
    "drop domain app.d",
    "drop schema app cascade",
    "alter table app.t alter a drop default",
    "alter table app.t drop constraint positive",
    "alter table app.t drop a cascade",
    "alter table app.t rename a to b",
    "alter table app.t rename to u",
    "alter function app.f() rename to g",
    "create or replace view app.v as select id, a + 1 as a from app.t",
    "alter type app.mood rename to temper",
    "alter schema app rename to other",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_the_middle_is_in_a_snapshot_whole_or_not_at_all(
    connect: Callable[..., psycopg.Connection], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    reader, changer = connect(), connect()
    reader.execute(SCHEMA.encode())
    before = read(reader, SCOPE)
    choose = Reading._chosen  # pyright: ignore[reportPrivateUsage]
    waiting = [change]

    def chosen_then_changed(reading: Reading) -> tuple[list[int], list[int], list[int]]:
        chosen = choose(reading)
        if waiting:
            changer.execute(waiting.pop().encode())
        return chosen

    monkeypatch.setattr(Reading, "_chosen", chosen_then_changed)
    during = read(reader, SCOPE)
    after = read(reader, SCOPE)
    assert differences(before, after)
    assert differences(during, after) == []


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_table_that_is_being_altered_is_waited_for(connect: Callable[..., psycopg.Connection], end: str) -> None:
    reader, altering, watching = connect(), connect(), connect()
    reader.execute(SCHEMA.encode())
    before = read(reader, SCOPE)
    altering.execute(
        "begin; alter table app.t alter id set default 7; lock table app.t, app.v in access exclusive mode"
    )
    pid = reader.info.backend_pid
    with ThreadPoolExecutor(1) as other:
        reading = other.submit(read, reader, SCOPE)
        blocked = "select count(*) from pg_locks where pid = %s and not granted"
        while watching.execute(blocked, [pid]).fetchone() == (0,):
            assert not reading.done(), "it did not wait"
        altering.execute(end.encode())
        during = reading.result()
    found = {f"{one.kind} {one.identity}" for one in differences(before, during)}
    assert found == ({"column app.t.id"} if end == "commit" else set())


def test_a_table_that_stays_locked_is_an_error_with_a_way_out(
    connect: Callable[..., psycopg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_reader, "_ATTEMPTS", 1)
    reader, altering = connect(), connect()
    reader.execute(SCHEMA.encode())
    altering.execute("begin; lock table app.t in access exclusive mode")
    with pytest.raises(ZmigError) as caught:
        read(reader, SCOPE)
    (problem,) = caught.value.problems
    assert (problem.code, problem.effect) == ("schema-is-changing", "nothing was compared")
    altering.execute("rollback")
    assert read(reader, SCOPE).objects


def test_a_role_without_rights_sees_what_a_superuser_sees(admin: psycopg.Connection, role: str) -> None:
    make_role(admin)
    for number in (1, 2):
        admin.execute(Part(number).make.encode())
    admin.execute(
        "create schema hidden; create table hidden.t (x int default 5, check (x > 0));"
        "create view hidden.v as select x from hidden.t"
    )
    expected = read(admin, SCOPE)
    admin.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute("select from hidden.t")
    found = read(admin, SCOPE)
    admin.execute("reset session authorization")
    assert differences(expected, found) == []
    assert (found.fingerprint, found.uncovered) == (expected.fingerprint, expected.uncovered)


def test_what_follows_from_a_partitioned_table_is_not_a_difference_of_each_partition(
    connection: psycopg.Connection,
) -> None:
    connection.execute(
        "create table p (id int, at int not null, primary key (id, at)) partition by range (at);"
        "create function tf() returns trigger language plpgsql as $$ begin return new; end $$"
    )
    for first in range(0, 2000, 100):  # each message in a transaction of its own, which can lock only so much
        numbers = range(first, first + 100)
        connection.execute(
            ";".join(f"create table p{n} partition of p for values from ({n}) to ({n + 1})" for n in numbers).encode()
        )
    before = read(connection, SCOPE)
    assert sum(kind == "table" for kind, _ in before.objects) == 2001
    connection.execute("alter table p add constraint positive check (id > 0)")
    connection.execute("create trigger tg after insert on p for each row execute function tf()")
    found = {f"{one.kind} {one.identity}" for one in differences(before, read(connection, SCOPE))}
    assert found == {"constraint public.p.positive", "trigger public.p.tg"}


def test_memory_is_that_of_the_definitions(connection: psycopg.Connection) -> None:
    def peak(tables: int) -> tuple[int, int]:
        connection.execute("drop schema if exists many cascade; create schema many")
        table = "many.t_%s (a int primary key, b text not null default ''x'', c numeric check (c > 0), d timestamptz)"
        make = f"execute format('create table {table}', i)"
        connection.execute(f"do $$ begin for i in 1..{tables} loop {make}; end loop; end $$".encode())
        tracemalloc.start()
        try:
            objects = read(connection, SCOPE).objects
            return tracemalloc.get_traced_memory()[1], sum(
                len(f"{kind}{name}{text}") for (kind, name), text in objects.items()
            )
        finally:
            tracemalloc.stop()

    (few, few_bytes), (many, many_bytes) = peak(50), peak(400)
    assert many_bytes > 7 * few_bytes
    assert many / many_bytes <= 1.2 * few / few_bytes, (few, few_bytes, many, many_bytes)


def test_labels_of_an_enum_keep_their_order(connection: psycopg.Connection) -> None:
    connection.execute("create type mood as enum ('z', 'a')")
    connection.execute("alter type mood add value 'm' before 'a'")
    connection.execute("alter type mood add value '0' after 'z'")
    (text,) = (text for (kind, _), text in read(connection, SCOPE).objects.items() if kind == "type")
    assert text == "enum\n'z'\n'0'\n'm'\n'a'"
