"""A replayed catalog as JSON, and back: data alone, of the classes that are named here.

The layout of maps is kept as well, by which things come in the same order, and so is which expressions are the very
same. Of expressions and definitions the tree is kept, and they are read when they are asked for, as ever.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from zmig.lint.replay import objects
from zmig.lint.replay.catalog import Catalog
from zmig.lint.replay.immutable_map import ImmutableMap
from zmig.lint.replay.objects import Definition, Expression
from zmig.sql.token_reader import Name
from zmig.valueclass import fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VALUES: tuple[type, ...] = (
    objects.Bound, objects.Column, objects.Composite, objects.Constraint, objects.Domain, objects.Enum,
    objects.Function, objects.Index, objects.OtherObject, objects.OtherType, objects.Policy, objects.Schema,
    objects.Sequence, objects.Table, objects.Trigger, objects.Type, objects.View,
)  # fmt: skip
_ENUMS: tuple[type[Enum], ...] = (
    objects.ConstraintKind, objects.Event, objects.Generated, objects.ObjectKind, objects.Persistence, objects.Space,
    objects.TableKind, objects.Volatility,
)  # fmt: skip
_TUPLES: tuple[type, ...] = (Name, objects.Node, objects.Privilege, objects.Ref)
_BY_NAME: dict[str, Any] = {one.__name__: one for one in (*_VALUES, *_TUPLES)} | {
    f"{one.__name__}()": one for one in _ENUMS
}


class NotData(Exception):
    """Something cannot be kept."""


class _Writing:
    def __init__(self) -> None:
        self.trees: list[Any] = []
        self._numbers: dict[int, int] = {}

    def of(self, value: object) -> Any:
        kind = type(value)
        if value is None or kind is str or kind is int or kind is bool:
            return value
        if kind in (Expression, Definition):
            return {"tree": self._tree(cast("Expression | Definition", value))}
        if kind is tuple:
            return [self.of(one) for one in cast("tuple[object, ...]", value)]
        if kind is frozenset:
            return {"set": sorted((self.of(one) for one in cast("frozenset[object]", value)), key=repr)}
        if kind in _TUPLES:
            return {kind.__name__: [self.of(one) for one in cast("tuple[object, ...]", value)]}
        if kind in _VALUES:
            return {kind.__name__: [self.of(getattr(value, one.name)) for one in fields(value)]}
        if isinstance(value, Enum) and kind in _ENUMS:
            return {f"{kind.__name__}()": value.value}
        if kind is dict:
            return {"map": self.pairs(cast("dict[object, object]", value).items())}
        if kind is ImmutableMap:
            return {"layers": [self.pairs(one.items()) for one in cast("ImmutableMap[Any, Any]", value).layers]}
        raise NotData(kind.__name__)

    def pairs(self, pairs: Iterable[tuple[object, object]]) -> list[Any]:
        return [[self.of(key), self.of(one)] for key, one in pairs]

    def _tree(self, value: Expression | Definition) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.trees)
            self.trees.append(_tree(value))
        return number


def _tree(value: Expression | Definition) -> list[Any]:
    from zmig.lint.replay.tree import DefinitionTree, ExpressionTree

    read = value.read
    if not isinstance(read, (DefinitionTree, ExpressionTree)):
        raise NotData(type(read).__name__)
    renamed = [list(one) for one in value.renamed] if isinstance(value, Expression) else None
    return [b64encode(read.octets).decode(), renamed]


class _Reading:
    def __init__(self, trees: list[Any]) -> None:
        self._trees = [_expression(*one) for one in trees]

    def of(self, kept: Any) -> Any:
        if isinstance(kept, list):
            return tuple(map(self.of, cast("list[Any]", kept)))
        if not isinstance(kept, dict):
            return kept
        [(name, held)] = cast("dict[str, Any]", kept).items()
        match name:
            case "tree":
                return self._trees[int(held)]
            case "set":
                members: list[Any] = [self.of(one) for one in held]
                return frozenset(members)
            case "map":
                return self.pairs(held)
            case "layers":
                base, changes = map(self.pairs, held)
                return ImmutableMap[Any, Any].of_layers(base, changes)
            case _:
                made = _BY_NAME[name]
        if name.endswith("()"):
            return made(held)
        parts = [self.of(one) for one in held]
        if made in _TUPLES:
            return made(*parts)
        return made(**dict(zip([one.name for one in fields(made)], parts, strict=True)))

    def pairs(self, pairs: Any) -> dict[Any, Any]:
        return {self.of(key): self.of(one) for key, one in pairs}


def _expression(octets: str, renamed: list[list[str]] | None) -> Expression | Definition:
    from zmig.lint.replay.tree import DefinitionTree, ExpressionTree

    tree = b64decode(octets, validate=True)
    if renamed is None:
        return Definition(DefinitionTree(tree))
    return Expression(ExpressionTree(tree), tuple((before, after) for before, after in renamed))


def encoded(catalog: Catalog, *beside: object) -> Any:
    """Return a catalog, and other values, as JSON. Raises NotData where there is something in it of another kind."""
    writing = _Writing()
    state = {name: writing.of(one) for name, one in catalog.state.items()}
    others = [writing.of(one) for one in beside]
    return {"trees": writing.trees, "catalog": state, "beside": others}


def decoded(kept: Any) -> tuple[Catalog, list[Any]]:
    """Return what was made into JSON. Raises ValueError, TypeError, LookupError or AttributeError where that is not."""
    reading = _Reading(kept["trees"])
    state: Mapping[str, Any] = {name: reading.of(one) for name, one in kept["catalog"].items()}
    return Catalog.of_state(state), [reading.of(one) for one in kept["beside"]]
