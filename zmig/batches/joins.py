"""What a query reads from, and how it joins and groups that, as far as its text says. Pure."""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.batches import query, selection
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import KW_ONLY

    from zmig.batches.query import Node, Nodes, Query
    from zmig.batches.selection import NestedQuery


@valueclass
class Source:
    """What a query reads from: a table, or something else."""

    alias: str
    _: KW_ONLY
    is_table: bool
    has_one_row: bool = False
    inner: NestedQuery | None = None
    """The query that it stands for."""
    table: str | None = None
    """The name of the table, as it is spelled."""
    names: tuple[str, ...] = ()
    """What its first columns are called after its alias."""


_UNKNOWN = "?"
_JOINING = frozenset(["join", "left", "right", "full", "inner", "cross", "natural", "outer"])
_NO_ALIASES = frozenset({"on", "using", "tablesample", "where", "as"})
_AGGREGATES = frozenset({"count", "max", "min", "sum", "avg", "bool_and", "bool_or"})


def sources(nested: NestedQuery) -> list[Source]:
    """Return what a query reads from."""
    return [_source(item, nested) for _, item in joined(nested.query.clause("from"))]


def readings(nested: NestedQuery, *, without_single_rows: bool = False) -> Iterator[tuple[NestedQuery, list[Source]]]:
    """Yield a query and those that it reads from, each once however many read it, with what it reads from itself.

    `without_single_rows` leaves out those that return one row at most.
    """
    waiting, seen = [nested], set[tuple[int, int]]()
    while waiting:
        each = waiting.pop()
        if each.span in seen:
            continue
        seen.add(each.span)
        read = sources(each)
        yield each, read
        inner = (one for one in read if not (without_single_rows and one.has_one_row))
        waiting += (one.inner for one in inner if one.inner is not None)


def joined(nodes: Nodes) -> Iterator[tuple[frozenset[str], Nodes]]:
    """Yield the sources of a FROM clause with their conditions, each with the words that join it to those before."""
    words: set[str] = set()
    item: list[Node] = []
    for node in nodes:
        if node.text == "," or node.text in _JOINING:
            if item:
                yield frozenset(words), tuple(item)
                words.clear()
            item = []
            words.add(node.text)
        else:
            item.append(node)
    if item:
        yield frozenset(words), tuple(item)


def _source(item: Nodes, reader: NestedQuery) -> Source:
    while item and item[0].text in ("lateral", "only"):
        item = item[1:]
    if not item:
        return Source(_UNKNOWN, is_table=False)
    first, rest = item[0], item[1:]
    name, is_qualified, spelled = first.name, False, first.text
    while len(rest) > 1 and rest[0].text == ".":
        name, rest, is_qualified, spelled = rest[1].name, rest[2:], True, f"{spelled}.{rest[1].text}"
    if rest and rest[0].text == "*":
        rest = rest[1:]
    is_call = bool(rest) and rest[0].inside is not None
    given, names = _alias(rest)
    alias = given or name or _UNKNOWN
    # A WITH clause goes before a table of that name.
    named = () if is_qualified else (cte for cte in reversed(list(reader.scope)) if cte.name == name)
    if query.is_query(first):
        inner = query.in_brackets(first)
    elif (cte := next(iter(named), None)) is not None:
        inner, names = cte.query, names or cte.columns
    else:
        is_table = name is not None and not is_call
        return Source(alias, is_table=is_table, table=spelled if is_table else None, names=names)
    nested = selection.NestedQuery(inner, (*reader.around, reader.query))
    return Source(alias, is_table=False, has_one_row=has_one_row(inner), inner=nested, names=names)


def _alias(rest: Nodes) -> tuple[str | None, tuple[str, ...]]:
    """Return the alias after a source, and the names of columns in brackets after that."""
    if rest and rest[0].text == "as":
        rest = rest[1:]
    if not rest or rest[0].text in _NO_ALIASES:
        return None, ()
    alias, following = rest[0].name, rest[1].inside if len(rest) > 1 else None
    if alias is None or following is None:
        return alias, ()
    return alias, tuple(part[0].name or _UNKNOWN for part in query.split(following) if part)


def has_one_row(subquery: Query) -> bool:
    """Whether a query returns one row at most."""
    if [node.text for node in subquery.clause("limit")] == ["1"]:
        return True
    listed = subquery.clause("select")
    return (
        bool(listed) and listed[0].text in _AGGREGATES and "group" not in subquery.clauses and not subquery.is_compound
    )


class Repetition(Enum):
    """Why a query may return a row of a table more than once."""

    SETS = "it is made by UNION and the like, or a row counts in several of its groups"
    JOIN = "it joins"
    WRITE = "it returns what it writes"


def repetitions(nested: NestedQuery) -> Iterator[Repetition]:
    """Yield why a query, or one that it reads from, may return a row of a table more than once."""
    for each, read in readings(nested, without_single_rows=True):
        if each.query.is_compound or groups_repeatedly(each.query):
            yield Repetition.SETS
        if each.query.writes:
            yield Repetition.WRITE
        if len(read) > 1:
            yield Repetition.JOIN


def multiplies(source: Source) -> bool:
    """Whether a source may give a row of a table more than once."""
    return source.inner is not None and not source.has_one_row and any(True for _ in repetitions(source.inner))


def repeats_rows(nested: NestedQuery) -> bool:
    """Whether a query, or one that it reads from, may return a key several times by UNION or sets of groups."""
    return Repetition.SETS in repetitions(nested)


def repeats_alike(subquery: Query, key: Nodes, table: str | None) -> bool:
    """Whether rows with the same key are the same in all that a query returns; `table` is what the key is of."""
    wanted = query.normal(key)
    outputs = selection.columns(subquery)
    return bool(outputs) and all(
        query.normal(output.nodes) == wanted or (table is not None and set(_aliases(output.nodes)) == {table})
        for output in outputs
    )


_SETS = frozenset({"grouping", "rollup", "cube"})


def groups_repeatedly(subquery: Query) -> bool:
    """Whether a row counts in several groups."""
    return any(node.text in _SETS for node in subquery.clause("group"))


def is_union(subquery: Query) -> bool:
    """Whether a query returns more than the rows of its first part."""
    return subquery.is_compound and any(node.text == "union" for node in subquery.nodes)


def keeps_duplicates(subquery: Query) -> bool:
    """Whether the parts of a query may return the same row: by `union all` and the like."""
    nodes = subquery.nodes
    return any(
        node.text in ("union", "intersect", "except") and following.text == "all" for node, following in pairwise(nodes)
    )


def is_grouped(subquery: Query, key: Nodes) -> bool:
    """Whether a query itself returns one row for each key."""
    wanted = query.normal(key)
    listed = subquery.clause("select")
    groups = query.split(subquery.clause("group"))
    if len(groups) == 1 and groups[0] and query.normal(selection.output(groups[0], subquery)) == wanted:
        return True
    if not listed or listed[0].text != "distinct":
        return False
    outputs = [output.nodes for output in selection.columns(subquery)]
    if len(listed) > 2 and listed[1].text == "on" and listed[2].inside is not None:
        outputs = query.split(listed[2].inside)
    return len(outputs) == 1 and query.normal(selection.output(outputs[0], subquery)) == wanted


def _aliases(nodes: Nodes) -> Iterator[str]:
    """Yield the sources that an expression is computed from; a column without one cannot be known."""
    for place, node in enumerate(nodes):
        before = nodes[place - 1].text if place else ""
        following = nodes[place + 1] if place + 1 < len(nodes) else None
        if node.inside is not None:
            yield from _aliases(node.inside)
        elif node.name is None or before in (".", "::") or (following is not None and following.inside is not None):
            continue
        elif following is not None and following.text == ".":
            yield nodes[place].name or _UNKNOWN
        elif node.text not in ("true", "false", "null"):
            yield _UNKNOWN
