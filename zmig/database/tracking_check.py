"""What the tracking schema looks like to one role: whose tables these are, what is odd, and which rights are missing.

Asked in one query that reads the catalog only, before anything is read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.database import table_definitions
from zmig.database.table_definitions import EVENTS, PROJECTION, Column, Oddity
from zmig.errors import Problem, TrackingError
from zmig.sql.quoting import array, literal
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.database.types import Questioning


@valueclass
class Inspection:
    """The tracking schema of one database, as one role sees it."""

    role: str
    """The name of the role, quoted where SQL needs that."""
    database: str
    schema: str
    _: KW_ONLY
    schema_exists: bool
    read_only: bool
    in_recovery: bool
    columns: Mapping[str, Sequence[Column]]
    """The columns of those of the two tables that are there."""
    other_owners: tuple[tuple[str, str], ...]
    """What of it belongs to a role that may not be trusted, as `table zmig.migration_events`, and that role."""
    additions: tuple[Oddity, ...]
    """What is on the tables beside their columns, and zmig did not put there."""
    unreadable: tuple[str, ...]
    """The rights that are missing to read what is there, as GRANT spells them."""
    unwritable: tuple[str, ...]
    """The rights that are missing to read, to create what is not there and to write facts."""
    now: datetime
    """The server's clock."""
    sees_projection: bool = False
    """Whether the simple table is there, and this role can read it."""
    is_guarded: bool = True
    """Whether the trigger is there, and enabled, that keeps facts from being changed; True where there are none."""
    owns_events: bool = True
    """Whether this role may put that trigger there."""
    intruders: tuple[tuple[str, str], ...] = ()
    """What of it a role that may not be trusted may put triggers on, as `zmig.migration_events`, and that role."""

    @property
    def has_events(self) -> bool:
        """Whether the event store is there."""
        return EVENTS in self.columns

    @property
    def exists(self) -> bool:
        """Whether both tables are there."""
        return EVENTS in self.columns and PROJECTION in self.columns

    def check_readable(self, *, to_write: bool = False) -> None:
        """Make sure that the facts are zmig's, that no code of others runs with them, and that this role can read them.

        Raises:
            TrackingError: a table of that name belongs to another tool or to a role that may not be trusted, it has
                what zmig did not make, or a right is missing.
        """
        for table, needed in table_definitions.COLUMNS.items():
            columns = self.columns.get(table)
            if columns is not None and not needed.keys() <= {column.name for column in columns}:
                raise TrackingError(self._foreign(table, columns, needed))
        self._check_unchanged()
        if self.unreadable:
            raise TrackingError(self._missing(self.unwritable if to_write else self.unreadable))

    def check_writable(self) -> None:
        """Make sure that this role can write facts.

        Raises:
            TrackingError: the database is read-only, or a right is missing, which it names.
        """
        if self.in_recovery:
            raise TrackingError(self.standby("the primary server"))
        if self.read_only:
            raise TrackingError(
                Problem(
                    "read-only",
                    f"database `{self.database}` is read-only: its transactions are read-only by default",
                    effect="nothing was run",
                    hint="connect to the primary server, as a role that may write",
                )
            )
        if self.unwritable:
            raise TrackingError(self._missing(self.unwritable))
        if self.intruders:
            raise TrackingError(self._open_to_triggers())
        if not (self.is_guarded or self.owns_events):
            raise TrackingError(self._unguarded())

    def standby(self, primary: str, *facts: str) -> Problem:
        """Return the problem that nothing can be written here, with what is called the primary server."""
        return Problem(
            "read-only",
            f"database `{self.database}` is read-only: it is on a standby",
            facts=facts,
            effect="nothing was run",
            hint=f"connect to {primary}",
        )

    def _check_unchanged(self) -> None:
        if self.other_owners:
            raise TrackingError(self._untrusted(*self.other_owners[0]))
        odd = [*self.additions]
        others = {one.table for one in odd if one.what.startswith(table_definitions.IS_OTHER)}
        for table in sorted(self.columns.keys() - others):
            odd += table_definitions.odd_columns(self.schema, table, self.columns[table])
        if odd:
            raise TrackingError(self._altered(odd))

    def _untrusted(self, what: str, owner: str) -> Problem:
        return Problem(
            "tracking-untrusted",
            f"{what} belongs to role `{owner}`, which could have its own code run as `{self.role}`",
            facts=tuple(f"{other} belongs to role `{role}`" for other, role in self.other_owners[1:]),
            effect="nothing was run",
            hint=f"if that role may act as {self.role}, write `tracking: {{owner: {_in_yaml(owner)}}}` in the manifest",
        )

    def _altered(self, odd: Sequence[Oddity]) -> Problem:
        first = odd[0]
        return Problem(
            "tracking-altered",
            f"table `{self.schema}.{first.table}` is not as zmig makes it: {first.what}",
            facts=tuple(f"table `{self.schema}.{one.table}`: {one.what}" for one in odd[1:]),
            effect="nothing was run",
            hint=first.remedy,
        )

    def _open_to_triggers(self) -> Problem:
        names, roles = (list(dict.fromkeys(column)) for column in zip(*self.intruders, strict=True))
        return Problem(
            "tracking-untrusted",
            f"role `{roles[0]}` may put a trigger on table `{names[0]}`, whose code would run as `{self.role}`",
            facts=tuple(f"so may role `{role}` on table `{name}`" for name, role in self.intruders[1:]),
            effect="nothing was run",
            hint=f"as the tables' owner, run `revoke trigger on {', '.join(names)} from {', '.join(roles)} cascade`",
        )

    def _unguarded(self) -> Problem:
        from zmig.database import tracking_sql

        return Problem(
            "tracking-altered",
            f"table `{self.schema}.{EVENTS}` is not as zmig makes it: {tracking_sql.GUARD_MISSING}",
            facts=(f"role `{self.role}` does not own the table, so zmig cannot put it there again",),
            effect="nothing was run",
            hint=f"as the table's owner, run `{tracking_sql.guard_trigger_line(self.schema)}`",
        )

    def _foreign(self, table: str, columns: Sequence[Column], needed: Iterable[str]) -> Problem:
        found = sorted(column.name for column in columns)
        return Problem(
            "tracking-foreign",
            f"table `{self.schema}.{table}` belongs to another tool",
            facts=(f"its columns: {', '.join(found)}", f"zmig needs: {', '.join(sorted(needed))}"),
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


def _in_yaml(name: str) -> str:
    return (
        name if name.isascii() and name.isidentifier() else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )


_FOUND = """
with schema as (
    select oid, nspname, nspowner from pg_catalog.pg_namespace where nspname = %(schema)s
), found as (
    select c.oid, c.relname, c.relowner, c.relkind, c.relpersistence, c.relrowsecurity, c.relacl,
        format('%%I.%%I', s.nspname, c.relname) as name,
        c.relkind <> 'r' or c.relpersistence <> 'p' or c.relispartition or c.relhassubclass or c.relhasrules
            or c.relrowsecurity or c.relchecks > 0 as is_odd
    from pg_catalog.pg_class c join schema s on s.oid = c.relnamespace
    where c.relname in ('migration_events', 'schema_migrations')
), guard as (
    select p.oid, p.proowner, format('%%I.%%I', s.nspname, p.proname) as name,
        btrim(regexp_replace(p.prosrc, '[[:space:]]+', ' ', 'g')) = any (%(bodies)s) and not p.prosecdef
            and coalesce(replace(array_to_string(p.proconfig, ';'), '"', ''), 'search_path=pg_catalog, pg_temp')
                = 'search_path=pg_catalog, pg_temp' as is_own
    from pg_catalog.pg_proc p join schema s on s.oid = p.pronamespace where p.proname = 'migration_events_refuse_change'
)"""

_QUERY = f"""{_FOUND}, needed (relname, privilege, reads) as (
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
), {table_definitions.CATALOG}
select quote_ident(current_user), current_database()::text, exists (select from schema),
    current_setting('transaction_read_only') = 'on', pg_is_in_recovery(),
    (select coalesce(array_agg(array["table", lines]), '{{}}') from described),
    (select coalesce(array_agg(privilege), '{{}}') from missing where reads),
    (select coalesce(array_agg(privilege), '{{}}') from missing),
    clock_timestamp(),
    (select coalesce(array_agg(array[what, owner]), '{{}}') from strange),
    exists (select from suspected),
    coalesce((select has_table_privilege(oid, 'select') from found where relname = 'schema_migrations'), false),
    not exists (select from found where relname = 'migration_events') or {table_definitions.IS_GUARDED},
    coalesce((select pg_has_role(relowner, 'usage') from found where relname = 'migration_events'), true),
    (select coalesce(array_agg(array[name, grantee, shown] order by name, grantee), '{{}}') from intruder)
"""

_ODDITIES = f"""{_FOUND}, {table_definitions.ODDITIES}
select relname::text, what, remedy from odd
"""


def inspect(connection: Questioning, schema: str, owner: str | None = None) -> Inspection:
    """Look at the tracking schema, its tables and the rights of this role; `owner` may have made them."""
    values = {"schema": literal(schema), "owner": literal(owner), "bodies": array(table_definitions.TRIGGER_BODIES)}
    row = connection.execute((_QUERY % values).encode()).fetchone()
    if row is None:
        raise AssertionError("a query without FROM returns one row")
    strange = cast("list[tuple[str, str]]", row[9])
    intruders = cast("list[tuple[str, str, str]]", row[14])
    if strange or intruders:
        named = [role for _, role in strange] + [role for _, role, _ in intruders]
        owners = {"owners": array(named), "owner": literal(owner)}
        trusted = {role for (role,) in connection.execute((table_definitions.TRUSTED % owners).encode())}
        strange = [(what, role) for what, role in strange if role not in trusted]
        intruders = [one for one in intruders if one[1] not in trusted]
    odd = connection.execute((_ODDITIES % values).encode()).fetchall() if row[10] else ()
    return Inspection(
        role=str(row[0]),
        database=str(row[1]),
        schema=schema,
        schema_exists=bool(row[2]),
        read_only=bool(row[3]),
        in_recovery=bool(row[4]),
        columns={table: table_definitions.columns(lines) for table, lines in cast("list[tuple[str, str]]", row[5])},
        other_owners=tuple((what, role) for what, role in strange),
        additions=tuple(Oddity(*cast("tuple[str, str, str]", one)) for one in odd),
        unreadable=tuple(cast("list[str]", row[6])),
        unwritable=tuple(cast("list[str]", row[7])),
        now=cast("datetime", row[8]),
        sees_projection=row[11] is True,
        is_guarded=row[12] is True,
        owns_events=row[13] is True,
        intruders=tuple((name, shown) for name, _, shown in intruders),
    )
