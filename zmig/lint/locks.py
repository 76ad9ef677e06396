"""Checks of locks that only zmig can judge: how long a migration waits for them, and what it does while it has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import new_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.new_objects import NewObjects
    from zmig.lint.sql_file import FileStatement

_TABLES = frozenset({"foreign table", "table"})
_ON_A_TABLE = frozenset({"policy", "rule", "trigger"})
_REWRITES = re.compile(
    # Quantifiers are possessive: these run over statements of any length, and nothing before a miss is worth trying
    # again. CONCURRENTLY and WITH NO DATA are what a refresh does not hold up readers by; a serial column that is the
    # primary key is squawk's finding.
    r"(?P<vacuum>vacuum\s*+(?:\([^)]*\bfull\b|full\b))|(?P<cluster>cluster\b)"
    r"|(?P<refresh>refresh\s++materialized\s++view\s++(?!concurrently\b)(?![\s\S]*\bwith\s++no\s++data\b))"
    r"|(?P<set>alter\s++(?:table|materialized\s++view)\b[^;]*?\bset\s++(?:logged|unlogged|tablespace|access\s++method)\b)"
    r"|(?P<serial>alter\s++table\b(?![\s\S]*\bprimary\s++key\b)[^;]*?"
    r"\badd\s++(?:column\s++)?(?:if\s++not\s++exists\s++)?\S++\s++(?:small|big)?serial[248]?\b)",
    re.IGNORECASE,
)
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
_VALIDATES = re.compile(r"\bvalidate\s+constraint\b", re.IGNORECASE)


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


def rewrite(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Commands that write a table anew while nobody can read it."""
    if entry.sql is None:
        return
    for statement, is_fresh in new_objects.follow(entry.sql, known):
        if not is_fresh and (rewriting := _REWRITES.match(statement.text)):
            command, hint = _COMMANDS[rewriting.lastgroup or ""]
            name = statement.parsed.changes[0].name if statement.parsed.changes else "every table"
            message = f"`{command}` writes `{name}` anew, and nobody can read it meanwhile"
            yield entry.sql.remark("lock/table-rewrite", statement, message, hint)


def unlimited(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Locks of tables in use that a migration waits for too long, with everybody else waiting after it."""
    seconds = entry.declaration.settings.lock_timeout_seconds
    if not entry.is_transactional or 0 < seconds <= _LONGEST_WAIT_SECONDS:
        return
    for statement, is_fresh in new_objects.follow(entry.sql, known) if entry.sql else ():
        if not is_fresh and locks_table(statement) and not _VALIDATES.search(statement.text):
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


_RELEASES = re.compile(r"discard\s+all\b|(?:select|call|do)\b[\s\S]*\bpg_advisory_unlock_all\s*\(", re.IGNORECASE)


def released(entry: Entry) -> Iterator[Remark]:
    """Statements that give up the advisory lock of the run they are part of."""
    for file, _ in entry.sql_files:
        for statement in file.statements:
            if statement.verb in ("call", "discard", "do", "select") and _RELEASES.match(statement.text):
                yield file.remark(
                    "lock/released",
                    statement,
                    "this gives up the advisory lock that keeps two runs apart, so zmig ends the migration as failed",
                    "remove the statement: zmig resets the session between migrations itself",
                )
