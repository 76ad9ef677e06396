"""An UPDATE of many rows, as one round of a batch: each takes rows that do not have their new values yet. Pure.

Only where it comes to the same, however many rounds there are: the new values depend on columns that are not written,
and on nothing that another round may see otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.advice.advice import name_end
from zmig.lint.replay.effects import WritesRows
from zmig.lint.replay.objects import TableKind
from zmig.sql.lexer import Kind
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zmig.lint.replay.objects import Table
    from zmig.lint.steps import Step
    from zmig.sql.lexer import Token

_COMPARABLE = frozenset(
    {
        "bool", "bpchar", "date", "int2", "int4", "int8", "numeric", "text", "time", "timestamp", "timestamptz", "uuid",
        "varchar",
    }
)  # fmt: skip
"""Types of which PostgreSQL knows whether two values differ."""
_CONSTANTS = frozenset({"false", "null", "true"})
_IN_VALUES = frozenset("%()*+-/|")
_IN_CONDITIONS = frozenset({"and", "between", "distinct", "from", "ilike", "in", "is", "like", "not", "or"})


def one_round(step: Step) -> str | None:
    """Return the statement of one round, with its semicolon; None where an UPDATE cannot be done in rounds."""
    text = step.statement.text
    reader = Reader(text)
    if not reader.accept("update") or reader.sees("only") or (first := reader.peek()) is None:
        return None
    written = text[first.start : name_end(reader, text)]
    table = _table(step)
    if table is None or not reader.accept("set"):
        return None
    tokens: list[Token] = []
    while (token := reader.take()) is not None:
        tokens.append(token)
    where = next((number for number, one in enumerate(tokens) if one.text == "where"), len(tokens))
    condition = tokens[where + 1 :]
    assigned = _assigned(tokens[:where], table)
    if not assigned or not all(_is_known(one, table, _CONSTANTS | _IN_CONDITIONS) for one in condition):
        return None
    values = [one for _, value in assigned for one in value]
    free = {*table.columns} - {column.text for column, _ in assigned}
    if not all(_is_value(one, free) for one in values):
        return None
    differs = " or ".join(
        f"{text[column.start : column.end]} is distinct from {text[value[0].start : value[-1].end]}"
        for column, value in assigned
    )
    which = f"({differs})" if len(assigned) > 1 else differs
    if condition:
        which = f"({text[condition[0].start : condition[-1].end]}) and {which}"
    sets = text[tokens[0].start : tokens[where - 1].end]
    return f"update {written} set {sets}\nwhere ctid in (select ctid from {written} where {which} limit :size);"


def _table(step: Step) -> Table | None:
    """Return the table whose rows are updated, if all is known of it that matters, and `ctid` is unique in it."""
    for one in step.of(WritesRows):
        table = step.before.table(one.table)
        if table is not None and table.is_whole and table.kind is TableKind.TABLE and not table.triggers:
            return None if step.before.children_of(table.name) else table
    return None


def _assigned(tokens: Sequence[Token], table: Table) -> list[tuple[Token, list[Token]]]:
    """Return the columns that are set, each with the tokens of its value; empty where that is written otherwise."""
    groups: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == ",":
            groups.append([])
        else:
            groups[-1].append(token)
    assigned: list[tuple[Token, list[Token]]] = []
    for group in groups:
        column = table.column(group[0].text) if group and group[0].kind is Kind.WORD else None
        kind = None if column is None else column.type
        is_plain = len(group) > 2 and group[1].text == "=" and column is not None and column.generated is None
        if not is_plain or kind is None or kind.is_array or not kind.is_built_in or kind.name.name not in _COMPARABLE:
            return []
        assigned.append((group[0], group[2:]))
    return assigned


def _is_value(token: Token, columns: Collection[str]) -> bool:
    """Whether a token is of a value that is the same in every round."""
    if token.kind is Kind.WORD:
        return token.text in _CONSTANTS or token.text in columns
    return token.kind in (Kind.STRING, Kind.NUMBER) or token.text in _IN_VALUES


def _is_known(token: Token, table: Table, words: Collection[str]) -> bool:
    """Whether a token of a condition asks for nothing but the row's own columns."""
    if token.kind is Kind.WORD:
        return token.text in words or token.text in table.columns
    return (
        token.kind in (Kind.STRING, Kind.NUMBER) or token.text in _IN_VALUES or token.text in ("<", ">", "=", "!", ",")
    )
