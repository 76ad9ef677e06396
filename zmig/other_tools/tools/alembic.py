"""Alembic: Python files that form a graph, and a table with the last revision of each of its branches."""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
import tomllib
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.other_tools import code
from zmig.other_tools import files as project_files
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, in_order
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.text import python_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_CONFIGURATION = "alembic.ini"
_PROJECT = "pyproject.toml"
_TEMPLATE = "script.py.mako"
_SEPARATORS = {"space": " ", "newline": "\n", "os": ":", ":": ":", ";": ";"}
_TABLE = re.compile(r"\bversion_table\s*=\s*[\"'](?P<name>\w+)[\"']")
_SCHEMA = re.compile(r"\bversion_table_schema\s*=\s*[\"'](?P<name>\w+)[\"']")
_DEFAULT_TABLE = "alembic_version"


class _Settings(NamedTuple):
    """What the configuration says, relative to the project."""

    script_location: str
    version_locations: tuple[str, ...]
    is_recursive: bool = False


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of revisions that a configuration names, or that is beside the tool's template."""
    for settings in _all_settings(files):
        for folder in settings.version_locations:
            if _revisions(files, folder, settings):
                return folder
    return None


def _all_settings(files: ProjectFiles) -> Iterator[_Settings]:
    for path in files.paths:
        values = _configuration(files, path)
        if values is not None and "script_location" in values:
            yield _settings(path.rpartition("/")[0], values)
    for path in files.paths:
        if name_of(path) == _TEMPLATE:
            base = path.rpartition("/")[0]
            yield _Settings(base, (posixpath.join(base, "versions"),))


def _configuration(files: ProjectFiles, path: str) -> Mapping[str, str] | None:
    base = path.rpartition("/")[0]
    if name_of(path) == _CONFIGURATION:
        parser = configparser.ConfigParser({"here": base or "."}, interpolation=None)
        try:
            parser.read_string(files.text(path))
        except configparser.Error:
            return None
        return dict(parser["alembic"]) if parser.has_section("alembic") else None
    if name_of(path) == _PROJECT and "tool.alembic" in files.text(path):
        try:
            found = tomllib.loads(files.text(path)).get("tool", {}).get("alembic", {})
        except tomllib.TOMLDecodeError:
            return None
        return {key: _plain(value) for key, value in cast("dict[str, object]", found).items()}
    return None


def _plain(value: object) -> str:
    return "\n".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)


def _settings(base: str, values: Mapping[str, str]) -> _Settings:
    location = _inside(base, values["script_location"])
    separator = values.get("path_separator", values.get("version_path_separator", ""))
    named = values.get("version_locations", "")
    mark = _SEPARATORS.get(separator)
    parts = named.split(mark) if mark is not None else re.split(r"[\s,]+", named)
    locations = tuple(_inside(base, one.strip()) for one in parts if one.strip())
    is_recursive = values.get("recursive_version_locations", "").lower() == "true"
    return _Settings(location, locations or (posixpath.join(location, "versions"),), is_recursive)


def _inside(base: str, name: str) -> str:
    """Return a path of a configuration: with `%(here)s` for its folder, or in a package, as `app:migrations`."""
    plain = name.replace("%(here)s", base or ".").replace("%%", "%")
    if plain.startswith(f"{base}/") and base:
        return posixpath.normpath(plain)
    package, colon, path = plain.partition(":")
    return posixpath.normpath(
        posixpath.join(base, package.replace(".", "/"), path) if colon else posixpath.join(base, plain)
    )


def _revisions(files: ProjectFiles, folder: str, settings: _Settings | None) -> list[SourceMigration]:
    inside = project_files.below if settings is not None and settings.is_recursive else project_files.children
    found = (_revision(files, path) for path in inside(files, folder) if path.endswith(".py"))
    return [one for one in found if one is not None]


def _revision(files: ProjectFiles, path: str) -> SourceMigration | None:
    """Return what a file says of itself; None for one that is no revision."""
    tree = python_tree.parsed(files.text(path))
    values = dict(code.assignments(tree.body)) if tree is not None else {}
    revision = code.texts(values["revision"]) if "revision" in values else ()
    if tree is None or not revision or "down_revision" not in values:
        return None
    after = code.texts(values["down_revision"])
    if "depends_on" in values:
        after += code.texts(values["depends_on"])
    about = (ast.get_docstring(tree) or "").strip().partition("\n")[0]
    return code.migration(path, revision[0], "Python", after=after, description=about or None)


def _read(files: ProjectFiles, folder: str) -> Source:
    found = [one for one in _all_settings(files) if folder in one.version_locations]
    settings = found[0] if found else None
    folders = settings.version_locations if settings is not None else (folder,)
    migrations = [one for each in dict.fromkeys(folders) for one in _revisions(files, each, settings)]
    if not migrations:
        raise nothing_to_import(folder, "Alembic", "versions/ae1027a6acf_add_users.py")
    table = _table(files, settings.script_location) if settings is not None else None
    return Source("alembic", folder, tuple(code.in_order(migrations)), history_table=table)


def _table(files: ProjectFiles, location: str) -> str | None:
    """Return the table that the environment's code sets in plain words."""
    path = posixpath.join(location, "env.py")
    text = files.text(path) if path in files.paths else ""
    table, schema = _TABLE.search(text), _SCHEMA.search(text)
    if table is None and schema is None:
        return None
    return f"{schema['name'] if schema else 'public'}.{table['name'] if table else _DEFAULT_TABLE}"


def _queries(place: Place) -> Sequence[str]:
    return (f"select version_num from {place.quoted} order by version_num",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    """Return the revisions in the table, and all that come before them."""
    known = {one.id: one for one in source.migrations}
    heads = [_full(str(row[0]), known) for row in results[0]]
    waiting, applied = list(heads), set[str]()
    while waiting:
        one = waiting.pop()
        if one not in applied:
            applied.add(one)
            waiting += [_full(before, known) for before in known[one].after] if one in known else []
    notes = tuple(
        f"no file is of revision `{one}`, so what came before it is not known"
        for one in heads
        if known and one not in known
    )
    return ToolHistory(in_order((AppliedMigration(one) for one in sorted(applied)), source), notes=notes)


def _full(revision: str, known: Mapping[str, SourceMigration]) -> str:
    """Return a revision that may be written by its first letters."""
    if revision in known:
        return revision
    found = [one for one in known if one.startswith(revision)]
    return found[0] if len(found) == 1 else revision


TOOL = Tool(
    "alembic",
    "Alembic",
    language=Language.CODE,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.alembic_version",
        queries=_queries,
        read=_read_history,
    ),
    render="alembic upgrade BEFORE:REVISION --sql",
)
