"""One value for the state of a database's catalogs: while it is the same, no object in scope has changed.

To read every definition takes the server up to some tenths of a second; this takes it some milliseconds. A row of a
catalog is known by its identity and the transaction that wrote it (`xmin`); one of pg_class by what can be defined of
it, since TRUNCATE and REFRESH write that row, too. ANALYZE and VACUUM change what they change in place, and freezing
leaves `xmin` as it is. Another value does not say that something has changed: then the definitions are read.
See "System Catalogs" and "System Columns" in PostgreSQL's documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.catalog.scope import Scope

_SCHEMAS_PUBLISHED_SINCE = 150000
_FIRST_OID_OF_USERS = 16384

_RELATION = (
    "c.oid, c.relname, c.relnamespace, c.reloftype, c.relowner, c.relam, c.relkind, c.relpersistence, "
    "c.reltablespace, c.relnatts, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.relreplident, "
    "c.relacl, c.reloptions, c.relpartbound"
)
"""What can be defined of a relation."""

_OF_RELATIONS = (
    ("pg_attribute", "attrelid", "attnum"),
    ("pg_attrdef", "adrelid", "adnum"),
    ("pg_index", "indrelid", "indexrelid"),
    ("pg_trigger", "tgrelid", "oid"),
    ("pg_rewrite", "ev_class", "oid"),
    ("pg_policy", "polrelid", "oid"),
    ("pg_inherits", "inhrelid", "inhparent"),
    ("pg_sequence", "seqrelid", "seqrelid"),
    ("pg_foreign_table", "ftrelid", "ftserver"),
)
"""Catalogs whose rows belong to relations: the column that says to which, and what distinguishes those of one."""

_OF_SCHEMAS = (
    ("pg_proc", "pronamespace"),
    ("pg_operator", "oprnamespace"),
    ("pg_opclass", "opcnamespace"),
    ("pg_opfamily", "opfnamespace"),
    ("pg_collation", "collnamespace"),
    ("pg_conversion", "connamespace"),
    ("pg_ts_config", "cfgnamespace"),
    ("pg_ts_dict", "dictnamespace"),
    ("pg_statistic_ext", "stxnamespace"),
)

_WHOLE = (
    "pg_namespace",
    "pg_extension",
    "pg_enum",
    "pg_event_trigger",
    "pg_publication",
    "pg_publication_rel",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_default_acl",
)
"""Small ones, which are looked at as a whole."""

_OF_USERS = ("pg_cast", "pg_amop", "pg_amproc")

_OTHERS = (
    # The statistics target of an index's column.
    (
        "select concat_ws(' ', x.attrelid, x.attnum, x.attstattarget) from pg_attribute x where x.attstattarget >= 0 "
        f"and x.attrelid >= {_FIRST_OID_OF_USERS} "
        "and x.attrelid in (select indexrelid from pg_index where indrelid in (select oid from relations))"
    ),
    # The parameters of a TOAST table are those of its table, and stored with the former.
    ("select concat_ws(' ', c.oid, c.reloptions) from pg_class c where c.relkind = 't' and c.reloptions is not null"),
    (
        f"select concat_ws(' ', x.oid, x.xmin) from pg_type x where x.oid >= {_FIRST_OID_OF_USERS} and "
        "x.typnamespace in (select oid from schemas) and "
        "(x.typrelid in (select oid from relations) or x.typrelid = 0 and (x.typcategory <> 'A' or x.typlen <> -1))"
    ),
    (
        f"select concat_ws(' ', x.oid, x.xmin) from pg_constraint x where x.oid >= {_FIRST_OID_OF_USERS} and "
        "x.connamespace in (select oid from schemas) and (x.conrelid = 0 or x.conrelid in (select oid from relations))"
    ),
    (
        "select concat_ws(' ', x.classoid, x.objoid, x.objsubid, x.xmin) from pg_description x "
        f"where x.objoid >= {_FIRST_OID_OF_USERS}"
    ),
    # The schema public, which has come with the server.
    (
        "select concat_ws(' ', x.objoid, x.xmin) from pg_description x where x.classoid = 'pg_namespace'::regclass "
        f"and x.objoid < {_FIRST_OID_OF_USERS} and x.objoid in (select oid from schemas)"
    ),
    (
        "select concat_ws(' ', x.mapcfg, x.maptokentype, x.mapseqno, x.xmin) from pg_ts_config_map x "
        f"where x.mapcfg >= {_FIRST_OID_OF_USERS}"
    ),
    # Not everybody may see more of these.
    "select concat_ws(' ', subname, subowner, subpublications) from pg_subscription",
    "select concat_ws(' ', umid, srvid, umuser, usename) from pg_user_mappings",
    "select concat_ws(' ', oid, spcname) from pg_tablespace",
    # Which objects extensions have brought, and which column a sequence belongs to.
    (
        "select concat_ws(' ', x.classid, x.objid, x.refobjid, x.xmin) from pg_depend x "
        "where x.refclassid = 'pg_extension'::regclass and x.deptype = 'e'"
    ),
    (
        "select concat_ws(' ', x.objid, x.refobjid, x.refobjsubid, x.deptype, x.xmin) from pg_depend x "
        "where x.classid = 'pg_class'::regclass and x.deptype in ('a', 'i') and x.refobjsubid > 0 "
        "and x.objid in (select seqrelid from pg_sequence)"
    ),
    # The names of the roles that own something, or have a right to something.
    (
        f"select concat_ws(' ', oid, rolname) from pg_roles where oid < {_FIRST_OID_OF_USERS} or oid in ("
        "select refobjid from pg_shdepend where refclassid = 'pg_authid'::regclass "
        "and dbid = (select oid from pg_database where datname = current_database()))"
    ),
)


def state_sql(server_version: int, scope: Scope) -> str:
    """Return the query for the value, a text, which needs a search path on which pg_catalog comes first."""
    # One sum over all of them, each with a number of its own, is planned in two thirds of the time that many take.
    rows = " union all ".join(
        f"select {number}, line from ({query}) as q (line)" for number, query in enumerate(_queries(server_version))
    )
    return (
        f"with schemas as materialized (select oid, nspname from pg_namespace where {_schema_condition(scope)}), "
        f"relations as materialized (select c.oid, concat_ws(' ', {_RELATION}) as line from pg_class c "
        f"join schemas n on n.oid = c.relnamespace where c.oid >= {_FIRST_OID_OF_USERS} "
        f"and c.relkind not in ('i', 'I') and {_relation_condition(scope)}) "
        "select md5(concat_ws(' ', count(*), sum(hashtextextended(line, number)))) "
        f"from ({rows}) as rows (number, line)"
    )


def _queries(server_version: int) -> Iterator[str]:
    """Yield what selects a line for each row that matters."""
    yield "select line from relations"
    yield (
        f"select concat_ws(' ', {_RELATION}) from pg_class c join pg_index i on i.indexrelid = c.oid "
        "where i.indrelid in (select oid from relations)"
    )
    for catalog, relation, member in _OF_RELATIONS:
        own = f"x.{relation} in (select oid from relations)"
        yield f"select concat_ws(' ', x.{relation}, x.{member}, x.xmin) from {catalog} x where {own}"
    for catalog, schema in _OF_SCHEMAS:
        own = f"x.oid >= {_FIRST_OID_OF_USERS} and x.{schema} in (select oid from schemas)"
        yield f"select concat_ws(' ', x.oid, x.xmin) from {catalog} x where {own}"
    whole = (*_WHOLE, "pg_publication_namespace") if server_version >= _SCHEMAS_PUBLISHED_SINCE else _WHOLE
    for catalog in whole:
        yield f"select concat_ws(' ', x.oid, x.xmin) from {catalog} x"
    for catalog in _OF_USERS:
        yield f"select concat_ws(' ', x.oid, x.xmin) from {catalog} x where x.oid >= {_FIRST_OID_OF_USERS}"
    yield from _OTHERS


def _schema_condition(scope: Scope) -> str:
    conditions = ["nspname !~ '^pg_'", "nspname <> 'information_schema'"]
    if "*" not in scope.schemas and not any("[" in glob for glob in scope.schemas):
        conditions.append(f"nspname ~ {_pattern(scope.schemas)}")
    ignored = [glob for glob in scope.ignore if "." not in glob and "[" not in glob]
    if ignored:
        conditions.append(f"nspname !~ {_pattern(ignored)}")
    return " and ".join(conditions)


def _relation_condition(scope: Scope) -> str:
    ignored = [glob for glob in scope.ignore if "." in glob and "[" not in glob]
    return f"n.nspname || '.' || c.relname !~ {_pattern(ignored)}" if ignored else "true"


def _pattern(globs: Iterable[str]) -> str:
    """Return the regular expression that matches what one of some patterns of file names does, as a constant.

    Patterns with `[` are left out by those who call: what is looked at although it need not be does no harm.
    """
    wild = {"*": ".*", "?": "."}
    expressions = (
        "".join(wild.get(one) or (one if one.isalnum() or one == "_" else f"\\{one}") for one in glob) for glob in globs
    )
    return literal(f"^({'|'.join(expressions)})$")
