"""BEGIN and COMMIT in the files of other tools, which zmig writes around a file itself.

A pair around all of a script is taken out, and so is a COMMIT at the end: zmig has a transaction of its own there. A
script with several transactions runs as it is under `transaction: false`. What is not balanced is refused: it would end
what others began.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from zmig.importing.traced import Edit
from zmig.other_tools.source import Change
from zmig.sql import lexer, script
from zmig.sql.lexer import Kind
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.sql.statement import Statement


class Verdict(Enum):
    """What becomes of a script's own transaction control."""

    NONE = auto()
    """There is none."""
    STRIPPED = auto()
    """All there is of it is taken out: a pair around everything, a COMMIT at the very end, what does nothing."""
    KEPT = auto()
    """Whole transactions, which stay, so that zmig may write none around them."""
    REFUSED = auto()


Note = tuple[Change, str, "Statement"]
"""What is to be said of a statement."""


@valueclass
class Reading:
    """What a script's statements do about transactions."""

    verdict: Verdict
    notes: tuple[Note, ...] = ()
    edits: tuple[Edit, ...] = ()
    """What is to be done to the text, in order."""
    taken_out: int = 0
    """How many statements it has fewer then."""


_OPENS = frozenset({"BEGIN", "START TRANSACTION"})
_CLOSES = frozenset({"COMMIT", "END"})


def read(statements: Sequence[Statement], text: str, *, is_wrapped: bool) -> Reading:
    """Return what becomes of the transaction control in a script, of which `text` is the whole.

    `is_wrapped` says that the tool has begun a transaction before, which a COMMIT of the script's ends.
    """
    controls = [
        one
        for one in statements
        if one.command.controls_transaction is not None and not script.surrounds_large_objects(text, one)
    ]
    if not controls:
        return Reading(Verdict.NONE)
    if (odd := next((one for one in controls if not (_opens(one) or _commits(one))), None)) is not None:
        return _refused(odd)
    if len(controls) == 1 and controls[0] is statements[-1] and _commits(controls[0]):
        what = f"`{controls[0].summary}` at the end is left away: zmig commits there itself"
        return _stripped(text, controls, what)
    if _is_pair(controls) and _are_outermost(statements, *controls) and not _modes(controls[0]):
        names = " and ".join(f"`{one.summary}`" for one in controls)
        return _stripped(text, controls, f"{names} are left away: zmig's own transaction takes their place")
    return _Parts(statements, text, is_wrapped=is_wrapped).reading(controls)


def _refused(one: Statement) -> Reading:
    what = f"`{one.summary}` is not one of a pair that begins and commits a transaction"
    return Reading(Verdict.REFUSED, ((Change.REFUSED, what, one),))


def _stripped(text: str, statements: Sequence[Statement], what: str) -> Reading:
    edits = tuple(_removal(text, one) for one in statements)
    return Reading(Verdict.STRIPPED, ((Change.REWRITTEN, what, statements[0]),), edits, len(statements))


class _Parts:
    """Makes whole transactions of a script that begins and ends several, or the one that the tool has begun."""

    def __init__(self, statements: Sequence[Statement], text: str, *, is_wrapped: bool) -> None:
        self._statements = statements
        self._text = text
        self._is_wrapped = is_wrapped
        self._notes: list[Note] = []
        self._edits: list[Edit] = []
        self._taken_out = 0

    def reading(self, controls: Sequence[Statement]) -> Reading:
        """Return what becomes of the script."""
        opened, start = None, 0
        for one in controls:
            if _opens(one):
                if opened is not None:
                    self._leave_away(one, "begins a transaction where one is open, which does nothing")
                opened = one
            elif opened is None and not self._begin_before(one, self._statements[start : one.number - 1]):
                return _refused(one)
            else:
                opened, start = None, one.number
        if opened is not None:
            return _refused(opened)
        self._wrap_rest(self._statements[start:])
        edits = tuple(sorted(self._edits, key=lambda edit: edit.start))
        if self._taken_out == len(controls) and not any(edit.text for edit in edits):
            return Reading(Verdict.STRIPPED, tuple(self._notes), edits, self._taken_out)
        what = f"`transaction: false`: it has transactions of its own, the first by `{controls[0].summary}`"
        notes = ((Change.KEPT, what, controls[0]), *self._notes)
        return Reading(Verdict.KEPT, notes, edits, self._taken_out)

    def _begin_before(self, commit: Statement, part: Sequence[Statement]) -> bool:
        """Let a transaction begin that the tool has begun; return False where there is none for a COMMIT."""
        if not self._is_wrapped:
            return False
        if part and _fit_together(part):
            self._edits.append(Edit(part[0].offset, part[0].offset, "begin;\n"))
            what = f"`{commit.summary}` ends the transaction that the tool has begun: a `begin` is written there"
            self._notes.append((Change.REWRITTEN, what, commit))
        else:
            self._leave_away(commit, "ends a transaction in which nothing is")
        return True

    def _wrap_rest(self, part: Sequence[Statement]) -> None:
        """Let what follows the last COMMIT be one transaction, as it is where the tool begins one anew."""
        if self._is_wrapped and len(part) > 1 and _fit_together(part):
            closing = "commit;\n" if self._text.rstrip().endswith((";", "\\.")) else ";\ncommit;\n"
            self._edits.append(Edit(part[0].offset, part[0].offset, "begin;\n"))
            gap = "" if self._text.endswith("\n") else "\n"
            self._edits.append(Edit(len(self._text), len(self._text), f"{gap}{closing}"))
            what = "what follows the last COMMIT is a transaction of its own: `begin` and `commit` are written there"
            self._notes.append((Change.REWRITTEN, what, part[0]))

    def _leave_away(self, one: Statement, why: str) -> None:
        self._edits.append(_removal(self._text, one))
        self._taken_out += 1
        self._notes.append((Change.REWRITTEN, f"`{one.summary}` {why}: it is left away", one))


def _fit_together(statements: Sequence[Statement]) -> bool:
    """Whether statements may be in one transaction."""
    return not any(one.command.refuses_transaction or one.command.may_commit for one in statements)


def _is_pair(controls: Sequence[Statement]) -> bool:
    return len(controls) == 2 and _opens(controls[0]) and _commits(controls[1])


def _opens(statement: Statement) -> bool:
    return statement.command.controls_transaction in _OPENS


def _are_outermost(statements: Sequence[Statement], first: Statement, last: Statement) -> bool:
    """Whether nothing is around a pair but what sets the session before it."""
    before = statements[: first.number - 1]
    return last is statements[-1] and all(one.command.sets_session for one in before)


def _modes(statement: Statement) -> list[str]:
    """Return what a BEGIN says of its transaction: that zmig's own is not so."""
    words = [token.text for token in statement.tokens][1:]
    return words[1:] if words[:1] in (["work"], ["transaction"]) else words


def _commits(statement: Statement) -> bool:
    """Whether a statement commits, and does not open the next transaction with `and chain`."""
    words = [token.text for token in statement.tokens]
    return statement.command.controls_transaction in _CLOSES and (words[-1] != "chain" or "no" in words)


def _removal(text: str, one: Statement) -> Edit:
    """Return what takes a statement out, with its semicolon, and with its line where that has nothing else."""
    start, end = one.offset, one.offset + len(one.text)
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
