"""What to say about nodes that do not fit the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.yamltext import Document, Node


def problems(document: Document, root: Node, mismatches: Iterable[Node]) -> list[Problem]:
    """Return the problems of a document's tree."""
    return [
        Problem("manifest-invalid", "this does not fit the manifest's schema", document.location(node))
        for node in mismatches
    ]
