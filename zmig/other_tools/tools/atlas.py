"""Atlas: SQL files in the order of their names, `atlas.sum` with a hash of all, and a table of revisions."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location
from zmig.other_tools import delimiters
from zmig.other_tools import files as project_files
from zmig.other_tools.files import location, name_of
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.errors import Problem
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_SUM = "atlas.sum"
_DIRECTIVE = re.compile(r"^(?P<prefix>[ -~]*)atlas:(?P<name>\w+)(?: +(?P<value>.+))*")
_FOREIGN = re.compile(r".*\.(?:up|down)\.sql|[VRU](?:(?!__).)*+__.*\.sql")
_FOREIGN_MARK = re.compile(r"^--\s*(?:\+goose|migrate:up|liquibase formatted)", re.MULTILINE | re.IGNORECASE)
_SCHEMA = re.compile(r"^[^\S\n]*+revisions_schema\s*=\s*\"(?P<name>[^\"]+)\"", re.MULTILINE)
_ESCAPES = (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"))
_UNTOUCHED = ("nolint", "sum")
"""Directives that concern Atlas alone."""
_CHECKPOINT = "a checkpoint, made of the files before it: zmig runs those"
_CLOUD = ".atlas_cloud_identifier"
_BASELINE, _EXECUTED, _RESOLVED = 1, 2, 4
"""The bits of a revision's type."""
_LOCK = 2686470616


class _Directive(NamedTuple):
    """A directive at the top of a file."""

    name: str
    value: str
    line: int


def _find(files: ProjectFiles) -> str | None:
    """Return the folder with `atlas.sum`, unless its files are of another tool's form."""
    folders = [path.rpartition("/")[0] or "." for path in files.paths if name_of(path) == _SUM]
    for folder in sorted(folders, key=lambda one: (name_of(one) != "migrations", one)):
        paths = _migrations(files, folder)
        is_foreign = any(_FOREIGN.fullmatch(name_of(path)) for path in paths)
        if paths and not is_foreign and not _FOREIGN_MARK.search(files.text(paths[0])):
            return folder
    return None


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    found = [path for path in project_files.children(files, folder) if path.endswith(".sql")]
    return sorted(found, key=name_of)


def _version(path: str) -> str:
    return name_of(path).removesuffix(".sql").split("_", 1)[0]


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, "Atlas", "20240131120000_add_users.sql")
    sums, recorded = _sums(files, paths), _recorded(files, folder)
    edited = next((path for path in paths if recorded and recorded.get(name_of(path)) != sums.get(path)), None)
    migrations: list[SourceMigration] = []
    remarks: list[Remark] = []
    for path in paths:
        text = files.text(path)
        directives = list(_directives(text))
        checkpoint = next((one for one in directives if one.name == "checkpoint"), None)
        if checkpoint is not None:
            remarks.append(Remark(Change.LEFT_OUT, _CHECKPOINT, Location(path, checkpoint.line)))
        else:
            migrations.append(_migration(path, text, directives, sums.get(path), is_edited=path == edited))
    schemas = (_SCHEMA.search(files.text(path)) for path in files.paths if name_of(path) == "atlas.hcl")
    schema = next((found["name"] for found in schemas if found is not None), None)
    table = f"{schema}.atlas_schema_revisions" if schema else None
    return Source("atlas", folder, tuple(migrations), history_table=table, remarks=tuple(remarks))


def _sums(files: ProjectFiles, paths: Sequence[str]) -> dict[str, str]:
    """Return the hash of each file, which is one of all files before it, too."""
    sums: dict[str, str] = {}
    digest = hashlib.sha256()
    for path in paths:
        content = files.read(path)
        digest.update(name_of(path).encode())
        first = _DIRECTIVE.match(content.decode(errors="replace"))
        if first is not None and first["name"] == "sum" and (first["value"] or "") == "ignore":
            continue
        digest.update(content)
        sums[path] = base64.b64encode(digest.digest()).decode()
    return sums


def _recorded(files: ProjectFiles, folder: str) -> Mapping[str, str | None]:
    """Return what `atlas.sum` says of each file, by name; empty where there is none."""
    path = _SUM if folder == "." else f"{folder}/{_SUM}"
    if path not in files.paths:
        return {}
    lines = [line.partition("h1:") for line in files.text(path).splitlines()[1:]]
    return {name.strip(): checksum for name, mark, checksum in lines if mark}


def _directives(text: str) -> Iterator[_Directive]:
    """Yield the directives of a file: in comments at its top that an empty line ends."""
    found: list[_Directive] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.startswith(("#", "--")):
            if line.strip():
                return
            break
        directive = _DIRECTIVE.match(line.strip())
        if directive is not None:
            found.append(_Directive(directive["name"], (directive["value"] or "").strip(), number))
    yield from found


def _migration(
    path: str, text: str, directives: Sequence[_Directive], checksum: str | None, *, is_edited: bool
) -> SourceMigration:
    remarks: list[Remark] = []
    if is_edited:
        message = "not what `atlas.sum` says, or the first after a file that is not there: Atlas refuses it"
        remarks.append(Remark(Change.REFUSED, message, location(path, text, 0)))
    first = _DIRECTIVE.match(text)
    start = 0
    script = text
    if first is not None and first["prefix"] == "-- " and first["name"] == "delimiter":
        start = text.find("\n") + 1
        delimiter = (first["value"] or "").rstrip("\r")
        for escape, character in _ESCAPES:
            delimiter = delimiter.replace(escape, character)
        delimited = delimiters.with_semicolons_for(text[start:], delimiter) if delimiter else None
        script = delimited.text if delimited is not None else text[start:]
        if delimited is not None and delimited.first is not None:
            place = location(path, text, start + delimited.first)
            remarks.append(Remark(Change.REWRITTEN, "`;` in place of another delimiter", place))
    remarks += [_about(path, one) for one in directives if _is_unknown(one)]
    outside = any(one.name == "txmode" and one.value == "none" for one in directives)
    up = Script(script, path, line=2 if start else 1, is_whole_file=not start, transactional=False if outside else None)
    version = _version(path)
    return SourceMigration(
        version,
        name_of(path).removesuffix(".sql"),
        up,
        number=int(version) if version.isascii() and version.isdigit() else None,
        checksums=(checksum,) if checksum is not None else (),
        remarks=tuple(remarks),
    )


def _is_unknown(directive: _Directive) -> bool:
    if directive.name == "txmode":
        return directive.value not in ("none", "file")
    return directive.name not in (*_UNTOUCHED, "delimiter")


def _about(path: str, directive: _Directive) -> Remark:
    text = f"`atlas:{f'{directive.name} {directive.value}'.strip()}`, which zmig has nothing for"
    return Remark(Change.REFUSED, text, Location(path, directive.line))


def _queries(place: Place) -> Sequence[str]:
    columns = "version, type, applied, total, executed_at, execution_time, error, error_stmt, hash"
    return (f"select {columns} from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied: list[AppliedMigration] = []
    problems: list[Problem] = []
    for version, kind, done, total, at, nanoseconds, error, statement, hash in results[0]:
        if version == _CLOUD:
            continue
        bits = kind if isinstance(kind, int) else _EXECUTED
        if not bits & _RESOLVED and (error or done != total):
            facts = tuple(str(one) for one in (error, statement) if one)
            hint = f"repair the database, then run `atlas migrate set {version}`"
            message = f"Atlas ran {done} of {total} statements of `{version}`"
            problems.append(unfinished(message, hint=hint, facts=facts))
            continue
        applied += _before(str(version), bits, source, is_first=not applied)
        duration = nanoseconds // 1_000_000 if isinstance(nanoseconds, int) and bits & _EXECUTED else None
        when = moment(at)
        checksum = str(hash) if hash and bits & _EXECUTED else None
        was_run = bool(bits & _EXECUTED)
        is_checkpoint = str(version) in _checkpoints(source)
        applied.append(
            AppliedMigration(
                str(version),
                at=when,
                duration_ms=duration,
                checksum=checksum,
                was_run=was_run,
                stands_for="a checkpoint" if is_checkpoint else None,
            )
        )
    return ToolHistory(in_order(applied, source), problems=tuple(problems))


def _checkpoints(source: Source) -> frozenset[str]:
    return frozenset(_version(one.location.path) for one in source.remarks if one.text == _CHECKPOINT)


def _before(version: str, bits: int, source: Source, *, is_first: bool) -> Iterator[AppliedMigration]:
    """Yield what a database has that was begun with a checkpoint or a baseline: all files before it."""
    if is_first and (bits & _BASELINE or version in _checkpoints(source)):
        for one in source.migrations:
            if one.id < version:
                yield AppliedMigration(one.id, was_run=False)


TOOL = Tool(
    "atlas",
    "Atlas",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "atlas_schema_revisions.atlas_schema_revisions",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK),
    ),
)
