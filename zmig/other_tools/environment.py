"""Variables of the environment in scripts, as goose's `ENVSUB` has them, written as zmig's variables.

The grammar is that of the library that goose uses: `$NAME`, `${NAME}`, `${NAME:-text}`, `${NAME-text}`,
`${NAME?text}`, with `$$` and `\\$` for a dollar sign. Each line is read by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.other_tools import placeholders
from zmig.other_tools.source import Change, Remark

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = re.compile(
    r"\\\\|\\\$|\$\$|\$\(|\$(?P<bare>[A-Za-z][A-Za-z0-9_]*)"
    r"|\$\{(?P<name>[A-Za-z][A-Za-z0-9_]*)(?:(?P<operator>:-|-|\?)(?P<text>[^{}$\\]*))?\}|\$"
)


def line_of(path: str, text: str, number: int) -> Location:
    """Return the place of a whole line, by its 1-based number."""
    lines = text.split("\n")
    line = lines[number - 1].rstrip("\r") if number <= len(lines) else ""
    return Location(path, number, text=line, width=max(len(line), 1))


class Variables:
    """The variables of all scripts of a project."""

    def __init__(self) -> None:
        self._values: dict[str, str | None] = {}

    @property
    def values(self) -> Mapping[str, str | None]:
        """Their values: what a script has in case the environment has none, and None otherwise."""
        return self._values

    def add(self, name: str, default: str | None) -> bool:
        """Note a use; False where another one has another text for the case that the environment has none."""
        known = self._values.get(name)
        if known is None:
            self._values[name] = default
        return default is None or known in (None, default)


class Substitution:
    """The variables in one file."""

    def __init__(self, path: str, text: str, variables: Variables) -> None:
        """Take a file, and the variables of the project, to which those of the file are added."""
        self._path, self._text = path, text
        self._variables = variables
        self.is_used = False
        """Whether there is any."""

    def marked(self, line: str, number: int, remarks: list[Remark]) -> str:
        """Return a line in which dollar signs are as they are sent, and variables are marked for `written`."""
        pieces: list[str] = []
        copied = 0
        for found in _PART.finditer(line):
            pieces.append(line[copied : found.start()])
            copied = found.end()
            pieces.append(self._piece(found, number, remarks))
        return "".join(pieces) + line[copied:]

    def _piece(self, found: re.Match[str], number: int, remarks: list[Remark]) -> str:
        name, whole = found["bare"] or found["name"], found[0]
        where = Location(
            self._path, number, found.start() + 1, text=found.string.rstrip("\r\n"), width=max(len(whole), 1)
        )
        if name is not None:
            default = found["text"] if found["operator"] in (":-", "-") else None
            if not self._variables.add(name, default):
                message = f"`{name}` has another text elsewhere for the case that the environment has none"
                remarks.append(Remark(Change.REFUSED, message, where))
            remarks.append(Remark(Change.REWRITTEN, f"`{whole}` becomes `${{{name}}}`", where))
            self.is_used = True
            return f"{placeholders.MARK}{name}{placeholders.MARK}"
        if whole in (r"\$", "$$"):
            return "$"
        if whole == "$" and found.string[found.end() :].strip("\r\n"):
            message = "an expansion that zmig's variables do not have, or that is none"
            remarks.append(Remark(Change.REFUSED, message, where))
        return whole

    def written(self, text: str, line: int, remarks: list[Remark]) -> str:
        """Return a script with zmig's variables; `line` is where it begins in the file."""
        rewritten = placeholders.rewrite(text, placeholders.MARKED, lambda found: found["name"])
        for offset in rewritten.unwritable:
            message = "a `$` right before a variable, or `${`, which zmig's variables cannot have as text here"
            number = line + text.count("\n", 0, offset)
            remarks.append(Remark(Change.REFUSED, message, line_of(self._path, self._text, number)))
        if not rewritten.names and "${" in text:
            number = line + text.count("\n", 0, text.index("${"))
            message = "`${` is text here, and in the other direction of this migration begins a variable"
            remarks.append(Remark(Change.REFUSED, message, line_of(self._path, self._text, number)))
        return rewritten.text
