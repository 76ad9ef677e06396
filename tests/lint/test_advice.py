"""What findings say in the names of the statement that they are about, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.finding import Finding
    from zmig.lint.run import Report

    Checked = Callable[..., Report]
    Told = Callable[..., Finding]


@pytest.fixture
def told(folder: Path, checked: Checked) -> Told:
    """Return the one finding of a file, for a version of PostgreSQL."""

    def run(sql: str, *, version: int = 16, entry: str = "", top: str = "") -> Finding:
        (folder / "001_a.sql").write_text(f"-- why\n{sql};\n")
        off = "severity: {rollback/missing: 'off'}"
        (folder / "manifest.yaml").write_text(
            f"manifest: 1\n{top}migrations: [{{version: 1, file: 001_a.sql{entry}}}]\n"
            f"lint: {{postgres_version: {version}, {off}}}\n"
        )
        (finding,) = checked().findings
        return finding

    return run


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "create index on app.orders (status)",
            "building `orders_status_idx` reads all of `app.orders`, and nobody can",
        ),
        ("drop index a, app.b", "to drop `a`, `app.b`, its table is locked for a moment"),
        ("reindex index i", "rebuilding `i` keeps everybody from writing"),
        (
            'alter table only "A b".t add foreign key (x) references app.users (id)',
            'the foreign key `t_x_fkey` is checked for every row of `"A b".t`, and nobody can write to `"A b".t` or '
            "`app.users` meanwhile",
        ),
        ("alter table t alter x set not null", "all rows of `t` are read to see whether a `x` is null"),
        ("alter table t add x text not null", "the new column `x` must not be null and has no default, so this fails"),
        ("alter table t add x float8 default random()", "`random()` gives every row a value of its own, so `t` is"),
        ("alter table t add x int generated always as (a + 1) stored", "`x` is computed for every row, so `t` is"),
        (
            "alter table if exists t alter x type numeric(10, 2)",
            "`t` is written anew for a `x` of type `numeric(10, 2)`",
        ),
        (
            "alter table t rename column x to y",
            "clients that still call the column `x` of `t` fail when it is called `y`",
        ),
        ("alter table t rename x to y", "clients that still call the column `x` of `t` fail when it is called `y`"),
        ("alter view v rename to w", "clients that still call the view `v` fail when it is called `w`"),
        ("alter type mood rename value 'a' to 'b'", "clients that still write the value `a` of `mood` fail"),
        ("alter table t drop column x, drop y", "clients that still use the column `x` of `t` fail, and its values"),
        ("drop table if exists app.t", "clients that still use the table `app.t` fail, and its rows are gone"),
        ("drop schema app cascade", "everything in the schema `app` is dropped with it"),
        ("truncate table t, u cascade", "with `t`, `u` every table that has a foreign key to it is emptied"),
        ("update t set a = 1, a = 2", "`a` is assigned to twice"),
        (
            "alter table t set schema app",
            "clients that still look for the table `t` where it was fail when it is in `app`",
        ),
        ("alter table t alter x drop not null", "clients that rely on `x` of `t` may now read a null"),
        ("alter table t add x char(3)", "`char(3)` pads every value with blanks"),
        (
            "alter table t add constraint c exclude using gist (during with &&)",
            "the index of `c` is built while nobody can read or write `t`",
        ),
    ],
)
def test_a_message_has_the_names_of_the_statement(folder: Path, checked: Checked, sql: str, message: str) -> None:
    (folder / "001_a.sql").write_text(f"-- why\n{sql};\n")
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    assert [one for one in checked().findings if one.message.startswith(message)]


def test_another_action_of_the_statement_stays(told: Told) -> None:
    found = told("alter table t alter a set not null, alter b set default 1")
    assert (found.hint or "").endswith("; the other changes of the statement can stay")
    assert found.fix[0] == "alter table t add constraint t_a_is_set check (a is not null) not valid;"


def test_a_version_decides_what_can_be_written(told: Told) -> None:
    assert told("alter table t alter a set not null", version=18).fix == (
        "alter table t add constraint t_a_not_null not null a not valid;",
        "alter table t validate constraint t_a_not_null;",
    )
    assert told("alter table t add x int generated always as (a + 1) stored", version=18).fix == (
        "alter table t add column x int generated always as (a + 1) virtual;",
    )
    assert told("alter table t add x int generated always as (a + 1) stored", version=17).fix == ()
    assert told("alter table p detach partition c", version=14).fix == (
        "alter table p detach partition c concurrently;",
    )
    assert told("alter table p detach partition c", version=13).fix == ()
    assert told("reindex index i", version=11).fix == ()


def test_variables_are_kept(told: Told) -> None:
    found = told("create index i on ${schema}.t (a)", entry=", variables: true", top="variables: {schema: app}\n")
    assert found.fix == ("create index concurrently i on ${schema}.t (a);",)


def test_keywords_keep_their_case(told: Told) -> None:
    assert told("CREATE INDEX i ON t (a)").fix == ("CREATE INDEX CONCURRENTLY i ON t (a);",)


def test_a_fix_can_stand_where_the_statement_is_alone(told: Told) -> None:
    found = told("create index i on t (a)")
    assert found.replaced == (2, 1, 2, 24)
    assert told("create index i on t (a);\nselect 1").replaced is None
    assert told("alter table t alter a set not null").replaced is None


def test_each_change_of_a_statement_is_reported_for_itself(folder: Path, checked: Checked) -> None:
    (folder / "001_a.sql").write_text(
        "-- why\nalter table t add foreign key (x) references u (id), add constraint c check (y > 0);\n"
    )
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    rules = [one.rule for one in checked().findings if one.rule.startswith("squawk/")]
    assert rules == ["squawk/adding-foreign-key-constraint", "squawk/constraint-missing-not-valid"]
