"""What a statement becomes: pieces of SQL, each with how it has to run. Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from zmig.lint import sql_file
from zmig.lint.advice.advice import Asked, name_end
from zmig.lint.advice.advise import advise
from zmig.lint.advice.constraints import BATCH_NOTE
from zmig.sql import lexer
from zmig.sql.token_reader import Reader
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.lint.finding import Remark
    from zmig.lint.sql_file import FileStatement, SqlFile

_BY_ADVICE = (
    "squawk/adding-serial-primary-key-field",
    "squawk/disallowed-unique-constraint",
    "squawk/adding-field-with-default",
    "squawk/adding-foreign-key-constraint",
    "squawk/adding-not-nullable-field",
    "squawk/constraint-missing-not-valid",
    "squawk/require-concurrent-index-creation",
    "squawk/require-concurrent-index-deletion",
    "squawk/require-concurrent-partition-detach",
    "squawk/require-concurrent-reindex",
)
"""The rules whose advice is followed; of several about one change, the first one's."""
_OF_FORM = frozenset({"index/if-not-exists", "index/unnamed"})
MIXED = "change/mixed"
_OF_FILES = frozenset({MIXED, "transaction/mixed"})
"""What splitting a file alone puts right."""
FIXED = frozenset({*_BY_ADVICE, *_OF_FORM, *_OF_FILES})
"""The rules whose findings can be fixed."""
_SQUAWK_CREATION = "squawk/require-concurrent-index-creation"
_GUARDED = re.compile(r"\bif\s+(?:not\s+)?exists\b", re.IGNORECASE)
_VALIDATES = re.compile(r"alter\s+(?:table|domain)\s.*\svalidate\s+constraint\s+(\S+)\Z", re.IGNORECASE | re.DOTALL)
_NOT_VALID = re.compile(r"(alter table .*?) add constraint (\S+|\"[^\"]*\") .*not valid\Z", re.DOTALL)
_SET_NOT_NULL = re.compile(r"(alter table .*?) (alter column .* set not null)\Z", re.DOTALL)


class CannotFix(Exception):
    """Something is not rewritten; says why."""


class How(Enum):
    """How a piece runs."""

    TOGETHER = "in one transaction with those beside it"
    APART = "in a transaction of its own"
    ALONE = "in no transaction"
    BATCH = "in rounds"


@valueclass
class Piece:
    """A part of what a statement becomes."""

    text: str
    """Whole statements, each with its semicolon."""
    how: How
    _: KW_ONLY
    slug: str = ""
    """What the name of a file says of it."""
    about: str = ""
    """What a comment says of it."""
    undo: str = ""
    """What takes it back, where that is known."""
    is_helper: bool = False
    """Whether it makes something that a later piece drops again."""


def is_fixable(remark: Remark) -> bool:
    """Whether the statement that a remark is about can be rewritten, or its file split."""
    if remark.rule in _BY_ADVICE:
        return bool(remark.fix) and not any("virtual;" in one or "nextval(" in one for one in remark.fix)
    return remark.rule in FIXED


def pieces(file: SqlFile, statement: FileStatement, remarks: Sequence[Remark]) -> list[Piece]:
    """Return what a statement becomes for what is remarked of it; itself where nothing is. Raises CannotFix."""
    if (form := [one for one in remarks if one.rule in _OF_FORM]) and statement.command.refuses_transaction:
        return [*_of_texts(_named(file, statement, form[0]))]
    advised = [one for one in remarks if one.rule in _BY_ADVICE and is_fixable(one)]
    if not advised:
        how = How.ALONE if statement.command.refuses_transaction else How.TOGETHER
        if statement.verb == "alter" and _VALIDATES.match(statement.text):
            how = How.APART
        return [_piece(file.source.text[statement.start : statement.end], statement, how)]
    if statement.verb not in ("alter", "create", "drop", "reindex"):
        raise CannotFix(f"it is in code that `{statement.verb}` runs")
    if statement.verb == "alter" and _GUARDED.search(statement.text):
        raise CannotFix("whether it does anything depends on what is there: it says `if exists` or `if not exists`")
    if not statement.parsed.actions:
        return [*_of_texts(_first(advised).fix)]
    return [*_of_actions(file, statement, advised)]


def _first(remarks: Iterable[Remark]) -> Remark:
    return min(remarks, key=lambda one: _BY_ADVICE.index(one.rule))


def _named(file: SqlFile, statement: FileStatement, remark: Remark) -> tuple[str, ...]:
    """Return `create index concurrently` with a name, and without IF NOT EXISTS."""
    text = file.source.text[statement.start : statement.end]
    word = next(token for token in lexer.tokens(text) if token.text == "concurrently")
    plain = sql_file.read(text[: word.start].rstrip() + text[word.end :], path="")
    asked = Asked(_SQUAWK_CREATION, plain, plain.statements[0], start=0, version=None)
    advice = advise(asked)
    if advice is None:
        raise CannotFix(f"zmig does not know how to rewrite it for `{remark.rule}`")
    return advice.fix


def _of_actions(file: SqlFile, statement: FileStatement, advised: Sequence[Remark]) -> Iterator[Piece]:
    """Yield the pieces of an ALTER TABLE: those of its actions that are replaced, and the rest, in order."""
    actions = [*statement.actions]
    chosen: Mapping[int, list[Remark]] = {
        number: [one for one in advised if action.start <= one.start < action.end]
        for number, action in enumerate(actions)
    }
    if sum(map(len, chosen.values())) < len(advised) and len(actions) > 1:
        raise CannotFix("which of its changes is meant is not known")
    if len(actions) == 1:
        chosen = {0: list(advised)}
    text = file.source.text
    prefix = text[statement.start : actions[0].start]
    kept: list[str] = []
    for number, action in enumerate(actions):
        if not chosen[number]:
            kept.append(text[action.start : action.end])
            continue
        if kept:
            yield Piece(f"{prefix}{', '.join(kept)};", How.TOGETHER)
            kept = []
        yield from _of_texts(_first(chosen[number]).fix)
    if kept:
        yield Piece(f"{prefix}{', '.join(kept)};", How.TOGETHER)


def _of_texts(texts: Iterable[str]) -> Iterator[Piece]:
    """Yield the pieces of corrected SQL."""
    for text in texts:
        if ":size" in text:
            yield Piece(text.removeprefix(BATCH_NOTE), How.BATCH, slug="fill", about="fills the rows that are there")
            continue
        read = sql_file.read(text, path="")
        together: list[FileStatement] = []
        for statement in read.statements:
            validates = _VALIDATES.match(statement.text)
            if not (statement.command.refuses_transaction or validates):
                together.append(statement)
                continue
            if together:
                yield _joined(together)
                together = []
            yield _piece(statement.text, statement, How.APART if validates else How.ALONE)
        if together:
            yield _joined(together)


def _joined(statements: Sequence[FileStatement]) -> Piece:
    """Return statements that run together as one piece."""
    pieces = [_piece(one.text, one, How.TOGETHER) for one in statements]
    return Piece(
        "\n".join(one.text for one in pieces),
        How.TOGETHER,
        slug=next((one.slug for one in pieces if one.slug), ""),
        about=next((one.about for one in pieces if one.about), ""),
        undo="\n".join(one.undo for one in reversed(pieces) if one.undo),
        is_helper=len(pieces) == 1 and pieces[0].is_helper,
    )


def _piece(written: str, statement: FileStatement, how: How) -> Piece:
    text = statement.text
    plain = " ".join(text.split())
    if statement.verb in ("create", "drop", "reindex") and how is How.ALONE:
        return _of_index(written, text, statement.verb)
    if (found := _VALIDATES.match(text)) is not None:
        name = found[1]
        return Piece(f"{written};", how, slug=f"validate_{name}", about=f"validates {name} while others write")
    if (found := _NOT_VALID.match(plain)) is not None:
        table, name = found[1], found[2]
        undo = f"{table} drop constraint if exists {name};"
        is_helper = name.strip('"').endswith(("_is_set", "_are_set"))
        return Piece(f"{written};", how, slug=f"add_{name}", about=f"adds {name}", undo=undo, is_helper=is_helper)
    if (found := _SET_NOT_NULL.match(plain)) is not None:
        undo = f"{found[1]} {found[2].replace(' set not null', ' drop not null')};"
        return Piece(f"{written};", how, slug="set_not_null", about="sets what is never null `not null`", undo=undo)
    if (found := re.search(r" using index (\S+)", plain)) is not None:
        return Piece(f"{written};", how, slug=f"use_{found[1]}", about=f"makes {found[1]} a constraint")
    return Piece(f"{written};", how)


_ABOUT = {"create": "builds", "drop": "drops", "reindex": "rebuilds"}


def _of_index(written: str, text: str, verb: str) -> Piece:
    """Return a statement about an index that runs without a transaction."""
    reader = Reader(text)
    reader.skip_to("concurrently")
    reader.take()
    reader.accept("if", "not", "exists")
    reader.accept("if", "exists")
    first = reader.peek()
    name = "" if first is None else text[first.start : name_end(reader, text)]
    slug = name if verb == "create" else f"{verb}_{name}"
    undo = ""
    if verb == "create" and reader.accept("on"):
        reader.accept("only")
        table = reader.peek()
        schema = "" if table is None else text[table.start : name_end(reader, text)].rpartition(".")[0]
        undo = f"drop index concurrently if exists {schema and schema + '.'}{name};"
    return Piece(f"{written};", How.ALONE, slug=slug, about=f"{_ABOUT[verb]} {name} while others write", undo=undo)
