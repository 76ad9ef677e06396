"""ALTER TABLE ... REPLICA IDENTITY, and which indexes can name the rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay import tree
from zmig.lint.replay.effects import FailureCause, Redefines
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from postgast import pg_query_pb2 as pg

    from zmig.lint.replay.objects import Index, Table
    from zmig.lint.replay.statement_replay import StatementReplay


def change(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """Let rows be named otherwise than before."""
    asked = tree.defined(command).replica_identity_stmt
    if asked.identity_type == "i":
        _need_fit(replay, table, Name(table.name.schema, asked.name))
    kinds = {"d": "default", "f": "full", "n": "nothing", "i": f"index {asked.name}"}
    after = replace(table, replica_identity=kinds.get(asked.identity_type, "default"))
    replay.catalog.put(after)
    replay.record(Redefines(table.ref, table, after, "replica identity"))


def _need_fit(replay: StatementReplay, table: Table, name: Name) -> None:
    """Raise StatementFails where an index certainly cannot name the rows of a table."""
    index = replay.catalog.index(name)
    if index is None:
        if replay.catalog.relation(name) is None and replay.certainly_lacks(name):
            raise replay.missing("index", name)
        return
    why = _why_unfit(table, index)
    if why is not None and replay.catalog.is_certain(index) and replay.catalog.is_certain(table):
        reason = f"the index `{name.name}` cannot name the rows of `{table.name.name}`: {why}"
        advice = "use a unique index of plain columns that are all `not null`"
        raise replay.fail(FailureCause.REFUSED, reason, advice, (index.ref,))


def _why_unfit(table: Table, index: Index) -> str | None:
    if index.table != table.name:
        return f"it is one of `{index.table.name}`"
    if not index.is_unique:
        return "it is not unique"
    if index.expressions or index.predicate is not None:
        return "it is of expressions, or of some rows only"
    constraint = table.constraints.get(index.constraint or "")
    if constraint is not None and constraint.is_deferrable:
        return "its constraint is deferrable"
    known = (table.column(one) for one in index.columns if one is not None)
    nullable = next((one for one in known if one is not None and not one.is_not_null and one.type is not None), None)
    return None if nullable is None else f"`{nullable.name}` can be null"
