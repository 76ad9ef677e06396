"""Checks of what a person sees first: a file's number, and what it says it is for."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.text import python_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.sql_file import SqlFile

_NUMBER = re.compile(r"[vVrR]?_{0,2}(?P<number>[0-9]+)")
_COMMENT = re.compile(r"--+(?P<line>[^\r\n]*)|/\*(?P<block>[\s\S]*?)(?:\*/|\Z)")
_KEYWORD = re.compile(r"(?P<key>[A-Za-z][A-Za-z -]{0,30}):(?P<value>.*)")
_ABOUT_THE_FILE = frozenset({"date", "created", "created at", "author", "version", "zmig", "name", "file", "copyright"})
_LETTERS = re.compile(r"[^\W\d_]{2}")


def number(entry: Entry) -> Iterator[Remark]:
    """File names that begin with no number, or with another one than the version; not those that another tool gave."""
    file, version = entry.declaration.file, entry.declaration.version
    if file is None or version is None or entry.declaration.origin:
        return
    folder, _, name = file.rpartition("/")
    numbered = _NUMBER.match(name)
    if numbered is None:
        # In a folder for each migration, the folder has the number.
        if not (entry.is_repeatable or _NUMBER.match(folder.rpartition("/")[2])):
            message = f"the name of `{name}` does not begin with its version"
            hint = f"rename the file to `{version:03}_{name}`, so that files are in the order they run in"
            yield entry.remark("name/no-number", "file", message, hint)
    elif (other := int(numbered["number"])) != version:
        message = f"the name of `{name}` begins with {other}, but its version is {version}"
        yield entry.remark("name/differs", "file", message, f"rename the file, or write `version: {other}`")


def description(entry: Entry) -> Iterator[Remark]:
    """Migrations that nothing is said about, neither in the file nor in the manifest; not those of another tool."""
    source = entry.source
    if source is None or entry.declaration.origin or (entry.declaration.description or "").strip():
        return
    comments = _sql_comments(entry.sql) if entry.sql else _python_comments(source.text)
    if comments is not None and not any(map(_says_something, comments)):
        form = '`"""What it does."""`' if entry.python else "`-- description: what it does`"
        message = f"nothing says what `{entry.name}` is for"
        yield Remark("name/no-description", message, f"begin the file with {form}", source, start=0, end=1)


def _sql_comments(file: SqlFile) -> Iterator[str]:
    """Yield the lines of the comments before the first statement."""
    for comment in _COMMENT.finditer(file.leading_comment()):
        yield from (comment["line"] or comment["block"] or "").splitlines()


def _python_comments(text: str) -> list[str] | None:
    """Return the lines of the docstring, and the comments of the first lines; None for what is no Python."""
    tree = python_tree.parsed(text)
    if tree is None:
        return None
    docstring = ast.get_docstring(tree)
    lead = [line.lstrip("# ") for line in text.splitlines()[:5] if line.startswith("#") and not line.startswith("#!")]
    return [*(docstring or "").splitlines(), *lead]


def _says_something(line: str) -> bool:
    """Whether a line says more than who made the file, and when."""
    keyword = _KEYWORD.match(line.strip(" -*=#"))
    if keyword is not None and keyword["key"].strip().lower() in _ABOUT_THE_FILE:
        return False
    return _LETTERS.search(line if keyword is None else keyword["value"]) is not None
