"""The plan of an import, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import table
from zmig.presentation import words
from zmig.presentation.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.cli.json_documents import Document
    from zmig.importing.plan import ImportPlan, PlannedMigration
    from zmig.other_tools.source import Remark
    from zmig.presentation.spans import Line


def lines(plan: ImportPlan) -> list[Line]:
    """Return the plan as text."""
    return [(Span(text),) for text in _texts(plan)]


def _texts(plan: ImportPlan) -> Iterator[str]:
    counted = words.counted(len(plan.migrations), "migration")
    yield f"{plan.title}, {counted} in `{plan.source.folder}`, for `{plan.manifest}`"
    yield ""
    yield from table.lines([_HEADER, *(_row(one) for one in plan.migrations)], right=frozenset({0}))


_HEADER = ("version", "name", "file", "rollback", "what is done")


def _row(one: PlannedMigration) -> tuple[str, ...]:
    rollback = "" if one.rollback is None else str(one.rollback.path)
    done = ", ".join(one.changes) or "as it is"
    return (str(one.version), one.name, str(one.file.path), rollback, done)


def document(plan: ImportPlan, *, is_written: bool) -> Document:
    """Return the plan as JSON types."""
    return {
        "tool": plan.source.tool,
        "folder": plan.source.folder,
        "manifest": str(plan.manifest),
        "written": is_written,
        "migrations": [_migration(one) for one in plan.migrations],
        "left_out": [one.id for one in plan.left_out],
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
        "file": str(one.file.path),
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
