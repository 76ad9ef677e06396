"""Whether the key of a table stays unique where other tables are joined to it, as far as a query's text tells. Pure.

It does where each of them gives at most one row for each row of the others: it is looked up by a unique key of its own,
or has one row only. Which keys are unique, the server knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.frozen import frozen
from zmig.sql import choice, query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from zmig.sql.choice import Found
    from zmig.sql.query import Node, Nodes, Query


@frozen
class Source:
    """What a query reads from: a table, or something else."""

    alias: str
    is_table: bool
    has_one_row: bool = False
    inner: Found | None = None
    """The query that it stands for."""


@frozen
class Equation:
    """A column of a source that is said to equal something."""

    alias: str
    column: str
    depends_on: frozenset[str]
    """The sources that the other side is of."""


_UNKNOWN = "?"
_JOINING = frozenset(["join", "left", "right", "full", "inner", "cross", "natural", "outer"])
_NO_ALIASES = frozenset({"on", "using", "tablesample", "where", "as"})
_AGGREGATES = frozenset({"count", "max", "min", "sum", "avg", "bool_and", "bool_or"})


def sources(found: Found) -> list[Source]:
    """Return what a query reads from."""
    return [_source(item, found) for item in _items(found.query.clause("from"))]


def _items(nodes: Nodes) -> Iterator[Nodes]:
    item: list[Node] = []
    for node in nodes:
        if node.text == "," or node.text in _JOINING:
            if item:
                yield tuple(item)
            item = []
        else:
            item.append(node)
    if item:
        yield tuple(item)


def _source(item: Nodes, reader: Found) -> Source:
    while item and item[0].text in ("lateral", "only"):
        item = item[1:]
    first, rest = (item[0] if item else None), item[1:]
    if first is None:
        return Source(_UNKNOWN, is_table=False)
    name, is_qualified = first.name, False
    while len(rest) > 1 and rest[0].text == ".":
        name, rest, is_qualified = rest[1].name, rest[2:], True
    if rest and rest[0].text == "*":
        rest = rest[1:]
    alias = _alias(rest) or name or _UNKNOWN
    inner = query.of(first) if query.is_query(first) else None if is_qualified else _named(name, reader)
    if inner is not None:
        return Source(alias, False, _has_one_row(inner), choice.Found(inner, (*reader.around, reader.query)))
    is_call = bool(rest) and rest[0].inside is not None
    return Source(alias, name is not None and not is_call)


def _named(name: str | None, reader: Found) -> Query | None:
    """Return the query that a WITH clause gives this name: one may be called as the table it reads."""
    return next((cte.query for cte in reversed(list(reader.scope)) if cte.name == name), None)


def _alias(rest: Nodes) -> str | None:
    if rest and rest[0].text == "as":
        rest = rest[1:]
    return rest[0].name if rest and rest[0].text not in _NO_ALIASES else None


def _has_one_row(one: Query) -> bool:
    if [node.text for node in one.clause("limit")] == ["1"]:
        return True
    listed = one.clause("select")
    return bool(listed) and listed[0].text in _AGGREGATES and "group" not in one.clauses and not one.is_compound


def multiplies(source: Source) -> bool:
    """Whether a source may give a row of a table more than once."""
    if source.inner is None or source.has_one_row:
        return False
    if source.inner.query.is_compound or source.inner.query.writes:
        return True
    read = sources(source.inner)
    return len(read) > 1 or any(multiplies(one) for one in read)


def repeats_alike(one: Query, key: Nodes, table: str | None) -> bool:
    """Whether rows with the same key are the same in all that a query returns; `table` is what the key is of."""
    wanted = query.normal(key)
    outputs = choice.columns(one)
    return bool(outputs) and all(
        query.normal(output.nodes) == wanted or (table is not None and set(_aliases(output.nodes)) == {table})
        for output in outputs
    )


def called(nodes: Nodes) -> Iterator[str]:
    """Yield the names of the functions that are called, outside of queries in brackets."""
    for place, node in enumerate(nodes):
        if node.inside is not None and not query.is_query(node):
            before = nodes[place - 1].name if place and node.text == "(" else None
            if before is not None:
                yield before
            yield from called(node.inside)


def is_grouped(one: Query, key: Nodes) -> bool:
    """Whether a query itself returns one row for each key."""
    wanted = query.normal(key)
    listed = one.clause("select")
    groups = query.split(one.clause("group"))
    if len(groups) == 1 and groups[0] and query.normal(choice.output(groups[0], one)) == wanted:
        return True
    if not listed or listed[0].text != "distinct":
        return False
    outputs = [output.nodes for output in choice.columns(one)]
    if len(listed) > 2 and listed[1].text == "on" and listed[2].inside is not None:
        outputs = query.split(listed[2].inside)
    return len(outputs) == 1 and query.normal(choice.output(outputs[0], one)) == wanted


def equations(reader: Found) -> list[Equation]:
    """Return the conditions of a query that hold for all of its rows and set a column equal to something."""
    found: list[Equation] = []
    for part in _conjuncts(choice.conditions(reader.query)):
        sides = query.split(part, "=")
        if len(sides) == 2 and all(sides):
            for side, other in (sides, sides[::-1]):
                column = query.column(side)
                if column is not None and column[0] is not None:
                    found.append(Equation(column[0], column[1], frozenset(_aliases(other))))
    return [*found, *_by_using(reader)]


def _conjuncts(nodes: Nodes) -> Iterator[Nodes]:
    """Yield conditions that `and` joins; in a FROM clause, one ends where the next source begins."""
    part: list[Node] = []
    for node in nodes:
        if node.text in ("and", "on", ",") or node.text in _JOINING:
            yield from _unbracketed(tuple(part))
            part = []
        else:
            part.append(node)
    yield from _unbracketed(tuple(part))


def _unbracketed(part: Nodes) -> Iterator[Nodes]:
    inside = query.bare(part)
    if any(node.text == "or" for node in inside):
        return
    if inside != part:
        yield from _conjuncts(inside)
    elif part:
        yield part


def _aliases(nodes: Nodes) -> Iterator[str]:
    """Yield the sources that an expression is computed from; a column without one cannot be told."""
    for place, node in enumerate(nodes):
        before = nodes[place - 1].text if place else ""
        behind = nodes[place + 1] if place + 1 < len(nodes) else None
        if node.inside is not None:
            yield from _aliases(node.inside)
        elif node.name is None or before in (".", "::") or (behind is not None and behind.inside is not None):
            continue
        elif behind is not None and behind.text == ".":
            yield nodes[place].name or _UNKNOWN
        elif node.text not in ("true", "false", "null"):
            yield _UNKNOWN


def _by_using(reader: Found) -> Iterator[Equation]:
    """Yield the columns that `using` sets equal to those of the sources before."""
    before: list[str] = []
    for item in _items(reader.query.clause("from")):
        alias = _source(item, reader).alias
        for place, node in enumerate(item[:-1]):
            inside = item[place + 1].inside
            if node.text == "using" and inside is not None:
                for part in query.split(inside):
                    if part and part[0].name is not None:
                        yield Equation(alias, part[0].name, frozenset(before[-1:]))
        before.append(alias)


def stays_unique(
    alias: str,
    read: Sequence[Source],
    known: Collection[Equation],
    unique: Mapping[str, Collection[frozenset[str]]],
) -> bool:
    """Whether each row of one source meets at most one row of each of the others; `unique` are their unique keys."""
    settled = {alias, *(source.alias for source in read if source.has_one_row)}
    while more := {
        source.alias
        for source in read
        if source.alias not in settled
        and any(key <= _looked_up(source.alias, known, settled) for key in unique.get(source.alias, ()))
    }:
        settled |= more
    return all(source.alias in settled for source in read)


def _looked_up(alias: str, known: Collection[Equation], settled: Collection[str]) -> frozenset[str]:
    return frozenset(one.column for one in known if one.alias == alias and one.depends_on <= frozenset(settled))
