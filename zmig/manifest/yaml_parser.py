"""From YAML text to its tree. Any text ends in a tree, in problems, or in both.

The traps of YAML 1.1 are closed: only plain `true`, `false`, `null` and decimal numbers have a type, so `no`,
`1:30` and dates stay text and `0010` is ten. A repeated key, a tag or a second document is a problem. Aliases
and merge keys (`<<`) work; what they may unfold to is bounded, and so is the depth of nesting.

A node's `start` and `end` are 0-based offsets, in characters; `Document.location` makes lines and columns of them.
"""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from zmig.errors import Problem
from zmig.text.places import Source
from zmig.valueclass import slotted, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from zmig.errors import Location

SIZE_LIMIT = 32 * 1024 * 1024
"""Characters a text may have."""
NODE_LIMIT = 2_000_000
"""Nodes a text may unfold to; a manifest of 100,000 full entries has 1.7 million."""

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


@contextmanager
def collector_paused() -> Generator[None]:
    """Keep the garbage collector from walking a growing tree again and again; it doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parse(text: str, *, label: str) -> Document:
    """Return the document in `text`; `label` is what locations call it. Raises nothing, whatever the text."""
    source = Source(label, text.lstrip("\ufeff"))
    if len(text) > SIZE_LIMIT:
        return Document(source, None, (too_large(label, len(text)),))
    with collector_paused():
        return _Builder(source).document()


def too_large(label: str, size: int) -> Problem:
    """Return the problem of a text with more than `SIZE_LIMIT` characters or bytes."""
    message = f"`{label}` is too large for a manifest: {size / 1e6:,.1f} MB, and {SIZE_LIMIT / 1e6:,.1f} MB are allowed"
    return Problem("manifest-too-large", message, hint="split it: `include: [other.yaml]` adds another manifest")


class _Mark(Protocol):
    index: int
    """0-based offset, in characters."""


class _Event(Protocol):
    """A PyYAML event; what is below the marks is there for those events that begin a node."""

    start_mark: _Mark
    end_mark: _Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]
    style: str | None


class _Parser(Protocol):
    def get_event(self) -> _Event: ...


class _Loader(Protocol):
    def __call__(self, stream: str, /) -> _Parser: ...


class _Stop(Exception):
    """The text cannot be read further."""


@slotted
class _Anchor:
    node: Node | None = None
    """None while the node it names is still being read."""
    size: int = 0
    """How many nodes it unfolds to."""


class _Builder:
    """Makes the tree from the parser's events; what aliases would unfold to is counted, never unfolded."""

    def __init__(self, source: Source) -> None:
        import yaml

        from zmig.manifest import yaml_errors

        self._yaml = yaml
        self._errors = yaml_errors
        self._scalar_event: type[object] = yaml.ScalarEvent
        self._alias_event: type[object] = yaml.AliasEvent
        self._sequence_start: type[object] = yaml.SequenceStartEvent
        self._sequence_end: type[object] = yaml.SequenceEndEvent
        self._mapping_end: type[object] = yaml.MappingEndEvent
        self._source = source
        self._problems: list[Problem] = []
        self._anchors: dict[str, _Anchor] = {}
        self._size = 0
        self._depth = 0
        self._next: Callable[[], _Event]

    def document(self) -> Document:
        root = None
        try:
            name = "CSafeLoader" if hasattr(self._yaml, "CSafeLoader") else "SafeLoader"
            loader: _Loader = getattr(self._yaml, name)
            self._next = loader(self._source.text).get_event
            root = self._root()
        except _Stop:
            pass
        except (self._yaml.YAMLError, UnicodeEncodeError) as error:
            self._problems.append(self._errors.explain(error, self._source))
        return Document(self._source, root, tuple(self._problems))

    def _root(self) -> Node | None:
        """Return the one document of the stream; None where the text is empty."""
        self._next()  # the stream's start
        if not isinstance(self._next(), self._yaml.DocumentStartEvent):
            return None
        root = self._node(self._next())
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, self._yaml.StreamEndEvent):
            self._report(event, "a second YAML document begins here", "remove everything from this `---` on")
        return root

    def _node(self, event: _Event) -> Node:
        """Return the node that begins with `event`."""
        kind = type(event)
        if kind is self._alias_event:
            return self._alias(event)
        self._size += 1
        if self._size > NODE_LIMIT:
            raise self._too_many(event)
        if event.anchor is not None or event.tag is not None:
            return self._marked_node(event)
        if kind is not self._scalar_event:
            return self._collection(event)
        if event.implicit[0]:  # a plain one, as nearly all are
            return Scalar(event.value, True, event.start_mark.index, event.end_mark.index)
        return self._scalar(event)

    def _marked_node(self, event: _Event) -> Node:
        """Return a node with an anchor, which aliases may refer to, or with a tag, which is refused."""
        anchor = _Anchor()
        if event.anchor is not None:
            self._anchors[event.anchor] = anchor
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._report(event, f"the tag `{tag}` is not allowed", "remove the tag: values here need none")
        size = self._size
        anchor.node = self._scalar(event) if type(event) is self._scalar_event else self._collection(event)
        anchor.size = self._size - size + 1
        return anchor.node

    def _collection(self, event: _Event) -> Node:
        self._depth += 1
        if self._depth > self._errors.DEPTH_LIMIT:
            raise self._stop(event, self._errors.TOO_DEEP.message, self._errors.TOO_DEEP.hint)
        node = self._sequence(event) if type(event) is self._sequence_start else self._mapping(event)
        self._depth -= 1
        return node

    def _scalar(self, event: _Event) -> Scalar:
        text = event.value
        plain = event.implicit[0] or (event.tag is not None and not event.style)
        # In quotes, an escape sequence may spell what no text of PostgreSQL's can hold.
        if not plain and not text.isprintable() and (match := re.search(r"[\x00\ud800-\udfff]", text)):
            what = "a NUL character" if match[0] == "\0" else "half of a character"
            self._report(event, f"a value holds {what}", "remove the escape sequence")
        return Scalar(text, plain, event.start_mark.index, event.end_mark.index)

    def _sequence(self, event: _Event) -> Sequence:
        start = event.start_mark.index
        items: list[Node] = []
        while type(event := self._next()) is not self._sequence_end:
            items.append(self._node(event))
        return Sequence(items, start, event.end_mark.index)

    def _mapping(self, event: _Event) -> Mapping:
        mapping = Mapping({}, event.start_mark.index, 0)
        merged: list[Node] = []
        entries, next_event, node_of, end = mapping.entries, self._next, self._node, self._mapping_end
        while type(event := next_event()) is not end:
            key = node_of(event)
            value = node_of(next_event())
            if type(key) is Scalar and key.text != "<<" and key.text not in entries:
                entries[key.text] = (key, value)
            elif not isinstance(key, Scalar):
                self._report(event, "a list or a mapping is where a key belongs", "write a plain word before the `:`")
            elif key.plain and key.text == "<<" and not merged:
                merged.extend(value.items if isinstance(value, Sequence) else [value])
            else:  # a quoted `<<`, or a key that is there already
                self._add(mapping, key, value)
        mapping.end = event.end_mark.index
        for node in merged:
            self._merge(mapping, node)
        return mapping

    def _add(self, mapping: Mapping, key: Scalar, value: Node) -> None:
        first = mapping.entries.setdefault(key.text, (key, value))[0]
        if first is key:
            return
        location = self._source.location(key.start, key.end)
        place = self._source.location(first.start)
        self._problems.append(
            Problem(
                "manifest-syntax",
                f"the key `{key.text}` is repeated",
                location,
                facts=(f"first written at {place}",),
                hint=f"remove one of the two `{key.text}:` lines",
            )
        )

    def _merge(self, mapping: Mapping, node: Node) -> None:
        if not isinstance(node, Mapping):
            location = self._source.location(node.start)
            hint = "write `<<: *name` with the name of an anchored mapping"
            self._problems.append(Problem("manifest-syntax", "`<<` merges mappings only", location, hint=hint))
            return
        for key, entry in node.entries.items():
            mapping.entries.setdefault(key, entry)  # what is written in the mapping itself goes before

    def _alias(self, event: _Event) -> Node:
        anchor = self._anchors.get(event.anchor or "")
        if anchor is None:
            raise self._stop(
                event, f"the alias `*{event.anchor}` has no anchor", f"write `&{event.anchor}` before the value meant"
            )
        if anchor.node is None:
            raise self._stop(event, f"the alias `*{event.anchor}` is inside the value it names", "write the value out")
        self._size += anchor.size
        if self._size > NODE_LIMIT:
            raise self._too_many(event)
        return anchor.node

    def _too_many(self, event: _Event) -> _Stop:
        message = f"the text unfolds to more than {NODE_LIMIT:,} values"
        return self._stop(event, message, "split it: `include: [other.yaml]` adds another manifest")

    def _stop(self, event: _Event, message: str, hint: str) -> _Stop:
        self._report(event, message, hint)
        return _Stop()

    def _report(self, event: _Event, message: str, hint: str) -> None:
        location = self._source.location(event.start_mark.index, event.end_mark.index)
        self._problems.append(Problem("manifest-syntax", message, location, hint=hint))
