"""The end of a batch: a round that touches no row is the last one only where no rows are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.process import Process
from zmig import MigrationFailed, Migrator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

BATCH = {"size": 10, "start": 0}
CHOICE = "select id from t where id > :cursor order by id limit :size"


@pytest.fixture(autouse=True)
def rows(connection: psycopg.Connection) -> None:
    connection.execute(
        "create table t (id int primary key, v int default 0, old boolean);"
        "insert into t select g, 0, g > 35 from generate_series(1, 60) g"
    )


def counts(connection: psycopg.Connection) -> Sequence[object]:
    return connection.execute("select old, v, count(*) from t group by 1, 2 order by 1, 2").fetchall()


@pytest.mark.parametrize(
    "text",
    [
        f"update t set v = v + 1 where id in ({CHOICE}) and old returning id",
        f"update t set v = v + 1 where id in ({CHOICE.replace('by id', 'by 1')} for update) and old returning id",
        f"with s as ({CHOICE}) update t set v = v + 1 from s where t.id = s.id and old returning t.id",
        "with a as (select ctid, * from t), "
        "s as (select ctid c, id k from a where id > :cursor order by k limit :size) "
        "update t set v = v + 1 from s where t.ctid = s.c and old returning s.k",
        f"with s as ({CHOICE}), u as (update t set v = v + 1 from s where t.id = s.id and old returning t.id) "
        "select max(id), count(*) from u",
        "update t set v = v + 1 where id > :cursor and id <= :cursor + :size and old returning id",
        "update t set v = v + 1 where id between :cursor + 1 and :cursor + :size and old returning id",
    ],
)
def test_a_round_that_a_condition_outside_of_the_choice_leaves_empty_is_not_the_last(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    project.sql("001_touch", text, batch=BATCH)
    Migrator(project.manifest).migrate()
    assert counts(connection) == [(False, 0, 35), (True, 1, 25)]


def test_rounds_of_texts_go_on_from_the_greatest_and_those_of_descending_keys_from_the_least(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("alter table t alter id type text collate \"C\" using lpad(id::text, 2, '0')")
    for number, text, start in (
        (1, CHOICE, "!"),
        (2, CHOICE.replace(">", "<").replace("order by id", "order by id desc"), "99"),
    ):
        function = "max" if number == 1 else "min"
        project.sql(
            f"{number:03}_touch",
            f"with s as ({text}), u as (update t set v = v + 1 from s where t.id = s.id and old returning t.id) "
            f"select {function}(id), count(*) from u",
            batch={"size": 10, "start": start},
        )
    Migrator(project.manifest).migrate()
    assert counts(connection) == [(False, 0, 35), (True, 2, 25)]


@pytest.mark.parametrize(
    "condition", ["id > :cursor and id <= :cursor + :size", "id > :cursor and id < :cursor + :size"]
)
def test_an_interval_without_rows_is_passed_over(
    project: ProjectFolder, connection: psycopg.Connection, facts: Facts, condition: str
) -> None:
    connection.execute("update t set id = id + 1000000 where id > 30; update t set id = id + 5000 where id > 1000050")
    project.sql("001_touch", f"update t set v = v + 1 where {condition} returning id", batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select v, count(*) from t group by v").fetchall() == [(1, 60)]
    assert len(facts.data("001_touch", "checkpoint")) < 20


def test_rows_that_a_trigger_keeps_do_not_end_the_rounds(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(
        "create function keep() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger keep before update on t for each row when (not old.old) execute function keep()"
    )
    project.sql("001_touch", f"update t set v = v + 1 where id in ({CHOICE}) returning id", batch=BATCH)
    Migrator(project.manifest).migrate()
    assert counts(connection) == [(False, 0, 35), (True, 1, 25)]


def test_rows_that_are_there_already_do_not_end_the_rounds_of_an_insert(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("create table log (id int primary key); insert into log select generate_series(1, 40)")
    choice = "select id from t where id > :cursor order by id limit :size on conflict do nothing"
    project.sql("001_copy", f"insert into log (id) {choice} returning id", batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*) from log").fetchone() == (60,)


def test_rows_that_another_session_deletes_meanwhile_do_not_end_the_rounds(
    project: ProjectFolder, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    project.sql("001_touch", f"update t set v = v + 1 where id in ({CHOICE}) returning id", batch=BATCH)
    other = connect(autocommit=False)
    other.execute("delete from t where id <= 10")
    with Process("apply", project.manifest) as process:
        backends.wait_until(
            connection, "exists (select from pg_locks where not granted and locktype = 'transactionid')", of=process
        )
        other.commit()
        ended = process.wait()
    assert ended.code == 0, ended.stderr
    assert connection.execute("select v, count(*) from t group by v").fetchall() == [(1, 50)]


def test_without_a_cursor_a_round_that_passes_over_what_it_chose_is_no_end(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    text = "update t set v = 1 where id in (select id from t where v = 0 order by id limit :size) and old"
    project.sql("001_touch", text, batch={"size": 10})
    with pytest.raises(MigrationFailed, match="a round touched no row, and there are still 10 or more") as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.problems[0].code == "batch-stands-still"
    project.sql("001_touch", text, batch={"size": 100})
    Migrator(project.manifest).migrate()
    assert counts(connection) == [(False, 0, 35), (True, 1, 25)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "timestamptz",
            "'infinity', '-infinity', '0044-03-15 12:00+00 BC', '0044-03-14 BC', '20000-01-01', '1999-12-31', "
            "'1850-05-05'",
        ),
        ("timestamp", "'infinity', '0044-03-15 12:00 BC', '4713-01-01 BC', '294276-12-31', '0001-01-01', '2026-02-28'"),
        ("date", "'infinity', '4713-01-01 BC', '0001-12-31 BC', '0001-01-01', '5874897-12-31', '2024-02-29'"),
        ("time", "'24:00', '00:00', '23:59:59.999999', '12:00:00.5'"),
    ],
)
def test_times_that_python_has_no_value_for_are_keys_like_others(
    project: ProjectFolder, connection: psycopg.Connection, kind: str, values: str
) -> None:
    connection.execute(
        f"create table times (k {kind} primary key, v int default 0);"
        f"insert into times select unnest(array[{values}]::{kind}[])".encode()
    )
    start = "00:00" if kind == "time" else "-infinity"
    choice = "select k from times where k > :cursor order by k limit :size"
    text = f"update times set v = v + 1 where k in ({choice}) returning k"
    project.sql("001_touch", text, batch={"size": 3, "start": start})
    Migrator(project.manifest).migrate()
    left = connection.execute(f"select v, count(*) from times where k > '{start}' group by v".encode()).fetchall()
    assert [v for v, _ in left] == [1]
