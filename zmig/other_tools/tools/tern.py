"""tern: numbered SQL files that are templates, each with an up and a down part, and a table with one number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.other_tools import files as project_files
from zmig.other_tools import placeholders
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, advisory_lock
from zmig.other_tools.problems import nothing_to_import, unfinished
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_FILE = re.compile(r"(?P<number>\d+)_.+\.sql", re.ASCII)
_MARK = "---- create above / drop below ----"
_NO_TRANSACTION = re.compile(r"^---- tern: disable-tx ----$", re.MULTILINE)
_VALUE = re.compile(r"\{\{[ \t\n]*\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t\n]*\}\}")
_MOST_REPORTED = 100
"""Each is looked for from the file's beginning, to say its line."""
_LARGEST = 2**31 - 1
_LOCK = 9628173550095224


class _Settings(NamedTuple):
    """What `tern.conf` says."""

    table: str | None = None
    data: Mapping[str, str | None] = {}
    """Values for templates; None for one that is made by a template itself."""


def _find(files: ProjectFiles) -> str | None:
    """Return the folder whose files have tern's mark: nothing else does; else one beside `tern.conf`."""
    folders = sorted({path.rpartition("/")[0] or "." for path in files.paths if path.endswith(".sql")})
    for folder in folders:
        if any(_MARK in files.text(path) for path in _migrations(files, folder)):
            return folder
    for path in files.paths:
        if name_of(path) == "tern.conf":
            base = path.rpartition("/")[0]
            for folder in (base or ".", f"{base}/migrations".lstrip("/")):
                if _migrations(files, folder):
                    return folder
    return None


def _migrations(files: ProjectFiles, folder: str) -> list[str]:
    found = [path for path in project_files.children(files, folder) if _FILE.fullmatch(name_of(path))]
    return sorted(found, key=lambda path: (_number(path), path))


def _number(path: str) -> int:
    return int(cast("re.Match[str]", _FILE.fullmatch(name_of(path)))["number"])


def _read(files: ProjectFiles, folder: str) -> Source:
    paths = _migrations(files, folder)
    if not paths:
        raise nothing_to_import(folder, "tern", "001_add_users.sql")
    settings = _settings(files, folder)
    used: set[str] = set()
    migrations = tuple(_migration(path, files.text(path), rank, settings, used) for rank, path in enumerate(paths, 1))
    shared = tuple(
        Remark(Change.LEFT_OUT, "shared by templates, and no migration", location(path, files.text(path), 0))
        for path in project_files.below(files, folder)
        if path.endswith(".sql") and path not in paths
    )
    return Source(
        "tern",
        folder,
        migrations,
        variables={name: settings.data.get(name) for name in sorted(used)},
        history_table=settings.table,
        remarks=shared,
    )


def _settings(files: ProjectFiles, folder: str) -> _Settings:
    """Return what the configuration nearest to a folder says."""
    found = [path for path in files.paths if name_of(path) == "tern.conf"]
    near = [path for path in found if f"{folder}/".startswith(path.removesuffix("tern.conf"))]
    if not near and not found:
        return _Settings()
    section, table = "", None
    data: dict[str, str | None] = {}
    for line in files.text(max(near or found, key=len)).splitlines():
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1].strip()
        elif "=" in text and text[0] not in "#;":
            key, _, value = (one.strip() for one in text.partition("="))
            is_template = "{{" in value
            if section == "data":
                data[key] = None if is_template else value
            elif section == "database" and key == "version_table" and not is_template:
                table = value
    return _Settings(table, data)


def _migration(path: str, text: str, rank: int, settings: _Settings, used: set[str]) -> SourceMigration:
    number = _number(path)
    remarks: list[Remark] = []
    if number != rank or number > _LARGEST:
        problem = f"{number} in the place of {rank}: tern refuses numbers that are not consecutive from 1"
        remarks.append(Remark(Change.REFUSED, problem, location(path, text, 0)))
    end = text.find(_MARK)
    parts = [(0, len(text))] if end < 0 else [(0, end), (end + len(_MARK), len(text))]
    scripts = [_script(path, text, start, stop, settings, remarks) for start, stop in parts]
    names = frozenset[str]().union(*(names for _, names in scripts))
    used |= names
    up = scripts[0][0]
    if end < 0 and up.text == text:
        up = Script(text, path, is_whole_file=True, transactional=up.transactional)
    return SourceMigration(
        str(number),
        name_of(path).removesuffix(".sql"),
        up,
        number=number,
        down=scripts[1][0] if len(scripts) > 1 else None,
        has_variables=bool(names),
        remarks=tuple(remarks),
    )


def _script(
    path: str, text: str, start: int, end: int, settings: _Settings, remarks: list[Remark]
) -> tuple[Script, frozenset[str]]:
    """Return the script of one direction, and the variables in it."""
    part = text[start:end]
    begin = start + len(part) - len(part.lstrip())
    rewritten = placeholders.rewrite(text[begin:end], _VALUE, lambda one: one["name"])
    unknown: dict[str, int] = {}
    refused: list[tuple[int, int]] = []
    for first, last in _templates(text, begin, end):
        value = _VALUE.fullmatch(text, first, last)
        if value is None:
            refused.append((first, last))
        elif settings.data.get(value["name"]) is None:
            unknown.setdefault(value["name"], first)
    for first, last in refused[:_MOST_REPORTED]:
        place = location(path, text, first, width=len(text[first:last].partition("\n")[0]))
        remarks.append(Remark(Change.REFUSED, "a template: write the SQL that it makes", place))
    for name, offset in unknown.items():
        message = f"`{name}` has no value in `tern.conf`: the environment has to give it"
        remarks.append(Remark(Change.KEPT, message, location(path, text, offset)))
    for offset in rewritten.unwritable:
        place = location(path, text, begin + offset)
        remarks.append(Remark(Change.REFUSED, "a `$` that zmig would take for a variable's", place))
    outside = _NO_TRANSACTION.search(rewritten.text) is not None
    script = Script(
        rewritten.text,
        path,
        line=text.count("\n", 0, begin) + 1,
        transactional=False if outside else None,
    )
    return script, rewritten.names


def _templates(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where a part of a text has templates; one that is not closed goes on to its end."""
    while (first := text.find("{{", start, end)) >= 0:
        last = text.find("}}", first + 2, end)
        start = end if last < 0 else last + 2
        yield first, start


def _queries(place: Place) -> Sequence[str]:
    return (f"select version from {place.quoted} order by version",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    """Return all migrations up to the number in the table as applied: tern keeps nothing else."""
    versions = [int(str(row[0])) for row in results[0]]
    if len(versions) > 1:
        problem = unfinished(
            "the table has more than one row, and nobody can say which of them tern goes by",
            hint="delete those that are wrong",
            facts=(f"versions: {', '.join(map(str, versions))}",),
        )
        return ToolHistory((), problems=(problem,))
    last = versions[0] if versions else 0
    return ToolHistory(tuple(AppliedMigration(str(number)) for number in range(1, last + 1)))


TOOL = Tool(
    "tern",
    "tern",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.schema_version",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK),
    ),
)
