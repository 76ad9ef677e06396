"""Projects of other migration tools on disk, beside a manifest that declares them, and their tables in a database."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

PRISMA_TABLE = """
create table {schema}._prisma_migrations (
    id varchar(36) primary key not null default gen_random_uuid(), checksum varchar(64) not null,
    finished_at timestamptz, migration_name varchar(255) not null, logs text, rolled_back_at timestamptz,
    started_at timestamptz not null default now(), applied_steps_count integer not null default 0
)
"""
"""As Prisma makes it (prisma-engines, `flavour/postgres.rs`, `create_migrations_table`)."""

DBMATE_TABLE = "create table {schema}.schema_migrations (version varchar(128) primary key)"


class OldProject:
    """A project with migrations of another tool, and a manifest that has the same as entries."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.manifest = folder / "manifests" / "shop.yaml"
        self.more: dict[str, Any] = {}
        """More keys of the manifest."""
        self._entries: list[dict[str, Any]] = []
        self._save()

    def prisma(self, name: str, text: str) -> Path:
        """Add a migration as Prisma keeps it, and its entry."""
        path = self.write(f"prisma/migrations/{name}/migration.sql", text)
        self.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
        self.declare(int(name.partition("_")[0]), name, f"../prisma/migrations/{name}/migration.sql")
        return path

    def dbmate(self, name: str, text: str) -> None:
        """Add a migration as dbmate keeps it, and an entry with a file of its own."""
        self.write(f"db/migrations/{name}.sql", f"-- migrate:up\n{text}\n-- migrate:down\n")
        self.write(f"migrations/{name}.sql", f"{text}\n")
        self.declare(int(name.partition("_")[0]), name, f"../migrations/{name}.sql")

    def called(self, name: str, tool: str, *ids: str) -> None:
        """Have an entry say what a tool calls it, or has called it."""
        next(one for one in self._entries if one["name"] == name)["origin"] = {tool: list(ids)}
        self._save()

    def declare(self, version: int, name: str, file: str, *, is_saved: bool = True) -> None:
        """Add an entry; one that is not saved is, with the next one."""
        self._entries.append({"version": version, "name": name, "file": file})
        if is_saved:
            self._save()

    def write(self, path: str, text: str) -> Path:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def change(self, **manifest: Any) -> None:
        """Set other keys of the manifest."""
        self.more |= manifest
        self._save()

    def _save(self) -> None:
        document = {"manifest": 1, "environment": "test", "database": {"url": self.url}, **self.more}
        self.write("manifests/shop.yaml", json.dumps({**document, "migrations": self._entries}, indent=2))


class PrismaTable:
    """What Prisma says of the migrations that it has applied."""

    def __init__(self, connection: psycopg.Connection, schema: str = "public") -> None:
        self.connection = connection
        self.schema = schema
        connection.execute(PRISMA_TABLE.format(schema=schema).encode())

    def applied(self, name: str, text: str, *, at: str = "2024-01-02 10:11:00+00", checksum: str | None = None) -> None:
        """Record a migration as Prisma does that has run it in twelve milliseconds."""
        self.connection.execute(
            f"insert into {self.schema}._prisma_migrations (checksum, migration_name, started_at, finished_at, "
            "applied_steps_count) values (%s, %s, %s::timestamptz - interval '12 ms', %s, 1)".encode(),
            (checksum or sha256(text.encode()).hexdigest(), name, at, at),
        )

    def failed(self, name: str) -> None:
        """Record a migration that Prisma has begun and not ended."""
        self.connection.execute(
            f"insert into {self.schema}._prisma_migrations (checksum, migration_name) values ('x', %s)".encode(),
            (name,),
        )
