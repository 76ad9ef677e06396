"""Types, read out of the nodes that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay import tree
from zmig.lint.replay.objects import BUILT_IN, UNKNOWN, Type
from zmig.sql.token_reader import Name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from postgast import pg_query_pb2 as pg

    from zmig.lint.replay.catalog import Catalog

_OWN = frozenset(
    {
        "aclitem", "bit", "bool", "box", "bpchar", "bytea", "char", "cid", "cidr", "circle", "date",
        "datemultirange", "daterange", "float4", "float8", "inet", "int2", "int2vector", "int4",
        "int4multirange", "int4range", "int8", "int8multirange", "int8range", "interval", "json", "jsonb",
        "jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "name", "numeric", "nummultirange",
        "numrange", "oid", "oidvector", "path", "pg_lsn", "pg_snapshot", "point", "polygon", "refcursor",
        "regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator",
        "regproc", "regprocedure", "regrole", "regtype", "text", "tid", "time", "timestamp", "timestamptz",
        "timetz", "tsmultirange", "tsquery", "tsrange", "tstzmultirange", "tstzrange", "tsvector",
        "txid_snapshot", "uuid", "varbit", "varchar", "xid", "xid8", "xml", "any", "anyarray", "anycompatible",
        "anycompatiblearray", "anycompatiblemultirange", "anycompatiblenonarray", "anycompatiblerange",
        "anyelement", "anyenum", "anymultirange", "anynonarray", "anyrange", "cstring", "event_trigger",
        "fdw_handler", "index_am_handler", "internal", "language_handler", "pg_brin_bloom_summary",
        "pg_brin_minmax_multi_summary", "pg_ddl_command", "pg_dependencies", "pg_mcv_list", "pg_ndistinct",
        "pg_node_tree", "record", "table_am_handler", "trigger", "tsm_handler", "unknown", "void",
    }
)  # fmt: skip
"""The server's own types."""
_SERIAL = {
    "bigserial": "int8", "serial": "int4", "serial2": "int2", "serial4": "int4", "serial8": "int8",
    "smallserial": "int2",
}  # fmt: skip


def built_in(name: str) -> Type:
    """Return one of the server's own types."""
    return Type(Name(BUILT_IN, name))


def serial(node: pg.TypeName) -> Type | None:
    """Return the type of a column that is declared as `serial` or the like; None for any other."""
    parts = tree.strings(node.names)
    own = _SERIAL.get(parts[0]) if len(parts) == 1 else None
    return None if own is None else built_in(own)


def read(node: pg.TypeName, catalog: Catalog, path: Iterable[str]) -> Type | None:
    """Return the type that is named; None for `table.column%type`."""
    if node.pct_type or not node.names:
        return None
    name = tree.name(node.names)
    modifiers = tree.integers(node.typmods)
    is_array = len(node.array_bounds) > 0
    if name.schema in (None, BUILT_IN) and name.name in _OWN:
        return Type(Name(BUILT_IN, name.name), _plain(name.name, modifiers), is_array)
    if len(node.names) > 1 and name.schema == BUILT_IN:
        return Type(name, modifiers, is_array)
    found = catalog.find_type(path, name) or catalog.find(path, name)
    return Type(found or Name(name.schema or UNKNOWN, name.name), modifiers, is_array)


def of_arguments(function: pg.ObjectWithArgs, catalog: Catalog, path: tuple[str, ...]) -> tuple[Type, ...]:
    """Return the types of the arguments by which a function is named."""
    found = (read(node.type_name, catalog, path) for node in function.objargs)
    return tuple(one for one in found if one is not None)


def _plain(name: str, modifiers: tuple[int, ...]) -> tuple[int, ...]:
    """Return modifiers in one form: `numeric(5)` is `numeric(5, 0)`."""
    return (*modifiers, 0) if name == "numeric" and len(modifiers) == 1 else modifiers
