"""The tables zmig keeps, as they must be found: whoever changes them could have code run as whoever runs zmig.

A default, a trigger, a rule, a policy, a constraint, an index on an expression, a view in a table's place: each would
run with the rights of the role that reads facts or appends one. So nothing may be there that zmig does not make itself,
and everything must belong to a role that may be trusted not to put it there a moment later: the current role, a
superuser, the owner that the manifest names, a role that nobody but those can act as, and for all but superusers the
owner of the database, against whom there is no protection anyway (PostgreSQL documentation, "Usage Patterns").

To none but those may the right TRIGGER be granted, with which somebody could add one between zmig's look and its write;
a lock that keeps triggers away could not be held for all of a run. Who may only insert, update or delete rows decides
what facts say, but runs no code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql import quoting
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVENTS = "migration_events"
PROJECTION = "schema_migrations"

_TEXT, _NUMBER, _TIME = "text", "bigint", "timestamp with time zone"
_IDENTITY, _GENERATED = "identity", "generated"

COLUMNS: dict[str, dict[str, tuple[str, str | None]]] = {
    EVENTS: {
        "position": (_NUMBER, _IDENTITY),
        "aggregate_type": (_TEXT, "'migration'::text"),
        "aggregate_id": (_TEXT, None),
        "event_type": (_TEXT, None),
        "event_data": ("jsonb", "'{}'::jsonb"),
        "created_at": (_TIME, "now()"),
        "database_user": (_TEXT, "SESSION_USER"),
        "run_id": (_TEXT, None),
        "host": (_TEXT, None),
    },
    PROJECTION: {
        "version": (_NUMBER, None),
        "name": (_TEXT, None),
        "kind": (_TEXT, None),
        "checksum": (_TEXT, None),
        "applied_at": (_TIME, None),
        "applied_by": (_TEXT, None),
        "duration_ms": (_NUMBER, None),
        "position": (_NUMBER, None),
    },
}
"""The type and the default of each column, as PostgreSQL writes them where only `pg_catalog` is in the search path."""

_NULLABLE = frozenset({"run_id", "host", "checksum", "duration_ms"})

_BODY = """
begin
    raise exception 'migration_events is append-only: %% is refused', {lower}(tg_op)
        using errcode = 'restrict_violation',
            hint = 'append a fact instead, for example with zmig resolve';
end
"""
TRIGGER_BODIES = tuple(
    " ".join(_BODY.format(lower=lower).replace("%%", "%").split()) for lower in ("lower", "pg_catalog.lower")
)
"""What the trigger function of every zmig so far says, in one line; it has no comment, which a line would end."""


@valueclass
class Column:
    """A column that was found."""

    name: str
    type: str
    default: str | None
    """An expression; `identity` or `generated`."""
    is_required: bool = False
    """Whether it takes no null."""

    @property
    def is_plain(self) -> bool:
        """Whether its type is one of PostgreSQL's own: they alone have no schema's name before them."""
        return "." not in self.type


def columns(lines: str) -> list[Column]:
    """Return the columns that `CATALOG` describes, each in a line."""
    fields = (line.split("\t") for line in lines.split("\n"))
    return [Column(name, type, default or None, required == "t") for name, type, default, required in fields]


@valueclass
class Oddity:
    """Something on a table that zmig did not make."""

    table: str
    what: str
    remedy: str
    """What to do, for a hint."""


def odd_columns(schema: str, table: str, columns: Sequence[Column]) -> Iterator[Oddity]:
    """Yield the columns that are not as zmig makes them; one more is let be where it can run no code."""
    alter = f"alter table {quoting.shown(schema, table)} "
    for column in columns:
        type, default = COLUMNS[table].get(column.name, (None, None))
        name = column.name if column.name in COLUMNS[table] else quoting.shown(column.name)
        if not column.is_plain or type not in (None, column.type):
            what = f"column `{column.name}` is of type `{column.type}`"
            change = f"drop column {name}" if type is None else f"alter column {name} type {type}"
            yield Oddity(table, what, f"run `{alter}{change}`")
        elif column.default != default:
            what = f"column `{column.name}` has no default"
            if column.default is not None:
                what = f"the default of column `{column.name}` is `{column.default}`"
            yield Oddity(table, what, f"run `{alter}alter column {name} {_change(column.default, default)}`")
        elif column.is_required and (type is None or column.name in _NULLABLE):
            what = f"column `{column.name}` takes no null, which zmig leaves there"
            yield Oddity(table, what, f"run `{alter}alter column {name} drop not null`")


def _change(found: str | None, default: str | None) -> str:
    if default == _IDENTITY:
        return "add generated always as identity"
    if default is not None:
        return f"set default {default}"
    return {_GENERATED: "drop expression", _IDENTITY: "drop identity"}.get(found or "", "drop default")


_OWN_TRIGGER = """t.tgtype = 58 and t.tgqual is null and t.tgnargs = 0
    and exists (select from guard where oid = t.tgfoid and is_own)"""
"""The 58 says that it comes before UPDATE, DELETE and TRUNCATE, once for each statement (pg_trigger.h)."""

_IS_GUARD = f"t.tgname = 'append_only' and t.tgenabled in ('O', 'A') and {_OWN_TRIGGER}"

IS_GUARDED = f"""exists (
    select from found f join pg_catalog.pg_trigger t on t.tgrelid = f.oid
    where f.relname = '{EVENTS}' and {_IS_GUARD})"""
"""SQL that is true where the trigger is there, and enabled, that keeps facts from being changed."""

_OWN_KEY = """exists (
    select from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = f.oid and a.attnum = i.indkey[0]
    where i.indrelid = f.oid and i.indisunique and i.indisvalid and i.indimmediate and i.indnkeyatts = 1
        and i.indpred is null
        and a.attname = case f.relname when 'migration_events' then 'position' else 'version' end)"""

_SEQUENCE = """pg_catalog.pg_depend d join pg_catalog.pg_sequence q on q.seqrelid = d.objid
    where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = f.oid and d.deptype = 'i'
        and d.classid = 'pg_catalog.pg_class'::regclass
        and (q.seqincrement <> 1 or q.seqcache <> 1 or q.seqcycle or q.seqmax < 9223372036854775807)"""
"""Where the identity of a table hands out numbers otherwise than one after the other, for ever and to everybody."""

_ODD_INDEX = "(i.indexprs is not null or i.indpred is not null or 16384 <= any (i.indclass::oid[]))"
"""What has a lower oid was made with the server's data (FirstNormalObjectId in transam.h)."""

CATALOG = f"""strange (what, owner) as (
    select o.what, r.rolname::text
    from (
        select 1, format('schema `%%I`', nspname), nspowner from schema
        union all select 2, format('table `%%s`', name), relowner from found
        union all select 3, format('function `%%s`', name), proowner from guard
    ) as o (rank, what, owner) join pg_catalog.pg_roles r on r.oid = o.owner
    where not r.rolsuper and r.rolname not in (current_user, coalesce(%(owner)s, '')) order by o.rank, o.what
), intruder (name, grantee, shown) as (
    select f.name, coalesce(r.rolname::text, ''), coalesce(quote_ident(r.rolname), 'public')
    from found f cross join lateral aclexplode(f.relacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
    where a.privilege_type = 'TRIGGER' and a.grantee <> f.relowner
        and not coalesce(r.rolsuper or r.rolname in (current_user, coalesce(%(owner)s, '')), false)
), described as (
    select f.relname::text as table, string_agg(concat_ws(e'\\t',
        translate(a.attname, e'\\t\\n', '  '),
        translate(format_type(a.atttypid, a.atttypmod), e'\\t\\n', '  '),
        case when a.attidentity <> '' then 'identity' when a.attgenerated <> '' then 'generated'
            else translate(coalesce(pg_get_expr(d.adbin, d.adrelid), ''), e'\\t\\n', '  ') end,
        case when a.attnotnull then 't' else '' end), e'\\n' order by a.attnum) as lines
    from found f join pg_catalog.pg_attribute a on a.attrelid = f.oid and a.attnum > 0 and not a.attisdropped
        left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    group by f.relname
), suspected (relname) as (
    select relname from found where is_odd
    union all select f.relname from found f join pg_catalog.pg_trigger t on t.tgrelid = f.oid where not ({_OWN_TRIGGER})
    union all select f.relname from found f join pg_catalog.pg_index i on i.indrelid = f.oid where {_ODD_INDEX}
    union all select f.relname from found f where not {_OWN_KEY} or exists (select from {_SEQUENCE})
)"""
"""Parts of a query that has `schema`, `found` and `guard` before it.

They are cheap to plan; what they suspect, the next two say in full.
"""

TRUSTED = """
select r.rolname::text
from pg_catalog.pg_roles r, pg_catalog.pg_database d, pg_catalog.pg_roles own
where r.rolname = any (%(owners)s) and d.datname = current_database() and own.rolname = current_user
    and case
        when d.datdba = r.oid or r.rolname = 'pg_database_owner' then not own.rolsuper or exists (
            select from pg_catalog.pg_roles o
            where o.oid = d.datdba and (o.rolsuper or o.rolname = %(owner)s or o.oid = own.oid))
        else not r.rolcanlogin and pg_has_role(r.oid, 'member') and not exists (
            select from pg_catalog.pg_roles m
            where m.rolcanlogin and not m.rolsuper and m.rolname not in (current_user, coalesce(%(owner)s, ''))
                and pg_has_role(m.oid, r.oid, 'member'))
    end
"""
"""Which of some owners may be trusted: the database's by all but superusers, and a role that nobody else can act as.

`pg_database_owner`, to which the schema `public` belongs since PostgreSQL 15, stands for the owner of the database.
"""

IS_OTHER = "it is a "
"""The beginning of what is said of a relation that is no ordinary table."""

ODDITIES = f"""odd (relname, what, remedy) as (
    select f.relname, '{IS_OTHER}' || case f.relkind
            when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
            when 'p' then 'partitioned table' when 'S' then 'sequence'
            else format('relation of kind `%%s`', f.relkind) end,
        format('rename it: `alter %%s %%s rename to %%I`', case f.relkind
            when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table'
            when 'S' then 'sequence' else 'table' end, f.name, f.relname || '_old')
    from found f where f.relkind <> 'r'
    union all
    select f.relname, 'what it holds is lost in a crash', format('run `alter table %%s set logged`', f.name)
    from found f where f.relkind = 'r' and f.relpersistence <> 'p'
    union all
    select f.relname, format('table `%%s` inherits from `%%s`', i.inhrelid::regclass, i.inhparent::regclass),
        format('run `alter table %%s no inherit %%s`', i.inhrelid::regclass, i.inhparent::regclass)
    from found f join pg_catalog.pg_inherits i on f.oid in (i.inhrelid, i.inhparent) where f.relkind = 'r'
    union all
    select f.relname, format('rows are hidden from `%%I` by row-level security', current_user),
        format('run `alter table %%s disable row level security`', f.name)
    from found f where f.relkind = 'r' and f.relrowsecurity and row_security_active(f.oid)
    union all
    select f.relname, format('it has a rule `%%I`', r.rulename),
        format('run `drop rule %%I on %%s`', r.rulename, f.name)
    from found f join pg_catalog.pg_rewrite r on r.ev_class = f.oid where f.relkind = 'r'
    union all
    select f.relname, format('it has a trigger `%%I`', t.tgname),
        format('run `drop trigger %%I on %%s`', t.tgname, f.name)
    from found f join pg_catalog.pg_trigger t on t.tgrelid = f.oid
    where f.relkind = 'r' and t.tgconstraint = 0 and not ({_OWN_TRIGGER})
        and not exists (
            select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
            where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = t.tgfoid and d.deptype = 'e'
                and d.refclassid = 'pg_catalog.pg_extension'::regclass and e.extname = 'citus' and t.tgisinternal)
    union all
    select f.relname, format('it has a constraint `%%I`: %%s', k.conname, pg_get_constraintdef(k.oid)),
        format('run `alter table %%s drop constraint %%I`', k.conrelid::regclass, k.conname)
    from found f join pg_catalog.pg_constraint k on f.oid in (k.conrelid, k.confrelid)
    where f.relkind = 'r' and k.contype not in ('p', 'u', 'n')
    union all
    select f.relname, format('its index `%%s` calls functions or operators of others', i.indexrelid::regclass),
        format('run `drop index %%s`', i.indexrelid::regclass)
    from found f join pg_catalog.pg_index i on i.indrelid = f.oid
    where {_ODD_INDEX}
    union all
    select f.relname, format('it has no primary key on `%%s`, by which its rows are known', k.key),
        format('run `alter table %%s %%sadd primary key (%%s)`', f.name,
            (select format('drop constraint %%I, ', o.conname) from pg_catalog.pg_constraint o
                where o.conrelid = f.oid and o.contype = 'p'), k.key)
    from found f cross join lateral (
        select case f.relname when 'migration_events' then 'position' else 'version' end) as k (key)
    where f.relkind = 'r' and not {_OWN_KEY}
    union all
    select f.relname, format('the positions it hands out are not one after the other: `%%s` has %%s',
            d.objid::regclass, concat_ws(', ', 'increment ' || nullif(q.seqincrement, 1),
                'cache ' || nullif(q.seqcache, 1), case when q.seqcycle then 'cycle' end,
                'maxvalue ' || nullif(q.seqmax, 9223372036854775807))),
        format('run `alter sequence %%s increment 1 cache 1 no cycle no maxvalue`', d.objid::regclass)
    from found f cross join {_SEQUENCE} and f.relkind = 'r'
)"""
"""The part that names what is odd. Citus has triggers of its own on tables that it knows."""
