"""Checks of what a person sees first: a file's number, and what it says it is for."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry

_NUMBER = re.compile(r"[vVrR]?_{0,2}(?P<number>[0-9]+)")
_COMMENT = re.compile(r"--+(?P<line>[^\r\n]*)|/\*(?P<block>[\s\S]*?)(?:\*/|\Z)")
_KEYWORD = re.compile(r"(?P<key>[A-Za-z][A-Za-z -]{0,30}):(?P<value>.*)")
_ABOUT_THE_FILE = frozenset({"date", "created", "created at", "author", "version", "zmig", "name", "file", "copyright"})
_LETTERS = re.compile(r"[^\W\d_]{2}")


def number(entry: Entry) -> Iterator[Remark]:
    """File names that begin with no number, or with another one than the version."""
    file, version = entry.declaration.file, entry.declaration.version
    if file is None or version is None:
        return
    name = file.rpartition("/")[2]
    found = _NUMBER.match(name)
    if found is None:
        if not entry.is_repeatable:
            hint = f"rename the file to `{version:03}_{name}`, so that files are in the order they run in"
            yield _at_file(entry, "name/no-number", f"the name of `{name}` does not begin with its version", hint)
    elif int(found["number"]) != version:
        message = f"the name of `{name}` begins with {int(found['number'])}, but its version is {version}"
        yield _at_file(entry, "name/differs", message, f"rename the file, or write `version: {int(found['number'])}`")


def description(entry: Entry) -> Iterator[Remark]:
    """Migrations that nothing is said about, neither in the file nor in the manifest."""
    source = entry.source
    if source is None or (entry.declaration.description or "").strip() or _is_described(entry):
        return
    form = '`"""What it does."""`' if entry.python else "`-- description: what it does`"
    yield Remark(
        "name/no-description",
        f"nothing says what `{entry.name}` is for",
        f"begin the file with {form}",
        source,
        0,
        1,
    )


def _is_described(entry: Entry) -> bool:
    if entry.sql is not None:
        return any(_says_something(line) for line in _comment_lines(entry.sql.leading_comment()))
    if entry.python is None:
        return True
    return _python_says_something(entry.python.text)


def _python_says_something(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            docstring = ast.get_docstring(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    lead = [line.lstrip("# ") for line in text.splitlines()[:5] if line.startswith("#") and not line.startswith("#!")]
    return any(map(_says_something, [*(docstring or "").splitlines(), *lead]))


def _comment_lines(text: str) -> Iterator[str]:
    for comment in _COMMENT.finditer(text):
        yield from (comment["line"] or comment["block"] or "").splitlines()


def _says_something(line: str) -> bool:
    keyword = _KEYWORD.match(line.strip(" -*=#"))
    if keyword is not None and keyword["key"].strip().lower() in _ABOUT_THE_FILE:
        return False
    return _LETTERS.search(line if keyword is None else keyword["value"]) is not None


def _at_file(entry: Entry, rule: str, message: str, hint: str) -> Remark:
    return Remark(rule, message, hint, entry.manifest, *entry.span("file"))
