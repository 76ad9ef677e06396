"""Changes of functions, policies, owners, roles and extensions that leave tables as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import access, other_objects, tree, types
from zmig.lint.replay.effects import OpensRows, Redefines
from zmig.lint.replay.objects import LockMode, ObjectKind, Ref, Space, Volatility
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.objects import Function
    from zmig.lint.replay.statement_replay import StatementReplay


def function(replay: StatementReplay, statement: pg.AlterFunctionStmt) -> None:
    """ALTER FUNCTION ... of how it runs: its volatility, whose rights it has, its settings."""
    written = tree.name(statement.func.objname)
    name = replay.catalog.find_function(replay.path, written) or replay.full(written)
    replay.add_target(name, Space.FUNCTION)
    arguments = types.of_arguments(statement.func, replay.catalog, replay.path)
    for one in replay.catalog.functions(name):
        if statement.func.args_unspecified or one.arguments == arguments:
            replay.catalog.put_function(_changed(one, statement))
    replay.record(Redefines(Ref(ObjectKind.FUNCTION, name), what="options"))


def _changed(one: Function, statement: pg.AlterFunctionStmt) -> Function:
    for node in statement.actions:
        option = node.def_elem
        match option.defname:
            case "volatility":
                one = replace(one, volatility=Volatility(tree.option_text(option) or Volatility.VOLATILE))
            case "security":
                one = replace(one, is_security_definer=tree.is_true(option))
            case "set":
                one = replace(one, settings=_settings(one.settings, option.arg.variable_set_stmt))
            case name:
                one = replace(one, options={**one.options, name: tree.option_text(option) or ""})
    return one


def _settings(before: frozenset[str], change: pg.VariableSetStmt) -> frozenset[str]:
    if change.kind == pg.VAR_RESET_ALL:
        return frozenset()
    name = change.name.lower()
    return before - {name} if change.kind == pg.VAR_RESET else before | {name}


def policy(replay: StatementReplay, statement: pg.AlterPolicyStmt) -> None:
    """ALTER POLICY."""
    name = replay.relation(statement.table)
    replay.add_target(name)
    table = replay.table(name)
    known = table.policies.get(statement.policy_name)
    if known is None and table.is_whole and replay.catalog.is_certain(table):
        raise replay.missing(ObjectKind.POLICY, Name(name.name, statement.policy_name))
    replay.lock(name, LockMode.ACCESS_EXCLUSIVE)
    if known is not None:
        changed = replace(
            known,
            using=tree.expression(statement.qual) or known.using,
            check=tree.expression(statement.with_check) or known.check,
            roles=tuple(tree.role(node.role_spec) for node in statement.roles) or known.roles,
        )
        replay.catalog.put(replace(table, policies={**table.policies, known.name: changed}))
    replay.record(Redefines(Ref(ObjectKind.POLICY, name, statement.policy_name), what="policy"))
    if access.is_always_true(statement.qual):
        opened = f"shows all its rows to those whom the policy `{statement.policy_name}` is for"
        replay.record(OpensRows(name, opened, statement.policy_name))


_OWNED = {
    pg.OBJECT_TYPE: ObjectKind.TYPE,
    pg.OBJECT_DOMAIN: ObjectKind.DOMAIN,
    pg.OBJECT_FUNCTION: ObjectKind.FUNCTION,
    pg.OBJECT_PROCEDURE: ObjectKind.FUNCTION,
    pg.OBJECT_SCHEMA: ObjectKind.SCHEMA,
    pg.OBJECT_PUBLICATION: ObjectKind.PUBLICATION,
    pg.OBJECT_STATISTIC_EXT: ObjectKind.STATISTICS,
}


def owner(replay: StatementReplay, statement: pg.AlterOwnerStmt) -> None:
    """ALTER ... OWNER TO, of what is no table."""
    kind = _OWNED.get(statement.object_type)
    if kind is not None:
        name = _full_name(replay, kind, tree.object_name(statement.object))
        replay.record(Redefines(Ref(kind, name), what="owner"))


def _full_name(replay: StatementReplay, kind: ObjectKind, written: Name) -> Name:
    match kind:
        case ObjectKind.TYPE | ObjectKind.DOMAIN:
            return replay.catalog.find_type(replay.path, written) or replay.full(written)
        case ObjectKind.FUNCTION:
            return replay.catalog.find_function(replay.path, written) or replay.full(written)
        case ObjectKind.STATISTICS:
            return other_objects.find_statistics(replay, written)
        case _:
            return written


def role(replay: StatementReplay, statement: pg.AlterRoleStmt) -> None:
    """ALTER ROLE and ALTER USER."""
    name = tree.role(statement.role)
    access.role(replay, name, statement.options)
    replay.record(Redefines(Ref(ObjectKind.ROLE, Name(None, name)), what="options"))


def extension(replay: StatementReplay, statement: pg.AlterExtensionStmt) -> None:
    """ALTER EXTENSION ... UPDATE, whose script may make anything."""
    replay.catalog.allow_for_code("execute")
    replay.record(Redefines(Ref(ObjectKind.EXTENSION, Name(None, statement.extname)), what="version"))
