"""Changelogs in XML, YAML and JSON as one and the same tree, with places. Nothing in them is carried out.

A document type in XML is refused: it is what can make a parser read other files, or a short text a very long one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from xml.parsers import expat

import yaml

from zmig.errors import Location, Problem, UsageError
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = "databaseChangeLog"
_DEEPEST = 50


@valueclass
class Node:
    """An element, or a key with what it holds."""

    name: str
    values: Mapping[str, str]
    """Attributes, and keys with a plain value."""
    location: Location
    children: list[Node] = field(default_factory=list["Node"])

    def is_true(self, key: str) -> bool:
        """Whether a value is `true`."""
        return self.values.get(key, "").strip().lower() == "true"


def parse(path: str, text: str) -> Node:
    """Return the root of a changelog.

    Raises:
        UsageError: it is none, or not well formed.
    """
    root = _xml(path, text) if path.lower().endswith(".xml") else _yaml(path, text)
    if root is None or root.name != ROOT:
        raise _unreadable(path, "its root is no `databaseChangeLog`", Location(path))
    return root


def _unreadable(path: str, reason: str, location: Location) -> UsageError:
    message = f"`{path}` is no changelog that can be read: {reason}"
    return UsageError(Problem("import-unreadable", message, location, hint="mend the file, or name another folder"))


def _xml(path: str, text: str) -> Node | None:
    parser = expat.ParserCreate()
    stack: list[Node] = []
    roots: list[Node] = []

    def place() -> Location:
        return Location(path, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)

    def start(name: str, attributes: dict[str, str]) -> None:
        node = Node(_local(name), {_local(key): value for key, value in attributes.items()}, place())
        (stack[-1].children if stack else roots).append(node)
        if len(stack) > _DEEPEST:
            raise _unreadable(path, "it is too deep", place())
        stack.append(node)

    def end(_: str) -> None:
        stack.pop()

    def document_type(*_: object) -> None:
        raise _unreadable(path, "it has a document type", place())

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = document_type
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise _unreadable(path, str(error), Location(path, error.lineno, error.offset + 1)) from None
    return roots[0] if roots else None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _yaml(path: str, text: str) -> Node | None:
    try:
        root = yaml.compose(text.replace("\t", " ") if path.lower().endswith(".json") else text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = Location(path, mark.line + 1, mark.column + 1) if mark else Location(path)
        reason = str(getattr(error, "problem", None) or "it is too deep").partition("\n")[0]
        raise _unreadable(path, reason, place) from None
    if not isinstance(root, yaml.MappingNode):
        return None
    return next(_members(path, root, 0), None)


def _members(path: str, node: yaml.MappingNode, depth: int) -> Iterator[Node]:
    """Yield the keys of a mapping that hold more than a plain value."""
    for key, value in cast("list[tuple[Any, Any]]", node.value):
        if isinstance(key, yaml.ScalarNode) and not isinstance(value, yaml.ScalarNode):
            yield _node(path, key, value, depth)


def _node(path: str, key: yaml.ScalarNode, value: Any, depth: int) -> Node:
    mark = key.start_mark
    node = Node(str(key.value), {}, Location(path, mark.line + 1, mark.column + 1))
    if depth > _DEEPEST:  # as an alias that holds itself makes it
        raise _unreadable(path, "it is too deep", node.location)
    if isinstance(value, yaml.MappingNode):
        plain = cast("list[tuple[Any, Any]]", value.value)
        scalars = {str(one.value): str(two.value) for one, two in plain if isinstance(two, yaml.ScalarNode)}
        return Node(node.name, scalars, node.location, list(_members(path, value, depth + 1)))
    for item in cast("list[Any]", value.value) if isinstance(value, yaml.SequenceNode) else ():
        if isinstance(item, yaml.MappingNode):
            node.children.extend(_members(path, item, depth + 1))
            node.children.extend(_plain_items(path, item))
    return node


def _plain_items(path: str, item: yaml.MappingNode) -> Iterator[Node]:
    """Yield what is in a list with a plain value only, such as `- logicalFilePath: x`."""
    for key, value in cast("list[tuple[Any, Any]]", item.value):
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode):
            place = Location(path, key.start_mark.line + 1, key.start_mark.column + 1)
            yield Node(str(key.value), {"": str(value.value)}, place)
