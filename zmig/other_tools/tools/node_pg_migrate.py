"""node-pg-migrate: SQL files with an up and a down part, or two files, and a table with one row for each."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.other_tools import files as project_files
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import (
    AppliedMigration,
    HistoryTable,
    ToolHistory,
    advisory_lock,
    local_time,
    moment,
)
from zmig.other_tools.problems import nothing_to_import, unfinished
from zmig.other_tools.sections import holds_sql
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.sql.quoting import identifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_TITLE = "node-pg-migrate"
_CODE = ("js", "ts", "cjs", "mjs", "cts", "mts")
_FILE = re.compile(rf"(?P<id>(?P<prefix>\d++).*)\.(?P<suffix>sql|{'|'.join(_CODE)})", re.ASCII)
_UP = re.compile(r"up\s+migration", re.IGNORECASE)
_DOWN = re.compile(r"down\s+migration", re.IGNORECASE)
_DASHES = re.compile(r"^[^\S\n]*+(?P<dashes>--)", re.MULTILINE)
_UTC = 17
"""Digits of a prefix that is a time, as `20200605075829074`; others are milliseconds, or just numbers."""
_NOT_COMPARED = re.compile(r"[^\w]|_")
_FLAGS = {
    "-m": "migrations-dir",
    "--migrations-dir": "migrations-dir",
    "-t": "migrations-table",
    "--migrations-table": "migrations-table",
    "-s": "schema",
    "--schema": "schema",
    "--migrations-schema": "migrations-schema",
    "--ignore-pattern": "ignore-pattern",
    "-f": "config-file",
    "--config-file": "config-file",
}
_LOCK = 7241865325823964


class _Mark(NamedTuple):
    """Where a mark is: from its dashes to the end of its words; 0-based."""

    start: int
    end: int


def _marks(text: str, words: re.Pattern[str]) -> Iterator[_Mark]:
    r"""Yield what the tool finds by `^\s*--[\s-]*up\s+migration`, without trying each line to the text's end."""
    before = 0
    for found in words.finditer(text):
        run = found.start() - len(re.split(r"[^\s-]", text[before : found.start()])[-1])
        dashes = _DASHES.search(
            text, run if run == 0 or text[run - 1] == "\n" else _next_line(text, run), found.start()
        )
        if dashes is not None:
            yield _Mark(dashes.start("dashes"), found.end())
        before = found.start()


def _mark(text: str, words: re.Pattern[str]) -> _Mark | None:
    """Return the first mark of a direction, which is the one that counts."""
    return next(_marks(text, words), None)


def _next_line(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


class _Settings(NamedTuple):
    """What the project says of the tool, as far as that is no code."""

    base: str
    """The folder that holds `package.json`, with `/` at its end; empty for the project's own."""
    values: Mapping[str, str | list[str]]
    path: str
    """The file that says so, for places."""

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        return value[0] if isinstance(value, list) else value

    @property
    def folder(self) -> str:
        return (self.base + (self.text("migrations-dir") or "migrations").removeprefix("./")).rstrip("/")

    @property
    def schemas(self) -> list[str]:
        value = self.values.get("schema", [])
        return value if isinstance(value, list) else [value]

    @property
    def table(self) -> str | None:
        schema = self.text("migrations-schema") or next(iter(self.schemas), None)
        table = self.text("migrations-table")
        if schema is None and table is None:
            return None
        return f"{schema or 'public'}.{table or 'pgmigrations'}"


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of a package that has the tool among its own, or one with files that have its marks."""
    for settings in _all_settings(files):
        if _migrations(files, settings.folder, settings):
            return settings.folder
    folders = {path.rpartition("/")[0] or "." for path in files.paths if path.endswith(".sql")}
    for folder in sorted(folders, key=lambda one: (one != "migrations", one)):
        paths = [path for path in _migrations(files, folder, None) if path.endswith(".sql")]
        if any(_mark(text, _UP) and _mark(text, _DOWN) for text in map(files.text, paths)):
            return folder
    return None


def _all_settings(files: ProjectFiles) -> Iterator[_Settings]:
    for path in files.paths:
        if name_of(path) == "package.json" and (package := _json(files, path)) is not None:
            dependencies = [package.get(key) for key in ("dependencies", "devDependencies")]
            if any(isinstance(one, dict) and _TITLE in one for one in dependencies):
                yield _settings(files, path, package)


def _settings(files: ProjectFiles, path: str, package: Mapping[str, object]) -> _Settings:
    """Return what the scripts of a package give the tool, and what its configuration says in place of that."""
    base = path.removesuffix("package.json")
    values: dict[str, str | list[str]] = {}
    scripts = package.get("scripts")
    for script in cast("dict[str, object]", scripts).values() if isinstance(scripts, dict) else ():
        if isinstance(script, str) and _TITLE in script:
            values.update(_flags(script))
    config = values.get("config-file", "config/default.json")
    config = base + (config if isinstance(config, str) else config[0]).removeprefix("./")
    read = _json(files, config) if config.endswith(".json") and config in files.paths else None
    section = (read or {}).get("db", read if "config-file" in values else None)
    if not isinstance(section, dict):
        return _Settings(base, values, path)
    for key, value in cast("dict[str, object]", section).items():
        if isinstance(value, str) and value:
            values[key] = value
        elif isinstance(value, list):
            values[key] = [str(one) for one in cast("list[object]", value)]
    return _Settings(base, values, config)


def _json(files: ProjectFiles, path: str) -> dict[str, object] | None:
    try:
        value = json.loads(files.text(path))
    except ValueError:
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _flags(script: str) -> Iterator[tuple[str, str | list[str]]]:
    """Yield the options of a command line by their long names; `--schema` takes several values."""
    try:
        words = shlex.split(script)
    except ValueError:
        return
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        key = _FLAGS.get(flag)
        if key is None:
            continue
        given = [value] if equals else []
        for following in () if equals else words[index + 1 :]:
            if following.startswith("-") or following in ("&&", ";", "|") or (given and key != "schema"):
                break
            given.append(following)
        if given:
            yield key, given if key == "schema" else given[0]


def _migrations(files: ProjectFiles, folder: str, settings: _Settings | None) -> list[str]:
    ignored = _ignored(settings)
    names = [path for path in project_files.children(files, folder) if not ignored.fullmatch(name_of(path))]
    return sorted((path for path in names if _FILE.fullmatch(name_of(path))), key=_order)


def _ignored(settings: _Settings | None) -> re.Pattern[str]:
    try:
        return re.compile((settings.text("ignore-pattern") if settings else None) or r"\..*")
    except re.error:
        return re.compile(r"\..*")


def _order(path: str) -> tuple[object, ...]:
    """Return what the tool sorts by: the number, a time as milliseconds, then the name as people compare names."""
    name = name_of(path)
    plain = _NOT_COMPARED.sub("", name)
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.findall(r"\d+|\D+", plain)]
    return _milliseconds(name), parts, plain.swapcase()


def _milliseconds(name: str) -> int:
    prefix = cast("re.Match[str]", re.match(r"\d+", name))[0]
    time = _time(prefix) if len(prefix) == _UTC else None
    return int(prefix) if time is None else round(time.timestamp() * 1000)


def _time(prefix: str) -> datetime | None:
    try:
        return datetime.strptime(prefix + "000", "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
    except ValueError:
        return None


def _read(files: ProjectFiles, folder: str) -> Source:
    above = [one for one in _all_settings(files) if f"{folder}/".startswith(one.base) or not one.base]
    settings = max(above, key=lambda one: len(one.base), default=None)
    paths = _migrations(files, folder, settings)
    if not paths:
        raise nothing_to_import(folder, _TITLE, "1700000000000_add-users.sql")
    schemas = settings.schemas if settings else []
    prefix = f"set search_path to {', '.join(map(identifier, schemas))};\n" if schemas not in ([], ["public"]) else ""
    downs = {path for path in paths if path.endswith(".down.sql") and _partner(path) in paths}
    migrations = tuple(
        _migration(files, path, _partner(path, "up", "down"), paths, prefix) for path in paths if path not in downs
    )
    left_out = tuple(
        Remark(Change.LEFT_OUT, "no number at the beginning of its name", location(path, files.text(path), 0))
        for path in project_files.children(files, folder)
        if path.endswith(".sql") and path not in paths and not name_of(path).startswith(".")
    )
    table = settings.table if settings else None
    return Source(_TITLE, folder, migrations, history_table=table, remarks=left_out + _about_schema(settings, prefix))


def _about_schema(settings: _Settings | None, prefix: str) -> tuple[Remark, ...]:
    if settings is None or not prefix:
        return ()
    text = f"`{prefix.strip()}` is at the beginning of each file, because the tool ran it before each"
    return (Remark(Change.REWRITTEN, text, project_files.Location(settings.path)),)


def _partner(path: str, this: str = "down", other: str = "up") -> str:
    """Return the name of the file for the other direction."""
    return f"{path.removesuffix(f'.{this}.sql')}.{other}.sql"


def _migration(files: ProjectFiles, path: str, partner: str, paths: Sequence[str], search_path: str) -> SourceMigration:
    name = name_of(path)
    parsed = cast("re.Match[str]", _FILE.fullmatch(name))
    remarks: list[Remark] = []
    if len(parsed["prefix"]) == _UTC and _time(parsed["prefix"]) is None:
        place = project_files.Location(path)
        remarks.append(
            Remark(Change.REFUSED, "17 digits that are no time, so that its place in the order is open", place)
        )
    number = int(parsed["prefix"])
    if parsed["suffix"] in _CODE:
        place = location(path, files.text(path), 0)
        remarks.append(Remark(Change.REFUSED, "JavaScript or TypeScript, which zmig does not run", place))
        return SourceMigration(parsed["id"], parsed["id"], None, number=number, remarks=tuple(remarks))
    identity = parsed["id"].removesuffix(".up") if path.endswith(".up.sql") else parsed["id"]
    if path.endswith(".up.sql"):
        up: Script = _whole(path, files.text(path))
        down = _whole(partner, files.text(partner)) if partner in paths else None
    else:
        if path.endswith(".down.sql"):
            place = location(path, files.text(path), 0)
            remarks.append(Remark(Change.REFUSED, "a file to go down with none to go up", place))
        up, down, about = _parts(path, files.text(path))
        remarks += about
    up, down = _in_schemas(up, search_path), _in_schemas(down, search_path) if down else None
    return SourceMigration(identity, identity, up, number=number, down=down, remarks=tuple(remarks))


def _whole(path: str, text: str) -> Script:
    return Script(text, path, is_whole_file=True)


def _in_schemas(script: Script, search_path: str) -> Script:
    if not search_path:
        return script
    return Script(search_path + script.text, script.path, line=script.line - 1)


def _parts(path: str, text: str) -> tuple[Script, Script | None, list[Remark]]:
    """Return both directions of one file, cut as the tool cuts it."""
    up, down = _mark(text, _UP), _mark(text, _DOWN)
    remarks = [_over_lines(path, text, mark) for mark in (up, down) if mark and "\n" in text[mark.start : mark.end]]
    if up is None:
        if down is None:
            return _whole(path, text), None, remarks
        remark = "no `-- Up Migration` line: the tool runs all of the file, what is to undo it, too, and so will zmig"
        remarks.append(Remark(Change.REWRITTEN, remark, location(path, text, down.start)))
        return Script(_without_marks(text), path), _after(path, text, down, None), remarks
    first = min(up.start, down.start) if down else up.start
    if holds_sql(text[:first]):
        place = location(path, text, len(text) - len(text.lstrip()))
        remarks.append(Remark(Change.DROPPED, "what is before the first mark, which the tool never runs", place))
    return _after(path, text, up, down), _after(path, text, down, up) if down else None, remarks


def _after(path: str, text: str, mark: _Mark, other: _Mark | None) -> Script:
    """Return what follows a mark's line, up to the other mark where that comes later."""
    end = other.start if other and other.start > mark.start else len(text)
    line_end = text.find("\n", mark.end, end)
    start = end if line_end < 0 else line_end + 1
    return Script(_without_marks(text[start:end]), path, line=text.count("\n", 0, start) + 1)


def _without_marks(text: str) -> str:
    """Take the words out of marks that the tool leaves in what it runs, where they are comments."""
    found = sorted(mark for words in (_UP, _DOWN) for mark in _marks(text, words))
    for mark in reversed(found):
        text = f"{text[: mark.start]}--{text[mark.end :]}"
    return text


def _over_lines(path: str, text: str, mark: _Mark) -> Remark:
    return Remark(Change.REFUSED, "a mark over several lines, which makes them SQL", location(path, text, mark.start))


def _queries(place: Place) -> Sequence[str]:
    return (f"select name, {local_time('run_on')} from {place.quoted} order by run_on, id",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    times: dict[str, datetime | None] = {}
    for name, at in results[0]:
        times.setdefault(str(name), moment(at))
    ids = {one.id for one in source.migrations}
    apart = [name for name in times if name not in ids and name.endswith((".up", ".down"))]
    problems = tuple(
        unfinished(
            f"the tool ran `{name}.sql` as a migration of its own, and not as one of the two files of `{base}`",
            hint="name the files as they were run, or import without them",
        )
        for name in apart
        if (base := name.rpartition(".")[0]) in ids
    )
    return ToolHistory(tuple(AppliedMigration(name, at=at) for name, at in times.items()), problems=problems)


TOOL = Tool(
    _TITLE,
    _TITLE,
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.pgmigrations",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK),
    ),
)
