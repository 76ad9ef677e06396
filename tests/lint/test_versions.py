"""What the oldest server that migrations are for does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

STATEMENTS = [
    (11, "create index i on t (a) include (b)"),
    (11, "create procedure p() language sql as 'select 1'"),
    (11, "create trigger g before update on t for each row execute function f()"),
    (12, "alter table t add column g int generated always as (a + 1) stored"),
    (12, "reindex index concurrently i"),
    (12, "reindex (verbose) table concurrently t"),
    (12, "alter type mood add value 'happy'"),
    (14, "alter table p detach partition c concurrently"),
    (14, "create or replace trigger g before update on t for each row execute function f()"),
    (15, "merge into t using u on t.a = u.a when matched then delete"),
    (15, "create unique index concurrently i on t (a) nulls not distinct"),
    (15, "create view v with (security_invoker = true) as select 1 as a"),
    (18, "create table n (a int, g int generated always as (a + 1) virtual)"),
    (18, "alter table t add constraint c check (a > 0) not enforced"),
]


@pytest.mark.parametrize(("since", "statement"), STATEMENTS)
def test_what_a_version_does_not_know_is_found(
    folder: Path, checked: Callable[..., Report], since: int, statement: str
) -> None:
    (folder / "001_a.sql").write_text(f"-- why\n{statement};\n")

    def found(version: str) -> list[str]:
        (folder / "manifest.yaml").write_text(
            f"manifest: 1\nmigrations: [{{version: 1, file: 001_a.sql}}]\nlint: {{{version}}}\n"
        )
        return [one.message for one in checked().findings if one.rule == "fails/version"]

    (message,) = found(f"postgres_version: {since - 1}")
    assert f" before PostgreSQL {since}, and the migrations are for {since - 1} as well" in message
    assert found(f"postgres_version: {since}") == []
    assert found("") == []


@pytest.mark.parametrize(
    "statement",
    [
        "comment on table t is 'merge returning'",
        "alter table t add column c text default ' not enforced '",
        'create table n ("a) virtual" int)',
    ],
)
def test_what_is_in_strings_and_names_is_not(folder: Path, checked: Callable[..., Report], statement: str) -> None:
    (folder / "001_a.sql").write_text(f"-- why\n{statement};\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\nlint: {postgres_version: 10}\n"
    )
    assert "fails/version" not in [one.rule for one in checked().findings]


def test_a_value_may_be_added_outside_of_a_transaction(folder: Path, checked: Callable[..., Report]) -> None:
    (folder / "001_a.sql").write_text("-- why\nalter type mood add value 'happy';\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nmigrations: [{version: 1, file: 001_a.sql, transaction: false}]\nlint: {postgres_version: 11}\n"
    )
    assert "fails/version" not in [one.rule for one in checked().findings]


def test_a_key_of_a_partitioned_table_that_is_validated_later_needs_18(
    folder: Path, checked: Callable[..., Report]
) -> None:
    (folder / "001_a.sql").write_text(
        "-- why\ncreate table places (id int primary key);\n"
        "create table parts (id int, place_id int) partition by range (id);\n"
    )
    (folder / "002_a.sql").write_text(
        "-- why\nalter table parts add constraint placed foreign key (place_id) references places (id) not valid;\n"
    )

    def found(version: str) -> list[str]:
        (folder / "manifest.yaml").write_text(
            "manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}, {version: 2, file: 002_a.sql}]\n"
            f"lint: {{{version}}}\n"
        )
        return [one.message for one in checked().findings if one.rule.startswith("fails/")]

    refused = "`parts` is partitioned, and its foreign keys cannot be `not valid` before PostgreSQL 18"
    assert found("postgres_version: 17") == [refused]
    assert found("postgres_version: 18") == []
    assert found("") == []
