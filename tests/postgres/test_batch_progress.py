"""Rounds without `:cursor`: an UPDATE that would find the same rows for ever is refused before the first round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import MigrationFailed, Migrator

if TYPE_CHECKING:
    import psycopg

    from tests.support.project import ProjectFolder

TABLE = """
create table t (id int primary key, v int default 0, g int, ready boolean default true,
    odd int generated always as (v % 2) stored);
create table child (t int references t);
insert into t (id, g) select n, n % 3 from generate_series(1, 10) n;
"""


@pytest.mark.parametrize(
    "text",
    [
        "update t set v = v + 1 where id in (select id from t order by id limit :size)",
        "update t set v = v + 1 where id in (select id from t where g is not null order by id limit :size)",
        "update t set (v) = row(v + 1) where ctid = any(array(select t.ctid from t where t.g in (0, 1) limit :size))",
        "with b as (select id from public.t where ready limit :size) update public.t set v = t.v + 1 from b "
        "where b.id = t.id",
        "with u as (update t set v = v + 1 where id in (select id from t where ready limit :size) returning id) "
        "select null, count(*) from u",
    ],
)
def test_rounds_that_would_find_the_same_rows_for_ever_are_refused(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    connection.execute(TABLE.encode())
    # If the rounds did begin, the third one would end them.
    connection.execute("alter table t add check (v < 3)")
    project.sql("001_touch", text, batch={"size": 30})
    with pytest.raises(MigrationFailed, match="each round would change the same rows again") as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.code == "batch-stands-still"
    assert "add a condition on `v`" in str(problem.hint)
    assert connection.execute("select max(v) from t").fetchone() == (0,)


@pytest.mark.parametrize(
    "text",
    [
        "update t set v = 1 where id in (select id from t where v = 0 limit :size)",
        "update t set v = 1 where v = 0 and id in (select id from t where v = 0 order by id limit :size)",
        "update t set v = 1 where id in (select id from t where odd = 0 limit :size)",
        "update t set v = 1 where id in (select id from due limit :size)",
        "update due set v = 1 where id in (select id from due limit :size)",
        "update t set v = 1 where id in (select id from t where is_due(id) limit :size)",
        "update t set v = 1 where id in (select id from t where t <> (id, 1, g, ready, 1)::t limit :size)",
        "with d as (delete from todo where id in (select id from todo limit :size) returning id) "
        "update t set v = 1 from d where d.id = t.id",
    ],
)
def test_rounds_that_come_to_an_end_are_taken(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    connection.execute(TABLE.encode())
    connection.execute(
        "create view due as select id, v from t where v = 0; create table todo as select id from t;"
        "create function is_due(int) returns boolean volatile language sql as 'select v = 0 from t where id = $1'"
    )
    project.sql("001_touch", text, batch={"size": 3})
    Migrator(project.manifest).migrate()
    assert connection.execute("select min(v), max(v) from t").fetchone() == (1, 1)


def test_rounds_that_a_trigger_brings_to_an_end_are_taken(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(TABLE.encode())
    connection.execute(
        "create function done() returns trigger language plpgsql as 'begin new.ready := false; return new; end';"
        "create trigger done before update on t for each row execute function done()"
    )
    text = "update t set v = v + 1 where id in (select id from t where ready limit :size)"
    project.sql("001_touch", text, batch={"size": 3})
    Migrator(project.manifest).migrate()
    assert connection.execute("select min(v), max(v) from t").fetchone() == (1, 1)
