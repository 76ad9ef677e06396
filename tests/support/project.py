"""A manifest and its files, written into a folder of a test's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ProjectFolder:
    """A project on disk; every change is written at once."""

    def __init__(self, folder: Path, url: str, **manifest: Any) -> None:
        """`manifest` holds more keys of the manifest, such as `tracking` or `defaults`.

        Many tests prepare a database by hand before the project's first run, which it allows unless told otherwise.
        """
        self.folder = folder
        self.url = url
        self._document: dict[str, Any] = {
            "manifest": 1,
            "name": "probe",
            "environment": "test",
            "database": {"url": url},
            **manifest,
            "migrations": [],
        }
        folder.mkdir(parents=True, exist_ok=True)
        self._write()

    @property
    def manifest(self) -> Path:
        """The path of the manifest, which is JSON and therefore YAML."""
        return self.folder / "manifest.yaml"

    def sql(self, name: str, text: str, /, *, rollback: str | None = None, **entry: Any) -> Path:
        """Declare an SQL migration; its name begins with its version, as in `001_users`."""
        if rollback is not None:
            entry["rollback"] = self._file(f"{name}.rollback.sql", rollback).name
        return self._declare(name, f"{name}.sql", text, {"kind": "sql", **entry})

    def python(self, name: str, text: str, /, **entry: Any) -> Path:
        """Declare a Python migration."""
        return self._declare(name, f"{name}.py", text, {"kind": "python", **entry})

    def repeatable(self, name: str, text: str, **entry: Any) -> Path:
        """Declare a repeatable in SQL, due when its file changes."""
        return self._declare(name, f"{name}.sql", text, {"kind": "repeatable", "repeat": "checksum", **entry})

    def change(self, **manifest: Any) -> None:
        """Set other keys of the manifest."""
        self._document |= manifest
        self._write()

    def forget(self, version: int) -> None:
        """Declare a migration no more."""
        self._document["migrations"] = [one for one in self._document["migrations"] if one["version"] != version]
        self._write()

    def _declare(self, name: str, file: str, text: str, entry: dict[str, Any]) -> Path:
        path = self._file(file, text)
        version = int(name.partition("_")[0])
        migrations = [one for one in self._document["migrations"] if one["version"] != version]
        self._document["migrations"] = [*migrations, {"version": version, "file": file, **entry}]
        self._write()
        return path

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def _write(self) -> None:
        document = {key: value for key, value in self._document.items() if key != "tracking"}
        document["tracking"] = {"allow_existing": True, **self._document.get("tracking", {})}
        self.manifest.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
