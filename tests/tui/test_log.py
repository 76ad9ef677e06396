"""The log, over the whole screen: live while it is read, searched, and saved."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from zmig_tui import text
from zmig_tui.screens.file_dialog import FileDialog
from zmig_tui.screens.log import LogScreen
from zmig_tui.widgets import log_lines
from zmig_tui.widgets.banner import Banner

from tests.support.console import console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg
    import pytest

    from tests.support.console import Console
    from tests.support.shop import Shop
    from zmig.presentation.spans import Line

_COLUMNS = ", ".join(f"column_{number} bigint" for number in range(12))


def _log(zmig: Console) -> LogScreen:
    assert isinstance(zmig.top, LogScreen)
    return zmig.top


def _texts(zmig: Console) -> str:
    return "\n".join(_log(zmig).lines.texts)


def _foot(zmig: Console) -> str:
    return "\n".join(_log(zmig).query_one("#log-foot", Banner).texts)


async def _until(zmig: Console, text: str) -> None:
    await zmig.until(lambda: isinstance(zmig.top, LogScreen) and text in _texts(zmig))


async def test_it_goes_on_while_it_is_read_and_follows_the_end_until_somebody_scrolls_up(
    shop: Shop, connection: psycopg.Connection
) -> None:
    connection.execute("select pg_advisory_lock(1), pg_advisory_lock(2)")
    notices = "do $$ begin for n in {} loop raise notice 'word %', n; end loop; end $$;\n"
    shop.add(
        1,
        "one",
        f"create table wide ({_COLUMNS});\n{notices.format('1..60')}"
        "do $$ begin raise warning 'careful'; end $$;\nselect pg_advisory_xact_lock(1);\n"
        f"{notices.format('61..90')}select pg_advisory_xact_lock(2);\n",
        lock_timeout="10min",
    )
    async with console(shop.path, size=(200, 24)) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "statement 4 of 6")
        await zmig.open(LogScreen, "l")
        await _until(zmig, "notice: word 60")
        first = next(text for text in _log(zmig).lines.texts if "1 of 6" in text)
        assert "column_6 bigint" in first, "at the screen's width, not at 80 characters"
        assert "ms" in _texts(zmig)
        assert "warning: careful" in zmig.screen_text, "the end is in sight"
        assert "follows the end" in _foot(zmig)

        await zmig.press("pageup")
        await zmig.until(lambda: not _log(zmig).lines.follows)
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: "new below" in _foot(zmig))
        await _until(zmig, "6 of 6")
        assert "word 90" not in zmig.screen_text
        await zmig.press("end")
        await zmig.until(lambda: "word 90" in zmig.screen_text and "follows the end" in _foot(zmig))
        await zmig.until(lambda: "6 of 6, line 6: select pg_advisory_xact_lock(2)" in zmig.screen_text)
        assert "…" in zmig.screen_text, "the running statement has a clock"

        connection.execute("select pg_advisory_unlock(2)")
        await zmig.until(lambda: "✓ one" in zmig.screen_text and "completed 1 of 1 step" in zmig.screen_text)
        await zmig.press("q")
        assert zmig.top is zmig.main


async def test_only_lines_that_are_new_are_wrapped(
    shop: Shop, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped: list[Line] = []

    def counting(line: Line, cells: int) -> Iterator[Line]:
        wrapped.append(line)
        return text.wrapped(line, cells)

    connection.execute("select pg_advisory_lock(1)")
    notices = "do $$ begin for n in 1..60 loop raise notice 'word %', n; end loop; end $$;\n"
    shop.add(1, "one", f"{notices}select pg_advisory_xact_lock(1);", lock_timeout="10min")
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "statement 2 of 2")
        await zmig.open(LogScreen, "l")
        await _until(zmig, "word 60")
        monkeypatch.setattr(log_lines, "wrapped", counting)
        for _ in range(5):
            _log(zmig).draw()
        assert len(wrapped) < 30, "five times the statement that runs, and who blocks it"
        await zmig.pilot.resize_terminal(80, 24)
        await zmig.until(lambda: len(wrapped) > 60)
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: not zmig.app.controller.is_running)


async def test_it_is_searched_with_keys(shop: Shop) -> None:
    shop.add(
        1, "one", "create table Orders ();\nselect 1;\nalter table orders add x int;\nselect 2;\ndrop table orders;"
    )
    async with console(shop.path, size=(80, 24)) as zmig:
        await zmig.agree_to("a")
        await zmig.until_states(one="done")
        await zmig.open(LogScreen, "l")
        await zmig.press("n")
        await zmig.type("ORDERS")
        await zmig.until(lambda: "3 of 3 lines with `ORDERS`" in _foot(zmig))
        await zmig.press("enter")
        assert zmig.app.focused is _log(zmig).lines
        await zmig.press("n")
        assert "1 of 3 lines" in _foot(zmig)
        await zmig.press("N", "N")
        assert "2 of 3 lines" in _foot(zmig)
        await zmig.press("escape")
        assert "ORDERS" not in _foot(zmig)
        await zmig.press("slash")
        await zmig.type("nothing of it")
        await zmig.press("enter", "n")
        assert "nothing has `nothing of it`" in _foot(zmig)
        assert zmig.toasts == ["nothing in the log has `nothing of it`"]
        await zmig.press("escape", "escape")
        assert zmig.top is zmig.main


async def test_it_is_saved_and_never_over_another_file_unasked(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shop.add(1, "one", "select nothing;")
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_states(one="failed")
        await zmig.open(LogScreen, "l")
        await zmig.open(FileDialog, "S")
        await zmig.press("enter")
        await zmig.until(lambda: zmig.toasts)
        (file,) = tmp_path.glob("zmig-*.log")
        text = file.read_text("utf-8")
        assert f"the log is saved to {file.name}" in zmig.toasts[-1]
        assert "manifest shop, database zmig_test" in text.splitlines()[0]
        assert "1 of 1, line 1: select nothing" in text
        assert 'column "nothing" does not exist' in text
        assert "zmig retry" in text, "in a file a hint is a command, and no key"

        file.write_text("mine")
        await zmig.open(FileDialog, "S")
        await zmig.question("enter")
        assert "what is in it is lost" in zmig.dialog()
        await zmig.press("escape")
        assert file.read_text() == "mine"
        await zmig.open(FileDialog, "S")
        await zmig.question("enter")
        await zmig.press("enter")
        await zmig.until(lambda: file.read_text("utf-8") == text)

        await zmig.open(FileDialog, "S")
        await zmig.press("home")
        await zmig.type("none/")
        await zmig.press("enter")
        assert "there is no folder none" in zmig.screen_text
        await zmig.press("escape")
        assert isinstance(zmig.top, LogScreen)


async def test_of_a_run_in_another_process_it_has_facts_statements_and_who_blocked(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select 1;\nselect pg_advisory_xact_lock(1);", lock_timeout="10min")
    connection.execute("select pg_advisory_lock(1)")
    async with console(shop.path) as zmig:
        run = threading.Thread(target=shop.migrator().migrate)
        run.start()
        await zmig.until_text("#panel", "blocked by 1")
        await zmig.open(LogScreen, "l")
        await _until(zmig, "2 of 2, line 2: select pg_advisory_xact_lock(1)")
        assert "✓ one" in _texts(zmig)
        await _until(zmig, f"blocked by backend {connection.info.backend_pid}")
        assert "its facts and statements alone are known" in zmig.screen_text
        connection.execute("select pg_advisory_unlock(1)")
        await _until(zmig, "✓ two")
        run.join()
