"""What somebody chose in the console, kept for the next time: `zmig/console.json` in the user's configuration folder.

Nothing depends on it: what cannot be read is as if nothing had been chosen, and what cannot be written is forgotten.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from zmig.project import written_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_OCTETS = 100_000


class Preferences:
    """What was chosen, by name."""

    def __init__(self, path: Path | None) -> None:
        """`path` is the file; without one nothing is kept."""
        self._path = path
        self._chosen = _read(path)

    def text(self, name: str) -> str:
        """Return what was chosen, if it is a text; else an empty one."""
        value = self._chosen.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """Return what was chosen, if it is a number."""
        value = self._chosen.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def keep(self, name: str, value: str | float) -> None:
        """Keep what was chosen; another console may have kept something else meanwhile."""
        if self._path is None or self._chosen.get(name) == value:
            return
        self._chosen = {**_read(self._path), name: value}
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            written_file.write(self._path, (json.dumps(self._chosen, indent=2) + "\n").encode())


def of_user(environ: Mapping[str, str]) -> Preferences:
    """Return the user's own."""
    try:
        folder = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:  # nobody knows the user's home
        return Preferences(None)
    path = Path(folder) / "zmig" / "console.json"
    return Preferences(path if path.is_absolute() else None)


def _read(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            read = json.loads(file.read(_MOST_OCTETS))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}
