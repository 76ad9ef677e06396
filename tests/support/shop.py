"""A small manifest with its files, written into a folder, for tests that watch, run and repair it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

from zmig import Migrator

APPLY = "import sys, zmig; zmig.Migrator(sys.argv[1]).migrate()"
"""Python that applies the manifest it is given, for a process that is to be killed."""

UNNOTICED = """
do $$ begin
    if current_setting('server_version_num')::int >= 140000 then
        perform set_config('client_connection_check_interval', '0', false);
    end if;
end $$;
select pg_sleep(60);
"""
"""A migration on which the server does not notice that its client is gone."""


@dataclass(slots=True)
class Shop:
    """One manifest in a folder of its own; write its files, then use `path`."""

    folder: Path
    url: str
    environment: str = "development"
    entries: list[str] = field(default_factory=list[str])

    @property
    def path(self) -> Path:
        """The manifest."""
        return self.folder / "shop.yaml"

    def add(self, version: int, name: str, text: str, rollback: str | None = None, **keys: str) -> Path:
        """Declare one more migration; `keys` are further keys of its entry, as YAML."""
        file = self.write(name if "." in name else f"{name}.sql", text)
        entry = {"version": str(version), "file": file.name, **keys}
        if rollback is not None:
            entry["rollback"] = self.write(f"{file.stem}.rollback.sql", rollback).name
        self.entries.append("  - {" + ", ".join(f"{key}: {value}" for key, value in entry.items()) + "}")
        self.declare()
        return file

    def write(self, name: str, text: str) -> Path:
        """Write a file beside the manifest."""
        file = self.folder / name
        file.write_text(text)
        return file

    def declare(self, **keys: str) -> None:
        """Write the manifest; unless `tracking` says otherwise, its first run may go to what a test prepared."""
        last = [] if "tracking" in keys else ["tracking: {allow_existing: true}"]
        head: Mapping[str, str] = {
            "manifest": "1",
            "name": "shop",
            "environment": self.environment,
            "database": f'{{url: "{self.url}"}}',
            **keys,
        }
        lines = [f"{key}: {value}" for key, value in head.items()]
        self.path.write_text("\n".join([*lines, "migrations:", *self.entries, *last]) + "\n")

    def migrator(self) -> Migrator:
        """The engine on this manifest."""
        return Migrator(self.path)
