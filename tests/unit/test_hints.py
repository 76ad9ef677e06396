"""Hints as values: one and the same as a command for each kind of user, and as a key."""

from __future__ import annotations

import ast
import json
import pickle
from typing import TYPE_CHECKING, NamedTuple

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
    from collections.abc import Iterator, Sequence

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
        (
            run_command("resolve", "3", "--as", "done", "--reason", "renumbered"),
            "press x on version 3 and choose `done`, with the reason `renumbered`",
        ),
        (
            run_command("resolve", "gone", "--as", "pending", "--reason", "..."),
            "press x on `gone` and choose `pending`",
        ),
        (run_command("accept", "--reason", "...", about=_FIRST), "press A on `001_m`"),
        (command("baseline", "--to", "N", "--reason", "..."), "the key b on version N"),
        (run_command("apply", "--atomic"), "press o and choose `in one transaction`"),
        (run_command("apply", "--allow-out-of-order"), "press o and choose `out of order`"),
        (run_command("apply", "--allow-existing"), "press o and choose `on top of what is there`"),
        (command("rollback", "--include-repeatables", "--dry-run"), "the key o and choose `with repeatables`"),
        (command("pause"), "the key z"),
        (command("status"), "the table"),
        (command("history", about=_FIRST), None),
        (repeat("--lock-wait", "10min"), None),
    ],
)
def test_the_console_writes_a_key_where_it_has_one(suggested: SuggestedCommand, phrase: str | None) -> None:
    assert KeyHints(_NAMED, keys.KEYS).phrase(suggested) == (phrase or _NAMED.phrase(suggested))


def test_the_console_does_not_name_the_migration_that_the_cursor_is_on() -> None:
    hints = KeyHints(_NAMED, keys.KEYS, selected="001_m")
    assert hints.phrase(run_command("retry", about=_FIRST)) == "press r"
    assert problem_text(Problem("x", "m", hint=_RETRY), hints) == "error: m\nhint: correct the file, then press r"


ONLY_IN_A_SHELL = {
    "import": "takes another tool's history over, with files and options of its own",
    "history": "shows more than a page of the console does",
    "drift": "compares the schema",
    "schema": "writes a file",
    "tui": "opens another console",
    "squash": "writes and deletes files",
    "status": "is the table; as a command it is for who has no console",
    "apply --lock-wait": "is for who does not wait as long as it takes, as the console does",
}
"""The commands that are suggested and for which the console has no key, with the reason."""


class _Suggestion(NamedTuple):
    """A command that is suggested somewhere, as far as it is written out."""

    verb: str
    options: tuple[str, ...]
    is_about_one: bool


_FUNCTIONS = {"command", "run_command", "repeat", "SuggestedCommand"}


def _suggested() -> Iterator[_Suggestion]:
    """Yield each command that is suggested anywhere; what is not written out is `X`."""
    for folder in (ROOT / "zmig", ROOT / "tui" / "zmig_tui"):
        for path in set(folder.rglob("*.py")) - {ROOT / "zmig" / "hints.py"}:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
                    yield from _suggestion(node, node.func.id)


_UNPACKED = {"_AS_DONE": ("--as", "done", "--reason", "..."), "repeatables": ("--include-repeatables",)}
"""What the names stand for that options are unpacked from; others are left out."""


def _suggestion(node: ast.Call, function: str) -> Iterator[_Suggestion]:
    words = [word for argument in node.args for word in _words(argument)]
    if function == "repeat":
        words = ["import" if words[0] != "--lock-wait" else "apply", *words]
    if words and words[0] != "X":
        is_about_one = any(keyword.arg == "about" for keyword in node.keywords)
        yield _Suggestion(words[0], tuple(words[1:]), is_about_one)


def _words(argument: ast.expr) -> Sequence[str]:
    match argument:
        case ast.Tuple(elts=parts):
            return [word for part in parts for word in _words(part)]
        case ast.Starred(value=ast.Name(id=name)):
            return _UNPACKED.get(name, ())
        case ast.Starred():
            return ()
        case ast.Constant(value=value):
            return [str(value)]
        case _:
            return ["X"]


def test_each_suggested_command_exists_and_has_these_options() -> None:
    suggested = list(_suggested())
    assert len(suggested) > 60
    for one in suggested:
        known = {option.name for option in parser.find(one.verb).options}
        assert {word for word in one.options if word.startswith("--")} <= known, one


def test_each_suggested_command_is_a_key_or_one_that_only_a_shell_can_do() -> None:
    shown_as_commands: set[str] = set()
    hints = KeyHints(_NAMED, keys.KEYS)
    for one in _suggested():
        suggested = command(one.verb, *one.options, about=_FIRST if one.is_about_one else None)
        written = hints.phrase(suggested)
        if written in (_NAMED.phrase(suggested), "the table"):
            known = [name for name in (one.verb, " ".join((one.verb, *one.options[:1]))) if name in ONLY_IN_A_SHELL]
            assert known, written
            shown_as_commands.update(known)
    assert shown_as_commands == set(ONLY_IN_A_SHELL)
