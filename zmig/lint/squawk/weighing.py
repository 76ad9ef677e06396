"""What squawk says, corrected by what it cannot know: which tables are not in use yet, and what is proved already.

Pure: it takes squawk's findings as values. `zmig.lint.squawk.program` runs it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import new_objects
from zmig.lint.columns import new_type
from zmig.lint.finding import Remark
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.lint.columns import Columns
    from zmig.lint.new_objects import NewObjects
    from zmig.lint.sql_file import FileStatement, SqlFile

_ABOUT_FORM = frozenset(
    {
        "squawk/ban-alter-database-options",
        "squawk/ban-alter-role-options",
        "squawk/ban-alter-system-options",
        "squawk/ban-char-field",
        "squawk/ban-create-domain-with-constraint",
        "squawk/ban-drop-database",
        "squawk/ban-duplicate-column-assignments",
        "squawk/ban-truncate-cascade",
        "squawk/identifier-too-long",
        "squawk/prefer-bigint-over-int",
        "squawk/prefer-bigint-over-smallint",
        "squawk/prefer-identity",
        "squawk/prefer-text-field",
        "squawk/prefer-timestamp-tz",
        "squawk/require-enum-value-ordering",
        "squawk/require-table-schema",
    }
)
"""What squawk finds whether the table is in use or not."""

_GENERAL = "squawk/constraint-missing-not-valid"
_MORE_SPECIFIC = frozenset(
    {
        "squawk/adding-foreign-key-constraint",
        "squawk/adding-serial-primary-key-field",
        "squawk/disallowed-unique-constraint",
    }
)
"""Say the same as the general rule about the same statement, and better."""

_HINTS = {
    "squawk/ban-char-field": "use `text`, with a `check` if the length matters",
    "squawk/ban-drop-database": "drop databases by hand",
    "squawk/changing-column-type": "add a new column, fill it in batches, and let clients move to it",
    "squawk/identifier-too-long": "choose a name of at most 63 bytes",
    "squawk/renaming-column": "add a new column, keep both in step, and drop the old one when no client uses it",
    "squawk/renaming-table": "create a view with the old name in the same migration, or rename when no client is left",
    "squawk/ban-drop-column": "drop it when no client uses it, and ignore the rule for this entry with that reason",
    "squawk/ban-drop-table": "drop it when no client uses it, and ignore the rule for this entry with that reason",
    "squawk/ban-drop-not-null": "make sure that every client can read a null",
    "squawk/ban-drop-schema": "drop it when no client uses it, and ignore the rule for this entry with that reason",
}


_DROPS = re.compile("squawk/ban-drop-(?:view|function|type|domain|sequence)")
"""What is often dropped to be made again in the same file."""


def weighed(file: SqlFile, said: Sequence[Remark], known: NewObjects, columns: Columns) -> Iterator[Remark]:
    """Yield what remains of squawk's findings about a file; `columns` is what was known before it."""
    if not said:
        return
    by_statement: dict[int, list[Remark]] = {}
    for remark in said:
        statement = file.statement_at(remark.start)
        by_statement.setdefault(-1 if statement is None else statement.start, []).append(remark)
    yield from by_statement.pop(-1, ())
    so_far = columns.copy()
    for statement, is_fresh in new_objects.follow(file, known):
        remarks = by_statement.get(statement.start, ())
        rules = {remark.rule for remark in remarks}
        for remark in remarks:
            is_unused = is_fresh and remark.rule not in _ABOUT_FORM
            is_repeated = remark.rule == _GENERAL and not rules.isdisjoint(_MORE_SPECIFIC)
            if not (is_unused or is_repeated or _is_harmless(remark, statement, file, so_far)):
                yield remark
        so_far.learn(statement)


def _is_harmless(remark: Remark, statement: FileStatement, file: SqlFile, columns: Columns) -> bool:
    """Whether what squawk warns of does not happen, as far as the statements before and after this one say."""
    if remark.rule == "squawk/changing-column-type" and statement.parsed.changes:
        changed = new_type(statement, remark.start, remark.end)
        return changed is not None and columns.keeps_storage(statement.full(statement.parsed.changes[0]), *changed)
    if remark.rule == "squawk/require-concurrent-index-creation":
        # An index of a partitioned table without those of its partitions: nothing is built, and nobody waits.
        return statement.parsed.kind == "index" and Reader(statement.text).skip_to("on", "only")
    if remark.rule == "squawk/adding-not-nullable-field" and statement.parsed.changes:
        named = [*_set_not_null(statement)]
        return bool(named) and all(
            columns.is_never_null(statement.full(statement.parsed.changes[0]), column) for column in named
        )
    if remark.rule == "squawk/ban-drop-constraint" and statement.parsed.changes:
        return _are_kept(statement, file, columns)
    if _DROPS.fullmatch(remark.rule) is not None and statement.parsed.changes:
        later = (other for other in file.statements if other.start > statement.start)
        made_again = {other.full(created.name) for other in later for created in other.parsed.creates}
        return all(statement.full(name) in made_again for name in statement.parsed.changes)
    return False


def _set_not_null(statement: FileStatement) -> Iterator[str]:
    for action in statement.actions:
        reader = action.reader
        if reader.accept("alter"):
            reader.accept("column")
            column = reader.identifier() or ""
            if reader.accept("set", "not", "null"):
                yield column


def _are_kept(statement: FileStatement, file: SqlFile, columns: Columns) -> bool:
    """Whether what the constraints say holds without them: they are made again, or only prove a column never null."""
    table, dropped = statement.full(statement.parsed.changes[0]), set[str]()
    for action in statement.actions:
        reader = action.reader
        if reader.accept("drop", "constraint"):
            reader.accept("if", "exists")
            dropped.add(reader.identifier() or "")
    made = {
        one.name.name
        for other in file.statements
        if other.start >= statement.start
        for one in other.parsed.creates
        if one.kind == "constraint" and one.parent is not None and other.full(one.parent) == table
    }
    return bool(dropped) and all(name in made or columns.is_null_check(table, name) for name in dropped)


def remark(file: SqlFile, rule: str, said: Mapping[str, object], start: int, end: int) -> Remark:
    """Return one of squawk's findings as a remark."""
    text, hint = said.get("message"), said.get("help")
    message = _lower((text if isinstance(text, str) else rule).strip().rstrip("."))
    advice = hint.rstrip(".") if isinstance(hint, str) and hint else _HINTS.get(rule, f"see `docs/rules/{rule}.md`")
    return Remark(rule, message, _lower(advice), file.source, start=start, end=end)


def _lower(text: str) -> str:
    """Begin in lower case, as all messages do, unless the first word is a keyword."""
    first = text.partition(" ")[0]
    return text if first.isupper() and len(first) > 1 else text[:1].lower() + text[1:]
