"""From a project's files to a plan: the tool is found, its migrations are read, converted, numbered and named."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Location, Problem, UsageError
from zmig.importing import conversion, copies, detection, left_out, numbering, outdated, renaming, squashed
from zmig.importing.declared import Declared
from zmig.importing.file_names import FileNames
from zmig.importing.plan import ImportPlan, PlannedFile, PlannedMigration
from zmig.model import Kind
from zmig.other_tools.source import Change, Remark, on_one_line
from zmig.other_tools.tool import Language
from zmig.text.secrets import names_secret
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from zmig.importing.conversion import ConvertedMigration, ConvertedScript
    from zmig.importing.declared import DeclaredEntry
    from zmig.importing.folder import FolderFiles
    from zmig.importing.numbering import Identity
    from zmig.other_tools.source import Source, SourceMigration
    from zmig.other_tools.tool import Tool


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

    `leave_out` are migrations by their ids or names, beside those that the manifest has for that; `given` is how the
    folder was named. What the manifest has already stays as it is; it is known again by name, and by what else says it.

    Raises:
        UsageError: the tool is not known for certain, it has no migrations there, or what is left out is none of them.
        ManifestError: the manifest is there, and has problems.
    """
    declared = Declared.read(manifest, environ)
    files.hide(declared.own_files())
    found = detection.choose(files, tool_name, given=given, declared=tuple(declared.files()))
    source = _read(files, found)
    without = left_out.find(source, leave_out, declared)
    wanted = [one for one in source.migrations if one not in without.all]
    parts = squashed.find(wanted, declared, source.tool)
    kept = [one for one in wanted if one.id not in parts.inside]
    table = (source.history_table or found.tool.history.default).rpartition(".")[2]
    own_table = "" if table in _ANYBODYS else table
    planner = _Planner(files, source, own_table=own_table, named=declared.named(files))
    known = renaming.known(kept, declared.entries, files, tool=source.tool, text_of=planner.text)
    identities = numbering.identities(kept, declared.versions, known.names)
    planner.choose_names(manifest, identities)
    planned: list[PlannedMigration] = []
    code: list[Remark] = []
    is_code = found.tool.language is Language.CODE and not _is_all_sql(kept, identities, declared)
    for one, identity in zip(kept, identities, strict=True):
        entry = declared.entries.get(identity.name)
        if entry is not None:
            planned.append(planner.declared(one, identity, entry))
        elif is_code:
            code += _of_code(one, found.tool)
        else:
            doubt = _located(files, _doubts(one, parts.unclear))
            new = planner.migration(one, identity)
            planned.append(replace(new, remarks=(*new.remarks, *doubt)))
    variables, about_secrets = _variables(source, planner.variables - declared.variables)
    return ImportPlan(
        source,
        found.tool.title,
        manifest,
        tuple(sorted(planned, key=lambda one: (one.kind is Kind.REPEATABLE, one.version))),
        is_declared=declared.is_there,
        is_code=is_code,
        variables=variables,
        left_out=(*without.all, *(one for one in wanted if one.id in parts.inside)),
        to_leave_out=without.new,
        renamed=tuple(replace(one, remark=_located(files, (one.remark,))[0]) for one in known.renamed),
        remarks=_located(
            files,
            (
                *source.remarks,
                *_passed_over(files, source),
                *about_secrets,
                *known.remarks,
                *_parts(wanted, parts.inside),
                *code,
            ),
        ),
    )


def _passed_over(files: FolderFiles, source: Source) -> Iterator[Remark]:
    """Yield what could not be looked at; where that is among the migrations, one may be missing."""
    for name, reason in sorted(files.passed_over.items()):
        folder = name.rpartition("/")[0] or "."
        is_among = folder == source.folder or (source.folder != "." and f"{folder}/".startswith(f"{source.folder}/"))
        is_refused = is_among and (source.folder != "." or name.lower().endswith(".sql"))
        yield Remark(Change.REFUSED if is_refused else Change.LEFT_OUT, reason, Location(name))


def _is_all_sql(migrations: Sequence[SourceMigration], identities: Sequence[Identity], declared: Declared) -> bool:
    """Whether migrations of a tool that also has others are SQL this time, but for those that somebody has written."""
    written = [identity.name in declared.entries for identity in identities]
    found = [one.up is not None for one in migrations]
    return any(found) and all(sql or known for sql, known in zip(found, written, strict=True))


def _parts(migrations: Iterable[SourceMigration], inside: Mapping[str, str]) -> Iterator[Remark]:
    """Yield which migrations get no entry, since a squash has them."""
    for one in migrations:
        if one.id in inside and one.up is not None:
            what = f"`{inside[one.id]}` in the manifest replaces it, so that it gets no entry"
            yield Remark(Change.LEFT_OUT, what, Location(one.up.path))


def _doubts(one: SourceMigration, unclear: Mapping[str, str]) -> Iterator[Remark]:
    """Yield what is to be known of a migration that may be in a squash, and would be done again then."""
    if one.id in unclear and one.up is not None:
        what = f"it may be in `{unclear[one.id]}`, which replaces earlier ones: if it is, leave it out"
        yield Remark(Change.REFUSED, what, Location(one.up.path))


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


class _Planner:
    """Plans the migrations that the manifest does not have yet."""

    def __init__(self, files: FolderFiles, source: Source, *, own_table: str, named: Mapping[str, str]) -> None:
        self._files = files
        self._entries = named
        self._own_table = own_table
        self._source = source
        self._converted: dict[int, ConvertedMigration] = {}
        self._named: set[str] = set()
        self._names: FileNames | None = None
        self.variables: set[str] = set()

    def choose_names(self, manifest: Path, identities: Collection[Identity]) -> None:
        """Take what all are called, before files get their names."""
        highest = max((one.version for one in identities), default=0)
        self._names = FileNames(manifest, self._files.root / self._source.folder, highest=highest)

    def text(self, source: SourceMigration) -> str | None:
        """Return what zmig would run of a migration; None where that is nothing."""
        up = self._convert(source).up
        return None if up is None or up.is_empty else up.text

    def _convert(self, source: SourceMigration) -> ConvertedMigration:
        if (found := self._converted.get(id(source))) is None:
            found = conversion.convert(source, self._source, self._files, own_table=self._own_table)
            self._converted[id(source)] = found
        return found

    def declared(self, source: SourceMigration, identity: Identity, entry: DeclaredEntry) -> PlannedMigration:
        """Return a migration as its entry has it, and what has changed in the tool's file since it was copied."""
        declaration = entry.declaration
        planned = PlannedMigration(
            source,
            identity.version,
            identity.name,
            file=PlannedFile(entry.path),
            rollback=None if entry.rollback is None else PlannedFile(entry.rollback),
            kind=declaration.effective_kind or Kind.SQL,
            transaction=declaration.transaction,
            has_variables=declaration.has_variables,
            is_empty=declaration.is_empty,
            description=declaration.description,
            is_declared=True,
        )
        if source.up is None or not outdated.may_be(entry, self._folder):
            return planned
        converted = self._convert(source)
        found = outdated.compared(planned, entry, converted, self._files, folder=self._folder, tool=self._source.tool)
        if found.new_files:
            self.variables |= converted.variables
        return replace(found, remarks=_located(self._files, found.remarks))

    @property
    def _folder(self) -> Path:
        """Where new files are put."""
        assert self._names is not None
        return self._names.folder

    def migration(self, source: SourceMigration, identity: Identity) -> PlannedMigration:
        """Return what becomes of one."""
        assert self._names is not None
        converted = self._convert(source)
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
        is_sql = script.path.lower().endswith(".sql") and script.path == on_one_line(script.path)
        if not script.is_changed and is_sql and script.path not in self._named:
            self._named.add(script.path)
            return PlannedFile(self._files.path(script.path))
        place = self._folder / name
        text = copies.written(script.text, self._source.tool, self._files.path(script.path), place)
        return PlannedFile(place, text)
