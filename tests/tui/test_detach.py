"""A run of the console goes on without it, and every console that is opened on the same database attaches to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from zmig_tui.run_process import places
from zmig_tui.run_process.messages import Hello
from zmig_tui.screens.dialogs import ConfirmDialog, QuitDialog

from tests.support import backends, run_processes
from tests.support.console import console
from tests.support.fullscreen import FullScreen
from zmig.errors import MigrationFailed
from zmig.facts import EventType

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.console import Console
    from tests.support.shop import Shop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs processes that outlive who started them")

HANGUP = 128 + signal.SIGHUP


@pytest.fixture
def waiting_shop(shop: Shop, connection: psycopg.Connection) -> Shop:
    """A manifest whose second migration waits until `connection` gives the advisory lock 1 back."""
    shop.add(1, "one", "do $$ begin raise notice 'early word'; end $$;")
    shop.add(2, "two", "select 1;\nselect pg_advisory_lock(1);\n", lock_timeout="10min")
    shop.add(3, "three", "create table three ();")
    connection.execute("select pg_advisory_lock(1)")
    return shop


def _let_go(connection: psycopg.Connection) -> None:
    connection.execute("select pg_advisory_unlock(1)")


def _last(shop: Shop) -> tuple[str, str | None]:
    fact = [fact for fact in shop.migrator().history() if fact.type is not EventType.OBSERVED][-1]
    return fact.type.label, fact.error_message


async def _until_it_waits(zmig: Console) -> None:
    await zmig.until_text("#panel", "statement 2 of 2, line 2")


def _log(zmig: Console) -> list[str]:
    run = zmig.main.model.runs.shown
    entries = run.log.entries if run is not None else ()
    return [f"{entry.words}: {entry.quoted}" for entry in entries if entry.lasts]


def _shows_all_of_it(terminal: FullScreen) -> None:
    """Wait until a console that was opened in the middle of the run shows what was said at its beginning."""
    terminal.shows("1 of 3", "statement 2 of 2, line 2", "▶ apply two", "c Cancel")
    terminal.until(lambda screen: "in another process" not in screen)
    terminal.press("l")
    terminal.shows("follows the end", "notice: early word")
    terminal.press("\x1b")
    terminal.until(lambda screen: "follows the end" not in screen)


async def test_a_run_is_left_and_found_again_with_all_it_said_and_cancelled_there(
    waiting_shop: Shop, connection: psycopg.Connection
) -> None:
    async with (
        console(waiting_shop.path, uses_processes=True) as other,
        console(waiting_shop.path, uses_processes=True) as zmig,
    ):
        await zmig.agree_to("a")
        await _until_it_waits(zmig)
        first_log = _log(zmig)
        assert any("early word" in line for line in first_log)
        # One that was open already attaches to it, too.
        await other.until(lambda: (own := other.main.model.runs.own) is not None and not own.is_over)
        await other.until(lambda: _log(other) == first_log)
        await zmig.open(QuitDialog, "q")
        assert "leave it running" in zmig.screen_text
        await zmig.press("d")
        await zmig.until(lambda: zmig.has_left)
        assert zmig.app.return_value == 0
    backends.wait_for(connection, 1, "wait_event_type = 'Lock'")

    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await _until_it_waits(zmig)
        run = zmig.main.model.runs.own
        assert run is not None
        assert (run.verb, run.total, run.finished, run.is_remote) == ("apply", 3, 1, False)
        assert _log(zmig) == first_log
        async with console(waiting_shop.path, uses_processes=True) as other:
            await _until_it_waits(other)
            assert _log(other) == first_log
            await zmig.question("c")
            assert isinstance(zmig.top, ConfirmDialog)
            await zmig.press("enter")
            await zmig.until_text("#panel", "apply: cancelled")
            await other.until_text("#panel", "apply: cancelled")
    assert _last(waiting_shop) == ("failed", "interrupted by request")
    run_processes.wait_for_end(waiting_shop.path)


async def test_what_a_run_came_to_is_told_to_whoever_comes_first_and_then_by_facts(
    waiting_shop: Shop, connection: psycopg.Connection
) -> None:
    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await zmig.agree_to("a")
        await _until_it_waits(zmig)
        await zmig.press("D")
        await zmig.until(lambda: zmig.has_left)
    process = run_processes.pid(waiting_shop.path)
    _let_go(connection)
    backends.wait_for_end(connection)

    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await zmig.until_text("#panel", "✓ apply: 3 done")
        assert any("early word" in line for line in _log(zmig))
        run_processes.wait_for_end(waiting_shop.path, process)
    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await zmig.until_states(one="done", two="done", three="done")
        assert zmig.main.model.runs.own is None


async def test_what_a_run_came_to_is_older_than_what_ended_after_it(
    waiting_shop: Shop, connection: psycopg.Connection
) -> None:
    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await zmig.agree_to("a")
        await _until_it_waits(zmig)
        await zmig.press("D")
        await zmig.until(lambda: zmig.has_left)
    _let_go(connection)
    backends.wait_for_end(connection)
    waiting_shop.add(4, "four", "select nothing;")
    with contextlib.suppress(MigrationFailed):
        waiting_shop.migrator().migrate()
    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await asyncio.to_thread(run_processes.wait_for_end, waiting_shop.path)
        await zmig.until(lambda: zmig.main.model.runs.shown is None)
        await zmig.until_states(four="failed")


async def test_a_process_that_is_killed_is_missed_and_facts_say_what_it_left(
    waiting_shop: Shop, connection: psycopg.Connection
) -> None:
    async with console(waiting_shop.path, uses_processes=True) as zmig:
        await zmig.agree_to("a")
        await _until_it_waits(zmig)
        run_processes.kill(run_processes.pid(waiting_shop.path))
        await zmig.until_text("#panel", "ended without saying how its run did")
        backends.wait_for(connection, 0, "application_name <> 'zmig/console'")
        await zmig.until_states(one="done", two="stuck", three="pending")
        assert not zmig.app.controller.is_running
        # What it left in the folder is cleaned, and the next run is like any other.
        await zmig.until(lambda: not places.sockets(places.identity(waiting_shop.path, None, os.environ)))
        _let_go(connection)
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "✓ apply: 2 done")
    assert _last(waiting_shop)[0] == "done"


@pytest.mark.slow
async def test_consoles_that_come_and_go_miss_nothing_and_disturb_nothing(
    shop: Shop, connection: psycopg.Connection
) -> None:
    turns = 20
    for turn in range(1, turns + 1):
        shop.add(turn, f"m{turn}", f"select 1;\nselect pg_advisory_lock({turn});\n", lock_timeout="10min")
        connection.execute(f"select pg_advisory_lock({turn})".encode())
    async with console(shop.path, uses_processes=True) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "m1  statement 2 of 2")
        await zmig.press("D")
        await zmig.until(lambda: zmig.has_left)
    process = run_processes.pid(shop.path)
    for turn in range(1, turns + 1):
        async with console(shop.path, uses_processes=True, size=(100, 30)) as zmig:
            await zmig.until_text("#panel", f"m{turn}  statement 2 of 2")
            assert sum("apply m" in line for line in _log(zmig)) == turn
            connection.execute(f"select pg_advisory_unlock({turn})".encode())
            if turn < turns:
                await zmig.until_text("#panel", f"m{turn + 1}  statement 2 of 2")
                assert run_processes.pid(shop.path) == process
            else:
                await zmig.until_text("#panel", f"✓ apply: {turns} done")
    run_processes.wait_for_end(shop.path, process)
    started = [fact.name for fact in shop.migrator().history() if fact.type is EventType.STARTED]
    assert started == [f"m{turn}" for turn in range(1, turns + 1)]


@pytest.mark.parametrize("way", ["the terminal is closed", "it is closed without a signal", "the console is killed"])
def test_a_run_goes_on_without_terminal_and_console_and_a_new_one_shows_all_of_it(
    waiting_shop: Shop, connection: psycopg.Connection, way: str
) -> None:
    with FullScreen(waiting_shop.path, is_controlling="without" not in way) as terminal:
        terminal.shows("· 3 pending", "a Apply")
        terminal.press("a")
        terminal.agree()
        terminal.shows("statement 2 of 2")
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=terminal)
        if way == "the console is killed":
            terminal.send(signal.SIGKILL)
            assert terminal.end() == -signal.SIGKILL
        else:
            terminal.close()
            assert terminal.end() == HANGUP
    with FullScreen(waiting_shop.path) as terminal:
        _shows_all_of_it(terminal)
        assert _last(waiting_shop)[0] == "started"
        terminal.press("D")
        assert terminal.end() == 0
        assert f"a run goes on; `zmig tui {waiting_shop.path}` attaches to it\r\n".encode() in terminal.written
    _let_go(connection)
    with FullScreen(waiting_shop.path) as terminal:
        terminal.shows("✓ apply: 3 done")
        terminal.press("q")
        assert terminal.end() == 0
        assert b"a run goes on" not in terminal.written
    assert _last(waiting_shop) == ("done", None)
    run_processes.wait_for_end(waiting_shop.path)


def test_a_signal_to_the_runs_process_cancels_it_and_one_to_a_console_that_only_watches_does_not(
    waiting_shop: Shop, connection: psycopg.Connection
) -> None:
    with FullScreen(waiting_shop.path) as terminal:
        terminal.shows("· 3 pending", "a Apply")
        terminal.press("a")
        terminal.agree()
        terminal.shows("statement 2 of 2")
        with FullScreen(waiting_shop.path) as watching:
            _shows_all_of_it(watching)
            watching.send(signal.SIGTERM)
            assert watching.end() == 128 + signal.SIGTERM
        process = run_processes.pid(waiting_shop.path)
        backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=terminal)
        run_processes.kill(process, signal.SIGTERM)
        terminal.shows("apply: cancelled")
    assert _last(waiting_shop) == ("failed", "interrupted by SIGTERM")
    run_processes.wait_for_end(waiting_shop.path, process)


async def test_where_there_can_be_no_process_the_run_is_done_in_the_console(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add(1, "one", "select 1;")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with console(shop.path, uses_processes=True) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "✓ apply: 1 done")
        assert any("this run ends with the console: its process did not start" in toast for toast in zmig.toasts)


async def test_a_run_of_another_version_is_left_to_facts(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    listening = places.listen(places.identity(shop.path, None, os.environ))
    assert listening is not None
    with listening[0] as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(Hello("0.0.1", 4711, "token", "apply", 3, 0.0).line())
                connection.recv(1)

        with ThreadPoolExecutor() as threads:
            answered = threads.submit(answer)
            async with console(shop.path, uses_processes=True) as zmig:
                await zmig.until(lambda: zmig.toasts)
                assert zmig.toasts == ["a run of zmig 0.0.1 goes on in process 4711; facts show it"]
                assert not zmig.app.controller.is_running
            answered.result()
    listening[1].unlink()


def test_a_console_that_reads_nothing_holds_up_neither_the_run_nor_others(
    shop: Shop, connection: psycopg.Connection
) -> None:
    talk = "do $$ begin for n in 1..20000 loop raise notice '% %', n, repeat('x', 1500); end loop; end $$;"
    shop.add(1, "one", f"select pg_advisory_lock(1);\n{talk}\n", lock_timeout="10min")
    connection.execute("select pg_advisory_lock(1)")
    with FullScreen(shop.path) as terminal:
        terminal.shows("· 1 pending", "a Apply")
        terminal.press("a")
        terminal.agree()
        terminal.shows("statement 1 of 2")
        process = run_processes.pid(shop.path)
        (path,) = places.sockets(places.identity(shop.path, None, os.environ))
        deaf = places.connect(path)
        assert deaf is not None
        with deaf:
            connection.execute("select pg_advisory_unlock(1)")
            terminal.shows("✓ apply: 1 done")
            run_processes.wait_for_end(shop.path, process)
    assert _last(shop) == ("done", None)


def test_a_process_of_another_account_is_not_spoken_with(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert places.is_own(ours)
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        assert not places.is_own(ours)


def test_a_folder_that_others_may_write_to_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    short = tmp_path_factory.mktemp("d", numbered=True)
    runtime = short / "r"
    (runtime / "zmig").mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    (runtime / "zmig").chmod(0o777)
    found = places.listen("test")
    assert found is not None
    assert found[1].parent != runtime / "zmig"
    found[0].close()
    found[1].unlink()
    (runtime / "zmig").rmdir()
    (runtime / "zmig").symlink_to(tmp_path)
    found = places.listen("test")
    assert found is not None
    assert found[1].parent not in (runtime / "zmig", tmp_path)
    found[0].close()
    assert places.connect(found[1]) is None
    assert not found[1].exists()


def test_a_socket_that_goes_away_is_replaced_where_consoles_look_next(
    waiting_shop: Shop, connection: psycopg.Connection
) -> None:
    with FullScreen(waiting_shop.path) as terminal:
        terminal.shows("· 3 pending", "a Apply")
        terminal.press("a")
        terminal.agree()
        terminal.shows("statement 2 of 2")
        (path,) = places.sockets(places.identity(waiting_shop.path, None, os.environ))
        path.unlink()
        with FullScreen(waiting_shop.path) as other:
            _shows_all_of_it(other)
        _let_go(connection)
        terminal.shows("✓ apply: 3 done")
