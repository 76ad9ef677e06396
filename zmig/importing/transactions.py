"""BEGIN and COMMIT in the files of other tools, which zmig writes around a file itself.

A pair around all of a script is taken out: zmig's own transaction takes its place. A script with several transactions
runs as it is under `transaction: false`. What is not balanced is refused: it would end what others began.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from zmig.importing.traced import Edit
from zmig.sql import lexer, script
from zmig.sql.lexer import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.sql.statement import Statement


class Verdict(Enum):
    """What becomes of a script's own transaction control."""

    NONE = auto()
    """There is none."""
    STRIPPED = auto()
    """One pair around everything, which is taken out."""
    KEPT = auto()
    """Whole transactions, which stay, so that zmig may write none around them."""
    REFUSED = auto()


class Reading(NamedTuple):
    """What a script's statements do about transactions."""

    verdict: Verdict
    statements: tuple[Statement, ...] = ()
    """The pair; the first statement that controls a transaction; the one that cannot be carried over."""


_OPENS = frozenset({"BEGIN", "START TRANSACTION"})
_CLOSES = frozenset({"COMMIT", "END"})


def read(statements: Sequence[Statement], text: str) -> Reading:
    """Return what becomes of the transaction control in a script, of which `text` is the whole."""
    controls = [
        one
        for one in statements
        if one.command.controls_transaction is not None and not script.surrounds_large_objects(text, one)
    ]
    if not controls:
        return Reading(Verdict.NONE)
    is_open = False
    for one in controls:
        command = one.command.controls_transaction
        if is_open == (command in _OPENS) or command not in _OPENS | _CLOSES or _chains(one):
            return Reading(Verdict.REFUSED, (one,))
        is_open = not is_open
    if is_open:
        return Reading(Verdict.REFUSED, (controls[-1],))
    if len(controls) == 2 and _are_outermost(statements, *controls) and not _modes(controls[0]):
        return Reading(Verdict.STRIPPED, tuple(controls))
    return Reading(Verdict.KEPT, (controls[0],))


def _are_outermost(statements: Sequence[Statement], first: Statement, last: Statement) -> bool:
    """Whether nothing is around a pair but what sets the session before it."""
    before = statements[: first.number - 1]
    return last is statements[-1] and all(one.command.sets_session for one in before)


def _modes(statement: Statement) -> list[str]:
    """Return what a BEGIN says of its transaction: that zmig's own is not so."""
    words = [token.text for token in statement.tokens][1:]
    return words[1:] if words[:1] in (["work"], ["transaction"]) else words


def _chains(statement: Statement) -> bool:
    """Whether a COMMIT opens the next transaction, with `and chain`."""
    words = [token.text for token in statement.tokens]
    return words[-1] == "chain" and "no" not in words


def removal(text: str, start: int, end: int) -> Edit:
    """Return what takes a statement out, with its semicolon, and with its line where that has nothing else."""
    token = next(lexer.tokens(text, end), None)
    if token is not None and token.kind is Kind.SYMBOL and token.text == ";":
        end = token.end
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    line_end = end
    while line_end < len(text) and text[line_end] in " \t\r\f\v":
        line_end += 1
    is_alone = not text[line_start:start].strip()
    if is_alone and line_end < len(text) and text[line_end] == "\n":
        return Edit(line_start, line_end + 1)
    return Edit(line_start if is_alone and line_end == len(text) else start, end)
