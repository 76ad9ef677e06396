"""Whether the rounds of an UPDATE without `:cursor` find the same rows again, as far as its text says. Pure."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from zmig.batches import expressions, joins, query, selection
from zmig.batches.query import CURSOR
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.batches.query import Nodes, Query
    from zmig.batches.selection import Choice
    from zmig.sql.statement import Statement

_HARMLESS = frozenset(
    {
        *("in", "and", "or", "not", "any", "all", "some", "array", "exists", "on", "where", "between", "is", "case"),
        *("when", "then", "else", "coalesce", "lower", "upper", "length", "now", "cast", "nullif", "abs", "mod"),
    }
)
"""What is before brackets, and cannot look at what an UPDATE changes."""
_MOVING = frozenset({"xmin", "xmax", "cmin", "cmax", "tableoid"})
"""Columns that change with each UPDATE of a row."""


@valueclass
class RepeatedUpdate:
    """An UPDATE that sets no column by which its rows are chosen."""

    table: str
    """As the statement spells it."""
    sets: tuple[str, ...]
    named: frozenset[str]
    """What its conditions name."""


def read(statement: Statement) -> RepeatedUpdate | None:
    """Return what is chosen by other columns than the statement sets; None where it is not, or cannot be known."""
    chosen = selection.read(statement)
    writing = [each.query for each in chosen.queries if each.query.writes]
    if chosen.limited is None or len(writing) != 1 or writing[0].command != "update":
        return None
    (update,) = writing
    sets = tuple(dict.fromkeys(_set_columns(update)))
    table = _only_table(chosen, update.clause("target"))
    conditions = [part for each in chosen.queries for part in _conditions(each.query)]
    named = frozenset(name for nodes in conditions for name in _names(nodes))
    if table is None or not sets or not named.isdisjoint({*sets, *_MOVING, CURSOR, *_whole_rows(chosen, conditions)}):
        return None
    if any(not _HARMLESS.issuperset(expressions.called(nodes)) for nodes in conditions):
        return None
    if "ctid" in _names(chosen.limited.query.clause("where")):  # an UPDATE gives a row another
        return None
    return RepeatedUpdate(table, sets, named)


def _conditions(subquery: Query) -> Iterator[Nodes]:
    """Yield what says which rows a query sees, without the names of what it reads."""
    for _, item in joins.joined(subquery.clause("from")):
        place = next((place for place, node in enumerate(item) if node.text in ("on", "using")), len(item))
        yield item[place + 1 :]
    yield subquery.clause("where")
    yield subquery.clause("having")


def _set_columns(update: Query) -> Iterator[str]:
    """Yield the columns that are set, by `a = 1` or `(a, b) = (1, 2)`."""
    for item in query.split(update.clause("set")):
        for first in item[:1]:
            yield from (node.name for node in first.inside or (first,) if node.name is not None)


def _only_table(chosen: Choice, target: Nodes) -> str | None:
    """Return the table that is changed, where nothing else is read."""
    words = [node.text for node in target if node.text != "only"]
    end = 1
    while end + 1 < len(words) and words[end] == ".":
        end += 2
    table = "".join(words[:end])
    read = [source for nested in chosen.queries for source in joins.sources(nested)]
    if not table or any(source.inner is None and source.table != table for source in read):
        return None
    return table


def _names(nodes: Nodes) -> Iterator[str]:
    for node in nodes:
        if node.inside is not None:
            yield from _names(node.inside)
        elif node.name is not None:
            yield node.name
        elif node.text == CURSOR:
            yield CURSOR


def _whole_rows(chosen: Choice, conditions: list[Nodes]) -> Iterator[str]:
    """Yield the names of sources that conditions use as whole rows, as in `t is distinct from ...`."""
    aliases = {source.alias for nested in chosen.queries for source in joins.sources(nested)}
    yield from (name for nodes in conditions for name in _alone(nodes) if name in aliases)


def _alone(nodes: Nodes) -> Iterator[str]:
    """Yield the names that no dot is after."""
    for node, following in zip_longest(nodes, nodes[1:]):
        if node.inside is not None and not query.is_query(node):
            yield from _alone(node.inside)
        elif following is None or following.text != ".":
            yield node.name or ""
