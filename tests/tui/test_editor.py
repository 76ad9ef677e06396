"""`e` in a real pseudo-terminal with a real program as the editor; and files that other programs change meanwhile."""

from __future__ import annotations

import signal
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.console import console
from tests.support.fullscreen import FullScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.shop import Shop

needs_terminal = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal and signals")


def _editor(folder: Path, name: str, script: str) -> str:
    """Write an editor, and return the command that names it."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


@needs_terminal
def test_a_failure_is_corrected_in_the_editor_at_its_line_and_retried(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add(1, "one", "select 1;\n\nselect * from nowhere;\n")
    given = tmp_path / "given"
    command = _editor(tmp_path, "vi", f'echo "$@" >> {given}; for file; do :; done; printf "select 1;" > "$file"')
    monkeypatch.setenv("VISUAL", f"{command} --clean")
    with FullScreen(shop.path) as terminal:
        terminal.shows("· 1 pending", "a Apply")
        terminal.press("a")
        terminal.agree()
        terminal.shows("✗ failed", "e Edit")
        terminal.press("2")
        terminal.shows("▶3")
        terminal.press("e")
        terminal.shows("file changed: one; press r to retry it")
        terminal.press("r")
        terminal.agree()
        terminal.shows("✓ retry one: 1 done")
        terminal.until(lambda screen: "▶3" not in screen)
        terminal.press("e")
        terminal.shows("one.sql is as it was")
        terminal.press("q")
        assert terminal.end() == 0
    file = shop.folder / "one.sql"
    assert given.read_text().splitlines() == [f"--clean +3 {file}", f"--clean {file}"]


@needs_terminal
def test_what_the_editor_does_is_said_and_ctrl_c_is_its_own(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add(1, "one", "select 1;")
    waiting = _editor(tmp_path, "waits", "trap 'exit 7' INT TERM; echo the editor waits; while :; do sleep 1; done")
    monkeypatch.setenv("EDITOR", waiting)
    with FullScreen(shop.path) as terminal:
        terminal.shows("· 1 pending", "a Apply")
        terminal.press("e")
        terminal.shows("the editor waits")
        terminal.press("\x03")
        terminal.shows("ended with exit code 7", "a Apply")
        terminal.press("e")
        terminal.shows("the editor waits")
        terminal.send(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM


async def test_without_a_terminal_no_editor_is_opened_and_that_is_said(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.press("e")
        assert zmig.toasts == ["an editor needs a terminal, and this console has none"]
        assert "e Edit" not in zmig.screen_text


async def test_a_file_that_another_program_changes_is_said_with_what_to_press(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();")
    shop.add(2, "two", "select nothing;")
    async with console(shop.path) as zmig:
        shop.write("one.sql", "create table one (a int);")
        await zmig.until(lambda: "file changed: one; press a to apply it" in zmig.toasts)
        await zmig.agree_to("a")
        await zmig.until_states(one="done", two="failed")
        shop.write("two.sql", "select 1;")
        await zmig.until(lambda: "file changed: two; press r to retry it" in zmig.toasts)
        shop.write("one.sql", "create table one ();")
        expected = "file changed: one; it is applied already: press A if that is harmless, else restore it"
        await zmig.until(lambda: expected in zmig.toasts)
        shop.write("one.sql", "-- said\ncreate table one (a int);")
        shop.write("two.sql", "select 2;")
        await zmig.until(lambda: any("files changed" in toast or "no difference" in toast for toast in zmig.toasts))
