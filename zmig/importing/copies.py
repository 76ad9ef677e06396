"""The files that an import writes: what their first lines say of where they come from, and what they held then."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "-- imported from "
"""What the first line of each begins with."""
_CHECKSUM = "-- as imported, what follows has sha256 "
_DIGITS = 16
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
"""What no manifest has in a path, and what may end a line."""
_LINE_END = re.compile(r"\r\n?")
_LONGEST_PATH = 8_000


class Copy(NamedTuple):
    """A file that an import wrote."""

    source: str
    """The other tool's file, relative to the project that was imported."""
    checksum: str | None
    """That of the text when it was written; None where the file does not say so any more."""
    text: str
    """What it holds today, without the first lines."""

    @property
    def is_edited(self) -> bool | None:
        """Whether somebody has changed it since; None where nobody can say."""
        return None if self.checksum is None else self.checksum != checksum(self.text)

    @property
    def checksums(self) -> frozenset[str]:
        """Those of what was written, and of what it holds today, but for one of nothing."""
        return frozenset({self.checksum or "", checksum(self.text)}) - {"", _OF_NOTHING}


def written(text: str, tool: str, path: str) -> str:
    """Return what a new file holds: where it comes from, and the text."""
    body = text.rstrip()
    while (end := body.find("\n")) >= 0 and not body[:end].strip():
        body = body[end + 1 :]
    line_end = "\r\n" if "\r\n" in body else "\n"
    first = f"{HEADER}{tool}: {CONTROL.sub(' ', path)}"
    second = f"{_CHECKSUM}{checksum(body)}"
    return line_end.join((first, second, "", body, "") if body else (first, second, ""))


def read(path: Path) -> Copy | None:
    """Return a file as a copy; None for any other, and for one that cannot be read."""
    if source_of(path) is None:
        return None
    try:
        first, _, rest = path.read_bytes().decode(errors="replace").partition("\n")
    except OSError:
        return None
    second, _, after = rest.partition("\n")
    recorded = second.strip().removeprefix(_CHECKSUM) if second.startswith(_CHECKSUM) else None
    return Copy(_source(first), recorded, rest if recorded is None else after)


def source_of(path: Path) -> str | None:
    """Return the other tool's file that a file is a copy of, as its first line says; None for any other file.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as file:
        first = file.readline(_LONGEST_PATH).decode(errors="replace")
    return _source(first) if first.startswith(HEADER) else None


def _source(first: str) -> str:
    return first.rstrip().removeprefix(HEADER).partition(": ")[2]


def checksum(text: str) -> str:
    """Return the checksum of a text, whatever its line ends are, and without blank lines around it."""
    return hashlib.sha256(_LINE_END.sub("\n", text).strip().encode()).hexdigest()[:_DIGITS]


_OF_NOTHING = checksum("")
