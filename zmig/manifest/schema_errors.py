"""Why a manifest does not fit its JSON Schema, and what to write: jsonschema is asked, and its answer put into words.

The schema is loaded, and jsonschema imported, only for manifests that are known to have such a problem.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zmig.errors import Problem
from zmig.manifest import durations, schema, typed_reader
from zmig.manifest.declaration import LARGEST_VERSION, subject_of
from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence, typed
from zmig.text.nearest import nearest
from zmig.text.places import may_hold_password
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as Map
    from dataclasses import KW_ONLY

    from jsonschema.protocols import Validator

    from zmig.manifest.yaml_parser import Document, Node

    Schema = Map[str, Any]

_NAMES_OF_TYPES = {
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
}
_YES = frozenset({"yes", "y", "on", "true", "1"})
_LONGEST_SHOWN = 60


@valueclass
class Spot:
    """A node that has a problem, and the way that leads to it."""

    document: Document
    node: Node
    free_version: int
    """A version that hints may offer."""
    _: KW_ONLY
    keys: tuple[str, ...] = ()
    """The keys that lead to it from the top, or from its entry of `migrations`."""
    entry: Node | None = None
    """The entry of `migrations` that it belongs to."""
    is_item: bool = False
    """Whether it is an item of the list that `keys` lead to."""

    def under(self, key: str) -> Spot:
        """Return the spot of the value of `key`; the node must be a mapping that has it."""
        assert isinstance(self.node, Mapping)
        return replace(self, node=self.node.entries[key][1], keys=(*self.keys, key), is_item=False)

    def item(self, node: Node) -> Spot:
        """Return the spot of an item of this list."""
        if self.keys == ("migrations",):
            return replace(self, node=node, keys=(), entry=node, is_item=False)
        return replace(self, node=node, is_item=True)

    @property
    def noun(self) -> str:
        """What messages call it."""
        subject = "the manifest" if self.entry is None else subject_of(self.entry)
        if not self.keys:
            return subject
        value = f"{'an item of ' if self.is_item else ''}`{'.'.join(self.keys)}`"
        return value if self.entry is None else f"{value} of {subject}"

    @property
    def value(self) -> str:
        """What messages say it is."""
        if isinstance(self.node, Sequence):
            return "a list" if self.node.items else "an empty list"
        if isinstance(self.node, Mapping):
            return "a mapping"
        if self.node.value in (None, ""):
            return "empty"
        is_quoted_value = not self.node.plain and not isinstance(typed(self.node.text), str)
        return f"the text {shown(self.node.text)}" if is_quoted_value else shown(self.node.text)

    @property
    def text(self) -> str:
        """What was written, where it is a single value; empty otherwise."""
        return self.node.text if isinstance(self.node, Scalar) else ""

    def problem(self, message: str, hint: str, *facts: str, at: Node | None = None) -> Problem:
        """Return a problem of this node, or of the key `at` in it."""
        place = self.document.location(self.node if at is None else at)
        return Problem("manifest-invalid", message, place, facts=facts, hint=hint)


def problems(document: Document, root: Node, *, suspects: list[Node]) -> list[Problem]:
    """Return what the schema has to say about a tree; of its `migrations`, only `suspects` are looked at."""
    found: list[Problem] = []
    reported: set[tuple[object, ...]] = set()
    top = Spot(document, root, free_version(document))
    for error in validator().iter_errors(_instance(root, suspects)):
        keyword = str(error.validator)
        aspect = keyword if keyword in ("required", "additionalProperties") else "value"
        if (aspect, *error.absolute_path) not in reported:
            reported.add((aspect, *error.absolute_path))
            spot = _spot(top, error.absolute_path, suspects)
            assert isinstance(error.schema, dict)
            found += _problems(spot, keyword, error.schema)
    return found


def validator() -> Validator:
    """Return the validator of manifests."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema.load("manifest"))


def plain(node: Node) -> Any:
    """Return a tree as the values that a JSON Schema speaks of."""
    match node:
        case Scalar():
            # jsonschema takes the float 1.0 for a whole number, but no Decimal.
            return Decimal(node.text) if isinstance(node.value, float) else node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, (_, value) in node.entries.items()}


def _instance(root: Node, suspects: list[Node]) -> Any:
    if not isinstance(root, Mapping) or not isinstance(root.get("migrations"), Sequence):
        return plain(root)
    others = {key: plain(value) for key, (_, value) in root.entries.items() if key != "migrations"}
    return {**others, "migrations": [plain(item) for item in suspects]}


def _spot(spot: Spot, path: Iterable[str | int], suspects: list[Node]) -> Spot:
    for step in path:
        if isinstance(step, str):
            spot = spot.under(step)
        elif spot.keys == ("migrations",):
            spot = spot.item(suspects[step])
        else:
            assert isinstance(spot.node, Sequence)
            spot = spot.item(spot.node.items[step])
    return spot


def _problems(spot: Spot, keyword: str, schema: Schema) -> Iterator[Problem]:
    """Yield what is wrong with a node that breaks one keyword of its schema."""
    match keyword:
        case "additionalProperties":
            yield from _unknown_keys(spot, schema)
        case "required":
            yield from _missing_keys(spot, schema)
        case "minProperties" | "maxProperties":
            yield _not_one_of(spot, schema)
        case "enum" if spot.text:
            yield _unknown_word(spot, schema)
        case "pattern" | "minLength" | "maxLength" if schema.get("title") != "duration":
            yield _unfit_text(spot, schema)
        case _ if spot.keys == ("manifest",):
            yield spot.problem(
                f"the manifest's format is {spot.value}, and this zmig reads format 1", "write `manifest: 1`"
            )
        case _:
            yield _misfit(spot, schema)


def _unknown_keys(spot: Spot, schema: Schema) -> Iterator[Problem]:
    assert isinstance(spot.node, Mapping)
    if "patternProperties" in schema:
        yield from _unfit_names(spot, spot.node, next(iter(schema["patternProperties"])))
        return
    known: Map[str, Schema] = schema["properties"]
    for key, (node, _) in spot.node.entries.items():
        if key in known:
            continue
        message = f"{spot.noun} has an unknown key" + (f" `{key}`" if _may_show(key) else "")
        section = next((name for name, inner in known.items() if key in inner.get("properties", ())), None)
        near = nearest(key.lower(), known)
        hint = f"move it under `{section}:`" if section else f"write `{near}`" if near else "remove it"
        yield spot.problem(message, hint, f"keys: {', '.join(known)}", at=node)


def _unfit_names(spot: Spot, node: Mapping, pattern: str) -> Iterator[Problem]:
    is_of_tools = typed_reader.TOOL.pattern in pattern
    form = typed_reader.TOOL if is_of_tools else typed_reader.WORD
    for key, (at, _) in node.entries.items():
        if form.fullmatch(key):
            continue
        named = f" `{key}`" if _may_show(key) else ""
        if is_of_tools:
            word = re.sub("[^a-z0-9]+", "-", key.lower()).strip("-").lstrip("0123456789-") or "flyway"
            message = f"{spot.noun} has a name{named} that is no tool's, as `zmig import --from` has them"
        else:
            word = re.sub("[^A-Za-z0-9_]+", "_", key).strip("_").lstrip("0123456789_") or "name"
            message = f"{spot.noun} has a name{named} that is not of letters, digits and `_`"
        yield spot.problem(message, f"write `{word}`", at=at)


def _missing_keys(spot: Spot, schema: Schema) -> Iterator[Problem]:
    assert isinstance(spot.node, Mapping)
    for key in schema["required"]:
        if key not in spot.node.entries:
            example = spot.free_version if key == "version" else schema["properties"][key]["examples"][0]
            yield spot.problem(f"{spot.noun} has no `{key}`", f"add `{key}: {example}`")


def free_version(document: Document) -> int:
    """Return the version after the highest one in a document."""
    return max((version for version in _versions(document) if version < LARGEST_VERSION), default=0) + 1


def _versions(document: Document) -> list[int]:
    """Return the versions in a document that may be ones."""
    entries = document.root.get("migrations") if isinstance(document.root, Mapping) else None
    items = entries.items if isinstance(entries, Sequence) else []
    nodes = [item.get("version") for item in items if isinstance(item, Mapping)]
    values = [node.value for node in nodes if isinstance(node, Scalar)]
    return [value for value in values if type(value) is int and 1 <= value <= LARGEST_VERSION]


def _not_one_of(spot: Spot, schema: Schema) -> Problem:
    if "properties" not in schema:
        return spot.problem(f"{spot.noun} is empty", _example(spot, schema))
    names = [f"`{name}`" for name in schema["properties"]]
    entries = spot.node.entries if isinstance(spot.node, Mapping) else {}
    present = [name for name in schema["properties"] if name in entries]
    if present:
        message = f"{spot.noun} has both {' and '.join(names)}"
        return spot.problem(message, "remove one of the two", at=entries[present[-1]][0])
    return spot.problem(f"{spot.noun} has neither {' nor '.join(names)}", _example(spot, schema))


def _unknown_word(spot: Spot, schema: Schema) -> Problem:
    words: list[str] = schema["enum"]
    key, text = spot.keys[-1], spot.text.lower()
    what = schema.get("title", key)
    owner = "the manifest" if spot.entry is None else subject_of(spot.entry)
    begun = [word for word in words if word.startswith(text)]
    near = begun[0] if begun else nearest(text, words) or words[0]
    message = f"{owner} has an unknown {what} {shown(spot.text)}"
    known = f"{what}s: {', '.join(words)}" if key != "repeat" else "repeat: checksum, or {condition: SELECT ...}"
    return spot.problem(message, f"write `{key}: {near}`", known)


def _unfit_text(spot: Spot, schema: Schema) -> Problem:
    limit = schema.get("maxLength")
    if not spot.text.strip():
        reason = "is empty"
    elif not spot.text.isprintable():
        reason = "holds a line break or another control character"
    elif limit is not None and len(spot.text) > limit:
        reason = f"is longer than {limit} characters"
    else:
        reason = "begins or ends with a blank"
    return spot.problem(f"{spot.noun} {reason}", _example(spot, schema))


def _misfit(spot: Spot, schema: Schema) -> Problem:
    if spot.keys == ("version",) and spot.entry is not None and re.fullmatch("0*[1-9][0-9]{18,}", spot.text):
        message = f"{spot.noun} is {spot.value}, and the largest version is {LARGEST_VERSION}"
        return spot.problem(message, _example(spot, schema))
    facts = ("durations: a whole number and ms, s, min, h or d; or 0",) if schema.get("title") == "duration" else ()
    return spot.problem(f"{spot.noun} is {spot.value}, not {_expected(schema)}", _example(spot, schema), *facts)


def _expected(schema: Schema) -> str:
    if schema.get("type") == "object":
        return "a mapping"
    if "title" in schema:
        return f"a {schema['title']}"
    if "enum" in schema:
        return " or ".join(schema["enum"])
    types: str | list[str] = schema["type"]
    names = [types] if isinstance(types, str) else types
    return " or ".join(_NAMES_OF_TYPES[name] for name in names if name in _NAMES_OF_TYPES)


def _example(spot: Spot, schema: Schema) -> str:
    """Return a hint that shows what the node could look like, as near to what was written as can be."""
    if spot.entry is not None and not spot.keys:
        return f"write `- {{version: {spot.free_version}, file: {spot.text or '../migrations/NAME.sql'}}}`"
    if not spot.keys:
        return "begin it with `manifest: 1`"
    value = _example_value(spot, schema)
    return f"write `- {value}`" if spot.is_item else f"write `{spot.keys[-1]}: {value}`"


def _example_value(spot: Spot, schema: Schema) -> str:
    example, text = (schema.get("examples") or schema["enum"])[0], spot.text
    match schema.get("type"):
        case _ if schema.get("title") == "duration":
            return durations.likely(text)
        case "boolean":
            return "true" if text.lower() in _YES else "false"
        case "integer" if spot.keys == ("version",):
            if re.fullmatch("[1-9][0-9]{0,17}", text):
                return text
            # One below 1 is meant to come before all others; where there is none, 0 remains.
            lowest = min(_versions(spot.document), default=2)
            below = lowest - 1 if re.fullmatch("-[0-9]+|0+", text) else 0
            return str(below or spot.free_version)
        case "string" | ["string", "array"] if _is_number(spot.node):
            return json.dumps(text)
        case "string" if spot.keys[-1] == "name" and text.strip():
            return " ".join("".join(one if one.isprintable() else " " for one in text).split()) or "NAME"
        case _:
            return example if isinstance(example, str) else json.dumps(example)


def _is_number(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def shown(text: str) -> str:
    """Return a text as messages quote it."""
    return f"`{text}`" if _may_show(text) else "text"


def _may_show(text: str) -> bool:
    return len(text) <= _LONGEST_SHOWN and text.isprintable() and not may_hold_password(text)
