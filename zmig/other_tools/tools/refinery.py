"""refinery: SQL files by version in any folder below one, and a table with a hash of each."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, cast

from zmig.other_tools import files as project_files
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.siphash import siphash13
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_FILE = re.compile(r"(?P<prefix>[UV])(?P<version>\d+(?:\.\d+)?)__(?P<name>\w+)\.(?P<suffix>sql|rs)")
_EMBEDDED = re.compile(r"embed_migrations!\s*[({\[]\s*\"(?P<folder>[^\"]+)\"")
_DEPENDENCY = re.compile(r"^[^\S\n]*+\[?[\w.-]*\b(?:dependencies\.)?refinery(?:-core|-cli)?\b", re.MULTILINE)
_WIDTHS = (4, 8)
"""Bytes of a version: 8 with the feature `int8-versions`."""


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of migrations in a package that has the tool among its own, or has its configuration."""
    for path in files.paths:
        is_package = name_of(path) == "Cargo.toml" and _DEPENDENCY.search(files.text(path)) is not None
        if name_of(path) == "refinery.toml" or is_package:
            folder = _folder(files, path.rpartition("/")[0])
            if folder is not None:
                return folder
    return None


def _folder(files: ProjectFiles, base: str) -> str | None:
    """Return the folder that code embeds, else `migrations`, else the first one that holds a migration."""
    inside = project_files.below(files, base or ".")
    named = [one["folder"] for path in inside if path.endswith(".rs") for one in _EMBEDDED.finditer(files.text(path))]
    holding = sorted({path.rpartition("/")[0] or "." for path in inside if _FILE.fullmatch(name_of(path))})
    for folder in (*named, "migrations"):
        plain = folder.removeprefix("./").rstrip("/")
        full = f"{base}/{plain}" if base else plain
        if any(one == full or one.startswith(f"{full}/") for one in holding):
            return full
    return holding[0] if holding else None


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = [path for path in project_files.below(files, folder) if _FILE.fullmatch(name_of(path))]
    if not paths:
        raise nothing_to_import(folder, "refinery", "V1__add_users.sql")
    paths.sort(key=lambda path: (float(_parsed(path)["version"]), path))
    left_out = tuple(
        Remark(Change.LEFT_OUT, "no name of a migration of refinery", location(path, files.text(path), 0))
        for path in project_files.below(files, folder)
        if path.endswith(".sql") and path not in paths
    )
    return Source("refinery", folder, tuple(_migration(files, path) for path in paths), remarks=left_out)


def _parsed(path: str) -> re.Match[str]:
    return cast("re.Match[str]", _FILE.fullmatch(name_of(path)))


def _migration(files: ProjectFiles, path: str) -> SourceMigration:
    parsed = _parsed(path)
    version, text = parsed["version"], files.text(path)
    remarks: list[Remark] = []
    place = location(path, text, 0)
    if "." in version:
        remarks.append(Remark(Change.REFUSED, "a version with a point, which refinery refuses", place))
    if parsed["prefix"] == "U":
        remarks.append(
            Remark(Change.KEPT, "a `U` file: refinery runs it out of order, and zmig asks before it does", place)
        )
    name = name_of(path).rpartition(".")[0]
    number = None if "." in version else int(version)
    up = Script(text, path, is_whole_file=True)
    if parsed["suffix"] == "rs":
        remarks.append(Remark(Change.REFUSED, "Rust, which zmig does not run", place))
        up = None
    checksums = _checksums(parsed["name"], number, files.read(path)) if up is not None and number is not None else ()
    identity = version if number is None else str(number)
    return SourceMigration(identity, name, up, number=number, checksums=checksums, remarks=tuple(remarks))


def _checksums(name: str, version: int, sql: bytes) -> tuple[str, ...]:
    """Return the hashes of a migration, for both widths of a version that it fits in."""
    return tuple(
        str(siphash13(name.encode() + b"\xff" + version.to_bytes(width, "little", signed=True) + sql + b"\xff"))
        for width in _WIDTHS
        if version < 1 << (8 * width - 1)
    )


def _queries(place: Place) -> Sequence[str]:
    return (f"select version, applied_on, checksum from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied = tuple(
        AppliedMigration(str(version), at=_time(applied_on), checksum=None if checksum is None else str(checksum))
        for version, applied_on, checksum in results[0]
    )
    return ToolHistory(applied)


def _time(text: object) -> datetime | None:
    """Return a time that is written as RFC 3339 has it; None for another."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


TOOL = Tool(
    "refinery",
    "refinery",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.refinery_schema_history",
        queries=_queries,
        read=_read_history,
    ),
)
