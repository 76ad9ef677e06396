"""PL/pgSQL, as far as it shows which SQL it runs, and under which conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.inside import constants
from zmig.lint.inside.part import STATEMENTS, Part
from zmig.lint.inside.variables import Variables
from zmig.sql.lexer import Kind, UnterminatedError, tokens
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.inside.variables import Text
    from zmig.sql.lexer import Token

_MOST_NESTED = 50


def parts(text: str, start: int, end: int) -> list[Part]:
    """Return what a body in a text runs, in order; nothing of one that is not understood, or is nested too deep."""
    try:
        found = [*tokens(text[start:end])]
    except UnterminatedError:
        return []
    shifted = [token._replace(start=token.start + start, end=token.end + start) for token in found]
    reading = _Reading(text, shifted)
    try:
        reading.block(())
    except (_NotUnderstood, RecursionError):  # which is what nesting without an end comes to
        return []
    return reading.parts


class _NotUnderstood(Exception):
    """A body is not as this reads it."""


class _Reading:
    """Goes through the tokens of a body once."""

    def __init__(self, text: str, body: Sequence[Token]) -> None:
        self.parts: list[Part] = []
        self._text = text
        self._tokens = body
        self._place = 0
        self._branches = 0
        self._variables = Variables()
        self._run: set[int] = set()
        """Where the constants begin that were executed already."""

    # tokens

    def _word(self, ahead: int = 0) -> str:
        place = self._place + ahead
        if place >= len(self._tokens):
            return ""
        token = self._tokens[place]
        return token.text if token.kind in (Kind.WORD, Kind.SYMBOL) else "''"

    def _accept(self, *words: str) -> bool:
        if all(self._word(ahead) == word for ahead, word in enumerate(words)):
            self._place += len(words)
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._accept(word):
            raise _NotUnderstood

    def _until(self, *words: str) -> list[Token]:
        """Take what is before one of some words, outside of brackets and of CASE, and the word."""
        taken: list[Token] = []
        depth = 0
        while self._place < len(self._tokens):
            word = self._word()
            if depth == 0 and word in words:
                self._place += 1
                return taken
            depth += 1 if word in ("(", "[", "case") else -1 if word in (")", "]") or (word == "end" and depth) else 0
            taken.append(self._tokens[self._place])
            self._place += 1
        raise _NotUnderstood

    def _inner(self, branch: tuple[int, ...]) -> tuple[int, ...]:
        if len(branch) > _MOST_NESTED:
            raise _NotUnderstood
        self._branches += 1
        return (*branch, self._branches)

    # statements

    def block(self, branch: tuple[int, ...]) -> None:
        """Take a block, with its declarations and handlers."""
        self._labels()
        if self._accept("declare"):
            while self._word() != "begin":
                self._variables.declared(self._until(";"), branch)
        self._need("begin")
        first = len(self.parts)
        self._statements(branch, "end", "exception")
        if self._accept("exception"):
            # What fails is taken back, so nothing of the block is sure.
            guard = self._inner(branch)
            self.parts[first:] = [_within(one, branch, guard) for one in self.parts[first:]]
            while self._accept("when"):
                self._until("then")
                self._statements(self._inner(branch), "when", "end")
        self._need("end")
        if self._word() not in ("", ";"):
            self._place += 1  # its label
        self._accept(";")

    def _labels(self) -> None:
        while self._accept("<", "<"):
            self._until(">")
            self._need(">")

    def _statements(self, branch: tuple[int, ...], *ends: str) -> None:
        while self._word() not in ends:
            self._statement(branch)

    def _statement(self, branch: tuple[int, ...]) -> None:
        self._labels()
        match self._word():
            case "":
                raise _NotUnderstood
            case "begin" | "declare":
                self.block(branch)
            case "if":
                self._if(branch)
            case "case":
                self._case(branch)
            case "loop":
                self._place += 1
                self._loop(branch)
            case "while" | "for" | "foreach":
                self._variables.changed(self._until("loop"), branch)
                self._loop(branch)
            case "execute":
                self._execute(branch)
            case "perform":
                self._perform(branch)
            case word if word in STATEMENTS and self._word(1) not in (":", "=", "."):
                self._sql(branch)
            case _:
                self._variables.changed(self._until(";"), branch)

    def _if(self, branch: tuple[int, ...]) -> None:
        self._place += 1
        self._until("then")
        self._statements(self._inner(branch), "elsif", "elseif", "else", "end")
        while self._accept("elsif") or self._accept("elseif"):
            self._until("then")
            self._statements(self._inner(branch), "elsif", "elseif", "else", "end")
        if self._accept("else"):
            self._statements(self._inner(branch), "end")
        self._need("end")
        self._need("if")
        self._until(";")

    def _case(self, branch: tuple[int, ...]) -> None:
        self._place += 1
        self._until("when")
        while True:
            self._until("then")
            self._statements(self._inner(branch), "when", "else", "end")
            if not self._accept("when"):
                break
        if self._accept("else"):
            self._statements(self._inner(branch), "end")
        self._need("end")
        self._need("case")
        self._until(";")

    def _loop(self, branch: tuple[int, ...]) -> None:
        self._statements(self._inner(branch), "end")
        self._need("end")
        self._need("loop")
        self._until(";")

    # what they run

    def _execute(self, branch: tuple[int, ...]) -> None:
        self._place += 1
        said = self._until(";")
        ends = (number for number, token in enumerate(said) if token.text in ("into", "using"))
        known = said[: next(ends, len(said))]
        for text in self._variables.texts(known, branch):
            inner = branch if text.is_certain else self._inner(branch)
            self.parts += self._executed(known, text, said, inner)
        self._variables.changed(said, branch)

    def _perform(self, branch: tuple[int, ...]) -> None:
        start = self._tokens[self._place].start
        said = self._until(";")
        if any(token.text == "(" for token in said):
            written = self._text[start : said[-1].end]
            self.parts.append(Part(start, "select " + written[len("perform") :], branch=branch))
        self._variables.changed(said, branch)

    def _sql(self, branch: tuple[int, ...]) -> None:
        start = self._tokens[self._place].start
        said = self._sql_tokens()
        written = self._text[start : said[-1].end]
        into = _into(said)
        if into is not None:
            written = written[: into.start - start] + " " * (said[-1].end - into.start)
        self.parts.append(Part(start, written, branch=branch))
        self._variables.changed(said, branch)

    def _executed(
        self, known: Sequence[Token], text: Text, said: Sequence[Token], branch: tuple[int, ...]
    ) -> Iterator[Part]:
        """Yield what EXECUTE runs, where its text is written if it is one constant."""
        plain = None if text.literal is None else constants.verbatim(text.literal)
        if text.literal is not None and plain is not None and text.literal.start not in self._run:
            self._run.add(text.literal.start)
            yield Part(constants.content_start(text.literal), plain, branch=branch)
            return
        # What is put together is at the first place of it, if it is no longer than what it is made of.
        first = next((token for token in known if token.kind is Kind.STRING), None)
        start = known[0].start if first is None else constants.content_start(first)
        if start + len(text.value) > said[-1].end:
            start = max(known[0].start, said[-1].end - len(text.value))
        is_free = first is not None and text.is_certain and start + len(text.value) <= said[-1].end
        shown = None if is_free else (known[0].start, known[-1].end)
        yield Part(start if is_free else known[0].start, text.value, shown=shown, branch=branch)

    def _sql_tokens(self) -> list[Token]:
        """Take an SQL statement; a function's `begin atomic` has semicolons of its own."""
        taken = self._until(";")
        if not taken:
            raise _NotUnderstood
        if any(one.text == "atomic" for one in taken):
            raise _NotUnderstood
        return taken


def _within(part: Part, outer: tuple[int, ...], guard: tuple[int, ...]) -> Part:
    return replace(part, branch=(*guard, *part.branch[len(outer) :]))


def _into(said: Sequence[Token]) -> Token | None:
    """Return the INTO after RETURNING, which is PL/pgSQL's own."""
    is_returning = False
    for token in said:
        if token.kind is Kind.WORD:
            is_returning |= token.text == "returning"
            if is_returning and token.text == "into":
                return token
    return None
