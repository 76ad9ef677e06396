"""Which entries of a manifest are migrations of another tool that have other names since they were imported.

A migration is known again by what the tool calls it, by its number, and by its text: in that order, and only where the
entry's own name is no migration's any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location, Problem, UsageError
from zmig.importing import copies, numbering
from zmig.importing.plan import Renamed
from zmig.manifest import edit, variables
from zmig.other_tools.source import Change, Remark, on_one_line
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zmig.importing.declared import DeclaredEntry
    from zmig.importing.folder import FolderFiles
    from zmig.other_tools.source import SourceMigration


class Known(NamedTuple):
    """What migrations are called, as far as a manifest knows them."""

    names: list[str]
    """By their order."""
    renamed: list[Renamed]
    """Those that have other names now."""
    remarks: list[Remark]
    """On those of which nobody can say."""


def known(
    migrations: Sequence[SourceMigration],
    entries: Mapping[str, DeclaredEntry],
    files: FolderFiles,
    *,
    tool: str,
    text_of: Callable[[SourceMigration], str | None],
) -> Known:
    """Return what each migration is called; `text_of` is what zmig would run of it, None where that is nothing.

    Raises:
        UsageError: an entry that is called like a migration is one of another project, or one id is that of several.
    """
    return _Search(migrations, entries, files, tool, text_of).result()


_SHOWN = 5


class _Search:
    def __init__(
        self,
        migrations: Sequence[SourceMigration],
        entries: Mapping[str, DeclaredEntry],
        files: FolderFiles,
        tool: str,
        text_of: Callable[[SourceMigration], str | None],
    ) -> None:
        self._migrations = migrations
        self._entries = entries
        self._files = files
        self._tool = tool
        self._text_of = text_of
        self._names = numbering.names_of(migrations)
        self._renamed: list[Renamed] = []
        self._remarks: list[Remark] = []

    def result(self) -> Known:
        if self._entries:
            self._by_id()
            self._by_number()
            self._by_text()
            self._remarks += self._open_questions()
            self._refuse_others()
        return Known(self._names, self._renamed, self._remarks)

    @property
    def _new(self) -> list[int]:
        """The migrations without an entry."""
        return [index for index, name in enumerate(self._names) if name not in self._entries]

    @property
    def _left(self) -> list[DeclaredEntry]:
        """The entries whose names are no migration's."""
        names = set(self._names)
        return [entry for name, entry in self._entries.items() if name not in names]

    def _by_id(self) -> None:
        """Find those whose entry has the tool's own id of them, whatever else is called as that entry."""
        own = self._own_ids()
        if not own:
            return
        found = {
            index: own[id].name for index, one in enumerate(self._migrations) if (id := on_one_line(one.id)) in own
        }
        self._refuse_several(found)
        taken = set(found.values())
        for index, name in enumerate(self._names):
            if index not in found and name in taken:  # another one's name by now
                self._names[index] = numbering.fitting(f"{self._migrations[index].id} {name}")
        for index, name in found.items():
            if self._names[index] != name:
                self._is(index, name, "has its id")

    def _own_ids(self) -> dict[str, DeclaredEntry]:
        """Return the entries by what they say that the tool calls them. Raises UsageError where two say the same."""
        own: dict[str, DeclaredEntry] = {}
        for entry in self._entries.values():
            for id in entry.declaration.origin.get(self._tool, ()):
                if own.setdefault(id, entry) is not entry:
                    raise UsageError(_of_two_entries(id, own[id], entry))
        return own

    def _refuse_several(self, found: Mapping[int, str]) -> None:
        """Make sure that no entry has the ids of two migrations that are there. Raises UsageError."""
        by_name: dict[str, list[str]] = {}
        for index, name in found.items():
            by_name.setdefault(name, []).append(on_one_line(self._migrations[index].id))
        for name, ids in by_name.items():
            if len(ids) > 1:
                raise UsageError(_of_two_migrations(self._entries[name], ids))

    def _by_number(self) -> None:
        """Find those whose numbers are versions, where the entry's file is not there any more."""
        numbers = numbering.own_numbers(self._migrations)
        if numbers is None:
            return
        own = (
            entry for entry in self._left if self._tool not in entry.declaration.origin
        )  # that number is not its own
        left = {entry.declaration.version: entry for entry in own}
        for index in self._new:
            entry = left.get(numbers.get(index))
            if entry is not None and entry.is_gone():
                self._is(index, entry.name, "has its number, and its file is gone")

    def _by_text(self) -> None:
        """Find those that hold what an entry's copy was made of, each entry's once."""
        waiting: dict[tuple[bool, str], list[DeclaredEntry]] = {}
        for entry in self._left if self._new else ():
            if entry.copy is not None and not entry.is_of_other_project(None, self._files, self._tool):
                for checksum in entry.copy.checksums:
                    waiting.setdefault((entry.is_repeatable, checksum), []).append(entry)
        for index in self._new if waiting else ():
            one = self._migrations[index]
            text = self._text_of(one)
            same = waiting.get((one.repeats is not None, copies.checksum(text)), []) if text else []
            entry = next((entry for entry in same if entry.name not in self._names), None)
            if entry is not None:
                self._is(index, entry.name, "has its text, and the tool has none of its name any more")

    def _open_questions(self) -> Iterator[Remark]:
        """Yield what nobody can answer: of a file that is gone, whether a new migration was in it."""
        gone = [entry for entry in self._left if entry.is_missing and not entry.is_repeatable]
        new = [self._migrations[index] for index in self._new]
        scripts = [one.up for one in new if one.up is not None and one.repeats is None]
        for number, entry in enumerate(gone if scripts else ()):
            script = scripts[min(number, len(scripts) - 1)]
            again = f"`file: {entry.relative(self._files.path(script.path))}`"
            what = (
                f"the file of `{entry.name}` in the manifest is gone, so that this may be it under another name: if it "
                f"is, write {again} in that entry, with its `name`, and else take the entry out"
            )
            yield Remark(Change.REFUSED, what, Location(script.path))

    def _refuse_others(self) -> None:
        """Make sure that no entry of another project is taken for one of this. Raises UsageError."""
        others = [
            entry
            for one, name in zip(self._migrations, self._names, strict=True)
            if (entry := self._entries.get(name)) is not None
            and entry.is_of_other_project(one, self._files, self._tool)
        ]
        if others:
            raise UsageError(_of_others(others))

    def _is(self, index: int, name: str, why: str) -> None:
        """Take a migration for the one of an entry."""
        one = self._migrations[index]
        script = one.up
        self._names[index] = name
        entry = self._entries[name]
        if script is None:
            return
        what = f"`{name}` in the manifest {why}: it is that one, renamed"
        ids = self._new_ids(one, entry)
        if ids:
            origin = f"`origin: {{{self._tool}: [{', '.join(map(edit.scalar, map(variables.escaped, ids)))}]}}`"
            what += f"; its entry gets {origin}" if entry.place is not None else f"; write {origin} in its entry"
            what += ", since the tool may apply it by either name"
        if entry.is_missing:
            what += f"; write `file: {entry.relative(self._files.path(script.path))}` there"
        remark = Remark(Change.CHANGED, what, Location(script.path))
        self._renamed.append(Renamed(name, remark, ids, entry.place))

    def _new_ids(self, migration: SourceMigration, entry: DeclaredEntry) -> tuple[str, ...]:
        """Return what an entry is to say that the tool calls it, the new name last; nothing where it has all."""
        id = on_one_line(migration.id)
        known = entry.ids(migration, self._tool)
        if id in known or not id.strip():
            return ()
        others = {on_one_line(one.id) for one in self._migrations}
        return (*(one for one in known if one not in others), id)


def _of_two_entries(id: str, first: DeclaredEntry, second: DeclaredEntry) -> Problem:
    return Problem(
        "origin-ambiguous",
        f"`{first.name}` and `{second.name}` in the manifest both have `{id}` in their `origin`",
        second.declaration.location("origin"),
        effect="nothing was written",
        hint=f"take `{id}` out of the one that is another migration",
    )


def _of_two_migrations(entry: DeclaredEntry, ids: Sequence[str]) -> Problem:
    return Problem(
        "origin-ambiguous",
        f"`{entry.name}` in the manifest has {listing.quoted(ids, _SHOWN)} in its `origin`, and all are there",
        entry.declaration.location("origin"),
        effect="nothing was written",
        hint="take what is another migration out of it",
    )


def _of_others(entries: Sequence[DeclaredEntry]) -> Problem:
    names = listing.quoted([entry.name for entry in entries], _SHOWN)
    verb = "is" if len(entries) == 1 else "are"
    return Problem(
        "import-other-project",
        f"{names} {verb} in the manifest already, of another project: what is called so here would not get an entry",
        entries[0].declaration.location(),
        facts=tuple(f"`{entry.name}` comes from `{entry.made_of}`" for entry in entries[:1]),
        effect="nothing was written",
        hint="name another manifest with `--manifest`, one for each project",
    )
