"""Who kept a failed attempt waiting for a lock, as its `failed` fact says under `blocked_by`, and in words.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.facts import Fact

KEY = "blocked_by"
"""The key of a `failed` fact."""
_SHOWN_QUERY = 80


@valueclass
class PastBlocker:
    """A backend that was seen to keep an attempt waiting, as it was then."""

    pid: int
    """0 for a prepared transaction, which has no backend."""
    _: KW_ONLY
    depth: int = 0
    """0 for one that blocked the migration itself, 1 for one that blocked such a one, and so on."""
    application_name: str | None = None
    database_user: str | None = None
    host: str | None = None
    state: str | None = None
    """As PostgreSQL spells it: `active`, `idle in transaction`, ..."""
    since: str | None = None
    """When its transaction began, by the server's clock, in the form of ISO 8601."""
    query: str | None = None
    """The beginning of its statement, without secrets and constants."""
    seen: int = 1
    """How often it was seen to block the attempt; it is looked for about once a second."""

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {
            "pid": self.pid,
            "depth": self.depth,
            "application_name": self.application_name,
            "database_user": self.database_user,
            "host": self.host,
            "state": self.state,
            "since": self.since,
            "query": self.query,
            "seen": self.seen,
        }

    @property
    def name(self) -> str:
        """Who it is, as short as possible."""
        if not self.pid:
            return "a prepared transaction"
        return " ".join(part for part in (f"pid {self.pid}", self.application_name or self.database_user) if part)

    @property
    def words(self) -> str:
        """Everything that is known of it, in one line."""
        parts = [self.name]
        if self.database_user and self.application_name:
            parts.append(f"user `{self.database_user}`")
        if self.state:
            parts.append(self.state + (f" since {self._since}" if self.since else ""))
        if self.seen > 1:
            parts.append(f"seen {self.seen} times")
        query = " ".join((self.query or "").split())
        if len(query) > _SHOWN_QUERY:
            query = f"{query[: _SHOWN_QUERY - 1]}…"
        return ", ".join(parts) + (f": {query}" if query else "")

    @property
    def _since(self) -> str:
        date, _, time = (self.since or "").partition("T")
        return f"{date} {time[:8]} UTC" if time else date


def short(blockers: Sequence[PastBlocker]) -> str:
    """Return who blocked an attempt directly, after the words `blocked by`; empty where nobody is known."""
    direct = [one.name for one in blockers if one.depth == 0]
    if not direct:
        return ""
    more = f" and {len(direct) - 1} more" if len(direct) > 1 else ""
    return f"blocked by {direct[0]}{more}"


def sentences(blockers: Sequence[PastBlocker]) -> tuple[str, ...]:
    """Return a sentence for each that blocked an attempt, or blocked one of those."""
    return tuple(f"{'blocked' if one.depth == 0 else 'which was blocked'} by {one.words}" for one in blockers)


def of_fact(fact: Fact | None) -> tuple[PastBlocker, ...]:
    """Return who blocked the attempt whose end a fact is; facts of other tools, or by hand, may hold anything."""
    found = fact.data.get(KEY) if fact is not None else None
    if not isinstance(found, list):
        return ()
    return tuple(
        _read(cast("Mapping[str, object]", one)) for one in cast("list[object]", found) if isinstance(one, dict)
    )


def _read(data: Mapping[str, object]) -> PastBlocker:
    def text(key: str) -> str | None:
        value = data.get(key)
        return value if isinstance(value, str) and value else None

    def number(key: str, otherwise: int) -> int:
        value = data.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else otherwise

    return PastBlocker(
        number("pid", 0),
        depth=number("depth", 0),
        application_name=text("application_name"),
        database_user=text("database_user"),
        host=text("host"),
        state=text("state"),
        since=text("since"),
        query=text("query"),
        seen=number("seen", 1),
    )
