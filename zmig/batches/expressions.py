"""How the expressions and conditions of a query are written: one form for the same, casts, what is set equal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.batches.query import Node, Nodes


def written(nodes: Nodes) -> str:
    """Return an expression without the names of sources and without casts to text, as one form for the same."""
    return " ".join(_words(query.bare(nodes)))


_OF_TYPE = frozenset({"varying", "precision", "with", "without", "time", "zone"})
_TEXTS = frozenset({"text", "varchar", "character"})


def _words(nodes: Nodes) -> Iterator[str]:
    place = 0
    while place < len(nodes):
        node = nodes[place]
        before = nodes[place - 1] if place else None
        following = nodes[place + 1].text if place + 1 < len(nodes) else ""
        if following == "." and node.name is not None:
            place += 2
            continue
        # The server writes casts into the definition of an index that nobody writes into a query.
        if node.text == "::" and (following in _TEXTS or (before is not None and before.text[:1] in "'0123456789")):
            place = after_type(nodes, place + 1)
            continue
        if node.inside is None:
            yield node.name if node.name is not None else node.text
        elif node.text == "(" and len(node.inside) == 1 and (before is None or before.name is None):
            yield from _words(node.inside)
        else:
            yield from (node.text, *_words(node.inside), ")")
        place += 1


def after_type(nodes: Nodes, place: int) -> int:
    """Return the place after the type that begins at one, as in `::timestamp(3) with time zone`."""
    place += 1
    while place < len(nodes) and (nodes[place].text in _OF_TYPE or nodes[place].inside is not None):
        place += 1
    return place


def called(nodes: Nodes) -> Iterator[str]:
    """Yield the names of the functions that are called, outside of queries in brackets."""
    for place, node in enumerate(nodes):
        if node.inside is not None and not query.is_query(node):
            before = nodes[place - 1].name if place and node.text == "(" else None
            if before is not None:
                yield before
            yield from called(node.inside)


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
    """Yield the conditions in a part; nothing for one with `or`, either side of which may be what holds."""
    inside = query.bare(part)
    if any(node.text == "or" for node in inside):
        return
    if inside != part:
        yield from conjuncts(inside)
    elif part:
        yield part


_NOT_SAME = frozenset({"any", "all", "some", "isnull", "notnull", "random", "gen_random_uuid", "clock_timestamp"})
"""Words by which a column equals one of several values, none, or another one for each row."""


def equal_sides(part: Nodes) -> tuple[tuple[Nodes, Nodes] | None, bool]:
    """Return what a condition says is equal, and whether it is where both are null, too."""
    sides = query.split(part, "=")
    words = [node.text for node in part]
    if not _NOT_SAME.isdisjoint(query.words(part)):
        return None, False
    if len(sides) == 2 and all(sides):
        return ((sides[0], sides[1]) if {"not", "is"}.isdisjoint(words) else None), False
    for place, node in enumerate(part):
        if node.text == "in" and place == len(part) - 2 and words[place - 1] != "not":
            listed = part[-1].inside or ()
            if place and listed and not query.is_query(part[-1]) and len(query.split(listed)) == 1:
                return (part[:place], listed), False
        if place and words[place : place + 4] == ["is", "not", "distinct", "from"] and part[place + 4 :]:
            other = part[place + 4 :]
            is_plain = {"not", "is"}.isdisjoint([*words[:place], *words[place + 4 :]])
            return ((part[:place], other) if is_plain else None), True
    return None, False


WHOLE = frozenset({"int", "integer", "int2", "int4", "int8", "bigint", "smallint"})
"""The types of whole numbers."""


def is_whole_cast(ordered: Nodes, key: Nodes) -> bool:
    """Whether an expression is a key cast to a whole number, whose order is the key's if that is one, too."""
    place = cast_place(ordered)
    is_cast = place is not None and ordered[-1].text in WHOLE
    return is_cast and query.normal(uncast(ordered)) == query.normal(key)


def uncast(nodes: Nodes) -> Nodes:
    """Return an expression without casts."""
    nodes = query.bare(nodes)
    while len(nodes) == 2 and nodes[0].text == "cast" and nodes[1].inside:
        nodes = query.bare(query.split(nodes[1].inside, "as")[0])
    place = cast_place(nodes)
    return nodes if place is None else uncast(nodes[:place])


def cast_place(nodes: Nodes) -> int | None:
    """Return where the type begins that an expression as a whole is cast to."""
    place = next((place for place in reversed(range(1, len(nodes))) if nodes[place].text == "::"), None)
    if place is None or after_type(nodes, place + 1) != len(nodes):
        return None
    # A cast binds more closely than any other operator: after one it is of the last part alone.
    has_operator = any(
        node.name is None and node.inside is None and node.text not in (".", "::") for node in nodes[: place - 1]
    )
    return None if has_operator else place


def is_constant(nodes: Nodes) -> bool:
    """Whether these are a number or a string."""
    return len(nodes) == 1 and nodes[0].name is None and nodes[0].inside is None
