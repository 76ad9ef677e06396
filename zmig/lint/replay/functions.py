"""What functions of the server do: which may return something else for each row, and which wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.objects import BUILT_IN, Volatility

if TYPE_CHECKING:
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.objects import Expression
    from zmig.sql.token_reader import Name

_NOT_VOLATILE = frozenset(
    {
        "abs", "age", "array_append", "array_cat", "array_length", "array_prepend", "array_to_json",
        "array_to_string", "ascii", "bit_length", "btrim", "cardinality", "ceil", "ceiling", "char_length",
        "chr", "coalesce", "concat", "concat_ws", "convert_from", "convert_to", "current_database",
        "current_schema", "current_setting", "current_user", "daterange", "date_part", "date_trunc", "decode",
        "digest", "div", "encode", "exp", "extract", "floor", "format", "get_byte", "hashtext", "hstore",
        "initcap", "int4range", "int8range", "isfinite", "json_array_length", "json_build_array",
        "json_build_object", "json_object", "jsonb_array_length", "jsonb_build_array", "jsonb_build_object",
        "jsonb_object", "jsonb_set", "justify_days", "justify_hours", "left", "length", "ln", "log", "lower",
        "lpad", "ltrim", "macaddr", "make_date", "make_interval", "make_time", "make_timestamp",
        "make_timestamptz", "md5", "mod", "now", "nullif", "numrange", "octet_length", "overlay",
        "pg_client_encoding", "pi", "position", "power", "quote_ident", "quote_literal", "regexp_matches",
        "regexp_replace", "repeat", "replace", "reverse", "right", "round", "row_to_json", "rpad", "rtrim",
        "session_user", "sha224", "sha256", "sha384", "sha512", "sign", "split_part", "sqrt",
        "statement_timestamp", "string_to_array", "strpos", "substr", "substring", "timezone", "to_char",
        "to_date", "to_hex", "to_json", "to_jsonb", "to_number", "to_timestamp", "to_tsquery", "to_tsvector",
        "plainto_tsquery", "transaction_timestamp", "translate", "trim", "trunc", "tsrange", "tstzrange",
        "txid_current", "unaccent", "upper", "user", "uuid_nil", "uuid_ns_dns", "uuid_ns_url", "xmlelement",
        "setweight", "pg_current_xact_id",
    }
)  # fmt: skip
"""Functions of the server and of its extensions that return the same for all rows of one statement."""

SLEEPING = frozenset({"pg_sleep", "pg_sleep_for", "pg_sleep_until"})
"""Functions that wait."""


def may_be_volatile(expression: Expression, catalog: Catalog, path: tuple[str, ...]) -> bool:
    """Whether an expression may be another value for each row; a function that nobody knows may."""
    return any(_may_be_volatile(name, catalog, path) for name in expression.functions)


def _may_be_volatile(name: Name, catalog: Catalog, path: tuple[str, ...]) -> bool:
    if name.schema != BUILT_IN and (found := catalog.find_function(path, name)) is not None:
        return any(one.volatility is Volatility.VOLATILE for one in catalog.functions(found))
    return name.name not in _NOT_VOLATILE
