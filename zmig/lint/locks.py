"""Checks of locks that only zmig can judge: how long a migration waits for them, and what it does while it has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint import new_objects
from zmig.lint.finding import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.new_objects import NewObjects
    from zmig.lint.sql_file import Act

_TABLES = frozenset({"foreign table", "table"})
_ON_A_TABLE = frozenset({"policy", "rule", "trigger"})
_REWRITES = re.compile(
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


def locks_table(act: Act) -> bool:
    """Whether a statement keeps others from writing a table, or from using it at all."""
    match act.verb:
        case "alter":
            return act.parsed.kind in _TABLES
        case "create":
            return act.parsed.kind in _ON_A_TABLE or act.parsed.kind == "index"
        case "drop":
            return act.parsed.kind in _TABLES or act.parsed.kind in _ON_A_TABLE
        case _:
            return False


def rewrite(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Commands that write a table anew while nobody can read it."""
    for act, is_fresh in new_objects.follow(entry.sql, known) if entry.sql else ():
        if not is_fresh and (found := _REWRITES.match(act.statement.text)):
            command, hint = _COMMANDS[found.lastgroup or ""]
            name = act.parsed.changes[0].name if act.parsed.changes else "every table"
            message = f"`{command}` writes `{name}` anew, and nobody can read it meanwhile"
            yield _remark(entry, act, "lock/table-rewrite", message, hint)


def unlimited(entry: Entry, known: NewObjects) -> Iterator[Remark]:
    """Locks of tables in use that a migration waits for too long, with everybody else waiting after it."""
    seconds = entry.declaration.settings.lock_timeout_seconds
    if not entry.is_transactional or 0 < seconds <= _LONGEST_WAIT_SECONDS:
        return
    for act, is_fresh in new_objects.follow(entry.sql, known) if entry.sql else ():
        text = act.statement.text
        if not is_fresh and locks_table(act) and not _VALIDATES.search(text):
            name = act.parsed.changes[0].name if act.parsed.changes else "a table"
            yield Remark(
                "lock/unlimited",
                f"line {act.statement.line} waits for its lock on `{name}` {_how_long(seconds)}, and everybody who "
                "wants to use the table waits in line with it",
                "write `lock_timeout: 3s`, with more attempts under `retry` if the table is busy",
                entry.manifest,
                *entry.span("lock_timeout"),
            )
            return


def _how_long(seconds: float) -> str:
    return f"for up to {seconds:g} s" if seconds else "without a limit"


_RELEASES = re.compile(r"discard\s+all\b|(?:select|call|do)\b[\s\S]*\bpg_advisory_unlock_all\s*\(", re.IGNORECASE)


def released(entry: Entry) -> Iterator[Remark]:
    """Statements that give up the advisory lock of the run they are part of."""
    for file, _ in entry.sql_files:
        for act in file.acts:
            if act.verb in ("call", "discard", "do", "select") and _RELEASES.match(act.statement.text):
                yield Remark(
                    "lock/released",
                    "this gives up the advisory lock that keeps two runs apart, so zmig ends the migration as failed",
                    "remove the statement: zmig resets the session between migrations itself",
                    file.source,
                    act.start,
                    act.end,
                )


def _remark(entry: Entry, act: Act, rule: str, message: str, hint: str) -> Remark:
    assert entry.sql is not None
    return Remark(rule, message, hint, entry.sql.source, act.start, act.end)
