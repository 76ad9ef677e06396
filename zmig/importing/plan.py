"""What an import is going to write, as values: decided before anything is written, and shown first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.importing import numbering
from zmig.model import Kind
from zmig.other_tools.source import Change, Remark
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.other_tools.source import Source, SourceMigration


@valueclass
class PlannedFile:
    """A file that an entry will name."""

    path: Path
    """Fit to be shown and to be opened, from the current folder."""
    text: str | None = field(default=None, repr=False)
    """What is to be written there; None for a file of the other tool, which is named where it is."""


@valueclass
class PlannedMigration:
    """One migration of the other tool, as the manifest will have it."""

    source: SourceMigration
    version: int
    name: str
    _: KW_ONLY
    file: PlannedFile
    rollback: PlannedFile | None = None
    kind: Kind = Kind.SQL
    transaction: bool | None = None
    has_variables: bool = False
    is_empty: bool = False
    """Whether it holds no statement, so that its entry says `empty: true`."""
    description: str | None = None
    remarks: tuple[Remark, ...] = ()
    is_declared: bool = False
    """Whether the manifest has its entry already."""
    outdated: tuple[Path, ...] = ()
    """Files that were written of it, which has another text since."""

    @property
    def new_files(self) -> tuple[PlannedFile, ...]:
        """What is to be written for it."""
        files = (self.file, self.rollback)
        return tuple(file for file in files if file is not None and file.text is not None)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What becomes of its text, each once."""
        found = {remark.change for remark in self.remarks}
        return tuple(change for change in Change if change in found)

    @property
    def is_refused(self) -> bool:
        """Whether something in it cannot be carried over."""
        return Change.REFUSED in self.changes


@valueclass
class Renamed:
    """An entry whose migration the other tool calls otherwise since it was imported."""

    name: str
    remark: Remark
    ids: tuple[str, ...] = ()
    """All that its `origin` is to have from now on; empty where it stays as it is."""
    place: int | None = None
    """Which of the manifest's own entries it is; None for one that cannot be edited from here."""


@valueclass
class ImportPlan:
    """Everything that an import is going to do to files."""

    source: Source
    title: str
    """The other tool, as people write it."""
    manifest: Path
    """From the current folder; it may be there already."""
    migrations: tuple[PlannedMigration, ...]
    """In the order in which they run."""
    _: KW_ONLY
    is_declared: bool = False
    """Whether the manifest is there already."""
    is_code: bool = False
    """Whether its migrations are no SQL, so that a baseline takes their place."""
    variables: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    """What the manifest's `variables` will have beyond those it has."""
    left_out: tuple[SourceMigration, ...] = ()
    """What is left out, as somebody says now, or has said before."""
    to_leave_out: tuple[SourceMigration, ...] = ()
    """Those of them that the manifest is to have from now on."""
    remarks: tuple[Remark, ...] = ()
    """About what belongs to no migration."""
    renamed: tuple[Renamed, ...] = ()

    @property
    def to_call(self) -> Mapping[int, tuple[str, ...]]:
        """What entries are to say that the tool calls them, each by its place in the manifest."""
        return {one.place: one.ids for one in self.renamed if one.place is not None and one.ids}

    @property
    def new(self) -> tuple[PlannedMigration, ...]:
        """Those that the manifest does not have yet."""
        return tuple(one for one in self.migrations if not one.is_declared)

    @property
    def keeps_numbers(self) -> bool:
        """Whether the tool's own numbers are the versions."""
        left_out = {one.id for one in self.left_out}
        kept = [one for one in self.source.migrations if one.id not in left_out]
        return numbering.own_numbers(kept) is not None

    @property
    def again(self) -> tuple[PlannedMigration, ...]:
        """Those with an entry whose files are gone, and to be written again."""
        return tuple(one for one in self.migrations if one.is_declared and one.new_files)

    @property
    def has_work(self) -> bool:
        """Whether there is anything to be written."""
        return not self.is_declared or bool(self.new or self.again or self.to_leave_out or self.to_call)

    @property
    def general_remarks(self) -> Iterator[Remark]:
        """What belongs to no migration that gets an entry."""
        yield from self.remarks
        yield from (one.remark for one in self.renamed)

    @property
    def all_remarks(self) -> Iterator[Remark]:
        """Everything that is to be known, by place."""
        yield from self.general_remarks
        for migration in self.migrations:
            yield from migration.remarks

    @property
    def is_refused(self) -> bool:
        """Whether something in it cannot be carried over, so that nothing is written."""
        return any(remark.change is Change.REFUSED for remark in self.all_remarks)

    def called(self, migration: SourceMigration) -> str:
        """Return what a migration is called where somebody writes it: its id, or its name where that is shorter, and
        its alone.
        """
        id, name = migration.id, migration.name
        is_its_own = sum(name in (one.id, one.name) for one in self.source.migrations) == 1
        return name if len(name) < len(id) and is_its_own and "," not in name else id

    def find(self, id: str) -> PlannedMigration | None:
        """Return the migration that the tool's history calls by this name; None where there is none."""
        return next((one for one in self.migrations if one.source.id == id), None)
