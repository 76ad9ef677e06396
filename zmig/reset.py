"""Empties a database: drops every schema in it, and makes `public` anew with the rights it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from psycopg import sql

from zmig.errors import Problem, UsageError
from zmig.model import Environment

if TYPE_CHECKING:
    from zmig.database import Connection

_SCHEMAS = """
select nspname::text from pg_catalog.pg_namespace
where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname
"""

_PUBLIC = """
select n.nspowner::regrole::text,
    (select jsonb_agg(jsonb_build_array(
        case when a.grantee = 0 then 'public' else a.grantee::regrole::text end, a.privilege_type))
    from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a)
from pg_catalog.pg_namespace n where n.nspname = 'public'
"""


def refuse(environment: Environment) -> None:
    """Make sure that this environment's database may be emptied.

    Raises:
        UsageError: it is production or staging.
    """
    if environment in (Environment.PRODUCTION, Environment.STAGING):
        raise UsageError(
            Problem(
                "reset-refused",
                f"`zmig reset` is refused: the manifest's environment is {environment.value}",
                effect="nothing was dropped",
                hint="use a manifest that says `environment: development` or `environment: test`",
            )
        )


def drop_everything(connection: Connection) -> list[str]:
    """Drop every schema of the database, in one transaction; return their names."""
    with connection.transaction():
        connection.execute("set local client_min_messages = warning")
        names = [str(row[0]) for row in connection.execute(_SCHEMAS)]
        public = connection.execute(_PUBLIC).fetchone()
        for name in names:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(name)))
        _make_public(connection, public)
    return names


def _make_public(connection: Connection, public: tuple[object, ...] | None) -> None:
    connection.execute("create schema public")
    if public is None:
        return
    owner, grants = str(public[0]), cast("list[list[str]]", public[1] or [])
    connection.execute(f"alter schema public owner to {owner}".encode())
    for grantee, privilege in grants:
        connection.execute(f"grant {privilege} on schema public to {grantee}".encode())
