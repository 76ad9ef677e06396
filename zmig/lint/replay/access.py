"""What is set beside tables: settings of the session, roles and their passwords, privileges, publications."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import functions, tree
from zmig.lint.replay.effects import (
    Empowers,
    EndsSessions,
    Grants,
    Publishes,
    Sets,
    SetsSequence,
    Sleeps,
    StopsReplication,
)
from zmig.lint.replay.objects import BUILT_IN, Privilege

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.lint.replay.statement_replay import StatementReplay
    from zmig.sql.token_reader import Name

_POWERS = {"superuser": "superuser", "bypassrls": "bypassrls", "isreplication": "replication"}
_STRONG_ROLES = frozenset(
    {"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "rds_superuser", "cloudsqlsuperuser"}
)
"""Roles whose members come past all privileges."""
_VERIFIER = re.compile(r"SCRAM-SHA-256\$")
_SECRET = re.compile(r"\bpassword\s*=|://[^/\s:@]+:[^/\s@]+@")
_LIMITS = ("lock_timeout", "statement_timeout")
"""The settings that zmig gives every transaction."""
_PLACEHOLDER = re.compile(r"v_\w+_")
"""What is in place of a variable of the manifest."""


def set_variable(replay: StatementReplay, statement: pg.VariableSetStmt) -> None:
    """SET and RESET."""
    if statement.kind == pg.VAR_SET_VALUE:
        value = tree.constant(statement.args[0]) if len(statement.args) == 1 else None
        replay.record(Sets(statement.name.lower(), value))
    elif statement.kind in (pg.VAR_RESET, pg.VAR_SET_DEFAULT):
        replay.record(Sets(statement.name.lower(), None, is_reset=True))
    elif statement.kind == pg.VAR_RESET_ALL:
        for name in _LIMITS:
            replay.record(Sets(name, None, is_reset=True))


def set_config(replay: StatementReplay, called: Name, arguments: Sequence[pg.Node]) -> None:
    """Record what a call sets, if it is one of `set_config`."""
    if called.name != "set_config" or called.schema not in (None, BUILT_IN) or len(arguments) < 2:
        return
    name = tree.constant(arguments[0])
    if name is not None:
        replay.record(Sets(name.lower(), tree.constant(arguments[1])))


def sleep(replay: StatementReplay, called: Name) -> None:
    """Record that a call waits, if it does."""
    if called.name in functions.SLEEPING:
        replay.record(Sleeps())


def drop_slot(replay: StatementReplay, called: Name, arguments: Sequence[pg.Node]) -> None:
    """Record that a call drops a replication slot, if it does."""
    if called.name == "pg_drop_replication_slot" and called.schema in (None, BUILT_IN):
        name = tree.constant(arguments[0]) if arguments else None
        which = "replication slots are dropped" if name is None else f"the replication slot `{name}` is dropped"
        replay.record(StopsReplication(f"{which}, and who reads from there cannot go on where it was"))


def end_sessions(replay: StatementReplay, called: Name) -> None:
    """Record that a call ends sessions of others, or what they do, if it does."""
    if called.name in ("pg_cancel_backend", "pg_terminate_backend") and called.schema in (None, BUILT_IN):
        replay.record(EndsSessions())


def set_sequence(replay: StatementReplay, called: Name, arguments: Sequence[pg.Node]) -> None:
    """Record which sequence a call sets to a constant, if it does."""
    if called.name != "setval" or called.schema not in (None, BUILT_IN) or len(arguments) < 2:
        return
    if tree.constant(arguments[1]) is None:
        return
    sequence = _sequence(replay, arguments[0])
    if sequence is not None:
        replay.record(SetsSequence(sequence))


def _sequence(replay: StatementReplay, argument: pg.Node) -> Name | None:
    """Return the sequence that an argument names, or that it asks a column for."""
    written = tree.constant(argument)
    if written is not None:
        name = tree.written_name(written)
        return replay.catalog.find(replay.path, name) or replay.full(name)
    call = argument.type_cast.arg.func_call if argument.HasField("type_cast") else argument.func_call
    asked = [tree.constant(one) for one in call.args]
    if tree.name(call.funcname).name != "pg_get_serial_sequence" or len(asked) != 2 or None in asked:
        return None
    table = tree.written_name(asked[0] or "")
    full = replay.catalog.find(replay.path, table) or replay.full(table)
    found = replay.catalog.sequences_of(full, asked[1])
    return found[0].name if found else full


def alter_subscription(replay: StatementReplay, statement: pg.AlterSubscriptionStmt) -> None:
    """ALTER SUBSCRIPTION."""
    if statement.kind == pg.ALTER_SUBSCRIPTION_ENABLED and not tree.is_on(tree.options(statement.options), "enabled"):
        replay.record(StopsReplication(f"the subscription `{statement.subname}` gets nothing any more"))


def drop_subscription(replay: StatementReplay, statement: pg.DropSubscriptionStmt) -> None:
    """DROP SUBSCRIPTION."""
    replay.record(StopsReplication(f"the subscription `{statement.subname}` gets nothing any more, and its slot goes"))


def role(replay: StatementReplay, name: str, options: Iterable[pg.Node]) -> None:
    """CREATE ROLE and ALTER ROLE: record which powers it gets, and whether its password is written down."""
    known = tree.options(options)
    powers = tuple(shown for key, shown in _POWERS.items() if tree.is_on(known, key))
    password = tree.text_of(known, "password")
    has_password = password is not None and _is_secret(password)
    if powers or has_password:
        replay.record(Empowers(name, powers, has_password))


def _is_secret(text: str) -> bool:
    return bool(text) and not _VERIFIER.match(text) and _PLACEHOLDER.fullmatch(text) is None


def grant_role(replay: StatementReplay, statement: pg.GrantRoleStmt) -> None:
    """GRANT of a role."""
    granted = [node.access_priv.priv_name for node in statement.granted_roles]
    strong = tuple(one for one in granted if one in _STRONG_ROLES)
    if statement.is_grant and strong:
        for node in statement.grantee_roles:
            replay.record(Empowers(tree.role(node.role_spec), strong))


def options_with_password(replay: StatementReplay, name: str, options: Iterable[pg.Node]) -> None:
    """CREATE USER MAPPING and CREATE SERVER."""
    if _is_secret(tree.text_of(tree.options(options), "password") or ""):
        replay.record(Empowers(name, has_password=True))


def subscription(replay: StatementReplay, statement: pg.CreateSubscriptionStmt) -> None:
    """CREATE SUBSCRIPTION."""
    if _SECRET.search(statement.conninfo):
        replay.record(Empowers(statement.subname, has_password=True))


_CALLED = frozenset({"function", "procedure", "routine"})


def grant(replay: StatementReplay, statement: pg.GrantStmt) -> None:
    """GRANT and REVOKE of privileges on objects."""
    kind = _kind_of_objects(statement)
    objects = tuple(
        replay.full(tree.relation_name(node.range_var))
        if node.HasField("range_var")
        else _function(replay, tree.object_name(node), kind)
        for node in statement.objects
    )
    _record_granted(replay, statement, kind, objects)
    if statement.targtype == pg.ACL_TARGET_OBJECT:
        _keep(replay, statement, kind, objects)


def _function(replay: StatementReplay, name: Name, kind: str) -> Name:
    """Return the full name of a function; anything else is called as it is written."""
    return (replay.catalog.find_function(replay.path, name) or name) if kind in _CALLED else name


def _keep(replay: StatementReplay, statement: pg.GrantStmt, kind: str, objects: tuple[Name, ...]) -> None:
    """Put privileges into the catalog, or take them out."""
    roles = [tree.role(node.role_spec) for node in statement.grantees]
    of_each = [(name, role) for name in objects for role in roles]
    whats = [_what(node.access_priv) for node in statement.privileges] or ["all"]
    if statement.is_grant:
        replay.catalog.privileges |= {Privilege(kind, name, role, what) for name, role in of_each for what in whats}
    else:
        is_all = whats == ["all"]
        gone = [
            one
            for one in replay.catalog.privileges
            if (one.name, one.role) in of_each and (is_all or one.what in whats)
        ]
        replay.catalog.privileges -= frozenset(one for one in gone if one.kind == kind)


def _what(given: pg.AccessPriv) -> str:
    columns = ", ".join(tree.strings(given.cols))
    name = (given.priv_name or "all").lower()
    return f"{name} ({columns})" if columns else name


def default_privileges(replay: StatementReplay, statement: pg.AlterDefaultPrivilegesStmt) -> None:
    """ALTER DEFAULT PRIVILEGES."""
    _record_granted(replay, statement.action, f"future {_kind_of_objects(statement.action)}", ())


def _kind_of_objects(statement: pg.GrantStmt) -> str:
    return pg.ObjectType.Name(statement.objtype).removeprefix("OBJECT_").lower().replace("_", " ")


def _record_granted(replay: StatementReplay, statement: pg.GrantStmt, kind: str, objects: tuple[Name, ...]) -> None:
    replay.record(
        Grants(
            kind,
            objects,
            tuple(node.access_priv.priv_name for node in statement.privileges),
            tuple(tree.role(node.role_spec) for node in statement.grantees),
            is_revoke=not statement.is_grant,
        )
    )


def is_always_true(node: pg.Node) -> bool:
    """Whether a condition is `true` and nothing else."""
    return tree.constant(node) == "true"


def publication(replay: StatementReplay, objects: Iterable[pg.Node], *, is_every: bool = False) -> None:
    """CREATE PUBLICATION and ALTER PUBLICATION ... ADD."""
    tables = [
        replay.relation(node.publication_obj_spec.pubtable.relation)
        for node in objects
        if node.publication_obj_spec.HasField("pubtable")
    ]
    if tables or is_every:
        replay.record(Publishes(tuple(tables), is_every))
