"""Drizzle: SQL files in the order of a journal (0.x), or folders in the order of their names (1.x)."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.errors import Location
from zmig.other_tools import files as project_files
from zmig.other_tools import semicolons
from zmig.other_tools.checksums import line_ends
from zmig.other_tools.files import prefix_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, in_order, moment
from zmig.other_tools.problems import nothing_to_import, unclear, unusable
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.sql import lexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Problem
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Matches, Place, Row

_JOURNAL = "meta/_journal.json"
_FOLDER = "drizzle"
_TABLE = "drizzle.__drizzle_migrations"
_BREAKPOINT = "--> statement-breakpoint"
_DIALECTS = ("postgresql", "postgres", "pg", "cockroach")
_NAMED = re.compile(r"(?P<time>\d{14})_.*", re.ASCII)
_CONFIG = re.compile(r"(?:.*/)?drizzle\.config\.(?:ts|js|mjs|cjs|mts|cts|json)")
_SETTINGS = re.compile(r"[\"']?migrations[\"']?\s*:\s*\{(?P<body>[^{}]*)\}")
_SETTING = re.compile(r"\b(?P<key>schema|table)[\"']?\s*:\s*[\"'`](?P<value>[^\"'`$]*)[\"'`]")


class _Entry(NamedTuple):
    """An entry of the journal."""

    tag: str
    when: int


def _find(files: ProjectFiles) -> str | None:
    """Return the folder with a journal of Drizzle's, or one of folders that hold its snapshots beside their scripts."""
    journals = [path for path in files.paths if path == _JOURNAL or path.endswith(f"/{_JOURNAL}")]
    found = {path.removesuffix(_JOURNAL).rstrip("/") or "." for path in journals if _is_journal(files, path)}
    known = frozenset(files.paths)
    for path in files.paths:
        folder, _, name = path.rpartition("/")
        parent, _, migration = folder.rpartition("/")
        if name == "migration.sql" and f"{folder}/snapshot.json" in known and _NAMED.fullmatch(migration):
            found.add(parent or ".")
    return min(found, key=lambda one: (one != _FOLDER, one), default=None)


def _is_journal(files: ProjectFiles, path: str) -> bool:
    try:
        journal = json.loads(files.text(path))
    except ValueError:
        return False
    return isinstance(journal, dict) and {"dialect", "entries"} <= cast("dict[str, object]", journal).keys()


def _read(files: ProjectFiles, folder: str) -> Source:
    prefix = prefix_of(folder)
    has_journal = f"{prefix}{_JOURNAL}" in files.paths
    migrations, remarks = _of_journal(files, folder) if has_journal else _of_folders(files, folder)
    if not migrations:
        raise nothing_to_import(folder, "Drizzle", f"{prefix}{_JOURNAL}")
    return Source("drizzle", folder, migrations, history_table=_table(files), remarks=remarks)


def _of_journal(files: ProjectFiles, folder: str) -> tuple[tuple[SourceMigration, ...], tuple[Remark, ...]]:
    prefix = prefix_of(folder)
    path = f"{prefix}{_JOURNAL}"
    text = files.text(path)
    dialect, entries = _journal(path, text)
    known = frozenset(files.paths)
    counts: dict[int, int] = {}
    migrations: list[SourceMigration] = []
    for entry in entries:
        number = counts[entry.when] = counts.get(entry.when, 0) + 1
        id = str(entry.when) if number == 1 else f"{entry.when} {entry.tag}"
        script = f"{prefix}{entry.tag}.sql"
        if script in known:
            migrations.append(_migration(id, entry.tag, script, files.text(script)))
        else:
            where = _tag(path, text, entry.tag)
            missing = Remark(Change.REFUSED, f"`{script}` does not exist, which Drizzle refuses", where)
            migrations.append(SourceMigration(id, entry.tag, None, remarks=(missing,)))
    tags = {entry.tag for entry in entries}
    others = tuple(
        Remark(Change.LEFT_OUT, "not in the journal: Drizzle never runs it", Location(one))
        for one in project_files.children(files, folder)
        if one.endswith(".sql") and one[len(prefix) : -len(".sql")] not in tags
    )
    return tuple(migrations), (*_dialect(path, text, dialect), *others)


def _journal(path: str, text: str) -> tuple[str, list[_Entry]]:
    try:
        journal = json.loads(text)
        entries = [_Entry(str(one["tag"]), int(one["when"])) for one in journal["entries"]]
        return str(journal.get("dialect", _DIALECTS[0])), entries
    except json.JSONDecodeError as error:
        raise unusable(path, f"it is no JSON: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise unusable(path, "it has no `entries`, each with a `tag` and a `when`") from None


def _dialect(path: str, text: str, dialect: str) -> Iterator[Remark]:
    if dialect not in _DIALECTS:
        where = project_files.location(path, text, max(text.find(f'"{dialect}"'), 0), width=len(dialect) + 2)
        yield Remark(Change.REFUSED, f"the migrations are for {dialect}, not for PostgreSQL", where)


def _tag(path: str, text: str, tag: str) -> Location:
    written = json.dumps(tag)
    return project_files.location(path, text, max(text.find(written), 0), width=len(written))


def _of_folders(files: ProjectFiles, folder: str) -> tuple[tuple[SourceMigration, ...], tuple[Remark, ...]]:
    """Return the migrations of version 1, each of which is a folder whose name begins with a time."""
    prefix = prefix_of(folder)
    migrations: list[SourceMigration] = []
    scripts = [
        path
        for path in project_files.below(files, folder)
        if path.endswith("/migration.sql") and path.count("/", len(prefix)) == 1
    ]
    for path in sorted(scripts, key=lambda one: _as_words(one[len(prefix) :])):
        name = path[len(prefix) :].removesuffix("/migration.sql")
        time = _NAMED.fullmatch(name)
        number = int(time["time"]) if time is not None else None
        migrations.append(_migration(name, name, path, files.text(path), number=number))
    if migrations and (snapshot := f"{prefix}{migrations[-1].id}/snapshot.json") in files.paths:
        text = files.text(snapshot)
        found = re.search(r"\"dialect\"\s*:\s*\"(?P<name>[^\"]*)\"", text)
        return tuple(migrations), tuple(_dialect(snapshot, text, found["name"] if found else _DIALECTS[0]))
    return tuple(migrations), ()


def _as_words(name: str) -> tuple[str, str]:
    """Return what orders names as JavaScript's `localeCompare` does where they are made by Drizzle."""
    return name.lower(), name.swapcase()


def _migration(id: str, name: str, path: str, text: str, *, number: int | None = None) -> SourceMigration:
    changed, remarks = _with_semicolons(path, text)
    script = Script(changed, path, is_whole_file=changed == text)
    return SourceMigration(id, name, script, number=number, remarks=remarks)


def _with_semicolons(path: str, text: str) -> tuple[str, tuple[Remark, ...]]:
    """Return a script in which each part that Drizzle sends by itself ends with a semicolon."""
    pieces = text.split(_BREAKPOINT)
    remarks: list[Remark] = []
    offset = 0
    for index, piece in enumerate(pieces[:-1]):
        try:
            end = semicolons.missing_after(piece)
        except lexer.UnterminatedError as error:
            where = project_files.location(path, text, offset + len(piece), width=len(_BREAKPOINT))
            message = f"Drizzle cuts the file here, inside of {error.construct}"
            remarks.append(Remark(Change.REFUSED, message, where))
            break
        if end is not None:
            where = project_files.location(path, text, offset + end - 1)
            remarks.append(Remark(Change.REWRITTEN, "a semicolon is added, where a breakpoint ends it", where))
            pieces[index] = f"{piece[:end]};{piece[end:]}"
        offset += len(piece) + len(_BREAKPOINT)
    return _BREAKPOINT.join(pieces), tuple(remarks)


def _table(files: ProjectFiles) -> str | None:
    """Return the table that the configuration, which is code, names where both are plain texts in it."""
    for path in files.paths:
        if _CONFIG.fullmatch(path) and (settings := _SETTINGS.search(files.text(path))) is not None:
            said = {found["key"]: found["value"] for found in _SETTING.finditer(settings["body"])}
            schema, table = said.get("schema"), said.get("table")
            if schema is not None or table is not None:
                return f"{schema or 'drizzle'}.{table or '__drizzle_migrations'}"
    return None


def _queries(place: Place) -> Sequence[str]:
    name = "name" if "name" in place.columns else "null::text"
    at = "applied_at" if "applied_at" in place.columns else "null::timestamptz"
    return (f"select hash, created_at, {name}, {at} from {place.quoted} order by id",)


class _Applied(NamedTuple):
    """A row of the table."""

    hash: str
    when: int | None
    name: str | None
    at: datetime | None


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    rows = [
        _Applied(
            str(hash),
            when if isinstance(when, int) else None,
            name if isinstance(name, str) else None,
            moment(at),
        )
        for hash, when, name, at in results[0]
    ]
    if not source.migrations:
        return ToolHistory(in_order([_applied(row.name or str(row.when), row) for row in rows], source))
    is_journal = source.migrations[0].id.partition(" ")[0].isdigit()
    return _by_time(rows, source) if is_journal else _by_name(rows, source)


def _applied(id: str, row: _Applied) -> AppliedMigration:
    return AppliedMigration(id, at=row.at, checksum=row.hash)


def _by_time(rows: list[_Applied], source: Source) -> ToolHistory:
    """Return what is applied of a journal: Drizzle runs what is newer than the newest row, and nothing else."""
    newest = max((row.when for row in rows if row.when is not None), default=-1)
    waiting: dict[int | None, list[_Applied]] = {}
    for row in rows:
        waiting.setdefault(row.when, []).append(row)
    applied: list[AppliedMigration] = []
    problems: list[Problem] = []
    for migration in source.migrations:
        when = int(migration.id.partition(" ")[0])
        if found := waiting.get(when):
            applied.append(_applied(migration.id, found.pop(0)))
        elif when <= newest:
            problems.append(_without_row(migration, when, source.history_table or _TABLE))
    left = [_applied(str(row.when), row) for found in waiting.values() for row in found]
    return ToolHistory(in_order([*left, *applied], source), problems=tuple(problems))


def _without_row(migration: SourceMigration, when: int, table: str) -> Problem:
    is_known = migration.up is not None and migration.up.is_whole_file
    hash = hashlib.sha256(migration.up.text.encode()).hexdigest() if migration.up is not None and is_known else "?"
    return unclear(
        f"`{migration.name}` has no row in Drizzle's table, which has later ones: Drizzle will never run it",
        facts=("a row that somebody has put there for all before it, or a file that was merged late, looks like this",),
        hint="find out whether the database has it; if not, run its file with psql, and then, or if so, add its row: "
        f"`insert into {table} (hash, created_at) values ('{hash}', {when})`",
    )


def _by_name(rows: list[_Applied], source: Source) -> ToolHistory:
    """Return what is applied of version 1, which knows names; rows of before have but the time, in seconds."""
    applied = [_applied(row.name, row) for row in rows if row.name is not None]
    done = {one.id for one in applied}
    candidates: dict[int, list[str]] = {}
    for one in source.migrations:
        if one.id not in done and (seconds := _seconds(one.id)) is not None:
            candidates.setdefault(seconds, []).append(one.id)
    old: dict[int | None, list[_Applied]] = {}
    for row in rows:
        if row.name is None:
            old.setdefault(row.when // 1000 if row.when is not None else None, []).append(row)
    problems: list[Problem] = []
    for seconds, found in old.items():
        ids = candidates.get(seconds, []) if seconds is not None else []
        if len(ids) > len(found):
            problems.append(_several(ids))
        applied += [_applied(id, row) for id, row in zip(ids, found, strict=False)]
        applied += [_applied(str(row.when), row) for row in found[len(ids) :]]
    return ToolHistory(in_order(applied, source), problems=tuple(problems))


def _seconds(name: str) -> int | None:
    time = _NAMED.fullmatch(name)
    try:
        made = datetime.strptime(time["time"], "%Y%m%d%H%M%S") if time is not None else None
    except ValueError:
        return None
    return int(made.replace(tzinfo=UTC).timestamp()) if made is not None else None


def _several(ids: list[str]) -> Problem:
    return unclear(
        f"a row of Drizzle's table fits {' and '.join(f'`{id}`' for id in ids)} alike, which are of one second",
        hint="run `drizzle-kit migrate` with version 1, which writes the names of migrations into the table",
    )


def _matches(row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles) -> Matches:
    """Return whether the hash is of the file, as it is or with the line ends of the other systems."""
    if row.checksum is None or migration.up is None:
        return None
    return row.checksum in [hashlib.sha256(one).hexdigest() for one in line_ends(files.read(migration.up.path))]


TOOL = Tool(
    "drizzle",
    "Drizzle",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        _TABLE,
        queries=_queries,
        read=_read_history,
    ),
    matches=_matches,
)
