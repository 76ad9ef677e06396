"""Rules of zmig's own have the corrected statement, and what to put where, if the statement can stay where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

BEFORE = "-- what is there\ncreate table people (id bigint primary key, age int);\n"


@pytest.mark.parametrize(
    ("rule", "sql", "fixed"),
    [
        ("design/json", "alter table people add extra json", "alter table people add extra jsonb"),
        ("design/json", 'alter table people add "Extra" JSON', 'alter table people add "Extra" JSONB'),
        ("design/money", "alter table people add pay money", "alter table people add pay numeric(12, 2)"),
        ("design/integer-key", "create table n (id serial primary key)", "create table n (id bigserial primary key)"),
        (
            "design/integer-key",
            "create table n (a text, id int generated always as identity primary key)",
            "create table n (a text, id bigint generated always as identity primary key)",
        ),
        (
            "design/integer-reference",
            "create table n (id bigint primary key, person_id integer references people)",
            "create table n (id bigint primary key, person_id bigint references people)",
        ),
        (
            "index/if-not-exists",
            "create index concurrently if not exists people_x on people (age)",
            "create index concurrently people_x on people (age)",
        ),
        (
            "index/unnamed",
            "create index concurrently on people (age)",
            "create index concurrently people_age_idx on people (age)",
        ),
        ("fails/missing", "alter table peple add extra text", "alter table people add extra text"),
        ("fails/missing", "update people set aeg = 1 where id = 1", "update people set age = 1 where id = 1"),
        (
            "data/unlogged",
            "create unlogged table n (id bigint primary key)",
            "create table n (id bigint primary key)",
        ),
    ],
)
def test_a_fix_takes_the_place_of_what_is_there(
    folder: Path, checked: Callable[..., Report], rule: str, sql: str, fixed: str
) -> None:
    def check(text: str) -> dict[str, tuple[tuple[str, ...], str]]:
        (folder / "001_before.sql").write_text(BEFORE)
        (folder / "002_a.sql").write_text(text)
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nlint: {severity: {rollback/missing: 'off'}}\n"
            "migrations: [{version: 1, file: 001_before.sql}, {version: 2, file: 002_a.sql}]\n"
        )
        found: dict[str, tuple[tuple[str, ...], str]] = {}
        for one in checked().findings:
            if one.replaced is not None and one.file.endswith("002_a.sql"):
                line, column, end_line, end_column = one.replaced
                lines = text.splitlines(keepends=True)
                starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
                begin, end = starts[line - 1] + column - 1, starts[end_line - 1] + end_column - 1
                found[one.rule] = one.fix, text[:begin] + one.replacement + text[end:]
        return found

    text = f"-- grün\n{sql};\n"
    fix, whole = check(text)[rule]
    assert fix == (f"{fixed};",)
    assert whole == f"-- grün\n{fixed};\n"
    assert rule not in check(whole)


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("transaction/control", "commit"),
        ("lock/explicit", "lock table people"),
        ("lock/released", "select pg_advisory_unlock_all()"),
        ("lock/sleep", "select pg_sleep(5)"),
    ],
)
def test_what_is_to_be_removed_can_be_replaced_by_nothing(
    folder: Path, checked: Callable[..., Report], rule: str, sql: str
) -> None:
    (folder / "001_before.sql").write_text(BEFORE)
    (folder / "002_a.sql").write_text(f"-- why\n{sql} ; -- so\nselect 1;\n{sql};\nselect 2;\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nmigrations: [{version: 1, file: 001_before.sql}, {version: 2, file: 002_a.sql}]\n"
    )
    first, second = [one for one in checked().findings if one.rule == rule]
    assert (first.replaced, first.replacement, first.fix) == ((2, 1, 2, len(sql) + 4), "", ())
    assert (second.replaced, second.replacement, second.fix) == ((4, 1, 5, 1), "", ())


def test_an_index_that_a_rollback_builds_has_its_fix(folder: Path, checked: Callable[..., Report]) -> None:
    (folder / "001_before.sql").write_text(f"{BEFORE}create index people_age on people (age);\n")
    (folder / "002_a.sql").write_text("-- why\ndrop index concurrently people_age;\n")
    (folder / "002_a.rollback.sql").write_text("create index people_age on people (age);\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nlint: {severity: {rollback/missing: 'off'}}\n"
        "migrations:\n  - {version: 1, file: 001_before.sql}\n"
        "  - {version: 2, file: 002_a.sql, rollback: 002_a.rollback.sql}\n"
    )
    (one,) = [one for one in checked().findings if one.rule == "lock/table-scan"]
    assert one.fix == ("create index concurrently people_age on people (age);",)
    assert one.replacement == "create index concurrently people_age on people (age)"


def test_what_is_within_code_has_no_fix(folder: Path, checked: Callable[..., Report]) -> None:
    code = "-- why\ndo $$ begin alter table people add extra json; end $$;\n"
    (folder / "001_a.sql").write_text(BEFORE + code)
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    (one,) = [one for one in checked().findings if one.rule == "design/json"]
    assert (one.fix, one.replaced) == ((), None)
