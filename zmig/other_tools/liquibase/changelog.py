"""The changelogs of a project from the root on, in the order in which Liquibase reads them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from zmig.errors import Location, Problem, UsageError
from zmig.other_tools.files import name_of
from zmig.other_tools.liquibase import formatted_sql, settings, tree
from zmig.other_tools.liquibase.parameters import Definition, Parameters
from zmig.other_tools.source import Change, Remark
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.liquibase.formatted_sql import FormattedFile
    from zmig.other_tools.liquibase.settings import Settings
    from zmig.other_tools.liquibase.tree import Node

_TREES = (".xml", ".yaml", ".yml", ".json")
_RESOURCES = ("src/main/resources/", "src/test/resources/")
_ROOT_NAMES = ("master", "root", "main", "changelog.")
_FILTERS = ("context", "contextFilter", "labels")
_POSTGRESQL = ("postgresql", "all")


@valueclass
class Part:
    """A file of changesets in its place, or one changeset of a tree."""

    recorded: str
    """What the history table calls the file."""
    path: str
    inherited: tuple[Remark, ...]
    """What the includes say that lead to it."""
    file: FormattedFile | None = None
    """An SQL file of changesets; None for a plain one."""
    node: Node | None = None
    """A changeset in XML, YAML or JSON."""


@valueclass
class Changelogs:
    """What a project has from its root changelog on."""

    parts: list[Part] = field(default_factory=list[Part])
    remarks: list[Remark] = field(default_factory=list[Remark])
    parameters: Parameters = field(default_factory=lambda: Parameters({}))


def is_tree(files: ProjectFiles, path: str) -> bool:
    """Return whether a file is a changelog in XML, YAML or JSON."""
    return path.lower().endswith(_TREES) and b"databaseChangeLog" in files.read(path)


def is_sql(files: ProjectFiles, path: str) -> bool:
    """Return whether a file is a changelog in SQL."""
    if not path.lower().endswith(".sql") or b"liquibase" not in files.read(path)[:2000].lower():
        return False
    return formatted_sql.is_formatted(files.text(path))


def roots(files: ProjectFiles, said: Settings, folder: str = ".") -> list[str]:
    """Return the changelogs in a folder that no other one includes; the one alone that configuration names.

    Files in SQL are roots where there is no other.
    """
    inside = [path for path in files.paths if folder == "." or path.startswith(f"{folder}/")]
    trees = [path for path in inside if is_tree(files, path)]
    names = Names(files)
    named = names.find(said.changelog, "") if said.changelog else None
    if named in inside:
        return [named]
    if not trees:
        return [path for path in inside if is_sql(files, path)]
    included = {path for one in trees for path in _included(files, names, one) if path != one}
    found = [path for path in trees if path not in included] or trees[:1]
    if len(found) > 1:
        named_so = [path for path in found if any(word in name_of(path).lower() for word in _ROOT_NAMES)]
        found = named_so if len(named_so) == 1 else found
    return found


def _included(files: ProjectFiles, names: Names, path: str) -> Iterator[str]:
    try:
        root = tree.parse(path, files.text(path))
    except UsageError:
        return
    for node in root.children:
        relative = node.is_true("relativeToChangelogFile")
        if node.name == "include" and (found := names.find(node.values.get("file", ""), path, relative=relative)):
            yield found
        elif node.name == "includeAll":
            yield from _in_folder(files, node, path)


class Names:
    """The files of a project by what changelogs call them: relative to one, or to a folder that Liquibase searches."""

    def __init__(self, files: ProjectFiles) -> None:
        self._paths = frozenset(files.paths)
        self._ending: dict[str, list[str]] = {}
        for path in files.paths:
            self._ending.setdefault(name_of(path), []).append(path)

    def find(self, name: str, including: str, *, relative: bool = False) -> str | None:
        """Return the file that a changelog means; None where none is there."""
        name = normal(name)
        if relative:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(including), name))
            return path if path in self._paths else None
        exact = next((f"{root}{name}" for root in ("", *_RESOURCES) if f"{root}{name}" in self._paths), None)
        if exact is not None:
            return exact
        ending = [path for path in self._ending.get(name_of(name), ()) if path.endswith(f"/{name}")]
        return min(ending, key=lambda path: (len(path), path), default=None)


def normal(name: str) -> str:
    """Return the name of a file as Liquibase records it."""
    plain = name.strip().removeprefix("classpath:").replace("\\", "/").lstrip("/")
    return posixpath.normpath(plain) if plain else ""


def _in_folder(files: ProjectFiles, node: Node, including: str) -> list[str]:
    """Return the files of an `includeAll`, in the order of their paths."""
    prefix = _folder(files, node, including)
    found = [path for path in files.paths if path.startswith(prefix)] if prefix is not None else []
    wanted = node.values.get("endsWithFilter", "").strip().lower()
    depths = range(int(node.values.get("minDepth") or 0), int(node.values.get("maxDepth") or 2**31))
    inside = [path for path in found if path.lower().endswith(wanted)]
    return sorted(
        path for path in inside if path[len(prefix or "") :].count("/") + 1 in range(depths.start, depths.stop + 1)
    )


def _folder(files: ProjectFiles, node: Node, including: str) -> str | None:
    name = normal(node.values.get("path", "")).rstrip("/")
    if node.is_true("relativeToChangelogFile"):
        folder = posixpath.normpath(posixpath.join(posixpath.dirname(including), name))
        return "" if folder == "." else f"{folder}/"
    for root in ("", *_RESOURCES):
        if any(path.startswith(f"{root}{name}/") for path in files.paths):
            return f"{root}{name}/"
    inner = sorted(path[: path.index(f"/{name}/") + 1] for path in files.paths if f"/{name}/" in path)
    return f"{inner[0]}{name}/" if inner else None


def read(files: ProjectFiles, folder: str) -> Changelogs:
    """Return what the changelogs of a project hold.

    Raises:
        UsageError: the root is not known for certain, or a changelog cannot be read.
    """
    said = settings.read(files)
    found = roots(files, said, folder)
    reading = _Reading(files, said)
    if len(found) > 1 and not all(path.lower().endswith(".sql") for path in found):
        message = f"`{folder}` holds more than one changelog that no other includes"
        hint = "name the root in `changelogFile` of `liquibase.properties`"
        raise UsageError(Problem("changelog-ambiguous", message, facts=tuple(found), hint=hint))
    if len(found) > 1:
        text = "no changelog includes the files: they are in the order of their paths, as `includeAll` has it"
        reading.changelogs.remarks.append(Remark(Change.KEPT, text, Location(found[0])))
    for path in found:
        reading.include(path, _recorded(path, said.changelog), ())
    reading.leave_out_others(folder)
    return reading.changelogs


def _recorded(path: str, named: str | None) -> str:
    if named and (path == normal(named) or path.endswith(f"/{normal(named)}")):
        return normal(named)
    return next((path.removeprefix(root) for root in _RESOURCES if path.startswith(root)), path)


class _Reading:
    """One pass over the changelogs."""

    def __init__(self, files: ProjectFiles, said: Settings) -> None:
        self.changelogs = Changelogs(parameters=Parameters(said.parameters))
        self._files = files
        self._names = Names(files)
        self._open: list[str] = []
        self._read: set[str] = set()

    def include(self, path: str, recorded: str, inherited: tuple[Remark, ...]) -> None:
        """Read a changelog, and those that it includes."""
        if path in self._open:
            message = f"`{path}` includes itself"
            raise UsageError(Problem("import-unreadable", message, Location(path), hint="mend the changelogs"))
        self._open.append(path)
        self._read.add(path)
        if path.lower().endswith(".sql"):
            self._sql(path, recorded, inherited)
        elif is_tree(self._files, path):
            self._tree(path, recorded, inherited)
        else:
            self._note(Change.LEFT_OUT, "no changelog, though one includes it", Location(path))
        self._open.pop()

    def leave_out_others(self, folder: str) -> None:
        """Remark on the SQL changelogs of a folder that were not read."""
        for path in self._files.paths:
            if (
                path not in self._read
                and (folder == "." or path.startswith(f"{folder}/"))
                and is_sql(self._files, path)
            ):
                self._note(Change.LEFT_OUT, "no changelog includes it", Location(path))

    def _note(self, change: Change, text: str, place: Location) -> None:
        self.changelogs.remarks.append(Remark(change, text, place))

    def _sql(self, path: str, recorded: str, inherited: tuple[Remark, ...]) -> None:
        text = self._files.text(path)
        if not formatted_sql.is_formatted(text):
            self.changelogs.parts.append(Part(recorded, path, inherited))
            return
        file = formatted_sql.read(path, text)
        for number, line in file.properties:
            name, value = formatted_sql.option(line, "name"), formatted_sql.option(line, "value")
            values = {key: formatted_sql.option(line, key) or "" for key in (*_FILTERS, "dbms")}
            is_global = (formatted_sql.option(line, "global") or "true").lower() == "true"
            if name is not None and value is not None:
                self._define(name, value, values, None if is_global else path)
            else:
                self._note(Change.REFUSED, "a property without a name or a value", Location(path, number, text=line))
        self.changelogs.remarks.extend(file.remarks)
        self.changelogs.parts.append(Part(recorded, path, inherited, file=file))

    def _define(self, name: str, value: str, values: Mapping[str, str], file: str | None) -> None:
        if not is_for_postgresql(values.get("dbms")):
            return
        depends = any(values.get(key) for key in _FILTERS)
        self.changelogs.parameters.define(Definition(name, None if depends else value, file))

    def _tree(self, path: str, recorded: str, inherited: tuple[Remark, ...]) -> None:
        root = tree.parse(path, self._files.text(path))
        said = [one.values.get(tree.OWN) for one in root.children if one.name == "logicalFilePath"]
        logical = root.values.get("logicalFilePath") or next(filter(None, said), None)
        for node in root.children:
            if node.name == "include":
                self._include(node, path, recorded, inherited)
            elif node.name == "includeAll":
                self._include_all(node, path, recorded, inherited)
            elif node.name == "property":
                self._property(node, path)
            elif node.name == "changeSet":
                name = node.values.get("logicalFilePath") or logical or recorded
                self.changelogs.parts.append(Part(normal(name), path, inherited, node=node))
            elif node.name.lower() == "preconditions":
                self._note(Change.DROPPED, "preconditions of all changesets, of which zmig has none", node.location)
            elif node.name not in ("logicalFilePath", "objectQuotingStrategy"):
                self._note(Change.REFUSED, f"`{node.name}`, which zmig has nothing for", node.location)

    def _include(self, node: Node, path: str, recorded: str, inherited: tuple[Remark, ...]) -> None:
        name, relative = node.values.get("file", ""), node.is_true("relativeToChangelogFile")
        found = self._names.find(name, path, relative=relative)
        if node.is_true("ignore"):
            self._note(Change.LEFT_OUT, "an include that says `ignore`", node.location)
        elif found is not None:
            own = normal(name)
            if relative:
                own = posixpath.normpath(posixpath.join(posixpath.dirname(recorded), own))
            self.include(found, own, inherited + _filters(node))
        elif node.values.get("errorIfMissing", "true").lower() == "true":
            self._note(Change.REFUSED, f"`{name}`, which it includes, is not there", node.location)

    def _include_all(self, node: Node, path: str, recorded: str, inherited: tuple[Remark, ...]) -> None:
        for key in ("filter", "resourceFilter", "resourceComparator"):
            if node.values.get(key):
                self._note(Change.REFUSED, f"`{key}`, which is code: name the files one by one", node.location)
        if node.is_true("ignore"):
            self._note(Change.LEFT_OUT, "an `includeAll` that says `ignore`", node.location)
            return
        prefix = _folder(self._files, node, path) or ""
        own = normal(node.values.get("path", "")).rstrip("/")
        if node.is_true("relativeToChangelogFile"):
            own = posixpath.normpath(posixpath.join(posixpath.dirname(recorded), own))
        paths = [one for one in _in_folder(self._files, node, path) if one not in self._open]
        if not paths and node.values.get("errorIfMissingOrEmpty", "true").lower() == "true":
            self._note(Change.REFUSED, "the folder that it includes is not there, or is empty", node.location)
        for one in paths:
            self.include(one, posixpath.normpath(f"{own}/{one[len(prefix) :]}"), inherited + _filters(node))

    def _property(self, node: Node, path: str) -> None:
        is_global = node.values.get("global", "true").lower() == "true"
        file = node.values.get("file")
        if file is None:
            pairs: Sequence[tuple[str, str]] = [(node.values.get("name", ""), node.values.get("value", ""))]
        else:
            found = self._names.find(file, path, relative=node.is_true("relativeToChangelogFile"))
            if found is None:
                self._note(Change.REFUSED, f"`{file}`, which has properties, is not there", node.location)
                return
            pairs = list(settings.properties(self._files.text(found)))
        for name, value in pairs:
            self._define(name, value, node.values, None if is_global else path)


def _filters(node: Node) -> tuple[Remark, ...]:
    said = [f"{key}: {node.values[key]}" for key in _FILTERS if node.values.get(key)]
    if not said:
        return ()
    text = f"what includes it says `{', '.join(said)}`, which zmig has nothing for: leave it out, or take that away"
    return (Remark(Change.REFUSED, text, node.location),)


def is_for_postgresql(dbms: str | None) -> bool:
    """Return whether a list of products, some with `!` before them, has PostgreSQL in it."""
    names = [name.strip().lower() for name in (dbms or "").split(",") if name.strip()]
    if not names:
        return True
    if "none" in names or "!postgresql" in names:
        return False
    wanted = [name for name in names if not name.startswith("!")]
    return not wanted or any(name in _POSTGRESQL for name in wanted)
