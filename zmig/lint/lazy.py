"""A value that is made when somebody first asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class Lazy(Generic[Value]):
    """What a function returns, which is called at most once."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make: Callable[[], Value] | None = make
        self._made: Value

    @property
    def value(self) -> Value:
        """The value."""
        if self._make is not None:
            self._made = self._make()
            self._make = None
        return self._made
