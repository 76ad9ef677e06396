"""The SQL in a Python migration: literals that a method `execute` is called with. The code is never run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from zmig.lint.inside.part import STATEMENTS, Part
from zmig.text import python_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.text.places import Source

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*[\s\S]*?\*/)*+([A-Za-z]+)")
_SQL = STATEMENTS | {"copy", "do", "select", "with"}
_PARAMETER = re.compile(r"%(?:[sbt]|\(\w+\)[sbt])")
_PREFIX = re.compile(r"""(?P<kind>[rRuUfFbB]*)(?P<quotes>\"{3}|'{3}|"|')""")


def parts(source: Source, function: str) -> list[Part]:
    """Return what a function of a migration runs, `execute` or `rollback`, in the order in which it is written."""
    tree = python_tree.parsed(source.text)
    if tree is None:
        return []
    found: list[Part] = []
    reading = _Reading(source)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    reached = _reached(functions, function)
    for node in functions:
        if node.name in reached:
            # When another function is called, and whether it is, is not looked at.
            found += reading.within(node.body, () if node.name == function else reading.branch(()))
    return found


def _reached(functions: list[ast.FunctionDef], function: str) -> set[str]:
    """Return the functions that may run: of a rollback those that it names; else all but what is for another day."""
    named = {one.name: {node.id for node in ast.walk(one) if isinstance(node, ast.Name)} for one in functions}
    if function != "rollback":
        return named.keys() - {"rollback", "should_repeat"}
    reached: set[str] = set()
    waiting = {function} & named.keys()
    while waiting:
        reached |= waiting
        waiting = (set[str]().union(*(named[one] for one in waiting)) & named.keys()) - reached
    return reached


class _Reading:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines = source.text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._branches = 0

    def branch(self, outer: tuple[int, ...]) -> tuple[int, ...]:
        """Return a branch of its own."""
        self._branches += 1
        return (*outer, self._branches)

    def within(self, body: list[ast.stmt], branch: tuple[int, ...]) -> Iterator[Part]:
        """Yield what statements run."""
        for statement in body:
            is_with = isinstance(statement, ast.With)
            for expression in _expressions(statement):
                yield from self._calls(expression, branch)
            for inner in _bodies(statement):
                yield from self.within(inner, branch if is_with else self.branch(branch))

    def _calls(self, expression: ast.AST, branch: tuple[int, ...]) -> Iterator[Part]:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "execute":
                part = self._part(node, branch) if node.args else None
                if part is not None:
                    yield part

    def _part(self, call: ast.Call, branch: tuple[int, ...]) -> Part | None:
        literal = call.args[0]
        value = _value(literal)
        if value is None or literal.end_lineno is None or literal.end_col_offset is None:
            return None
        first = _FIRST_WORD.match(value)
        if first is None or first[1].lower() not in _SQL:
            return None
        start = self._offset(literal.lineno, literal.col_offset)
        end = self._offset(literal.end_lineno, literal.end_col_offset)
        written = self._source.text[start:end]
        prefix = _PREFIX.match(written)
        if prefix is not None and written[prefix.end() : len(written) - len(prefix["quotes"])] == value:
            start += prefix.end()
        elif len(value) > len(written):
            return None
        if len(call.args) > 1 or call.keywords:
            value = _PARAMETER.sub(lambda found: "$1" + " " * (len(found[0]) - 2), value).replace("%%", "% ")
        return Part(start, value, branch=branch)

    def _offset(self, line: int, column: int) -> int:
        """Return the offset of a place of the tree, whose columns count octets."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return self._starts[line - 1] + len(text.encode()[:column].decode(errors="ignore"))


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        body = getattr(statement, name, None)
        if isinstance(body, list) and body:
            yield body
    for handler in getattr(statement, "handlers", ()):
        yield handler.body
    for case in getattr(statement, "cases", ()):
        yield case.body


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the expressions of a statement, without the statements within it."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield child


def _value(node: ast.expr) -> str | None:
    """Return the text of a literal; of an f-string, where nothing is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        texts = [one.value for one in node.values if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return "".join(texts) if len(texts) == len(node.values) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _value(node.left), _value(node.right)
        return None if left is None or right is None else left + right
    return None
