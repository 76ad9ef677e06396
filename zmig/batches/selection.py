"""Which rows the rounds of a batched statement choose, as far as its text says. Pure.

A round begins after `:cursor` and takes `:size` rows. Two queries matter, and mostly are one: that which compares a
key with `:cursor`, and that which takes no more than `:size`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches import query
from zmig.batches.query import CURSOR, SIZE, Node, Nodes, Query
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import KW_ONLY

    from zmig.batches.query import Cte
    from zmig.sql.statement import Statement


@valueclass
class Comparison:
    """A key that is compared with `:cursor`, as if the key were on the left."""

    operator: str
    key: Nodes
    bound: Nodes
    _: KW_ONLY
    is_exact: bool
    """Whether it is compared with the cursor itself, and not with something that is computed from it."""
    collation: str | None
    start: int
    end: int

    @property
    def is_lower(self) -> bool:
        """Whether it keeps the rows after the cursor."""
        return self.operator in (">", ">=")


@valueclass
class NestedQuery:
    """A query, with those around it, the outermost first."""

    query: Query
    around: tuple[Query, ...] = ()

    @property
    def span(self) -> tuple[int, int]:
        """Where it begins and ends in the text: no two queries of a statement have both in common."""
        return self.query.start, self.query.end

    @property
    def scope(self) -> Iterator[Cte]:
        """Yield the named queries that it may read."""
        for outer in (*self.around, self.query):
            for cte in outer.ctes:
                if outer is self.query or cte.end <= self.query.start:
                    yield cte


@valueclass
class Choice:
    """How the rows of a round are chosen."""

    root: Query
    queries: tuple[NestedQuery, ...]
    """Every query of the statement."""
    _: KW_ONLY
    compared: NestedQuery | None
    """The query that compares the key with `:cursor`."""
    comparisons: tuple[Comparison, ...]
    limited: NestedQuery | None
    """The query that takes `:size` rows."""

    @property
    def chooser(self) -> NestedQuery | None:
        """The query whose rows are those of a round."""
        return self.limited or self.compared

    @property
    def lower(self) -> Comparison | None:
        """The comparison after which a round begins."""
        return next(
            (comparison for comparison in self.comparisons if comparison.is_lower and comparison.is_exact), None
        )

    @property
    def is_descending(self) -> bool:
        """Whether the rounds go from the greatest key to the least."""
        return self.lower is None and any(
            comparison.is_exact and not comparison.is_lower for comparison in self.comparisons
        )

    @property
    def upper(self) -> Comparison | None:
        """The end of the interval of keys that a round takes, as in `id <= :cursor + :size`."""
        if self.limited is not None:
            return None
        for comparison in self.comparisons:
            cursor, *added = query.split(comparison.bound, "+")
            if (
                added
                and not comparison.is_lower
                and not comparison.is_exact
                and _is_cursor(cursor)
                and query.holds(comparison.bound, SIZE)
            ):
                return comparison
        return None

    @property
    def key(self) -> Nodes | None:
        """The key, as the query spells it that compares it."""
        first = self.lower or next(iter(self.comparisons), None)
        return first.key if first is not None else None

    @property
    def row(self) -> Node | None:
        """Several columns in brackets that are compared together, where no single key is compared with `:cursor`."""
        return self._row[1] if self._row is not None else None

    @property
    def row_descends(self) -> bool:
        """Whether the rounds go from the greatest of several columns to the least."""
        return self._row is not None and self._row[0] in ("<", "<=")

    @property
    def _row(self) -> tuple[str, Node] | None:
        if self.compared is not None or self.limited is None:
            return None
        nodes = conditions(self.limited.query)
        for place, node in enumerate(nodes):
            if node.text in _MIRRORED:
                sides = _before(nodes, place), _after(nodes, place)
                for operator, side, other in ((node.text, *sides), (_MIRRORED.get(node.text, ""), *sides[::-1])):
                    if _is_row(side) and query.holds(other, CURSOR) and not query.holds(side, CURSOR):
                        return operator, side[-1]
        return None

    @property
    def key_name(self) -> str | None:
        """What makes the key a different one: a column's name, or how the expression is written, and the direction."""
        if self.key is None:
            return None
        column = query.column(self.key)
        name = column[1] if column is not None else " ".join(query.words(self.key))
        return f"{name} desc" if self.is_descending else name

    @property
    def order(self) -> Order | None:
        """What the query is ordered by that takes `:size` rows."""
        return self.orders[0] if self.orders else None

    @property
    def orders(self) -> list[Order]:
        """What it is ordered by; what is the same for all of its rows is left out."""
        if self.limited is None:
            return []
        chooser = self.limited.query
        items = [_order(item, chooser) for item in query.split(chooser.clause("order")) if item]
        # Of `where kind = 'a'`, both sides are the same for all rows.
        pairs = equated(conditions(chooser))
        constant = {side for pair in pairs for side in pair if any(map(_is_literal, pair))}
        return [item for item in items if query.normal(item.key) not in constant] or items[:1]

    @property
    def takes_ties(self) -> bool:
        """Whether a round takes all rows of its last key; by a second item of ORDER BY they would not be ties."""
        clause = self.limited.query.clause("fetch") if self.limited is not None else ()
        return query.holds(clause, "ties") and len(self.orders) == 1

    @property
    def inserts(self) -> bool:
        """Whether it writes a row for each that is chosen, however often."""
        return any(one.query.command in ("insert", "merge") for one in self.queries)

    @property
    def is_only(self) -> bool:
        """Whether it reads one table without those that inherit from it."""
        read = (one.query for one in (self.compared, self.limited) if one is not None)
        return any(query.holds(one.clause(word), "only") for one in read for word in ("from", "target"))

    @property
    def leaves_out_nulls(self) -> bool:
        """Whether it says that rows without a key are left out."""
        key = query.column(self.key) if self.key else None
        return key is not None and self.leaves_out_nulls_of(key[1])

    def leaves_out_nulls_of(self, column: str) -> bool:
        """Whether it says that rows are left out where a column is null."""
        return any(column in _not_null(conditions(one.query)) for one in self.queries)

    @property
    def changed(self) -> Iterator[tuple[str, Nodes]]:
        """Yield the columns that an UPDATE changes of a table whose key is compared, each with the assignment."""
        if self.compared is None:
            return
        read = {_table(self.compared.query.clause(word)) for word in ("from", "target")} - {None}
        for nested in self.queries:
            if nested.query.command == "update" and _table(nested.query.clause("target")) in read:
                for item in query.split(nested.query.clause("set")):
                    yield from _assigned(item)


@valueclass
class Order:
    """The first item of an ORDER BY."""

    key: Nodes
    """An output column's number or alias is replaced by what it stands for; nothing where that is not known."""
    _: KW_ONLY
    is_descending: bool
    collation: str | None
    start: int
    end: int


def _not_null(nodes: Nodes) -> Iterator[str]:
    """Yield the columns that are said not to be null."""
    for place, node in enumerate(nodes):
        if node.text == "is" and [one.text for one in nodes[place + 1 : place + 3]] == ["not", "null"]:
            column = query.column(_before(nodes, place))
            if column is not None:
                yield column[1]
        elif node.inside is not None and not query.is_query(node):
            yield from _not_null(node.inside)


def _assigned(item: Nodes) -> Iterator[tuple[str, Nodes]]:
    """Yield what an item of SET assigns, unless it is the column itself."""
    if len(item) < 3 or item[1].text != "=":
        return
    first, value = item[0], query.column(item[2:])
    for name in [first.name] if first.inside is None else [node.name for node in first.inside]:
        if name is not None and (value is None or value[1] != name):
            yield name, item


def _table(nodes: Nodes) -> str | None:
    """Return the name of the table that these begin with."""
    nodes = nodes[1:] if nodes and nodes[0].text == "only" else nodes
    while len(nodes) > 2 and nodes[1].text == ".":
        nodes = nodes[2:]
    return nodes[0].name if nodes else None


def read(statement: Statement) -> Choice:
    """Return how a statement chooses its rows."""
    root = query.read(statement)
    queries = tuple(_walk(root, ()))
    counted = ((each, (*each.query.clause("limit"), *each.query.clause("fetch"))) for each in queries)
    limited = next((each for each, clause in counted if query.holds(clause, SIZE)), None)
    candidates = [limited] if limited is not None else []
    for candidate in (*candidates, *queries):
        comparisons = tuple(_comparisons(conditions(candidate.query)))
        if comparisons:
            return Choice(root, queries, compared=candidate, comparisons=comparisons, limited=limited)
    return Choice(root, queries, compared=None, comparisons=(), limited=limited)


def _walk(subquery: Query, around: tuple[Query, ...]) -> Iterator[NestedQuery]:
    """Yield a query and those in it, each after the one around it."""
    yield NestedQuery(subquery, around)
    inner = (*around, subquery)
    for cte in subquery.ctes:
        yield from _walk(cte.query, inner)
    chosen = query.chooser_of_insert(subquery) if subquery.command == "insert" else None
    for below in (chosen,) if chosen is not None else query.nested(subquery.nodes):
        yield from _walk(below, inner)


def conditions(subquery: Query) -> Nodes:
    """Return all that says which rows a query sees: its FROM, for the joins, and its WHERE."""
    gap = Node("and", 0, 0)
    return (
        *subquery.clause("from"),
        gap,
        *subquery.clause("using"),
        gap,
        *subquery.clause("where"),
        gap,
        *subquery.clause("having"),
    )


_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_NEGATED = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}
_JOINING = ("on", "join", "inner", "left", "right", "full", "cross", "natural")
_EDGES = frozenset({"where", "and", "or", "not", "having", "when", "then", "else", "case", ",", "=", "<>", *_JOINING})


def _comparisons(nodes: Nodes, *, is_negated: bool = False) -> Iterator[Comparison]:
    for place, node in enumerate(nodes):
        if node.text in _MIRRORED or node.text == "between":
            left = _before(nodes, place)
            # `not (a < 1)` and `not a < 1`: the brackets that a NOT is before may be any number of levels up.
            negated = is_negated != _is_not(nodes, place - len(left))
            for operator, key, bound in _sides(nodes, place, left):
                yield from _comparison(_NEGATED[operator] if negated else operator, key, bound)
        elif node.inside is not None and not query.is_query(node):
            yield from _comparisons(node.inside, is_negated=is_negated != _is_not(nodes, place))


def compared_rows(subquery: Query) -> Node | None:
    """Return the row of several values, one of which is `:cursor`, that a query compares."""
    nodes = conditions(subquery)
    for place, node in enumerate(nodes):
        if node.text in _MIRRORED:
            for side in (_before(nodes, place), _after(nodes, place)):
                parts = query.split(side[-1].inside) if side and side[-1].inside is not None else []
                if len(parts) > 1 and any(_is_cursor(part) for part in parts) and not _is_call(side):
                    return side[-1]
    return None


def _is_row(nodes: Nodes) -> bool:
    """Whether these are several values in brackets."""
    inside = nodes[-1].inside if nodes else None
    return inside is not None and any(node.text == "," for node in inside) and not _is_call(nodes)


def _is_call(nodes: Nodes) -> bool:
    """Whether the brackets that these end with are those of a function, as in `coalesce(:cursor, 0)`."""
    return len(nodes) > 1 and nodes[-2].name is not None and nodes[-2].text != "row"


def _sides(nodes: Nodes, place: int, left: Nodes) -> Iterator[tuple[str, Nodes, Nodes]]:
    """Yield what is compared by the operator at a place; BETWEEN is two comparisons, NOT BETWEEN none of a round's."""
    right = _after(nodes, place)
    if nodes[place].text != "between":
        yield nodes[place].text, left, right
    elif left and left[-1].text != "not":
        yield ">=", left, right
        yield "<=", left, _after(nodes, place + len(right) + 1)


def _comparison(operator: str, left: Nodes, right: Nodes) -> Iterator[Comparison]:
    """Yield the comparison of a key with `:cursor`, which may be on either side; none of anything else."""
    if query.holds(left, CURSOR, deep=False):
        operator, left, right = _MIRRORED[operator], right, left
    if not left or not query.holds(right, CURSOR, deep=False) or query.holds(left, CURSOR, deep=False):
        return
    key, collation = _without_collation(left)
    bound, other = _without_collation(right)
    if any(node.text == "," for node in (*key, *bound)):  # rows are compared, of several columns
        return
    start, end = min(left[0].start, right[0].start), max(left[-1].end, right[-1].end)
    yield Comparison(
        operator, key, bound, is_exact=_is_cursor(bound), collation=collation or other, start=start, end=end
    )


def _before(nodes: Nodes, place: int) -> Nodes:
    """Return the expression that ends before a place."""
    start = place
    while start > 0 and nodes[start - 1].text not in _EDGES:
        start -= 1
    return nodes[start:place]


def _after(nodes: Nodes, place: int) -> Nodes:
    """Return the expression that begins after a place."""
    end = place + 1
    while end < len(nodes) and nodes[end].text not in _EDGES:
        end += 1
    return nodes[place + 1 : end]


def _is_not(nodes: Nodes, place: int) -> bool:
    return place > 0 and nodes[place - 1].text == "not"


def _without_collation(nodes: Nodes) -> tuple[Nodes, str | None]:
    nodes = query.bare(nodes)
    for place, node in enumerate(nodes):
        if node.text == "collate" and place:
            return query.bare(nodes[:place]), nodes[-1].name
    return nodes, None


def _is_cursor(nodes: Nodes) -> bool:
    """Whether these are `:cursor` and nothing else, but that it may be cast."""
    nodes = query.bare(nodes)
    if len(nodes) == 2 and nodes[0].text == "cast" and nodes[1].inside is not None:
        return _is_cursor(nodes[1].inside[:1])
    if not nodes or nodes[0].text != CURSOR:
        return False
    is_cast = len(nodes) > 1 and nodes[1].text == "::" and not any(node.text[0] in "+-*/%|" for node in nodes)
    return len(nodes) == 1 or is_cast


def _order(item: Nodes, chooser: Query) -> Order:
    """Return what an item of ORDER BY says, such as `lower(t.name) collate "C" desc nulls last`."""
    start, end = item[0].start, item[-1].end
    words = [node.text for node in item]
    if "nulls" in words[1:]:
        item = item[: words.index("nulls", 1)]
    is_descending = item[-1].text == "desc"
    if len(item) > 1 and item[-1].text in ("asc", "desc"):
        item = item[:-1]
    if len(item) > 2 and item[-2].text == "using":
        is_descending, item = item[-1].text != "<", item[:-2]
    key, collation = _without_collation(item)
    return Order(output(key, chooser), is_descending=is_descending, collation=collation, start=start, end=end)


def output(key: Nodes, chooser: Query) -> Nodes:
    """Return what an output column stands for; other expressions as they are."""
    if len(key) != 1:
        return key
    outputs = columns(chooser)
    if key[0].text.isdigit():
        number = int(key[0].text)
        is_known = number <= len(outputs) and not any(
            one.nodes[-1].text == "*" for one in outputs[:number] if one.nodes
        )
        return outputs[number - 1].nodes if is_known and number else ()
    return next((one.nodes for one in outputs if one.is_named and one.name == key[0].name), key)


@valueclass
class Output:
    """An item of a SELECT list or of RETURNING."""

    nodes: Nodes
    name: str | None
    is_named: bool
    """Whether it was given its name by an alias."""


def columns(subquery: Query, clause: str = "select") -> list[Output]:
    """Return what a query returns."""
    nodes = subquery.clause(clause)
    if clause == "select" and nodes and nodes[0].text in ("distinct", "all"):
        nodes = nodes[1:]
        if nodes and nodes[0].text == "on":
            nodes = nodes[2:]
    return [_named(item) for item in query.split(nodes) if item]


def _named(item: Nodes) -> Output:
    """Return an item with the name that it is given, with AS or without, or that of the column that it is."""
    last = item[-1]
    if len(item) > 2 and item[-2].text == "as":
        return Output(item[:-2], last.name, is_named=True)
    before = item[-2].text if len(item) > 1 else "."
    if (
        last.name is not None
        and last.text != "end"
        and before not in (".", "::", "collate")
        and before[0] not in "+-*/%|<>="
    ):
        return Output(item[:-1], last.name, is_named=True)
    column = query.column(item)
    return Output(item, column[1] if column is not None else None, is_named=False)


Normal = tuple[object, ...]


def equated(nodes: Nodes) -> Iterator[tuple[Normal, Normal]]:
    """Yield what is said to be equal among these, outside of queries in brackets."""
    for place, node in enumerate(nodes):
        if node.text == "=":
            left, right = _before(nodes, place), _after(nodes, place)
            if left and right:
                yield query.normal(left), query.normal(right)
        elif node.inside is not None and not query.is_query(node):
            yield from equated(node.inside)


def _is_literal(side: Normal) -> bool:
    return bool(side) and isinstance(side[0], str) and side[0][:1] in "'$0123456789"
