"""Typed values out of a YAML tree. A value of another type or form counts as absent, and is remembered.

This is the quick half of the structural check: it knows that something does not fit, not what to say about it.
For that, `zmig.manifest.schema_errors` asks the JSON Schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from zmig.manifest import durations
from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence
from zmig.model import Versions

if TYPE_CHECKING:
    from zmig.manifest.yaml_parser import Node

Choice = TypeVar("Choice", bound=str)

ANY_TEXT = re.compile(r"[\s\S]*")
SOME_TEXT = re.compile(r"[\s\S]+")
LINE = re.compile(r"[^\x00-\x1f\x7f]+")
_LINE_OR_NOTHING = re.compile(r"[^\x00-\x1f\x7f]*")
ROLE = re.compile(r"(?![\s\S]{64})[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?")
VERSIONS = re.compile(r"[1-9][0-9]{0,18}(\.\.[1-9][0-9]{0,18})?(, ?[1-9][0-9]{0,18}(\.\.[1-9][0-9]{0,18})?)*")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TOOL = re.compile(r"[a-z][a-z0-9-]*")
NAME = re.compile(r"(?![\s\S]{201})[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?")


class Reader:
    """Reads values by key and remembers the nodes that do not fit."""

    def __init__(self) -> None:
        self.mismatches: list[Node] = []

    def as_mapping(self, node: Node, keys: frozenset[str], required: frozenset[str] = frozenset()) -> Mapping | None:
        """Return `node` as a mapping; one with an unknown or a missing key is remembered, and still read."""
        if not isinstance(node, Mapping):
            self.mismatches.append(node)
            return None
        present = node.entries.keys()
        if not (present <= keys and present >= required):
            self.mismatches.append(node)
        return node

    def mapping(
        self, parent: Mapping, key: str, keys: frozenset[str], required: frozenset[str] = frozenset()
    ) -> Mapping | None:
        """Return the mapping under `key`."""
        node = parent.get(key)
        return None if node is None else self.as_mapping(node, keys, required)

    def mapping_of_names(self, parent: Mapping, key: str, form: re.Pattern[str] = WORD) -> Mapping | None:
        """Return the mapping under `key`, whose keys are names of its own, of that form."""
        node = parent.get(key)
        if isinstance(node, Mapping) and not all(map(form.fullmatch, node.entries)):
            self.mismatches.append(node)
            return node
        return None if node is None else self.as_mapping(node, frozenset(getattr(node, "entries", ())))

    def items(self, parent: Mapping, key: str, *, may_be_null: bool = False) -> list[Node]:
        """Return the nodes of the list under `key`; none where it is absent."""
        node = parent.get(key)
        if isinstance(node, Sequence):
            return node.items
        is_null = isinstance(node, Scalar) and node.value is None
        if node is not None and not (may_be_null and is_null):
            self.mismatches.append(node)
        return []

    def as_text(self, node: Node, form: re.Pattern[str] = LINE) -> str | None:
        """Return `node` as text of that form."""
        if isinstance(node, Scalar):
            value = node.value
            if isinstance(value, str) and form.fullmatch(value):
                return value
        self.mismatches.append(node)
        return None

    def text(self, parent: Mapping, key: str, form: re.Pattern[str] = LINE) -> str | None:
        """Return the text under `key`."""
        node = parent.get(key)
        return None if node is None else self.as_text(node, form)

    def choice(self, parent: Mapping, key: str, choices: type[Choice]) -> Choice | None:
        """Return the member of an enumeration of texts that is under `key`."""
        node = parent.get(key)
        if node is None:
            return None
        try:
            return choices(node.value if isinstance(node, Scalar) else None)
        except ValueError:
            self.mismatches.append(node)
            return None

    def integer(self, parent: Mapping, key: str, *, smallest: int, largest: int) -> int | None:
        """Return the whole number under `key`."""
        node = parent.get(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if type(value) is int and smallest <= value <= largest:
            return value
        self.mismatches.append(node)
        return None

    def text_or_integer(self, parent: Mapping, key: str) -> str | int | None:
        """Return the text of one line, which may be empty, or the whole number, under `key`."""
        node = parent.get(key)
        value = node.value if isinstance(node, Scalar) else None
        return value if type(value) is int else self.text(parent, key, _LINE_OR_NOTHING)

    def versions(self, parent: Mapping, key: str) -> Versions | None:
        """Return the versions that the text under `key` lists; one in the wrong order is reported by its meaning."""
        text = self.text(parent, key, VERSIONS)
        return None if text is None else Versions.parse(text) or Versions(())

    def boolean(self, parent: Mapping, key: str) -> bool | None:
        """Return the truth under `key`."""
        node = parent.get(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool):
            return value
        self.mismatches.append(node)
        return None

    def seconds(self, parent: Mapping, key: str) -> float | None:
        """Return the duration under `key`, in seconds."""
        node = parent.get(key)
        if node is None:
            return None
        value = durations.seconds(node.value) if isinstance(node, Scalar) else None
        if value is None:
            self.mismatches.append(node)
        return value
