"""From a project's files to a plan: the tool is found, its migrations are read, converted, numbered and named."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location, Problem, UsageError
from zmig.importing import conversion, detection, numbering
from zmig.importing.file_names import FileNames
from zmig.importing.plan import ImportPlan, PlannedFile, PlannedMigration
from zmig.model import Kind
from zmig.other_tools.source import Change, Remark
from zmig.other_tools.tool import Language
from zmig.project import draft, inclusion
from zmig.text.nearest import nearest
from zmig.text.secrets import names_secret
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from zmig.importing.conversion import ConvertedScript
    from zmig.importing.folder import FolderFiles
    from zmig.importing.numbering import Identity
    from zmig.manifest.declaration import Declaration
    from zmig.other_tools.source import Source, SourceMigration
    from zmig.other_tools.tool import Tool
    from zmig.project.inclusion import Inclusion, LoadedManifest


_HEADER = "-- imported from "
_LONGEST_HEADER = 40
_LONGEST_PATH = 8_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
"""What no manifest has in a path, and what may end a line."""
_ANYBODYS = frozenset({"changes", "migrations"})
"""What a tool's table is called, and many another is, too."""


def plan_of(
    files: FolderFiles,
    tool_name: str | None = None,
    *,
    manifest: Path,
    leave_out: Collection[str] = (),
    given: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ImportPlan:
    """Return what importing a project would write; nothing is written here.

    `leave_out` are migrations by their ids or names; `given` is how the folder was named. What the manifest has
    already, by name, stays as it is.

    Raises:
        UsageError: the tool is not known for certain, it has no migrations there, or what is left out is none of them.
        ManifestError: the manifest is there, and has problems.
    """
    declared = _Declared.read(manifest, environ)
    files.hide(declared.own_files())
    found = detection.choose(files, tool_name, given=given, declared=tuple(declared.files()))
    source = _read(files, found)
    left_out = _left_out(source, leave_out)
    kept = [one for one in source.migrations if one not in left_out]
    gone = declared.gone(files)
    identities = numbering.identities(kept, declared.versions, gone)
    table = (source.history_table or found.tool.history.default).rpartition(".")[2]
    own_table = "" if table in _ANYBODYS else table
    planner = _Planner(files, source, manifest, identities, own_table=own_table, named=declared.named(files))
    planned: list[PlannedMigration] = []
    code: list[Remark] = []
    renamed: list[Remark] = []
    is_code = found.tool.language is Language.CODE and not _is_all_sql(kept, identities, declared)
    for one, identity in zip(kept, identities, strict=True):
        if one.up is not None and gone.get(identity.version) == identity.name != numbering.fitting(one.name):
            what = f"`{identity.name}` in the manifest has its number, and its file is gone: it is that one, renamed"
            renamed.append(Remark(Change.KEPT, what, Location(one.up.path)))
        migration = declared.migration(one, identity) or (None if is_code else planner.migration(one, identity))
        if migration is not None:
            planned.append(migration)
        else:
            code += _of_code(one, found.tool)
    variables, about_secrets = _variables(source, planner.variables - declared.variables)
    return ImportPlan(
        source,
        found.tool.title,
        manifest,
        tuple(sorted(planned, key=lambda one: (one.kind is Kind.REPEATABLE, one.version))),
        is_declared=declared.inclusion is not None,
        is_code=is_code,
        variables=variables,
        left_out=left_out,
        remarks=_located(files, (*source.remarks, *about_secrets, *renamed, *code)),
    )


def _is_all_sql(migrations: Sequence[SourceMigration], identities: Sequence[Identity], declared: _Declared) -> bool:
    """Whether migrations of a tool that also has others are SQL this time, but for those that somebody has written."""
    written = [identity.name in declared.entries for identity in identities]
    found = [one.up is not None for one in migrations]
    return any(found) and all(sql or known for sql, known in zip(found, written, strict=True))


def _variables(source: Source, names: Collection[str]) -> tuple[dict[str, str | None], list[Remark]]:
    """Return the values for the manifest, and a remark on each that is none to be written there."""
    kept = [name for name in sorted(names) if source.variables.get(name) is not None and names_secret(name)]
    values = {name: None if name in kept else source.variables.get(name) for name in sorted(names)}
    what = "may be a secret, so that the manifest does not have its value: the environment has to give it"
    return values, [Remark(Change.KEPT, f"`{name}` {what}", Location(source.folder)) for name in kept]


def _of_code(migration: SourceMigration, tool: Tool) -> Iterator[Remark]:
    """Yield what is to be known of a migration that is code, and gets no entry."""
    for remark in migration.remarks:
        more = f": `{tool.render}` writes it as SQL" if tool.render is not None else ""
        yield replace(remark, text=f"{remark.text}{more}")


def default_manifest(folder: Path, cwd: Path) -> Path:
    """Return the manifest that is written where none is named: after the project's folder."""
    inside = folder.resolve().is_relative_to(cwd.resolve())
    name = re.sub(r"[^\w.-]+", "-", (cwd if inside else folder).resolve().name).strip("-.")
    return Path("manifests", f"{name or 'database'}.yaml")


def _read(files: FolderFiles, found: detection.Found) -> Source:
    try:
        return found.tool.read(files, found.folder)
    except UsageError as error:
        raise UsageError(*(_shown(files, problem) for problem in error.problems)) from None


def _shown(files: FolderFiles, problem: Problem) -> Problem:
    return problem if problem.location is None else replace(problem, location=files.located(problem.location))


def _located(files: FolderFiles, remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple(replace(remark, location=files.located(remark.location)) for remark in remarks)


class _Declared(NamedTuple):
    """What the manifest has already."""

    inclusion: Inclusion | None
    """None where there is no manifest."""
    entries: Mapping[str, tuple[LoadedManifest, Declaration]]
    """By name."""

    @classmethod
    def read(cls, manifest: Path, environ: Mapping[str, str]) -> _Declared:
        """Return what is there. Raises ManifestError."""
        if not manifest.exists():
            return cls(None, {})
        found = inclusion.read(manifest, environ=environ)
        found.raise_for_problems()
        entries = {
            declaration.name: (opened, declaration)
            for opened in found.opened
            for declaration in opened.manifest.declarations
            if declaration.name is not None
        }
        return cls(found, entries)

    def files(self) -> Iterator[Path]:
        """Yield the files that entries name."""
        for opened, entry in self.entries.values():
            yield from (opened.folder.path(name) for name in (entry.file, entry.rollback) if name is not None)

    def own_files(self) -> Iterator[Path]:
        """Yield the files that zmig has written, which the other tool might take for its own."""
        return filter(_begins_as_own, self.files())

    def gone(self, files: FolderFiles) -> dict[int, str]:
        """Return the entries, by version, that are made of a file which the other tool does not have any more."""
        return {
            entry.version: name
            for name, (opened, entry) in self.entries.items()
            if entry.version is not None and entry.file is not None and _is_gone(opened.folder.path(entry.file), files)
        }

    def named(self, files: FolderFiles) -> dict[str, str]:
        """Return the tool's own files that entries name, each with the name of its entry."""
        root = os.path.realpath(files.root)
        return {
            os.path.relpath(os.path.realpath(opened.folder.path(entry.file)), root): name
            for name, (opened, entry) in self.entries.items()
            if entry.file is not None
        }

    @property
    def versions(self) -> dict[str, int]:
        """The versions of all entries, by name."""
        return {name: entry.version for name, (_, entry) in self.entries.items() if entry.version is not None}

    @property
    def variables(self) -> frozenset[str]:
        """The variables that it has."""
        return frozenset() if self.inclusion is None else frozenset(self.inclusion.opened[0].manifest.variables)

    def migration(self, source: SourceMigration, identity: Identity) -> PlannedMigration | None:
        """Return a migration as its entry has it; None for one that has none."""
        found = self.entries.get(identity.name)
        if found is None:
            return None
        opened, entry = found
        return PlannedMigration(
            source,
            identity.version,
            identity.name,
            file=PlannedFile(opened.folder.path(entry.file or "")),
            rollback=None if entry.rollback is None else PlannedFile(opened.folder.path(entry.rollback)),
            kind=entry.effective_kind or Kind.SQL,
            transaction=entry.transaction,
            has_variables=entry.has_variables,
            is_empty=entry.is_empty,
            description=entry.description,
            is_declared=True,
        )


def _begins_as_own(path: Path) -> bool:
    """Whether a file begins as those do that an import has written, or that undo what `zmig create` has."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_HEADER).startswith((_HEADER.encode(), draft.UNDOES.encode()))
    except OSError:
        return False


def _is_gone(path: Path, files: FolderFiles) -> bool:
    """Whether a file is not there, or was written by an import of one that is not there."""
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST_PATH).decode(errors="replace").rstrip()
    except OSError:
        return True
    return first.startswith(_HEADER) and first.removeprefix(_HEADER).partition(": ")[2] not in files.paths


def _left_out(source: Source, names: Collection[str]) -> tuple[SourceMigration, ...]:
    every = {name for one in source.migrations for name in (one.id, one.name)}
    for name in names:
        if name not in every:
            near = nearest(name, every)
            message = f"`{name}` is no migration of `{source.folder}`, so it cannot be left out"
            hint = f"write `--leave-out {near}`" if near is not None else "see them with `zmig import`"
            raise UsageError(Problem("unknown-migration", message, hint=hint))
    return tuple(one for one in source.migrations if one.id in names or one.name in names)


class _Planner:
    """Plans the migrations that the manifest does not have yet."""

    def __init__(
        self,
        files: FolderFiles,
        source: Source,
        manifest: Path,
        identities: Collection[Identity],
        *,
        own_table: str,
        named: Mapping[str, str],
    ) -> None:
        self._files = files
        self._entries = named
        self._own_table = own_table
        self._source = source
        highest = max((one.version for one in identities), default=0)
        self._names = FileNames(manifest, files.root / source.folder, highest=highest)
        self._named: set[str] = set()
        self.variables: set[str] = set()

    def migration(self, source: SourceMigration, identity: Identity) -> PlannedMigration:
        """Return what becomes of one."""
        converted = conversion.convert(source, self._source, self._files, own_table=self._own_table)
        self.variables |= converted.variables
        stem = self._names.stem(identity, number=source.number)
        up, down = converted.up, converted.down
        file = PlannedFile(Path(stem)) if up is None else self._file(up, f"{stem}.sql")
        return PlannedMigration(
            source,
            identity.version,
            identity.name,
            file=file,
            rollback=None if down is None else self._file(down, f"{stem}.rollback.sql"),
            kind=Kind.SQL if source.repeats is None else Kind.REPEATABLE,
            transaction=converted.transaction,
            has_variables=converted.has_variables,
            is_empty=up is not None and up.is_empty,
            description=" ".join(source.description.split()) or None if source.description else None,
            remarks=_located(self._files, (*converted.remarks, *self._taken(up))),
        )

    def _taken(self, script: ConvertedScript | None) -> Iterator[Remark]:
        """Yield what is wrong where the entry of another migration names all of a file, which has more since."""
        entry = None if script is None else self._entries.get(script.path)
        if script is not None and entry is not None:
            what = (
                f"`{entry}` in the manifest names this file, which has this one since: "
                f"write `name: {entry}` there, and a file that holds what it was, and no more"
            )
            yield Remark(Change.REFUSED, what, script.location)

    def _file(self, script: ConvertedScript, name: str) -> PlannedFile:
        """Return the file of a script: the tool's own where it can be named, which is once."""
        is_sql = script.path.lower().endswith(".sql") and _CONTROL.search(script.path) is None
        if not script.is_changed and is_sql and script.path not in self._named:
            self._named.add(script.path)
            return PlannedFile(self._files.path(script.path))
        return PlannedFile(self._names.folder / name, _text(script, self._source.tool))


def _text(script: ConvertedScript, tool: str) -> str:
    """Return what a new file holds: where it comes from, and the script."""
    body = script.text.rstrip()
    while (end := body.find("\n")) >= 0 and not body[:end].strip():
        body = body[end + 1 :]
    line_end = "\r\n" if "\r\n" in body else "\n"
    origin = f"{_HEADER}{tool}: {_CONTROL.sub(' ', script.path)}"
    return line_end.join((origin, "", body, "") if body else (origin, ""))
