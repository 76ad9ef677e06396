"""Domains, enums and composite types: made and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import naming, rename, tree
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
    from zmig.lint.replay.scene import Scene


def create_domain(scene: Scene, statement: pg.CreateDomainStmt) -> None:
    """CREATE DOMAIN."""
    name = scene.full(tree.name(statement.domainname))
    scene.need_schema(name)
    scene.need_free_type(name)
    made = Domain(name, scene.type(statement.type_name), made_by=scene.period)
    for node in statement.constraints:
        made = _with_constraint(scene, made, node.constraint)
    scene.catalog.put_type(made)
    scene.make(ObjectKind.DOMAIN, name)


def _with_constraint(scene: Scene, domain: Domain, declared: pg.Constraint) -> Domain:
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
        made_by=scene.period,
    )
    return replace(domain, constraints={**domain.constraints, name: made})


def alter_domain(scene: Scene, statement: pg.AlterDomainStmt) -> None:
    """ALTER DOMAIN."""
    name = scene.known_type(tree.name(statement.type_name))
    scene.aim(name, Space.TYPE)
    before = scene.catalog.type(name)
    known = before if isinstance(before, Domain) else Domain(name, None)
    declared = tree.defined(statement).constraint
    match statement.subtype:
        case "O":
            _scan(scene, name, f"see that no value of the domain `{name.name}` is null")
            known = replace(known, is_not_null=True)
        case "N":
            known = replace(known, is_not_null=False)
        case "C":
            if not declared.skip_validation:
                _scan(scene, name, f"check the new constraint of the domain `{name.name}`")
            known = _with_constraint(scene, known, declared)
        case "X":
            known = _without_constraint(scene, known, statement)
        case "V":
            _scan(scene, name, f"check `{statement.name}` of the domain `{name.name}`")
            known = _with_valid(known, statement.name)
        case _:
            pass
    if isinstance(before, Domain):
        scene.catalog.put_type(known)
    scene.say(Redefines(Ref(ObjectKind.DOMAIN, name), before, known))


def _without_constraint(scene: Scene, known: Domain, statement: pg.AlterDomainStmt) -> Domain:
    is_known = scene.catalog.type(known.name) is not None and scene.catalog.is_certain(known)
    if statement.name not in known.constraints and not statement.missing_ok and is_known:
        raise scene.missing("constraint", Name(known.name.name, statement.name))
    kept = {key: one for key, one in known.constraints.items() if key != statement.name}
    return replace(known, constraints=kept)


def _with_valid(known: Domain, name: str) -> Domain:
    own = known.constraints.get(name)
    if own is None:
        return known
    return replace(known, constraints={**known.constraints, name: replace(own, is_valid=True)})


def _scan(scene: Scene, domain: Name, reason: str) -> None:
    """Say that the tables are read that have a column of a domain."""
    for table, column in scene.catalog.columns_of_type(domain):
        for one in scene.catalog.stored(table, is_only=True):
            scene.lock(one.name, LockMode.SHARE)
            scene.say(Scans(one.name, LockMode.SHARE, ScanCause.DOMAIN, reason, column.name))


def create_enum(scene: Scene, statement: pg.CreateEnumStmt) -> None:
    """CREATE TYPE ... AS ENUM."""
    name = scene.full(tree.name(statement.type_name))
    scene.need_schema(name)
    scene.need_free_type(name)
    scene.catalog.put_type(Enum(name, tuple(tree.strings(statement.vals)), scene.period))
    scene.make(ObjectKind.TYPE, name)


def alter_enum(scene: Scene, statement: pg.AlterEnumStmt) -> None:
    """ALTER TYPE ... ADD VALUE and RENAME VALUE."""
    name = scene.known_type(tree.name(statement.type_name))
    scene.aim(name, Space.TYPE)
    known = scene.catalog.type(name)
    if not isinstance(known, Enum):
        scene.say(Redefines(Ref(ObjectKind.TYPE, name), what="value"))
        return
    certain = scene.catalog.is_certain(known)
    if statement.old_val:
        if certain and statement.old_val not in known.values:
            raise scene.missing("value", Name(name.name, statement.old_val))
        rename.rename_value(scene, known, statement.old_val, statement.new_val)
        before = Ref(ObjectKind.TYPE, name, statement.old_val)
        scene.say(Renames(before, Ref(ObjectKind.TYPE, name, statement.new_val)))
        return
    if statement.new_val in known.values:
        if certain and not statement.skip_if_new_val_exists:
            reason = f"the type `{name.name}` already has a value `{statement.new_val}`"
            raise scene.fail(FailureCause.EXISTS, reason, "choose another name, or leave it out", (known.ref,))
        return
    scene.catalog.put_type(replace(known, values=_with_value(known.values, statement)))
    scene.say(Redefines(known.ref, known, scene.catalog.type(name), "value"))


def _with_value(values: tuple[str, ...], statement: pg.AlterEnumStmt) -> tuple[str, ...]:
    neighbor = statement.new_val_neighbor
    if neighbor not in values:
        return (*values, statement.new_val)
    place = values.index(neighbor) + (1 if statement.new_val_is_after else 0)
    return (*values[:place], statement.new_val, *values[place:])


def create_composite(scene: Scene, statement: pg.CompositeTypeStmt) -> None:
    """CREATE TYPE ... AS (...)."""
    name = scene.new_name(statement.typevar)
    scene.need_schema(name)
    scene.need_free_type(name)
    attributes = {
        node.column_def.colname: kind
        for node in statement.coldeflist
        if (kind := scene.type(node.column_def.type_name)) is not None
    }
    scene.catalog.put_type(Composite(name, attributes, scene.period))
    scene.make(ObjectKind.TYPE, name)


def alter_composite(scene: Scene, statement: pg.AlterTableStmt) -> None:
    """ALTER TYPE ... ADD, DROP and ALTER ATTRIBUTE."""
    name = scene.known_type(tree.relation_name(statement.relation))
    scene.aim(name, Space.TYPE)
    known = scene.catalog.type(name)
    attributes = dict(known.attributes) if isinstance(known, Composite) else {}
    for node in statement.cmds:
        command = node.alter_table_cmd
        declared = tree.defined(command).column_def
        if command.subtype == pg.AT_AddColumn and (kind := scene.type(declared.type_name)) is not None:
            attributes[declared.colname] = kind
        elif command.subtype == pg.AT_DropColumn:
            attributes.pop(command.name, None)
        elif command.subtype == pg.AT_AlterColumnType and (kind := scene.type(declared.type_name)) is not None:
            attributes[command.name] = kind
    after = Composite(name, attributes, known.made_by) if isinstance(known, Composite) else None
    if after is not None:
        scene.catalog.put_type(after)
    scene.say(Redefines(Ref(ObjectKind.TYPE, name), known, after, "attributes"))


def create_other(scene: Scene, parts: Name) -> None:
    """CREATE TYPE ... AS RANGE, and a base type."""
    name = scene.full(parts)
    scene.catalog.put_type(OtherType(name, scene.period))
    scene.make(ObjectKind.TYPE, name)
