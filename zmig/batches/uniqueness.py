"""Which columns are unique among the rows of a query, as far as its text and the catalog say. Pure.

A key of a table stays unique where each of the other sources gives at most one row for each row of the others: it is
looked up by a unique key of its own, or has one row only. Queries that are read like tables have keys by GROUP BY,
DISTINCT, UNION and `row_number()`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from zmig.batches import expressions, joins, query, selection
from zmig.batches.expressions import written
from zmig.sql import script
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.batches.joins import Source
    from zmig.batches.query import Nodes
    from zmig.batches.selection import NestedQuery, Output

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
    _: KW_ONLY
    not_null: frozenset[str]
    whole: frozenset[str]
    """The columns that hold whole numbers."""
    keys: tuple[frozenset[str], ...]
    """The columns and expressions of each unique index, and its condition."""
    is_view: bool = False


@valueclass
class Catalog:
    """What the server knows of the names in one statement."""

    tables: Mapping[str, Table]
    """By their names as the query spells them."""
    repeating: frozenset[str] = frozenset()
    """The functions that return several rows."""
    _scopes: dict[tuple[int, int], _Scope] = field(
        default_factory=dict[tuple[int, int], "_Scope"], init=False, repr=False, compare=False
    )

    def scope(self, nested: NestedQuery) -> _Scope:
        """Return a query of the statement with all that it reads from: read once, however many queries read it."""
        if nested.span not in self._scopes:
            self._scopes[nested.span] = _Scope(nested, self)
        return self._scopes[nested.span]


@valueclass
class _Relation:
    """A source, with what is known of it."""

    alias: str
    columns: tuple[str | None, ...] | None
    _: KW_ONLY
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
    conditions = expressions.conjuncts(_parsed(condition)) if condition is not None else ()
    return frozenset([*(written(_parsed(part)) for part in parts), *(_CONDITION + written(one) for one in conditions)])


def _parsed(text: str) -> Nodes:
    return next((query.parse(one) for one in script.split(text, path="")), ())


def tables(nested: NestedQuery) -> Iterator[str]:
    """Yield the names of the tables that a query reads, those in brackets and WITH clauses as well."""
    for _, read in joins.readings(nested):
        yield from (source.table for source in read if source.table is not None)


def calls(nested: NestedQuery) -> Iterator[str]:
    """Yield the names of the functions that a query and those it reads from call for their results."""
    for each, _ in joins.readings(nested):
        yield from expressions.called(each.query.clause("select"))


def is_key(nested: NestedQuery, spelled: Nodes, catalog: Catalog) -> bool:
    """Whether an expression differs for any two rows that a query returns."""
    scope = catalog.scope(nested)
    wanted = scope.distinguished_by(spelled)
    if any(key <= wanted for key in scope.keys):
        return True
    named = query.column(spelled)
    names = {
        output.name
        for output in scope.outputs
        if query.normal(output.nodes) == query.normal(spelled)
        or (nested.query.is_compound and named is not None and output.name == named[1])
    }
    return any(key <= names for key in _of_query(scope))


def nullable(nested: NestedQuery, row: Nodes, catalog: Catalog) -> str | None:
    """Return a column among several in brackets that may be null; casts do not count."""
    scope = catalog.scope(nested)
    parts = map(expressions.uncast, query.split(query.bare(row)))
    columns = (part for part in parts if query.column(part) is not None)
    return next((written(part) for part in columns if not scope.is_not_null(part)), None)


def is_whole(nested: NestedQuery, spelled: Nodes, catalog: Catalog) -> bool:
    """Whether an expression is a column of whole numbers."""
    return catalog.scope(nested).is_whole(spelled)


def owner(nested: NestedQuery, spelled: Nodes, catalog: Catalog) -> str | None:
    """Return the source that an expression is computed from, if it is one."""
    scope = catalog.scope(nested)
    alias = scope.element(spelled)[0]
    return alias if any(relation.alias == alias for relation in scope.relations) else None


def stays_unique(nested: NestedQuery, alias: str, catalog: Catalog) -> bool:
    """Whether no other source takes a row of a source more than once."""
    scope = catalog.scope(nested)
    return any(alias == relation.alias and scope.is_determined_by(relation) for relation in scope.relations)


def is_computed(nested: NestedQuery, spelled: Nodes, catalog: Catalog) -> bool:
    """Whether a key is an expression, here or in what the query reads from."""
    column = query.column(spelled)
    if column is None:
        return True
    alias = owner(nested, spelled, catalog)
    inner = next((one.inner for one in joins.sources(nested) if one.alias == alias and not one.names), None)
    if inner is None or inner.query.command != "select" or inner.query.is_compound:
        return False
    outputs = catalog.scope(inner).outputs
    underlying = next((output.nodes for output in outputs if output.name == column[1] and output.nodes), None)
    return underlying is not None and is_computed(inner, underlying, catalog)


class _Scope:
    """A query with all that it reads from."""

    def __init__(self, nested: NestedQuery, catalog: Catalog) -> None:
        self._catalog = catalog
        self.query = nested.query
        self.relations = [_relation(source, catalog) for source in joins.sources(nested)]
        self._aliases = frozenset(relation.alias for relation in self.relations)
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
        return not self._catalog.repeating.isdisjoint(expressions.called(self.query.clause("select")))

    @property
    def outputs(self) -> list[Output]:
        """What it returns, with the columns that a star stands for; an output without nodes is not known."""
        outputs: list[Output] = []
        for output in selection.columns(self.query):
            words = [node.text for node in output.nodes[-2:]]
            if words in (["*"], [".", "*"]):  # and no product
                outputs += self._columns_of_star(output.nodes)
            else:
                outputs.append(output)
        return outputs

    def _columns_of_star(self, nodes: Nodes) -> Iterator[Output]:
        """Yield the columns that `*` or `t.*` stands for, as if each were written with its source."""
        alias, star = nodes[-3].name if len(nodes) > 2 else None, nodes[len(nodes) - 1]
        for relation in self.relations:
            if alias not in (None, relation.alias):
                continue
            if relation.columns is None:
                yield selection.Output((), None, is_named=False)
            for name in relation.columns or ():
                words = () if name is None else ((relation.alias, relation.alias), (".", None), (name, name))
                spelled = tuple(query.Node(text, star.start, star.end, name=known) for text, known in words)
                yield selection.Output(spelled, name, is_named=False)

    def is_determined_by(self, base: _Relation) -> bool:
        """Whether each row of a source meets at most one row of each of the others."""
        determined, size = {base.alias}, 0
        # A source that is looked up by a determined one is determined, too, and others may be looked up by that.
        while len(determined) > size:
            size = len(determined)
            equated = {each.element for each in self._equations if self._known(each.depends_on) <= determined}
            for relation in self.relations:
                looked_up = {name for alias, name in equated if alias == relation.alias}
                if any(key <= looked_up for key in relation.keys):
                    determined.add(relation.alias)
        return len(self._aliases) == len(self.relations) == len(determined)

    def _known(self, sources: frozenset[str]) -> frozenset[str]:
        """Return which of these it reads from, or is not known; a row of the others is given from around it."""
        return sources & (self._aliases | {_UNKNOWN})

    def element(self, nodes: Nodes) -> Element:
        """Return what an expression is, and of which source."""
        sources = set(self._sources(nodes))
        (alias,) = sources if len(sources) == 1 else (_OUTSIDE,)
        return alias, written(nodes)

    def grouped(self, item: Nodes) -> Nodes:
        """Return what an item of GROUP BY stands for: a column of a source goes before an output's alias."""
        item = query.bare(item)
        is_own = len(item) == 1 and any(item[0].name in (relation.columns or ()) for relation in self.relations)
        return item if is_own else selection.output(item, self.query)

    def distinguished_by(self, nodes: Nodes) -> Key:
        """Return what two rows have in common that share the value of an expression."""
        nodes = query.bare(nodes)
        return frozenset({self.element(nodes)}).union(*map(self.distinguished_by, self._parts(nodes)))

    def _parts(self, nodes: Nodes) -> list[Nodes]:
        """Return expressions that are the same where this one is the same."""
        joined = query.split(nodes, "||")
        if len(joined) > 1:
            # `1 || 12` is `11 || 2`: only with a constant between any two parts does each row keep a key of its own.
            is_parted = all(any(map(expressions.is_constant, pair)) for pair in pairwise(joined))
            return joined if is_parted and all(map(self._is_never_null, joined)) else []
        place = expressions.cast_place(nodes)
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
            return arguments[:1] if arguments and self.is_not_null(arguments[0]) else []
        return arguments if nodes[0].text in _FAITHFUL else []

    def _is_never_null(self, nodes: Nodes) -> bool:
        inner = expressions.uncast(nodes)
        if len(inner) == 2 and inner[0].text == "coalesce" and inner[1].inside:
            inner = query.split(inner[1].inside)[0]
        return expressions.is_constant(inner) or self.is_not_null(inner)

    def _is_faithful(self, inner: Nodes, kind: Nodes) -> bool:
        """Whether a cast to a type keeps different what was different."""
        name = kind[0].text if len(kind) == 1 else ""
        return name in ("text", "varchar", "numeric") or (name in expressions.WHOLE and self.is_whole(inner))

    def is_not_null(self, nodes: Nodes) -> bool:
        """Whether an expression is a column that is never null."""
        alias, name = self.element(nodes)
        return any(relation.alias == alias and name in relation.not_null for relation in self.relations)

    def is_whole(self, nodes: Nodes) -> bool:
        """Whether an expression is a column of whole numbers."""
        alias, name = self.element(nodes)
        return any(relation.alias == alias and name in relation.whole for relation in self.relations)

    def _sources(self, nodes: Nodes) -> Iterator[str]:
        """Yield the sources that an expression is computed from."""
        place = 0
        while place < len(nodes):
            node, start = nodes[place], place
            if node.text == "::":
                place = expressions.after_type(nodes, place + 1)
                continue
            while place + 2 < len(nodes) and nodes[place + 1].text == "." and node.name is not None:
                place += 2
            following = nodes[place + 1] if place + 1 < len(nodes) else None
            # A function's name is before brackets, a type's before a constant, as in `date '2026-01-01'`.
            is_column = following is None or (following.inside is None and not following.text.startswith("'"))
            if node.inside is not None:
                yield from self._sources(node.inside)
            elif node.name is None or not is_column or node.text in _NO_COLUMNS:
                pass
            elif place > start:
                yield nodes[place - 2].name or _UNKNOWN
            else:
                yield self._owner(node.name)
            place += 1

    def _owner(self, column: str) -> str:
        """Return the source that a column without one is of."""
        if len(self.relations) == 1:
            return self.relations[0].alias
        owners = [
            relation.alias for relation in self.relations if relation.columns is None or column in relation.columns
        ]
        return owners[0] if len(owners) == 1 or (owners and column in self._merged) else _UNKNOWN

    def _equated(self) -> Iterator[_Equation]:
        """Yield what the conditions of joins and WHERE set equal."""
        before: list[_Relation] = []
        joined = zip(joins.joined(self.query.clause("from")), self.relations, strict=True)
        for (words, item), relation in joined:
            yield from self._by_using(words, item, relation, before)
            place = next((place for place, node in enumerate(item) if node.text == "on"), len(item))
            # An outer join keeps the rows of the one side for which the condition does not hold: there it says of the
            # other side alone which of its rows are met, and nothing of all rows that the query returns.
            is_outer = not {"left", "full"}.isdisjoint(words)
            is_lasting = not is_outer and "right" not in words
            for part in expressions.conjuncts(item[place + 1 :]):
                for each in self._read(part, is_lasting=is_lasting):
                    if not is_outer or each.element[0] == relation.alias:
                        yield each
            before.append(relation)
        for part in expressions.conjuncts(self.query.clause("where")):
            yield from self._read(part, is_lasting=True)

    def _read(self, part: Nodes, *, is_lasting: bool) -> Iterator[_Equation]:
        """Yield what a condition says."""
        sides, is_of_nulls = expressions.equal_sides(part)
        for side, other in (sides, sides[::-1]) if sides else ():
            element = self.element(side)
            if element[0] in self._aliases and (not is_of_nulls or self.is_not_null(side)):
                yield _Equation(element, frozenset(self._sources(other)), is_lasting)
        sources = set(self._sources(part))
        if len(sources) == 1:  # it may be the condition of an index
            yield _Equation((sources.pop(), _CONDITION + written(part)), frozenset(), is_lasting)

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
_NO_COLUMNS = frozenset(
    {
        *("and", "or", "not", "is", "null", "true", "false", "in", "like", "ilike", "between", "distinct", "from"),
        *("case", "when", "then", "else", "end", "at", "time", "zone", "any", "all", "as", "collate"),
        *("current_date", "current_timestamp", "localtimestamp"),
    }
)


def _relation(source: Source, catalog: Catalog) -> _Relation:
    if source.inner is not None:
        columns, keys = _returned(source.inner, source.names, catalog)
        return _Relation(source.alias, columns, keys=tuple(keys))
    table = catalog.tables.get(source.table) if source.table is not None else None
    if table is None:
        return _Relation(source.alias, None)
    if source.names:  # other names for its columns
        return _Relation(source.alias, (*source.names, *table.columns[len(source.names) :]))
    return _Relation(source.alias, table.columns, keys=table.keys, not_null=table.not_null, whole=table.whole)


def _returned(
    nested: NestedQuery, names: Sequence[str], catalog: Catalog
) -> tuple[tuple[str | None, ...] | None, list[frozenset[str]]]:
    """Return the columns and the keys of a query, whose first columns may be given names."""
    if nested.query.command == "values":
        rows = [query.split(node.inside) for node in nested.query.nodes if node.inside is not None]
        count = len(rows[0]) if rows else 0
        columns = (*names, *(f"column{number + 1}" for number in range(count)[len(names) :]))[:count]
        values = [[row[number] for row in rows if number < len(row)] for number in range(count)]
        return columns, [frozenset({name}) for name, listed in zip(columns, values, strict=True) if _differ(listed)]
    if nested.query.command != "select":
        return None, []
    scope = catalog.scope(nested)
    outputs, keys = scope.outputs, _of_query(scope)
    own = [output.name for output in outputs]
    if not own or any(not output.nodes for output in outputs):
        return None, [key for key in keys if not names]
    renamed = {old: new for old, new in zip(own, names, strict=False) if old is not None}
    columns = (*names, *own[len(names) :])
    return columns, [frozenset(renamed.get(name, name) for name in key) for key in keys]


def _differ(values: Sequence[Nodes]) -> bool:
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
    whole = [names] if all(output.name is not None and output.nodes for output in outputs) else []
    if [node.text for node in one.clause("limit")] == ["1"]:
        return [frozenset()]
    keys = whole if one.is_compound and not joins.keeps_duplicates(one) else []
    if joins.is_union(one):
        return keys
    listed = one.clause("select")
    if listed and listed[0].text == "distinct":
        if len(listed) > 2 and listed[1].text == "on" and listed[2].inside is not None:
            items = query.split(listed[2].inside)
            keys = [*keys, *_shown([selection.output(query.bare(item), one) for item in items], scope)]
        else:
            keys = [*keys, *whole]
    return [*keys, *([] if scope.repeats else _of_rows(scope))]


def _of_rows(scope: _Scope) -> Iterator[frozenset[str]]:
    """Yield what is unique without DISTINCT: by GROUP BY, by keys of what is read, or by `row_number()`."""
    one = scope.query
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
    for output in scope.outputs:
        if [node.text for node in output.nodes] != ["row_number", "(", "over", "("] or output.name is None:
            continue
        window = output.nodes[3].inside or ()
        order = next((place for place, node in enumerate(window) if node.text == "order"), len(window))
        parted = query.split(window[2:order]) if window and window[0].text == "partition" else []
        if parted or order == 0:  # and not by the name of a window that is defined elsewhere
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
