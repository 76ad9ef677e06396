"""Corrected SQL for rules of zmig's own: where a statement says something else, and stays where it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.lint.advice.advice import Asked
from zmig.lint.advice.definitions import made_name
from zmig.lint.advice.indexes import creation, key_columns
from zmig.sql import quoting
from zmig.sql.lexer import tokens
from zmig.sql.token_reader import Reader
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from zmig.lint.finding import Remark
    from zmig.lint.sql_file import FileStatement, SqlFile
    from zmig.sql.lexer import Token

_WIDER = {
    "int": "bigint", "int2": "bigint", "int4": "bigint", "integer": "bigint", "smallint": "bigint",
    "serial": "bigserial", "serial2": "bigserial", "serial4": "bigserial", "smallserial": "bigserial",
}  # fmt: skip
_BETTER = {"json": "jsonb", "money": "numeric(12, 2)"}


_NEAREST = re.compile(r"write `([^`]+)`")
_MISSING = re.compile(r"`(?:[^`]*\.)?([^`.]+)`")
_BLANKS = re.compile(r"[ \t]*(?:\r\n|\r|\n)?")


class _Edit(NamedTuple):
    start: int
    """0-based offset in the file."""
    end: int
    text: str


def corrected(file: SqlFile | None, remarks: Iterable[Remark]) -> Iterator[Remark]:
    """Yield remarks about a file, those of them with the corrected statement that have one."""
    for remark in remarks:
        edit = None
        if file is not None and remark.source is file.source and not remark.fix and remark.rule in _EDITS:
            edit = _edit(file, remark)
        yield remark if edit is None or file is None else _with_fix(file, remark, edit)


def _edit(file: SqlFile, remark: Remark) -> _Edit | None:
    statement = file.statement_at(remark.start)
    if statement is None or remark.start < statement.start:
        return None
    return _EDITS[remark.rule](file, statement, remark)


def _with_fix(file: SqlFile, remark: Remark, edit: _Edit) -> Remark:
    statement, text = file.statement_at(edit.start), file.source.text
    assert statement is not None, "an edit is within a statement"
    if edit.end > statement.end:  # nothing is left of it
        return replace(remark, replaced=(edit.start, edit.end))
    fix = f"{text[statement.start : edit.start]}{edit.text}{text[edit.end : statement.end]};"
    return replace(remark, fix=(fix,), replaced=(edit.start, edit.end), replacement=edit.text)


def _tokens(statement: FileStatement) -> list[Token]:
    return [*tokens(statement.text)]


def _placed(statement: FileStatement, first: Token, last: Token, text: str) -> _Edit:
    return _Edit(statement.start + first.start, statement.start + last.end, text)


def _of_type(file: SqlFile, statement: FileStatement, remark: Remark) -> _Edit | None:
    """Another type, after the name of the column that a remark is at."""
    found = _tokens(statement)
    at = next((number for number, one in enumerate(found) if statement.start + one.start == remark.start), None)
    if at is None or at + 1 >= len(found):
        return None
    kind = found[at + 1]
    is_integer = remark.rule in ("design/integer-key", "design/integer-reference")
    better = (_WIDER if is_integer else _BETTER).get(kind.text)
    if better is None:
        return None
    written = statement.text[kind.start : kind.end]
    return _placed(statement, kind, kind, better.upper() if written.isupper() else better)


def _without(*words: str) -> Callable[[SqlFile, FileStatement, Remark], _Edit | None]:
    """Return what takes some words out of a statement, with the blanks after them."""

    def edit(file: SqlFile, statement: FileStatement, remark: Remark) -> _Edit | None:
        found = _tokens(statement)
        at = _place_of(found, words)
        if at is None or at + len(words) >= len(found):
            return None
        return _Edit(statement.start + found[at].start, statement.start + found[at + len(words)].start, "")

    return edit


def _place_of(found: Sequence[Token], words: Sequence[str]) -> int | None:
    texts = [one.text for one in found]
    return next((at for at in range(len(texts)) if texts[at : at + len(words)] == [*words]), None)


def _named(file: SqlFile, statement: FileStatement, remark: Remark) -> _Edit | None:
    """The name that PostgreSQL would choose for an index."""
    found = _tokens(statement)
    at = _place_of(found, ("concurrently",))
    reader = Reader(statement.text)
    if at is None or not reader.skip_to("on") or not statement.parsed.changes:
        return None
    name = made_name(statement.parsed.changes[0].name, key_columns(reader), "idx")
    return _placed(statement, found[at], found[at], f"{statement.text[found[at].start : found[at].end]} {name}")


def _concurrently(file: SqlFile, statement: FileStatement, remark: Remark) -> _Edit | None:
    """An index that is built concurrently, where nothing else is in the file."""
    found = _tokens(statement)
    at = _place_of(found, ("index",))
    advice = creation(Asked(remark.rule, file, statement, start=remark.start, version=None))
    if statement.verb != "create" or at is None or advice is None or len(file.statements) > 1 or file.skipped:
        return None
    return _Edit(statement.start, statement.end, advice.fix[0].removesuffix(";"))


def _removed(file: SqlFile, statement: FileStatement, remark: Remark) -> _Edit | None:
    """Nothing, in place of a statement with its semicolon and the rest of its line."""
    end = file.source.text.find(";", statement.end)
    is_it = remark.start == statement.start and remark.end == statement.end and end >= 0
    if not is_it or file.source.text[statement.end : end].strip():
        return None
    blanks = _BLANKS.match(file.source.text, end + 1)
    return _Edit(statement.start, end + 1 if blanks is None else blanks.end(), "")


def _nearest(file: SqlFile, statement: FileStatement, remark: Remark) -> _Edit | None:
    """The name that comes near to one that nothing has."""
    near, missing = _NEAREST.fullmatch(remark.hint), _MISSING.search(remark.message)
    if near is None or missing is None:
        return None
    at = [one for one in _tokens(statement) if one.text == missing[1]]
    return _placed(statement, at[0], at[0], quoting.bare(near[1])) if len(at) == 1 else None


_EDITS: dict[str, Callable[[SqlFile, FileStatement, Remark], _Edit | None]] = {
    "data/unlogged": _without("unlogged"),
    "design/integer-key": _of_type,
    "design/integer-reference": _of_type,
    "design/json": _of_type,
    "design/money": _of_type,
    "fails/missing": _nearest,
    "index/if-not-exists": _without("if", "not", "exists"),
    "index/unnamed": _named,
    "lock/explicit": _removed,
    "lock/released": _removed,
    "lock/sleep": _removed,
    "lock/table-scan": _concurrently,
    "transaction/control": _removed,
}
