"""The key of a batch's rounds: what orders all rows is taken, and what does not is refused before the first round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from zmig import MigrationFailed, Migrator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.project import ProjectFolder

BATCH = {"size": 3, "start": -1}
CHOSEN = "update t set v = v + 1 where k in (select k from {} where k > :cursor order by k limit :size) returning k"


def refusal(project: ProjectFolder, text: str, start: object = -1) -> str:
    project.sql("001_touch", text, batch={**BATCH, "start": start})
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    (problem,) = caught.value.problems
    assert problem.code == "batch-key"
    assert problem.location is not None
    return f"{problem.message}; {problem.hint}"


def touched(
    project: ProjectFolder, connection: psycopg.Connection, text: str, table: str = "t", start: object = -1
) -> Sequence[object]:
    project.sql("001_touch", text, batch={**BATCH, "start": start})
    Migrator(project.manifest).migrate()
    return connection.execute(f"select v, count(*) from {table} group by v order by v".encode()).fetchall()


def test_a_not_null_that_is_not_valid_yet_lets_rows_without_a_key_be(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    if connection.info.server_version < 180000:
        pytest.skip("the server has no NOT NULL that is not valid")
    connection.execute(
        "create table t (k int unique, v int default 0); insert into t values (null), (1), (2);"
        "alter table t add constraint nn not null k not valid"
    )
    assert "`public.t.k`, may be null" in refusal(project, CHOSEN.format("t"))
    connection.execute("delete from t where k is null; alter table t validate constraint nn")
    assert touched(project, connection, CHOSEN.format("t")) == [(1, 2)]


INHERITED = """
create table t (k int primary key, v int default 0);
create table child () inherits (t);
insert into t (k) select generate_series(1, 10);
insert into child (k) select generate_series(1, 10);
"""


def test_a_key_that_is_unique_in_a_parent_alone_is_refused(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(INHERITED)
    assert "not in those that inherit from it" in refusal(project, CHOSEN.format("t"))
    only = CHOSEN.format("only t").replace("update t", "update only t")
    assert touched(project, connection, only, "only t") == [(1, 10)]


def test_the_only_of_fetch_first_is_not_that_of_a_table(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute(INHERITED)
    text = CHOSEN.format("t").replace("limit :size", "fetch first :size rows only")
    assert "not in those that inherit from it" in refusal(project, text)


def test_the_key_of_a_partitioned_table_covers_its_partitions(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(
        "create table t (k int primary key, v int default 0) partition by range (k);"
        "create table t1 partition of t for values from (0) to (5);"
        "create table t2 partition of t for values from (5) to (50);"
        "insert into t select generate_series(1, 10)"
    )
    assert touched(project, connection, CHOSEN.format("t")) == [(1, 10)]


JOINED = """
create table p (id int primary key, v int default 0, name text);
create table t (id int primary key, p int, p2 int unique, k int unique not null, v int default 0);
insert into p select generate_series(1, 5);
insert into t (id, p, k) select g, 1 + g % 5, g from generate_series(1, 20) g;
"""


@pytest.mark.parametrize(
    "text",
    [
        "with s as (select t.ctid x, p.id k from t join p on p.id = t.p where p.id > :cursor order by p.id limit :size)"
        " update t set v = v + 1 from s where t.ctid = s.x returning s.k",
        "insert into log select p.id from t, p where p.id = t.p and p.id > :cursor order by p.id limit :size "
        "returning id",
        "with j as (select p.id, t.k from t join p on p.id = t.p) update t set v = v + 1 where k in "
        "(select k from (select id, k from j where id > :cursor order by id limit :size) j) returning id",
        "with j as (select t.ctid x, p.id from t join p on p.id = t.p) insert into log select id from j where id > "
        ":cursor order by id limit :size returning id",
    ],
)
def test_a_join_that_may_take_a_key_several_times_is_refused(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    connection.execute(f"{JOINED} create table log (id int)".encode())
    assert "`public.p.id`, may come more than once" in refusal(project, text)


@pytest.mark.parametrize(
    "source",
    [
        "t join p on p.id = t.p",
        "p, t",
        "t left join p as q on (t.p = q.id and q.name is null)",
        "t join p using (id)",
        "t join p on t.p = p.id join p p2 on p2.id = p.id",
        "t cross join lateral (select * from p where p.id <= t.p limit 1) q",
        "t cross join (select max(id) m from p) q",
        "(select t.k, t.p from t where v = 0) t join p on p.id = t.p",
    ],
)
def test_a_join_that_looks_up_what_is_unique_is_taken(
    project: ProjectFolder, connection: psycopg.Connection, source: str
) -> None:
    connection.execute(
        f"{JOINED} alter table p alter v drop default; insert into p select generate_series(6, 20)".encode()
    )
    condition = "p.id = t.p and" if source == "p, t" else ""
    assert touched(
        project,
        connection,
        f"with s as (select t.k from {source} where {condition} t.k > :cursor order by t.k limit :size) "
        "update t set v = v + 1 from s where t.k = s.k returning s.k",
    ) == [(1, 20)]


@pytest.mark.parametrize(
    "choice",
    [
        "select p.id from t join p on true where p.id > :cursor order by 1 limit :size",
        "select p.name, p.id from p left join lateral (select * from t where t.p = p.id) t on true "
        "where p.id > :cursor order by p.id limit :size",
        "select id from (select p.id from t join p on p.id = t.p) j where id > :cursor order by id limit :size",
        "select distinct p.id from t join p on p.id = t.p where p.id > :cursor order by p.id limit :size",
        "select distinct on (p.id) p.id, t.k from t join p on p.id = t.p where p.id > :cursor order by 1 limit :size",
        "select p.id from t join p on p.id = t.p where p.id > :cursor group by p.id order by p.id limit :size",
        "select p.id, max(t.k) from t join p on p.id = t.p where p.id > :cursor group by p.id order by 1 limit :size",
        "select p.id from t join p on p.id = t.p where p.id > :cursor order by p.id fetch first :size rows with ties",
    ],
)
def test_a_join_whose_rows_of_a_key_are_alike_or_taken_together_is_taken(
    project: ProjectFolder, connection: psycopg.Connection, choice: str
) -> None:
    connection.execute(JOINED)
    text = f"with s as ({choice}) update p set v = v + 1 from s where p.id = s.id returning s.id"
    assert touched(project, connection, text, "p") == [(1, 5)]


@pytest.mark.parametrize(
    "choice",
    [
        "select p as id, count(*) from t where p > :cursor group by p order by p limit :size",
        "select x.p as id, count(*) from t x where x.p > :cursor group by 1 order by 1 limit :size",
        "select distinct on (p) p as id, k from t where p > :cursor order by p, k desc limit :size",
        "select distinct p as id from t where p > :cursor order by p limit :size",
    ],
)
def test_a_key_that_is_shared_in_its_table_is_taken_where_the_query_groups_by_it(
    project: ProjectFolder, connection: psycopg.Connection, choice: str
) -> None:
    connection.execute(f"{JOINED} alter table t alter p set not null".encode())
    text = f"with s as ({choice}) update p set v = v + 1 from s where p.id = s.id returning s.id"
    assert touched(project, connection, text, "p") == [(1, 5)]


@pytest.mark.parametrize(
    "text",
    [
        "update t set v = v + 1 where id in (select x.id from t x where x.p = t.p and x.id > :cursor order by x.id "
        "limit :size) returning id",
        "update t set v = t.v + 1 from p, lateral (select x.id from t x where x.p = p.id and x.id > :cursor "
        "order by x.id limit :size) s where t.id = s.id returning t.id",
    ],
)
def test_a_choice_for_each_row_of_something_else_is_refused(
    project: ProjectFolder, connection: psycopg.Connection, text: str
) -> None:
    connection.execute(JOINED)
    assert "by a query that names tables around it" in refusal(project, text)


def test_a_function_that_returns_several_rows_repeats_the_key(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(f"{JOINED} create table log (id int, part int)".encode())
    text = ("insert into log select id, {}, upper(name) from p where id > :cursor order by id {} returning id").replace(
        ", upper(name)", ""
    )
    many = "generate_series(1, 5)"
    assert "may come more than once" in refusal(project, text.format(many, "limit :size"))
    project.sql("001_touch", text.format(many, "fetch first :size rows with ties"), batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*), count(distinct (id, part)) from log").fetchone() == (25, 25)


def test_a_view_is_looked_through_where_its_rows_are_those_of_a_table(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(
        f"{JOINED} create view v1 as select v, k as key from t; create view v2 as select key as k, v from v1;"
        "create view several as select t.k, t.v from t join p on true".encode()
    )
    assert "may show it twice" in refusal(project, CHOSEN.format("several"))
    assert touched(project, connection, CHOSEN.format("v2")) == [(1, 20)]


def test_an_index_that_tells_apart_what_the_column_calls_equal_does_not_make_a_key(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    try:
        connection.execute("create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server was built without ICU")
    connection.execute(
        "create table t (k text collate ci not null, v int default 0);"
        "create unique index on t (k collate \"C\"); insert into t values ('a'), ('A'), ('b'), ('B')"
    )
    text = (
        "with s as (select k from t where k > :cursor order by k limit :size), "
        "u as (update t set v = v + 1 from s where t.k = s.k) select max(k), count(*) from s"
    )
    assert "is not unique" in refusal(project, text)
    connection.execute('alter table t alter k type text collate "C"')
    assert "is not unique" in refusal(
        project, text.replace("k > ", "k collate ci > ").replace("by k", "by k collate ci")
    )
    assert touched(project, connection, text, start="!") == [(1, 4)]


@pytest.mark.parametrize(
    "index",
    [
        "create unique index on t (k) where v = 0",
        "create unique index on t (lower(k::text))",
        "create unique index on t (k, v)",
    ],
)
def test_an_index_of_other_rows_or_values_does_not_make_a_key(
    project: ProjectFolder, connection: psycopg.Connection, index: str
) -> None:
    connection.execute(f"create table t (k int not null, v int default 0); {index}".encode())
    assert "is not unique" in refusal(project, CHOSEN.format("t"))


def test_that_another_column_is_not_null_says_nothing_of_the_key(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("create table t (k int unique, v int default 0); insert into t values (null), (1), (2)")
    choice = "select k from t where {} is not null and k > :cursor order by k limit :size"
    text = f"update t set v = v + 1 where k in ({choice}) returning k"
    assert "may be null" in refusal(project, text.format("v"))
    assert touched(project, connection, text.format("(k)")) == [(0, 1), (1, 2)]


def test_rows_that_differ_in_a_second_item_of_the_order_are_no_ties(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(
        "create table t (id int primary key, k int not null, v int default 0);"
        "insert into t select g, g / 5 from generate_series(0, 19) g"
    )
    text = (
        "update t set v = v + 1 where id in (select id from t where k > :cursor {} fetch first :size rows with ties) "
        "returning k"
    )
    assert "is not unique" in refusal(project, text.format("order by k, id"))
    assert touched(project, connection, text.format("order by k")) == [(1, 20)]


def test_a_key_that_is_computed_from_what_the_statement_changes_is_refused(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(
        "create table t (id int primary key, v int default 0, k int generated always as (id * 2) stored);"
        "alter table t add unique (k), alter k set not null; insert into t (id) select generate_series(1, 10)"
    )
    choice = "select id from t where k > :cursor order by k limit :size"
    moving = f"update t set v = v + 1, id = id + 1000 where id in ({choice}) returning k"
    assert "is computed from `id`, which the statement changes" in refusal(project, moving)
    assert touched(project, connection, f"update t set v = v + 1 where id in ({choice}) returning k") == [(1, 10)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("char(5)", "'a', 'a b', 'B', 'b', 'ab   ', ' a'"),
        ("numeric", "1, 1.0000001, -0.5, 1e40, 'nan', 0"),
        ("float8", "'-0', 1, 'nan', 'infinity', 5e-324"),
        ("uuid", "gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), gen_random_uuid()"),
        ("named", "'b', 'a', 'd', 'c'"),
        ("letter", "'b', 'a', 'd', 'c'"),
        ("bytea", "'', 'a', 'ab', 'b'"),
    ],
)
def test_keys_of_many_types_are_taken_once_each(
    project: ProjectFolder, connection: psycopg.Connection, kind: str, values: str
) -> None:
    connection.execute(
        "create domain named as text check (value <> ''); create type letter as enum ('d', 'c', 'b', 'a');"
        f"create table t (k {kind} primary key, v int default 0);"
        f"insert into t (k) select unnest(array[{values}]::{kind}[])".encode()
    )
    least = {"numeric": "-1", "float8": "-1", "uuid": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "letter": "d"}
    text = (
        "with s as (select k from t where k > :cursor order by k limit :size), "
        "u as (update t set v = v + 1 from s where t.k = s.k) "
        "select (select k from s order by k desc limit 1), count(*) from s"
    )
    project.sql("001_touch", text, batch={"size": 2, "start": least.get(kind, " ")})
    Migrator(project.manifest).migrate()
    left = connection.execute(f"select v, count(*) from t where k > '{least.get(kind, ' ')}' group by v".encode())
    assert [v for v, _ in left] == [1]


LOOKED_UP = """
create table t (id int primary key, p int, code text, v int default 0);
insert into t select g, g % 7, 'C' || g % 7 from generate_series(1, 30) g;
create table orders (id int primary key, t int not null, kind text, n int, unique (t, kind));
insert into orders select g, 1 + g / 2, case g % 2 when 0 then 'a' else 'b' end, g from generate_series(1, 61) g;
create table p (p int primary key, name text, code text);
insert into p select g, 'n' || g, 'c' || g from generate_series(0, 6) g;
create unique index on p (lower(code));
create unique index on orders (t) where kind = 'a' and n is not null;
"""


@pytest.mark.parametrize(
    "source",
    [
        "t join (select t as own, count(*) from orders group by t) o on o.own = t.id",
        "t join (select distinct on (t) t as own, n from orders order by t, n) o on o.own = t.id",
        "t join (select distinct t as own from orders) o on o.own = t.id",
        "t join (select t, row_number() over (partition by t order by n) as rn from orders) o on o.t = t.id and rn = 1",
        "t join (select * from (select t, row_number() over (partition by t order by n) rn from orders) x where rn = 1)"
        " o on o.t = t.id",
        "t join (values (0, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (4, 'e'), (5, 'f'), (6, 'g')) m (p, n) on m.p = t.p",
        "t natural left join (select p, name from p) e",
        "t left join p using (p)",
        "t join p pp on name = 'n' || t.p",
        "t left join orders o on o.t = t.id and o.kind in ('a')",
        "t left join orders o on o.t = t.id and o.kind = 'a' and o.n is not null",
        "t join p on lower(p.code) = lower(t.code)",
        "t left join p on p.p is not distinct from t.p",
        "t join (select t from orders union select id from t) o on o.t = t.id",
        "t left join lateral (select o.n from orders o where o.t = t.id and o.kind = 'a') o on true",
        "t join (select max(n) as most, t from orders group by 2) o on o.t = t.id join orders q on q.id = o.most",
    ],
)
def test_a_join_to_what_a_query_makes_unique_is_taken(
    project: ProjectFolder, connection: psycopg.Connection, source: str
) -> None:
    connection.execute(f"{LOOKED_UP} create unique index on p (name); create table log (id int)".encode())
    text = f"insert into log select t.id from {source} where t.id > :cursor order by t.id limit :size returning id"
    project.sql("001_touch", text, batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*), count(distinct id) from log").fetchone() == (30, 30)


@pytest.mark.parametrize("joining", ["join e using (id)", "natural join e"])
def test_a_key_that_a_join_makes_one_of_two_columns_is_taken(
    project: ProjectFolder, connection: psycopg.Connection, joining: str
) -> None:
    connection.execute(
        f"{LOOKED_UP} create table e (id int primary key, x int); insert into e select id, 1 from t;"
        "create table log (id int)".encode()
    )
    text = f"insert into log select id from t {joining} where id > :cursor order by id limit :size returning id"
    project.sql("001_touch", text, batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*), count(distinct id) from log").fetchone() == (30, 30)


def test_a_join_to_a_named_query_that_groups_is_taken(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute(LOOKED_UP)
    text = (
        "with c (own, n) as (select t, count(*) from orders group by t), b as (select t.id, c.n from t join c on "
        "c.own = t.id where t.id > :cursor order by t.id limit :size) "
        "update t set v = v + 1 from b where b.id = t.id returning t.id"
    )
    assert touched(project, connection, text) == [(1, 30)]


@pytest.mark.parametrize(
    "source",
    [
        "t join (select t as own, kind, count(*) from orders group by t, kind) o on o.own = t.id",
        "t join (select distinct t as own, n from orders) o on o.own = t.id",
        "t join (select t, n, row_number() over (partition by kind order by n) as rn from orders) o "
        "on o.t = t.id and o.rn = 1",
        "t join (select t, n, row_number() over (partition by t order by n) as rn from orders) o on o.t = t.id",
        "t join (values (0, 'a'), (0, 'b')) m (p, n) on m.p = t.p",
        "t left join orders o on o.t = t.id and o.kind in ('a', 'b')",
        "t left join orders o on o.t = t.id and o.n is not null",
        "t join p on upper(p.code) = upper(t.code)",
        "t join (select t from orders union all select id from t) o on o.t = t.id",
        "t join (select t, generate_series(1, 2) from orders group by t) o on o.t = t.id",
        "t join (select t from orders group by grouping sets ((t), (t, kind))) o on o.t = t.id",
        "t join (select lower(kind) as kind from orders group by kind) o on o.kind = lower(t.code)",
        "t left join orders o on o.t = t.id left join p on o.kind = 'a'",
        "t left join orders o on o.t = t.id and o.kind = any(array['a', 'b'])",
        "t join p on not p.p = t.p",
        "t join p on (p.p = t.p) is not true",
        "t join p on p.p = t.p is not true",
        "t join p on p.p = (random() * 5)::int",
    ],
)
def test_a_join_to_what_no_query_makes_unique_is_refused(
    project: ProjectFolder, connection: psycopg.Connection, source: str
) -> None:
    connection.execute(f"{LOOKED_UP} create table log (id int)".encode())
    text = f"insert into log select t.id from {source} where t.id > :cursor order by t.id limit :size returning id"
    assert "may come more than once" in refusal(project, text)


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ("select id from (select id from t union all select id from t) s where", "because of a `union`"),
        ("select id from (select id, p from t union select id, 9 from t) s where", "because of a `union`"),
        ("select id, p from t where id > :cursor union all select id, t from orders where", "because of a `union`"),
        ("select id, x from (select id, unnest(array[1, 2]) x from t) s where", "because of a function"),
        ("select id from (select id from t group by grouping sets ((id), (id, p))) s where", "because of a `union`"),
        ("select id from s where", "because of a `union`"),
        ("select id from j where", "because of a function"),
    ],
)
def test_a_key_that_a_query_in_brackets_returns_several_times_is_refused(
    project: ProjectFolder, connection: psycopg.Connection, choice: str, why: str
) -> None:
    connection.execute(f"{LOOKED_UP} create table log (id int)".encode())
    text = (
        "with s as (select id from t union all select id from t), j as (select t.id, generate_series(1, 3) from t), "
        f"b as ({choice} id > :cursor order by id limit :size), "
        "u as (insert into log select id from b) select max(id), count(*) from b"
    )
    refused = refusal(project, text)
    assert "may come more than once" in refused
    assert why in refused


@pytest.mark.parametrize("sets", ["grouping sets ((id), (id, p))", "rollup (id, p)", "cube (id, p)", "id, rollup (p)"])
def test_a_key_that_counts_in_several_groups_is_refused(
    project: ProjectFolder, connection: psycopg.Connection, sets: str
) -> None:
    connection.execute(f"{LOOKED_UP} create table log (id int)".encode())
    choice = f"select id, p from t where id > :cursor group by {sets} order by id limit :size"
    assert "groups of several kinds" in refusal(project, f"insert into log select id from ({choice}) s returning id")


@pytest.mark.parametrize(
    ("union", "rows"),
    [("union select t from orders where t > :cursor", 31), ("except all select p from p", 24)],
)
def test_a_key_of_several_queries_that_keep_no_duplicates_is_taken(
    project: ProjectFolder, connection: psycopg.Connection, union: str, rows: int
) -> None:
    connection.execute(f"{LOOKED_UP} create table log (id int)".encode())
    choice = f"select id from t where id > :cursor {union} order by id limit :size"
    text = f"with b as ({choice}), u as (insert into log select id from b) select max(id), count(*) from b"
    project.sql("001_touch", text, batch=BATCH)
    Migrator(project.manifest).migrate()
    assert connection.execute("select count(*), count(distinct id) from log").fetchone() == (rows, rows)


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("id / 10", "t"),
        ("coalesce(p, 0)", "t"),
        ("p + 0", "t"),
        ("upper(code)", "p"),
        ("(p::text || '/')", "t"),
        ("(lpad(id::text, 1, '0'))", "t"),
        ("(n || coalesce(kind, ''))", "orders"),
        ("(t || '/' || kind)", "orders"),
    ],
)
def test_a_key_that_is_computed_is_refused_where_rows_may_share_it(
    project: ProjectFolder, connection: psycopg.Connection, key: str, table: str
) -> None:
    connection.execute(f"{LOOKED_UP} alter table p add v int default 0; alter table orders add v int".encode())
    text = (
        f"update {table} set v = v + 1 where ctid in (select ctid from {table} where {key} > :cursor order by {key} "
        f"limit :size) returning {key}"
    )
    assert "is computed, and two rows may have the same one" in refusal(project, text)


@pytest.mark.parametrize(
    ("key", "table", "rows"),
    [
        ("id::int8", "t", 30),
        ("cast(id as bigint)", "t", 30),
        ("coalesce(id, 0)", "t", 30),
        ("lower(code)", "p", 7),
        ("(t || '/' || coalesce(kind, ''))", "orders", 61),
        ("(t || '/' || kind)", "orders", 61),
    ],
)
def test_a_key_that_is_computed_is_taken_where_rows_do_not_share_it(
    project: ProjectFolder, connection: psycopg.Connection, key: str, table: str, rows: int
) -> None:
    connection.execute(
        f"{LOOKED_UP} alter table p add v int default 0; alter table orders add v int default 0,"
        "alter kind set not null".encode()
    )
    text = (
        f"with b as (select {key} as key, ctid from {table} where {key} > :cursor order by {key} limit :size), "
        f"u as (update {table} set v = v + 1 from b where b.ctid = {table}.ctid) select max(key), count(*) from b"
    )
    start = -1 if "id" in key else " "
    assert touched(project, connection, text, table, start) == [(1, rows)]


ROWS = (
    "with s as (select {0}, o.id as own from orders o where ({0}) > "
    "(split_part(:cursor, ',', 1)::int, split_part(:cursor, ',', 2)) order by {0} limit :size), "
    "u as (update orders set v = v + 1 from s where s.own = orders.id) "
    "select (select {1} || ',' || kind from s order by {0} desc limit 1), (select count(*) from s)"
)


def test_several_columns_that_are_compared_together_are_judged_together(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(f"{LOOKED_UP} alter table orders add v int default 0".encode())
    text = ROWS.format("t, kind", "t").replace("order by t, kind desc", "order by t desc, kind desc")
    assert "may be null" in refusal(project, text, "-1,")
    connection.execute("alter table orders alter kind set not null")
    assert touched(project, connection, text, "orders", "-1,") == [(1, 61)]


def test_several_columns_that_are_not_unique_together_are_refused(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(f"{LOOKED_UP} alter table orders add v int default 0, alter n set not null".encode())
    connection.execute("alter table orders alter kind set not null")
    text = ROWS.format("n, kind", "n").replace("order by n, kind desc", "order by n desc, kind desc")
    refused = refusal(project, text, "-1,")
    assert "`(n, kind)`, are not unique together" in refused
    connection.execute("create unique index on orders (n, kind)")
    assert touched(project, connection, text, "orders", "-1,") == [(1, 61)]


def test_an_empty_round_of_several_columns_ends_only_where_none_are_chosen(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute(f"{LOOKED_UP} alter table orders add v int default 0, alter kind set not null".encode())
    text = ROWS.format("t, kind", "t").replace("order by t, kind desc", "order by t desc, kind desc")
    project.sql("001_touch", text.replace("(select count(*) from s)", "0"), batch={**BATCH, "start": "-1,"})
    with pytest.raises(MigrationFailed, match="a round touched no row"):
        Migrator(project.manifest).migrate()


def test_a_batch_may_begin_below_every_text(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute(
        'create table t (k text collate "C" primary key, v int default 0);'
        "insert into t (k) select chr(31 + g) from generate_series(1, 20) g"
    )
    text = (
        "with s as (select k from t where k > :cursor order by k limit :size), "
        "u as (update t set v = v + 1 from s where t.k = s.k) select max(k), count(*) from s"
    )
    assert touched(project, connection, text, start="") == [(1, 20)]


def test_a_cast_of_what_may_be_null_may_be_null(project: ProjectFolder, connection: psycopg.Connection) -> None:
    connection.execute("create table t (k int unique, v int default 0); insert into t values (null), (1), (2)")
    choice = "select k from t where {} k::int8 > :cursor order by k::int8 limit :size"
    text = f"update t set v = v + 1 where k in ({choice}) returning k::int8"
    assert "may be null" in refusal(project, text.format(""))
    assert touched(project, connection, text.format("k is not null and")) == [(0, 1), (1, 2)]


def test_an_order_by_a_cast_is_that_of_the_key_where_that_is_a_whole_number(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    connection.execute("create table t (k numeric primary key, v int default 0); insert into t values (1.4), (1.3)")
    choice = "select k from t where k > :cursor order by k::int8 limit :size"
    text = f"update t set v = v + 1 where k in ({choice}) returning k"
    assert "orders by a cast" in refusal(project, text)
    connection.execute("truncate t; alter table t alter k type int; insert into t select generate_series(1, 10)")
    assert touched(project, connection, text) == [(1, 10)]
