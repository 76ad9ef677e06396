"""Liquibase's `${name}` as zmig's variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.other_tools import placeholders
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.other_tools.placeholders import Rewritten

_REFERENCE = re.compile(r"\$\{(?P<name>\s*[.-]*\w[\w.-]*\s*)\}")
_NESTED = re.compile(r"\$\{[^{}]*\$\{")
_MOST_NESTED = 20


@valueclass
class Definition:
    """A property with its value; None where a context or a label decides about it."""

    name: str
    value: str | None
    file: str | None
    """The changelog that it is for; None for all."""


class Parameters:
    """All properties of a project, and the variables that they become."""

    def __init__(self, fixed: Mapping[str, str]) -> None:
        self._fixed = fixed
        self._definitions: dict[tuple[str | None, str], Definition] = {}
        self._variables: dict[str, str | None] = {}
        self._names: dict[tuple[str | None, str], str] = {}

    @property
    def variables(self) -> Mapping[str, str | None]:
        """The variables that something refers to."""
        return dict(self._variables)

    def define(self, definition: Definition) -> None:
        """Add a property; the first one of a name counts, and none that depends on a context is known."""
        key = (definition.file, definition.name)
        first = self._definitions.setdefault(key, definition)
        if first is not definition and first.value is None:
            self._definitions[key] = Definition(definition.name, None, definition.file)

    def value(self, name: str, file: str) -> str | None:
        """Return what a name stands for in a file; None where the project does not say."""
        return self._value(name, file, 0)

    def _value(self, name: str, file: str, depth: int) -> str | None:
        found = self._found(name, file)
        value = self._fixed.get(name) if name in self._fixed else found and found.value
        if value is None or depth > _MOST_NESTED:
            return None
        expanded: list[str | None] = [self._value(one["name"].strip(), file, depth + 1) for one in _references(value)]
        if None in expanded:
            return None
        return _REFERENCE.sub(lambda one: self._value(one["name"].strip(), file, depth + 1) or "", value)

    def _found(self, name: str, file: str) -> Definition | None:
        return self._definitions.get((file, name)) or self._definitions.get((None, name))

    def rewrite(self, text: str, file: str) -> Rewritten:
        """Return a text with zmig's variables in place of Liquibase's parameters."""
        return placeholders.rewrite(text, _REFERENCE, lambda one: self._variable(one["name"].strip(), file))

    def expanded(self, text: str, file: str) -> str | None:
        """Return a text as Liquibase runs it; None where a value is not known."""
        if any(self.value(one["name"].strip(), file) is None for one in _references(text)):
            return None
        return _REFERENCE.sub(lambda one: self.value(one["name"].strip(), file) or "", text)

    def unknown(self, text: str, file: str) -> list[str]:
        """Return the names in a text whose values the project does not say."""
        names = [one["name"].strip() for one in _references(text)]
        return [name for name in dict.fromkeys(names) if self.value(name, file) is None]

    def _variable(self, name: str, file: str) -> str:
        found = self._found(name, file)
        key = (found.file if found is not None and name not in self._fixed else None, name)
        if key not in self._names:
            plain = re.sub(r"\W", "_", name, flags=re.ASCII) or "value"
            plain = f"_{plain}" if plain[0].isdigit() else plain
            taken, number = plain, 2
            while taken in self._variables:
                taken, number = f"{plain}_{number}", number + 1
            self._names[key] = taken
            self._variables[taken] = self.value(name, file)
        return self._names[key]


def has_nested(text: str) -> bool:
    """Return whether a parameter's name is made of another parameter."""
    return _NESTED.search(text) is not None


def _references(text: str) -> Iterator[re.Match[str]]:
    return _REFERENCE.finditer(text)
