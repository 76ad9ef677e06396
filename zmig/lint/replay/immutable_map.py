"""A mapping that is never changed: another one that differs a little is made of it in little time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Key = TypeVar("Key")
Value = TypeVar("Value")

_MOST_CHANGES = 64


class ImmutableMap(Generic[Key, Value]):
    """What was known, and over it what changed since."""

    __slots__ = ("_base", "_changes")

    def __init__(self, base: Mapping[Key, Value] | None = None) -> None:
        self._base: Mapping[Key, Value] = {} if base is None else base
        self._changes: dict[Key, Value | None] = {}

    @classmethod
    def of_layers(cls, base: Mapping[Key, Value], changes: Mapping[Key, Value | None]) -> ImmutableMap[Key, Value]:
        """Return one with these layers."""
        made = cls(base)
        made._changes = dict(changes)
        return made

    @property
    def layers(self) -> tuple[Mapping[Key, Value], Mapping[Key, Value | None]]:
        """What was known, and what changed since."""
        return self._base, self._changes

    def get(self, key: Key) -> Value | None:
        """Return what belongs to a key; None where nothing does."""
        changes = self._changes
        return changes[key] if key in changes else self._base.get(key)

    def __contains__(self, key: Key) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[Key]:
        yield from (key for key in self._base if key not in self._changes)
        yield from (key for key, value in self._changes.items() if value is not None)

    def values(self) -> Iterator[Value]:
        """Yield everything that is in it."""
        yield from (value for key, value in self._base.items() if key not in self._changes)
        yield from (value for value in self._changes.values() if value is not None)

    def differing(self, other: ImmutableMap[Key, Value]) -> Iterator[Key]:
        """Yield the keys that have not the very same value in another one."""
        keys = {**self._changes, **other._changes}
        if self._base is not other._base:
            keys = {**self._base, **other._base, **keys}
        yield from (key for key in keys if self.get(key) is not other.get(key))

    def put(self, key: Key, value: Value | None) -> ImmutableMap[Key, Value]:
        """Return one in which a key has this value; None takes it out."""
        made: ImmutableMap[Key, Value] = ImmutableMap(self._base)
        made._changes = {**self._changes, key: value}
        if len(made._changes) > _MOST_CHANGES:
            merged = {**self._base, **made._changes}
            made._base = {key: value for key, value in merged.items() if value is not None}
            made._changes = {}
        return made
