"""Runs of this console and of others: their ends, their clocks, who was in the way."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from zmig_tui.screens.runs import RunsScreen
from zmig_tui.screens.timeline import TimelineScreen

from tests.support import backends
from tests.support.console import console
from tests.support.shop import Shop
from zmig.database.run_reader import SUMMARY
from zmig.errors import MigrationFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg


def _fails(shop: Shop) -> None:
    with pytest.raises(MigrationFailed):
        shop.migrator().migrate()


async def test_a_short_run_elsewhere_is_shown_in_every_console_and_covers_an_older_success(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig, console(shop.path, size=(80, 24)) as other:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "✓ apply: 1 done")
        await other.until_text("#panel", "✓ ")
        shop.add(2, "two", "select * from nowhere;")
        await asyncio.to_thread(_fails, shop)
        for each in (zmig, other):
            await each.until_text("#panel", "✗ a run by ")
            assert '`two`: relation "nowhere" does not exist' in each.texts("#panel")
        shop.migrator().resolve("two", "done", reason="by hand")
        for each in (zmig, other):
            await each.until_states(two="done")
            assert "✗ a run by " in each.texts("#panel")
            await each.press("escape")
            await each.until(lambda each=each: not each.main.query_one("#panel").display)
        shop.add(3, "three", "select 3;")
        await asyncio.to_thread(shop.migrator().migrate)
        for each in (zmig, other):
            await each.until_text("#panel", ": 1 done")
            assert "✓ a run by " in each.texts("#panel")


async def test_tries_and_blockers_of_a_run_elsewhere_are_told_while_it_waits_and_afterwards(
    shop: Shop, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    connection.execute("create table a ()")
    holder = connect(autocommit=False)
    holder.execute("set application_name = 'nightly-report'")
    holder.execute("lock table a")
    pid = holder.info.backend_pid
    # The first try waits for two seconds, the second one until it is cancelled.
    limit = (
        "select set_config('lock_timeout', case when exists (select from zmig.migration_events "
        "where event_type = 'migration.failed') then '0' else '2s' end, true);\n"
    )
    shop.add(1, "fine", "select 1;")
    retry = "{attempts: 2, backoff: 8s, max_backoff: 8s}"
    shop.add(2, "busy", f"{limit}alter table a add column b int;", retry=retry)
    run = threading.Thread(target=_fails, args=(shop,))
    async with console(shop.path, size=(140, 40)) as zmig:
        run.start()
        await zmig.until_text("#panel", f"lock timeout, blocked by pid {pid} nightly-report; tries again in 0:0")
        assert "try 2 of 2" in zmig.texts("#panel")
        assert "the server waits" not in zmig.texts("#panel")
        await zmig.until_text("#panel", "busy  try 2 of 2 · statement 2 of 2, line 2")
        await zmig.until_text("#panel", "blocked by 1")
        backend = zmig.main.model.work
        assert backend is not None
        # It is looked for who blocks after a second; then the run knows it, too.
        (since,) = connection.execute("select clock_timestamp()").fetchone() or (None,)
        looked = (
            f"pg_blocking_pids({backend.backend.pid}) = '{{{pid}}}' and exists (select from pg_stat_activity "
            f"where application_name = 'zmig monitor' and state = 'idle' and query_start > '{since}' "
            "and query like '%recursive tree%')"
        )
        await asyncio.to_thread(backends.wait_until, connection, looked)
        connection.execute("select pg_cancel_backend(%s)", [backend.backend.pid])
        await zmig.until_text("#panel", "✗ a run by ")
        assert f"blocked by pid {pid} nightly-report" in zmig.texts("#panel")
        took = zmig.main.model.runs.shown
        assert took is not None
        assert took.seconds(0) >= 2 + 4  # the first wait for the lock, and half of the pause at least
        await zmig.press("1")
        last = f"blocked by pid {pid} nightly-report, user"
        await zmig.until(lambda: last in " ".join(zmig.page.split()))
        often = f"in 2 attempts of that run blocked by pid {pid} nightly-report 2 times"
        await zmig.until(lambda: often in " ".join(zmig.page.split()))
        await zmig.press("4")
        await zmig.until(lambda: " ".join(zmig.page.split()).count(last) == 2)
    holder.rollback()
    run.join()


async def test_runs_are_listed_and_one_is_seen_in_time_and_leads_to_its_migrations(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select 2;")
    shop.migrator().migrate()
    shop.add(3, "three", "select * from nowhere;")
    _fails(shop)
    shop.migrator().resolve("three", "done", reason="by hand")
    async with console(shop.path) as zmig:
        await zmig.open(RunsScreen, "v")
        await zmig.until(lambda: "✗ failed" in zmig.screen_text)
        first, second = [line for line in zmig.screen_text.splitlines() if "@" in line]
        assert "✗ failed" in first
        assert "✓ done" in second
        connection.execute("select pg_advisory_lock(1)")
        shop.add(4, "four", "select pg_advisory_lock(1);")
        run = threading.Thread(target=shop.migrator().migrate)
        run.start()
        await zmig.until(lambda: "▶ in progress" in zmig.screen_text)
        await zmig.open(TimelineScreen, "enter")
        await zmig.until(lambda: "▶ four" in zmig.screen_text)
        await zmig.until(lambda: "▒" in zmig.screen_text.split("four")[1])
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: "✓ four" in zmig.screen_text and "✓ done" in zmig.screen_text)
        run.join()
        await zmig.press("escape")
        await zmig.until(lambda: zmig.screen_text.count("@") == 3 and "in progress" not in zmig.screen_text)
        await zmig.press("down", "down")
        await zmig.open(TimelineScreen, "enter")
        await zmig.until(lambda: "✓ two" in zmig.screen_text)
        await zmig.press("down", "enter")
        await zmig.until(lambda: zmig.top is zmig.main)
        assert zmig.main.row is not None
        assert zmig.main.row.name == "two"
        await zmig.open(RunsScreen, "v")
        await zmig.press("escape")
        await zmig.until(lambda: zmig.top is zmig.main)


async def test_of_a_long_history_pages_are_read_and_each_question_looks_at_a_part(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    # 100,000 facts: 400 runs of 125 migrations each, of one of which every fact is about a batch.
    connection.execute("""
        insert into zmig.migration_events (aggregate_id, event_type, event_data, run_id, host)
        select 'm' || n / 2 % 125,
            'migration.' || case when n / 250 = 7 then 'checkpoint' when n % 2 = 0 then 'started' else 'done' end,
            jsonb_build_object('version', 1000 + n / 2 % 125, 'duration_ms', 5), 'run' || n / 250, 'ci'
        from generate_series(0, 99999) n""")
    async with console(shop.path) as zmig:
        await zmig.open(RunsScreen, "v")
        await zmig.until(lambda: "run399" in zmig.screen_text)
        listed = zmig.main.model.run_list
        observation = zmig.main.model.observation
        assert observation is not None
        before = len(listed.runs(observation))
        assert 200 <= before < 400
        assert listed.more_before is not None
        await zmig.press("end")
        await zmig.until(lambda: len(listed.runs(observation)) > before)
        await zmig.press("m", "end")
        await zmig.until(lambda: listed.more_before is None)
        assert len(listed.runs(observation)) == 400  # and the one that the migrator made, but for that of the batch
    query = SUMMARY.format(events="zmig.migration_events", after="80000", before="100000")
    plan = connection.execute(f"explain {query}".encode()).fetchall()
    assert "migration_events_pkey" in "\n".join(str(line) for (line,) in plan)


async def test_how_long_a_migration_took_in_another_database_is_expected_of_it(
    shop: Shop, tmp_path: Path, connection: psycopg.Connection
) -> None:
    (tmp_path / "staging").mkdir()
    staging = Shop(tmp_path / "staging", shop.url, environment="staging")
    for each in (shop, staging):
        each.add(1, "slow", "select pg_sleep(2.1), pg_advisory_lock_shared(1);", lock_timeout="10min")
    staging.declare(tracking="{schema: staging, allow_existing: true}")
    staging.migrator().migrate()
    connection.execute("select pg_advisory_lock(1)")
    run = threading.Thread(target=shop.migrator().migrate)
    async with console(shop.path, staging.path, size=(160, 40)) as zmig:
        run.start()
        await zmig.until_text("#panel", " on staging, ")
        assert "took 2." in zmig.texts("#panel")
        await zmig.until_text("#panel", " on staging, less than now")
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until_text("#panel", "✓ a run by ")
    run.join()


async def test_a_run_while_the_console_was_cut_off_is_shown_and_a_rollback_says_what_it_took_back(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "create table one ();", rollback="drop table one;")
    shop.migrator().migrate()
    shop.add(2, "two", "create table two ();", rollback="drop table two;")

    def cut_off_and_run(run: Callable[[], object]) -> None:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'zmig/console' and datname = current_database()"
        )
        run()

    async with console(shop.path) as zmig:
        await asyncio.to_thread(cut_off_and_run, shop.migrator().migrate)
        await zmig.until_text("#panel", ": 1 done")
        assert "✓ a run by " in zmig.texts("#panel")
        await zmig.press("escape")
        await zmig.until(lambda: not zmig.main.query_one("#panel").display)
        await asyncio.to_thread(cut_off_and_run, lambda: shop.migrator().rollback(to=0))
        await zmig.until_text("#panel", ": 2 rolled back")
        assert "✓ a rollback by " in zmig.texts("#panel")
        await zmig.open(RunsScreen, "v")
        await zmig.until(lambda: zmig.screen_text.count("✓ done") == 3)
        await zmig.open(TimelineScreen, "enter")
        await zmig.until(lambda: "↶ two" in zmig.screen_text and "↶ one" in zmig.screen_text)
