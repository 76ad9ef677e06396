"""Reads the YAML that most manifests are written in, without PyYAML: to the same tree, or not at all.

Importing PyYAML takes a tenth of a start that has nothing to do. What is read here is the part of YAML about which
nobody can be in doubt: mappings and lists in blocks, each key on a line of its own with its value, in plain letters or
in quotes without escape sequences, or a short `{key: value}`. For anything else `parse` returns None, upon which
`zmig.manifest.yaml_parser` reads the text, and says what is wrong with it; tests hold the two equal.

The forms are those of the YAML 1.1 specification, chapters 8 ("Block Styles") and 9 ("Flow Styles").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.manifest.yaml_parser import NODE_LIMIT, SIZE_LIMIT, Document, Mapping, Scalar, Sequence
from zmig.text.lazy_pattern import LazyPattern
from zmig.text.places import Source

if TYPE_CHECKING:
    from zmig.manifest.yaml_parser import Node

_KEY = r"[A-Za-z_][A-Za-z0-9_]{0,99}+"
_WORD = r"[\w./$(](?:[\w./$()+=,;@%~^<>?!&*|{}\[\]'\"#-]|:(?=[^\s]))*+"
"""Of a value that is not in quotes: no indicator at its beginning, no `:` before a blank, no `#` after one."""
_WORDS = rf"{_WORD}(?: {_WORD})*+"
_QUOTED = r"\"[^\"\\\n]*+\"|'[^'\n]*+'"
_FLOW_VALUE = rf"[\w./][\w./+=@%~-]*+|{_QUOTED}"
_FLOW = rf"\{{ ?{_KEY}: (?:{_FLOW_VALUE})(?:, {_KEY}: (?:{_FLOW_VALUE}))*+ ?\}}"
_PLAIN_LINE = re.compile(
    rf"( {{0,20}}+)(- )?(?:({_KEY}):(?: ++(?:({_WORDS})|({_QUOTED})|({_FLOW})))?(?!\S)|({_WORDS})|({_QUOTED}))?"
    r" *+(?:(?<!\S)#.*+)?(?:\n|\Z)",
    re.ASCII,
)
"""A line: its indentation, a dash, and a key with what its value is, if it has one there; or an item of a list."""
_PAIR = LazyPattern(rf"({_KEY}): ({_FLOW_VALUE})", re.ASCII)


_KEY_ALONE, _PLAIN, _QUOTES, _BRACES, _ITEM, _QUOTED_ITEM = range(3, 9)
"""The last group of a line says what is on it; of a blank one it is the first."""


def parse(text: str, *, label: str) -> Document | None:
    """Return the document in `text`, which is not empty; None where the text is not as plain as all that.

    `label` is what locations call it.
    """
    text = text.lstrip("\ufeff")
    # What is on a line makes four nodes at most, and what is between braces and commas two.
    may_have = 4 * text.count("\n") + 2 * (text.count(",") + text.count("{"))
    if may_have > NODE_LIMIT or len(text) > SIZE_LIMIT or not all(map(str.isprintable, text.split("\n"))):
        return None
    try:
        root = _Reading().tree(text)
    except _Unsure:
        return None
    return Document(Source(label, text), root) if root is not None else None


class _Unsure(Exception):
    """The text is not as plain as all that."""


class _Reading:
    """One pass over the lines of a text, with a stack of the collections that are not at their end."""

    def __init__(self) -> None:
        self._root: Node | None = None
        self._stack: list[tuple[int, Mapping | Sequence]] = []
        self._column = -1
        self._innermost: Mapping | Sequence = Mapping({}, 0, 0)
        """The innermost collection, which begins in that column."""
        self._waiting: Scalar | None = None
        """A key of the innermost collection whose value has to begin on the next line."""

    def tree(self, text: str) -> Node | None:
        """Return the tree, None of a text that is empty."""
        position, length = 0, len(text)
        while position < length:
            line = _PLAIN_LINE.match(text, position)
            if line is None:
                raise _Unsure
            position = line.end()
            if line.lastindex != 1:
                self._read(line)
        if self._waiting is not None:
            raise _Unsure
        self._close(-1, position, is_item=True)
        return self._root

    def _read(self, line: re.Match[str]) -> None:
        indent, dash, key, value = line.group(1, 2, 3, line.lastindex or 0)
        column, start, what = len(indent), line.end(1), line.lastindex
        is_item = dash is not None
        if self._waiting is not None:
            self._begin_value(self._waiting, column, start, is_item=is_item)
        elif self._root is None:
            self._root = self._open(column, Mapping({}, start, 0))
        elif column < self._column or (column == self._column and not is_item):
            self._close(column, start, is_item=is_item)
        if column != self._column or is_item != (type(self._innermost) is Sequence):
            raise _Unsure
        if key is None:
            self._add_item(what, value, line.start(what or 0))
            return
        if type(self._innermost) is Sequence:
            column, start = column + 2, start + 2
            item = Mapping({}, start, 0)
            self._innermost.items.append(item)
            self._open(column, item)
        name = Scalar(key, True, start, start + len(key))
        if what == _PLAIN:
            start = line.start(_PLAIN)
            _put(self._innermost, name, Scalar(value, True, start, start + len(value)))
        elif what == _KEY_ALONE:
            self._waiting = name
        else:
            start = line.start(what or 0)
            _put(self._innermost, name, _quoted(value, start) if what == _QUOTES else _in_braces(value, start))

    def _begin_value(self, key: Scalar, column: int, start: int, *, is_item: bool) -> None:
        """Open the collection that is the value of the key above it; a list may begin in the key's own column."""
        if column < self._column + (not is_item):
            raise _Unsure
        value = Sequence([], start, 0) if is_item else Mapping({}, start, 0)
        _put(self._innermost, key, value)
        self._open(column, value)
        self._waiting = None

    def _open(self, column: int, collection: Mapping | Sequence) -> Mapping | Sequence:
        self._stack.append((self._column, self._innermost))
        self._column, self._innermost = column, collection
        return collection

    def _close(self, column: int, end: int, *, is_item: bool) -> None:
        """End what is further in than a column, and the list in it where what comes next is no item."""
        while column < self._column or (
            column == self._column >= 0 and not is_item and type(self._innermost) is Sequence
        ):
            self._innermost.end = end
            self._column, self._innermost = self._stack.pop()

    def _add_item(self, what: int | None, value: str, start: int) -> None:
        if type(self._innermost) is not Sequence or what not in (_ITEM, _QUOTED_ITEM):
            raise _Unsure
        plain = Scalar(value, True, start, start + len(value))
        self._innermost.items.append(plain if what == _ITEM else _quoted(value, start))


def _put(mapping: Mapping | Sequence, key: Scalar, value: Node) -> None:
    if type(mapping) is not Mapping or mapping.entries.setdefault(key.text, (key, value))[0] is not key:
        raise _Unsure


def _quoted(text: str, start: int) -> Scalar:
    return Scalar(text[1:-1], False, start, start + len(text))


def _in_braces(text: str, start: int) -> Mapping:
    mapping = Mapping({}, start, start + len(text))
    for pair in _PAIR.finditer(text):
        key, value = pair.groups()
        begin = start + pair.start(2)
        is_quoted = value[0] in "\"'"
        found = _quoted(value, begin) if is_quoted else Scalar(value, True, begin, begin + len(value))
        _put(mapping, Scalar(key, True, start + pair.start(1), start + pair.end(1)), found)
    return mapping
