"""A folder with a manifest in it, written by a test."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
manifest: 1
name: shop
environment: {environment}
database:
  url: ${{DATABASE_URL}}
migrations:
"""


class Folder:
    """A project folder whose manifest is `shop.yaml`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = "development"
        self._entries: list[str] = []

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file; text loses its common indentation."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return path

    def declare(self) -> None:
        """Write the manifest with the entries there are."""
        entries = "".join(self._entries) or "  []\n"
        self.write("shop.yaml", HEAD.format(environment=self.environment).encode() + entries.encode())

    def add(
        self, version: int, file: str, content: str | bytes, *, rollback: str | None = None, more: str = ""
    ) -> None:
        """Write a migration's file and declare it; `more` is further keys of its entry, as `key: value, ...`."""
        self.write(file, content)
        entry = f"version: {version}, file: {file}"
        if rollback is not None:
            name = file.replace(".sql", ".rollback.sql")
            self.write(name, rollback)
            entry += f", rollback: {name}"
        self._entries.append(f"  - {{{entry}{', ' if more else ''}{more}}}\n")
        self.declare()
