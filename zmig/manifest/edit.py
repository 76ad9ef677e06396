"""Adds entries and variables to a manifest, or takes entries away, by editing its text.

Comments, order, indentation, quotes and line ends of what is left stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping as Mappings
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence, typed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Mapping as Map
    from collections.abc import Sequence as List

    from zmig.manifest.yaml_parser import Document, Node

    Value = str | int | List["Value"] | Map[str, "Value"]
    Fields = Map[str, Value]

ABOUT_IMPORT = "# What `zmig import` leaves out: the next one brings what is taken out of here."
"""The comment above `import`, wherever zmig writes that."""
_BARE = re.compile(r"[\w./][\w./+@-]*(?: [\w./+@-]+)*")
# Of a list whose items are on the lines after their dash, the dash may end its line.
_DASH = re.compile(r"([ \t]*)-(?:([ \t]+)|(?=[\r\n]))")
_BLANKS_AND_COMMENT = re.compile(r"(?:[ \t]*+(?:\r\n|\r|\n))++([ \t]*+)#[^\r\n]*")
_REST_OF_LINE = re.compile(r"[ \t]*+(,?)[ \t]*+(?:#[^\r\n]*)?(?=[\r\n]|\Z)")
_LINE = re.compile(r"[^\r\n]*")
_COMMENT_OR_WORD = re.compile(r"#[^\r\n]*|\S+")


class NotEditable(Exception):
    """The manifest is written in a way that an entry cannot be added to."""


class _Edit(NamedTuple):
    """A stretch of the text, and what comes in its place."""

    start: int
    end: int
    text: str


def add(document: Document, fields: Fields) -> str:
    """Return the text of a manifest with one more entry of `migrations`. Raises NotEditable.

    The entry is after the last one with a lower version, else after the last one. Whoever calls this reads
    the result again and compares.
    """
    text, root = document.source.text, document.root
    if not isinstance(root, Mapping):
        raise NotEditable
    node = root.get("migrations")
    if isinstance(node, Sequence) and node.items:
        edits = (_to_flow_list if _opens_with("[", text, node) else _to_block_list)(text, node, fields)
    elif _opens_with("{", text, root):
        edits = _to_flow_root(text, root, node, fields)
    elif node is None:
        edits = _at_end(text, root, [fields])
    else:
        edits = _to_empty_list(text, root, node, [fields])
    return _edited(text, edits)


def add_first(document: Document, entries: List[Fields]) -> str:
    """Return the text of a manifest with its first entries, of which it has none yet. Raises NotEditable.

    They are in the order given, with blank lines between them. Whoever calls this reads the result again and compares.
    """
    text, root = document.source.text, document.root
    if not isinstance(root, Mapping) or _opens_with("{", text, root):
        raise NotEditable
    node = root.get("migrations")
    if node is None:
        return _edited(text, _at_end(text, root, entries))
    if isinstance(node, Sequence) and node.items:
        raise NotEditable
    return _edited(text, _to_empty_list(text, root, node, entries))


def add_variables(document: Document, values: Map[str, str]) -> str:
    """Return the text of a manifest with more `variables`. Raises NotEditable.

    Whoever calls this reads the result again and compares.
    """
    text, root = document.source.text, document.root
    if not isinstance(root, Mapping) or _opens_with("{", text, root):
        raise NotEditable
    node = root.get("variables")
    if node is None:
        indent = text[_line_start(text, root.start) : root.start]
        lines = ["", f"{indent}variables:", *(f"{indent}  {name}: {scalar(value)}" for name, value in values.items())]
        before = [one for key, one in root.entries.values() if key.text != "migrations"]
        if not before:
            raise NotEditable
        last = max(before, key=attrgetter("end"))
        return _edited(text, [_insert_below(text, last, len(indent), lines)])
    if not isinstance(node, Mapping) or not node.entries or _opens_with("{", text, node):
        raise NotEditable
    key, last = list(node.entries.values())[-1]
    indent = text[_line_start(text, key.start) : key.start]
    lines = [f"{indent}{name}: {scalar(value)}" for name, value in values.items()]
    return _edited(text, [_insert_below(text, last, len(indent), lines)])


def add_left_out(document: Document, tool: str, names: List[str]) -> str:
    """Return the text of a manifest that leaves more migrations of a tool out. Raises NotEditable.

    Whoever calls this reads the result again and compares.
    """
    text, root = document.source.text, document.root
    if not isinstance(root, Mapping) or _opens_with("{", text, root):
        raise NotEditable
    indent = text[_line_start(text, root.start) : root.start]
    node = root.get("import")
    if node is None:
        lines = ["", *(f"{indent}{line}" for line in (ABOUT_IMPORT, "import:"))]
        lines += [f"{indent}  {line}" for line in left_out_lines({tool: names})]
        before = [one for key, one in root.entries.values() if key.text != "migrations"]
        if not before:
            raise NotEditable
        last = max(before, key=attrgetter("end"))
        return _edited(text, [_insert_below(text, last, len(indent), lines)])
    by_tool = node.get("leave_out") if isinstance(node, Mapping) else None
    listed = by_tool.get(tool) if isinstance(by_tool, Mapping) else None
    if isinstance(listed, Sequence) and listed.items:
        return _edited(text, [_append(text, listed, [scalar(name) for name in names])])
    if listed is not None or not isinstance(by_tool, Mapping) or not by_tool.entries or _opens_with("{", text, by_tool):
        raise NotEditable
    key, last = list(by_tool.entries.values())[-1]
    indent = text[_line_start(text, key.start) : key.start]
    lines = [f"{indent}{line.removeprefix('  ')}" for line in left_out_lines({tool: names})[1:]]
    return _edited(text, [_insert_below(text, last, len(indent), lines)])


def set_origins(document: Document, tool: str, ids: Map[int, List[str]]) -> str:
    """Return the text of a manifest whose entries say what a tool calls them, each by its place in `migrations`.

    `ids` are all that an entry is to have, those that it has already first. Raises NotEditable. Whoever calls this
    reads the result again and compares.
    """
    text, root = document.source.text, document.root
    node = root.get("migrations") if isinstance(root, Mapping) else None
    if not isinstance(node, Sequence):
        raise NotEditable
    return _edited(text, [_origin_edit(text, node.items[index], tool, names) for index, names in ids.items()])


def _origin_edit(text: str, entry: Node, tool: str, names: List[str]) -> _Edit:
    if not isinstance(entry, Mapping) or not entry.entries:
        raise NotEditable
    origin, style = entry.get("origin"), _Style(text, entry)
    if origin is None:
        pair = style.pair("origin", {tool: list(names)})
        key, last = list(entry.entries.values())[-1]
        if style.is_flow:
            end = _content_end(text, last)
            return _Edit(end, end, f", {pair}")
        column = key.start - _line_start(text, key.start)
        return _insert_below(text, last, column, [" " * column + pair])
    known = origin.get(tool) if isinstance(origin, Mapping) else None
    if isinstance(known, Scalar):
        return _Edit(known.start, _content_end(text, known), style.written(names))
    if not isinstance(known, Sequence) or not known.items:
        raise NotEditable
    return _append(text, known, [style.written(name) for name in names[len(known.items) :]])


def _append(text: str, node: Sequence, values: List[str]) -> _Edit:
    """Return the edit that puts plain values, as they are written, at the end of a list that is not empty."""
    last = node.items[-1]
    if _opens_with("[", text, node):
        end = _content_end(text, last)
        return _Edit(end, end, "".join(f", {value}" for value in values))
    dash, gap = _dash(text, last)
    return _insert_below(text, last, len(dash), [f"{dash}-{gap}{value}" for value in values])


def left_out_lines(by_tool: Map[str, List[str]]) -> list[str]:
    """Return the lines that say what is left out, by tool, in block style."""
    lines = ["leave_out:"]
    for tool, names in by_tool.items():
        lines += [f"  {tool}:", *(f"    - {scalar(name)}" for name in names)]
    return lines


def set_values(document: Document, values: Iterable[tuple[Node, str | int]]) -> str:
    """Return the text of a manifest with other values in the place of some scalars, in the quotes that they have.

    Whoever calls this reads the result again and compares.
    """
    text = document.source.text
    return _edited(
        text, [_Edit(node.start, _content_end(text, node), _like(text, node, value)) for node, value in values]
    )


def _edited(text: str, edits: list[_Edit]) -> str:
    for edit in reversed(sorted(edits, key=attrgetter("start"))):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def remove(document: Document, nodes: Collection[Node]) -> str:
    """Return the text of a manifest without some entries of `migrations`. Raises NotEditable.

    Comments on lines of their own stay. Whoever calls this reads the result again and compares.
    """
    text, root = document.source.text, document.root
    node = root.get("migrations") if isinstance(root, Mapping) else None
    if not isinstance(node, Sequence) or _opens_with("[", text, node):
        raise NotEditable
    gone = [item for item in node.items if any(item is one for one in nodes)]
    for item in reversed(gone):
        start = _line_start(text, item.start)
        while _DASH.match(text, start) is None:
            if start == 0:
                raise NotEditable
            start = _line_start(text, start - 1)
        rest_of_line = _LINE.match(text, _content_end(text, item))
        end = len(text) if rest_of_line is None else rest_of_line.end()
        end += 2 if text.startswith("\r\n", end) else 1 if end < len(text) else 0
        after = _BLANK_LINE.match(text, end)
        if after is not None and (start == 0 or _BLANK_LINE.match(text, _line_start(text, start - 1))):
            end = after.end()  # of two blank lines around it one is left
        text = text[:start] + text[end:]
    return text


_BLANK_LINE = re.compile(r"[ \t]*(?:\r\n|\r|\n)")


def _to_block_list(text: str, node: Sequence, fields: Fields) -> list[_Edit]:
    neighbour = _neighbour(node, fields)
    indent, gap = _dash(text, neighbour)
    lines = _entry(fields, _Style(text, neighbour), indent, gap)
    if _is_spaced(text, node, neighbour):
        lines.insert(0, "")
    return [_insert_below(text, neighbour, len(indent), lines)]


def _to_flow_list(text: str, node: Sequence, fields: Fields) -> list[_Edit]:
    neighbour = _neighbour(node, fields)
    if not node.start < neighbour.start < neighbour.end <= node.end:
        raise NotEditable
    entry = _flow(fields, _Style(text, neighbour))
    start, end = neighbour.start, neighbour.end
    indent = text[_line_start(text, start) : start]
    if indent.strip():
        return [_Edit(end, end, f", {entry}")]
    rest = _REST_OF_LINE.match(text, end)
    if rest is None:
        return [_Edit(end, end, f",{_line_break(text)}{indent}{entry}")]
    comma = rest[1]
    return [_Edit(end, end, "" if comma else ","), _insert_lines(text, rest.end(), [f"{indent}{entry}{comma}"])]


def _to_flow_root(text: str, root: Mapping, node: Node | None, fields: Fields) -> list[_Edit]:
    if node is None:
        raise NotEditable
    blank = "" if node.end > node.start else " "
    return [_Edit(node.start, node.end, f"{blank}[{_flow(fields, _Style(text, root))}]")]


def _to_empty_list(text: str, root: Mapping, node: Node, entries: List[Fields]) -> list[_Edit]:
    """Replace an empty value, such as `[]` or nothing, by a list in block style."""
    if "#" in text[node.start : node.end]:
        raise NotEditable
    start = len(text[: node.start].rstrip(" \t"))
    indent = text[_line_start(text, root.start) : root.start]
    lines = _entries(entries, _Style(text, root), f"{indent}  ")
    return [_Edit(start, node.end, ""), _insert_lines(text, _after_comments(text, node.end, len(indent)), lines)]


def _at_end(text: str, root: Mapping, entries: List[Fields]) -> list[_Edit]:
    indent = text[_line_start(text, root.start) : root.start]
    lines = ["", f"{indent}migrations:", *_entries(entries, _Style(text, root), f"{indent}  ")]
    return [_insert_below(text, root, -1, lines)]


class _Style:
    """How an entry is written: as its model is, another entry or the manifest itself."""

    def __init__(self, text: str, model: Node) -> None:
        self._text = text
        self._model = model if isinstance(model, Mapping) else Mapping({}, 0, 0)
        self.is_flow = _opens_with("{", text, model)
        self._is_json = any(not key.plain for key, _ in self._model.entries.values())

    def pair(self, key: str, value: Value) -> str:
        """Return a key with its value."""
        return f"{json.dumps(key) if self._is_json else key}: {self._value(key, value)}"

    def written(self, value: Value) -> str:
        """Return a value that belongs to no key of the model."""
        return self._value("", value)

    def _value(self, key: str, value: Value) -> str:
        if isinstance(value, bool | int):
            return json.dumps(value)
        if isinstance(value, Mappings):
            return "{" + ", ".join(self.pair(inner, one) for inner, one in value.items()) + "}"
        if not isinstance(value, str):
            return "[" + ", ".join(self._value("", one) for one in value) + "]"
        if self._is_json:
            return json.dumps(value, ensure_ascii=False)
        return _like(self._text, self._model.get("file" if key == "rollback" else key), value)


def _like(text: str, node: Node | None, value: str | int) -> str:
    """Return a plain value in the quotes that a node has."""
    if not isinstance(value, str):
        return json.dumps(value)
    quote = text[node.start] if isinstance(node, Scalar) and not node.plain else ""
    if quote == "'":
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False) if quote == '"' else scalar(value)


def lines(entries: List[Fields]) -> list[str]:
    """Return the lines of entries for a manifest that has none yet, in block style."""
    return _entries(entries, _Style("", Mapping({}, 0, 0)), "  ")


def scalar(value: str) -> str:
    """Return a text as a manifest has it: without quotes where it needs none."""
    is_bare = _BARE.fullmatch(value) and typed(value) == value
    return value if is_bare else json.dumps(value, ensure_ascii=False)


def _entries(entries: List[Fields], style: _Style, indent: str) -> list[str]:
    lines: list[str] = []
    for fields in entries:
        lines += [*([""] if lines else []), *_entry(fields, style, indent, " ")]
    return lines


def _entry(fields: Fields, style: _Style, indent: str, gap: str) -> list[str]:
    if style.is_flow:
        return [f"{indent}-{gap}{_flow(fields, style)}"]
    first, *others = (style.pair(key, value) for key, value in fields.items())
    return [f"{indent}-{gap}{first}", *(f"{indent} {gap}{other}" for other in others)]


def _flow(fields: Fields, style: _Style) -> str:
    return "{" + ", ".join(style.pair(key, value) for key, value in fields.items()) + "}"


def _neighbour(node: Sequence, fields: Fields) -> Node:
    """Return the item that the new one comes after."""
    new = fields["version"]
    neighbour = node.items[-1]
    for item in node.items:
        version = item.get("version") if isinstance(item, Mapping) else None
        value = version.value if isinstance(version, Scalar) else None
        if isinstance(value, int) and isinstance(new, int) and value < new:
            neighbour = item
    return neighbour


def _opens_with(bracket: str, text: str, node: Node) -> bool:
    return re.compile(rf"(?:&\S+\s+)?{re.escape(bracket)}").match(text, node.start) is not None


def _dash(text: str, item: Node) -> tuple[str, str]:
    """Return the indentation of an item's dash, and the blanks after the dash."""
    start = _line_start(text, item.start)
    while (match := _DASH.match(text, start)) is None:
        if start == 0:
            raise NotEditable
        start = _line_start(text, start - 1)
    return match[1], match[2] or " "


def _is_spaced(text: str, node: Sequence, item: Node) -> bool:
    """Return whether blank lines are between the item and the one before it, else the one after it."""
    index = node.items.index(item)
    if len(node.items) == 1:
        return False
    first, second = (node.items[index - 1], item) if index else (item, node.items[1])
    between = text[_content_end(text, first) : second.start].splitlines()
    return any(not line.strip() for line in between[1:])


def _content_end(text: str, node: Node) -> int:
    """Return where a node ends, without the comments and blank lines that the parser counts to it."""
    if isinstance(node, Scalar) or _opens_with("{", text, node) or _opens_with("[", text, node):
        return node.start + len(text[node.start : node.end].rstrip())
    children = node.items if isinstance(node, Sequence) else chain.from_iterable(node.entries.values())
    inside = (child for child in children if node.start <= child.start and child.end <= node.end)
    end = max((_content_end(text, child) for child in inside), default=node.start)
    # What may follow the last child is an alias, whose node is where its anchor is.
    words = [match for match in _COMMENT_OR_WORD.finditer(text, end, node.end) if not match[0].startswith("#")]
    return words[-1].end() if words else end


def _after_comments(text: str, offset: int, indentation: int) -> int:
    """Return the end of the line, or of the comments below it that are indented by more than `indentation`."""
    rest_of_line = _LINE.match(text, offset)
    end = offset if rest_of_line is None else rest_of_line.end()
    while (match := _BLANKS_AND_COMMENT.match(text, end)) and len(match[1]) > indentation:
        end = match.end()
    return end


def _insert_below(text: str, node: Node, indentation: int, lines: list[str]) -> _Edit:
    """Return the edit that puts lines below a node, and the comments below it that are indented by more than that."""
    return _insert_lines(text, _after_comments(text, _content_end(text, node), indentation), lines)


def _insert_lines(text: str, end: int, lines: list[str]) -> _Edit:
    """Return the edit that puts lines below the line that ends at `end`."""
    line_break = _line_break(text)
    return _Edit(end, end, "".join(line_break + line for line in lines))


def _line_break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
