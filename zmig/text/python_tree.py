"""The syntax tree of a Python file, which is not run."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache


@lru_cache(maxsize=1)  # what looks at a file asks in turn
def parsed(text: str) -> ast.Module | None:
    """Return the tree of a Python file; None for what is none, or is nested too deep. No warning is printed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
