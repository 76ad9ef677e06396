"""The plan of an import, for people and as JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.cli import table
from zmig.importing import manifest_text
from zmig.model import Kind
from zmig.other_tools.source import Change
from zmig.presentation import words
from zmig.presentation.spans import Span
from zmig.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.cli.json_documents import Document
    from zmig.errors import Location
    from zmig.importing.plan import ImportPlan, PlannedMigration
    from zmig.other_tools.source import Remark
    from zmig.presentation.spans import Line


_WIDTH = 100
"""How long a line of text is at most, as terminals show one whole."""
_LONGEST = 40
"""How much of a name the table has; JSON has all of it."""
_WORD = re.compile(r"(?:`[^`]*`|[^ ])+")
"""What stays in one line: a word, and what is in backticks, which may be a command to be copied."""
_SHOWN = 3
"""How many places are shown of what is said of several."""
_HEADINGS = {
    Change.REFUSED: "cannot be carried over:",
    Change.CHANGED: "changed since it was imported:",
    Change.KEPT: "carried over by other means:",
    Change.REWRITTEN: "rewritten:",
    Change.DROPPED: "dropped, without loss:",
    Change.LEFT_OUT: "left out:",
}


def lines(plan: ImportPlan) -> list[Line]:
    """Return the plan as text."""
    return [(Span(text),) for text in _texts(plan)]


def _texts(plan: ImportPlan) -> Iterator[str]:
    counted = words.counted(len(plan.source.migrations), "migration")
    yield f"{plan.title}: {counted} in `{plan.source.folder}`, for `{plan.manifest}`"
    known = sum(one.is_declared for one in plan.migrations)
    if known:
        yield f"{words.counted(known, 'migration')} in the manifest already"
    if plan.left_out:
        yield f"left out: {', '.join(f'`{plan.called(one)}`' for one in plan.left_out)}"
    if plan.again:
        files = [str(file.path) for one in plan.again for file in one.new_files]
        yield f"gone, and to be written again: {listing.quoted(files, _SHOWN)}"
    if plan.new:
        yield ""
        yield from _table(plan.new)
    if plan.variables:
        yield ""
        yield "variables:"
        for name, value in manifest_text.values(plan.variables).items():
            yield f"  {name}: {value}"
    yield from _remark_lines(plan)


def _remark_lines(plan: ImportPlan) -> Iterator[str]:
    """Yield what is to be known, by what becomes of it; what is said of many places is said once."""
    found: dict[Change, dict[str, list[Location]]] = {change: {} for change in _HEADINGS}
    for remark in plan.all_remarks:
        found[remark.change].setdefault(remark.text, []).append(remark.location)
    for change, heading in _HEADINGS.items():
        if found[change]:
            yield ""
            yield heading
        for text, places in found[change].items():
            more = [f"and {len(places) - _SHOWN} more"] if len(places) > _SHOWN else []
            yield from _folded(_WORD.findall(text), "  ")
            shown = [str(place) for place in places[:_SHOWN]]
            yield from _folded([*(f"{place}," for place in shown[:-1]), shown[-1], *more], "    ")


def _folded(words: Iterable[str], indent: str) -> Iterator[str]:
    """Yield words in lines that a terminal shows whole; one that is longer has a line of its own."""
    line = ""
    for word in words:
        if line and len(indent) + len(line) + 1 + len(word) > _WIDTH:
            yield f"{indent}{line}"
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        yield f"{indent}{line}"


def _table(migrations: Sequence[PlannedMigration]) -> Iterator[str]:
    """Yield the entries as a table in which nothing is said twice: not the name in a path, nor the folder of all."""
    files = [_short(_file(one), one.name) for one in migrations]
    rollbacks = [_short(_rollback(one), one.name) for one in migrations]
    both = _common_folder([*files, *rollbacks])
    file_folder, rollback_folder = (both, both) if both else (_common_folder(files), _common_folder(rollbacks))
    columns = [
        ("version", [str(one.version) for one in migrations]),
        ("name", [_left(one.name) for one in migrations]),
        ("file", [file.removeprefix(file_folder) for file in files]),
        ("rollback", [rollback.removeprefix(rollback_folder) for rollback in rollbacks]),
        ("what is done", [", ".join(_done(one)) for one in migrations]),
    ]
    if all(_begins_with_version(one) for one in migrations):
        del columns[0]
    shown = [(head, *column) for head, column in columns if any(column)]
    said = [
        f"{what} are in `{folder.rstrip('/')}`"
        for what, folder in (("files", file_folder), ("rollbacks", "" if both else rollback_folder))
        if folder
    ]
    if any("*" in path for path in (*files, *rollbacks)):
        said.append("`*` in a path is the name")
    if said:
        yield "; ".join(said)
    yield from table.lines(list(zip(*shown, strict=True)), right=frozenset({0} if columns[0][0] == "version" else ()))


def _begins_with_version(one: PlannedMigration) -> bool:
    """Whether the name of a migration says its version, too."""
    digits = re.match("[0-9]+", one.name)
    return digits is not None and int(digits[0]) == one.version


def _rollback(one: PlannedMigration) -> str | None:
    return None if one.rollback is None else str(one.rollback.path)


def _short(path: str | None, name: str) -> str:
    """Return a path with `*` for each part that is the migration's name, or that and a suffix or a number."""
    return "/".join(_shortened(part, name) for part in (path or "").split("/"))


def _shortened(part: str, name: str) -> str:
    before, found, after = part.partition(name)
    is_named = found and _NUMBER.fullmatch(before) and _SUFFIX.fullmatch(after)
    return f"{before}*{after}" if is_named else part


_NUMBER = re.compile("(?:[0-9]++_)?")
_SUFFIX = re.compile(r"(?:\.[a-z.]++)?")


def _common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all paths are in, with `/` at its end; empty where they have none in common."""
    folders = [path.split("/")[:-1] for path in paths if path]
    common: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1 or "*" in parts[0]:
            break
        common.append(parts[0])
    return "/".join((*common, "")) if common else ""


def _left(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\u2026"


def _file(one: PlannedMigration) -> str | None:
    """Return the file that the entry will name; None where there is nothing that could be in one."""
    return None if one.source.up is None and not one.is_declared else str(one.file.path)


def _done(one: PlannedMigration) -> Iterator[str]:
    """Yield what is done about a migration, in words."""
    up, down = one.source.up, one.source.down
    if one.is_refused:
        yield "refused"
        return
    if not one.new_files:
        yield "named where it is"
    elif up is not None and down is not None and up.path == down.path and one.rollback is not None:
        yield "split in two files"
    else:
        yield "copied" if Change.REWRITTEN not in one.changes else "rewritten"
    if one.is_empty:
        yield "empty"
    if one.transaction is not None:
        yield f"transaction: {str(one.transaction).lower()}"
    if one.has_variables:
        yield "variables"
    if one.kind is Kind.REPEATABLE:
        yield "repeatable"


def document(plan: ImportPlan, *, is_written: bool) -> Document:
    """Return the plan as JSON types."""
    return {
        "tool": plan.source.tool,
        "folder": plan.source.folder,
        "manifest": str(plan.manifest),
        "written": is_written,
        "migrations": [_migration(one) for one in plan.migrations],
        "left_out": [one.id for one in plan.left_out],
        "variables": manifest_text.values(plan.variables),
        "remarks": [
            *_remarks(plan.general_remarks, None),
            *(remark for one in plan.migrations for remark in _remarks(one.remarks, one.source.id)),
        ],
    }


def _migration(one: PlannedMigration) -> Document:
    return {
        "id": one.source.id,
        "version": one.version,
        "name": one.name,
        "file": _file(one),
        "rollback": None if one.rollback is None else str(one.rollback.path),
        "kind": one.kind.value,
        "transaction": one.transaction,
        "variables": one.has_variables,
        "empty": one.is_empty,
        "declared": one.is_declared,
        "new_files": [str(file.path) for file in one.new_files],
    }


def _remarks(remarks: Iterable[Remark], migration: str | None) -> Iterator[Document]:
    for one in remarks:
        yield {
            "change": one.change.value,
            "text": one.text,
            "file": one.location.path,
            "line": one.location.line,
            "column": one.location.column,
            "migration": migration,
        }
