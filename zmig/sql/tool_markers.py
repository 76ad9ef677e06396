"""Comments by which other tools part what a migration does from what undoes it, in one file.

zmig runs the whole of a file, so such a file would undo itself. Only comments count: what is in a string, in a
dollar quote, in rows of COPY or in a block comment is no mark, and neither is one with no statement after it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Problem
from zmig.sql.lexer import LINE_COMMENT, UnterminatedError, end_of_comment
from zmig.text.lazy_pattern import LazyPattern

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


_MARK = LazyPattern("|".join(f"(?P<{tool}>{pattern})" for tool, pattern in _TOOLS.items()), re.IGNORECASE)
_BLANKS = LazyPattern(r"\s+")
_COMMENT = LazyPattern(LINE_COMMENT)
_END_OF_ROWS = LazyPattern(r"^\\\.[ \t]*\r?$", re.MULTILINE)
_AROUND = r"[ \t=@+:*-]*"
_SENTENCE = r"add[ \t]+(?P<script>up|down)[ \t]+migration[ \t]+script[ \t]+here"
_DIRECTION = LazyPattern(
    rf"--{_AROUND}(?:migrations?-(?P<of>up|down)|{_SENTENCE}|(?P<bare>up|down)){_AROUND}\r?", re.IGNORECASE
)
"""A comment that says UP or DOWN and nothing else, as shmig, migrate, sqlite and sqlx write it."""


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
            mark = _MARK.match(comment[:_LONGEST])
            if mark is not None:
                tool = mark.lastgroup or ""
                return Mark(_NAMES.get(tool, tool), comment.rstrip(), offset)
            direction = _DIRECTION.fullmatch(comment[:_LONGEST])
            says_up = direction is not None and "up" in (direction[direction.lastgroup or ""]).lower()
            if direction is not None and not says_up and has_up:  # either alone may be any comment
                return Mark("another tool", comment.rstrip(), offset)
            has_up = has_up or says_up
        before = end
    return None


def spans(text: str, statements: Iterable[Statement]) -> Iterator[tuple[int, int]]:
    """Yield where statements begin and end, each with the rows of its COPY."""
    for statement in statements:
        end = statement.offset + len(statement.text)
        if statement.copy_data is not None:
            rows = _END_OF_ROWS.search(text, end)
            end = rows.end() if rows is not None else len(text)
        yield statement.offset, end


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
        if blank := _BLANKS.match(text, start, end):
            start = blank.end()
        elif comment := _COMMENT.match(text, start):
            yield comment[0], start
            start = comment.end()
        elif text.startswith("/*", start):
            try:
                start = end_of_comment(text, start)
            except UnterminatedError:
                return
        else:
            start += 1
