"""Scripts made at random of what is hard to cut, and what cutting one gave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from zmig.errors import ManifestError
from zmig.sql import script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.sql.statement import Statement

_FRAGMENTS = (
    "'", "''", '"', "E'", "e'a\\''", "E'a'\n'", "\\';", "date'", "U&", "$$", "$a$", "$1", "$", "e", "x", "ä", "1",
    "--", "-- a\n", "/*", "*/", "/* ; */", "-", "/", "\n", "\r", " ", "\ufeff",
    ";", "(", ")", "select 1;", "insert into t values ('a;b', -1);\n",
    "create ", "or replace ", "rule r ", "function f() ", "begin atomic ", "end", "case ", "table t ",
    "copy ", "copy t from stdin;\n", "\\.", "\\.\n", "\\", "\\restrict a\n", "\\copy",
)  # fmt: skip
scripts = st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=3), max_size=25).map("".join)


class Cut(NamedTuple):
    """The statements of a script with their rows, and the code and place of the problem that ended it."""

    statements: list[tuple[Statement, str | None]]
    problem: str | None


def cut(reads: Iterable[str], *, is_octets: bool = False) -> Cut:
    """Cut a script that comes in pieces to its end."""
    found: list[tuple[Statement, str | None]] = []
    try:
        for statement in script.split_stream(reads, path="a.sql", is_octets=is_octets):
            rows = None if statement.copy_data is None else _text(statement.copy_data.blocks)
            found.append((replace(statement, copy_data=None), rows))
    except ManifestError as error:
        return Cut(found, f"{error.code} {error.problems[0].location}")
    return Cut(found, None)


def _text(blocks: Iterable[str | bytes]) -> str:
    return b"".join(one.encode() if isinstance(one, str) else one for one in blocks).decode()
