"""What zmig knows of a failure and the server does not say: it is reported beside what the server says, and stored."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.running import timeouts
from zmig.sql import lexer
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from zmig.running.attempt import Failed
    from zmig.running.failure_message import Failure
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement

_OWNERS_PUBLIC_SINCE = 150_000
"""From this version on, only the owner of a new database may create in its schema `public`.

https://www.postgresql.org/docs/15/release-15.html
"""


def explained(found: Failure, error: psycopg.Error, failed: Failed, *, session: RunSession) -> Failure:
    """Return a failure with what zmig knows of it."""
    data, facts = timeouts.explained(error, failed)
    data |= _marks(found)
    if _has_lost_tables(error, failed):
        found, data = (
            _lost_tables(found, failed, session.store.schema),
            data | {"tables_of_zmig": session.store.schema},
        )
    if error.sqlstate == _READ_ONLY:
        found, data = _read_only(found, failed, data)
    if failed.was_swallowed:
        facts = (*facts, "the code caught this error and went on, but the transaction had failed by it")
    more = (*found.facts, *facts, *_facts(error, session.server.version))
    return replace(found, facts=more, error=found.error | data)


_GONE = frozenset({"42P01", "3F000", "42703"})
"""SQLSTATEs of a table, a schema or a column that does not exist."""


def _has_lost_tables(error: psycopg.Error, failed: Failed) -> bool:
    """Whether zmig cannot record the end of a migration because that took its tables away."""
    message = error.diag.message_primary or ""
    return failed.at.at_commit and error.sqlstate in _GONE and (EVENTS in message or PROJECTION in message)


_READ_ONLY = "25006"
_LETS_ONLY_READ = re.compile(r"\b(?:read\s+only|transaction_read_only)\b", re.IGNORECASE)


def _read_only(found: Failure, failed: Failed, data: dict[str, object]) -> tuple[Failure, dict[str, object]]:
    """Return a failure that says so, where a migration's own text lets the transaction only read."""
    setting = next((one for one in failed.attempt.prepared.statements or () if _lets_only_read(one)), None)
    in_code = (
        not failed.attempt.prepared.is_sql
        and _LETS_ONLY_READ.search(timeouts.source(failed.attempt.prepared.path)) is not None
    )
    if setting is None and not in_code:
        return found, data
    if failed.at.at_commit:
        message = f"it lets its transaction only read, in which its end is to be recorded: {found.message}"
        place = failed.attempt.prepared.location(setting.offset) if setting is not None else found.location
        found = replace(found, message=message, location=place)
    return found, data | {"lets_only_read": True}


def _lets_only_read(one: Statement) -> bool:
    """Whether a statement says so outside of its comments and strings."""
    if not one.spells("only"):
        return False
    words = " ".join(token.text for token in one.tokens if token.kind is lexer.Kind.WORD)
    return _LETS_ONLY_READ.search(words) is not None


def _lost_tables(found: Failure, failed: Failed, schema: str) -> Failure:
    """Return a failure that says so, at the statement that names the schema after a DROP or an ALTER."""
    takers = [
        one
        for one in failed.attempt.prepared.statements or ()
        if not one.is_large and schema.lower() in one.text.lower() and one.command.verb in ("alter", "drop")
    ]
    place = failed.attempt.prepared.location(takers[0].offset) if takers else found.location
    message = f"it took away zmig's own tables in schema `{schema}`: {found.message}"
    return replace(found, message=message, location=place)


def _marks(found: Failure) -> dict[str, object]:
    """Return what is seen in the line of a syntax error: a blank that PostgreSQL takes for a letter."""
    line = found.location.text if found.location is not None else None
    if found.sqlstate not in ("42601", "42703", "42P01") or line is None or line.isascii():
        return {}
    odd = next(_odd_blanks(line), None)
    return {} if odd is None else {"character": f"U+{ord(odd):04X}"}


def _odd_blanks(line: str) -> Iterator[str]:
    """Yield the blanks, and what cannot be seen at all, that are in names: in a string or a comment they are text."""
    with suppress(lexer.UnterminatedError):
        for token in lexer.tokens(line):
            if token.kind is lexer.Kind.WORD:
                yield from (one for one in token.text if unicodedata.category(one) in ("Zs", "Cf"))


def _facts(error: psycopg.Error, version: int) -> Iterator[str]:
    message = error.diag.message_primary or ""
    if version >= _OWNERS_PUBLIC_SINCE and message == "permission denied for schema public":
        yield "since PostgreSQL 15, only the owner of a database may create in its schema `public`"
