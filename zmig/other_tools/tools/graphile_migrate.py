"""graphile-migrate: committed SQL files that are chained by hashes, and a table with one row for each."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.other_tools import files as project_files
from zmig.other_tools import json5, placeholders
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, advisory_lock, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.sections import holds_sql
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_TITLE = "graphile-migrate"
_FILE = re.compile(r"(?P<number>[0-9]+)(?:-(?P<slug>[-_a-zA-Z0-9]*))?\.sql")
_HEADER = re.compile(r"--! ([A-Z][a-zA-Z0-9_]*)(?::([^\n\r]*))?")
_NO_TRANSACTION = re.compile(r"--!\s*no-transaction\b[^\n]*\n?")
_PLACEHOLDER = re.compile(r":[A-Z][0-9A-Z_]+")
_QUOTED_PLACEHOLDER = re.compile(r"[\"'](:[A-Z][0-9A-Z_]+)[\"']\s*:")
_BUILT_IN = (":DATABASE_NAME", ":DATABASE_OWNER")
_CONFIGURATIONS = (".gmrc", ".gmrc.js", ".gmrc.cjs")
_ACTIONS = ("beforeAllMigrations", "afterAllMigrations", "beforeCurrent", "afterCurrent")
_FROM_ENVIRONMENT = "!ENV"
_COMMITTED = "committed"
_LOCK = 4727445306447283


class _Settings(NamedTuple):
    """What `.gmrc` says."""

    path: str
    folder: str
    """Of all migrations, the committed ones in a folder of it."""
    placeholders: Mapping[str, str | None]
    actions: tuple[str, ...] = ()


class _File(NamedTuple):
    """A committed file in its parts."""

    path: str
    text: str
    headers: Mapping[str, str | None]
    body: str
    """Without blanks around it, and with a line end, as its hash has it."""
    start: int
    """Where the body begins in the text, with the blanks before it; 0-based."""
    problem: str | None

    @property
    def previous(self) -> str | None:
        value = self.headers.get("Previous")
        return None if value in (None, "-") else value

    @property
    def hash(self) -> str:
        joined = f"{self.previous or ''}\n{self.body.strip()}".strip() + "\n"
        return "sha1:" + hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of committed files beside `.gmrc`, or of those that have the tool's headers."""
    for path in files.paths:
        if name_of(path) in _CONFIGURATIONS:
            folder = _committed(_settings(files, path).folder)
            if _migrations(files, folder):
                return folder
    folders = {path.rpartition("/")[0] for path in files.paths if path.endswith(".sql")}
    for folder in sorted(one for one in folders if name_of(one) == _COMMITTED):
        paths = _migrations(files, folder)
        if paths and files.text(paths[0]).startswith("--! Previous:"):
            return folder
    return None


def _committed(folder: str) -> str:
    return _COMMITTED if folder in ("", ".") else f"{folder}/{_COMMITTED}"


def _settings(files: ProjectFiles, path: str) -> _Settings:
    base = path.rpartition("/")[0]
    text = files.text(path)
    if name_of(path) != ".gmrc":  # code: what it sets is not known, but for what it calls placeholders
        names = dict.fromkeys(_QUOTED_PLACEHOLDER.findall(text))
        return _Settings(path, _inside(base, "migrations"), dict.fromkeys((*names, *_BUILT_IN)))
    try:
        values = json5.loads(text)
    except ValueError:
        values = dict[str, object]()
    folder = values.get("migrationsFolder")
    given = values.get("placeholders")
    found: dict[str, str | None] = {}
    for key, value in cast("dict[str, object]", given).items() if isinstance(given, dict) else ():
        found[key] = None if value == _FROM_ENVIRONMENT or not isinstance(value, str) else value
    return _Settings(
        path,
        _inside(base, folder if isinstance(folder, str) else "migrations"),
        {**found, **dict.fromkeys(_BUILT_IN)},
        tuple(action for action in _ACTIONS if values.get(action)),
    )


def _inside(base: str, folder: str) -> str:
    plain = folder.removeprefix("./").rstrip("/")
    return f"{base}/{plain}" if base else plain


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    found = [path for path in project_files.children(files, folder) if _FILE.fullmatch(name_of(path))]
    return sorted(found, key=lambda path: _parsed(path)["number"])


def _parsed(path: str) -> re.Match[str]:
    return cast("re.Match[str]", _FILE.fullmatch(name_of(path)))


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths and _migrations(files, _committed(folder)):
        folder = _committed(folder)
        paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, _TITLE, "committed/000001-add-users.sql")
    near = [_settings(files, path) for path in files.paths if name_of(path) in _CONFIGURATIONS]
    settings = next((one for one in near if _committed(one.folder) == folder), None) or next(iter(near), None)
    known: Mapping[str, str | None] = settings.placeholders if settings is not None else dict.fromkeys(_BUILT_IN, None)
    migrations: list[SourceMigration] = []
    used: set[str] = set()
    previous: _File | None = None
    for path in paths:
        file = _file(path, files.text(path))
        migrations.append(_migration(file, previous, known, used))
        previous = file
    variables = {key[1:]: value for key, value in known.items() if key[1:] in used}
    return Source(
        _TITLE,
        folder,
        tuple(migrations),
        variables=variables,
        remarks=(*_uncommitted(files, folder), *_actions(settings)),
    )


def _uncommitted(files: ProjectFiles, folder: str) -> tuple[Remark, ...]:
    """Remark on work that is not committed: it was run many times, and is no migration yet."""
    base = folder.rpartition("/")[0]
    current = [path for path in files.paths if path == _inside(base, "current.sql")]
    current += [path for path in project_files.children(files, _inside(base, "current")) if path.endswith(".sql")]
    text = "work that is not committed: commit it, or make a migration of it yourself"
    return tuple(
        Remark(Change.LEFT_OUT, text, location(path, files.text(path), 0))
        for path in current
        if holds_sql(files.text(path))
    )


def _actions(settings: _Settings | None) -> tuple[Remark, ...]:
    if settings is None:
        return ()
    place = project_files.Location(settings.path)
    return tuple(
        Remark(Change.LEFT_OUT, f"`{action}`, which the tool runs around migrations, and zmig does not", place)
        for action in settings.actions
    )


def _file(path: str, text: str) -> _File:
    """Part a file as the tool does: headers, one empty line, the body."""
    headers: dict[str, str | None] = {}
    problem: str | None = None
    lines = text.split("\n")
    count = 0
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            break
        count += 1
        if found[1] in headers:
            problem = f"`{found[1]}` is there twice, which the tool refuses"
        headers[found[1]] = found[2].strip() if found[2] else found[2]
    if len(lines) <= count or lines[count] != "":
        problem = "no empty line after the headers, which the tool refuses"
    if not headers.get("Previous") or not headers.get("Hash"):
        problem = "no `--! Previous:` and `--! Hash:`, which the tool requires"
    body = "\n".join(lines[count:]).strip() + "\n"
    return _File(path, text, headers, body, sum(len(line) + 1 for line in lines[:count]), problem)


def _migration(file: _File, before: _File | None, known: Mapping[str, str | None], used: set[str]) -> SourceMigration:
    number, remarks = _parsed(file.path)["number"], list[Remark]()
    top = location(file.path, file.text, 0)
    if file.problem is not None:
        remarks.append(Remark(Change.REFUSED, file.problem, top))
    elif file.previous != (before.headers.get("Hash") if before is not None else None):
        remarks.append(Remark(Change.REFUSED, "not the hash of the file before it: the tool refuses that", top))
    if "AllowInvalidHash" in file.headers:
        remarks.append(Remark(Change.DROPPED, "`AllowInvalidHash`: whether the file was edited is not compared", top))
    start = min(len(file.text) - len(file.text[file.start :].lstrip()), len(file.text))
    first_line = _NO_TRANSACTION.match(file.text, start)
    body_start = first_line.end() if first_line else start
    text, names = _rewritten(file, body_start, known, remarks)
    used |= names
    return SourceMigration(
        f"{number}.sql",
        name_of(file.path).removesuffix(".sql"),
        Script(
            text,
            file.path,
            line=file.text.count("\n", 0, body_start) + 1,
            transactional=False if first_line else None,
        ),
        number=int(number),
        has_variables=bool(names),
        description=file.headers.get("Message") or None,
        checksums=() if "AllowInvalidHash" in file.headers else (file.hash,),
        remarks=tuple(remarks),
    )


def _rewritten(
    file: _File, start: int, known: Mapping[str, str | None], remarks: list[Remark]
) -> tuple[str, frozenset[str]]:
    pattern = re.compile(f"(?:{'|'.join(map(re.escape, known))})\\b", re.ASCII)
    text = file.text[start:]
    rewritten = placeholders.rewrite(text, pattern, lambda one: one[0][1:])
    for offset in rewritten.unwritable:
        place = location(file.path, file.text, start + offset)
        remarks.append(Remark(Change.REFUSED, "a `$` that zmig would take for a variable's", place))
    for name in sorted(rewritten.names):
        if known[f":{name}"] is None:
            place = location(file.path, file.text, file.text.find(f":{name}", start))
            remarks.append(Remark(Change.KEPT, f"`:{name}` has no value here: the environment has to give it", place))
    return rewritten.text, rewritten.names


def _queries(place: Place) -> Sequence[str]:
    applied = f"select filename, hash, date from {place.quoted} order by filename"
    current = place.beside("current")
    if current is None:
        return (applied,)
    return (applied, f"select filename from {current} where content ~ '[^[:space:]]' order by filename")


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    applied = {
        str(name): AppliedMigration(str(name), at=moment(at), checksum=str(hash)) for name, hash, at in results[0]
    }
    names = [str(row[0]) for rows in results[1:] for row in rows]
    notes = [f"`{name}` was run here and is not committed: what it made is no migration's" for name in names]
    return ToolHistory(tuple(applied.values()), notes=tuple(notes))


TOOL = Tool(
    _TITLE,
    _TITLE,
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "graphile_migrate.migrations",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK),
    ),
)
