"""Hints as values: one and the same as a command for each kind of user, and as a key."""

from __future__ import annotations

import ast
import json
import pickle
from typing import TYPE_CHECKING

import pytest
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.screens import keys

from tests.support.process import ROOT
from tests.support.tales import once
from zmig.cli import parser
from zmig.errors import Problem
from zmig.hints import Hint, SuggestedCommand, command, repeat, run_command
from zmig.presentation.hints import CommandLine, written
from zmig.presentation.problems import problem_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST = once(1)
_RETRY = Hint("correct the file, then ", run_command("retry", about=_FIRST))
_NAMED = CommandLine("prod.yaml", "postgresql://app:s3cret@db/shop")


def test_a_hint_is_a_text_for_who_knows_nothing_of_commands() -> None:
    assert _RETRY == "correct the file, then run `zmig retry 001_m`"
    assert json.dumps(_RETRY) == '"correct the file, then run `zmig retry 001_m`"'


def test_a_hint_for_who_uses_the_library_names_manifest_and_database() -> None:
    named = Problem("x", "m", facts=("plain", Hint(command("plan"))), hint=_RETRY).naming("prod.yaml", "host=db")
    assert named.hint == "correct the file, then run `zmig retry prod.yaml 001_m --database-url host=db`"
    assert named.facts == ("plain", "`zmig plan prod.yaml --database-url host=db`")
    assert str(named) == f"m; {named.hint}"


def test_the_command_line_writes_what_its_user_gave_whatever_a_library_would_name() -> None:
    hint = _RETRY.naming("/somewhere/else.yaml", None)
    assert written(hint, _NAMED) == (
        "correct the file, then run `zmig retry prod.yaml 001_m --database-url 'postgresql://app:***@db/shop'`"
    )


def test_a_hint_that_is_continued_keeps_its_commands() -> None:
    longer = Hint(_RETRY, "; or see ", command("status"))
    assert written(longer, CommandLine("a.yaml")) == (
        "correct the file, then run `zmig retry a.yaml 001_m`; or see `zmig status a.yaml`"
    )


def test_a_hint_crosses_from_one_process_to_another() -> None:
    crossed = pickle.loads(pickle.dumps(Problem("x", "m", hint=_RETRY)))
    assert written(crossed.hint, CommandLine("a.yaml")) == "correct the file, then run `zmig retry a.yaml 001_m`"


def test_a_text_without_commands_is_written_as_it_is() -> None:
    assert written("write `to: {x}`", KeyHints(_NAMED, keys.KEYS)) == "write `to: {x}`"


def test_braces_in_a_name_are_no_places() -> None:
    hint = Hint("see `{a}`, then ", run_command("retry", about=once(name="{0}")))
    assert written(hint, CommandLine()) == "see `{a}`, then run `zmig retry '{0}'`"


@pytest.mark.parametrize(
    ("name", "called"), [("", "7"), ("--all", "7"), (" a", "7"), ("a\x1b", "7"), ("x" * 101, "7"), ("a b", "'a b'")]
)
def test_a_migration_whose_name_is_hard_to_write_is_called_by_its_version(name: str, called: str) -> None:
    assert str(command("retry", about=once(7, name=name))) == f"`zmig retry {called}`"


@pytest.mark.parametrize(
    ("suggested", "phrase"),
    [
        (run_command("retry", about=_FIRST), "press r on `001_m`"),
        (run_command("apply"), "press a"),
        (command("plan"), "the key p"),
        (command("rollback"), "the key u"),
        (command("retry", "--terminate"), "the key C"),
        (command("apply", "--to", "3"), "the key t on version 3"),
        (
            run_command("resolve", "--as", "done", "--reason", "...", about=_FIRST),
            "press x on `001_m` and choose `done`",
        ),
        (run_command("resolve", "3", "--as", "done", "--reason", "renumbered"), None),
        (run_command("apply", "--atomic"), None),
        (command("rollback", "--include-repeatables"), None),
        (command("status"), None),
        (repeat("--lock-wait", "10min"), None),
    ],
)
def test_the_console_writes_a_key_where_it_has_one(suggested: SuggestedCommand, phrase: str | None) -> None:
    assert KeyHints(_NAMED, keys.KEYS).phrase(suggested) == (phrase or _NAMED.phrase(suggested))


def test_the_console_does_not_name_the_migration_that_the_cursor_is_on() -> None:
    hints = KeyHints(_NAMED, keys.KEYS, selected="001_m")
    assert hints.phrase(run_command("retry", about=_FIRST)) == "press r"
    assert problem_text(Problem("x", "m", hint=_RETRY), hints) == "error: m\nhint: correct the file, then press r"


def _suggested() -> Iterator[tuple[str, list[str]]]:
    """Yield the verb and the options of each command that is suggested anywhere, as far as they are written out."""
    for folder in (ROOT / "zmig", ROOT / "tui" / "zmig_tui"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    words = [word.value for word in node.args if isinstance(word, ast.Constant)]
                    if node.func.id in {"command", "run_command"} and words:
                        yield str(words[0]), [str(word) for word in words[1:] if str(word).startswith("--")]


def test_each_suggested_command_exists_and_has_these_options() -> None:
    suggested = list(_suggested())
    assert len(suggested) > 30
    for verb, options in suggested:
        known = {option.name for option in parser.find(verb).options}
        assert set(options) <= known, verb
