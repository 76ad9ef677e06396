"""Django: Python files by application, which depend on each other, and a table with a row for each."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from zmig.other_tools import code
from zmig.other_tools.files import name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.text import python_tree
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_FOLDER = "migrations"
_IMPORT = re.compile(r"^[^\S\n]*+from\s++django\.(?:contrib\.gis\.)?db\s++import\s++.*\bmigrations\b", re.MULTILINE)
_MANAGE = "DJANGO_SETTINGS_MODULE"


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of the program that manages a project, or the only application's."""
    for path in files.paths:
        if name_of(path) == "manage.py" and _MANAGE in files.text(path):
            folder = path.rpartition("/")[0] or "."
            if any(_paths(files, folder)):
                return folder
    folders = {path.rpartition("/")[0] for path in _paths(files, ".") if _IMPORT.search(files.text(path))}
    return folders.pop() if len(folders) == 1 else "." if folders else None


def _paths(files: ProjectFiles, folder: str) -> Iterator[str]:
    """Yield the files that may be migrations, in a folder and all below it."""
    prefix = "" if folder == "." else f"{folder}/"
    for path in files.paths:
        parts = path.split("/")
        is_inside = len(parts) > 1 and parts[-2] == _FOLDER and path.startswith(prefix)
        if is_inside and path.endswith(".py") and not parts[-1].startswith(("_", "~")):
            yield path


def _read(files: ProjectFiles, folder: str) -> Source:
    found = (_migration(files, path) for path in _paths(files, folder))
    migrations = [one for one in found if one is not None]
    if not migrations:
        raise nothing_to_import(folder, "Django", "shop/migrations/0001_initial.py")
    return Source("django", folder, tuple(code.in_order(migrations)))


def _migration(files: ProjectFiles, path: str) -> SourceMigration | None:
    """Return what a file's class `Migration` says; None where it has none."""
    tree = python_tree.parsed(files.text(path))
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            values = dict(code.assignments(node.body))
            name = name_of(path).removesuffix(".py")
            identity = f"{_application(files, path)}.{name}"
            migration = code.migration(path, identity, "Python", after=_named(values.get("dependencies")))
            return replace(migration, replaces=_named(values.get("replaces")))
    return None


def _named(pairs: ast.expr | None) -> tuple[str, ...]:
    """Return the migrations that a list of pairs of an application and a name has."""
    listed = [code.texts(one) for one in pairs.elts] if isinstance(pairs, ast.List | ast.Tuple) else []
    return tuple(".".join(one) for one in listed if len(one) == 2)


def _application(files: ProjectFiles, path: str) -> str:
    """Return the label of the application that a migration belongs to: its folder's name, unless it says another."""
    folder = path.rpartition("/")[0].removesuffix(_FOLDER).rstrip("/")
    apps = f"{folder}/apps.py".lstrip("/")
    tree = python_tree.parsed(files.text(apps)) if apps in files.paths else None
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.ClassDef):
            label = dict(code.assignments(node.body)).get("label")
            if label is not None and code.texts(label):
                return code.texts(label)[0]
    return name_of(folder)


def _queries(place: Place) -> Sequence[str]:
    return (f"select app, name, applied from {place.quoted} order by id",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    times = {f"{app}.{name}": moment(at) for app, name, at in results[0]}
    return ToolHistory(tuple(AppliedMigration(id, at=at) for id, at in times.items()))


TOOL = Tool(
    "django",
    "Django",
    language=Language.CODE,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.django_migrations",
        queries=_queries,
        read=_read_history,
    ),
    render="python manage.py sqlmigrate APP NAME",
)
