"""What PostgreSQL does when a column gets another type: nothing, another look at indexes, or all rows anew.

It goes by the expression that would make a new value of an old one. Where that only calls the value something else, or
is a length that grows, nothing is written (`ATColumnChangeRequiresRewrite` in PostgreSQL's sources, and the support
functions of the types' lengths). All supported versions agree, which a test asks of real servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.lint.replay.objects import BUILT_IN, Domain, Enum, Type

if TYPE_CHECKING:
    from zmig.lint.replay.catalog import Catalog
    from zmig.sql.token_reader import Name

_RELABELED = {
    "bit": {"varbit"},
    "cidr": {"inet"},
    "int4": {"oid", "regclass", "regproc", "regprocedure", "regtype", "regrole", "regnamespace"},
    "oid": {"int4", "regclass", "regproc", "regprocedure", "regtype", "regrole", "regnamespace"},
    "regclass": {"int4", "oid"},
    "regproc": {"int4", "oid", "regprocedure"},
    "regprocedure": {"int4", "oid", "regproc"},
    "regrole": {"int4", "oid"},
    "regnamespace": {"int4", "oid"},
    "regtype": {"int4", "oid"},
    "text": {"bpchar", "varchar"},
    "varbit": {"bit"},
    "varchar": {"bpchar", "text"},
    "xml": {"bpchar", "text", "varchar"},
}
"""The server's casts `without function`: a value of the first type is one of the others as it is stored."""
_CITEXT = {"citext": {"bpchar", "text", "varchar"}, "text": {"citext"}, "varchar": {"citext"}}
"""Those that the extension adds."""
_OIDS = ("regclass", "regnamespace", "regproc", "regprocedure", "regrole", "regtype")
_INDEX_FAMILY = {"varchar": "text", "cidr": "inet", **dict.fromkeys(_OIDS, "oid")}
"""Types whose indexes are those of another one."""
_TIMES = frozenset({"time", "timestamp", "timestamptz", "timetz"})
_MOST_DIGITS_OF_TIME = 6
_WITHOUT_CAST = frozenset(
    {
        "bool", "bytea", "date", "float4", "float8", "int2", "int4", "int8", "inet", "interval", "json", "jsonb",
        "money", "numeric", "time", "timestamp", "timestamptz", "timetz", "uuid", "xml",
    }
)  # fmt: skip
_TEXTS = frozenset({"bpchar", "text", "varchar"})


class Work(NamedTuple):
    """What a change of a type takes."""

    rewrites: bool
    rebuilds: bool
    """Whether indexes of the column are built anew, even where the table is not written."""
    is_certain: bool = True
    """Whether both types are known."""


_NOTHING = Work(rewrites=False, rebuilds=False)
_ALL = Work(rewrites=True, rebuilds=True)


def of_change(old: Type | None, new: Type | None, catalog: Catalog, *, is_utc: bool = False) -> Work:
    """Return what a change from one type to another takes; `is_utc` says that the session's time zone is UTC."""
    if old is None or new is None:
        return Work(rewrites=True, rebuilds=True, is_certain=False)
    if old == new:
        return _NOTHING
    rewrites = _rewrites(old, new, catalog, is_utc=is_utc)
    return _ALL if rewrites else Work(rewrites=False, rebuilds=_family(old, catalog) != _family(new, catalog))


def _rewrites(old: Type, new: Type, catalog: Catalog, *, is_utc: bool) -> bool:
    if old == new:
        return False
    target, source = _domain(new, catalog), _domain(old, catalog)
    if target is not None:
        # A value is checked when it becomes one of the domain, also where its type stays.
        is_checked = is_constrained(new, catalog)
        return is_checked or target.base is None or _rewrites(old, target.base, catalog, is_utc=is_utc)
    if source is not None:
        # A length that the domain has is not known of its values.
        base = source.base
        return base is None or _rewrites(Type(base.name, is_array=base.is_array), new, catalog, is_utc=is_utc)
    if old.is_array or new.is_array:
        return True
    if old.name == new.name:
        return not _grows(old, new)
    return not _is_relabeled(old.name, new.name, is_utc=is_utc) or _limits(new)


def _limits(new: Type) -> bool:
    """Whether a type has a length that values of another type have to be brought to."""
    if not new.modifiers:
        return False
    return not (new.name.name in _TIMES and new.modifiers[0] >= _MOST_DIGITS_OF_TIME)


def _domain(one: Type, catalog: Catalog) -> Domain | None:
    found = None if one.is_array or one.is_built_in else catalog.type(one.name)
    return found if isinstance(found, Domain) else None


def base_of(one: Type | None, catalog: Catalog) -> Type | None:
    """Return the type that a domain is made of; any other is its own."""
    while one is not None and (found := _domain(one, catalog)) is not None:
        one = found.base
    return one


def is_constrained(one: Type | None, catalog: Catalog) -> bool:
    """Whether it is a domain with constraints of its own, or of a domain that it is made of."""
    while one is not None and (found := _domain(one, catalog)) is not None:
        if found.is_constrained:
            return True
        one = found.base
    return False


def _is_relabeled(old: Name, new: Name, *, is_utc: bool) -> bool:
    if is_utc and {old.name, new.name} == {"timestamp", "timestamptz"}:
        return True
    if old.schema == BUILT_IN and new.schema == BUILT_IN:
        return new.name in _RELABELED.get(old.name, ())
    return new.name in _CITEXT.get(old.name, ())


def _grows(old: Type, new: Type) -> bool:
    """Whether every value of a length of a type is one of another length."""
    if old.modifiers == new.modifiers or not new.modifiers:
        return True
    kind = old.name.name
    if kind in _TIMES and new.modifiers[0] >= _MOST_DIGITS_OF_TIME:
        return True
    if not old.modifiers and kind != "interval":
        return False
    match kind:
        case "varchar" | "varbit" | "time" | "timestamp" | "timestamptz" | "timetz":
            return new.modifiers[0] >= old.modifiers[0]
        case "numeric":
            (digits, scale), (new_digits, new_scale) = _numeric(old), _numeric(new)
            return new_digits >= digits and new_scale == scale
        case "interval":
            return _interval_grows(old, new)
        case _:
            return False


_FIELDS_OF_INTERVAL = (12, 11, 10, 3, 1, 2)
"""The bits that stand for seconds, minutes, hours, days, months and years."""
_ALL_FIELDS = 0x7FFF
_ALL_DIGITS = 0xFFFF


def _interval_grows(old: Type, new: Type) -> bool:
    (old_least, old_digits), (new_least, new_digits) = _interval(old), _interval(new)
    is_kept = old_least > 0 or new_digits >= _MOST_DIGITS_OF_TIME or new_digits >= old_digits
    return new_least <= old_least and is_kept


def _interval(one: Type) -> tuple[int, int]:
    """Return which is the least field of an interval, 0 for seconds, and how many digits of them are kept."""
    fields = one.modifiers[0] if one.modifiers else _ALL_FIELDS
    digits = one.modifiers[1] if len(one.modifiers) > 1 else _ALL_DIGITS
    return next(number for number, bit in enumerate(_FIELDS_OF_INTERVAL) if fields & 1 << bit), digits


def _numeric(one: Type) -> tuple[int, int]:
    return one.modifiers[0], one.modifiers[1] if len(one.modifiers) > 1 else 0


def _family(one: Type, catalog: Catalog) -> object:
    base = base_of(one, catalog)
    if base is None:
        return None
    return (_INDEX_FAMILY.get(base.name.name, base.name.name) if base.is_built_in else base.name), base.is_array


def has_no_cast(old: Type | None, new: Type | None, catalog: Catalog) -> bool:
    """Whether a value of a type is certainly no value of another without USING."""
    old, new = base_of(old, catalog), base_of(new, catalog)
    if old is None or new is None or not old.is_built_in or old.name.name not in _TEXTS:
        return False
    if new.is_array:
        return not old.is_array
    is_enum = isinstance(catalog.type(new.name), Enum)
    return is_enum or (new.is_built_in and new.name.name in _WITHOUT_CAST)


_RANGES = ("int2", "int4", "int8", "numeric")
_WITH_FRACTIONS = frozenset({"float4", "float8", "numeric"})
_WITHOUT_TIME = {
    "timestamptz": {"date", "time", "timetz"}, "timestamp": {"date", "time", "timetz"}, "float8": {"float4"},
    "json": {"jsonb"}, "interval": {"time"},
}  # fmt: skip


def loses(old: Type | None, new: Type | None) -> bool:
    """Whether values of one type that become of another may have lost something that does not come back.

    What is refused where it does not fit, as a number that is too large, is no loss.
    """
    if old is None or new is None or not (old.is_built_in and new.is_built_in) or old.is_array or new.is_array:
        return False
    before, after = old.name.name, new.name.name
    if before in _WITH_FRACTIONS and after in _RANGES[:-1]:
        return True
    if before == after == "numeric" and new.modifiers:
        return not old.modifiers or _numeric(new)[1] < _numeric(old)[1]
    if before == after and before in _TIMES and new.modifiers:
        return new.modifiers[0] < (old.modifiers[0] if old.modifiers else _MOST_DIGITS_OF_TIME)
    return after in _WITHOUT_TIME.get(before, ())
