"""Changelogs in XML, YAML and JSON as one and the same tree, with places. Nothing in them is carried out.

A document type in XML is refused: it is what can make a parser read other files, or a short text a very long one. What
aliases of YAML make of a short text is limited.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from xml.parsers import expat

import yaml

from zmig.errors import Location, Problem, UsageError
from zmig.other_tools import yaml_nodes
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = "databaseChangeLog"
OWN = ""
"""The key of what an element of XML holds itself, beside others, and of an item that is a plain value."""
_DEEPEST = 50
_MOST = 200_000
"""How many nodes a changelog has at most: with more, aliases have made them."""


@valueclass
class Node:
    """An element, or a key with what it holds."""

    name: str
    values: Mapping[str, str]
    """Attributes, and keys with a plain value; `OWN` is its own text."""
    location: Location
    children: list[Node] = field(default_factory=list["Node"])
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    """In which line a value begins, as far as that is another one than the node's."""

    def is_true(self, key: str) -> bool:
        """Whether a value is `true`."""
        return self.values.get(key, "").strip().lower() == "true"

    def line(self, key: str) -> int:
        """Return where a value begins; 1-based."""
        return self.lines.get(key, self.location.line or 1)


@lru_cache(maxsize=1024)
def parse(path: str, text: str) -> Node:
    """Return the root of a changelog; of one that was read before, such as to find the tool, the same again.

    Raises:
        UsageError: it is none, or not well formed.
    """
    root = _Xml(path).root(text) if path.lower().endswith(".xml") else _Yaml(path).root(text)
    if root is None or root.name != ROOT:
        raise _unreadable(path, "its root is no `databaseChangeLog`", Location(path))
    return root


def _unreadable(path: str, reason: str, location: Location) -> UsageError:
    message = f"`{path}` is no changelog that can be read: {reason}"
    return UsageError(Problem("import-unreadable", message, location, hint="mend the file, or name another folder"))


class _Open(NamedTuple):
    """An element whose end has not come yet."""

    name: str
    attributes: dict[str, str]
    location: Location
    children: list[Node]
    pieces: list[str]
    """What it holds itself."""
    lines: list[int]
    """In which line what is not blank of that begins."""

    @property
    def node(self) -> Node:
        """The whole element."""
        own = "".join(self.pieces)
        if not own.strip():
            return Node(self.name, self.attributes, self.location, self.children)
        values = {**self.attributes, OWN: own.strip()}
        return Node(self.name, values, self.location, self.children, {OWN: self.lines[0]})


class _Xml:
    """One pass over a changelog in XML."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stack: list[_Open] = []
        self._roots: list[Node] = []
        self._parser = expat.ParserCreate("utf-8")  # the text is decoded, whatever it says of itself
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._document_type

    def root(self, text: str) -> Node | None:
        """Return the outermost element."""
        try:
            self._parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            place = Location(self._path, error.lineno, error.offset + 1)
            raise _unreadable(self._path, str(error), place) from None
        return self._roots[0] if self._roots else None

    @property
    def _place(self) -> Location:
        return Location(self._path, self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._stack) > _DEEPEST:
            raise _unreadable(self._path, "it is too deep", self._place)
        plain = {_local(key): value for key, value in attributes.items()}
        self._stack.append(_Open(_local(name), plain, self._place, [], [], []))

    def _end(self, _: str) -> None:
        node = self._stack.pop().node
        (self._stack[-1].children if self._stack else self._roots).append(node)

    def _text(self, text: str) -> None:
        if not self._stack:
            return
        element = self._stack[-1]
        element.pieces.append(text)
        if not element.lines and (begin := text.lstrip()):
            element.lines.append(self._parser.CurrentLineNumber + text[: len(text) - len(begin)].count("\n"))

    def _document_type(self, *_: object) -> None:
        raise _unreadable(self._path, "it has a document type", self._place)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _Yaml:
    """One pass over a changelog in YAML or JSON."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._count = 0

    def root(self, text: str) -> Node | None:
        """Return the first key that holds more than a plain value."""
        try:
            root = yaml_nodes.composed(self._path, text)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            place = Location(self._path, mark.line + 1, mark.column + 1) if mark else Location(self._path)
            reason = str(getattr(error, "problem", None) or "it is too deep").partition("\n")[0]
            raise _unreadable(self._path, reason, place) from None
        if not isinstance(root, yaml.MappingNode):
            return None
        return next(self._members(root, 0), None)

    def _members(self, node: yaml.MappingNode, depth: int) -> Iterator[Node]:
        """Yield the keys of a mapping that hold more than a plain value."""
        for key, value in cast("list[tuple[Any, Any]]", node.value):
            if isinstance(key, yaml.ScalarNode) and not isinstance(value, yaml.ScalarNode):
                yield self._node(key, value, depth)

    def _node(self, key: yaml.ScalarNode, value: Any, depth: int) -> Node:
        place = self._place(key)
        if depth > _DEEPEST:  # as an alias that holds itself makes it
            raise _unreadable(self._path, "it is too deep", place)
        name = str(key.value)
        if isinstance(value, yaml.MappingNode):
            plain = [
                (str(one.value), two)
                for one, two in cast("list[tuple[Any, Any]]", value.value)
                if isinstance(two, yaml.ScalarNode)
            ]
            self._add(len(plain), place)
            scalars = {each: self._text(scalar) for each, scalar in plain}
            lines = {each: yaml_nodes.line_of(scalar) for each, scalar in plain}
            return Node(name, scalars, place, list(self._members(value, depth + 1)), lines)
        children: list[Node] = []
        for item in cast("list[Any]", value.value) if isinstance(value, yaml.SequenceNode) else ():
            self._add(1, place)
            if isinstance(item, yaml.MappingNode):
                children.extend(self._members(item, depth + 1))
                children.extend(self._plain_items(item))
            elif isinstance(item, yaml.ScalarNode):
                children.append(self._plain("", item, item))
        return Node(name, {}, place, children)

    def _plain_items(self, item: yaml.MappingNode) -> Iterator[Node]:
        """Yield what is in a list with a plain value only, such as `- logicalFilePath: x`."""
        for key, value in cast("list[tuple[Any, Any]]", item.value):
            if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode):
                yield self._plain(str(key.value), key, value)

    def _plain(self, name: str, key: yaml.ScalarNode, value: yaml.ScalarNode) -> Node:
        place = self._place(key)
        self._add(0, place)
        return Node(name, {OWN: self._text(value)}, place, lines={OWN: yaml_nodes.line_of(value)})

    def _text(self, scalar: yaml.ScalarNode) -> str:
        try:
            return yaml_nodes.text_of(scalar)
        except UnicodeDecodeError:
            raise _unreadable(self._path, "half a letter is no text", self._place(scalar)) from None

    def _place(self, node: yaml.ScalarNode) -> Location:
        mark = node.start_mark
        return Location(self._path, mark.line + 1, mark.column + 1)

    def _add(self, count: int, place: Location) -> None:
        self._count += count + 1
        if self._count > _MOST:
            raise _unreadable(self._path, "its aliases make it too large", place)
