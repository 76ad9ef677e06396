"""Checks of locks: what is done while a table is locked, and how long a migration waits for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.replay.effects import (
    Builds,
    Drops,
    FailsIfRows,
    Locks,
    RewriteCause,
    Rewrites,
    ScanCause,
    Scans,
    Validates,
    WritesRows,
)
from zmig.lint.rule import Danger
from zmig.lint.squawk.rules import SQUAWK_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.replay.effects import Effect
    from zmig.lint.replay.objects import LockMode
    from zmig.lint.sql_file import FileStatement
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

LONGEST_WAIT_SECONDS = 60
"""Longer than this, what needs the table as well waits too long, too: it queues after a lock that is waited for."""
_WINDOW = "run it in a maintenance window"
_REWRITE_HINTS = {
    RewriteCause.ADDED_COLUMN: "add a column without a default, give it one, and fill it in batches",
    RewriteCause.TYPE: "add a new column, fill it in batches, and let clients move to it",
    RewriteCause.GENERATED: "add a plain column, keep it in step by a trigger, and fill it in batches",
    RewriteCause.PERSISTENCE: _WINDOW,
    RewriteCause.TABLESPACE: _WINDOW,
    RewriteCause.ACCESS_METHOD: _WINDOW,
}
COMMAND_HINTS = {
    "vacuum": f"{_WINDOW}, or use `pg_repack`; plain `VACUUM` locks nobody out",
    "cluster": f"{_WINDOW}, or use `pg_repack`",
    "refresh": "write `refresh materialized view concurrently`, for which the view needs a unique index",
}
"""What to write instead of a command that is made to write tables anew, by its first word."""
SCAN_HINTS = {
    ScanCause.CHECK: "add the constraint `not valid`, and validate it in a later migration",
    ScanCause.NOT_NULL: (
        "add `check ({column} is not null) not valid`, validate it in a later migration, and set not null then"
    ),
    ScanCause.PRIMARY_KEY: (
        "add `check ({column} is not null) not valid` and validate it in a later migration; then nothing is read"
    ),
    ScanCause.FOREIGN_KEY: "add the foreign key `not valid`, and validate it in a later migration",
    ScanCause.PARTITION: (
        "add a check that says the same as the bound and that the key is not null, `not valid`, and validate it "
        "in a migration before"
    ),
    ScanCause.DEFAULT_PARTITION: (
        "add a check to the default partition that excludes these rows, `not valid`, and validate it in a migration "
        "before"
    ),
    ScanCause.DOMAIN: "add the constraint `not valid`, and validate it in a quiet hour",
    ScanCause.RECHECK: "drop the constraint before, and add it again `not valid` after",
}
"""What to write so that no row is read."""


def locked(step: Step) -> Iterator[tuple[Name, LockMode]]:
    """Yield the tables that a statement keeps others from writing, each with the lock; not where it writes rows."""
    written = {one.table for one in step.of(WritesRows)}
    for one in step.of(Locks):
        if one.mode.stops_writes and one.table not in written:
            yield one.table, one.mode


def rewrite(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Tables in use that are written anew while nobody can read them, where no other rule says so."""
    for step in steps:
        for one in step.of(Rewrites):
            if step.is_in_use(one.table) and not reported.has(step, one, _REWRITES_OF_SQUAWK):
                command = "every table" if not one.table.name else f"`{one.table.name}`"
                message = f"{command} is written anew, since {one.reason}, and nobody can read it meanwhile"
                hint = _REWRITE_HINTS.get(one.cause) or COMMAND_HINTS[step.statement.verb]
                yield step.remark("lock/table-rewrite", one, message, hint)


def scan(entry: Entry, steps: Sequence[Step], reported: Reported) -> Iterator[Remark]:
    """Tables in use of which all rows are read while nobody can write them, where no other rule says so."""
    for step in steps:
        rewritten = {one.table for one in step.of(Rewrites)}
        seen: set[tuple[Name, int | None]] = {(one.table, one.action) for one in step.of(FailsIfRows)}
        for one, table, what, hint in _reading(step):
            is_harmful = step.is_in_use(table) and table not in rewritten and (table, one.action) not in seen
            if is_harmful and not reported.has(step, one, SCANS_OF_SQUAWK):
                seen.add((table, one.action))
                message = f"{what}, and nobody can write it meanwhile"
                yield step.remark("lock/table-scan", one, message, hint)


def _reading(step: Step) -> Iterator[tuple[Effect, Name, str, str]]:
    """Yield what reads all rows of a table that nobody can write then: with the table, what is done, and a hint."""
    for one in step.of(Scans):
        if one.mode.stops_writes and (one.is_certain or one.cause is not ScanCause.PRIMARY_KEY):
            hint = SCAN_HINTS[one.cause].format(column=one.column)
            yield one, one.table, f"every row of `{one.table.name}` is read, to {one.reason}", hint
    for one in step.of(Validates):
        if one.mode.stops_writes:
            what = f"every row of `{one.table.name}` is looked up in `{one.references.name}`, for `{one.constraint}`"
            yield one, one.table, what, SCAN_HINTS[ScanCause.FOREIGN_KEY]
    for one in step.of(Builds):
        if one.mode.stops_writes and not one.is_of_nothing:
            called = "an index" if one.index is None else f"the index `{one.index.name}`"
            what = f"{called} of `{one.table.name}` is built" if one.table.name else "every index is built"
            yield one, one.table, what, "build it concurrently in a migration before"


_REWRITES_OF_SQUAWK = frozenset(one.code for one in SQUAWK_RULES if Danger.REWRITE in one.dangers)
SCANS_OF_SQUAWK = frozenset(one.code for one in SQUAWK_RULES if not {Danger.SCAN, Danger.BUILD}.isdisjoint(one.dangers))


class Reported:
    """What squawk says, or would say if a comment did not forbid it, so that nothing is said twice."""

    def __init__(self, remarks: Sequence[Remark]) -> None:
        self._remarks = remarks

    def has(self, step: Step, effect: Effect, rules: frozenset[str]) -> bool:
        """Whether one of these rules is about the place of an effect."""
        return _is_ignored(step, rules) or any(
            one.rule in rules
            and step.statement.start <= one.start < max(step.statement.end, step.statement.start + 1)
            and (effect.action is None or step.action_at(one.start) in (None, effect.action))
            for one in self._remarks
        )


def _is_ignored(step: Step, rules: frozenset[str]) -> bool:
    """Whether a comment in front of a statement asks squawk to say nothing by one of these rules."""
    text, start = step.file.text, step.statement.start
    comment = text[text.rfind(";", 0, start) + 1 : start]
    return "squawk-ignore" in comment and any(rule.partition("/")[2] in comment for rule in rules)


def unlimited(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Locks of tables in use that a migration waits for too long, with everybody else waiting after it."""
    seconds = entry.declaration.settings.lock_timeout_seconds
    if not entry.holds_locks or 0 < seconds <= LONGEST_WAIT_SECONDS:
        return
    for step in steps:
        # Nobody waits for long for a table that is gone.
        gone = {one.ref.name for one in step.of(Drops)} if entry.is_rollback else ()
        waiting = next((table for table, _ in locked(step) if table not in gone and step.is_in_use(table)), None)
        if waiting is not None:
            of_rollback = " of the rollback" if entry.is_rollback else ""
            how_long = f"for up to {seconds:g} s" if seconds else "without a limit"
            yield entry.remark(
                "lock/unlimited",
                "lock_timeout",
                f"line {step.statement.line}{of_rollback} waits for its lock on `{waiting.name}` {how_long}, and "
                "everybody who wants to use the table waits in line with it",
                "write `lock_timeout: 3s`, with more attempts under `retry` if the table is busy",
            )
            return


_RELEASES = re.compile(r"\bpg_advisory_unlock_all\s*\(", re.IGNORECASE)


def _releases(statement: FileStatement) -> bool:
    if statement.verb in ("call", "do", "select"):
        return _RELEASES.search(statement.text) is not None
    return statement.command.refuses_transaction == "DISCARD ALL"


def released(entry: Entry) -> Iterator[Remark]:
    """Statements that give up the advisory lock of the run they are part of."""
    for file, _ in entry.sql_files:
        for statement in file.statements:
            if _releases(statement):
                yield file.remark(
                    "lock/released",
                    statement,
                    "this gives up the advisory lock that keeps two runs apart, so zmig ends the migration as failed",
                    "remove the statement: zmig resets the session between migrations itself",
                )
