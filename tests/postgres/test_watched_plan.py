"""Plans that are read through a watcher: the same as any, of what is there now, and without reading everything anew."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.shop import Shop
from zmig import Migrator
from zmig.database import table_estimates
from zmig.errors import ManifestError
from zmig.planning.request import Apply, Retry, Rollback
from zmig.project import project

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from zmig.context import CodeMigration, Context
    from zmig.planning.request import Request


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Shop:
    return Shop(tmp_path, database)


def _is_same(shop: Shop, request: Request, *registered: CodeMigration) -> bool:
    """Compare both ways to a plan, of which one looked before the other."""
    migrator = Migrator(shop.path)
    for one in registered:
        migrator.register_migration(one)
    watcher = migrator.watcher()
    try:
        watcher.poll()
        watched, plain = migrator.plan_watched(request, watcher), migrator.plan_request(request)
    finally:
        watcher.close()
    assert [one.problem for one in watched.refusals] == [one.problem for one in plain.refusals]
    return (watched.fingerprint, watched.steps, watched.is_first) == (plain.fingerprint, plain.steps, plain.is_first)


def test_it_is_the_plan_that_any_other_way_leads_to(shop: Shop, connection: psycopg.Connection) -> None:
    shop.entries = []
    shop.add(1, "one", "create table one ();", rollback="drop table one;")
    shop.declare(tracking="{allow_existing: false}")
    connection.execute("create table somebodys ()")
    assert _is_same(shop, Apply())  # refused, since it is the first on a database that is not empty
    shop.declare()
    shop.migrator().migrate()
    shop.add(2, "two", "vacuum;")
    shop.add(3, "three", "select * from nowhere;", run_as="nobody_at_all")
    shop.add(90, "due", "select 1;", kind="repeatable", repeat='{condition: "select true"}')
    for request in (Apply(), Apply(to=2), Apply(is_atomic=True), Retry(), Rollback(), Rollback(to=0)):
        assert _is_same(shop, request)
    shop.write("one.sql", "select 2;")
    assert _is_same(shop, Apply())


class InCode:
    version = 2
    name = "in_code"

    def execute(self, ctx: Context) -> None:
        ctx.execute("select 1")


def test_what_is_registered_has_its_place_and_the_settings_of_the_manifest_there_too(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(3, "three", "select 3;")
    shop.declare(defaults="{lock_timeout: 7s}")
    assert _is_same(shop, Apply(), InCode())
    shop.migrator().migrate(to=1)
    assert _is_same(shop, Apply(), InCode())


def test_facts_and_files_count_as_they_are_now_and_are_told_to_the_next_look(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    migrator = shop.migrator()
    watcher = migrator.watcher()
    watcher.poll()
    shop.add(2, "two", "select 2;")
    assert [step.migration.name for step in migrator.plan_watched(Apply(), watcher).steps] == ["one", "two"]
    shop.migrator().migrate(to=1)
    shop.write("two.sql", "select 3;")
    [step] = migrator.plan_watched(Apply(), watcher).steps
    assert step.migration.checksum == shop.migrator().project().migrations[1].checksum
    assert {fact.name for fact in watcher.poll().new_facts} >= {"one"}
    shop.path.write_text("manifest: 1\nmigrations: 7\n")
    with pytest.raises(ManifestError):
        migrator.plan_watched(Apply(), watcher)
    watcher.close()


def _calls(shop: Shop, monkeypatch: pytest.MonkeyPatch, migrations: int) -> int:
    """Return how many functions of Python are called for a plan of one migration after so many that are done."""
    have = len(shop.entries)
    for version in range(have + 1, migrations + 1):
        shop.write(f"m{version}.sql", "select 1;")
        shop.entries.append(f"  - {{version: {version}, file: m{version}.sql}}")
    shop.declare()
    shop.migrator().migrate(to=migrations - 1)
    migrator = shop.migrator()
    watcher = migrator.watcher()
    watcher.poll()
    migrator.plan_watched(Apply(), watcher)  # imports what it needs
    monkeypatch.setattr(project, "load", None)
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        plan = migrator.plan_watched(Apply(), watcher)
    finally:
        sys.setprofile(None)
        monkeypatch.undo()
        watcher.close()
    assert len(plan.steps) == 1
    return calls


@pytest.mark.growth
def test_a_long_history_costs_a_plan_next_to_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (_calls(shop, monkeypatch, count) for count in (100, 1100))
    assert (many - few) / 1000 < 20, "what is done is looked at in passing, and nothing of it is read anew"


def test_tables_are_estimated_without_being_counted_or_locked(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;")
    connection.execute("create schema s")
    connection.execute("create table s.orders as select generate_series(1, 5000) as id")
    connection.execute("create table fresh ()")
    connection.execute("create table parts (id int) partition by range (id)")
    connection.execute("create table part_1 partition of parts for values from (0) to (10)")
    connection.execute("create table part_2 partition of parts for values from (10) to (20)")
    connection.execute("insert into parts select i % 20 from generate_series(1, 2000) i")
    connection.execute("analyze s.orders, part_1, part_2")
    watcher = shop.migrator().watcher()
    watcher.poll()
    names = [("s", "orders"), ("public", "fresh"), ("public", "parts"), ("public", "orders")]
    with connection.transaction():
        connection.execute("lock table s.orders, fresh, parts in access exclusive mode")
        found = watcher.estimates(names)
    watcher.close()
    assert {name: one.rows for name, one in found.items()} == {
        ("s", "orders"): 5000,
        ("public", "fresh"): None,
        ("public", "parts"): 2000,
    }
    assert found["s", "orders"].bytes >= 5000
    assert table_estimates.read(connection, []) == {}
