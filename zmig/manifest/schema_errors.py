"""Why a manifest does not fit its JSON Schema: jsonschema is asked, `zmig.manifest.schema_messages` says it.

The schema is loaded, and jsonschema imported, only for manifests that are known to have such a problem.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from zmig.manifest import schema, schema_messages
from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonschema.protocols import Validator

    from zmig.errors import Problem
    from zmig.manifest.yaml_parser import Document, Node


def problems(document: Document, root: Node, *, suspects: list[Node]) -> list[Problem]:
    """Return what the schema has to say about a tree; of its `migrations`, only `suspects` are looked at."""
    found: list[Problem] = []
    reported: set[tuple[object, ...]] = set()
    top = schema_messages.Spot(document, root, schema_messages.free_version(document))
    for error in validator().iter_errors(_instance(root, suspects)):
        keyword = str(error.validator)
        aspect = keyword if keyword in ("required", "additionalProperties") else "value"
        if (aspect, *error.absolute_path) not in reported:
            reported.add((aspect, *error.absolute_path))
            spot = _spot(top, error.absolute_path, suspects)
            assert isinstance(error.schema, dict)
            found += schema_messages.problems(spot, keyword, error.schema)
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


def _spot(spot: schema_messages.Spot, path: Iterable[str | int], suspects: list[Node]) -> schema_messages.Spot:
    for step in path:
        if isinstance(step, str):
            spot = spot.under(step)
        elif spot.keys == ("migrations",):
            spot = spot.item(suspects[step])
        else:
            assert isinstance(spot.node, Sequence)
            spot = spot.item(spot.node.items[step])
    return spot
