"""A rehearsal as text and as JSON types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import json_documents, table
from zmig.presentation import words
from zmig.running.rehearsal import LOCK_TIMEOUT

if TYPE_CHECKING:
    from zmig.running.rehearsal import Rehearsal, StatementRehearsed, StepRehearsed


def text(rehearsal: Rehearsal) -> str:
    """Return what each statement did, step by step."""
    lines = [f"rehearsed with a lock_timeout of {LOCK_TIMEOUT}, and rolled back:"]
    for step in rehearsal.steps:
        lines += _step(step)
    return "\n".join(lines)


def _step(step: StepRehearsed) -> list[str]:
    name = step.step.migration.name
    if step.skipped is not None:
        return [f"  {name} was not rehearsed: {step.skipped}"]
    rows = [_statement(statement) for statement in step.statements]
    by = "its verify query" if step.is_unverified else "a deferred check"
    where = f"at its end, by {by}" if step.failed_in is None else f"in statement {step.failed_in}"
    ending = [f"    failed {where}"] if step.problem is not None else []
    return [f"  {name}", *(f"    {line}" for line in table.lines(rows)), *ending]


def _statement(one: StatementRehearsed) -> tuple[str, ...]:
    effects = [
        f"{lock.mode} on {lock.table}" + (f", blocks {lock.blocks}" if lock.blocks is not None else "")
        for lock in one.locks
    ]
    if one.rewritten:
        effects.append(f"REWROTE {', '.join(one.rewritten)}")
    if one.drawn:
        effects.append(f"drew numbers of {', '.join(one.drawn)}, which stay drawn")
    return (f"line {one.line}", words.duration(one.seconds), "; ".join(effects) or "no new lock on a table", one.text)


def document(rehearsal: Rehearsal) -> list[json_documents.Document]:
    """Return the steps."""
    return [
        {
            "version": step.step.migration.version,
            "name": step.step.migration.name,
            "skipped": step.skipped,
            "error": None if step.problem is None else json_documents.of_problem(step.problem),
            "statements": [_of_statement(statement) for statement in step.statements],
        }
        for step in rehearsal.steps
    ]


def _of_statement(one: StatementRehearsed) -> json_documents.Document:
    return {
        "number": one.number,
        "line": one.line,
        "text": one.text,
        "duration_seconds": round(one.seconds, 6),
        "rows": one.rows,
        "locks": [{"table": lock.table, "mode": lock.mode, "blocks": lock.blocks} for lock in one.locks],
        "rewritten": list(one.rewritten),
        "drawn": list(one.drawn),
    }
