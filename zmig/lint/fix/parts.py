"""A file, split into parts that each run as their statements need it, and its rollback likewise. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import sql_file
from zmig.lint.advice.advice import Asked
from zmig.lint.advice.advise import advise
from zmig.lint.fix import proof
from zmig.lint.fix.pieces import MIXED, CannotFix, How, Piece, is_fixable, pieces
from zmig.lint.fix.rounds import one_round
from zmig.lint.replay.effects import Drops, Extent, Fails, Makes, Redefines, Renames, WritesRows
from zmig.lint.steps import follow
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.grammar import Grammar
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.objects import Ref
    from zmig.lint.sql_file import FileStatement, SqlFile
    from zmig.lint.steps import Step

_END = re.compile(r"\s*;?(?:[ \t]*--[^\r\n]*)?")
_OF_A_FILE = frozenset(
    {
        "abort", "begin", "commit", "declare", "discard", "end", "lock", "prepare", "release", "reset", "rollback",
        "savepoint", "set", "start",
    }
)  # fmt: skip
"""Statements that hold for what follows them in the same session or transaction."""
_DEFINES = frozenset({"alter", "comment", "create", "drop", "grant", "reindex", "revoke"})
_ASKS_FOR_INDEX = re.compile(r"\b(?:references|on\s+conflict|replica\s+identity|cluster)\b", re.IGNORECASE)


@valueclass
class Part:
    """What becomes an entry of its own; the first one stays the entry that is split."""

    text: str
    how: How
    _: KW_ONLY
    slug: str = ""
    about: str = ""
    undo: str = ""
    """What takes back what the file did not say."""
    helpers: str = ""
    """What of that is needed, whatever the rollback says."""
    rollback: str | None = None
    is_original: bool = True
    """Whether it has a statement that was in the file, and runs with others."""


@valueclass
class _Chunk:
    """A piece as it is put into a file, with what is around it there."""

    piece: Piece
    text: str
    is_first: bool


def split(
    entry: Entry,
    remarks: Sequence[Remark],
    before: Catalog,
    grammar: Grammar,
    *,
    version: int | None,
    keeps_order: bool,
) -> list[Part]:
    """Return the parts of an entry, in which what is remarked is put right; `before` is the catalog that it finds.

    With `keeps_order`, nothing runs later than it is written. Raises CannotFix.
    """
    file = entry.sql
    assert file is not None, "it has one"
    _refuse(entry, file)
    steps = _Replaying(before, grammar, version).follow(file)
    chunks = [*_chunks(file, [one for one in remarks if is_fixable(one) and one.source is file.source], steps)]
    parts = _grouped(_ordered(chunks, file, keeps_order=keeps_order), file)
    if len(parts) > 1:
        _refuse_to_split(entry, file)
    if parts[0].how is How.BATCH:
        raise CannotFix("it begins with rows that are changed in rounds: split it by hand")
    if entry.rollback is not None:
        parts = _with_rollbacks(parts, entry.rollback, _Replaying(before, grammar, version))
    return parts


def _refuse(entry: Entry, file: SqlFile) -> None:
    if file.problems or entry.is_repeatable or entry.declaration.batch is not None:
        raise CannotFix("only a file that runs once, and can be read, is rewritten")
    if file.skipped or file.rows:
        raise CannotFix("it holds data")
    if file.text != file.source.text:
        raise CannotFix("what its variables stand for is not known")


def _refuse_to_split(entry: Entry, file: SqlFile) -> None:
    declaration = entry.declaration
    for key in ("origin", "replaces", "verify"):
        if declaration.node.get(key) is not None:
            raise CannotFix(f"it would be split into several entries, and which of them has its `{key}` is not known")
    for statement in file.statements:
        is_temporary = statement.verb == "create" and statement.parsed.is_temporary
        if statement.verb in _OF_A_FILE or is_temporary:
            shown = " ".join(statement.text.split()[:4])
            raise CannotFix(f"`{shown}` holds for what comes after it, which would be in other files")
    if entry.rollback is None and (declaration.rollback is not None or entry.has_code_rollback):
        raise CannotFix("its rollback cannot be split")


_CHANGES_ROWS = frozenset({"delete", "insert", "merge", "update"})


def _of_rows(step: Step) -> list[Piece]:
    """Return a statement that may change many rows, away from those that lock tables for a change of their schema."""
    table = next((one.table.name for one in step.of(WritesRows)), "rows")
    about = f"{step.statement.verb}s rows of {table}" if step.statement.verb != "merge" else f"changes rows of {table}"
    if (text := one_round(step)) is not None:
        return [Piece(text, How.BATCH, slug=f"fill_{table}", about=about)]
    written = step.file.source.text[step.statement.start : step.statement.end]
    return [Piece(f"{written};", How.APART, slug=f"{step.statement.verb}_{table}", about=about)]


def _is_of_many_rows(step: Step) -> bool:
    many = (one for one in step.of(WritesRows) if one.extent is not Extent.FEW)
    return step.statement.verb in _CHANGES_ROWS and any(step.is_in_use(one.table) for one in many)


def _chunks(file: SqlFile, remarks: Sequence[Remark], steps: Sequence[Step]) -> Iterator[list[_Chunk]]:
    """Yield for each statement what it becomes."""
    text = file.source.text
    position = 0
    line_break = _line_break(text)
    last = len(file.statements) - 1
    mixed = min((one.start for one in remarks if one.rule == MIXED), default=len(text))
    for number, (statement, step) in enumerate(zip(file.statements, steps, strict=True)):
        about = [one for one in remarks if file.statement_at(one.start) is statement]
        found = (
            _of_rows(step) if statement.start >= mixed and _is_of_many_rows(step) else pieces(file, statement, about)
        )
        after = _END.match(text, statement.end)
        assert after is not None, "it may be empty"
        end = after.end()
        lead, rest = text[position : statement.start], after[0].lstrip().removeprefix(";")
        if "\n" in after[0].partition(";")[0] and ";" in after[0]:
            rest = after[0].partition(";")[2]
        position = end
        trailing = text[end:] if number == last else ""
        chunks = [_Chunk(one, one.text.replace("\n", line_break) + line_break, is_first=False) for one in found]
        first = found[0].text.replace("\n", line_break)
        chunks[0] = _Chunk(found[0], f"{lead}{first}{rest}{trailing}", is_first=True)
        yield chunks


def _ordered(chunks: Sequence[Sequence[_Chunk]], file: SqlFile, *, keeps_order: bool) -> list[_Chunk]:
    """Return the chunks in the order they run in: those that run alone last, where nothing depends on them."""
    if keeps_order or not _can_wait(chunks, file):
        return [one for some in chunks for one in some]
    heads: list[_Chunk] = []
    tails: list[_Chunk] = []
    for some in chunks:
        alone = next((n for n, one in enumerate(some) if one.piece.how is not How.TOGETHER), len(some))
        heads += some[:alone]
        tails += some[alone:]
    return [*heads, *tails]


def _can_wait(chunks: Sequence[Sequence[_Chunk]], file: SqlFile) -> bool:
    """Whether what runs alone may run after everything else in its file."""
    names: set[str] = set()
    is_waited_for = is_filling = False
    for some, statement in zip(chunks, file.statements, strict=True):
        if is_filling:
            return False  # what is said of rows that are not filled yet would keep others from changing them
        if names or is_waited_for:
            words = {*re.findall(r"\w+", statement.text.lower())}
            if statement.verb not in _DEFINES or not words.isdisjoint(names):
                return False
            if _ASKS_FOR_INDEX.search(statement.text) and is_waited_for:
                return False
        alone = [one.piece for one in some if one.piece.how is not How.TOGETHER]
        is_filling = any(one.how is How.BATCH or statement.verb in _CHANGES_ROWS for one in alone)
        names.update(word for one in alone for word in _named(one))
        is_waited_for = is_waited_for or any(" unique " in one.text.lower() for one in alone)
    return True


def _named(piece: Piece) -> Iterator[str]:
    slug = piece.slug
    for prefix in ("validate_", "drop_", "reindex_"):
        slug = slug.removeprefix(prefix)
    yield from re.findall(r"\w+", slug.rpartition(".")[2].lower())


def _grouped(chunks: Sequence[_Chunk], file: SqlFile) -> list[Part]:
    groups: list[list[_Chunk]] = []
    for chunk in chunks:
        joins = groups and chunk.piece.how is How.TOGETHER and groups[-1][-1].piece.how is How.TOGETHER
        if joins:
            groups[-1].append(chunk)
        else:
            groups.append([chunk])
    line_break = _line_break(file.source.text)
    return [_part(group, line_break, is_only=len(groups) == 1) for group in groups]


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _part(group: Sequence[_Chunk], line_break: str, *, is_only: bool) -> Part:
    pieces = [one.piece for one in group]
    text = ""
    for chunk in group:
        if text.endswith("\n"):
            text += chunk.text.removeprefix("\r").removeprefix("\n")
        else:
            text += chunk.text if not text or chunk.text.startswith(("\r", "\n")) else f"{line_break}{chunk.text}"
    slug = next((one.slug for one in pieces if one.slug), "")
    about = next((one.about for one in pieces if one.about), "")
    if not is_only:
        text = text.lstrip("\r\n").rstrip() + line_break
    return Part(
        text,
        pieces[0].how,
        slug=slug,
        about=about,
        undo="\n".join(one.undo for one in reversed(pieces) if one.undo),
        helpers="\n".join(one.undo for one in reversed(pieces) if one.undo and one.is_helper),
        is_original=any(one.is_first for one in group) and pieces[0].how is How.TOGETHER,
    )


class _Replaying:
    """Replays files on the catalog that an entry finds."""

    def __init__(self, before: Catalog, grammar: Grammar, version: int | None) -> None:
        self.catalog = before.copy()
        self.catalog.begin_generation()
        self._grammar = grammar
        self._version = version

    def follow(self, file: SqlFile) -> list[Step]:
        """Return the steps of the next file."""
        transactional = file.refusing is None
        steps, after = follow(file, self.catalog, self._grammar, version=self._version, is_transactional=transactional)
        self.catalog = after.copy()
        self.catalog.end_session()
        return steps


_ADVISED = ("squawk/require-concurrent-index-creation", "squawk/require-concurrent-index-deletion")


def _with_rollbacks(parts: Sequence[Part], rollback: SqlFile, replaying: _Replaying) -> list[Part]:
    """Return the parts, each with what undoes it. Raises CannotFix where that is not known."""
    if rollback.problems or rollback.skipped or rollback.rows or rollback.text != rollback.source.text:
        raise CannotFix("its rollback cannot be split")
    done = [replaying.follow(sql_file.read(part.text, path="", is_batch=part.how is How.BATCH)) for part in parts]
    end = replaying.catalog
    undoing = replaying.follow(rollback)
    original = [number for number, part in enumerate(parts) if part.is_original]
    default = original[0] if len(original) == 1 else None
    owners = [default if (owner := _owner(step, done)) is None else owner for step in undoing]
    if len(parts) == 1:
        owners = [0] * len(undoing)
    elif any(one.statement.verb in _OF_A_FILE for one in undoing):
        raise CannotFix("a statement of its rollback holds for what comes after it, which would be in other files")
    elif None in owners:
        statement = undoing[owners.index(None)].statement
        shown = " ".join(statement.text.split())[:60]
        raise CannotFix(f"which part of it `{shown}` in its rollback undoes is not known")
    written = [*_statements(rollback)]
    made = [
        replace(part, rollback=_rollback(part, [*_owned(written, owners, number)], rollback, is_only=len(parts) == 1))
        for number, part in enumerate(parts)
    ]
    _prove_rollbacks(made, undoing, replaying, end)
    return made


def _prove_rollbacks(parts: Sequence[Part], undoing: Sequence[Step], replaying: _Replaying, end: Catalog) -> None:
    """Make sure that the rollbacks of the parts, the last one first, come to what the one of the file comes to."""
    expected, replaying.catalog = replaying.catalog, end
    steps: list[Step] = []
    for part in reversed(parts):
        steps += replaying.follow(sql_file.read(part.rollback or "", path=""))
    failing = next((fails for step in steps for fails in step.of(Fails)), None)
    if failing is not None and not any(any(step.of(Fails)) for step in undoing):
        raise CannotFix(f"a rollback of its parts would fail: {failing.reason}")
    if (name := proof.difference(expected, replaying.catalog)) is not None:
        raise CannotFix(f"the rollbacks of its parts would leave `{name}` otherwise than its rollback does")


def _owned(
    written: Sequence[tuple[str, FileStatement]], owners: Sequence[int | None], number: int
) -> Iterator[tuple[str, FileStatement]]:
    yield from (one for one, owner in zip(written, owners, strict=True) if owner == number)


def _statements(file: SqlFile) -> Iterator[tuple[str, FileStatement]]:
    """Yield the statements of a file with what is around them."""
    text, position = file.source.text, 0
    for statement in file.statements:
        after = _END.match(text, statement.end)
        assert after is not None, "it may be empty"
        end = after.end() if statement is not file.statements[-1] else len(text)
        yield text[position:end], statement
        position = end


def _rollback(part: Part, own: Sequence[tuple[str, FileStatement]], file: SqlFile, *, is_only: bool) -> str:
    """Return the rollback of a part: those statements of the rollback that undo it, else what is known to."""
    if not own and not is_only:
        if part.undo:
            return f"-- Undoes a migration that {part.about or 'is part of another'}.\n{part.undo}\n"
        return "-- There is nothing to undo here: the rollback of the migration before it does that.\nselect 1;\n"
    text = "".join(around for around, _ in own)
    if len(own) == 1 and part.how is How.ALONE:
        text = _concurrently(text, own[0][1], file)
    if is_only:
        return text
    text = text.lstrip("\r\n").rstrip()
    text = text if text.endswith(";") or "--" in text.rpartition("\n")[2] else f"{text};"
    return f"{part.helpers}\n{text}\n" if part.helpers else f"{text}\n"


def _concurrently(text: str, statement: FileStatement, file: SqlFile) -> str:
    """Return the one statement of a rollback so that others can go on meanwhile."""
    if statement.command.refuses_transaction or statement.verb not in ("create", "drop"):
        return text
    rule = _ADVISED[statement.verb == "drop"]
    advice = advise(Asked(rule, file, statement, start=statement.start, version=None))
    if advice is None or len(advice.fix) != 1 or "\n" in advice.fix[0]:
        return text
    return text.replace(statement.text, advice.fix[0].removesuffix(";"), 1)


def _owner(step: Step, done: Sequence[Sequence[Step]]) -> int | None:
    """Return which part a statement of a rollback undoes."""
    dropped = {one.ref for one in step.of(Drops)}
    made = {one.ref for one in step.of(Makes)}
    changed = {(one.ref, one.what) for one in step.of(Redefines)}
    for number in reversed(range(len(done))):
        if dropped & _refs(done[number], Makes) or made & _refs(done[number], Drops):
            return number
    for number in reversed(range(len(done))):
        if changed & {(one.ref, one.what) for before in done[number] for one in before.of(Redefines)}:
            return number
    written = {one.table for one in step.of(WritesRows)}
    for number in reversed(range(len(done))):
        if written & {one.table for before in done[number] for one in before.of(WritesRows)}:
            return number
    renamed = {(one.before.name, one.before.part, one.after.name, one.after.part) for one in step.of(Renames)}
    for number in reversed(range(len(done))):
        back = {(one.after.name, one.after.part, one.before.name, one.before.part) for one in _renames(done[number])}
        if renamed & back:
            return number
    return None


def _renames(steps: Sequence[Step]) -> Iterator[Renames]:
    yield from (one for step in steps for one in step.of(Renames))


def _refs(steps: Sequence[Step], kind: type[Makes | Drops]) -> set[Ref]:
    return {one.ref for step in steps for one in step.of(kind)}
