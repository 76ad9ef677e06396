"""Empties a database: drops everything in it that the role may drop, and leaves an empty `public` with its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.errors import Problem, TrackingError, UsageError
from zmig.model import Environment

if TYPE_CHECKING:
    from zmig.database.connection import Target
    from zmig.database.types import Connection

_SCHEMAS = """
select nspname::text from pg_catalog.pg_namespace
where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname
"""

_DROP = """
do $do$
declare
    command text;
begin
    for command in
        select format('drop extension %I cascade', extname) from pg_catalog.pg_extension
        where extname <> 'plpgsql' and pg_has_role(extowner, 'usage')
    loop
        execute command;
    end loop;
    for command in
        select format('drop event trigger %I', evtname) from pg_catalog.pg_event_trigger
        where pg_has_role(evtowner, 'usage')
        union all
        select format('drop publication %I', pubname) from pg_catalog.pg_publication
        where pg_has_role(pubowner, 'usage')
        union all
        select format('drop foreign data wrapper %I cascade', fdwname) from pg_catalog.pg_foreign_data_wrapper
        where pg_has_role(fdwowner, 'usage')
        union all
        select format('drop schema %I cascade', nspname) from pg_catalog.pg_namespace
        where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
        union all
        select format('select lo_unlink(%s)', oid) from pg_catalog.pg_largeobject_metadata
        where pg_has_role(lomowner, 'usage')
    loop
        execute command;
    end loop;
    loop
        select format('drop %s %s cascade', replace(i.type, 'statistics object', 'statistics'), i.identity)
        into command
        from pg_catalog.pg_depend d cross join lateral pg_identify_object(d.classid, d.objid, 0) i
        where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.refobjid = to_regnamespace('public')
        and d.deptype = 'n' and i.type <> 'default acl'
        and not exists (select from pg_catalog.pg_depend o
            where o.classid = d.classid and o.objid = d.objid and o.deptype in ('i', 'e', 'P', 'S')
                and (o.refclassid, o.refobjid) <> (o.classid, o.objid))
        limit 1;
        exit when command is null;
        execute command;
    end loop;
end
$do$
"""
"""The schema `public` is emptied instead of dropped, so that its owner and its rights stay as they are.

What belongs to another object, as an identity's sequence, a partition and an extension's function do, goes with that.
Extensions go first, since what belongs to one cannot be dropped by itself.
"""


def refuse(environment: Environment, *, has_citus: bool = False) -> None:
    """Make sure that this environment's database may be emptied, and can be.

    Raises:
        UsageError: it is production or staging, or Citus is installed, whose other nodes would keep what they hold.
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
    if has_citus:
        raise UsageError(
            Problem(
                "reset-refused",
                "`zmig reset` is refused: Citus is installed, and the other nodes would keep their shards",
                effect="nothing was dropped",
                hint="drop the database on every node, create it again, and add the nodes to its coordinator",
            )
        )


def drop_everything(connection: Connection, target: Target) -> list[str]:
    """Drop everything in the database, in one transaction; return the names of its schemas.

    Raises:
        TrackingError: something belongs to another role; nothing was dropped then.
    """
    try:
        with connection.transaction():
            connection.execute("set local client_min_messages = warning")
            names = [str(row[0]) for row in connection.execute(_SCHEMAS)]
            connection.execute(_DROP)
    except psycopg.errors.InsufficientPrivilege as error:
        raise TrackingError(
            Problem(
                "missing-right",
                f"the database refuses: {error.diag.message_primary}",
                facts=(f"PostgreSQL {error.sqlstate}",),
                effect="nothing was dropped",
                hint=f"drop what belongs to another role as that role, or use it in {target.written_in}",
            )
        ) from error
    return names
