"""The roles that migrations run as: whether this one may become them, asked before anything runs. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.database.settings import set_config
from zmig.errors import Problem
from zmig.planning.plan import Refusal
from zmig.sql.quoting import identifier, literal
from zmig.text.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.database.types import Connection
    from zmig.planning.plan import Plan

_SET_PRIVILEGE_SINCE = 160000
"""From here on a member may lack the right to SET ROLE."""


def become_sql(role: str, *, local: bool) -> str:
    """Return the statement after which the session, or only its open transaction, has the rights of `role`."""
    if local:
        # As SET LOCAL ROLE, which Citus may send on to other servers, together with the message it is in.
        return f"select {set_config({'role': literal(role)}, local=True)}"
    return f"set session role {identifier(role)}"


def refusals(connection: Connection, plan: Plan) -> Iterator[Refusal]:
    """Yield a refusal for each step whose role is missing, or not one that this session may become."""
    wanted = {step.migration.settings.run_as for step in plan.steps} - {None}
    if not wanted:
        return
    own, known = _look(connection, [role for role in wanted if role is not None])
    for step in plan.steps:
        role = step.migration.settings.run_as
        if role is None or known.get(role):
            continue
        problem = _not_allowed(role, own) if role in known else _unknown(connection, role)
        named = Problem(
            problem.code,
            f"migration `{step.migration.name}` cannot run as {problem.message}",
            location=step.migration.declared_at,
            effect="nothing was run",
            hint=problem.hint,
        )
        yield Refusal(step.migration.version, step.migration.name, named)


def _look(connection: Connection, roles: Sequence[str]) -> tuple[str, dict[str, bool]]:
    """Return the name of the session's own role, and of those that exist whether it may become them."""
    privilege = "SET" if connection.info.server_version >= _SET_PRIVILEGE_SINCE else "MEMBER"
    query = (
        "select current_user::text, r.rolname::text, pg_catalog.pg_has_role(current_user, r.oid, %s) "
        "from (select) as one left join pg_catalog.pg_roles r on r.rolname = any(%s)"
    )
    rows = connection.execute(query.encode(), (privilege, list(roles))).fetchall()
    return str(rows[0][0]), {str(role): cast("bool", may) for _, role, may in rows if role is not None}


def _not_allowed(role: str, own: str) -> Problem:
    hint = f"run `grant {identifier(role)} to {identifier(own)}` as a role that may"
    return Problem("role-not-granted", f"`{role}`: role `{own}` is not a member of it", hint=hint)


def _unknown(connection: Connection, role: str) -> Problem:
    rows = connection.execute("select rolname::text from pg_catalog.pg_roles").fetchall()
    near = nearest(role, (str(name) for (name,) in rows))
    hint = f"write `run_as: {near}`" if near else f"run `create role {identifier(role)}` first"
    return Problem("role-missing", f"`{role}`: there is no such role", hint=hint)
