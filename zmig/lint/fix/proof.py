"""Whether two ways come to the same: what the replayed catalogs at their ends say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from zmig.lint.replay.objects import Constraint, ConstraintKind, Definition, Expression, Table
from zmig.valueclass import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.lint.replay.catalog import Catalog
    from zmig.sql.token_reader import Name

_OF_THE_WAY = frozenset({"calls", "attributes", "empty_since", "made_by", "missing", "missing_constraints", "number"})
"""What says by which way an object came about, and not what it is."""


def content(catalog: Catalog) -> dict[tuple[str, Name], object]:
    """Return what is in a catalog, as plain values to compare."""
    return {("relation", one.name): _plain(one) for one in catalog.relations()} | {
        ("type", one.name): _plain(one) for one in catalog.types()
    }


def difference(before: Catalog, after: Catalog) -> str | None:
    """Return the name of something that differs; None where both are the same."""
    first, second = content(before), content(after)
    keys = sorted({*first, *second}, key=str)
    return next((key[1].name for key in keys if first.get(key) != second.get(key)), None)


def _plain(value: object) -> object:
    if isinstance(value, Expression):
        return (value.text, value.renamed)
    if isinstance(value, Definition):
        return value.text
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {key: _plain(one) for key, one in entries.items() if not _is_not_null(one)}
    if hasattr(value, "__value_fields__"):
        named = {one.name: getattr(value, one.name) for one in fields(value) if one.name not in _OF_THE_WAY}
        order = [*value.columns] if isinstance(value, Table) else []
        return (type(value).__name__, {name: _plain(one) for name, one in named.items()}, order)
    if isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        if all(one is None or one == "" for one in items):
            return []  # the server's own choice, said or not
        return [_plain(one) for one in items]
    return value


def _is_not_null(value: object) -> bool:
    """Whether it is a NOT NULL by its name, which the column itself says as well."""
    return isinstance(value, Constraint) and value.kind is ConstraintKind.NOT_NULL
