"""Asks a person before something is taken away. Without a person to ask, an option must have said yes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError

if TYPE_CHECKING:
    from zmig.cli.output import Output


def agree(output: Output, question: str, *, instead: str, effect: str) -> None:
    """Ask a question whose answer must be `y` or `yes`. Raises UsageError for any other, or nobody to ask."""
    if _answer(output, f"{question} [y/N] ", instead, effect).lower() not in ("y", "yes"):
        raise _declined(instead, effect)


def name_typed(output: Output, question: str, expected: str, *, instead: str, effect: str) -> None:
    """Ask for a name to be typed. Raises UsageError for another one, or nobody to ask."""
    if _answer(output, f"{question}: ", instead, effect) != expected:
        raise _declined(instead, effect)


def _answer(output: Output, question: str, instead: str, effect: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            Problem("not-confirmed", "nobody can be asked: standard input is no terminal", effect=effect, hint=instead)
        )
    output.flush()
    output.ask(question)
    return sys.stdin.readline().strip()


def _declined(instead: str, effect: str) -> UsageError:
    return UsageError(Problem("not-confirmed", "it was not confirmed", effect=effect, hint=instead))
