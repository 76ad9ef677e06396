"""What is within DO blocks, functions, strings that are executed, and Python goes through the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.lint.inside import plpgsql, python_code
from zmig.text.places import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Found = Callable[..., list[tuple[str, int, int]]]

BEFORE = """-- what is there
create table people (id bigint primary key, email text, age int);
create table places (id bigint primary key, city text);
create type mood as enum ('sad', 'ok');
"""
INDEX = "squawk/require-concurrent-index-creation"


@pytest.fixture
def found(folder: Path, checked: Callable[..., Report]) -> Found:
    """Return the rules that a file breaks after what is there, each with its line and column."""

    def run(text: str, *, suffix: str = "sql") -> list[tuple[str, int, int]]:
        (folder / "001_before.sql").write_text(BEFORE)
        (folder / f"002_a.{suffix}").write_text(text)
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nlint: {severity: {rollback/missing: 'off', name/no-description: 'off'}}\n"
            f"migrations: [{{version: 1, file: 001_before.sql}}, {{version: 2, file: 002_a.{suffix}}}]\n"
        )
        own = [one for one in checked().findings if one.file.endswith(f"002_a.{suffix}")]
        return [(one.rule, one.line, one.column) for one in own]

    return run


def do(body: str) -> str:
    return f"do $$\nbegin\n{body}\nend $$;\n"


@pytest.mark.parametrize(
    ("body", "rule", "line", "column"),
    [
        ("create index i on people (age);", INDEX, 3, 1),
        ("if not found then\n  create index i on people (age);\nend if;", INDEX, 4, 3),
        ("if a then null; elsif b then null; else\n create index i on people (age);\nend if;", INDEX, 4, 2),
        ("case x when 1 then null; else\n create index i on people (age);\nend case;", INDEX, 4, 2),
        ("for r in select 1 loop\n create index i on people (age);\nend loop;", INDEX, 4, 2),
        ("<<a>> begin\n create index i on people (age);\nexception when others then null;\nend a;", INDEX, 4, 2),
        ("begin null; exception when others then\n create index i on people (age);\nend;", INDEX, 4, 2),
        ("update people set age = 1;", "lock/all-rows", 3, 1),
        ("execute 'update people set age = 1';", "lock/all-rows", 3, 10),
        ("execute 'update people set email = ''x''';", "lock/all-rows", 3, 10),
        ("execute $q$ update people set email = 'x' $q$;", "lock/all-rows", 3, 13),
        ("execute format('update %I set age = 1', 'people');", "lock/all-rows", 3, 17),
        ("execute 'update ' || 'people' || ' set age = 1';", "lock/all-rows", 3, 10),
        ("execute 'update ' || quote_ident('people') || ' set age = 1';", "lock/all-rows", 3, 10),
        ("execute 'delete from people where age = $1' using 3;", "lock/many-rows", 3, 10),
        ("execute 'selec 1';", "sql/syntax", 3, 10),
        ("update people set age = 1 where age is null returning id into strict v;", "lock/many-rows", 3, 1),
        ("alter table people alter column age set not null;", "squawk/adding-not-nullable-field", 3, 20),
        ("alter table people add column n int;\nperform pg_sleep(10);", "lock/held", 4, 1),
        ("alter table people add column n int;\nupdate people set n = 1;", "change/mixed", 4, 1),
        ("create index concurrently i on people (age);", "transaction/refused", 3, 1),
        ("drop table nothing;", "fails/missing", 3, 1),
    ],
)  # fmt: skip
def test_what_a_block_runs_is_found_at_its_place(found: Found, body: str, rule: str, line: int, column: int) -> None:
    assert (rule, line) in [one[:2] for one in found(do(body))]
    (place,) = [one[2] for one in found(do(body)) if one[0] == rule]
    assert place == column or rule.startswith("squawk/")


@pytest.mark.parametrize(
    "body",
    [
        "perform 1;",
        "null; -- update people set age = 1;",
        "raise notice 'update people set age = 1';",
        "x := 'update people set age = 1';",
        "update people set age = v_age where id = v_id;",
        "for r in select 1 as id loop update people set age = 1 where id = r.id; end loop;",
        "execute 'update people set age = 1 where id = $1' using 3;",
        "execute format('update %I set age = 1', v_name);",
        "execute 'update ' || v_name;",
        "execute v_sql;",
        "select count(*) into v from people;",
        "if not exists (select from pg_type where typname = 'mood') then create type mood as enum ('a'); end if;",
        "begin create type mood as enum ('a'); exception when duplicate_object then null; end;",
        "if a then create table n (id bigint primary key); create index i on n (id, id); end if;",
        "create temp table n as select 1 as a; update n set a = 2;",
        "return;",
    ],
)
def test_what_a_block_does_not_do_is_not(found: Found, body: str) -> None:
    assert [one for one in found(do(body)) if not one[0].startswith("design/")] == []


def test_what_may_have_been_made_is_not_new_afterwards(found: Found) -> None:
    made = "if a then create table if not exists people (id bigint); end if;\ncreate index i on people (age);"
    assert (INDEX, 4) in [one[:2] for one in found(do(made))]
    proved = "if a then alter table people alter column age set not null; end if;\n"
    proved += "alter table people alter column age set not null;"
    assert ("squawk/adding-not-nullable-field", 4) in [one[:2] for one in found(do(proved))]


def declared(declarations: str, body: str) -> str:
    return f"do $$\ndeclare\n{declarations}\nbegin\n{body}\nend $$;\n"


@pytest.mark.parametrize(
    ("declarations", "body", "rule", "line", "column"),
    [
        ("s text := 'update people set age = 1';", "execute s;", "lock/all-rows", 3, 12),
        ("s constant text default 'update people set age = 1';", "execute s;", "lock/all-rows", 3, 26),
        ("s text;", "s := 'update people set age = 1';\nexecute s;", "lock/all-rows", 5, 7),
        ("s text;", "s = $q$update people set age = 1$q$;\nexecute s;", "lock/all-rows", 5, 8),
        ("s text;", "s := 'update people' || ' set age = 1';\nexecute s;", "lock/all-rows", 6, 9),
        ("t text := 'people';", "execute format('update %I set age = 1', t);", "lock/all-rows", 5, 17),
        ("t text := 'a_table_with_quite_a_name';", "execute format('update %I set a = 1', t);", "fails/missing", 5, 9),
        ("t name := 'people'::name;", "execute 'update ' || t || ' set age = 1';", "lock/all-rows", 5, 10),
        ("t text := 'people'; s text := format('update %I set age = 1', t);", "execute s;", "lock/all-rows", 5, 9),
        ("s text := 'select 1';", "s := 'update people set age = 1';\nexecute s;", "lock/all-rows", 5, 7),
        ("s text;", "if a then s := 'update people set age = 1'; else s := 'select 1'; end if;\nexecute s;",
         "lock/all-rows", 5, 17),
        ("s text := 'create index i on people (age)';", "execute s;", INDEX, 3, 12),
        ("c text := 'age';", "execute format('create index i on people (%I)', c);", INDEX, 5, 17),
        ("t text := 'a_table_with_quite_a_name';",
         "create table a_table_with_quite_a_name as select * from people;\nexecute 'delete from ' || t || "
         "'; delete from people';", "data/delete-all", 6, 9),
    ],
)  # fmt: skip
def test_an_execute_of_a_variable_whose_value_is_known_is_found(
    found: Found, declarations: str, body: str, rule: str, line: int, column: int
) -> None:
    places = [one[1:] for one in found(declared(declarations, body)) if one[0] == rule]
    assert (line, column) in places if not rule.startswith("squawk/") else line in [one[0] for one in places]
    assert len(places) == 1


@pytest.mark.parametrize(
    ("declarations", "body"),
    [
        ("s text := 'update people set age = 1';", "s := v_other;\nexecute s;"),
        ("s text := 'update people set age = 1';", "s := 'select 1';\nexecute s;"),
        ("s text := 'update people set age = 1';", "select x into s from y_unknown;\nexecute s;"),
        ("s text := 'update people set age = 1';", "for s in select 'x' loop\nexecute s;\nend loop;"),
        ("s text := 'update people set age = 1';", "get diagnostics s = pg_context;\nexecute s;"),
        ("s text := 'update people set age = 1';", "raise notice '%', s;"),
        ("s text;", "if a then s := 'update people set age = 1'; s := 'select 1'; execute s; end if;"),
        ("s text; n text := upper('people');", "execute format('update %I set age = 1', n);"),
    ],
)
def test_an_execute_of_another_variable_is_not(found: Found, declarations: str, body: str) -> None:
    assert [one for one in found(declared(declarations, body)) if one[0] != "fails/missing"] == []


def test_a_text_that_is_executed_twice_is_reported_at_both_places(found: Found) -> None:
    twice = declared("s text := 'delete from people';", "execute s;\nexecute s;")
    assert found(twice) == [("data/delete-all", 3, 12), ("data/delete-all", 6, 9)]


def test_a_function_counts_where_its_file_calls_it(found: Found) -> None:
    made = "create function f() returns void language {} as $f$\n{}\n$f$;\n"
    procedural = made.format("plpgsql", "begin\nupdate people set age = 1;\nend")
    assert found(procedural) == []
    assert found(procedural + "select f();\n") == [("lock/all-rows", 3, 1)]
    assert found(made.format("sql", "update people set age = 1") + "select f();\n") == [("lock/all-rows", 2, 1)]
    procedure = procedural.replace("function f() returns void", "procedure f()")
    assert found(procedure + "call f();\n") == [("lock/all-rows", 3, 1)]


def test_an_ignore_before_the_block_holds_within_it(found: Found) -> None:
    assert found("-- zmig: ignore lock/all-rows there are three\n" + do("update people set age = 1;")) == []


def test_a_block_has_the_search_path_of_its_file(found: Found) -> None:
    path = "set search_path = app;\ncreate table people (id bigint primary key, age int);\n"
    assert found(path + do("create index i on people (age);")) == []


@pytest.mark.parametrize(
    ("body", "rule", "line"),
    [
        ('ctx.execute("create index i on people (age)")', INDEX, 2),
        ('ctx.connection.execute("update people set age = 1")', "lock/all-rows", 2),
        ('ctx.connection.execute("""\n    update people\n    set age = 1\n    """)', "lock/all-rows", 3),
        ('ctx.execute(f"update people set age = 1")', "lock/all-rows", 2),
        ('ctx.execute("update people " "set age = 1")', "lock/all-rows", 2),
        ('ctx.execute("update people " + "set age = 1")', "lock/all-rows", 2),
        ("ctx.execute(\"update people set email = '\\u00e4'\")", "lock/all-rows", 2),
        ('ctx.execute("delete from people where age = %s", (3,))', "lock/many-rows", 2),
        ('ctx.execute("selec 1; update people")', None, 2),
        ('ctx.execute("update people sett age = 1")', "sql/syntax", 2),
        ('with ctx.connection.cursor() as cursor:\n        cursor.execute("delete from people")', "data/delete-all", 3),
        ('if ctx:\n        ctx.execute("delete from people")', "data/delete-all", 3),
        ('ctx.execute("alter table people add n int")\n    ctx.execute("update people set n = 1")', "change/mixed", 3),
    ],
)
def test_what_python_executes_is_found_at_its_place(found: Found, body: str, rule: str | None, line: int) -> None:
    rules = [one[:2] for one in found(f"def execute(ctx):\n    {body}\n", suffix="py")]
    assert rules == ([] if rule is None else [(rule, line)])


@pytest.mark.parametrize(
    "body",
    [
        'ctx.execute("select 1")',
        'ctx.execute("update people set age = %s where id = %(id)s", {})',
        'ctx.execute(f"update {ctx} set age = 1")',
        "ctx.execute(ctx)",
        'ctx.run("update people set age = 1")',
        'print("update people set age = 1")',
    ],
)
def test_other_python_is_not(found: Found, body: str) -> None:
    assert found(f"def execute(ctx):\n    {body}\n", suffix="py") == []


def test_a_rollback_in_python_is_no_part_of_the_migration(found: Found) -> None:
    text = 'def execute(ctx):\n    pass\n\n\ndef rollback(ctx):\n    ctx.execute("drop table people")\n'
    assert [rule for rule, *_ in found(text, suffix="py")] == ["rollback/loses-data"]


@pytest.mark.parametrize(
    "body",
    ["", "begin", "begin if a then end", "begin loop", "begin execute '", "end", "begin x; end; end", "begin (;"],
)
def test_a_body_that_is_not_understood_has_nothing_in_it(body: str) -> None:
    assert plpgsql.parts(body, 0, len(body)) == []


def test_python_that_is_none_has_nothing_in_it() -> None:
    assert python_code.parts(Source("a.py", "def execute(:\n"), "execute") == []
