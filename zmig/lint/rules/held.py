"""Checks of what a transaction holds: which tables it has locked, and what it does while others wait for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.lint.replay.effects import (
    Analyzes,
    Builds,
    Drops,
    Extent,
    Locks,
    Reads,
    Rewrites,
    Scans,
    Sets,
    Sleeps,
    Validates,
    WritesRows,
)
from zmig.lint.replay.objects import LockMode, Node, Space, Table, View
from zmig.lint.rules.changes import mixing
from zmig.lint.rules.locks import LONGEST_WAIT_SECONDS, SCANS_OF_SQUAWK, locked
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.replay.effects import Effect
    from zmig.lint.rules.locks import Reported
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

_MANY_PARENTS = 3
_MANY_TABLES = 3
"""Brief locks of so many tables are hardly met in a quiet moment of all of them."""
_MOST_NAMED = 5
_TIME = re.compile(r"(\d+)\s*+(us|ms|s|min|h|d|)")
_MS = {"us": 0.001, "": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def several_tables(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Transactions that lock one table in use after another, and hold the first while they wait for the next.

    A note where no lock lasts: of two tables, with nothing between that takes long.
    """
    for transaction in _transactions(entry, steps):
        first: dict[Name, Step] = {}
        others: dict[Name, Step] = {}
        for step in transaction:
            dropped = {one.ref.name for one in step.of(Drops) if one.ref.part is None}
            for table in dict.fromkeys(_locked_for_long(step)):
                if table not in dropped:
                    is_target = Node(Space.RELATION, table) in step.targets
                    (first if is_target else others).setdefault(table, step)
        held = [*first]
        if len(held) < 2:
            held = [*dict.fromkeys((*first, *others))]
            if len(held) < _MANY_PARENTS:
                continue
        known = {**others, **first}
        last = max((known[one] for one in held), key=lambda step: step.statement.start)
        begun = min(known[one].statement.start for one in held)
        is_long = any(
            _takes_long(step) for step in transaction if begun <= step.statement.start <= last.statement.start
        )
        shown = [f"`{one.name}` (line {known[one].statement.line})" for one in held[:_MOST_NAMED]]
        if len(held) > _MOST_NAMED:
            shown.append(f"{len(held) - _MOST_NAMED} more")
        remark = last.file.remark(
            "lock/several-tables",
            last.statement,
            f"one transaction locks {', '.join(shown[:-1])} and {shown[-1]}, in this order, and holds each until it "
            "commits: whoever locks them in another order meets it in a deadlock",
            "give each table a migration of its own, so that no lock is held while another one is waited for",
        )
        is_brief = not is_long and len(first) < _MANY_TABLES
        yield replace(remark, severity=Severity.NOTE) if is_brief else remark


def _takes_long(step: Step) -> bool:
    """Whether a statement reads or writes rows of a table in use, however many they are."""
    for one in (*step.of(Rewrites), *step.of(Scans), *step.of(Validates), *step.of(Builds)):
        if step.is_in_use(one.table) and not (isinstance(one, Builds) and one.is_of_nothing):
            return True
    return any(one.extent is not Extent.FEW and step.is_in_use(one.table) for one in step.of(WritesRows))


def _locked_for_long(step: Step) -> Iterator[Name]:
    """Yield the tables in use that others cannot write from then on; partitions count as the table they are part of."""
    for table, mode in locked(step) if step.statement.verb != "lock" else ():
        if mode >= LockMode.SHARE_ROW_EXCLUSIVE and step.is_in_use(table):
            known = step.before.relation(table)
            if isinstance(known, Table) and known.is_partition and known.parents:
                yield known.parents[0]
            elif not isinstance(known, View):
                yield table


def slow(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Statements that take long in a transaction that has locked a table that is in use."""
    mixed = mixing(entry, steps)
    for transaction in _transactions(entry, steps):
        held: tuple[Name, LockMode, Step] | None = None
        for step in transaction:
            found = None if held is None or (mixed is not None and step is mixed[0]) else _slow(step, reported)
            if held is not None and found is not None:
                table, mode, since = held
                who = "read or write" if mode.stops_reads else "write"
                remark = step.file.remark(
                    "lock/held",
                    step.statement,
                    f"{found[1]} while `{table.name}` is locked since line {since.statement.line}, and nobody can "
                    f"{who} it meanwhile",
                    "put it into a migration of its own",
                )
                # A sample is read, of however many rows.
                yield replace(remark, severity=Severity.WARNING) if isinstance(found[0], Analyzes) else remark
                break
            if held is None:
                held = next(((table, mode, step) for table, mode in _locked(step)), None)


def _locked(step: Step) -> Iterator[tuple[Name, LockMode]]:
    # LOCK TABLE is reported by itself.
    if step.statement.verb != "lock":
        yield from ((table, mode) for table, mode in locked(step) if step.is_in_use(table))


def _slow(step: Step, reported: Reported) -> tuple[Effect, str] | None:
    for one in step.effects:
        match one:
            case Sleeps():
                return one, "this waits"
            case Reads() if step.is_in_use(one.table):
                return one, f"every row of `{one.table.name}` is read"
            case Analyzes() if step.is_in_use(one.table):
                return one, f"`{one.table.name}` is analyzed" if one.table.name else "every table is analyzed"
            case Scans() | Validates() if not one.mode.stops_writes and step.is_in_use(one.table):
                if not reported.has(step, one, SCANS_OF_SQUAWK):
                    return one, f"every row of `{one.table.name}` is checked for `{one.constraint}`"
            case _:
                pass
    return None


def sleeps(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Calls of `pg_sleep` where nothing is locked yet: they keep a transaction open."""
    waiting = [step for step in steps if any(step.of(Sleeps))]
    said = {remark.start for remark in slow(entry, steps, reported)} if waiting else set[int]()
    for step in waiting:
        if step.statement.start not in said:
            yield step.file.remark(
                "lock/sleep",
                step.statement,
                "this waits in the middle of a migration, whose transaction stays open meanwhile",
                "remove it; to go easy on a busy table, write `batch: {pause: ...}` in the manifest",
            )


def explicit(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """LOCK TABLE of tables that are in use."""
    for step in steps:
        if step.statement.verb != "lock":
            continue
        for one in step.of(Locks):
            if one.mode.stops_reads and step.is_in_use(one.table):
                yield step.remark(
                    "lock/explicit",
                    one,
                    f"`{one.table.name}` is locked in the mode {one.mode.shown} until the transaction ends, and nobody "
                    "can read or write it meanwhile",
                    f"remove the statement: what changes `{one.table.name}` takes the lock that it needs",
                )
                break


def lifted(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Settings in SQL that let a migration wait, or hold its locks, without a limit."""
    for number, step in enumerate(steps):
        for one in step.of(Sets):
            if one.name not in ("lock_timeout", "statement_timeout") or not _is_too_long(one):
                continue
            affected = _affected(one, steps[number + 1 :])
            if affected is None:
                continue
            table, later = affected
            shown = "back to what the server has, which is no limit as a rule" if one.is_reset else f"to {one.value}"
            if one.name == "lock_timeout":
                message = (
                    f"`{one.name}` is set {shown}, so line {later.statement.line} may wait for its lock on "
                    f"`{table.name}` for as long as that, and everybody who wants to use the table waits in line"
                )
            else:
                message = f"`{one.name}` is set {shown}, so line {later.statement.line} may keep its lock on "
                message += f"`{table.name}` for as long as it takes"
            hint = f"remove the statement, or give the entry a limit in the manifest: `{one.name}: 3s`"
            yield step.remark("lock/unlimited", one, message, hint)


def _affected(setting: Sets, onward: Sequence[Step]) -> tuple[Name, Step] | None:
    for step in onward:
        if any(one.name == setting.name for one in step.of(Sets)):
            return None
        table = next((table for table, _ in _locked(step)), None)
        if table is not None:
            return table, step
    return None


def _is_too_long(setting: Sets) -> bool:
    if setting.is_reset:
        return setting.name == "lock_timeout"
    found = _TIME.fullmatch((setting.value or "").lower().strip())
    if found is None:
        return False
    milliseconds = int(found[1]) * _MS[found[2]]
    return milliseconds == 0 or (setting.name == "lock_timeout" and milliseconds > LONGEST_WAIT_SECONDS * 1000)


def _transactions(entry: Entry, steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield the steps of each transaction of more than one statement."""
    if entry.holds_locks:
        yield [*steps]
        return
    begun: list[Step] | None = None
    for step in steps:
        if step.statement.command.controls_transaction is not None:
            if begun:
                yield begun
            begun = [] if step.statement.verb in ("begin", "start") else None
        elif begun is not None:
            begun.append(step)
