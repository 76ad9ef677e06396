"""YAML as a tree of nodes that know where they are in their text.

A node's `start` and `end` are 0-based offsets, in characters; `Document.location` makes lines and columns of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.valueclass import slotted, valueclass

if TYPE_CHECKING:
    from zmig.errors import Location, Problem
    from zmig.text.places import Source

# Nodes are compared as objects: each is one place in a text.


@slotted
class Scalar:
    """A single value."""

    text: str
    plain: bool
    """Whether it is without quotes, so that it may be a number, a boolean or null."""
    start: int
    end: int

    @property
    def value(self) -> str | int | float | bool | None:
        """The text, or what a plain scalar stands for."""
        return typed(self.text) if self.plain else self.text


@slotted
class Sequence:
    """A list of nodes."""

    items: list[Node]
    start: int
    end: int


@slotted
class Mapping:
    """Keys and values, in the order of the text; keys are always text."""

    entries: dict[str, tuple[Scalar, Node]]
    start: int
    end: int

    def get(self, key: str) -> Node | None:
        """Return the value of `key`, None where it is absent."""
        entry = self.entries.get(key)
        return None if entry is None else entry[1]


Node = Scalar | Sequence | Mapping


@valueclass
class Document:
    """What a text holds."""

    source: Source
    root: Node | None
    """None for an empty text and for one that is not YAML."""
    problems: tuple[Problem, ...] = ()

    def location(self, node: Node) -> Location:
        """Return where a node is; for a list or a mapping, where it begins."""
        if isinstance(node, Scalar):
            return self.source.location(node.start, node.end)
        return self.source.location(node.start)


_TYPED_FIRST = frozenset("0123456789+-.tTfFnN~")
_MOST_DIGITS = 40
_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?|[-+]?\.[0-9]{1,40}")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


def typed(text: str) -> str | int | float | bool | None:
    """Return what a plain scalar stands for."""
    if text.isdecimal() and text.isascii() and len(text) <= _MOST_DIGITS:
        return int(text)
    if text and text[0] not in _TYPED_FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
