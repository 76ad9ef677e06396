"""What somebody chose in the console is there the next time, and does no harm where it cannot be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zmig_tui import background, preferences
from zmig_tui.preferences import Preferences

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_chosen_is_there_the_next_time_beside_what_another_console_kept(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    first, second = preferences.of_user(environ), preferences.of_user(environ)
    first.keep("theme", "nord")
    second.keep("table", 0.5)
    again = preferences.of_user(environ)
    assert (again.text("theme"), again.number("table"), again.text("table"), again.number("theme")) == (
        "nord", 0.5, "", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"theme": ["nord"], "table": true}']
)
def test_what_cannot_be_used_is_as_if_nothing_had_been_chosen(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "console.json"
    file.write_bytes(content)
    kept = Preferences(file)
    assert (kept.text("theme"), kept.number("table")) == ("", None)
    kept.keep("theme", "nord")
    assert Preferences(file).text("theme") == "nord"


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Preferences(tmp_path / "file" / "console.json")
    kept.keep("theme", "nord")
    assert kept.text("theme") == "nord"
    assert Preferences(tmp_path / "file" / "console.json").text("theme") == ""
    assert preferences.of_user({"XDG_CONFIG_HOME": "relative"}).text("theme") == ""


@pytest.mark.parametrize(
    ("answer", "is_light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62c", True),
        (b"\x1b]11;rgb:f/f/f\x07", True),
        (b"\x1b]11;rgba:fb/fb/fd/ff\x07", True),
        (b"\x1b]11;rgb:1616/1818/1f1f\x1b\\", False),
        (b"\x1b]11;rgb:0000/0000/ffff\x1b\\", False),
        (b"\x1b[?1;2c", None),
        (b"", None),
    ],
)
def test_the_background_is_as_bright_as_it_looks(answer: bytes, is_light: bool | None) -> None:
    assert background.brightness(answer) is is_light
