"""Whatever reads a text from a file, a server or a person does so in time that grows with its length, not its square.

Each reader is given what is odd in its language many times over, behind what leads into each of its states. The
processor time of the thread is measured, not the clock: how busy the machine is plays no part.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from zmig.database import connection_string
from zmig.errors import Location, Problem, ZmigError
from zmig.lint import sql_file
from zmig.manifest import reader
from zmig.presentation import problems
from zmig.project import migration_file
from zmig.sql import (
    backslashes,
    buffer,
    chunk,
    lexer,
    prescan,
    script,
    tool_markers,
    variables,
)
from zmig.text import merge_conflict, secrets, terminal
from zmig.text.places import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.growth


def _pieces(text: str) -> Iterable[str]:
    return (text[start : start + 1024] for start in range(0, len(text), 1024))


def _script(text: str, *, conforming: bool = True) -> None:
    for one in script.split_stream(_pieces(text), path="a.sql", conforming=conforming):
        _ = one.summary
        command = one.command
        _ = command.is_definition, command.is_short, command.effect, command.parsed
        backslashes.is_cut_otherwise(one)
        _ = command.refuses_transaction
        for _ in one.copy_data.blocks if one.copy_data is not None else ():
            pass


def _chunks(text: str) -> None:
    for _ in chunk.chunks(_pieces(text), path="a.sql"):
        pass


def _problem(text: str) -> None:
    problems.problem_text(
        Problem("x", text, Location("a.sql", 1, len(text) // 2 + 1, text=text), facts=(text,), effect=text, hint=text)
    )


READERS: dict[str, Callable[[str], object]] = {
    "a script": _script,
    "a script where a backslash escapes": lambda text: _script(text, conforming=False),
    "chunks": _chunks,
    "survey": lambda text: prescan.scan(_pieces(text), path="a.sql"),
    "marks of tools": lambda text: tool_markers.find(text, [(0, len(text))]),
    "a conflict": merge_conflict.find,
    "variables": lambda text: variables.fill(text, {"a": "value"}, path="a.sql"),
    "values of variables": lambda text: variables.by_name(text, "${a}", {"a": "value"}),
    "a blank file": migration_file.is_blank,
    "a file to lint": lambda text: sql_file.read(text, path="a.sql"),
    "a place in a script": lambda text: script.location(text, len(text) - 1, path="a.sql"),
    "what stands in strings": lambda text: script.is_outside_strings(text, len(text) - 1),
    "a shown line": lambda text: buffer.shown_line(text, 0),
    "a place in a source": lambda text: Source("a", text).location(len(text) // 2, len(text)),
    "a manifest": lambda text: reader.read(text, label="m.yaml", environ={}),
    "a connection string": connection_string.parameters,
    "secrets": secrets.Redactor("hunter2", "pass word"),
    "an error's DETAIL": secrets.without_detail,
    "visible text": terminal.visible,
    "one line": terminal.one_line,
    "a width": terminal.display_width,
    "a problem": _problem,
}

HEADS = ("", "select '", "create function f() begin atomic ", "copy t from stdin;\n", "/* ", "a: ", "postgres://")
ODD = (
    *(
        " ",
        "\n",
        "\r\n",
        "\t",
        ";",
        "'",
        '"',
        "\\",
        "$",
        "$a$",
        "-",
        "--\n",
        "/*",
        "*/",
        "(",
        "[",
        "{",
        ":",
        "://",
        "@",
    ),
    *("\\.\n", "E'\\'", "'a';", "${", "${a}", "a:b@", "http://a:b@c ", "<<<<<<< ", "a: b\n", "- ", "? ", "\x1b["),
    *("password ", "password='", "=''", "set a to b;", "create rule a do (;", "\nDETAIL: ", "program 'curl -u a:b "),
)

_SHORT, _TIMES_LONGER = 3_000, 8
_NOTHING = 0.001
"""In seconds of the processor; what is quadratic takes longer on texts of that length, or it hurts nobody."""
_TOO_MUCH = 28
"""By how many times a text that is 8 times as long may take longer; what is quadratic takes 64 times as long."""
_TRIES = 4
"""How often it must do so: what the processor does besides may count as the thread's."""


def _seconds(read: Callable[[str], object], text: str) -> float:
    begun = time.thread_time()
    with suppress(ZmigError, lexer.UnterminatedError):
        read(text)
    return time.thread_time() - begun


def _is_too_slow(read: Callable[[str], object], head: str, odd: str) -> bool:
    short, long = (head + odd * (size // len(odd)) for size in (_SHORT, _SHORT * _TIMES_LONGER))
    taken = _seconds(read, short)
    if taken < _NOTHING or _seconds(read, long) <= _TOO_MUCH * taken:
        return False
    return all(_seconds(read, long) > _TOO_MUCH * min(_seconds(read, short) for _ in range(2)) for _ in range(_TRIES))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_reader_takes_no_longer_than_its_text(read: Callable[[str], object]) -> None:
    slow = [(head, odd) for head in HEADS for odd in ODD if _is_too_slow(read, head, odd)]
    assert slow == []


def test_a_reader_that_takes_longer_is_found_out() -> None:
    def read(text: str) -> None:
        while text:
            text.count("x")
            text = text[1:]

    assert _is_too_slow(read, "", "a")
