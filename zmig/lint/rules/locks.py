"""Checks of locks that only zmig can judge: how long a migration waits for them, and what it does while it has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import new_objects
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.new_objects import NewObjects
    from zmig.lint.sql_file import FileStatement

_TABLES = frozenset({"foreign table", "table"})
_KEPT_AS_TABLES = frozenset({"materialized view", "table"})
_ON_A_TABLE = frozenset({"policy", "rule", "trigger"})
_SETS = re.compile(r"\bset\s++(?:logged|unlogged|tablespace|access\s++method)\b", re.IGNORECASE)
_ADDS_SERIAL = re.compile(
    r"\badd\s++(?:column\s++)?(?:if\s++not\s++exists\s++)?\S++\s++(?:small|big)?serial[248]?\b", re.IGNORECASE
)
_PRIMARY_KEY = re.compile(r"\bprimary\s++key\b", re.IGNORECASE)
_WITHOUT_DATA = re.compile(r"\bwith\s++no\s++data\b", re.IGNORECASE)
_COMMANDS = {
    "vacuum": ("VACUUM FULL", "run it in a maintenance window, or use `pg_repack`; plain `VACUUM` locks nobody out"),
    "cluster": ("CLUSTER", "run it in a maintenance window, or use `pg_repack`"),
    "refresh": (
        "REFRESH MATERIALIZED VIEW",
        "write `refresh materialized view concurrently`, for which the view needs a unique index",
    ),
    "serial": ("ADD COLUMN", "add a column without a default, give it one, and fill it in batches"),
    "set": ("ALTER ... SET", "run it in a maintenance window"),
}
_LONGEST_WAIT_SECONDS = 60


def locks_table(statement: FileStatement) -> bool:
    """Whether a statement keeps others from writing a table, or from using it at all."""
    match statement.verb:
        case "alter":
            return statement.parsed.kind in _TABLES
        case "create":
            return statement.parsed.kind in _ON_A_TABLE or statement.parsed.kind == "index"
        case "drop":
            return statement.parsed.kind in _TABLES or statement.parsed.kind in _ON_A_TABLE
        case _:
            return False


def _validates(statement: FileStatement) -> bool:
    """Whether it checks the rows for a constraint, which is done beside those who write."""
    return any(action.reader.accept("validate", "constraint") for action in statement.actions)


def _rewriting(statement: FileStatement) -> str | None:
    """Return by which of the commands above a statement writes a table anew, if it does."""
    match statement.verb:
        case "cluster":
            return "cluster"
        case "vacuum":
            reader = _after_verb(statement)
            is_full = "full" in reader.options() if reader.sees("(") else reader.accept("full")
            return "vacuum" if is_full else None
        case "refresh":
            reader = _after_verb(statement)
            # Readers go on with CONCURRENTLY; WITH NO DATA writes nothing.
            holds_up = reader.accept("materialized", "view") and not reader.accept("concurrently")
            return "refresh" if holds_up and not _WITHOUT_DATA.search(statement.text) else None
        case "alter" if statement.parsed.kind in _KEPT_AS_TABLES:
            if _SETS.search(statement.text):
                return "set"
            # A serial column that is the primary key is squawk's finding.
            adds_serial = statement.parsed.kind == "table" and _ADDS_SERIAL.search(statement.text)
            return "serial" if adds_serial and not _PRIMARY_KEY.search(statement.text) else None
        case _:
            return None


def _after_verb(statement: FileStatement) -> Reader:
    reader = Reader(statement.text)
    reader.take()
    return reader


def rewrite(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Commands that write a table anew while nobody can read it."""
    if entry.sql is None:
        return
    for statement, is_fresh in new_objects.follow(entry.sql, known):
        if not is_fresh and (rewriting := _rewriting(statement)):
            command, hint = _COMMANDS[rewriting]
            name = statement.parsed.changes[0].name if statement.parsed.changes else "every table"
            message = f"`{command}` writes `{name}` anew, and nobody can read it meanwhile"
            yield entry.sql.remark("lock/table-rewrite", statement, message, hint)


def unlimited(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Locks of tables in use that a migration waits for too long, with everybody else waiting after it."""
    seconds = entry.declaration.settings.lock_timeout_seconds
    if not entry.is_transactional or 0 < seconds <= _LONGEST_WAIT_SECONDS:
        return
    for statement, is_fresh in new_objects.follow(entry.sql, known) if entry.sql else ():
        if not is_fresh and locks_table(statement) and not _validates(statement):
            name = statement.parsed.changes[0].name if statement.parsed.changes else "a table"
            how_long = f"for up to {seconds:g} s" if seconds else "without a limit"
            yield entry.remark(
                "lock/unlimited",
                "lock_timeout",
                f"line {statement.line} waits for its lock on `{name}` {how_long}, and everybody who "
                "wants to use the table waits in line with it",
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
