"""A file's text as lines: numbered, coloured by its grammar, with one place marked."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from zmig.model import Language
from zmig.presentation.spans import Line, Span, Tone, plain
from zmig.text.terminal import display_width, visible
from zmig.valueclass import valueclass
from zmig_tui.text import span

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOURED_LIMIT = 60_000
"""Characters; a larger file is shown without colours, because lexing it would be felt."""

_TONES = (
    ("Token.Comment", Tone.COMMENT),
    ("Token.Keyword", Tone.KEYWORD),
    ("Token.Operator.Word", Tone.KEYWORD),
    ("Token.Literal", Tone.LITERAL),
    ("Token.Name.Builtin", Tone.SYMBOL),
    ("Token.Name.Function", Tone.SYMBOL),
    ("Token.Name.Class", Tone.SYMBOL),
)
_LEXERS = {
    Language.SQL: ("pygments.lexers.sql", "PostgresLexer"),
    Language.PYTHON: ("pygments.lexers.python", "PythonLexer"),
}


@valueclass
class Mark:
    """A place in the file that something is about; line and column are 1-based."""

    line: int
    column: int | None = None
    message: str = ""
    tone: Tone = Tone.BAD


def code_lines(text: str, language: Language, mark: Mark | None = None) -> list[Line]:
    """Return the numbered lines of a file; below the marked one come a caret and the mark's message."""
    lines: list[Line] = []
    cells = len(str(text.count("\n") + 1))
    for number, content in enumerate(_coloured(text, language), start=1):
        is_marked = mark is not None and mark.line == number
        gutter = Span(f"{'▶' if is_marked else ' '}{number:>{cells}} ", mark.tone if mark and is_marked else Tone.QUIET)
        lines.append((gutter, Span("│ ", Tone.QUIET), *content))
        if mark is None or not is_marked:
            continue
        margin = (Span(" " * (cells + 2)), Span("│ ", Tone.QUIET))
        if mark.column is not None:
            before = plain(content)[: mark.column - 1]
            lines.append((*margin, Span(" " * display_width(before) + "^", mark.tone)))
        if mark.message:
            lines.append((*margin, span(mark.message, mark.tone)))
    return lines


@lru_cache(maxsize=4)
def _coloured(text: str, language: Language) -> tuple[Line, ...]:
    """Return the lines of a text; kept, because a page is made anew whenever its migration goes on."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    if len(text) > _COLOURED_LIMIT:
        return tuple((_safe(piece, Tone.PLAIN),) for piece in text.split("\n"))
    lines: list[Line] = []
    current: list[Span] = []
    for _, kind, piece in _lexer(language).get_tokens_unprocessed(text):
        head, *others = piece.split("\n")
        tone = _tone(kind)
        if head:
            current.append(_safe(head, tone))
        for other in others:
            lines.append(tuple(current))
            current = [_safe(other, tone)] if other else []
    return (*lines, tuple(current))


def _safe(text: str, tone: Tone) -> Span:
    return Span(visible(text.replace("\t", "    ")), tone)


class _Lexer(Protocol):
    def get_tokens_unprocessed(self, text: str, /) -> Iterable[tuple[int, object, str]]: ...


@cache
def _lexer(language: Language) -> _Lexer:
    module, name = _LEXERS[language]
    return cast("_Lexer", getattr(import_module(module), name)())


@cache
def _tone(kind: object) -> Tone:
    name = str(kind)
    return next((tone for family, tone in _TONES if name.startswith(family)), Tone.PLAIN)
