"""How many of a table's rows a statement is about: all, some, or few that it names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import tree
from zmig.lint.replay.effects import Extent, Reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.lint.replay.objects import Table
    from zmig.lint.replay.statement_replay import StatementReplay

_KEY = re.compile(r"(?:.*_)?(?:id|key|code|slug|name|uuid|ctid|email|token)")
"""Columns by which single rows are named."""
_AGGREGATES = frozenset(
    {"array_agg", "avg", "bool_and", "bool_or", "count", "json_agg", "jsonb_agg", "max", "min", "sum"}
)
_RANGE = 10_000
"""So many rows at most are few: those of a batch."""
_SINGLE = frozenset({"a_const", "param_ref", "type_cast", "sql_value_function", "func_call"})
"""Expressions that are one value for all rows, unless they are about columns."""


def extent(where: pg.Node, table: Table | None = None, sources: Iterable[pg.Node] = ()) -> Extent:
    """Return how many rows a condition leaves; `sources` is what is beside the table in a FROM or USING."""
    if not tree.kind_of(where):
        return Extent.ALL
    given = [*sources]
    listed = {node.range_subselect.alias.aliasname for node in given if is_listed(node)}
    names_rows = any(
        _names_rows(one, table, listed, has_sources=len(listed) < len(given)) for one in _all_that_hold(where)
    )
    names_rows = names_rows or is_short_range(where)
    return Extent.FEW if names_rows else Extent.SOME


def is_short_range(where: pg.Node) -> bool:
    """Whether a condition leaves a range of a key between two numbers that are close to each other."""
    lowest: dict[str, int] = {}
    highest: dict[str, int] = {}
    for one in tree.comparisons(where):
        text = one.constants[0]
        if not _KEY.fullmatch(one.column) or not text.lstrip("-").isdigit():
            continue
        if one.operator in (">", ">="):
            lowest[one.column] = max(int(text), lowest.get(one.column, int(text)))
        elif one.operator in ("<", "<="):
            highest[one.column] = min(int(text), highest.get(one.column, int(text)))
    return any(highest[name] - lowest[name] <= _RANGE for name in lowest.keys() & highest.keys())


def is_listed(node: pg.Node) -> bool:
    """Whether the rows of a source are written in the statement."""
    return node.HasField("range_subselect") and bool(node.range_subselect.subquery.select_stmt.values_lists)


def _all_that_hold(where: pg.Node) -> Iterator[pg.Node]:
    if where.HasField("bool_expr") and where.bool_expr.boolop == pg.AND_EXPR:
        for part in where.bool_expr.args:
            yield from _all_that_hold(part)
    else:
        yield where


def _names_rows(node: pg.Node, table: Table | None, listed: set[str], *, has_sources: bool) -> bool:
    if node.HasField("current_of_expr"):
        return True
    if node.HasField("sub_link"):
        return _is_key(node.sub_link.testexpr) and _is_short(node.sub_link.subselect)
    if not node.HasField("a_expr") or tree.strings(node.a_expr.name)[-1:] != ["="]:
        return False
    one = node.a_expr
    if one.kind == pg.AEXPR_IN:
        return _is_key(one.lexpr)
    pairs = ((one.lexpr, one.rexpr), (one.rexpr, one.lexpr))
    return any(_is_key(left) and _is_one(right, table, listed, has_sources=has_sources) for left, right in pairs)


def _is_key(node: pg.Node) -> bool:
    named = tree.column(node)
    return named is not None and _KEY.fullmatch(named) is not None


def _is_short(node: pg.Node) -> bool:
    """Whether a query gives few rows, by its limit: as in the rounds of a batch."""
    return bool(tree.kind_of(node.select_stmt.limit_count))


def _is_one(node: pg.Node, table: Table | None, listed: set[str], *, has_sources: bool) -> bool:
    """Whether an expression is one value: a constant, a parameter, a variable of the code around."""
    if node.HasField("sub_link"):
        return node.sub_link.sub_link_type == pg.EXPR_SUBLINK
    if not node.HasField("column_ref"):
        return tree.kind_of(node) in _SINGLE and not any(
            isinstance(part, pg.ColumnRef) for part in tree.walk(tree.inner(node) or node)
        )
    parts = tree.strings(node.column_ref.fields)
    if len(parts) > 1:
        return parts[-2] in listed or not (has_sources or table is None or parts[-2] == table.name.name)
    return not has_sources and table is not None and bool(table.columns) and parts[-1] not in table.columns


def is_picked(where: pg.Node) -> bool:
    """Whether a condition asks for rows with a value that is written there, such as a status."""
    return any(_has_value(one) for one in _all_that_hold(where) if tree.kind_of(one))


def _has_value(node: pg.Node) -> bool:
    if not node.HasField("a_expr") or tree.strings(node.a_expr.name)[-1:] != ["="]:
        return False
    one = node.a_expr
    if one.kind == pg.AEXPR_IN:
        return one.lexpr.HasField("column_ref") and all(map(_is_value, one.rexpr.list.items))
    pairs = ((one.lexpr, one.rexpr), (one.rexpr, one.lexpr))
    return any(left.HasField("column_ref") and _is_value(right) for left, right in pairs)


def _is_value(node: pg.Node) -> bool:
    if node.HasField("type_cast"):
        return _is_value(node.type_cast.arg)
    return node.HasField("a_const") and not (node.a_const.HasField("boolval") or node.a_const.isnull)


def record_read(replay: StatementReplay, query: pg.SelectStmt) -> None:
    """Record which tables a query reads that neither a limit nor a key makes short."""
    is_short = tree.kind_of(query.limit_count) or extent(query.where_clause) is Extent.FEW
    if is_short or any(_sets_sequence(node) for node in query.target_list):
        return
    for node in query.from_clause:
        record_source(replay, node)


def record_source(replay: StatementReplay, source: pg.Node) -> None:
    """Record which tables are read for what is in a FROM or USING."""
    for part in tables(source):
        name = replay.catalog.find(replay.path, tree.relation_name(part))
        if name is not None:
            replay.record(Reads(name))


def is_one_row(query: pg.SelectStmt) -> bool:
    """Whether a query gives one row: an aggregate of all that it reads."""
    if query.group_clause:
        return False
    called = (part for node in query.target_list for part in tree.walk(node) if isinstance(part, pg.FuncCall))
    return any(tree.name(one.funcname).name in _AGGREGATES and not one.HasField("over") for one in called)


def _sets_sequence(target: pg.Node) -> bool:
    """Whether it sets a sequence, to a maximum as a rule, which an index gives at once."""
    value = target.res_target.val
    return value.HasField("func_call") and tree.name(value.func_call.funcname).name == "setval"


def tables(node: pg.Node) -> Iterator[pg.RangeVar]:
    """Yield the tables that are named in a FROM."""
    if node.HasField("range_var"):
        yield node.range_var
    elif node.HasField("join_expr"):
        yield from tables(node.join_expr.larg)
        yield from tables(node.join_expr.rarg)
