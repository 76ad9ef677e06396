"""`y`, and text selected with the mouse: what is copied, and to which clipboards."""

from __future__ import annotations

import base64
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from textual.widgets import OptionList
from zmig_tui.screens.dialogs import PickDialog, TextDialog
from zmig_tui.text import line

from tests.support.console import console
from tests.support.fullscreen import FullScreen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.console import Console
    from tests.support.shop import Shop

FAILING = "select 1;\n\nselect *\nfrom nowhere;\n"


def _offered(zmig: Console) -> list[str]:
    options = zmig.top.query_one(OptionList)
    return [str(options.get_option_at_index(at).prompt) for at in range(options.option_count)]


async def _copy(zmig: Console, what: str) -> str:
    """Choose a text in the menu, and return what is copied."""
    await zmig.open(PickDialog, "y")
    at = next(at for at, title in enumerate(_offered(zmig)) if title.startswith(what))
    await zmig.press(*["down"] * at, "enter")
    await zmig.until(lambda: zmig.top is zmig.main)
    assert any(toast.startswith(f"copied: {what}") for toast in zmig.toasts)
    return zmig.app.clipboard


async def test_each_text_about_a_migration_is_copied_without_passwords(
    shop: Shop, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker, taken = tmp_path / "wl-copy", tmp_path / "taken"
    taker.write_text(f"#!/bin/sh\ncat > {taken}.new; mv {taken}.new {taken}\n")
    taker.chmod(taker.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    shop.add(1, "one", FAILING)
    shop.add(2, "two", "create role a_copied_role password 's3cret';")
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_states(one="failed")
        await zmig.until(lambda: "nowhere" in zmig.page)
        error = await _copy(zmig, "the error")
        assert 'relation "nowhere" does not exist' in error
        assert "run `zmig retry shop.yaml one`" in error
        await zmig.until(lambda: taken.exists() and taken.read_text() == error)
        assert await _copy(zmig, "the last statement") == "select *\nfrom nowhere"
        assert await _copy(zmig, "the command that retries it") == "zmig retry shop.yaml one"
        assert await _copy(zmig, "the name") == "one"
        assert await _copy(zmig, "the file's text") == FAILING.rstrip()
        assert await _copy(zmig, "the command that applies everything") == "zmig apply shop.yaml"
        await zmig.go_to("two")
        await zmig.until(lambda: "two" in zmig.page)
        assert "s3cret" not in await _copy(zmig, "the file's text")
        assert await _copy(zmig, "the command that applies up to here") == "zmig apply shop.yaml --to 2"


async def test_text_is_selected_with_the_mouse_and_copied(shop: Shop) -> None:
    shop.add(1, "one", "select 'first';\nselect 'second';\n")
    async with console(shop.path) as zmig:
        await zmig.press("2")
        await zmig.until(lambda: "select 'second'" in zmig.page)
        rows = zmig.main.detail.page.texts
        column = rows[0].index("first") + 1
        await zmig.pilot.mouse_down("#page", offset=(column, 0))
        await zmig.pilot.hover("#page", offset=(column + 3, 0))
        await zmig.pilot.hover("#page", offset=(column + 6, 1))
        await zmig.pilot.mouse_up("#page", offset=(column + 6, 1))
        await zmig.until(zmig.main.get_selected_text)
        selected = zmig.main.get_selected_text() or ""
        assert selected.startswith("first';")
        assert "\n" in selected
        await zmig.press("y")
        assert zmig.app.clipboard == selected
        assert "copied: the selected text, 2 lines" in zmig.toasts


async def test_what_a_dialog_shows_is_copied(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        zmig.main.prompts.read("refused", [line("why it is"), line("and what helps")])
        await zmig.open(TextDialog, "y")
        assert zmig.app.clipboard == "why it is\nand what helps"
        assert "copied: 2 lines" in zmig.toasts


async def test_a_clipboard_that_does_not_take_it_is_said(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker = tmp_path / "wl-copy"
    taker.write_text("#!/bin/sh\nexit 3\n")
    taker.chmod(taker.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await _copy(zmig, "the name")
        await zmig.until(lambda: "only the terminal was asked to copy: wl-copy ended with exit code 3" in zmig.toasts)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_terminal_is_asked_to_copy(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    shop.add(1, "one", "select 1;")
    with FullScreen(shop.path) as terminal:
        terminal.shows("· 1 pending", "a Apply")
        terminal.press("y")
        terminal.shows("Which text?")
        terminal.press("\r")
        terminal.shows("copied: the name")
        assert f"\x1b]52;c;{base64.b64encode(b'one').decode()}".encode() in terminal.written
        terminal.press("q")
        assert terminal.end() == 0
