"""The plan of an import, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import table
from zmig.importing import manifest_text
from zmig.model import Kind
from zmig.other_tools.source import Change
from zmig.presentation import words
from zmig.presentation.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.cli.json_documents import Document
    from zmig.errors import Location
    from zmig.importing.plan import ImportPlan, PlannedMigration
    from zmig.other_tools.source import Remark
    from zmig.presentation.spans import Line


_SHOWN = 3
"""How many places are shown of what is said of several."""
_HEADINGS = {
    Change.REFUSED: "cannot be carried over:",
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
        yield f"left out: {', '.join(f'`{one.id}`' for one in plan.left_out)}"
    if plan.new:
        yield ""
        yield from table.lines([_HEADER, *map(_row, plan.new)], right=frozenset({0}))
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
            shown = ", ".join(map(str, places[:_SHOWN]))
            more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
            yield f"  {text}"
            yield f"    {shown}{more}"


_HEADER = ("version", "name", "file", "rollback", "what is done")


def _row(one: PlannedMigration) -> tuple[str, ...]:
    rollback = "" if one.rollback is None else str(one.rollback.path)
    return (str(one.version), one.name, _file(one) or "", rollback, ", ".join(_done(one)))


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
            *_remarks(plan.remarks, None),
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
