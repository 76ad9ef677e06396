"""Which command opens a file at a line, for each kind of editor, and what is said where none can."""

from __future__ import annotations

import pytest
from zmig_tui.models.editors import editor_command

THERE = {"vi", "nvim", "emacs", "nano", "hx", "/opt/code", "code", "subl", "gedit"}


def _find(program: str) -> str | None:
    return f"/usr/bin/{program}" if program in THERE else None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("vi", ["vi", "+12", "m.sql"]),
        ("nvim -u NONE", ["nvim", "-u", "NONE", "+12", "m.sql"]),
        ("nano", ["nano", "+12", "m.sql"]),
        ("emacs -nw", ["emacs", "-nw", "+12", "m.sql"]),
        ("hx", ["hx", "m.sql:12"]),
        ("code --wait", ["code", "--wait", "-g", "m.sql:12"]),
        ("code", ["code", "--wait", "-g", "m.sql:12"]),
        ("/opt/code -w", ["/opt/code", "-w", "-g", "m.sql:12"]),
        ("subl", ["subl", "--wait", "m.sql:12"]),
        ("gedit", ["gedit", "m.sql"]),
    ],
)
def test_each_editor_is_told_the_line_as_it_takes_it(setting: str, words: list[str]) -> None:
    assert list(editor_command("m.sql", 12, {"EDITOR": setting}, _find).words) == words


def test_without_a_line_only_the_file_is_named() -> None:
    assert editor_command("m.sql", None, {"EDITOR": "vi"}, _find).words == ("vi", "m.sql")


def test_visual_goes_before_editor_and_an_empty_one_does_not_count() -> None:
    environ = {"VISUAL": " ", "EDITOR": "nano"}
    assert editor_command("m.sql", None, environ, _find).words == ("nano", "m.sql")
    assert editor_command("m.sql", None, {**environ, "VISUAL": "vi"}, _find).words == ("vi", "m.sql")


def test_where_nothing_is_set_the_usual_one_is_taken() -> None:
    assert editor_command("m.sql", 3, {}, _find).words == ("vi", "+3", "m.sql")
    assert editor_command("m.sql", 3, {}, lambda _: None).problem == "there is no editor: set VISUAL or EDITOR"


def test_a_file_whose_name_begins_with_a_dash_is_no_option() -> None:
    assert editor_command("-c.sql", 3, {}, _find).words == ("vi", "+3", "./-c.sql")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("missing --wait", "EDITOR names an editor that is not there: missing --wait"),
        ("vi 'x", "EDITOR cannot be read as a command: no closing quotation"),
    ],
)
def test_what_cannot_be_started_is_said(setting: str, problem: str) -> None:
    assert editor_command("m.sql", 1, {"EDITOR": setting}, _find).problem == problem
