"""Rows of the simple table that no fact founds: the facts are gone, hidden, or older than the data.

`schema_migrations` is written in one transaction with the fact it repeats, so a row whose position is that of no fact
about its migration contradicts the facts, and is not the table's fault. Nothing is run then, and the row, which may be
the last that says what was applied, is never overwritten but by an operator's word about its migration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.hints import Hint, command, run_command
from zmig.planning.history import Record
from zmig.planning.plan import Refusal
from zmig.planning.state import Entry, Finding, FindingCode, State
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_SHOWN = 5


@valueclass
class OrphanedRow:
    """One such row."""

    version: int
    name: str
    position: int


def marked(entries: Sequence[Entry], rows: Collection[OrphanedRow]) -> tuple[Entry, ...]:
    """Return entries with a finding for each row; one that no entry is about gets an entry of its own."""
    if not rows:
        return tuple(entries)
    by_version = {row.version: row for row in rows}
    findings = {
        version: Finding(
            FindingCode.FACTS_MISSING, f"applied at position {row.position} by `schema_migrations`, which no fact has"
        )
        for version, row in by_version.items()
    }
    known = [
        replace(one, findings=(*one.findings, findings.pop(one.version))) if one.version in findings else one
        for one in entries
    ]
    alone = (
        Entry(None, Record(by_version[version].name, version), State.PENDING, (finding,))
        for version, finding in findings.items()
    )
    return (*known, *alone)


def versions(entries: Sequence[Entry]) -> list[int]:
    """Return the versions of the rows that entries were marked for."""
    return [one.version for one in entries if one.version is not None and one.has(FindingCode.FACTS_MISSING)]


def refusals(entries: Sequence[Entry], *, effect: str) -> Iterator[Refusal]:
    """Yield what forbids to run or to record anything: all such rows as one problem."""
    concerned = [one for one in entries if one.has(FindingCode.FACTS_MISSING)]
    if not concerned:
        return
    first, is_one = concerned[0], len(concerned) == 1
    names = ", ".join(f"`{one.name}`" for one in concerned[:_SHOWN]) + (", ..." if len(concerned) > _SHOWN else "")
    what = f"migration {names} is" if is_one else f"{len(concerned)} migrations are"
    are_pending = all(one.state is State.PENDING and one.migration is not None for one in concerned)
    if are_pending and not is_one and not any(one.is_repeatable for one in concerned):
        resolve = run_command("baseline", "--to", str(max(one.version or 0 for one in concerned)), "--reason", "...")
    else:
        resolve = run_command("resolve", "--as", "done", "--reason", "...", about=first)
    problem = Problem(
        "facts-missing",
        f"{what} applied by `schema_migrations`, but no fact says so",
        location=first.migration.declared_at if first.migration is not None else None,
        facts=(
            *(() if is_one else (names,)),
            "the facts were removed, come from an older backup than the data, or are hidden from this role",
            Hint(f"if {'its' if is_one else 'their'} changes are in the database, ", resolve),
        ),
        effect=effect,
        hint=Hint("restore the rows of `migration_events`, and see what is there with ", command("status")),
    )
    yield Refusal(first.version, first.name, problem)
