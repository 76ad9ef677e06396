"""Mistakes that the text of a batched statement shows, by which rounds pass rows over or take them twice. Pure.

They would end as `done` all the same. What cannot be read is not found fault with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches import expressions, joins, query, selection
from zmig.batches.query import CURSOR
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.batches.query import Node, Nodes, Query
    from zmig.batches.selection import Choice, NestedQuery, Order, Output
    from zmig.sql.statement import Statement


@valueclass
class Fault:
    """What is wrong with a statement."""

    message: str
    hint: str
    start: int
    """Where it is in the statement."""


def faults(statement: Statement) -> Iterator[Fault]:
    """Yield what is wrong with the way a statement chooses its rows."""
    chosen = selection.read(statement)
    yield from _skips_locked_rows(query.parse(statement))
    if query.holds((*chosen.root.nodes, *_cte_nodes(chosen.root)), CURSOR):
        yield from (fault for check in _CHECKS for fault in check(chosen, statement.text))


def _cte_nodes(subquery: Query) -> Iterator[Node]:
    for cte in subquery.ctes:
        yield from cte.query.nodes
        yield from _cte_nodes(cte.query)


def _skips_locked_rows(nodes: Nodes) -> Iterator[Fault]:
    for place, node in enumerate(nodes):
        if node.text == "locked" and place and nodes[place - 1].text == "skip":
            yield Fault(
                "rounds would pass over the rows that others have locked: `skip locked` is for queues",
                "remove `skip locked`: a round waits for a row for as long as `lock_timeout` says, and is tried again",
                nodes[place - 1].start,
            )
        elif node.inside is not None:
            yield from _skips_locked_rows(node.inside)


def _cursor_outside_of_choice(chosen: Choice, text: str) -> Iterator[Fault]:
    """Rounds that take the same first rows each time, because the cursor is outside of the choice."""
    limited = chosen.limited
    if limited is None or query.holds((*limited.query.nodes, *_cte_nodes(limited.query)), CURSOR):
        return
    if not any(query.holds(limited.query.nodes, name) for name in _names_after_cursor(chosen)):
        clause = limited.query.clause("limit") or limited.query.clause("fetch")
        yield Fault(
            "each round takes the same first rows: `limit :size` counts rows that `:cursor` has not narrowed down",
            "compare the key with `:cursor` in the query that has `limit :size`",
            clause[0].start,
        )


def _names_after_cursor(chosen: Choice) -> set[str]:
    """Return the named queries that read `:cursor`, themselves or through others."""
    named = {cte.name: cte.query for nested in chosen.queries for cte in nested.query.ctes}
    names = {name for name, inner in named.items() if query.holds((*inner.nodes, *_cte_nodes(inner)), CURSOR)}
    size = 0
    while len(names) > size:
        size = len(names)
        names |= {name for name, inner in named.items() if any(query.holds(inner.nodes, known) for known in names)}
    return names


def _skips_first_rows(chosen: Choice, text: str) -> Iterator[Fault]:
    """Rounds that do not begin at their first row."""
    nodes = chosen.limited.query.clause("offset") if chosen.limited is not None else ()
    if nodes and nodes[0].text != "0":
        yield Fault(
            "each round passes over the first rows after `:cursor`, because of its `offset`",
            "remove `offset`: `:cursor` says where a round begins",
            nodes[0].start,
        )


def _cursor_beside_or(chosen: Choice, text: str) -> Iterator[Fault]:
    """Rows that are chosen whatever the cursor says."""
    if chosen.compared is not None:
        yield from _free_alternatives(chosen.compared.query.clause("where"))


def _free_alternatives(nodes: Nodes) -> Iterator[Fault]:
    if not query.holds(nodes, CURSOR, deep=False):
        return
    parts = query.split(nodes, "or") if not any(node.text == "case" for node in nodes) else [nodes]
    free = next((part for part in parts if part and not query.holds(part, CURSOR)), None)
    if free is not None:
        yield Fault(
            "rounds take rows again and again that are before `:cursor`: an `or` chooses them whatever their key is",
            "put brackets around the conditions that `or` joins",
            free[0].start,
        )
        return
    for node in nodes:
        if node.inside is not None and not query.is_query(node):
            yield from _free_alternatives(node.inside)


def _union_without_cursor(chosen: Choice, text: str) -> Iterator[Fault]:
    """A part of a UNION that is chosen whatever the cursor says."""
    for subquery in (nested.query for nested in (chosen.limited, chosen.compared) if nested is not None):
        others = subquery.clause("union")
        if others and query.holds(subquery.clause("where"), CURSOR) and not query.holds(others, CURSOR):
            yield Fault(
                "rounds take rows again and again that are before `:cursor`: one part of the `union` ignores it",
                "compare the key with `:cursor` in each part",
                others[0].start,
            )


def _compares_several_keys(chosen: Choice, text: str) -> Iterator[Fault]:
    """Keys of two kinds that are both compared with the cursor."""
    equated = selection.equated(selection.conditions(chosen.compared.query)) if chosen.compared is not None else ()
    pairs = set(equated)
    for comparison in chosen.comparisons:
        pair = query.normal(chosen.key or ()), query.normal(comparison.key)
        if comparison.is_exact and pair[0] != pair[1] and pair not in pairs and pair[::-1] not in pairs:
            other = text[comparison.start : comparison.end]
            yield Fault(
                f"`{other}` compares another key than `{_spelled(chosen, text)}` with `:cursor`",
                "compare one key with `:cursor`: of several columns, wrap them into one that is unique",
                comparison.start,
            )
    rows = (selection.compared_rows(nested.query) for nested in chosen.queries)
    listed = next((node for node in rows if node is not None), None)
    if listed is not None and chosen.root.command != "select":
        yield Fault(
            "several columns are compared with `:cursor`, and the statement returns one",
            "compare one key with `:cursor`: of several columns, wrap them into one that is unique",
            listed.start,
        )


def _looks_backward(chosen: Choice, text: str) -> Iterator[Fault]:
    """A comparison that keeps the rows before the cursor."""
    first = next((comparison for comparison in chosen.comparisons if comparison.is_exact), None)
    if first is None:
        return
    function = _function(chosen)
    if chosen.is_descending and (chosen.root.command != "select" or function == "max"):
        yield Fault(
            f"`{text[first.start : first.end]}` looks before the cursor, and the next round begins after the "
            "greatest key",
            f"write `{_spelled(chosen, text)} > :cursor`",
            first.start,
        )
    elif not chosen.is_descending and function == "min":
        yield Fault(
            "the next round begins after the least key of this one, so that rows are taken again",
            "return `max` of the key",
            chosen.root.nodes[0].start,
        )


def _function(chosen: Choice) -> str | None:
    """Return the function of which a SELECT returns the next cursor, where that is `max` or `min`."""
    output = _key_output(chosen)
    nodes: Nodes = output.nodes if output is not None else ()
    if len(nodes) != 2 or nodes[1].inside is None or nodes[0].text not in ("max", "min"):
        return None
    return nodes[0].text


def _key_output(chosen: Choice) -> Output | None:
    """Return what the statement returns as the key."""
    root = chosen.root
    is_select = root.command == "select"  # of the last key and the count of rows
    outputs = selection.columns(root, "select" if is_select else "returning")
    return outputs[0] if len(outputs) == (2 if is_select else 1) else None


def _returned_key(chosen: Choice) -> Nodes:
    """Return the column that is returned as the key, or of which the greatest or least is; nothing for others."""
    output = _key_output(chosen)
    if output is None:
        return ()
    nodes = output.nodes
    if _function(chosen) is not None:
        nodes = nodes[1].inside or ()
    return nodes if query.column(nodes) is not None else ()


def _spelled(chosen: Choice, text: str) -> str:
    key = chosen.key
    return text[key[0].start : key[-1].end] if key else "id"


def _takes_in_other_order(chosen: Choice, text: str) -> Iterator[Fault]:
    """Rounds that do not take the rows next to the cursor first."""
    if chosen.limited is None:
        return
    order, key = chosen.order, _spelled(chosen, text)
    clause = chosen.limited.query.clause("limit") or chosen.limited.query.clause("fetch")
    if order is None:
        if not _is_ordered_below(chosen.limited):
            yield Fault(
                "a round takes any rows after `:cursor`, and the next one begins after the greatest key among "
                "them, so rows are passed over",
                f"write `order by {key}` before `limit :size`",
                clause[0].start,
            )
        return
    first = next((comparison for comparison in chosen.comparisons if comparison.is_exact), None)
    if chosen.row is not None:
        yield from _takes_rows_in_other_order(chosen, chosen.row, text)
    if first is None or chosen.compared is None:
        return
    spelled = text[order.start : order.end]
    if not _is_by_key(chosen, order):
        why = f"a round takes rows in the order of `{spelled}`, and the next one begins after the greatest `{key}`"
        yield Fault(f"{why}, so rows are passed over", f"write `order by {key}`", order.start)
    elif order.is_descending != chosen.is_descending:
        why = f"a round takes the rows that are farthest from `:cursor` first, by `order by {spelled}`"
        direction = " desc" if chosen.is_descending else ""
        yield Fault(f"{why}, so those between are passed over", f"write `order by {key}{direction}`", order.start)
    elif order.collation != first.collation and chosen.compared == chosen.limited:
        yield Fault(
            f"`{spelled}` orders by another collation than `{text[first.start : first.end]}` compares by, so rows are "
            "passed over",
            "write the same `collate` in both, or in neither",
            order.start,
        )


def _takes_rows_in_other_order(chosen: Choice, row: Node, text: str) -> Iterator[Fault]:
    """Rounds that compare several columns together, and go through them in another order."""
    parts = [part for part in query.split(row.inside or ()) if part]
    compared = [_last_name(part) for part in parts]
    orders = chosen.orders[: len(compared)]
    descends = chosen.row_descends
    if [(_last_name(one.key), one.is_descending) for one in orders] != [(name, descends) for name in compared]:
        spelled = text[row.start : row.end]
        wanted = ", ".join(f"{text[part[0].start : part[-1].end]}{' desc' if descends else ''}" for part in parts)
        yield Fault(
            f"a round takes rows in another order than `{spelled}` is compared with `:cursor`, so rows are passed over",
            f"write `order by {wanted}`",
            orders[0].start,
        )


def _is_ordered_below(limited: NestedQuery) -> bool:
    """Whether the rows come from one query in brackets, in its order."""
    source = limited.query.clause("from")
    is_alone = bool(source) and query.is_query(source[0]) and not any(n.text in (",", "join") for n in source)
    return is_alone and not limited.query.clause("where") and "order" in query.in_brackets(source[0]).clauses


def _is_by_key(chosen: Choice, order: Order) -> bool:
    """Whether an order is that of the key that is compared, or may be."""
    if not order.key or chosen.limited is None or chosen.compared is None:
        return True
    keys = [comparison.key for comparison in chosen.comparisons]
    if any(query.normal(order.key) == query.normal(key) for key in keys):
        return True
    if any(expressions.is_whole_cast(order.key, key) for key in keys):
        return True
    ordered = query.column(order.key)
    compared = [query.column(key) for key in keys]
    if chosen.limited != chosen.compared:
        return (
            ordered is None or None in compared or any(one and _linked(chosen, ordered[1], one[1]) for one in compared)
        )
    if ordered is None:
        return False
    pairs = set(selection.equated(selection.conditions(chosen.limited.query)))
    by = query.normal(order.key)
    if any((by, key) in pairs or (key, by) in pairs for key in map(query.normal, keys)):
        return True
    # Two columns of one name may be the same where one is written without its table, or a join makes them one.
    tables = {one[0] for one in compared if one and one[1] == ordered[1]}
    is_merged = any(node.text in ("using", "natural") for node in chosen.limited.query.clause("from"))
    return bool(tables) and (is_merged or ordered[0] is None or not tables.isdisjoint({None, ordered[0]}))


def _takes_last_row_again(chosen: Choice, text: str) -> Iterator[Fault]:
    """A round that takes the last row of the one before again."""
    lower = chosen.lower
    if lower is None or lower.operator != ">=" or not _returned_key(chosen):
        return
    if not any(comparison.is_exact and comparison.operator == ">" for comparison in chosen.comparisons):
        key = _spelled(chosen, text)
        yield Fault(
            f"each round takes the last row of the one before again: `{text[lower.start : lower.end]}`",
            f"write `{key} > :cursor`, and under `batch` a `start` below every key",
            lower.start,
        )


def _returns_more_than_greatest_key(chosen: Choice, text: str) -> Iterator[Fault]:
    """A SELECT that adds something to the greatest key, although the next round begins after what it returns."""
    output, lower = _key_output(chosen), chosen.lower
    if output is None or chosen.root.command != "select":
        return
    nodes = output.nodes
    words = [node.text for node in nodes[:3]]
    if words == ["max", "(", "+"] and lower is not None and lower.operator == ">":
        greatest, spelled = text[nodes[0].start : nodes[1].end], text[nodes[0].start : nodes[-1].end]
        yield Fault(
            f"the next round begins after `{spelled}`, so the keys between are passed over",
            f"write `select {greatest}`",
            nodes[0].start,
        )


def _returns_other_key(chosen: Choice, text: str) -> Iterator[Fault]:
    """A statement that returns something else than the key that it compares."""
    returned, key = _returned_key(chosen), chosen.key
    compared = query.column(key) if key else None
    column = query.column(returned) if returned else None
    if column is None or compared is None:
        return
    names = _inserted_as(chosen.root, column[1]) if chosen.root.command == "insert" else {column[1]}
    if names is not None and not any(_linked(chosen, name, compared[1]) for name in names):
        spelled = text[returned[0].start : returned[-1].end]
        yield Fault(
            f"the statement returns `{spelled}`, and the next round compares `{_spelled(chosen, text)}` with it",
            "return the key that is compared with `:cursor`",
            returned[0].start,
        )


def _linked(chosen: Choice, name: str, key: str) -> bool:
    """Whether a column may hold the same as the key, as far as names, aliases and equations say."""
    pairs = {pair for nested in chosen.queries for pair in _pairs(nested.query)}
    known = {key}
    while more := {one for pair in pairs if known & set(pair) for one in pair if one is not None} - known:
        known |= more
    return name in known


def _pairs(subquery: Query) -> Iterator[tuple[str | None, str | None]]:
    """Yield the names of columns that hold the same."""
    for output in selection.columns(subquery):
        column = query.column(output.nodes)
        if output.is_named and column is not None:
            yield output.name, column[1]
        elif output.is_named:  # an expression of several columns may be any of them
            yield from ((output.name, node.name) for node in output.nodes if node.name is not None)
    yield from _equal(subquery.nodes)


def _equal(nodes: Nodes) -> Iterator[tuple[str | None, str | None]]:
    """Yield the columns that conditions set equal, as far as they are `t.a = u.b` or `(a, b) in (select ...)`."""
    for place, node in enumerate(nodes):
        if node.text in ("=", "in"):
            left = [_last_name(part) for part in query.split(query.bare(nodes[max(place - 3, 0) : place]))]
            right = nodes[place + 1 : place + 4]
            inner = next(query.nested(right[:3]), None)
            if inner is not None:
                outputs = (output.name or _last_name(output.nodes) for output in selection.columns(inner))
                yield from zip(left, outputs, strict=False)
            elif right:
                end = 1
                while end + 1 < len(right) and right[end].text == ".":
                    end += 2
                yield left[-1], _last_name(right[:end])
        if node.inside is not None and not query.is_query(node):
            yield from _equal(node.inside)


def _last_name(nodes: Nodes) -> str:
    nodes = query.bare(nodes)
    names = [node.name for node in nodes if node.name is not None]
    return names[-1] if names else ""


def _inserted_as(subquery: Query, name: str) -> set[str] | None:
    """Return the names of what an INSERT puts into a column; None where that cannot be known."""
    inner = query.chooser_of_insert(subquery)
    outputs = selection.columns(inner) if inner is not None else []
    target = [node for node in subquery.clause("target") if inner is not None and node.start < inner.start]
    named = next((node.inside for node in target if node.inside is not None and not query.is_query(node)), None)
    if named is None or not outputs or any(output.nodes[-1].text == "*" for output in outputs):
        return None
    pairs = zip(query.split(named), outputs, strict=False)
    return {node.name for place, output in pairs if _last_name(place) == name for node in output.nodes if node.name}


def _changes_key(chosen: Choice, text: str) -> Iterator[Fault]:
    """A statement that gives the rows that it takes another key."""
    key = query.column(chosen.key) if chosen.key else None
    for name, item in chosen.changed:
        if key is not None and name == key[1]:
            yield Fault(
                f"the statement changes `{name}`, the key of its rounds, so rows are taken again or passed over",
                "take a key that the statement leaves as it is",
                item[0].start,
            )


def _returns_key_of_other_rows(chosen: Choice, text: str) -> Iterator[Fault]:
    """A SELECT that returns the greatest key of a table, not of the rows of the round."""
    root = chosen.root
    is_choice = any(one is not None and one.query == root for one in (chosen.limited, chosen.compared))
    read = joins.sources(selection.NestedQuery(root))
    if _function(chosen) is not None and not is_choice and read and all(source.is_table for source in read):
        source = root.clause("from")
        yield Fault(
            f"the next round begins after the last key of `{text[source[0].start : source[-1].end]}`, not of the rows "
            "that this one took",
            "select the key from the query that chose the rows",
            source[0].start,
        )


_CHECKS = (
    _cursor_outside_of_choice,
    _skips_first_rows,
    _cursor_beside_or,
    _union_without_cursor,
    _compares_several_keys,
    _looks_backward,
    _takes_in_other_order,
    _takes_last_row_again,
    _returns_more_than_greatest_key,
    _returns_other_key,
    _returns_key_of_other_rows,
    _changes_key,
)
"""In the order in which faults are reported: of several, only the first is."""
