"""Code inside of rollbacks goes through the rules of rollbacks, as that of migrations goes through theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Found = Callable[..., list[tuple[str, int]]]

BEFORE = """-- what is there
create table people (id bigint primary key, email text, age int);
create table places (id bigint primary key, city text);
"""
FORWARD = "-- why\nalter table people add column note text;\n"


@pytest.fixture
def found(folder: Path, checked: Callable[..., Report]) -> Found:
    """Return the rules that a rollback breaks, each with its line."""

    def run(text: str, *, forward: str = FORWARD, entry: str = "") -> list[tuple[str, int]]:
        is_python = forward.startswith("def ")
        suffix = "py" if is_python else "sql"
        (folder / "001_before.sql").write_text(BEFORE)
        (folder / f"002_a.{suffix}").write_text(forward + text if is_python else forward)
        (folder / "002_a.rollback.sql").write_text(text)
        rollback = "" if is_python else ", rollback: 002_a.rollback.sql"
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nlint: {severity: {rollback/missing: 'off', name/no-description: 'off'}}\nmigrations:\n"
            f"  - {{version: 1, file: 001_before.sql}}\n  - {{version: 2, file: 002_a.{suffix}{rollback}{entry}}}\n"
        )
        file = f"002_a.{suffix}" if is_python else "002_a.rollback.sql"
        return [(one.rule, one.line) for one in checked().findings if one.file.endswith((file, "manifest.yaml"))]

    return run


def do(body: str) -> str:
    return f"do $$\nbegin\n{body}\nend $$;\n"


UNDO = "alter table people drop column note;\n"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("create index i on people (age);", "lock/table-scan"),
        ("update people set age = 1;", "lock/all-rows"),
        ("execute 'update people set age = 1';", "lock/all-rows"),
        ("alter table people alter column age type bigint;", "lock/table-rewrite"),
        ("alter table people drop column age;", "rollback/loses-data"),
        ("delete from places;", "rollback/loses-data"),
        ("drop table nothing;", "fails/missing"),
        ("alter table places add column n int not null;", "rollback/needs-empty-table"),
        ("create index concurrently i on people (age);", "transaction/refused"),
        ("execute 'selec 1';", "sql/syntax"),
    ],
)
def test_what_a_block_of_a_rollback_runs_is_found(found: Found, body: str, rule: str) -> None:
    assert (rule, 3) in found(do(body) + UNDO)


def test_a_function_that_a_rollback_makes_and_calls_is_looked_into(found: Found) -> None:
    made = "create function f() returns void language sql as $f$\nupdate people set age = 1\n$f$;\n"
    rest = "drop function f();\n"
    assert ("lock/all-rows", 2) in found(f"{made}select f();\n{UNDO}{rest}")
    assert [one for one in found(UNDO + made + rest) if one[0] == "lock/all-rows"] == []


@pytest.mark.parametrize(
    "body", ["update people set age = 1 where id = 1;", "perform 1;", "insert into places values (1, 'a');"]
)
def test_its_harmless_twin_is_not(found: Found, body: str) -> None:
    assert found(UNDO + do(body)) == []


PYTHON = 'def execute(ctx):\n    ctx.execute("alter table people add column note text")\n\n\n'


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("delete from people", ["rollback/loses-data"]),
        ("update people set age = 1", ["lock/all-rows"]),
        ("alter table people drop column age", ["rollback/loses-data"]),
        ("alter table people drop column note", []),
        ("delete from people where id = 1", []),
    ],
)
def test_what_python_executes_in_a_rollback_is_found(found: Found, sql: str, rules: list[str]) -> None:
    text = f'def rollback(ctx):\n    ctx.execute("{sql}")\n'
    assert found(text, forward=PYTHON) == [(rule, 6) for rule in rules]


def test_what_a_rollback_in_python_calls_counts(found: Found) -> None:
    empty = 'def empty(ctx):\n    ctx.execute("update people set age = 1")\n\n\n'
    assert found(f"{empty}def rollback(ctx):\n    empty(ctx)\n", forward=PYTHON).count(("lock/all-rows", 6)) == 1


@pytest.mark.parametrize("forward", [FORWARD, "-- why\ncreate table n (id bigint primary key);\n"])
def test_a_rollback_that_waits_for_its_lock_without_a_limit_is_found_once(found: Found, forward: str) -> None:
    undo = UNDO if forward == FORWARD else "drop table n;\nalter table people drop column if exists other;\n"
    rules = [rule for rule, _ in found(undo, forward=forward, entry=", lock_timeout: 0")]
    assert rules.count("lock/unlimited") == 1
    assert "lock/unlimited" not in [rule for rule, _ in found(undo, forward=forward)]
