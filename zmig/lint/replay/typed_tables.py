"""Tables that are of a composite type, whose columns change with the type's attributes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import tree
from zmig.lint.replay.effects import FailureCause
from zmig.lint.replay.objects import Column, Composite, Table
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.statement_replay import StatementFails, StatementReplay

_OF_THE_TYPE = frozenset({pg.AT_AddColumn, pg.AT_DropColumn, pg.AT_AlterColumnType})
"""What no statement does to such a table itself."""


def of_type(replay: StatementReplay, table: Table, written: pg.TypeName) -> Table:
    """Return a new table with the columns that its type says."""
    kind = replay.type(written)
    known = None if kind is None else replay.catalog.type(kind.name)
    if kind is None or not isinstance(known, Composite) or not replay.catalog.is_certain(known):
        return replace(table, of_type=None if kind is None else kind.name, is_whole=False)
    columns = {name: Column(name, one) for name, one in known.attributes.items()}
    return replace(table, of_type=kind.name, columns=columns)


def refuse(replay: StatementReplay, table: Table, subtype: int) -> None:
    """Raise StatementFails where an action of ALTER TABLE is up to the type of a table."""
    if table.of_type is not None and subtype in _OF_THE_TYPE and replay.catalog.is_certain(table):
        raise refusal(replay, table)


def refusal(replay: StatementReplay, table: Table) -> StatementFails:
    """Return what to raise where a typed table's columns would be other than its type says."""
    assert table.of_type is not None, "it is a typed table"
    reason = f"`{table.name.name}` is of the type `{table.of_type.name}`, which says what columns it has"
    advice = f"change the type, with `cascade`, or write `alter table {table.name.name} not of` first"
    return replay.fail(FailureCause.REFUSED, reason, advice, (table.ref,))


def need_attribute(replay: StatementReplay, kind: Composite, name: str) -> None:
    """Raise StatementFails where a composite type certainly has no such attribute."""
    if name not in kind.attributes and replay.catalog.is_certain(kind):
        raise replay.missing("attribute", Name(kind.name.name, name))


def following(replay: StatementReplay, kind: Name, *, cascade: bool) -> tuple[Table, ...]:
    """Return the tables of a type, which change with it; raises StatementFails where the statement does not say so."""
    tables = replay.catalog.typed_tables(kind)
    if tables and not cascade:
        reason = f"the type `{kind.name}` cannot be changed alone: the table `{tables[0].name.name}` is of it"
        raise replay.fail(FailureCause.IN_THE_WAY, reason, "write `cascade`", tuple(one.ref for one in tables))
    return tables


def attach(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """ALTER TABLE ... OF."""
    kind = replay.type(tree.defined(command).type_name)
    if kind is None:
        return
    known = replay.catalog.type(kind.name)
    is_known = isinstance(known, Composite) and replay.catalog.is_certain(known)
    if is_known and table.is_whole and replay.catalog.is_certain(table):
        assert isinstance(known, Composite), "it is known"
        has = [(one.name, one.type) for one in table.columns.values()]
        if has != [*known.attributes.items()]:
            reason = f"`{table.name.name}` has other columns than the type `{kind.name.name}`"
            raise replay.fail(FailureCause.REFUSED, reason, "make them the same, in the same order", (table.ref,))
    replay.catalog.put(replace(table, of_type=kind.name))


def detach(replay: StatementReplay, table: Table, command: pg.AlterTableCmd, is_only: bool) -> None:
    """ALTER TABLE ... NOT OF."""
    if table.of_type is None and table.is_whole and replay.catalog.is_certain(table):
        raise replay.fail(FailureCause.REFUSED, f"`{table.name.name}` is of no type", "remove the action", (table.ref,))
    replay.catalog.put(replace(table, of_type=None))
