"""What a manifest has of a project that was imported before: its entries, and the files that they name."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from zmig.importing import copies
from zmig.model import Kind
from zmig.other_tools.files import name_of
from zmig.other_tools.source import on_one_line
from zmig.project import choice, draft, inclusion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zmig.importing.copies import Copy
    from zmig.importing.folder import FolderFiles
    from zmig.manifest.declaration import Declaration
    from zmig.other_tools.source import SourceMigration
    from zmig.project.inclusion import Inclusion, LoadedManifest

_LONGEST_HEADER = 40


class DeclaredEntry:
    """One entry."""

    def __init__(self, opened: LoadedManifest, declaration: Declaration, place: int | None) -> None:
        self.declaration = declaration
        self.place = place
        """Which of the `migrations` of the manifest itself it is; None for one of a manifest that it includes."""
        self._folder = opened.folder
        self._manifest = opened.path

    @property
    def name(self) -> str:
        """What the manifest calls it."""
        return self.declaration.name or ""

    def ids(self, migration: SourceMigration, tool: str) -> tuple[str, ...]:
        """Return what it says that a tool calls it; without `origin` that is its name or its version."""
        if known := self.declaration.origin.get(tool, ()):
            return known
        is_named = on_one_line(migration.id) == on_one_line(migration.name)
        return (self.name,) if is_named else (str(self.declaration.version),)

    @property
    def is_repeatable(self) -> bool:
        """Whether it may run again."""
        return self.declaration.effective_kind is Kind.REPEATABLE

    @cached_property
    def path(self) -> Path:
        """Its file."""
        return self._folder.path(self.declaration.file or "")

    @cached_property
    def rollback(self) -> Path | None:
        """Its rollback file."""
        return None if self.declaration.rollback is None else self._folder.path(self.declaration.rollback)

    @property
    def files(self) -> Iterator[Path]:
        """The files that it names."""
        if self.declaration.file is not None:
            yield self.path
        if self.rollback is not None:
            yield self.rollback

    def relative(self, path: Path) -> str:
        """Return a path as its manifest names it."""
        return os.path.relpath(path.absolute(), self._manifest.absolute().parent)

    @cached_property
    def copies(self) -> Mapping[Path, Copy]:
        """Those of its files that are copies of the other tool's."""
        return {path: copy for path in self.files if (copy := copies.read(path)) is not None}

    @property
    def copy(self) -> Copy | None:
        """Its file as a copy of one of the other tool's; None where it is none."""
        return self.copies.get(self.path)

    @property
    def is_missing(self) -> bool:
        """Whether its file is not there."""
        return self.declaration.file is not None and not os.path.lexists(self.path)

    def is_gone(self) -> bool:
        """Whether its file is not there, or was written by an import of one that is not there."""
        if self.declaration.file is None:
            return False
        try:
            origin = copies.origin_of(self.path)
        except OSError:
            return True
        return origin is not None and not origin.path.exists()

    @property
    def made_of(self) -> str:
        """The other tool's file."""
        return str(self.path) if self.copy is None else os.path.relpath(self.copy.origin.path)

    def is_of_other_project(self, migration: SourceMigration | None, files: FolderFiles, tool: str) -> bool:
        """Whether it was made of a file that is there, and is none of this project, though it is called like one."""
        origin = self.declaration.origin
        if origin and tool not in origin:
            return True
        if self.copy is not None:
            made_of = self.copy.origin
            return made_of.tool != tool or (made_of.path.exists() and not files.holds(made_of.path))
        up = None if migration is None else migration.up
        if up is None or self.path.name != name_of(up.path) or not self.path.exists():
            return False
        return not files.holds(self.path)


class Declared:
    """What the manifest has already."""

    def __init__(self, found: Inclusion | None) -> None:
        self._inclusion = found
        self.entries: Mapping[str, DeclaredEntry] = {
            declaration.name: DeclaredEntry(opened, declaration, place if number == 0 else None)
            for number, opened in enumerate(found.opened if found is not None else ())
            for place, declaration in enumerate(opened.manifest.declarations)
            if declaration.name is not None
        }
        """By name."""

    @classmethod
    def read(cls, manifest: Path, environ: Mapping[str, str]) -> Declared:
        """Return what is there. Raises ManifestError."""
        if not (choice.is_there(manifest) and manifest.exists()):
            return cls(None)
        found = inclusion.read(manifest, environ=environ)
        found.raise_for_problems()
        return cls(found)

    @property
    def is_there(self) -> bool:
        """Whether there is a manifest."""
        return self._inclusion is not None

    def files(self) -> Iterator[Path]:
        """Yield the files that entries name."""
        for entry in self.entries.values():
            yield from entry.files

    def own_files(self) -> Iterator[Path]:
        """Yield the files that zmig has written, which the other tool might take for its own."""
        return filter(_begins_as_own, self.files())

    def named(self, files: FolderFiles) -> dict[str, str]:
        """Return the tool's own files that entries name, each with the name of its entry."""
        root = os.path.realpath(files.root)
        return {
            os.path.relpath(os.path.realpath(entry.path), root): name
            for name, entry in self.entries.items()
            if entry.declaration.file is not None
        }

    @property
    def versions(self) -> dict[str, int]:
        """The versions of all entries, by name."""
        found = ((name, entry.declaration.version) for name, entry in self.entries.items())
        return {name: version for name, version in found if version is not None}

    def ids(self, tool: str) -> frozenset[str]:
        """Return everything that entries say in their `origin` that a tool calls them."""
        return frozenset(id for entry in self.entries.values() for id in entry.declaration.origin.get(tool, ()))

    @property
    def variables(self) -> frozenset[str]:
        """The variables that it has."""
        return frozenset() if self._inclusion is None else frozenset(self._inclusion.opened[0].manifest.variables)

    def left_out(self, tool: str) -> tuple[str, ...]:
        """Return what no import of a tool brings, by id or name."""
        return () if self._inclusion is None else self._inclusion.opened[0].manifest.left_out.get(tool, ())


def _begins_as_own(path: Path) -> bool:
    """Whether a file begins as those do that an import has written, or that undo what `zmig create` has."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_HEADER).startswith((copies.HEADER.encode(), draft.UNDOES.encode()))
    except OSError:
        return False
