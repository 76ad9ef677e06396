"""What the replayed catalog knows after some statements, how sure it is, and what nobody can be using yet."""

from __future__ import annotations

import pytest

from zmig.database import table_definitions
from zmig.lint import sql_file
from zmig.lint.grammar import Grammar
from zmig.lint.replay import tree
from zmig.lint.replay.catalog import Catalog
from zmig.lint.replay.effects import Effect, Fails, FailureCause, Locks, LosesData, Makes, Renames, Rewrites, Scans
from zmig.lint.replay.immutable_map import ImmutableMap
from zmig.lint.replay.objects import Domain, Enum, LockMode, Table, View, Volatility
from zmig.lint.replay.replay import replay_statement
from zmig.lint.steps import TABLES_OF_TOOLS, Step, follow
from zmig.other_tools import registry
from zmig.sql import script
from zmig.sql.token_reader import Name

USERS = "create table users (id bigint primary key, email text not null, age int, team_id bigint);"


def followed(sql: str, path: tuple[str, ...] = ("public",)) -> tuple[Catalog, list[Effect]]:
    """Replay statements; return the catalog after all, and the effects of the last."""
    catalog, effects = Catalog(), list[Effect]()
    for statement in script.split(sql, path="a.sql"):
        outcome = replay_statement(tree.parse(statement.text), catalog, path=path, version=18)
        catalog, effects = outcome.catalog, [*outcome.effects]
    return catalog, effects


def table(sql: str, name: str = "users", schema: str = "public") -> Table:
    found = followed(sql)[0].table(Name(schema, name))
    assert found is not None
    return found


def failure(sql: str) -> Fails | None:
    return next((one for one in followed(sql)[1] if isinstance(one, Fails)), None)


def steps(sql: str) -> list[Step]:
    """Return the steps of one file that zmig runs statement by statement."""
    file = sql_file.read(sql, path="a.sql")
    catalog = Catalog()
    catalog.begin_generation()
    found, _ = follow(file, catalog, Grammar(), version=None, is_transactional=False)
    return found


def test_a_table_is_as_its_statements_leave_it() -> None:
    known = table(
        f"{USERS} alter table users add column note text default 'x', drop column age;"
        "alter table users rename column email to mail; alter table users alter column team_id set not null;"
    )
    assert [*known.columns] == ["id", "mail", "team_id", "note"]
    assert known.is_whole
    assert [one.name for one in known.columns.values() if one.is_not_null] == ["id", "mail", "team_id"]
    assert known.certainly_lacks("age")
    assert not known.certainly_lacks("ctid")


def test_what_nobody_made_is_not_whole() -> None:
    known = table("alter table users add column note text; alter table users drop column age;")
    assert not known.is_whole
    assert known.certainly_lacks("age")
    assert not known.certainly_lacks("email")
    assert not table("create table if not exists users (id int);").is_whole
    assert not table("create table users (like others);").is_whole
    assert table("create table others (id int); create table users (like others);").is_whole


def test_a_check_proves_only_while_it_stands_and_is_validated() -> None:
    check = f"{USERS} alter table users add constraint c check (age is not null and age > 0)"
    assert not table(f"{check} not valid;").is_never_null("age")
    assert table(f"{check} not valid; alter table users validate constraint c;").is_never_null("age")
    assert table(f"{check}; alter table users rename age to years;").is_never_null("years")
    assert not table(f"{check}; alter table users drop constraint c;").is_never_null("age")
    assert not table(f"{USERS} alter table users add check (age is not null or email = '');").is_never_null("age")
    assert table(f"{USERS} alter table users add check (not (age is null));").is_never_null("age")


def test_names_lead_along_the_search_path() -> None:
    catalog, _ = followed("create table a.t (x int); create table b.t (x int); create table u ()", ("b", "a"))
    assert catalog.find(("b", "a"), Name(None, "t")) == Name("b", "t")
    assert catalog.find(("a", "b"), Name(None, "t")) == Name("a", "t")
    assert catalog.find(("a",), Name(None, "u")) is None
    assert catalog.table(Name("b", "u")) is not None


def test_what_refers_to_a_table_follows_its_new_name() -> None:
    catalog, effects = followed(
        f"{USERS} create view v as select email from users; create index i on users (age);"
        "create table orders (user_id bigint references users (id));"
        "alter table users rename to people;"
    )
    people = Name("public", "people")
    assert next(one for one in effects if isinstance(one, Renames)).after.name == people
    view = catalog.view(Name("public", "v"))
    assert view is not None
    assert view.uses == {people: {"email"}}
    assert [one.name.name for one in catalog.indexes_of(people)] == ["users_pkey", "i"]
    assert [one.name.name for one, _ in catalog.referencing(people)] == ["orders"]
    assert catalog.indexes_of(Name("public", "users")) == ()


@pytest.mark.parametrize(
    ("query", "columns", "used"),
    [
        ("select * from users", ("id", "email", "age", "team_id"), {"users": {"id", "email", "age", "team_id"}}),
        ("select u.email as mail from users u where u.age > 1", ("mail",), {"users": {"age", "email"}}),
        (
            "select email, name from users join teams on teams.id = team_id",
            ("email", "name"),
            {"users": {"email", "team_id"}, "teams": {"id", "name"}},
        ),
        ("with u as (select id from users) select * from u", ("id",), {"users": {"id"}}),
        ("select x.a from (select age as a from users) x", ("a",), {"users": {"age"}}),
        ("select id from users where exists (select 1 from teams where teams.id = team_id)", ("id",), {
            "users": {"id", "team_id"}, "teams": {"id"},
        }),
        ("select count(*) from users", ("count",), {"users": set[str]()}),
        ("select lower(email) from users union select name from teams", ("lower",), {
            "users": {"email"}, "teams": {"name"},
        }),
        ("select 1", ("?column?",), {}),
    ],
)  # fmt: skip
def test_what_a_view_uses(query: str, columns: tuple[str, ...], used: dict[str, set[str]]) -> None:
    catalog, _ = followed(f"{USERS} create table teams (id bigint, name text); create view v as {query};")
    view = catalog.view(Name("public", "v"))
    assert view is not None
    assert view.columns == columns
    assert {name.name: set(told) for name, told in view.uses.items()} == used


def test_types_are_known_with_what_they_hold() -> None:
    catalog, _ = followed(
        "create type mood as enum ('sad', 'ok'); alter type mood add value 'fine' before 'ok';"
        "alter type mood rename value 'sad' to 'blue'; create domain d as int check (value > 0);"
        "create table t (m mood, d d); alter type mood rename to feeling;"
    )
    feeling = catalog.type(Name("public", "feeling"))
    assert isinstance(feeling, Enum)
    assert feeling.values == ("blue", "fine", "ok")
    domain = catalog.type(Name("public", "d"))
    assert isinstance(domain, Domain)
    assert domain.is_constrained
    assert [column.name for _, column in catalog.columns_of_type(Name("public", "feeling"))] == ["m"]


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        (f"{USERS} alter table usres add column x int;", FailureCause.MISSING),
        (f"{USERS} drop table users; select * from users;", FailureCause.MISSING),
        (f"{USERS} alter table users drop column nothing;", FailureCause.MISSING),
        (f"{USERS} alter table users add column x nonsense;", FailureCause.MISSING),
        (f"{USERS} create table users (id int);", FailureCause.EXISTS),
        (f"{USERS} create view v as select age from users; drop table users;", FailureCause.IN_THE_WAY),
        (
            "create table p (a int) partition by list (a); create index concurrently i on p (a);",
            FailureCause.PARTITIONED,
        ),
        (f"{USERS} create view v as select id, age from users; create or replace view v as select id from users;",
         FailureCause.REFUSED),
        # what may be there all the same
        ("alter table users add column x int;", None),
        ("create table a (b_id int references b); alter table c add column x int;", None),
        ("create table a (x int); create extension postgis; select * from spatial_ref_sys;", None),
        ("create table a (x int); create extension hstore; alter table a add column h hstore;", None),
        ("create table a (x int); do $$ begin create table b (); end $$; drop table b;", None),
        ("create table a (x int); do $$ begin execute format('create table %I ()', 'b'); end $$; drop table b;", None),
        ("create table a (x int); call make_tables(); drop table b;", None),
        ("create table a (x int); select * from pg_class;", None),
        ("create table a (x int); alter table auth.users add column x int;", None),
        ("create table a (x int); do $$ begin drop table a; end $$; create table a (x int);", None),
        ("create table a (x int); drop table if exists b;", None),
        ("create table a (x int not null); alter table a drop constraint a_x_not_null;", None),
        ("create table a (x int not null); alter table a drop constraint a_x_not_null1;", None),
        ("create table a (x int not null); alter table a drop constraint a_x_not_nullable;", FailureCause.MISSING),
        ("create table if not exists a (x int); alter table a add column y int; alter table a drop column z;", None),
    ],
)  # fmt: skip
def test_only_what_is_certain_fails(sql: str, cause: FailureCause | None) -> None:
    found = failure(sql)
    assert (None if found is None else found.cause) == cause


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (f"{USERS} create index users on users (age);", "there is already a table `users`"),
        (
            f"{USERS} create index i on users (age); alter table users add constraint i unique (email);",
            "there is already an index `i`",
        ),
    ],
)
def test_a_name_that_is_taken_is_said_to_be_whose(sql: str, reason: str) -> None:
    found = failure(sql)
    assert found is not None
    assert found.reason == reason


def test_a_statement_that_fails_changes_nothing() -> None:
    catalog, _ = followed(
        f"{USERS} create view v as select age from users; alter table users drop column age, add x int;"
    )
    users = catalog.table(Name("public", "users"))
    assert users is not None
    assert [*users.columns] == ["id", "email", "age", "team_id"]


def test_a_name_that_is_missing_is_told_once() -> None:
    assert failure("create table a (x int); drop table b;") is not None
    assert failure("create table a (x int); drop table b; drop table c;") is None


def test_a_sequence_goes_with_the_column_that_owns_it() -> None:
    made = "create sequence s; create table t (id int default nextval('s'), x int); alter sequence s owned by t.id;"
    catalog, _ = followed(f"{made} alter table t drop column id;")
    assert catalog.relation(Name("public", "s")) is None
    kept, _ = followed(f"{made} alter sequence s owned by none; alter table t drop column id;")
    assert kept.relation(Name("public", "s")) is not None


def test_how_a_function_runs_is_known() -> None:
    catalog, _ = followed(
        "create function f(a int) returns int language sql immutable as 'select 1';"
        "alter function f(int) stable security definer set search_path = '';"
    )
    (known,) = catalog.functions(Name("public", "f"))
    assert (known.volatility, known.is_security_definer, known.settings) == (Volatility.STABLE, True, {"search_path"})


def test_effects_know_the_action_that_has_them() -> None:
    _, effects = followed(f"{USERS} alter table users add column n int, alter age type bigint, add check (age > 0);")
    assert [one.action for one in effects if isinstance(one, Rewrites)] == [1]
    assert [one.action for one in effects if isinstance(one, Scans)] == [2]


def test_what_goes_with_what_is_dropped() -> None:
    catalog, effects = followed(
        f"{USERS} create table orders (id int primary key, user_id bigint references users (id));"
        "create view v as select id from users; create view w as select id from v; drop table users cascade;"
    )
    orders = catalog.table(Name("public", "orders"))
    assert orders is not None
    assert orders.foreign_keys == ()
    assert [catalog.relation(Name("public", name)) for name in ("v", "w", "users_pkey")] == [None, None, None]
    assert Locks(Name("public", "orders"), LockMode.ACCESS_EXCLUSIVE) in effects
    assert not any(isinstance(one, LosesData) for one in effects)


@pytest.mark.parametrize(
    ("sql", "new"),
    [
        ("create table a (x int); create index on a (x);", [False, True]),
        ("create table s.a (x int); alter table a add y int;", [False, False]),
        ("create table public.a (x int); alter table a add y int;", [False, True]),
        ("set search_path to s; create table a (x int); alter table s.a add y int;", [False, False, True]),
        ("set search_path to s; create table a (x int); alter table public.a add y int;", [False, False, False]),
        ("create table if not exists a (x int); alter table a add y int;", [False, False]),
        ("create table s.a (x int); alter table u.a add y int;", [False, False]),
        ("create table a (x int); alter table a rename to b; drop table b; drop table a;", [False, True, True, False]),
        ("alter table a rename to b; create index on b (x);", [False, False]),
        ("create index i on a (x); drop index i;", [False, False]),
        ("create table a (x int); create index i on a (x); drop index i;", [False, True, True]),
        ("create table a (x int); drop table a, b;", [False, False]),
        ("create type e as enum (); alter type e add value 'x';", [False, True]),
        ("create or replace view v as select 1; drop view v;", [False, False]),
        ("create function f() returns int language sql as ''; drop function f();", [False, True]),
        ("begin; create table a (x int); rollback; create table b (); alter table a add y int;", [False] * 5),
        ("savepoint s; create table a (x int); rollback to s; create index on a (x);", [False] * 4),
        ("create temp table a (x int); alter table a add y int;", [False, True]),
    ],
)
def test_what_nobody_can_be_using_yet(sql: str, new: list[bool]) -> None:
    assert [step.is_about_new for step in steps(sql)] == new


def test_a_temporary_table_ends_with_its_session_or_transaction() -> None:
    catalog, effects = followed("create temp table a (x int); create table a (y int);")
    assert Makes in {type(one) for one in effects}
    assert catalog.find(("public",), Name(None, "a")) == Name("pg_temp", "a")
    catalog.end_session()
    assert catalog.find(("public",), Name(None, "a")) == Name("public", "a")
    assert not steps("create temp table a (x int) on commit drop; alter table a add y int;")[1].is_about_new


def test_an_immutable_map_is_never_changed() -> None:
    first: ImmutableMap[int, str] = ImmutableMap({1: "a"})
    second = first.put(2, "b").put(1, None)
    assert (first.get(1), first.get(2)) == ("a", None)
    assert (1 in second, 2 in second, [*second], [*second.values()]) == (False, True, [2], ["b"])
    for number in range(200):
        second = second.put(number, str(number))
    assert len([*second]) == len([*second.values()]) == 200
    assert 1 in first.put(1, "c")


def test_tables_of_tools_are_where_the_tools_keep_their_histories() -> None:
    theirs = {one.history.default.rpartition(".")[2] for one in registry.tools()}
    assert {*TABLES_OF_TOOLS} - theirs == {table_definitions.EVENTS}


def test_a_view_is_known_by_what_it_reads() -> None:
    catalog, _ = followed(f"{USERS} create materialized view m as select id from users with no data;")
    made = catalog.view(Name("public", "m"))
    assert isinstance(made, View)
    assert made.is_materialized
    assert [one.name.name for one in catalog.views_on(Name("public", "users"))] == ["m"]
