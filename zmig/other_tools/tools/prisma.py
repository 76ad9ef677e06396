"""Prisma Migrate, up to version 7: a folder with a `migration.sql` for each migration, and a table of all attempts."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.other_tools import files as project_files
from zmig.other_tools.checksums import line_ends
from zmig.other_tools.files import prefix_of
from zmig.other_tools.history import (
    AppliedMigration,
    HistoryTable,
    ToolHistory,
    advisory_lock,
    in_order,
    moment,
)
from zmig.other_tools.problems import nothing_to_import, unfinished
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.text.places import Source as Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Problem
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Matches, Place, Row

_EXAMPLE = "20240131120000_add_users/migration.sql"
_FOLDER = "prisma/migrations"
_LOCK_FILE = "migration_lock.toml"
_SCRIPT = "migration.sql"
_DOWN = "down.sql"
_NUMBER = re.compile(r"(\d+)(?=_|\Z)", re.ASCII)
_PROVIDER = re.compile(r"^[ \t]*provider[ \t]*=[ \t]*[\"'](?P<name>[^\"'\n]*)[\"']", re.MULTILINE)
_POSTGRESQL = ("postgresql", "postgres", "cockroachdb")
_SCHEMA = re.compile(r"[?&]schema=(?P<name>\w+)")
_BEGINS_WORD = re.compile(r"[\s\"']")
_LONGEST_URL = 2_000
_LOCK_KEY = 72707369
_HEX_DIGITS = 64


def _find(files: ProjectFiles) -> str | None:
    """Return the folder with Prisma's own lock file, or the one beside a schema of Prisma's."""
    locked = [path.rpartition("/")[0] or "." for path in files.paths if project_files.name_of(path) == _LOCK_FILE]
    beside = [f"{path.rpartition('/')[0]}/migrations".lstrip("/") for path in files.paths if path.endswith(".prisma")]
    for folder in sorted({*locked, *beside}, key=lambda one: (one != _FOLDER, one)):
        if any(_names(files, folder)):
            return folder
    return None


def _names(files: ProjectFiles, folder: str) -> Iterator[str]:
    """Yield the folders of migrations, in Prisma's order, which is that of their names as text."""
    prefix = prefix_of(folder)
    known = set(files.paths)
    inner = {path[len(prefix) :].partition("/")[0] for path in project_files.below(files, folder) if path != prefix}
    for name in sorted(inner):
        if f"{prefix}{name}/{_SCRIPT}" in known:
            yield name


def _read(files: ProjectFiles, folder: str) -> Source:
    names = tuple(_names(files, folder))
    if not names:
        raise nothing_to_import(folder, "Prisma", _EXAMPLE)
    known = frozenset(files.paths)
    schema, remarks = _schema(files, folder)
    return Source(
        "prisma",
        folder,
        tuple(_migration(files, known, f"{prefix_of(folder)}{name}") for name in names),
        history_table=None if schema is None else f"{schema}._prisma_migrations",
        remarks=(*_provider(files, folder), *remarks, *_others(files, folder, frozenset(names))),
    )


def _migration(files: ProjectFiles, known: frozenset[str], folder: str) -> SourceMigration:
    path, down = f"{folder}/{_SCRIPT}", f"{folder}/{_DOWN}"
    name = project_files.name_of(folder)
    number = _NUMBER.match(name)
    has_down = down in known
    text = "becomes the rollback file; Prisma itself never runs it"
    remarks = (Remark(Change.KEPT, text, Location(down)),) if has_down else ()
    return SourceMigration(
        name,
        name,
        Script(files.text(path), path, is_whole_file=True),
        number=int(number[1]) if number is not None else None,
        down=Script(files.text(down), down, is_whole_file=True) if has_down else None,
        remarks=remarks,
    )


def _provider(files: ProjectFiles, folder: str) -> Iterator[Remark]:
    path = f"{prefix_of(folder)}{_LOCK_FILE}"
    if path not in files.paths:
        return
    text = files.text(path)
    provider = _PROVIDER.search(text)
    if provider is not None and provider["name"] not in _POSTGRESQL:
        where = project_files.location(path, text, provider.start("name"), width=len(provider["name"]))
        yield Remark(Change.REFUSED, f"the migrations are for {provider['name']}, not for PostgreSQL", where)


def _schema(files: ProjectFiles, folder: str) -> tuple[str | None, tuple[Remark, ...]]:
    """Return the schema that a URL in the project names, in which Prisma has its table and runs its scripts."""
    parent = prefix_of(folder.rpartition("/")[0])
    candidates = [f"{parent}schema.prisma", ".env", f"{parent}.env", "prisma.config.ts"]
    for path in candidates:
        if path not in files.paths:
            continue
        text = files.text(path)
        found = next((one for one in _SCHEMA.finditer(text) if _is_in_url(text, one.start())), None)
        if found is None:
            continue
        if found["name"] == "public":
            return "public", ()
        where = Places(path, text).location(found.start("name"), found.end("name"))
        message = (
            f"Prisma runs its scripts with `search_path` set to `{found['name']}`, zmig with what the role and the "
            "database have: set it there, where names in the scripts have no schema"
        )
        return found["name"], (Remark(Change.LEFT_OUT, message, where),)
    return None, ()


def _is_in_url(text: str, offset: int) -> bool:
    """Return whether the word in which a place is begins as a URL of PostgreSQL's does."""
    word = _BEGINS_WORD.split(text[max(0, offset - _LONGEST_URL) : offset])[-1]
    return word.startswith(("postgres://", "postgresql://"))


def _others(files: ProjectFiles, folder: str, names: frozenset[str]) -> Iterator[Remark]:
    """Yield what is in the folder and is no migration; a folder without its script is what Prisma refuses, too."""
    prefix = prefix_of(folder)
    refused: set[str] = set()
    for path in project_files.below(files, folder):
        name, separator, rest = path[len(prefix) :].partition("/")
        if not separator:
            if name != _LOCK_FILE and name.endswith(".sql"):
                yield Remark(Change.LEFT_OUT, "not in a folder of its own: Prisma does not look at it", Location(path))
        elif name not in names and name not in refused:
            refused.add(name)
            yield Remark(Change.REFUSED, f"a folder without `{_SCRIPT}`, which Prisma refuses", Location(path))
        elif name in names and rest.endswith(".sql") and rest not in (_SCRIPT, _DOWN):
            yield Remark(Change.LEFT_OUT, f"Prisma runs `{_SCRIPT}` alone", Location(path))


def _queries(place: Place) -> Sequence[str]:
    return (
        "select migration_name, checksum, started_at, finished_at, rolled_back_at, applied_steps_count, logs "
        f"from {place.quoted} order by started_at, id",
    )


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied: list[AppliedMigration] = []
    problems: list[Problem] = []
    for name, checksum, started, finished, rolled_back, steps, logs in results[0]:
        if rolled_back is not None:
            continue
        if finished is None:
            problems.append(_failed(str(name), started))
        else:
            was_run = not (started == finished and not steps and not logs)
            applied.append(
                AppliedMigration(
                    str(name),
                    at=moment(finished),
                    duration_ms=_milliseconds(started, finished) if was_run else None,
                    checksum=str(checksum),
                    was_run=was_run,
                )
            )
    return ToolHistory(in_order(applied, source), problems=tuple(problems))


def _milliseconds(started: object, finished: object) -> int | None:
    if not isinstance(started, datetime) or not isinstance(finished, datetime):
        return None
    return round((finished - started).total_seconds() * 1000)


def _failed(name: str, started: object) -> Problem:
    since = f"it was started at {started:%Y-%m-%d %H:%M:%S} and neither finished nor was rolled back"
    return unfinished(
        f"`{name}` failed in Prisma, and its history does not say what of it took effect",
        facts=(since,) if isinstance(started, datetime) else (),
        hint=f"look what of it is in the database; if nothing is, run `prisma migrate resolve --rolled-back {name}`, "
        f"if all is, `prisma migrate resolve --applied {name}`",
    )


def _matches(row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles) -> Matches:
    if row.checksum is None or migration.up is None:
        return None
    digests = [hashlib.sha256(one).digest() for one in line_ends(files.read(migration.up.path))]
    if len(row.checksum) == _HEX_DIGITS:
        return row.checksum in [one.hex() for one in digests]
    # An old version wrote each byte without its leading zero.
    return row.checksum in ["".join(f"{byte:x}" for byte in one) for one in digests]


TOOL = Tool(
    "prisma",
    "Prisma",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public._prisma_migrations",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK_KEY),
    ),
    matches=_matches,
)
