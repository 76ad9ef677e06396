"""Other delimiters of statements than `;` written as one, outside of strings, dollar quotes and comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHOLE = r"""(?:\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"[^"]*"
 |(?P<tag>\$(?:[^\W\d]\w*+)?\$)|--[^\n]*+|(?P<comment>/\*))"""
"""What no delimiter is looked for in; of a dollar quote and of a comment, where it begins."""
_TAG = re.compile(r"(?=(\$(?:[^\W\d]\w*+)?\$))")
"""Each place where a dollar quote may begin or end: one may begin with the last character of another."""
_ON_ITS_OWN = r"^[ \t]*(?P<end>{})[ \t]*$"
_FLAGS = re.VERBOSE | re.DOTALL | re.MULTILINE


@valueclass
class Delimited:
    """A text in which `;` ends the statements."""

    text: str
    first: int | None
    """Where the first other delimiter was, 0-based; None where there was none, so that `text` is as it was."""
    is_pattern: bool = False
    """Whether the delimiter is a pattern, which cannot be carried over."""


def with_semicolons(text: str, delimiter: str | None) -> Delimited:
    r"""Write `;` for a delimiter of Liquibase's: `delimiter` is as in `endDelimiter:`, such as `/`, `@@` or `\nGO`.

    Without one, a line that is `go` or `/` and nothing else ends a statement, too.
    """
    if delimiter == ";":
        return Delimited(text, None)
    found = _pattern(delimiter)
    if found is None:
        return Delimited(text, None, is_pattern=True)
    return _replaced(text, re.compile(f"(?:{found})|{_WHOLE}", _FLAGS | re.IGNORECASE))


def with_semicolons_for(text: str, delimiter: str) -> Delimited:
    """Write `;` for a delimiter that is just this text, wherever it is; its line ends stay."""
    return _replaced(text, re.compile(f"(?P<end>{re.escape(delimiter)})|{_WHOLE}", _FLAGS))


def _replaced(text: str, pattern: re.Pattern[str]) -> Delimited:
    pieces: list[str] = []
    first: int | None = None
    copied = 0
    last = ""
    for one in _ends(text, pattern):
        first = one.start("end") if first is None else first
        pieces.append(text[copied : one.start("end")])
        last = pieces[-1].rstrip()[-1:] or last
        pieces.append(("" if last in ("", ";") else ";") + "\n" * one["end"].count("\n"))
        last = ";"
        copied = one.end("end")
    return Delimited("".join((*pieces, text[copied:])), first)


def _ends(text: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Yield the delimiters that are in no quotes and no comment; what is not closed is looked for once."""
    flags = pattern.flags & re.IGNORECASE
    fold = str.casefold if flags else str
    last_comment = text.rfind("*/")
    last_tags: dict[str, int] | None = None
    at = 0
    while (one := pattern.search(text, at)) is not None:
        at = one.end()
        if one["end"] is not None:
            yield one
        elif one["comment"] is not None:
            at = text.find("*/", at) + 2 if last_comment >= at else one.start() + 1
        elif (tag := one["tag"]) is not None:
            if last_tags is None:
                last_tags = {fold(found[1]): found.start() for found in _TAG.finditer(text)}
            end = None
            if last_tags.get(fold(tag), -1) >= at:
                end = re.compile(re.escape(tag), flags).search(text, at)
            at = one.start() + 1 if end is None else end.end()


def _pattern(delimiter: str | None) -> str | None:
    if delimiter is None:
        return _ON_ITS_OWN.format("go|/")
    own_line = delimiter.removeprefix("\\r").removeprefix("\\n")
    if "\\" in own_line or not own_line:
        return None
    literal = re.escape(own_line)
    if own_line != delimiter or own_line == "/":
        return _ON_ITS_OWN.format(literal)
    return rf"(?<!\w)(?P<end>{literal})(?!\w)" if own_line.isalnum() else f"(?P<end>{literal})"
