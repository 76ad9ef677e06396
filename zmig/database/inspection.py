"""What the tracking schema looks like to one role: whose tables these are, and which rights are missing.

Asked in one query that reads the catalog only, before anything is read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.errors import Problem, TrackingError
from zmig.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from zmig.database.connection import Connection

EVENTS = "migration_events"
PROJECTION = "schema_migrations"

_COLUMNS = {
    EVENTS: frozenset(
        {
            "position",
            "aggregate_type",
            "aggregate_id",
            "event_type",
            "event_data",
            "created_at",
            "database_user",
            "run_id",
            "host",
        }
    ),
    PROJECTION: frozenset(
        {"version", "name", "kind", "checksum", "applied_at", "applied_by", "duration_ms", "position"}
    ),
}


@frozen
class Inspection:
    """The tracking schema of one database, as one role sees it."""

    role: str
    """The name of the role, quoted where SQL needs that."""
    database: str
    schema: str
    schema_exists: bool
    read_only: bool
    in_recovery: bool
    columns: Mapping[str, frozenset[str]]
    """The columns of those of the two tables that are there."""
    unreadable: tuple[str, ...]
    """The rights that are missing to read what is there, as GRANT spells them."""
    unwritable: tuple[str, ...]
    """The rights that are missing to read, to create what is not there and to write facts."""
    now: datetime
    """The server's clock."""

    @property
    def has_events(self) -> bool:
        """Whether the event store is there."""
        return EVENTS in self.columns

    @property
    def exists(self) -> bool:
        """Whether both tables are there."""
        return EVENTS in self.columns and PROJECTION in self.columns

    def check_readable(self, *, to_write: bool = False) -> None:
        """Make sure that the facts are zmig's, and that this role can read them.

        Raises:
            TrackingError: a table of that name belongs to another tool, or a right is missing, which it names.
        """
        for table, needed in _COLUMNS.items():
            columns = self.columns.get(table)
            if columns is not None and not needed <= columns:
                raise TrackingError(self._foreign(table, columns, needed))
        if self.unreadable:
            raise TrackingError(self._missing(self.unwritable if to_write else self.unreadable))

    def check_writable(self) -> None:
        """Make sure that this role can write facts.

        Raises:
            TrackingError: the database is read-only, or a right is missing, which it names.
        """
        if self.in_recovery or self.read_only:
            why = "it is a standby" if self.in_recovery else "its transactions are read-only by default"
            raise TrackingError(
                Problem(
                    "read-only",
                    f"database `{self.database}` is read-only: {why}",
                    effect="nothing was run",
                    hint="connect to the primary server, as a role that may write",
                )
            )
        if self.unwritable:
            raise TrackingError(self._missing(self.unwritable))

    def _foreign(self, table: str, columns: frozenset[str], needed: frozenset[str]) -> Problem:
        return Problem(
            "tracking-foreign",
            f"table `{self.schema}.{table}` belongs to another tool",
            facts=(f"its columns: {', '.join(sorted(columns))}", f"zmig needs: {', '.join(sorted(needed))}"),
            effect="nothing was run",
            hint="give zmig a schema of its own: write `tracking: {schema: zmig}` in the manifest",
        )

    def _missing(self, rights: Sequence[str]) -> Problem:
        grants = "; ".join(f"grant {right} to {self.role}" for right in rights)
        return Problem(
            "missing-right",
            f"role `{self.role}` lacks the right{'s' if len(rights) > 1 else ''} {', '.join(rights)}",
            effect="nothing was run",
            hint=f"as an administrator, run `{grants}`",
        )


_QUERY = """
with schema as (
    select oid, nspname from pg_catalog.pg_namespace where nspname = %(schema)s
), found as (
    select c.oid, c.relname, format('%%I.%%I', s.nspname, c.relname) as name
    from pg_catalog.pg_class c join schema s on s.oid = c.relnamespace
    where c.relname in ('migration_events', 'schema_migrations')
), needed (relname, privilege, reads) as (
    values ('migration_events', 'select', true), ('migration_events', 'insert', false),
        ('schema_migrations', 'select', false), ('schema_migrations', 'insert', false),
        ('schema_migrations', 'update', false), ('schema_migrations', 'delete', false)
), missing (privilege, reads) as (
    select format('usage on schema %%I', nspname), true from schema where not has_schema_privilege(oid, 'usage')
    union all
    select format('create on schema %%I', nspname), false from schema
    where not has_schema_privilege(oid, 'create') and (select count(*) from found) < 2
    union all
    select format('create on database %%I', current_database()), false
    where not exists (select from schema) and not has_database_privilege(current_database(), 'create')
    union all
    select string_agg(privilege, ', ' order by privilege) || ' on ' || name, reads
    from found join needed using (relname) where not has_table_privilege(oid, privilege) group by name, reads
)
select quote_ident(current_user), current_database()::text, exists (select from schema),
    current_setting('transaction_read_only') = 'on', pg_is_in_recovery(),
    (select coalesce(jsonb_object_agg(relname, (
        select jsonb_agg(a.attname) from pg_catalog.pg_attribute a
        where a.attrelid = found.oid and a.attnum > 0 and not a.attisdropped)), '{}') from found),
    (select coalesce(array_agg(privilege), '{}') from missing where reads),
    (select coalesce(array_agg(privilege), '{}') from missing),
    clock_timestamp()
"""


def inspect(connection: Connection, schema: str) -> Inspection:
    """Look at the tracking schema, its tables and the rights of this role."""
    row = connection.execute(_QUERY, {"schema": schema}).fetchone()
    if row is None:
        raise AssertionError("a query without FROM returns one row")
    columns = cast("dict[str, list[str] | None]", row[5])
    return Inspection(
        role=str(row[0]),
        database=str(row[1]),
        schema=schema,
        schema_exists=bool(row[2]),
        read_only=bool(row[3]),
        in_recovery=bool(row[4]),
        columns={name: frozenset(found or ()) for name, found in columns.items()},
        unreadable=tuple(cast("list[str]", row[6])),
        unwritable=tuple(cast("list[str]", row[7])),
        now=cast("datetime", row[8]),
    )
