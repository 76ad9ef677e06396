"""Which columns are unique among the rows of a query, as far as its text and the catalog say. Pure.

A key of a table stays unique where each of the other sources gives at most one row for each row of the others: it is
looked up by a unique key of its own, or has one row only. Queries that are read like tables have keys by GROUP BY,
DISTINCT, UNION and `row_number()`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.batches import joins, query, selection
from zmig.sql import script
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.batches.joins import Source
    from zmig.batches.query import Nodes, Query
    from zmig.batches.selection import Found, Output

Element = tuple[str, str]
"""A source's alias, and a column of it, an expression or a condition as `written` puts them."""
Key = frozenset[Element]

_OUTSIDE = ""
"""The source of what is computed from several."""
_UNKNOWN = "?"
_CONDITION = "where "


@valueclass
class Table:
    """A table, as the catalog has it."""

    columns: tuple[str, ...]
    not_null: frozenset[str]
    whole: frozenset[str]
    """The columns that hold whole numbers."""
    keys: tuple[frozenset[str], ...]
    """The columns and expressions of each unique index, and its condition."""
    is_view: bool = False


@valueclass
class Catalog:
    """What the server knows of the names in a query."""

    tables: Mapping[str, Table]
    """By their names as the query spells them."""
    repeating: frozenset[str] = frozenset()
    """The functions that return several rows."""


@valueclass
class _Relation:
    """A source, with what is known of it."""

    alias: str
    columns: tuple[str | None, ...] | None
    keys: tuple[frozenset[str], ...] = ()
    not_null: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()


@valueclass
class _Equation:
    """Something of a source that is said to equal something, or a condition on it alone."""

    element: Element
    depends_on: frozenset[str]
    """The sources that the other side is of."""
    is_lasting: bool
    """Whether it holds for all rows that the query returns."""


def index_key(parts: Sequence[str], condition: str | None) -> frozenset[str]:
    """Return the key that a unique index makes, of its columns and expressions and the condition on its rows."""
    conditions = joins.conjuncts(_parsed(condition)) if condition is not None else ()
    return frozenset([*(written(_parsed(part)) for part in parts), *(_CONDITION + written(one) for one in conditions)])


def _parsed(text: str) -> Nodes:
    return next((query.parse(one) for one in script.split(text, path="")), ())


def tables(found: Found) -> Iterator[str]:
    """Yield the names of the tables that a query reads, those in brackets and WITH clauses as well."""
    for source in joins.sources(found):
        if source.inner is not None:
            yield from tables(source.inner)
        elif source.table is not None:
            yield source.table


def calls(found: Found) -> Iterator[str]:
    """Yield the names of the functions that a query and those it reads from call for their results."""
    yield from joins.called(found.query.clause("select"))
    for source in joins.sources(found):
        if source.inner is not None:
            yield from calls(source.inner)


def is_key(found: Found, spelled: Nodes, catalog: Catalog) -> bool:
    """Whether an expression differs for any two rows that a query returns."""
    scope = _Scope(found, catalog)
    wanted = scope.distinguished_by(spelled)
    if any(key <= wanted for key in scope.keys):
        return True
    named = query.column(spelled)
    names = {
        output.name
        for output in scope.outputs
        if query.normal(output.nodes) == query.normal(spelled)
        or (found.query.is_compound and named is not None and output.name == named[1])
    }
    return any(key <= names for key in _of_query(scope))


def nullable(found: Found, row: Nodes, catalog: Catalog) -> str | None:
    """Return a column among several in brackets that may be null."""
    return _Scope(found, catalog).nullable(row)


def is_whole_cast(ordered: Nodes, key: Nodes) -> bool:
    """Whether an expression is a key cast to a whole number, whose order is the key's if that is one, too."""
    place = _cast(ordered)
    is_cast = place is not None and ordered[-1].text in _WHOLE
    return is_cast and query.normal(_uncast(ordered)) == query.normal(key)


def is_whole(found: Found, spelled: Nodes, catalog: Catalog) -> bool:
    """Whether an expression is a column of whole numbers."""
    return _Scope(found, catalog).is_whole(spelled)


def owner(found: Found, spelled: Nodes, catalog: Catalog) -> str | None:
    """Return the source that an expression is computed from, if it is one."""
    scope = _Scope(found, catalog)
    alias = scope.element(spelled)[0]
    return alias if any(one.alias == alias for one in scope.relations) else None


def stays_unique(found: Found, alias: str, catalog: Catalog) -> bool:
    """Whether no other source takes a row of a source more than once."""
    scope = _Scope(found, catalog)
    return any(alias == one.alias and scope.is_determined_by(one) for one in scope.relations)


def is_computed(found: Found, spelled: Nodes, catalog: Catalog) -> bool:
    """Whether a key is an expression, here or in what the query reads from."""
    column = query.column(spelled)
    if column is None:
        return True
    alias = owner(found, spelled, catalog)
    inner = next((one.inner for one in joins.sources(found) if one.alias == alias and not one.names), None)
    if inner is None or inner.query.command != "select" or inner.query.is_compound:
        return False
    outputs = _Scope(inner, catalog).outputs
    underlying = next((output.nodes for output in outputs if output.name == column[1] and output.nodes), None)
    return underlying is not None and is_computed(inner, underlying, catalog)


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
        if node.text == "::" and (following in _TEXTS or (before is not None and before.text[:1] in "'0123456789")):
            place = _after_type(nodes, place + 1)
            continue
        if node.inside is None:
            yield node.name if node.name is not None else node.text
        elif node.text == "(" and len(node.inside) == 1 and (before is None or before.name is None):
            yield from _words(node.inside)
        else:
            yield from (node.text, *_words(node.inside), ")")
        place += 1


def _after_type(nodes: Nodes, place: int) -> int:
    place += 1
    while place < len(nodes) and (nodes[place].text in _OF_TYPE or nodes[place].inside is not None):
        place += 1
    return place


class _Scope:
    """A query with all that it reads from."""

    def __init__(self, found: Found, catalog: Catalog) -> None:
        self._found = found
        self._catalog = catalog
        self.query = found.query
        self.relations = [_relation(source, catalog) for source in joins.sources(found)]
        self._aliases = frozenset(one.alias for one in self.relations)
        self._merged: set[str] = set()
        """The columns that `using` and `natural` make one."""
        self._equations = list(self._equated())

    @property
    def keys(self) -> Iterator[Key]:
        """Yield what is unique among its rows; without what is the same for all of them."""
        one = self.query
        if one.command != "select" or joins.is_union(one) or joins.groups_repeatedly(one) or self.repeats:
            return
        same = {each.element for each in self._equations if each.is_lasting and not self._known(each.depends_on)}
        for base in self.relations:
            if self.is_determined_by(base):
                for key in base.keys:
                    yield frozenset((base.alias, name) for name in key) - same

    @property
    def repeats(self) -> bool:
        """Whether it calls a function that returns several rows for each of its own."""
        return not self._catalog.repeating.isdisjoint(joins.called(self.query.clause("select")))

    @property
    def outputs(self) -> list[Output]:
        """What it returns, with the columns that a star stands for; an output without nodes is not known."""
        found: list[Output] = []
        for output in selection.columns(self.query):
            if _is_star(output.nodes):
                found += self._star(output)
            else:
                found.append(output)
        return found

    def _star(self, output: Output) -> Iterator[Output]:
        star, *qualifier = reversed(output.nodes)
        alias = qualifier[1].name if len(qualifier) > 1 else None
        for one in self.relations:
            if alias in (None, one.alias):
                for name in one.columns if one.columns is not None else (None,):
                    if name is None:
                        yield selection.Output((), None, is_named=False)
                    else:
                        nodes = tuple(
                            query.Node(text, star.start, star.end, None if text == "." else text)
                            for text in (one.alias, ".", name)
                        )
                        yield selection.Output(nodes, name, is_named=False)

    def is_determined_by(self, base: _Relation) -> bool:
        """Whether each row of a source meets at most one row of each of the others."""
        determined = {base.alias}
        while more := {
            one.alias
            for one in self.relations
            if one.alias not in determined and any(key <= self._looked_up(one.alias, determined) for key in one.keys)
        }:
            determined |= more
        return len(self._aliases) == len(self.relations) == len(determined)

    def _looked_up(self, alias: str, determined: set[str]) -> set[str]:
        return {
            one.element[1]
            for one in self._equations
            if one.element[0] == alias and self._known(one.depends_on) <= determined
        }

    def _known(self, sources: frozenset[str]) -> frozenset[str]:
        """Return which of these it reads from, or is not known; a row of the others is given from around it."""
        return sources & (self._aliases | {_UNKNOWN})

    def element(self, nodes: Nodes) -> Element:
        """Return what an expression is, and of which source."""
        sources = self._sources(nodes)
        (alias,) = sources if len(sources) == 1 else (_OUTSIDE,)
        return alias, written(nodes)

    def grouped(self, item: Nodes) -> Nodes:
        """Return what an item of GROUP BY stands for: a column of a source goes before an output's alias."""
        item = query.bare(item)
        is_own = len(item) == 1 and any(item[0].name in (one.columns or ()) for one in self.relations)
        return item if is_own else selection.output(item, self.query)

    def distinguished_by(self, nodes: Nodes) -> Key:
        """Return what two rows have in common that share the value of an expression."""
        nodes = query.bare(nodes)
        return frozenset({self.element(nodes)}).union(*map(self.distinguished_by, self._parts(nodes)))

    def _parts(self, nodes: Nodes) -> list[Nodes]:
        """Return expressions that are the same where this one is the same."""
        joined = query.split(nodes, "||")
        if len(joined) > 1:
            is_parted = all(_is_constant(part) or _is_constant(following) for part, following in pairwise(joined))
            return joined if is_parted and all(map(self._is_never_null, joined)) else []
        place = _cast(nodes)
        if place is not None:
            inner = nodes[:place]
            return [inner] if self._is_faithful(inner, nodes[place + 1 :]) else []
        if any(node.text == "," for node in nodes):
            return [part for part in query.split(nodes) if part]
        if len(nodes) != 2 or nodes[1].inside is None:
            return []
        arguments = [part for part in query.split(nodes[1].inside) if part]
        if nodes[0].text == "cast":
            inner, *kind = query.split(nodes[1].inside, "as")
            return [inner] if inner and kind and self._is_faithful(inner, kind[0]) else []
        if nodes[0].text == "coalesce":
            return arguments[:1] if arguments and self._is_not_null(arguments[0]) else []
        return arguments if nodes[0].text in _FAITHFUL else []

    def _is_never_null(self, nodes: Nodes) -> bool:
        inner = _uncast(nodes)
        if len(inner) == 2 and inner[0].text == "coalesce" and inner[1].inside:
            inner = query.split(inner[1].inside)[0]
        return _is_constant(inner) or self._is_not_null(inner)

    def _is_faithful(self, inner: Nodes, kind: Nodes) -> bool:
        """Whether a cast to a type keeps different what was different."""
        name = kind[0].text if len(kind) == 1 else ""
        return name in ("text", "varchar", "numeric") or (name in _WHOLE and self._is_of(inner, "whole"))

    def _is_not_null(self, nodes: Nodes) -> bool:
        return self._is_of(nodes, "not_null")

    def is_whole(self, nodes: Nodes) -> bool:
        """Whether an expression is a column of whole numbers."""
        return self._is_of(nodes, "whole")

    def nullable(self, row: Nodes) -> str | None:
        """Return a column among several in brackets that may be null; casts do not count."""
        parts = [part for part in map(_uncast, query.split(query.bare(row))) if query.column(part) is not None]
        return next((written(part) for part in parts if not self._is_not_null(part)), None)

    def _is_of(self, nodes: Nodes, which: str) -> bool:
        alias, name = self.element(nodes)
        return any(one.alias == alias and name in getattr(one, which) for one in self.relations)

    def _sources(self, nodes: Nodes) -> frozenset[str]:
        return frozenset(self._named(nodes))

    def _named(self, nodes: Nodes) -> Iterator[str]:
        """Yield the sources that an expression is computed from."""
        place = 0
        while place < len(nodes):
            node, start = nodes[place], place
            if node.text == "::":
                place = _after_type(nodes, place + 1)
                continue
            while place + 2 < len(nodes) and nodes[place + 1].text == "." and node.name is not None:
                place += 2
            following = nodes[place + 1] if place + 1 < len(nodes) else None
            # A function's name is before brackets, a type's before a constant, as in `date '2026-01-01'`.
            is_column = following is None or (following.inside is None and not following.text.startswith("'"))
            if node.inside is not None:
                yield from self._named(node.inside)
            elif node.name is None or not is_column or node.text in _NO_COLUMNS:
                pass
            elif place > start:
                yield nodes[place - 2].name or _UNKNOWN
            else:
                yield self._owner(node.name)
            place += 1

    def _owner(self, name: str) -> str:
        """Return the source that a column without one is of."""
        owners = [one.alias for one in self.relations if one.columns is None or name in one.columns]
        if len(self.relations) == 1:
            return self.relations[0].alias
        return owners[0] if len(owners) == 1 or (owners and name in self._merged) else _UNKNOWN

    def _equated(self) -> Iterator[_Equation]:
        before: list[_Relation] = []
        joined = zip(joins.joined(self.query.clause("from")), self.relations, strict=True)
        for (words, item), relation in joined:
            yield from self._by_using(words, item, relation, before)
            place = next((place for place, node in enumerate(item) if node.text == "on"), len(item))
            is_outer = not {"left", "full"}.isdisjoint(words)
            is_lasting = not is_outer and "right" not in words
            for part in joins.conjuncts(item[place + 1 :]):
                for each in self._read(part, is_lasting=is_lasting):
                    if not is_outer or each.element[0] == relation.alias:
                        yield each
            before.append(relation)
        for part in joins.conjuncts(self.query.clause("where")):
            yield from self._read(part, is_lasting=True)

    def _read(self, part: Nodes, *, is_lasting: bool) -> Iterator[_Equation]:
        """Yield what a condition says."""
        sides, is_of_nulls = _sides(part)
        for side, other in (sides, sides[::-1]) if sides else ():
            element = self.element(side)
            if element[0] in self._aliases and (not is_of_nulls or self._is_not_null(side)):
                yield _Equation(element, self._sources(other), is_lasting)
        sources = self._sources(part)
        if len(sources) == 1:
            yield _Equation((next(iter(sources)), _CONDITION + written(part)), frozenset(), is_lasting)

    def _by_using(
        self, words: frozenset[str], item: Nodes, relation: _Relation, before: Sequence[_Relation]
    ) -> Iterator[_Equation]:
        """Yield the columns that `using` and `natural` set equal to those of the sources before."""
        names: set[str | None] = set()
        for node, following in pairwise(item):
            if node.text == "using" and following.inside is not None:
                names = {part[0].name for part in query.split(following.inside) if part}
        if "natural" in words:
            names = {name for one in before for name in one.columns or ()} & set(relation.columns or ())
        for name in (name for name in names if name is not None):
            self._merged.add(name)
            for other in before:
                if other.columns is None or name in other.columns:
                    yield _Equation((relation.alias, name), frozenset({other.alias}), is_lasting=False)
                    yield _Equation((other.alias, name), frozenset({relation.alias}), is_lasting=False)


_FAITHFUL = frozenset({"row", "max", "min"})
"""Functions whose results differ where the arguments do, as far as they are used for keys."""
_WHOLE = frozenset({"int", "integer", "int2", "int4", "int8", "bigint", "smallint"})
_NO_COLUMNS = frozenset(
    {
        *("and", "or", "not", "is", "null", "true", "false", "in", "like", "ilike", "between", "distinct", "from"),
        *("case", "when", "then", "else", "end", "at", "time", "zone", "any", "all", "as", "collate"),
        *("current_date", "current_timestamp", "localtimestamp"),
    }
)


_NOT_SAME = frozenset({"any", "all", "some", "isnull", "notnull", "random", "gen_random_uuid", "clock_timestamp"})
"""Words by which a column equals one of several values, none, or another one for each row."""


def _uncast(nodes: Nodes) -> Nodes:
    """Return an expression without casts."""
    nodes = query.bare(nodes)
    while len(nodes) == 2 and nodes[0].text == "cast" and nodes[1].inside:
        nodes = query.bare(query.split(nodes[1].inside, "as")[0])
    place = _cast(nodes)
    return nodes if place is None else _uncast(nodes[:place])


def _cast(nodes: Nodes) -> int | None:
    """Return where the type begins that an expression as a whole is cast to."""
    place = next((place for place in reversed(range(1, len(nodes))) if nodes[place].text == "::"), None)
    is_whole = place is not None and _after_type(nodes, place + 1) == len(nodes) and not _has_operator(nodes[:place])
    return place if is_whole else None


def _has_operator(nodes: Nodes) -> bool:
    """Whether a cast after these is one of their last part alone."""
    return any(node.name is None and node.inside is None and node.text not in (".", "::") for node in nodes[:-1])


def _is_constant(nodes: Nodes) -> bool:
    return len(nodes) == 1 and nodes[0].name is None and nodes[0].inside is None


def _is_star(nodes: Nodes) -> bool:
    """Whether these are `*` or `t.*`, and no product."""
    words = [node.text for node in nodes[-2:]]
    return words == ["*"] or words == [".", "*"]


def _sides(part: Nodes) -> tuple[tuple[Nodes, Nodes] | None, bool]:
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


def _relation(source: Source, catalog: Catalog) -> _Relation:
    if source.inner is not None:
        columns, keys = _returned(source.inner, source.names, catalog)
        return _Relation(source.alias, columns, tuple(keys))
    table = catalog.tables.get(source.table) if source.table is not None else None
    if table is None:
        return _Relation(source.alias, None)
    if source.names:  # other names for its columns
        return _Relation(source.alias, (*source.names, *table.columns[len(source.names) :]))
    return _Relation(source.alias, table.columns, table.keys, table.not_null, table.whole)


def _returned(
    found: Found, names: Sequence[str], catalog: Catalog
) -> tuple[tuple[str | None, ...] | None, list[frozenset[str]]]:
    """Return the columns and the keys of a query, whose first columns may be given names."""
    one = found.query
    if one.command == "values":
        return _of_values(one, names)
    if one.command != "select":
        return None, []
    scope = _Scope(found, catalog)
    outputs, keys = scope.outputs, _of_query(scope)
    own = [output.name for output in outputs]
    if not own or any(not output.nodes for output in outputs):
        return None, [key for key in keys if not names]
    renamed = {old: new for old, new in zip(own, names, strict=False) if old is not None}
    columns = (*names, *own[len(names) :])
    return columns, [frozenset(renamed.get(name, name) for name in key) for key in keys]


def _of_values(one: Query, names: Sequence[str]) -> tuple[tuple[str | None, ...], list[frozenset[str]]]:
    rows = [query.split(node.inside) for node in one.nodes if node.inside is not None]
    count = len(rows[0]) if rows else 0
    columns = [names[number] if number < len(names) else f"column{number + 1}" for number in range(count)]
    keys = [
        frozenset({name})
        for number, name in enumerate(columns)
        if _are_different([row[number] for row in rows if number < len(row)])
    ]
    return tuple(columns), keys


def _are_different(values: Sequence[Nodes]) -> bool:
    """Whether these are constants of one kind, and no two alike."""
    texts = [value[0].text for value in values if len(value) == 1]
    is_known = all(text.isdigit() for text in texts) or all(text.startswith("'") for text in texts)
    plain = {text.lstrip("0") if text.isdigit() else text for text in texts}
    return is_known and len(plain) == len(values)


def _of_query(scope: _Scope) -> list[frozenset[str]]:
    """Return what is unique among the rows that a query returns, by the names of its columns."""
    one = scope.query
    if one.command != "select":
        return []
    outputs = scope.outputs
    names = frozenset(output.name for output in outputs if output.name is not None)
    is_named = all(output.name is not None and output.nodes for output in outputs)
    if [node.text for node in one.clause("limit")] == ["1"]:
        return [frozenset()]
    whole = [names] if one.is_compound and is_named and not joins.keeps_duplicates(one) else []
    if joins.is_union(one):
        return whole
    return [
        *whole,
        *_distinct(one, scope, names if is_named else None),
        *([] if scope.repeats else _of_rows(one, scope)),
    ]


def _distinct(one: Query, scope: _Scope, names: frozenset[str] | None) -> Iterator[frozenset[str]]:
    listed = one.clause("select")
    if not listed or listed[0].text != "distinct":
        return
    if len(listed) > 2 and listed[1].text == "on" and listed[2].inside is not None:
        items = query.split(listed[2].inside)
        yield from _shown([selection.output(query.bare(item), one) for item in items], scope)
    elif names is not None:
        yield names


def _of_rows(one: Query, scope: _Scope) -> Iterator[frozenset[str]]:
    groups = [item for item in query.split(one.clause("group")) if item]
    if groups and not joins.groups_repeatedly(one):
        yield from _shown([scope.grouped(item) for item in groups], scope)
    if joins.has_one_row(one):
        yield frozenset()
    known = [(output.name, scope.distinguished_by(output.nodes)) for output in scope.outputs]
    for key in scope.keys:
        shown = [next((name for name, by in known if name is not None and part in by), None) for part in key]
        if None not in shown:
            yield frozenset(name for name in shown if name is not None)
    yield from _numbered(scope)


def _numbered(scope: _Scope) -> Iterator[frozenset[str]]:
    """Yield the keys that `row_number() over (partition by ...)` makes."""
    for output in scope.outputs:
        nodes = output.nodes
        words = [node.text for node in nodes]
        if words != ["row_number", "(", "over", "("] or output.name is None:
            continue
        window = nodes[3].inside or ()
        order = next((place for place, node in enumerate(window) if node.text == "order"), len(window))
        parted = query.split(window[2:order]) if window and window[0].text == "partition" else []
        if parted or order == 0:
            yield from (key | {output.name} for key in _shown(parted, scope))


def _shown(items: Sequence[Nodes], scope: _Scope) -> Iterator[frozenset[str]]:
    """Yield the names under which a query returns all of these, if it does."""
    known = [(output.name, scope.distinguished_by(output.nodes)) for output in scope.outputs if output.nodes]
    names: list[str] = []
    for item in items:
        wanted = scope.element(item)
        name = next((name for name, by in known if name is not None and wanted in by), None)
        if name is None:
            return
        names.append(name)
    yield frozenset(names)
