"""Comments by which other tools part what a migration does from what undoes it, in one file.

zmig runs the whole of a file, so such a file would undo itself. Only comments count: what is in a string, in a
dollar quote, in rows of COPY or in a block comment is no mark, and neither is one with no statement after it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Problem
from zmig.sql.lexer import LINE_COMMENT, UnterminatedError, end_of_comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.errors import Location
    from zmig.sql.statement import Statement


class Mark(NamedTuple):
    """Where the part begins that undoes the other."""

    tool: str
    text: str
    """The comment."""
    offset: int
    """0-based, in the file."""


_TOOLS = {
    "dbmate": r"--[ \t]*migrate:down\b",
    "goose": r"--[ \t]*\+goose[ \t]+down\b",
    "sql_migrate": r"--[ \t]*\+migrate[ \t]+down\b",
    "micrate": r"--[ \t]*\+micrate[ \t]+down\b",
    "tern": r"----[ \t]*create above[ \t]*/[ \t]*drop below[ \t]*----",
    "node_pg_migrate": r"--[ \t-]*+down[ \t]+migration\b",
    "rambler": r"--[ \t]*rambler[ \t]+down\b",
    "mybatis": r"--[ \t]*//[ \t]*@undo\b",
    "play": r"--[ \t]*!downs\b",
}
_NAMES = {"sql_migrate": "sql-migrate", "node_pg_migrate": "node-pg-migrate", "mybatis": "MyBatis", "play": "Play"}
_LONGEST = 200
"""Characters of a comment that are looked at: none of the tools writes a longer mark."""
_WORDS = (
    "migrate:down",
    "+goose",
    "+migrate",
    "+micrate",
    "drop below",
    "migration",
    "rambler",
    "@undo",
    "!downs",
    "down",
)
"""One of them is in every mark, and none in most files."""
LONGEST_WORD = max(map(len, _WORDS))


@cache
def _mark() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{tool}>{pattern})" for tool, pattern in _TOOLS.items()), re.IGNORECASE)


@cache
def _blanks() -> re.Pattern[str]:
    return re.compile(r"\s+")


@cache
def _comment() -> re.Pattern[str]:
    return re.compile(LINE_COMMENT)


@cache
def _end_of_rows() -> re.Pattern[str]:
    return re.compile(r"^\\\.[ \t]*\r?$", re.MULTILINE)


@cache
def _way() -> re.Pattern[str]:
    """Match a comment that says UP or DOWN and nothing else, as shmig, migrate, sqlite and sqlx write it."""
    around = r"[ \t=@+:*-]*"
    sentence = r"add[ \t]+(?P<script>up|down)[ \t]+migration[ \t]+script[ \t]+here"
    said = rf"(?:migrations?-(?P<of>up|down)|{sentence}|(?P<bare>up|down))"
    return re.compile(rf"--{around}{said}{around}\r?", re.IGNORECASE)


def may_hold(text: str) -> bool:
    """Whether a text may hold a mark; whether it does, `find` says."""
    lower = text.lower()
    return any(word in lower for word in _WORDS)


def find(text: str, spans: Iterable[tuple[int, int]]) -> Mark | None:
    """Return the first mark in a file; None for a file that no other tool has parted.

    `spans` are where its statements begin and end, in order, each with the rows after it.
    """
    before, has_up = 0, False
    for start, end in spans:
        for comment, offset in _between(text, before, start):
            found = _mark().match(comment[:_LONGEST])
            if found is not None:
                tool = found.lastgroup or ""
                return Mark(_NAMES.get(tool, tool), comment.rstrip(), offset)
            way = _way().fullmatch(comment[:_LONGEST])
            says_up = way is not None and "up" in (way[way.lastgroup or ""]).lower()
            if way is not None and not says_up and has_up:  # either alone may be any comment
                return Mark("another tool", comment.rstrip(), offset)
            has_up = has_up or says_up
        before = end
    return None


def spans(text: str, statements: Iterable[Statement]) -> Iterator[tuple[int, int]]:
    """Yield where statements begin and end, each with the rows of its COPY."""
    for one in statements:
        end = one.offset + len(one.text)
        if one.copy_data is not None:
            rows = _end_of_rows().search(text, end)
            end = rows.end() if rows is not None else len(text)
        yield one.offset, end


def problem(mark: Mark, location: Location | None, *, path: str) -> Problem:
    """Return what is wrong with a file that has a mark at this place."""
    return Problem(
        "sql-other-tool",
        f"`{path}` is a file of {mark.tool}: what comes after `{mark.text}` undoes what comes before it, "
        "and zmig would run both",
        location,
        hint="move what comes after the mark into a file of its own, and declare that with `rollback:`",
    )


def _between(text: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    """Yield the line comments of a part of a text that holds no statement, with their offsets."""
    while start < end:
        if blank := _blanks().match(text, start, end):
            start = blank.end()
        elif comment := _comment().match(text, start):
            yield comment[0], start
            start = comment.end()
        elif text.startswith("/*", start):
            try:
                start = end_of_comment(text, start)
            except UnterminatedError:
                return
        else:
            start += 1
