"""What is set beside tables: settings of the session, roles and their passwords, privileges, publications."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import functions, tree
from zmig.lint.replay.effects import Empowers, Grants, Publishes, Sets, Sleeps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.scene import Scene
    from zmig.sql.token_reader import Name

_POWERS = {"superuser": "superuser", "bypassrls": "bypassrls", "isreplication": "replication"}
_STRONG_ROLES = frozenset(
    {"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "rds_superuser", "cloudsqlsuperuser"}
)
"""Roles whose members come past all privileges."""
_VERIFIER = re.compile(r"SCRAM-SHA-256\$")
_SECRET = re.compile(r"\bpassword\s*=|://[^/\s:@]+:[^/\s@]+@")
_PLACEHOLDER = re.compile(r"v_\w+_")
"""What is in place of a variable of the manifest."""


def set_variable(scene: Scene, statement: pg.VariableSetStmt) -> None:
    """SET."""
    if statement.kind == pg.VAR_SET_VALUE:
        value = tree.constant(statement.args[0]) if len(statement.args) == 1 else None
        scene.say(Sets(statement.name.lower(), value))


def sleep(scene: Scene, called: Name) -> None:
    """Say that a call waits, if it does."""
    if called.name in functions.SLEEPING:
        scene.say(Sleeps())


def role(scene: Scene, name: str, options: Iterable[pg.Node]) -> None:
    """CREATE ROLE and ALTER ROLE: say which powers it gets, and whether its password is written down."""
    known = tree.options(options)
    powers = tuple(shown for key, shown in _POWERS.items() if tree.is_on(known, key))
    password = tree.text_of(known, "password")
    has_password = password is not None and _is_secret(password)
    if powers or has_password:
        scene.say(Empowers(name, powers, has_password))


def _is_secret(text: str) -> bool:
    return bool(text) and not _VERIFIER.match(text) and _PLACEHOLDER.fullmatch(text) is None


def grant_role(scene: Scene, statement: pg.GrantRoleStmt) -> None:
    """GRANT of a role."""
    granted = [node.access_priv.priv_name for node in statement.granted_roles]
    strong = tuple(one for one in granted if one in _STRONG_ROLES)
    if statement.is_grant and strong:
        for node in statement.grantee_roles:
            scene.say(Empowers(tree.role(node.role_spec), strong))


def options_with_password(scene: Scene, name: str, options: Iterable[pg.Node]) -> None:
    """CREATE USER MAPPING and CREATE SERVER."""
    if _is_secret(tree.text_of(tree.options(options), "password") or ""):
        scene.say(Empowers(name, has_password=True))


def subscription(scene: Scene, statement: pg.CreateSubscriptionStmt) -> None:
    """CREATE SUBSCRIPTION."""
    if _SECRET.search(statement.conninfo):
        scene.say(Empowers(statement.subname, has_password=True))


def grant(scene: Scene, statement: pg.GrantStmt) -> None:
    """GRANT and REVOKE of privileges on objects."""
    objects = tuple(
        scene.full(tree.relation_name(node.range_var)) if node.HasField("range_var") else tree.object_name(node)
        for node in statement.objects
    )
    _say_granted(scene, statement, _kind_of_objects(statement), objects)


def default_privileges(scene: Scene, statement: pg.AlterDefaultPrivilegesStmt) -> None:
    """ALTER DEFAULT PRIVILEGES."""
    _say_granted(scene, statement.action, f"future {_kind_of_objects(statement.action)}", ())


def _kind_of_objects(statement: pg.GrantStmt) -> str:
    return pg.ObjectType.Name(statement.objtype).removeprefix("OBJECT_").lower().replace("_", " ")


def _say_granted(scene: Scene, statement: pg.GrantStmt, kind: str, objects: tuple[Name, ...]) -> None:
    scene.say(
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


def publication(scene: Scene, objects: Iterable[pg.Node], *, is_every: bool = False) -> None:
    """CREATE PUBLICATION and ALTER PUBLICATION ... ADD."""
    tables = [
        scene.relation(node.publication_obj_spec.pubtable.relation)
        for node in objects
        if node.publication_obj_spec.HasField("pubtable")
    ]
    if tables or is_every:
        scene.say(Publishes(tuple(tables), is_every))
