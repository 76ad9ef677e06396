"""docs/errors.md has a heading for every error code there is, and for no other."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.support.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAKERS = {"Problem": 0, "error": 1}
"""Which argument of a call is a code."""
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def codes(tree: ast.AST) -> Iterator[str]:
    """Yield the codes in a module: given to what makes problems, or returned by a property called `code`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = _MAKERS.get(called)
            if place is not None and len(node.args) > place:
                yield from constants(node.args[place])
        elif isinstance(node, ast.FunctionDef) and node.name == "code":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from constants(inner.value)


def constants(node: ast.expr) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and _CODE.fullmatch(inner.value):
            yield inner.value


def test_every_code_has_its_heading_and_every_heading_its_code() -> None:
    files = (file for folder in ("zmig", "tui") for file in (ROOT / folder).rglob("*.py"))
    used = {code for file in files for code in codes(ast.parse(file.read_text(encoding="utf-8")))}
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    explained = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    assert len(explained) == len(set(explained)), "a heading stands there twice"
    assert used == set(explained)


def test_links_within_the_page_lead_somewhere() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
