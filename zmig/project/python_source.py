"""What a Python migration's source offers, found in its syntax tree; the code is never run."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.text import merge_conflict
from zmig.text.places import Source

if TYPE_CHECKING:
    from collections.abc import Iterator


def offered(text: str, *, path: str) -> frozenset[str]:
    """Return the names a source binds at its top level, `execute` among them.

    Raises ManifestError if it is not Python, has no `execute`, or has one whose call would only begin it.
    """
    names: set[str] = set()
    for statement in _top_level(_parse(text, path).body):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if statement.name in _CALLED:
                _refuse_lazy(statement, text, path)
                names.add(statement.name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(statement.name)
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name for alias in statement.names)
            case ast.Assign():
                names.update(target.id for target in statement.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    if names.isdisjoint(("execute", "*")):
        hint = "define `def execute(ctx):` at the top level of the file"
        message = f"`{path}` has no function `execute`"
        raise ManifestError(Problem("python-invalid", message, Location(path), hint=hint))
    return frozenset(names)


_CALLED = ("execute", "rollback", "should_repeat")


def _parse(text: str, path: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, filename=path)
    except SyntaxError as error:
        conflict = merge_conflict.find(text)
        if conflict is not None:
            message = f"`{path}` holds a conflict that git could not merge"
            place = Source(path, text).location(conflict)
            raise ManifestError(Problem("file-conflict", message, place, hint=merge_conflict.HINT)) from None
        message = f"`{path}` is not Python: {error.msg}"
        location = _location(text, path, error.lineno or 1, error.offset or 1)
        raise ManifestError(Problem("python-invalid", message, location, hint="correct the syntax")) from None
    except (ValueError, RecursionError, MemoryError):
        message = f"`{path}` is not Python that can be compiled: it is nested too deeply"
        raise ManifestError(Problem("python-invalid", message, Location(path), hint="simplify the file")) from None


def _refuse_lazy(function: ast.FunctionDef | ast.AsyncFunctionDef, text: str, path: str) -> None:
    """Make sure that a function does its work when it is called; what a decorator makes of it is not known."""
    if isinstance(function, ast.AsyncFunctionDef):
        why, hint = "asynchronous", f"write `def {function.name}` without `async`"
    elif not function.decorator_list and any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(function)):
        why, hint = "a generator", f"write `{function.name}` without `yield`"
    else:
        return
    message = f"`{function.name}` in `{path}` is {why}, so calling it would do nothing"
    location = _location(text, path, function.lineno, 1)
    raise ManifestError(Problem("python-invalid", message, location, hint=hint))


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Yield what is inside a function, but not what is inside a function or class within it."""
    left: list[ast.AST] = [*function.body]
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            left += ast.iter_child_nodes(node)


def _location(text: str, path: str, line: int, column: int) -> Location:
    return Location(path, max(1, line), max(1, column), text=Source(path, text).line_text(line))


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module that run in its own scope, those inside `if`, `try` and such included."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for part in ("body", "orelse", "handlers", "finalbody"):
                yield from _top_level(getattr(statement, part, []))
