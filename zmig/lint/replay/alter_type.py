"""Domains, enums and composite types: made and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import alter_column, drop, naming, rename, tree, typed_tables
from zmig.lint.replay.effects import FailureCause, Redefines, Renames, ScanCause, Scans
from zmig.lint.replay.objects import (
    Composite,
    Constraint,
    ConstraintKind,
    Domain,
    Enum,
    LockMode,
    ObjectKind,
    OtherType,
    Ref,
    Space,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.objects import Table, Type, UserType
    from zmig.lint.replay.statement_replay import StatementReplay


def create_domain(replay: StatementReplay, statement: pg.CreateDomainStmt) -> None:
    """CREATE DOMAIN."""
    name = replay.full(tree.name(statement.domainname))
    replay.need_schema(name)
    replay.need_free_type(name)
    made = Domain(name, replay.type(statement.type_name), made_by=replay.generation)
    for node in statement.constraints:
        made = _with_constraint(replay, made, node.constraint)
    replay.catalog.put_type(made)
    replay.make(ObjectKind.DOMAIN, name)


def _with_constraint(replay: StatementReplay, domain: Domain, declared: pg.Constraint) -> Domain:
    if declared.contype == pg.CONSTR_NOTNULL:
        return replace(domain, is_not_null=True)
    if declared.contype != pg.CONSTR_CHECK:
        return domain
    name = declared.conname or naming.choose(domain.name.name, (), "check", lambda one: one in domain.constraints)
    made = Constraint(
        name,
        ConstraintKind.CHECK,
        is_valid=not declared.skip_validation,
        expression=tree.expression(declared.raw_expr),
        made_by=replay.generation,
    )
    return replace(domain, constraints={**domain.constraints, name: made})


def alter_domain(replay: StatementReplay, statement: pg.AlterDomainStmt) -> None:
    """ALTER DOMAIN."""
    name = replay.known_type(tree.name(statement.type_name))
    replay.add_target(name, Space.TYPE)
    before = replay.catalog.type(name)
    known = before if isinstance(before, Domain) else Domain(name, None)
    declared = tree.defined(statement).constraint
    match statement.subtype:
        case "O":
            _scan(replay, name, f"see that no value of the domain `{name.name}` is null")
            known = replace(known, is_not_null=True)
        case "N":
            known = replace(known, is_not_null=False)
        case "C":
            if not declared.skip_validation:
                _scan(replay, name, f"check the new constraint of the domain `{name.name}`")
            known = _with_constraint(replay, known, declared)
        case "X":
            known = _without_constraint(replay, known, statement)
        case "V":
            _scan(replay, name, f"check `{statement.name}` of the domain `{name.name}`")
            known = _with_valid(known, statement.name)
        case _:
            pass
    if isinstance(before, Domain):
        replay.catalog.put_type(known)
    replay.record(Redefines(Ref(ObjectKind.DOMAIN, name), before, known))


def _without_constraint(replay: StatementReplay, known: Domain, statement: pg.AlterDomainStmt) -> Domain:
    is_known = replay.catalog.type(known.name) is not None and replay.catalog.is_certain(known)
    if statement.name not in known.constraints and not statement.missing_ok and is_known:
        raise replay.missing("constraint", Name(known.name.name, statement.name))
    kept = {key: one for key, one in known.constraints.items() if key != statement.name}
    return replace(known, constraints=kept)


def _with_valid(known: Domain, name: str) -> Domain:
    own = known.constraints.get(name)
    if own is None:
        return known
    return replace(known, constraints={**known.constraints, name: replace(own, is_valid=True)})


def _scan(replay: StatementReplay, domain: Name, reason: str) -> None:
    """Record that the tables are read that have a column of a domain."""
    for table, column in replay.catalog.columns_of_type(domain):
        for one in replay.catalog.stored(table, is_only=True):
            replay.lock(one.name, LockMode.SHARE)
            replay.record(Scans(one.name, LockMode.SHARE, ScanCause.DOMAIN, reason, column.name))


def create_enum(replay: StatementReplay, statement: pg.CreateEnumStmt) -> None:
    """CREATE TYPE ... AS ENUM."""
    name = replay.full(tree.name(statement.type_name))
    replay.need_schema(name)
    replay.need_free_type(name)
    replay.catalog.put_type(Enum(name, tuple(tree.strings(statement.vals)), replay.generation))
    replay.make(ObjectKind.TYPE, name)


def alter_enum(replay: StatementReplay, statement: pg.AlterEnumStmt) -> None:
    """ALTER TYPE ... ADD VALUE and RENAME VALUE."""
    name = replay.known_type(tree.name(statement.type_name))
    replay.add_target(name, Space.TYPE)
    known = replay.catalog.type(name)
    if not isinstance(known, Enum):
        replay.record(Redefines(Ref(ObjectKind.TYPE, name), what="value"))
        return
    certain = replay.catalog.is_certain(known)
    if statement.old_val:
        if certain and statement.old_val not in known.values:
            raise replay.missing("value", Name(name.name, statement.old_val))
        rename.rename_value(replay, known, statement.old_val, statement.new_val)
        before = Ref(ObjectKind.TYPE, name, statement.old_val)
        replay.record(Renames(before, Ref(ObjectKind.TYPE, name, statement.new_val)))
        return
    if statement.new_val in known.values:
        if certain and not statement.skip_if_new_val_exists:
            reason = f"the type `{name.name}` already has a value `{statement.new_val}`"
            raise replay.fail(FailureCause.EXISTS, reason, "choose another name, or leave it out", (known.ref,))
        return
    neighbor = statement.new_val_neighbor
    if certain and neighbor and neighbor not in known.values:
        raise replay.missing("value", Name(name.name, neighbor))
    replay.catalog.put_type(replace(known, values=_with_value(known.values, statement)))
    replay.record(Redefines(known.ref, known, replay.catalog.type(name), "value"))


def _with_value(values: tuple[str, ...], statement: pg.AlterEnumStmt) -> tuple[str, ...]:
    neighbor = statement.new_val_neighbor
    if neighbor not in values:
        return (*values, statement.new_val)
    place = values.index(neighbor) + (1 if statement.new_val_is_after else 0)
    return (*values[:place], statement.new_val, *values[place:])


def create_composite(replay: StatementReplay, statement: pg.CompositeTypeStmt) -> None:
    """CREATE TYPE ... AS (...)."""
    name = replay.new_name(statement.typevar)
    replay.need_schema(name)
    replay.need_free_type(name)
    attributes = {
        node.column_def.colname: kind
        for node in statement.coldeflist
        if (kind := replay.type(node.column_def.type_name)) is not None
    }
    replay.catalog.put_type(Composite(name, attributes, replay.generation))
    replay.make(ObjectKind.TYPE, name)


def alter_composite(replay: StatementReplay, statement: pg.AlterTableStmt) -> None:
    """ALTER TYPE ... ADD, DROP and ALTER ATTRIBUTE."""
    name = replay.known_type(tree.relation_name(statement.relation))
    replay.add_target(name, Space.TYPE)
    known = replay.catalog.type(name)
    attributes = dict(known.attributes) if isinstance(known, Composite) else {}
    for number, node in enumerate(statement.cmds):
        with replay.within_action(number):
            _alter_attribute(replay, known, attributes, node.alter_table_cmd)
    after = Composite(name, attributes, known.made_by) if isinstance(known, Composite) else None
    if after is not None:
        replay.catalog.put_type(after)
    replay.record(Redefines(Ref(ObjectKind.TYPE, name), known, after, "attributes"))


def _alter_attribute(
    replay: StatementReplay, known: UserType | None, attributes: dict[str, Type], command: pg.AlterTableCmd
) -> None:
    """Take one action into the attributes of a type, and the tables that are of it."""
    declared = tree.defined(command).column_def
    name = declared.colname if command.subtype == pg.AT_AddColumn else command.name
    if not isinstance(known, Composite):
        return
    if command.subtype == pg.AT_AddColumn and name in attributes and replay.catalog.is_certain(known):
        reason = f"the type `{known.name.name}` already has an attribute `{name}`"
        raise replay.fail(FailureCause.EXISTS, reason, "choose another name", (known.ref,))
    is_skipped = command.missing_ok and name not in attributes
    if command.subtype != pg.AT_AddColumn and not is_skipped:
        typed_tables.need_attribute(replay, known, name)
    if command.subtype == pg.AT_AlterColumnType:
        _need_no_column(replay, known)
    for table in typed_tables.following(replay, known.name, cascade=command.behavior == pg.DROP_CASCADE):
        replay.lock(table.name, LockMode.ACCESS_EXCLUSIVE)
        if not is_skipped:
            _alter_table_of(replay, table, command)
    if command.subtype == pg.AT_DropColumn:
        attributes.pop(name, None)
    elif (kind := replay.type(declared.type_name)) is not None:
        attributes[name] = kind


def _alter_table_of(replay: StatementReplay, table: Table, command: pg.AlterTableCmd) -> None:
    """Do to a table what is done to its type."""
    match command.subtype:
        case pg.AT_AddColumn:
            declared = tree.defined(command).column_def
            alter_column.add(replay, table, declared, is_optional=False, is_only=False)
        case pg.AT_DropColumn:
            drop.column(replay, table, command.name, cascade=True)
        case pg.AT_AlterColumnType:
            alter_column.change_type(replay, table, command, False)
        case _:
            pass


def _need_no_column(replay: StatementReplay, known: Composite) -> None:
    """Raise StatementFails where a column has a composite type, of whose attributes none can get another type then."""
    for table, column in replay.catalog.columns_of_type(known.name):
        if replay.catalog.is_certain(table):
            ref = Ref(ObjectKind.COLUMN, table.name, column.name)
            raise drop.in_the_way(replay, f"the type `{known.name.name}` cannot be changed", (ref,))


def create_other(replay: StatementReplay, parts: Name) -> None:
    """CREATE TYPE ... AS RANGE, and a base type."""
    name = replay.full(parts)
    replay.catalog.put_type(OtherType(name, replay.generation))
    replay.make(ObjectKind.TYPE, name)
