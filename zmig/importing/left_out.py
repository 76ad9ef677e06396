"""What an import leaves out: what somebody says now, and what the manifest has of that from before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Problem, UsageError
from zmig.importing import numbering
from zmig.other_tools.source import on_one_line
from zmig.text.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zmig.importing.declared import Declared
    from zmig.other_tools.source import Source, SourceMigration


class LeftOut(NamedTuple):
    """Migrations that are left out."""

    all: tuple[SourceMigration, ...]
    """In the tool's order."""
    new: tuple[SourceMigration, ...]
    """Those that the manifest does not have for that, nor an entry of."""


def find(source: Source, names: Collection[str], declared: Declared) -> LeftOut:
    """Return what is left out; `names` are ids or names that somebody gives now.

    What has an entry all the same is there because somebody wrote it, and comes.

    Raises:
        UsageError: a name is no migration's, or one in the manifest is that of several.
    """
    given = _given(source, names)
    ids = declared.ids(source.tool)

    def has_entry(one: SourceMigration) -> bool:
        return numbering.fitting(one.name) in declared.entries or on_one_line(one.id) in ids

    before = [one for one in _before(source, declared.left_out(source.tool)) if not has_entry(one)]
    everything = [*given, *before]
    return LeftOut(
        tuple(one for one in source.migrations if one in everything),
        tuple(one for one in given if one not in before and not has_entry(one)),
    )


def _given(source: Source, names: Collection[str]) -> list[SourceMigration]:
    every = {name for one in source.migrations for name in (one.id, one.name)}
    for name in names:
        if name not in every:
            near = nearest(name, every)
            message = f"`{name}` is no migration of `{source.folder}`, so it cannot be left out"
            hint = f"write `--leave-out {near}`" if near is not None else "see them with `zmig import`"
            raise UsageError(Problem("unknown-migration", message, hint=hint))
    return [one for one in source.migrations if one.id in names or one.name in names]


def _before(source: Source, names: Collection[str]) -> Iterator[SourceMigration]:
    """Yield what the manifest has: by its id, else by its name, of which there has to be one; what is gone is gone."""
    for name in names:
        by_id = [one for one in source.migrations if on_one_line(one.id) == name]
        found = by_id or [one for one in source.migrations if on_one_line(one.name) == name]
        if len(found) > 1:
            ids = ", ".join(f"`{one.id}`" for one in found)
            message = f"`{name}` in `import.leave_out` of the manifest is the name of {len(found)} migrations"
            hint = f"write the id of the one that is meant: {ids}"
            raise UsageError(Problem("unknown-migration", message, hint=hint))
        yield from found
