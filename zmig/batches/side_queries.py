"""What is asked beside a batched statement: what its key is, and whether rows are left after an empty round. Pure.

A round may be empty although rows are left: a condition outside of the choice, a trigger or another session kept the
statement from all that it chose, or the keys have a gap. So the choice is asked by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches.query import SIZE
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.batches.query import Nodes
    from zmig.batches.selection import Choice, NestedQuery

KEY = "zmig_key"


@valueclass
class RemainingQuery:
    """A query that says whether rows are left."""

    text: str
    is_by_key: bool
    """Whether it returns the key after which the next round begins, if there is one; else how many rows are left."""
    takes_all: bool = False
    """Whether the choice took every row there was, if it took fewer than `:size`."""


def remaining(text: str, chosen: Choice, *, with_cursor: bool) -> RemainingQuery | None:
    """Return what says whether rows are left where a round touched none; None where an empty round is the end."""
    limited = chosen.limited
    if limited is not None and any(cte.query.writes for cte in limited.query.ctes):
        return None  # asked again, it would write again
    if not with_cursor or chosen.row is not None:
        return None if limited is None else _rows_left(text, limited)
    if limited is None:
        return _key_after_gap(text, chosen)
    key = chooser_key(chosen)
    inner = with_key(text, limited, key) if key else None
    if inner is None:
        return None
    direction = "asc" if chosen.is_descending else "desc"
    last = f"order by {KEY} {direction} limit 1"
    return RemainingQuery(f"{_named(text, limited)}select {KEY} from ({inner}) zmig_chosen {last}", is_by_key=True)


def _rows_left(text: str, limited: NestedQuery) -> RemainingQuery:
    chooser, clause = limited.query, limited.query.clause("limit")
    counted = (
        f"{_named(text, limited)}select pg_catalog.count(*) from ({text[chooser.start : chooser.end]}) zmig_chosen"
    )
    return RemainingQuery(counted, is_by_key=False, takes_all=len(clause) == 1 and clause[0].text == SIZE)


def _key_after_gap(text: str, chosen: Choice) -> RemainingQuery | None:
    """Return what finds the next key after an interval of keys in which there were none."""
    upper, compared, lower = chosen.upper, chosen.compared, chosen.lower
    if upper is None or compared is None:
        return None
    table, key, bound = source(text, compared), _spelled(text, upper.key), _spelled(text, upper.bound)
    after = ">" if upper.operator == "<=" else ">="
    # The next round begins after this key, so that where it looks for greater ones this is the one before the first.
    begin = key if lower is not None and lower.operator == ">=" else f"({key}) operator(pg_catalog.-) 1"
    return RemainingQuery(
        f"{_named(text, compared)}select {begin} as {KEY} from {table} "
        f"where ({key}) operator(pg_catalog.{after}) ({bound}) order by {key} limit 1",
        is_by_key=True,
    )


def key_query(text: str, chosen: Choice) -> str | None:
    """Return a query whose column is the key as it is chosen; None where that cannot be known."""
    chooser, key = chosen.chooser, chooser_key(chosen)
    if chooser is None or not key:
        return None
    if chooser.query.command == "select":
        inner = with_key(text, chooser, key)
    else:
        inner = f"select ({_spelled(text, key)}) as {KEY} from {source(text, chooser)}"
    return None if inner is None else f"{_named(text, chooser)}select {KEY} from ({inner}) zmig_chosen"


def chooser_key(chosen: Choice) -> Nodes | None:
    """Return the key as the query spells it that chooses the rows of a round."""
    if chosen.row is not None:
        return (chosen.row,)
    if chosen.limited is None or chosen.limited == chosen.compared:
        return chosen.key
    return chosen.order.key if chosen.order is not None else None


def with_key(text: str, nested: NestedQuery, key: Nodes) -> str | None:
    """Return a SELECT that returns the key as well."""
    subquery = nested.query
    if subquery.command != "select" or subquery.is_compound:
        return None
    listed = subquery.clause("select")
    end = listed[-1].end if listed else subquery.nodes[0].end
    returned = f"{',' if listed else ''} ({_spelled(text, key)}) as {KEY}"
    return f"{text[subquery.start : end]}{returned}{text[end : subquery.end]}"


def source(text: str, nested: NestedQuery) -> str:
    """Return the tables that a query reads, or writes."""
    subquery = nested.query
    if subquery.command == "select":
        return _spelled(text, subquery.clause("from"))
    target, others = subquery.clause("target"), subquery.clause("from") or subquery.clause("using")
    if subquery.command == "delete":
        target = target[1:]
    return ", ".join(_spelled(text, nodes) for nodes in (target, others) if nodes)


def _spelled(text: str, nodes: Nodes) -> str:
    return text[nodes[0].start : nodes[-1].end] if nodes else ""


def _named(text: str, nested: NestedQuery) -> str:
    """Return the WITH clause by which a query can be read by itself."""
    ctes = [cte for one in nested.around for cte in one.ctes if cte.end <= nested.query.start and not cte.query.writes]
    recursive = "recursive " if any(one.is_recursive for one in nested.around) else ""
    return f"with {recursive}{', '.join(text[cte.start : cte.end] for cte in ctes)} " if ctes else ""
