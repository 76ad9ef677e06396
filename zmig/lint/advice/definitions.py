"""The definition of a column or a constraint in an ALTER TABLE, in its parts as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.quoting import bare
from zmig.sql.token_reader import Reader
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.advice.advice import Asked
    from zmig.lint.sql_file import Action
    from zmig.sql.lexer import Token

_MOST_BYTES = 63
_BEGINS = frozenset(
    {
        "check", "collate", "compression", "constraint", "default", "deferrable", "generated", "initially", "not",
        "null", "primary", "references", "storage", "unique",
    }
)  # fmt: skip


@valueclass
class Part:
    """One part of a column's definition, such as `not null` or `default 1`."""

    kind: str
    """Its first word; that of the constraint where it has a name."""
    text: str
    value: str
    """What is after its keywords."""


@valueclass
class ColumnDefinition:
    """A column that an action adds."""

    name: str
    """As it is written."""
    column: str
    """As it is in the catalog."""
    type: str
    parts: tuple[Part, ...]

    def get(self, kind: str) -> Part | None:
        """Return its first part of a kind."""
        return next((part for part in self.parts if part.kind == kind), None)

    def without(self, *kinds: str) -> str:
        """Return it without the parts of these kinds."""
        return " ".join((self.name, self.type, *(part.text for part in self.parts if part.kind not in kinds)))


def column_definition(asked: Asked) -> ColumnDefinition | None:
    """Return the column that an action adds; None where it adds none."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    if not reader.accept("add") or ((token := reader.peek()) is not None and token.text in _BEGINS):
        return None
    reader.accept("column")
    reader.accept("if", "not", "exists")
    first = reader.peek()
    column = reader.identifier()
    if first is None or column is None:
        return None
    tokens = [*_rest(reader)]
    starts = _starts(tokens)
    ends = [*starts[1:], len(tokens)]
    type_end = starts[0] if starts else len(tokens)
    if not type_end:
        return None
    name = asked.part(action, first.start, first.end)
    written = asked.part(action, tokens[0].start, tokens[type_end - 1].end)
    parts = (_part(asked, action, tokens[start:end]) for start, end in zip(starts, ends, strict=True))
    return ColumnDefinition(name, column, written, tuple(parts))


def _rest(reader: Reader) -> Iterable[Token]:
    while (token := reader.take()) is not None:
        yield token


def _starts(tokens: list[Token]) -> list[int]:
    """Return where the parts of a column's definition begin, by token."""
    starts: list[int] = []
    depth = 0
    for index, token in enumerate(tokens):
        before = tokens[index - 1].text if index else ""
        # `set null` is of a foreign key; what follows a name, NOT or DEFAULT goes on with it.
        goes_on = before in ("set", "not", "default") or (index > 1 and tokens[index - 2].text == "constraint")
        if depth == 0 and token.text in _BEGINS and not goes_on:
            starts.append(index)
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
    return starts


def _part(asked: Asked, action: Action, tokens: list[Token]) -> Part:
    words = tokens[2:] if tokens[0].text == "constraint" else tokens
    kind = words[0].text if words else ""
    if kind == "not" and len(words) > 1:
        kind = f"not {words[1].text}"
    text = asked.part(action, tokens[0].start, tokens[-1].end)
    skipped = 2 if kind == "primary" or kind.startswith("not ") else 1
    value = asked.part(action, words[skipped].start, words[-1].end) if len(words) > skipped else ""
    return Part(kind, text, value)


@valueclass
class ConstraintDefinition:
    """A constraint that an action adds."""

    name: str
    """As it may be written; the one that PostgreSQL would choose where it is given none."""
    kind: str
    """Its first word."""
    columns: str
    """The list of its columns as it is written, with its parentheses; empty where it has none."""
    text: str
    """All of it after its name."""
    rest: str
    """What is after the list."""


def constraint_definition(asked: Asked) -> ConstraintDefinition | None:
    """Return the constraint that an action adds; None where it adds none."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    if not reader.accept("add"):
        return None
    given = None
    if reader.accept("constraint") and (token := reader.peek()) is not None:
        given = asked.part(action, token.start, token.end)
        reader.take()
    first = reader.peek()
    kind = reader.accept_any("check", "exclude", "foreign", "primary", "unique")
    if first is None or kind is None:
        return None
    text = asked.part(action, first.start, len(action.text))
    reader.skip_to("(")
    tokens = [*_rest(reader)]
    end = _close(tokens)
    columns = asked.part(action, tokens[0].start, tokens[end].end) if tokens else ""
    rest = asked.part(action, tokens[end].end, len(action.text)) if tokens else ""
    names = _column_names(columns) if kind in ("foreign", "primary", "unique") else _mentioned(columns)
    suffix = {"foreign": "fkey", "primary": "pkey", "unique": "key", "exclude": "excl", "check": "check"}[kind]
    own = [] if kind == "primary" else names
    return ConstraintDefinition(given or made_name(asked.table_name, own, suffix), kind, columns, text, rest)


def _close(tokens: list[Token]) -> int:
    """Return which token closes the parenthesis that the first one opens."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return index
    return len(tokens) - 1


def _column_names(columns: str) -> list[str]:
    reader = Reader(columns)
    reader.accept("(")
    return [name.name for name in reader.names()]


def _mentioned(condition: str) -> list[str]:
    """Return the first name in a condition, after which PostgreSQL calls a constraint of one column."""
    reader = Reader(condition)
    while reader.accept("("):
        pass
    name = reader.identifier()
    return [] if name is None else [name]


def column_names(constraint: ConstraintDefinition) -> list[str]:
    """Return the columns of a key, as they are in the catalog."""
    return _column_names(constraint.columns)


def made_name(table: str, columns: Iterable[str], suffix: str) -> str:
    """Return a name as PostgreSQL makes one of a table, columns and a suffix, as it may be written."""
    stem = "_".join((table, *columns)).encode()[: _MOST_BYTES - len(suffix) - 1].decode(errors="ignore")
    return bare(f"{stem}_{suffix}")
