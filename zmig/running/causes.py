"""What zmig knows of a failure and the server does not say: it is told beside the server's own words, and stored."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from zmig.running import timeouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from zmig.running.failure import Failure
    from zmig.running.session import Attempt, Session

_OWNERS_PUBLIC_SINCE = 150_000
"""From this version on, only the owner of a new database may create in its schema `public`.

https://www.postgresql.org/docs/15/release-15.html
"""


def told(found: Failure, error: psycopg.Error, attempt: Attempt, *, session: Session) -> Failure:
    """Return a failure with what zmig knows of it."""
    data, facts = timeouts.told(error, attempt)
    data |= _marks(found)
    if attempt.has_swallowed:
        facts = (*facts, "the code caught this error and went on, but the transaction had failed by it")
    more = (*found.facts, *facts, *_facts(error, session.server.version))
    return replace(found, facts=more, error=found.error | data)


def _marks(found: Failure) -> dict[str, object]:
    """Return what is seen in the line of a syntax error: a blank that PostgreSQL takes for a letter."""
    line = found.location.text if found.location is not None else None
    if found.sqlstate not in ("42601", "42703", "42P01") or line is None or line.isascii():
        return {}
    odd = [one for one in line if one != " " and unicodedata.category(one) in ("Zs", "Cf")]
    return {"character": f"U+{ord(odd[0]):04X}"} if odd else {}


def _facts(error: psycopg.Error, version: int) -> Iterator[str]:
    message = error.diag.message_primary or ""
    if version >= _OWNERS_PUBLIC_SINCE and message == "permission denied for schema public":
        yield "since PostgreSQL 15, only the owner of a database may create in its schema `public`"
