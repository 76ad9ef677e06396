"""What a query reads from, and how it joins and groups that, as far as its text says. Pure."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.batches import query, selection
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.batches.query import Cte, Node, Nodes, Query
    from zmig.batches.selection import Found


@valueclass
class Source:
    """What a query reads from: a table, or something else."""

    alias: str
    is_table: bool
    has_one_row: bool = False
    inner: Found | None = None
    """The query that it stands for."""
    table: str | None = None
    """The name of the table, as it is spelled."""
    names: tuple[str, ...] = ()
    """What its first columns are called after its alias."""


_UNKNOWN = "?"
_JOINING = frozenset(["join", "left", "right", "full", "inner", "cross", "natural", "outer"])
_NO_ALIASES = frozenset({"on", "using", "tablesample", "where", "as"})
_AGGREGATES = frozenset({"count", "max", "min", "sum", "avg", "bool_and", "bool_or"})


def sources(found: Found) -> list[Source]:
    """Return what a query reads from."""
    return [_source(item, found) for _, item in joined(found.query.clause("from"))]


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


def _source(item: Nodes, reader: Found) -> Source:
    while item and item[0].text in ("lateral", "only"):
        item = item[1:]
    first, rest = (item[0] if item else None), item[1:]
    if first is None:
        return Source(_UNKNOWN, is_table=False)
    name, is_qualified, spelled = first.name, False, first.text
    while len(rest) > 1 and rest[0].text == ".":
        name, rest, is_qualified, spelled = rest[1].name, rest[2:], True, f"{spelled}.{rest[1].text}"
    if rest and rest[0].text == "*":
        rest = rest[1:]
    alias = _alias(rest) or name or _UNKNOWN
    cte = None if is_qualified else _named(name, reader)
    inner = query.in_brackets(first) if query.is_query(first) else cte.query if cte is not None else None
    names = _names(rest) or (cte.columns if cte is not None else ())
    if inner is not None:
        found = selection.Found(inner, (*reader.around, reader.query))
        return Source(alias, False, has_one_row(inner), found, None, names)
    is_call = bool(rest) and rest[0].inside is not None
    is_table = name is not None and not is_call
    return Source(alias, is_table, False, None, spelled if is_table else None, names)


def _named(name: str | None, reader: Found) -> Cte | None:
    """Return what a WITH clause gives this name: a query may be called as the table it reads."""
    return next((cte for cte in reversed(list(reader.scope)) if cte.name == name), None)


def _names(rest: Nodes) -> tuple[str, ...]:
    """Return the names of columns in brackets after an alias."""
    if rest and rest[0].text == "as":
        rest = rest[1:]
    if len(rest) < 2 or rest[0].name is None or rest[0].text in _NO_ALIASES or rest[1].inside is None:
        return ()
    return tuple(part[0].name or _UNKNOWN for part in query.split(rest[1].inside) if part)


def _alias(rest: Nodes) -> str | None:
    if rest and rest[0].text == "as":
        rest = rest[1:]
    return rest[0].name if rest and rest[0].text not in _NO_ALIASES else None


def has_one_row(one: Query) -> bool:
    """Whether a query returns one row at most."""
    if [node.text for node in one.clause("limit")] == ["1"]:
        return True
    listed = one.clause("select")
    return bool(listed) and listed[0].text in _AGGREGATES and "group" not in one.clauses and not one.is_compound


def multiplies(source: Source) -> bool:
    """Whether a source may give a row of a table more than once."""
    if source.inner is None or source.has_one_row:
        return False
    inner = source.inner.query
    if inner.is_compound or inner.writes or groups_repeatedly(inner):
        return True
    read = sources(source.inner)
    return len(read) > 1 or any(multiplies(one) for one in read)


def repeats_alike(one: Query, key: Nodes, table: str | None) -> bool:
    """Whether rows with the same key are the same in all that a query returns; `table` is what the key is of."""
    wanted = query.normal(key)
    outputs = selection.columns(one)
    return bool(outputs) and all(
        query.normal(output.nodes) == wanted or (table is not None and set(_aliases(output.nodes)) == {table})
        for output in outputs
    )


def repeats_rows(found: Found) -> bool:
    """Whether a query, or one that it reads from, may return a key several times by UNION or sets of groups."""
    inner = (source.inner for source in sources(found) if source.inner is not None)
    one = found.query
    return one.is_compound or groups_repeatedly(one) or any(map(repeats_rows, inner))


_SETS = frozenset({"grouping", "rollup", "cube"})


def groups_repeatedly(one: Query) -> bool:
    """Whether a row counts in several groups."""
    return any(node.text in _SETS for node in one.clause("group"))


def is_union(one: Query) -> bool:
    """Whether a query returns more than the rows of its first part."""
    return one.is_compound and any(node.text == "union" for node in one.nodes)


def keeps_duplicates(one: Query) -> bool:
    """Whether the parts of a query may return the same row: by `union all` and the like."""
    nodes = one.nodes
    return any(
        node.text in ("union", "intersect", "except") and following.text == "all" for node, following in pairwise(nodes)
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
    if len(groups) == 1 and groups[0] and query.normal(selection.output(groups[0], one)) == wanted:
        return True
    if not listed or listed[0].text != "distinct":
        return False
    outputs = [output.nodes for output in selection.columns(one)]
    if len(listed) > 2 and listed[1].text == "on" and listed[2].inside is not None:
        outputs = query.split(listed[2].inside)
    return len(outputs) == 1 and query.normal(selection.output(outputs[0], one)) == wanted


def conjuncts(nodes: Nodes) -> Iterator[Nodes]:
    """Yield the conditions that `and` joins."""
    part: list[Node] = []
    for node in nodes:
        if node.text == "and":
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
        yield from conjuncts(inside)
    elif part:
        yield part


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
