"""The columns of what is no table, as LIKE copies them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.objects import Column, Composite, View

if TYPE_CHECKING:
    from zmig.lint.replay.catalog import Catalog
    from zmig.sql.token_reader import Name


def known(catalog: Catalog, name: Name) -> dict[str, Column] | None:
    """Return the columns of a view or a composite type; None where they are not known."""
    made = catalog.view(name)
    if isinstance(made, View) and made.columns is not None and catalog.is_certain(made):
        return {one: Column(one, made.types.get(one)) for one in made.columns}
    kind = catalog.type(name)
    if isinstance(kind, Composite) and catalog.is_certain(kind):
        return {one: Column(one, of) for one, of in kind.attributes.items()}
    return None
