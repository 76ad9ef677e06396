"""Copies of another tool's files, beside what those files hold today. No copy is ever replaced.

One that somebody has taken away is written again: that is how the new text of a migration comes that is still pending.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.importing import copies
from zmig.importing.plan import PlannedFile
from zmig.other_tools.source import Change, Remark
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zmig.importing.conversion import ConvertedMigration, ConvertedScript
    from zmig.importing.copies import Copy
    from zmig.importing.declared import DeclaredEntry
    from zmig.importing.folder import FolderFiles
    from zmig.importing.plan import PlannedMigration


def may_be(entry: DeclaredEntry, folder: Path) -> bool:
    """Whether an entry names a copy, or one that is gone from the folder of new files."""
    return bool(entry.copies) or any(_is_gone(path, folder) for path in entry.files)


def compared(
    planned: PlannedMigration,
    entry: DeclaredEntry,
    converted: ConvertedMigration,
    files: FolderFiles,
    *,
    folder: Path,
    tool: str,
) -> PlannedMigration:
    """Return what an entry has with what is to be known of its copies, and with those that are to be written again.

    `converted` is what its migration is today; `folder` that of new files. Places of remarks are in the project.
    """
    remarks: list[Remark] = []
    changed: list[Path] = []
    for path, script in ((entry.path, converted.up), (entry.rollback, converted.down)):
        if path is None:
            continue
        if _is_gone(path, folder):
            if script is not None:
                text = copies.written(script.text, tool, files.path(script.path), path)
                planned = _with_file(planned, path, text)
        elif (copy := entry.copies.get(path)) is not None and (how := _difference(copy, script)) is not None:
            changed.append(path)
            place = converted.up.location if script is None and converted.up is not None else None
            remarks.append(_remark(planned.name, path, how, place if script is None else script.location))
    if planned.new_files:
        remarks += (one for one in converted.remarks if one.change is Change.REFUSED)
        remarks += _entry_remarks(entry, converted)
    return replace(planned, outdated=tuple(changed), remarks=tuple(remarks))


def way(name: str, paths: tuple[Path, ...]) -> str:
    """Return how the new text of a pending migration is taken."""
    removed = shlex.join(("rm", *map(str, paths)))
    return f"`{removed}`, and then `--write` writes what `{name}` is now"


def _with_file(planned: PlannedMigration, path: Path, text: str) -> PlannedMigration:
    file = PlannedFile(path, text)
    return replace(planned, file=file) if planned.file.path == path else replace(planned, rollback=file)


def _is_gone(path: Path, folder: Path) -> bool:
    """Whether a file is not there that an import would have put there."""
    return not os.path.lexists(path) and os.path.realpath(path.parent) == os.path.realpath(folder)


def _difference(copy: Copy, script: ConvertedScript | None) -> str | None:
    """Return how a copy differs from what its file holds today; None where it was that, or is."""
    now = copies.checksum("" if script is None else script.text)
    if now in (copy.checksum, copies.checksum(copy.text)):
        return None
    if copy.is_edited is None:
        return "this file or the copy was edited since"
    return "both were edited since" if copy.is_edited else "this file was edited since"


def _remark(name: str, path: Path, how: str, place: Location | None) -> Remark:
    what = (
        f"`{path}`, of `{name}`, was copied from here, and {how}: what is applied stays as it is; while it is pending, "
        f"{way(name, (path,))}"
    )
    return Remark(Change.CHANGED, what, place or Location(str(path)))


def _entry_remarks(entry: DeclaredEntry, converted: ConvertedMigration) -> Iterator[Remark]:
    """Yield what an entry has to say for the text that is to be written again."""
    up, said = converted.up, entry.declaration
    if up is None:
        return
    needed = {
        "transaction: false": converted.transaction is False and said.transaction is not False,
        "variables: true": converted.has_variables and not said.has_variables,
        "empty: true": up.is_empty and not said.is_empty,
    }
    for line, is_needed in needed.items():
        if is_needed:
            what = f"the entry of `{entry.name}` in the manifest has to say `{line}` for what it is now"
            yield Remark(Change.REFUSED, what, up.location)
    if said.is_empty and not up.is_empty:
        what = f"the entry of `{entry.name}` in the manifest says `empty: true`, and it holds a statement now"
        yield Remark(Change.REFUSED, what, up.location)
