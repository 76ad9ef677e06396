"""Every key that changes something, pressed in the real console against a real database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from textual.widgets import OptionList
from zmig_tui.screens.dialogs import ConfirmDialog, PickDialog, QuitDialog
from zmig_tui.screens.finder import FinderDialog

from tests.support.console import console
from zmig.database.lock import RunLock
from zmig.facts import EventType

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.support.console import Console
    from tests.support.shop import Shop
    from zmig.session.watcher import Observation

BROKEN = "select 1;\nselect * from nowhere;\n"


def _facts(shop: Shop) -> list[tuple[str, str]]:
    facts = (fact for fact in shop.migrator().history() if fact.type is not EventType.OBSERVED)
    return [(fact.name, fact.type.value.removeprefix("migration.")) for fact in facts]


def _hold(shop: Shop, connection: psycopg.Connection) -> None:
    """Add a migration that runs until the connection gives back a lock."""
    shop.add(1, "one", "select pg_advisory_lock(1);")
    connection.execute("select pg_advisory_lock(1)")


async def _begin(zmig: Console) -> None:
    """Apply, and wait until the statement of the only migration runs."""
    await zmig.agree_to("a")
    await zmig.until_text("#panel", "statement 1 of 1")


async def test_apply_shows_the_plan_runs_it_and_says_so(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();")
    shop.add(2, "two", "do $$ begin raise notice 'here [bold]I[/] am'; end $$;")
    async with console(shop.path) as zmig:
        await zmig.question("a")
        assert "apply: 2 migrations to run" in zmig.dialog()
        await zmig.press("enter")
        await zmig.until_states(one="done", two="done")
        await zmig.until_text("#panel", "✓ apply: 2 done")
        await zmig.press("l")
        await zmig.until(lambda: "notice: here [bold]I[/] am" in zmig.screen_text)
    assert _facts(shop) == [("one", "started"), ("one", "done"), ("two", "started"), ("two", "done")]


async def test_what_is_declined_does_not_run(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.question("a")
        await zmig.press("escape")
        await zmig.until(lambda: zmig.top is zmig.main)
        assert not zmig.app.controller.is_running
    assert _facts(shop) == []


@pytest.mark.parametrize("environment", ["development", "production"])
async def test_what_is_agreed_to_is_seen_below_a_plan_of_any_length(shop: Shop, environment: str) -> None:
    shop.environment = environment
    for version in range(1, 16):
        shop.add(version, f"m{version}", "select 1;", rollback="select 2;")
    shop.migrator().migrate()
    async with console(shop.path, size=(80, 24)) as zmig:
        await zmig.question("home", "U")
        await zmig.until(lambda: "Yes, do it" in zmig.screen_text and environment.upper() in zmig.screen_text)
        assert "15  m15" in zmig.screen_text
        await zmig.press(*["pagedown"] * 4)
        await zmig.until(lambda: " 2  m2" in zmig.screen_text)
        if environment == "production":
            await zmig.open(ConfirmDialog, "enter")
            await zmig.until(lambda: "to agree, then press enter" in zmig.screen_text)
            await zmig.press(*["pagedown"] * 4)
            await zmig.until(lambda: "m2" in zmig.screen_text.split("PRODUCTION")[-1])
            await zmig.press("escape")
        await zmig.press("escape")
        await zmig.open(FinderDialog, "question_mark")
        await zmig.until(lambda: "esc Close" in zmig.screen_text)


async def test_apply_to_here_stops_at_the_cursor(shop: Shop) -> None:
    for version, name in enumerate(("one", "two", "three"), start=1):
        shop.add(version, name, "select 1;")
    async with console(shop.path) as zmig:
        await zmig.go_to("two")
        await zmig.agree_to("t")
        await zmig.until_states(one="done", two="done", three="pending")


async def test_a_plan_may_be_looked_at_and_left(shop: Shop) -> None:
    shop.add(1, "one", "vacuum;")
    async with console(shop.path) as zmig:
        text = await zmig.plan("p")
        assert "apply: 1 migration to run" in text
        assert "without a transaction" in text
        await zmig.press("q")
        await zmig.until(lambda: zmig.top is zmig.main)
        assert not zmig.app.controller.is_running
    assert _facts(shop) == []


async def test_a_plan_that_changed_since_it_was_agreed_to_is_refused(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.question("a")
        shop.write("one.sql", "select 2;")
        await zmig.press("enter")
        await zmig.until_text("#panel", "the plan changed since it was confirmed")
    assert _facts(shop) == []


async def test_a_refused_plan_says_why_and_offers_nothing(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    shop.write("one.sql", "select 2;")
    shop.add(2, "two", "select 2;")
    async with console(shop.path) as zmig:
        text = " ".join((await zmig.plan("a")).split())
        assert "refused" in text
        assert text.index("`one` was edited after it was applied") < text.index("2 two")
        assert "enter Yes" not in zmig.screen_text


async def test_a_failure_is_shown_with_its_place_and_can_be_retried(shop: Shop) -> None:
    shop.add(1, "one", BROKEN)
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_states(one="failed")
        await zmig.until_text("#panel", "✗ apply: failed")
        await zmig.until(lambda: 'relation "nowhere" does not exist' in zmig.page)
        assert "▶2 │ select * from nowhere;" in zmig.page
        await zmig.press("1")
        await zmig.until(lambda: "PostgreSQL 42P01" in zmig.page)
        assert "2 | select * from nowhere;" in zmig.page
        shop.write("one.sql", "select 1;")
        await zmig.agree_to("r")
        await zmig.until_states(one="done")


async def test_all_that_failed_is_retried_at_once(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select 2;")
    shop.migrator().migrate()
    for name in ("one", "two"):
        shop.migrator().resolve(name, "failed", reason="to be seen")
    async with console(shop.path) as zmig:
        await zmig.agree_to("R")
        await zmig.until_states(one="done", two="done")


async def test_the_last_migration_is_rolled_back(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();", rollback="drop table one;")
    shop.add(2, "two", "create table two ();", rollback="drop table two;")
    shop.migrator().migrate()
    async with console(shop.path) as zmig:
        await zmig.question("u")
        assert "2  two" in zmig.dialog()
        assert "roll-back · applied" in zmig.dialog()
        await zmig.press("enter")
        await zmig.until_states(one="done", two="pending")


async def test_in_production_undoing_asks_for_the_databases_name(shop: Shop, database: str) -> None:
    shop.environment = "production"
    for version, name in enumerate(("one", "two", "three"), start=1):
        shop.add(version, name, f"create table {name} ();", rollback=f"drop table {name};")
    shop.migrator().migrate()
    async with console(shop.path) as zmig:
        assert "PRODUCTION" in zmig.texts("#heading")
        await zmig.go_to("one")
        await zmig.question("U")
        await zmig.open(ConfirmDialog, "enter")
        await zmig.question()
        await zmig.type("no")
        await zmig.press("enter")
        assert isinstance(zmig.top, ConfirmDialog)
        await zmig.press(*["backspace"] * len("no"))
        assert zmig.main.model.observation is not None
        await zmig.type(zmig.main.model.observation.status.database)
        await zmig.press("enter")
        await zmig.until_states(one="done", two="pending", three="pending")


async def test_the_running_statement_is_cancelled(shop: Shop) -> None:
    shop.add(1, "one", "select pg_sleep(60);")
    async with console(shop.path) as zmig:
        await _begin(zmig)
        await zmig.agree_to("c")
        await zmig.until_text("#panel", "✗ apply: cancelled")
        await zmig.until_states(one="failed")
    assert shop.migrator().history()[-1].error_message == "interrupted by request"


async def test_quitting_during_a_run_asks_and_staying_lets_it_go_on(shop: Shop, connection: psycopg.Connection) -> None:
    _hold(shop, connection)
    async with console(shop.path) as zmig:
        await _begin(zmig)
        await zmig.open(QuitDialog, "q")
        await zmig.press("escape")
        await zmig.until(lambda: zmig.top is zmig.main)
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until_states(one="done")


async def test_the_question_about_quitting_follows_the_run_to_its_end(
    shop: Shop, connection: psycopg.Connection
) -> None:
    _hold(shop, connection)
    async with console(shop.path) as zmig:
        await _begin(zmig)
        await zmig.open(QuitDialog, "q")
        assert "apply is still running." in zmig.dialog()
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: "is still running" not in zmig.dialog())
        assert zmig.dialog().startswith("quit?\napply has ended: 1 done.")
        await zmig.until(lambda: "cancel" not in zmig.screen_text.lower())
        await zmig.press("c")
        assert isinstance(zmig.top, QuitDialog)
        await zmig.press("w")
        await zmig.until(lambda: zmig.app.return_value == 0)


async def test_quitting_may_wait_for_the_run(shop: Shop, connection: psycopg.Connection) -> None:
    _hold(shop, connection)
    async with console(shop.path) as zmig:
        await _begin(zmig)
        await zmig.open(QuitDialog, "q")
        await zmig.press("w")
        assert zmig.app.return_value is None
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: zmig.app.return_value == 0)
    assert _facts(shop)[-1] == ("one", "done")


async def test_quitting_may_cancel_the_run(shop: Shop) -> None:
    shop.add(1, "one", "select pg_sleep(60);")
    async with console(shop.path) as zmig:
        await _begin(zmig)
        await zmig.open(QuitDialog, "q")
        await zmig.press("c")
        await zmig.until(lambda: zmig.app.return_value == 0)
    assert _facts(shop)[-1] == ("one", "failed")


async def test_a_run_that_waits_for_the_lock_says_whom_it_waits_for(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;")
    assert RunLock("zmig").try_acquire(connection)
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", f"waiting for the lock: backend {connection.info.backend_pid}")
        RunLock("zmig").release(connection)
        await zmig.until_states(one="done")


async def test_a_run_elsewhere_is_watched_to_its_end(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", f"select 1;\nselect '{'x' * 200}', pg_advisory_lock(1);\n")
    connection.execute("select pg_advisory_lock(1)")
    run = threading.Thread(target=shop.migrator().migrate)
    run.start()
    async with console(shop.path) as zmig:
        await zmig.until_text("#panel", "a run in another process")
        await zmig.until_text("#panel", "statement 2 of 2, line 2")
        await zmig.until_text("#panel", f"backend {connection.info.backend_pid}")
        await zmig.press("2")
        await zmig.until(lambda: "▶2 │ select 'xxx" in zmig.page)
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until_states(one="done")
        await zmig.until(lambda: " 2 │ select 'xxx" in zmig.page)
        await zmig.until_text("#panel", "✓ a run by ")
    run.join()


async def test_a_run_elsewhere_that_fails_between_two_looks_is_not_called_done(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select pg_advisory_lock(1);")
    shop.add(2, "two", "select * from nowhere;")
    connection.execute("select pg_advisory_lock(1)")
    ends: list[BaseException] = []
    run = threading.Thread(target=lambda: ends.append(_failing(shop)))
    run.start()
    async with console(shop.path) as zmig:
        await zmig.until_text("#panel", "statement 1 of 1")
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until_states(one="done", two="failed")
        await zmig.until_text("#panel", ": 1 done, then failed")
        assert '`two`: relation "nowhere" does not exist' in zmig.texts("#panel")
        assert zmig.main.row is not None
        assert zmig.main.row.name == "two"
    run.join()


async def test_a_statement_elsewhere_is_cancelled(shop: Shop) -> None:
    shop.add(1, "one", "select pg_sleep(60);")
    ends: list[BaseException] = []
    run = threading.Thread(target=lambda: ends.append(_failing(shop)))
    run.start()
    async with console(shop.path) as zmig:
        await zmig.until_text("#panel", "statement 1 of 1")
        await zmig.agree_to("c")
        await zmig.until_states(one="failed")
        await zmig.until_text("#panel", "canceling statement due to user request")
    run.join()
    assert len(ends) == 1


def _failing(shop: Shop) -> BaseException:
    try:
        shop.migrator().migrate()
    except BaseException as error:
        return error
    raise AssertionError("it did not fail")


_ROUNDS = (
    "update rows set n = n + 1 "
    "where id in (select id from rows where id > :cursor order by id limit :size) returning id;"
)


async def test_rounds_are_told_paused_and_resumed_here_and_in_another_console(
    shop: Shop, connection: psycopg.Connection
) -> None:
    connection.execute("create table rows (id int primary key, n int default 0)")
    connection.execute("insert into rows select generate_series(1, 1000)")
    shop.add(1, "one", _ROUNDS, batch='{size: 10, start: 0, pause: 20ms, total: "select count(*) from rows"}')
    async with console(shop.path) as zmig, console(shop.path) as other:
        await zmig.agree_to("a")
        await other.until_text("#panel", "of 1,000 rows")
        await other.until_text("#panel", "rows/s")
        await other.press("z")
        await zmig.until_text("#panel", "‖ waits between two rounds: paused")
        await other.until_text("#panel", "paused by")
        assert "of 1,000 rows" in zmig.texts("#panel")
        assert "at most" in zmig.texts("#panel"), "how quick the last rounds were, as bars"
        for each in (zmig, other):
            await each.until(lambda each=each: " left" not in each.texts("#panel") and "z Resume" in each.screen_text)
        await zmig.press("z")
        await other.until_text("#panel", " left")
        await other.until(lambda: "z Pause" in other.screen_text)
        await zmig.until_states(one="done")
        await other.until_text("#panel", "✓ a run by ")
    assert [kind for _, kind in _facts(shop) if kind in ("paused", "resumed")] == ["paused", "resumed"]


def _block(connect: Callable[..., psycopg.Connection], *, times: int = 1) -> list[psycopg.Connection]:
    """Read a table in open transactions, so that nobody can alter it."""
    connect().execute("create table busy ()")
    readers = [connect(autocommit=False) for _ in range(times)]
    for reader in readers:
        reader.execute("select from busy")
    return readers


async def test_a_backend_that_blocks_the_run_is_terminated(
    shop: Shop, connect: Callable[..., psycopg.Connection]
) -> None:
    shop.add(1, "one", "alter table busy add column x int;", lock_timeout="10min")
    [blocker] = _block(connect)
    pid = blocker.info.backend_pid
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", f"backend {pid}")
        assert "idle in transaction" in zmig.texts("#panel")
        await zmig.question("K")
        assert f"terminate backend {pid}, which blocks" in zmig.dialog()
        await zmig.press("enter")
        await zmig.until_states(one="done")


async def test_of_several_that_block_the_run_one_is_picked_and_the_run_is_not_among_them(
    shop: Shop, connect: Callable[..., psycopg.Connection]
) -> None:
    shop.environment = "production"
    shop.add(1, "one", "alter table busy add column x int;", lock_timeout="10min")
    pids = {reader.info.backend_pid for reader in _block(connect, times=2)}
    async with console(shop.path) as zmig:
        await zmig.question("a")
        await zmig.press("y")
        for pid in pids:
            await zmig.until_text("#panel", f"backend {pid}")
        await zmig.open(PickDialog, "K")
        options = zmig.top.query_one(OptionList)
        assert {int(str(option.prompt).split()[1].strip(",")) for option in options.options} == pids
        assert options.highlighted == 0
        await zmig.question("enter")
        assert "to agree, then press enter" in zmig.screen_text


async def test_between_two_attempts_too_the_key_for_blockers_never_means_the_run(
    shop: Shop, connect: Callable[..., psycopg.Connection]
) -> None:
    # On a busy machine a whole attempt may pass between two looks; then the next one is seen.
    patient = "{attempts: 20, backoff: 20s, max_backoff: 1h}"
    shop.add(1, "one", "alter table busy add column x int;", lock_timeout="1500ms", retry=patient)
    [blocker] = _block(connect)
    pid = blocker.info.backend_pid
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until(lambda: zmig.main.model.runs.blockers.blockers)
        await zmig.until_text("#panel", "tries again in")
        await zmig.until(lambda: (seen := zmig.main.model.observation) is not None and not _is_blocked(seen))
        await zmig.question("K")
        assert f"terminate backend {pid}, which block" in zmig.dialog()
        await zmig.press("enter")
        await zmig.until(lambda: [f"backend {pid} is terminated"] == zmig.toasts)
        assert "no backend blocks the run now" in await zmig.reading("K")
        assert zmig.app.controller.is_running
        assert not zmig.app.controller.is_cancelling


def _is_blocked(observation: Observation) -> bool:
    return observation.work is not None and bool(observation.work.blockers)


async def test_the_backend_of_the_run_has_a_key_of_its_own_that_says_what_it_runs(shop: Shop) -> None:
    shop.add(1, "one", "select pg_sleep(600);")
    async with console(shop.path) as zmig:
        await _begin(zmig)
        await zmig.until(lambda: zmig.main.model.work is not None)
        assert "no backend blocks the run now" in await zmig.reading("K")
        await zmig.question("escape", "C")
        assert "which runs `one`" in zmig.dialog()
        assert "select pg_sleep(600)" in zmig.dialog()
        assert "zmig.migration_events" not in zmig.dialog()
        await zmig.press("enter")
        await zmig.until_text("#panel", "✗ apply: failed")


async def test_what_cannot_be_done_is_told_in_full(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        shop.path.write_text("manifest: 1\nmigrations: 7\n")
        assert "shop.yaml:2:13" in "".join((await zmig.plan("p")).split())
