"""The files that an import writes: what their first lines say of where they come from, and what they held then."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from zmig.other_tools.source import on_one_line

HEADER = "-- imported from "
"""What the first line of each begins with."""
_CHECKSUM = "-- as imported, what follows has sha256 "
_DIGITS = 16
_LINE_END = re.compile(r"\r\n?")
_LONGEST_PATH = 8_000


class Origin(NamedTuple):
    """What the first line of a copy says of where it comes from."""

    tool: str
    """As `--from` has it."""
    path: Path
    """The other tool's file, fit to be opened."""


class Copy(NamedTuple):
    """A file that an import wrote."""

    origin: Origin
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


def written(text: str, tool: str, source: Path, place: Path) -> str:
    """Return what a new file holds: where it comes from, as seen from the folder around its own, and the text."""
    body = text.rstrip()
    while (end := body.find("\n")) >= 0 and not body[:end].strip():
        body = body[end + 1 :]
    line_end = "\r\n" if "\r\n" in body else "\n"
    first = f"{HEADER}{tool}: {on_one_line(_relative(source, place))}"
    second = f"{_CHECKSUM}{checksum(body)}"
    return line_end.join((first, second, "", body, "") if body else (first, second, ""))


def read(path: Path) -> Copy | None:
    """Return a file as a copy; None for any other, and for one that cannot be read."""
    try:
        origin = origin_of(path)
        if origin is None:
            return None
        _, _, rest = path.read_bytes().decode(errors="replace").partition("\n")
    except OSError:
        return None
    second, _, after = rest.partition("\n")
    recorded = second.strip().removeprefix(_CHECKSUM) if second.startswith(_CHECKSUM) else None
    return Copy(origin, recorded, rest if recorded is None else after)


def origin_of(path: Path) -> Origin | None:
    """Return where a file comes from, as its first line says; None for one that no import wrote.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as file:
        first = file.readline(_LONGEST_PATH).decode(errors="replace")
    if not first.startswith(HEADER):
        return None
    tool, _, source = first.rstrip("\r\n").removeprefix(HEADER).partition(": ")
    return Origin(tool, Path(os.path.normpath(_around(path) / source)))


def _relative(source: Path, place: Path) -> str:
    return Path(os.path.relpath(source.absolute(), _around(place))).as_posix()


def _around(place: Path) -> Path:
    """Return the folder around that of a copy, which is the project's own where its manifest is where it usually is."""
    return place.absolute().parent.parent


def checksum(text: str) -> str:
    """Return the checksum of a text, whatever its line ends are, and without blank lines around it."""
    return hashlib.sha256(_LINE_END.sub("\n", text).strip().encode()).hexdigest()[:_DIGITS]


_OF_NOTHING = checksum("")
