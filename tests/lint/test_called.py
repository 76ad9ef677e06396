"""What functions and triggers do that migrations before have made is found at the statement that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Found = Callable[..., list[tuple[str, int, tuple[str, ...]]]]

BEFORE = """-- what is there
create table people (id bigint primary key, email text, age int, place_id bigint);
create table places (id bigint primary key, city text, people int);
create table changes (id bigint generated always as identity primary key, what text);
create materialized view cities as select city from places;
create function recount() returns trigger language plpgsql as $$
begin
  update places set people = (select count(*) from people where place_id = places.id);
  return null;
end $$;
create trigger people_recount after insert or delete on people for each statement execute function recount();
create function show_cities() returns trigger language plpgsql as $$
begin
  refresh materialized view cities;
  return null;
end $$;
create trigger places_cities after update of city on places for each row execute function show_cities();
create function note() returns trigger language plpgsql as $$
begin
  insert into changes (what) select new.email from new_people;
  insert into changes (what) values ('x');
  return new;
end $$;
create trigger people_note before update on people for each row execute function note();
create function empty_places() returns void language sql as $$ delete from places $$;
create function deeper() returns void language plpgsql as $$ begin perform empty_places(); end $$;
create function endless() returns void language plpgsql as $$ begin perform endless(); end $$;
create procedure fill() language plpgsql set search_path = other as $$ begin update places set people = 0; end $$;
"""


@pytest.fixture
def found(folder: Path, checked: Callable[..., Report]) -> Found:
    """Return the rules that a file breaks after what is there, each with its line and facts."""

    def run(text: str) -> list[tuple[str, int, tuple[str, ...]]]:
        (folder / "001_before.sql").write_text(BEFORE)
        (folder / "002_a.sql").write_text(f"-- why\n{text}\n")
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nlint: {severity: {rollback/missing: 'off'}}\n"
            "migrations: [{version: 1, file: 001_before.sql}, {version: 2, file: 002_a.sql}]\n"
        )
        own = [one for one in checked().findings if one.file.endswith("002_a.sql")]
        return [(one.rule, one.line, one.facts) for one in own]

    return run


RECOUNT = (
    "the trigger `people_recount` of `people` calls `recount`, which runs `update places set people = (select count(*) "
    "from people where place_id = places…`"
)


def test_a_trigger_is_looked_into_where_a_statement_fires_it(found: Found) -> None:
    assert found("insert into people values (1);") == [("lock/all-rows", 2, (RECOUNT,))]
    assert found("delete from people where id = 1;") == [("lock/all-rows", 2, (RECOUNT,))]
    (rewrite,) = found("update places set city = 'x' where id = 1;")
    assert rewrite[:2] == ("lock/table-rewrite", 2)
    assert rewrite[2] == (
        "the trigger `places_cities` of `places` calls `show_cities`, which runs `refresh materialized view cities`",
    )


@pytest.mark.parametrize(
    "text",
    [
        "update people set age = 1 where id = 1;",  # its trigger writes one row, and reads a transition table
        "alter table people add column note text;\nupdate people set age = 1 where id = 1;",
        "update places set people = 1 where id = 1;",  # not of the column
        "alter table people disable trigger people_recount;\n-- zmig: ignore data/* why\ndelete from people;\n"
        "alter table people enable trigger people_recount;",
        "drop trigger people_recount on people;\ninsert into people values (1);",
        "select endless();",
    ],
)  # fmt: skip
def test_what_fires_nothing_that_hurts_is_not_found(found: Found, text: str) -> None:
    assert [one for one in found(text) if one[0].startswith(("lock/", "data/", "fails/"))] == []


def test_a_trigger_of_the_same_file_is_found_at_its_place(found: Found) -> None:
    made = (
        "create function f() returns trigger language plpgsql as $$ begin\n"
        "update places set people = 1;\nreturn null;\nend $$;\n"
        "create trigger t after insert on changes for each statement execute function f();\n"
    )
    assert found(made) == []
    assert found(f"{made}insert into changes (what) values ('x');") == [("change/mixed", 3, ())]


def test_a_function_that_was_made_before_is_looked_into_where_it_is_called(found: Found) -> None:
    fact = "`empty_places` runs `delete from places`"
    assert found("select empty_places();") == [("data/delete-all", 2, (fact,))]
    assert found("do $$ begin\nperform empty_places();\nend $$;") == [("data/delete-all", 3, (fact,))]
    (deeper,) = found("select deeper();")
    assert deeper == ("data/delete-all", 2, ("`deeper` runs `select empty_places()`", fact))


def test_what_many_statements_fire_is_found_at_the_first(found: Found) -> None:
    rows = "".join(f"insert into people values ({number});\n" for number in range(900))
    assert found(f"select 1;\n{rows}") == [("lock/all-rows", 3, (RECOUNT,))]
    assert [one[1] for one in found(f"select empty_places();\n{rows}delete from people where id = 1;")] == [2, 3]


def test_an_upsert_fires_what_an_update_fires(found: Found) -> None:
    upsert = "insert into places values (1, 'x') on conflict (id) do update set city = 'x';"
    assert [one[0] for one in found(upsert)] == ["lock/table-rewrite"]


def test_names_in_a_function_with_a_search_path_of_its_own_are_not_those_of_the_file(found: Found) -> None:
    before = "create schema app;\nset search_path = app;\ncreate table places (id bigint primary key);\n"
    assert [one[:2] for one in found(f"{before}call public.fill();")] == [("lock/all-rows", 5)]


def test_an_ignore_holds_for_what_a_statement_fires(found: Found) -> None:
    assert found("-- zmig: ignore lock/all-rows there are three places\ninsert into people values (1);") == []
