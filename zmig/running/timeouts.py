"""Whose timeout ended a statement: zmig's own, which the manifest raises, or one that the migration set itself.

PostgreSQL's message names the setting only; the values that were in force are gone with the transaction. What is
known: zmig's timeout cannot have ended what ran for less time, and a file that sets one replaces zmig's.
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-STATEMENT-TIMEOUT
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.manifest import durations
from zmig.model import Settings
from zmig.planning import remedies

if TYPE_CHECKING:
    import psycopg

    from zmig.running.attempt import Failed
    from zmig.sql.statement import Statement

_SLACK_SECONDS = 0.05
"""By how much two clocks may differ."""


def setting_of(error: psycopg.Error, failed: Failed) -> str | None:
    """Return the setting that ended a statement, None where that was no timeout.

    A server that speaks another language is understood by what it does not translate, and by the time that passed.
    """
    message = error.diag.message_primary or ""
    if error.sqlstate == "55P03":
        is_timeout = error.diag.source_function == "ProcessInterrupts" or "lock timeout" in message
        return remedies.LOCK_TIMEOUT if is_timeout else None
    if error.sqlstate != "57014":
        return None
    if "statement timeout" in message:
        return remedies.STATEMENT_TIMEOUT
    is_english = message.startswith("canceling ")
    limit = remedies.seconds_of(failed.attempt.step.migration, remedies.STATEMENT_TIMEOUT)
    return remedies.STATEMENT_TIMEOUT if not is_english and 0 < limit <= failed.seconds else None


def explained(error: psycopg.Error, failed: Failed) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return what a fact stores of the timeout that `error` is, and what people read; nothing where it is none."""
    setting = setting_of(error, failed)
    if setting is None:
        return {}, ()
    owner, seconds = _owner(failed, setting), remedies.seconds_of(failed.attempt.step.migration, setting)
    data: dict[str, object] = {"timeout": setting, "timeout_of": owner}
    if owner != "zmig":
        where = "the file sets it" if owner == "file" else "a function that it calls sets it, or another role"
        return data, (f"`{setting}` of zmig, {_shown(seconds)}, is not the one that ended it: {where}",)
    default = (
        Settings().lock_timeout_seconds if setting == remedies.LOCK_TIMEOUT else Settings().statement_timeout_seconds
    )
    where = "zmig's default" if seconds == default else "as the manifest has it"
    return data, (f"`{setting}` is {_shown(seconds)}, {where}",)


def _owner(failed: Failed, setting: str) -> str:
    if _is_set_by_file(failed, setting):
        return "file"
    limit = remedies.seconds_of(failed.attempt.step.migration, setting)
    return "zmig" if 0 < limit <= failed.seconds + _SLACK_SECONDS else "other"


def _is_set_by_file(failed: Failed, setting: str) -> bool:
    """Whether a migration's own text names the setting, at or before the statement that failed."""
    statements, running = failed.attempt.prepared.statements, failed.at.statement
    if statements is None:
        path = failed.attempt.prepared.path
        return not failed.attempt.prepared.is_sql and setting in source(path)
    return any(
        one.spells(setting) and _names(one, setting)
        for one in statements
        if running is None or one.number <= running.number
    )


def _names(one: Statement, setting: str) -> bool:
    """Whether a statement names a setting outside of its comments."""
    return any(setting in token.text.lower() for token in one.tokens)


def source(path: str) -> str:
    """Return the text of a Python file, empty where it cannot be read."""
    import linecache

    return "".join(linecache.getlines(path))


def _shown(seconds: float) -> str:
    return durations.text(seconds) if seconds else "off"
