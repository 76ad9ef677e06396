"""Where a project's files for Flyway are, and what else its configuration says that no file does."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zmig.other_tools.files import is_for_tests, name_of
from zmig.other_tools.source import Change, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.flyway.configuration import Configuration

_DEFAULTS = ("filesystem:sql", "filesystem:migrations", "classpath:db/migration")
_CLASSPATH = ("classpath:db/migration",)
_BUILD_FILES = (
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "package.json",
    "Makefile",
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
)
_ONLY_FLYWAY = re.compile(r"(?:V[0-9]+(?:[._][0-9]+){2,}__.+|V[0-9]+_[0-9]+__.+|R__.+)\.sql")
_VERSIONED = re.compile(r"V[0-9]+(?:[._][0-9]+)*__.*\.sql")
_USUAL = "db/migration"


def of(files: ProjectFiles, configuration: Configuration) -> list[str]:
    """Return the folders that a configuration names, or those that are used without one; some may be in others."""
    folders = _folders(files)
    bases = {path.rpartition("/")[0] for path in configuration.paths} | {""}
    named = configuration.items("locations")
    if not configuration.paths:
        named = _CLASSPATH
    elif not named:
        named = _CLASSPATH if configuration.is_spring else _DEFAULTS
    found: list[str] = []
    for location in named:
        found += [folder for folder in folders if _is_at(folder, location, bases) and folder not in found]
    return found


def _folders(files: ProjectFiles) -> list[str]:
    """Return all folders that hold files for other than tests, those within fewer others first."""
    folders: set[str] = {"."}
    for path in files.paths:
        parts = path.split("/")[:-1]
        folders.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return sorted((one for one in folders if not is_for_tests(f"{one}/")), key=lambda one: (one.count("/"), one))


def _is_at(folder: str, location: str, bases: set[str]) -> bool:
    """Return whether a folder is what a location of Flyway's names."""
    kind, separator, rest = location.partition(":")
    if not separator:
        kind, rest = "classpath", location
    wanted = _parts(rest.replace("{vendor}", "postgresql"))
    parts = _parts(folder)
    match kind:
        case "classpath":
            # One name alone may be any folder's: then it has to be among the resources of a build.
            is_any = len(wanted) > 1
            starts = [one for one in range(len(parts)) if is_any or parts[one - 1 : one] in ([], ["resources"])]
            return any(_fits(parts[start:], wanted) for start in starts)
        case "filesystem" if rest.strip().startswith("/"):
            # An absolute path, as in a container: what is there may be any folder that ends alike.
            return bool(parts and wanted) and fnmatchcase(parts[-1], wanted[-1])
        case "filesystem":
            return any(_fits(parts, [*_parts(base), *wanted]) for base in bases)
        case _:
            return False


def _parts(path: str) -> list[str]:
    return [part for part in path.strip().split("/") if part not in ("", ".")]


def _fits(parts: list[str], wanted: list[str]) -> bool:
    """Return whether a path is like another one in which `*` is a part of a name, and `**` any number of folders."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[count:], wanted[1:]) for count in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def unmistakable(files: ProjectFiles) -> str | None:
    """Return the folder that is Flyway's without a configuration; its files alone might be refinery's."""
    paths = [path for path in files.paths if not is_for_tests(path)]
    is_built = any(_names_flyway(files, path) for path in paths)
    versioned = [path for path in paths if _VERSIONED.fullmatch(name_of(path))]
    folders = {path.rpartition("/")[0] or "." for path in versioned}
    sure = {path.rpartition("/")[0] or "." for path in paths if _ONLY_FLYWAY.fullmatch(name_of(path))}
    usual = {one for one in folders if f"/{one}".endswith(f"/{_USUAL}")}
    candidates = usual or (folders if is_built else set[str]()) or sure
    return min(candidates, key=lambda one: (one.count("/"), one), default=None)


def _names_flyway(files: ProjectFiles, path: str) -> bool:
    return name_of(path) in _BUILD_FILES and "flyway" in files.text(path).lower()


def remarks(configuration: Configuration) -> Iterator[Remark]:
    """Yield what a configuration says that zmig has no key for."""
    settings = configuration.settings
    for item in configuration.items("locations"):
        if ":" in item and item.partition(":")[0] not in ("classpath", "filesystem"):
            message = f"`{item}` cannot be read here: fetch its files, and import that folder"
            yield Remark(Change.REFUSED, message, settings["locations"].location)
    if configuration.schema not in (None, "public"):
        key = "defaultschema" if configuration.text("defaultschema") else "schemas"
        message = (
            f"Flyway runs its files with `search_path` set to `{configuration.schema}`, zmig with what the role and "
            "the database have: set it there, where names in the files have no schema"
        )
        yield Remark(Change.LEFT_OUT, message, settings[key].location)
    for key in ("initsql", "initsqls"):
        if key in settings:
            message = "SQL for each connection: put what it sets into the role's settings, and a role into `run_as`"
            yield Remark(Change.LEFT_OUT, message, settings[key].location)
    if configuration.is_on("group", default=False):
        message = "all of a run in one transaction: in zmig each migration has its own"
        yield Remark(Change.DROPPED, message, settings["group"].location)
    for key in ("resolvers", "callbacks"):
        if configuration.items(key):
            message = "classes of your own, which zmig does not run"
            yield Remark(Change.REFUSED if key == "resolvers" else Change.LEFT_OUT, message, settings[key].location)
