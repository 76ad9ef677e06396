"""Which rows can be seen through views that row security keeps from who reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay import tree
from zmig.lint.replay.effects import ShowsRows
from zmig.lint.replay.objects import Table, View
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from postgast import pg_query_pb2 as pg

    from zmig.lint.replay.statement_replay import StatementReplay
    from zmig.sql.token_reader import Name

_KNOWS_INVOKERS = 15
"""The first version in which a view can read its tables with the rights of whoever reads it."""


def is_invokers(options: Iterable[pg.Node]) -> bool:
    """Whether the options of a view say that its tables are read with the rights of whoever reads it."""
    return tree.is_on(tree.options(options), "security_invoker")


def record_shown(replay: StatementReplay, view: View) -> None:
    """Record the tables with row security of which a view shows all rows."""
    if view.is_materialized or replay.is_before(_KNOWS_INVOKERS):
        return
    for table in _secured(replay, view):
        replay.record(ShowsRows(view.name, table))


def record_shown_of(replay: StatementReplay, table: Table) -> None:
    """Record the views that show all rows of a table that has row security from now on."""
    for view in replay.catalog.views_on(table.name):
        if table.name in _secured(replay, view) and not (view.is_materialized or replay.is_before(_KNOWS_INVOKERS)):
            replay.record(ShowsRows(view.name, table.name))


def _secured(replay: StatementReplay, view: View) -> Iterator[Name]:
    """Yield the tables whose rows a view reads with its owner's rights, who row security does not hold back."""
    if view.is_invokers:
        return
    waiting, seen = [*view.uses], set[str]()
    while waiting:
        used = replay.catalog.relation(waiting.pop())
        if isinstance(used, Table) and used.has_row_security and not used.forces_row_security:
            yield used.name
        elif isinstance(used, View) and used.is_invokers and used.name.name not in seen:
            seen.add(used.name.name)
            waiting += used.uses


def set_options(replay: StatementReplay, view: View, options: Iterable[pg.Node], *, is_reset: bool) -> View:
    """Return a view whose options are changed, and record what it shows then."""
    changed = tree.options(options)
    if "security_invoker" not in changed:
        return view
    after = replace(view, is_invokers=not is_reset and tree.is_on(changed, "security_invoker"))
    replay.catalog.put(after)
    if view.is_invokers:
        record_shown(replay, after)
    return after
