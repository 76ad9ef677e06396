"""Checks of Python migrations, by their syntax tree; the code is never run."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.text import python_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.text.places import Source

_TAKES = {"execute": ("ctx",), "rollback": ("ctx",), "should_repeat": ("ctx", "last_run")}


def signature(entry: Entry) -> Iterator[Remark]:
    """Functions that cannot be called with what zmig gives them."""
    if entry.python is None:
        return
    tree = python_tree.parsed(entry.python.text)
    for function in tree.body if tree is not None else ():
        # What a decorator makes of a function cannot be seen.
        if not isinstance(function, ast.FunctionDef) or function.decorator_list:
            continue
        given = _TAKES.get(function.name)
        if given is not None and not _can_take(function.args, len(given)):
            start, end = _name_span(entry.python, function)
            count = "one argument" if len(given) == 1 else f"{len(given)} arguments"
            yield Remark(
                "python/signature",
                f"`{function.name}` cannot be called with {count}, which is what zmig gives it",
                f"write `def {function.name}({', '.join(given)}):`",
                entry.python,
                start=start,
                end=end,
            )


def _can_take(arguments: ast.arguments, count: int) -> bool:
    """Whether a function can be called with so many positional arguments and nothing else."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    has_required_keyword = any(default is None for default in arguments.kw_defaults)
    return required <= count and (positional >= count or arguments.vararg is not None) and not has_required_keyword


def _name_span(source: Source, function: ast.FunctionDef) -> tuple[int, int]:
    # The tree has the place of `def`, in bytes; nearly always there is one function of that name.
    named = re.search(rf"\bdef\s+({function.name})\b", source.text)
    return (0, 1) if named is None else named.span(1)
