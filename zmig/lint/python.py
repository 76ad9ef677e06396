"""Checks of Python migrations, by their syntax tree; the code is never run."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry
    from zmig.text.places import Source

_TAKES = {"execute": ("ctx",), "rollback": ("ctx",), "should_repeat": ("ctx", "last_run")}


def signature(entry: Entry) -> Iterator[Remark]:
    """Functions that cannot be called with what zmig gives them."""
    if entry.python is None:
        return
    for function in _functions(entry.python.text):
        given = _TAKES.get(function.name)
        if given is not None and not _can_take(function.args, len(given)):
            start, end = _name_span(entry.python, function)
            yield Remark(
                "python/signature",
                f"`{function.name}` cannot be called with {_counted(len(given))}, which is what zmig gives it",
                f"write `def {function.name}({', '.join(given)}):`",
                entry.python,
                start,
                end,
            )


def _functions(text: str) -> Iterator[ast.FunctionDef]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
            yield statement


def _can_take(arguments: ast.arguments, count: int) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    has_required_keyword = any(default is None for default in arguments.kw_defaults)
    return required <= count and (positional >= count or arguments.vararg is not None) and not has_required_keyword


def _name_span(source: Source, function: ast.FunctionDef) -> tuple[int, int]:
    found = re.search(rf"\bdef\s+({function.name})\b", source.text)
    return (0, 1) if found is None else found.span(1)


def _counted(count: int) -> str:
    return "one argument" if count == 1 else f"{count} arguments"
