"""Which program takes a text for the clipboard, and what it is given."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

import pytest
from zmig_tui.clipboard import clipboard_program, give

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environ", "there", "program"),
    [
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, {"wl-copy", "xclip"}, "wl-copy"),
        ({"DISPLAY": ":0"}, {"wl-copy", "xclip", "xsel"}, "xclip"),
        ({"DISPLAY": ":0"}, {"xsel"}, "xsel"),
        ({}, {"wl-copy", "xclip", "xsel"}, None),
        ({}, {"pbcopy"}, "pbcopy"),
        ({}, {"clip.exe"}, "clip.exe"),
        ({"DISPLAY": ""}, {"xclip"}, None),
    ],
)
def test_the_program_is_that_of_the_desktop(environ: dict[str, str], there: set[str], program: str | None) -> None:
    found = clipboard_program(environ, lambda name: name if name in there else None)
    assert (found[0] if found is not None else None) == program


def test_a_program_gets_the_text_and_what_goes_wrong_is_said(tmp_path: Path) -> None:
    taker = tmp_path / "taker"
    taker.write_text(f"#!/bin/sh\n{shutil.which('cat')} > {tmp_path / 'taken'}\n")
    taker.chmod(taker.stat().st_mode | stat.S_IXUSR)
    assert give([str(taker)], "select 'ä';\n") is None
    assert (tmp_path / "taken").read_text("utf-8") == "select 'ä';\n"
    assert give(["false"], "x") == "false ended with exit code 1"
    assert give([str(tmp_path / "nowhere")], "x") == f"{tmp_path / 'nowhere'} did not start: No such file or directory"
