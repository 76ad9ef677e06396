"""What a query reads, with the columns that it certainly uses, and what it gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import tree
from zmig.lint.replay.objects import Table, View
from zmig.valueclass import field, slotted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.objects import Type
    from zmig.lint.replay.statement_replay import StatementReplay
    from zmig.lint.replay.tree import Message
    from zmig.sql.token_reader import Name


class Output(NamedTuple):
    """A column of what a query gives back."""

    name: str
    type: Type | None = None


class _Source(NamedTuple):
    """Something in a FROM."""

    alias: str
    relation: Name | None
    columns: tuple[Output, ...] | None
    """None where they are not known."""

    def has(self, column: str) -> bool:
        return self.columns is not None and any(one.name == column for one in self.columns)


@slotted
class Query:
    """What was read out of a query."""

    uses: dict[Name, set[str]] = field(default_factory=dict["Name", "set[str]"])
    outputs: tuple[Output, ...] | None = None
    """None where they are not all known."""


_Tables = dict[str, "tuple[Output, ...] | None"]


def read(select: pg.SelectStmt, replay: StatementReplay) -> Query:
    """Return what a query reads. Raises StatementFails where a table that it names certainly does not exist."""
    query = Query()
    query.outputs = _Reading(replay, query).select(select, {}, ())
    return query


def _in_common(left: tuple[Output, ...], right: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return the columns of two queries taken together, of a type where both have the same."""
    others = [one.type for one in right] + [None] * len(left)
    return tuple(
        Output(one.name, one.type if one.type == other else None) for one, other in zip(left, others, strict=False)
    )


class _Reading:
    def __init__(self, replay: StatementReplay, query: Query) -> None:
        self._replay = replay
        self._query = query

    def select(self, select: pg.SelectStmt, tables: _Tables, outer: tuple[_Source, ...]) -> tuple[Output, ...] | None:
        tables = self._with(select.with_clause, tables, outer)
        if select.op in tree.SET_OPERATIONS:
            left, right = (self.select(one, tables, outer) for one in (select.larg, select.rarg))
            return None if left is None else _in_common(left, right or ())
        sources: list[_Source] = []
        for node in select.from_clause:
            self._from(node, tables, outer, sources)
        scope = (*sources, *outer)
        for part in (*select.target_list, *select.values_lists, *select.group_clause, *select.sort_clause):
            self.expressions(part, tables, scope)
        for part in (select.where_clause, select.having_clause, *select.window_clause, *select.distinct_clause):
            self.expressions(part, tables, scope)
        for node in select.from_clause:
            self._conditions(node, tables, scope)
        if select.values_lists:
            width = len(select.values_lists[0].list.items)
            return tuple(Output(f"column{number}") for number in range(1, width + 1))
        return self._outputs(select.target_list, sources)

    def _with(self, clause: pg.WithClause, tables: _Tables, outer: tuple[_Source, ...]) -> _Tables:
        if not clause.ctes:
            return tables
        tables = dict(tables)
        for node in clause.ctes:
            one = node.common_table_expr
            if clause.recursive:
                tables[one.ctename] = None
            outputs = None
            if one.ctequery.HasField("select_stmt"):
                outputs = self.select(one.ctequery.select_stmt, tables, outer)
            else:
                self.expressions(one.ctequery, tables, outer)
            tables[one.ctename] = renamed(outputs, tree.strings(one.aliascolnames))
        return tables

    def _from(self, node: pg.Node, tables: _Tables, outer: tuple[_Source, ...], sources: list[_Source]) -> None:
        match tree.kind_of(node):
            case "range_var":
                sources.append(self._relation(node.range_var, tables))
            case "join_expr":
                join = node.join_expr
                self._from(join.larg, tables, outer, sources)
                self._from(join.rarg, tables, outer, sources)
                for column in tree.strings(join.using_clause):
                    for one in sources:
                        if one.has(column):
                            self._use(one, column)
            case "range_subselect":
                part = node.range_subselect
                outputs = self.select(part.subquery.select_stmt, tables, (*sources, *outer))
                outputs = renamed(outputs, tree.strings(part.alias.colnames))
                sources.append(_Source(part.alias.aliasname, None, outputs))
            case "range_function":
                self.expressions(node, tables, (*sources, *outer))
                sources.append(_Source(node.range_function.alias.aliasname, None, None))
            case _:
                self.expressions(node, tables, (*sources, *outer))
                sources.append(_Source("", None, None))

    def _conditions(self, node: pg.Node, tables: _Tables, scope: tuple[_Source, ...]) -> None:
        if node.HasField("join_expr"):
            join = node.join_expr
            self.expressions(join.quals, tables, scope)
            self._conditions(join.larg, tables, scope)
            self._conditions(join.rarg, tables, scope)

    def _relation(self, relation: pg.RangeVar, tables: _Tables) -> _Source:
        alias = relation.alias.aliasname or relation.relname
        if not relation.schemaname and relation.relname in tables:
            return _Source(alias, None, tables[relation.relname])
        if relation.relname.startswith("pg_") or relation.schemaname in ("pg_catalog", "information_schema"):
            return _Source(alias, None, None)
        name = self._replay.relation(relation)
        self._query.uses.setdefault(name, set())
        return _Source(alias, name, _columns(name, self._replay))

    def expressions(self, message: Message, tables: _Tables, scope: tuple[_Source, ...]) -> None:
        """Take note of the columns that expressions use, and of the queries in them."""
        for one in tree.walk(message, leaves=(pg.SelectStmt,)):
            if isinstance(one, pg.SelectStmt):
                self.select(one, tables, scope)
            elif isinstance(one, pg.ColumnRef):
                self._reference(one, scope)
            elif isinstance(one, (pg.InsertStmt, pg.UpdateStmt, pg.DeleteStmt)):
                self._replay.relation(one.relation)

    def _reference(self, reference: pg.ColumnRef, scope: tuple[_Source, ...]) -> None:
        parts = tree.strings(reference.fields)
        is_star = len(parts) < len(reference.fields)
        qualifier = parts[-1:] if is_star else parts[-2:-1]
        among = [one for one in scope if not qualifier or one.alias == qualifier[0]]
        if is_star:
            for source in among:
                for output in source.columns or ():
                    self._use(source, output.name)
            return
        if not parts:
            return
        column = parts[-1]
        holding = [one for one in among if one.has(column)]
        unknown = [one for one in among if one.columns is None]
        if holding and not (unknown and not qualifier):
            self._use(holding[0], column)
        elif not holding and len(among) == 1 and unknown:
            self._use(unknown[0], column)

    def _use(self, source: _Source, column: str) -> None:
        if source.relation is not None:
            self._query.uses.setdefault(source.relation, set()).add(column)

    def _outputs(self, targets: Iterable[pg.Node], sources: list[_Source]) -> tuple[Output, ...] | None:
        outputs: list[Output] = []
        for node in targets:
            target = node.res_target
            value = target.val
            reference = value.column_ref if value.HasField("column_ref") else None
            parts = tree.strings(reference.fields) if reference is not None else []
            if reference is not None and len(parts) < len(reference.fields):
                among = [one for one in sources if not parts or one.alias == parts[-1]]
                if not among or any(one.columns is None for one in among):
                    return None
                outputs += (output for one in among for output in one.columns or ())
                continue
            outputs.append(Output(target.name or _name_of(value), self._type(value, sources)))
        return tuple(outputs)

    def _type(self, value: pg.Node, sources: list[_Source]) -> Type | None:
        if value.HasField("type_cast"):
            return self._replay.type(value.type_cast.type_name)
        column = tree.column(value)
        if column is None:
            return None
        types = [output.type for one in sources for output in one.columns or () if output.name == column]
        return types[0] if len(types) == 1 else None


def _columns(name: Name, replay: StatementReplay) -> tuple[Output, ...] | None:
    match replay.catalog.relation(name):
        case Table(is_whole=True) as table:
            return tuple(Output(one.name, one.type) for one in table.columns.values())
        case View(columns=columns) if columns is not None:
            return tuple(map(Output, columns))
        case _:
            return None


def _name_of(value: pg.Node) -> str:
    """Return what the server calls a column of a result that has no name."""
    match tree.kind_of(value):
        case "column_ref":
            return tree.column(value) or "?column?"
        case "func_call":
            return tree.name(value.func_call.funcname).name
        case "type_cast":
            inner = _name_of(value.type_cast.arg)
            return tree.name(value.type_cast.type_name.names).name if inner == "?column?" else inner
        case "case_expr":
            return "case"
        case "coalesce_expr":
            return "coalesce"
        case _:
            return "?column?"


def renamed(outputs: tuple[Output, ...] | None, names: list[str]) -> tuple[Output, ...] | None:
    """Return what a query gives back under other names, which may be fewer than its columns."""
    if outputs is None or not names:
        return outputs
    kept = outputs[len(names) :]
    return (*(Output(name, one.type) for name, one in zip(names, outputs, strict=False)), *kept)
