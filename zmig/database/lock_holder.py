"""The backend that holds a run's lock, and what people read about it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.errors import LockNotObtained, Problem, UsageError
from zmig.hints import Hint, command, repeat
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY
    from datetime import datetime

_SHOWN_QUERY = 200
_VERSION = re.compile("[0-9]{1,19}")


def working_on(application_name: str, version: int) -> str:
    """Return the application name of a run that works on `version`: other sessions see it, unlike an open fact."""
    return f"{application_name}/{version}"


class ClientState(StrEnum):
    """What is known of the process that a backend works for."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"
    """It ran on another machine, or in another namespace."""


@valueclass
class LockHolder:
    """The backend that holds a run's lock."""

    pid: int
    application_name: str | None = None
    _: KW_ONLY
    database_user: str | None = None
    host: str | None = None
    since: datetime | None = None
    """When its transaction began, or its latest statement outside of one; None where this role may not see it.

    The catalog does not say when the lock was taken.
    """
    query: str | None = None
    migration: str | None = None
    """The name of the migration it has started and not ended, if any."""
    seconds: float | None = None
    """How long ago `since` was, by the server's clock."""
    client: ClientState = ClientState.UNKNOWN
    """What is known of the process it works for."""
    in_transaction: bool = False
    """Whether it is in a transaction, which a statement by itself is, too."""

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {
            "pid": self.pid,
            "application_name": self.application_name,
            "database_user": self.database_user,
            "host": self.host,
            "since": self.since.isoformat() if self.since is not None else None,
            "query": self.query,
            "migration": self.migration,
            "seconds": self.seconds,
            "client": self.client.value,
        }

    @property
    def is_orphaned(self) -> bool:
        """Whether it works on although its client is provably gone."""
        return self.client is ClientState.GONE

    @property
    def run_id(self) -> str | None:
        """The run it works for; None where its application name was changed, and so does not say."""
        prefix, _, rest = (self.application_name or "").partition("/")
        return rest.partition("/")[0] or None if prefix == "zmig" else None

    @property
    def version(self) -> int | None:
        """The version at work in a run that is one transaction, whose facts cannot be seen; None for any other."""
        name, _, version = (self.application_name or "").rpartition("/")
        return int(version) if name.startswith("zmig/") and _VERSION.fullmatch(version) is not None else None


def describe(holder: LockHolder | None) -> str:
    """Return who holds the lock, in one line."""
    if holder is None:
        return "the holder has just released it"
    parts = [f"backend {holder.pid}{', whose client is gone' if holder.is_orphaned else ''}"]
    if holder.application_name:
        parts.append(f"application `{holder.application_name}`")
    if holder.host:
        parts.append(f"from {holder.host}")
    if holder.since is not None:
        what = "in a transaction since" if holder.in_transaction else "last statement at"
        parts.append(f"{what} {holder.since:%H:%M:%S %Z}".rstrip())
    if holder.migration:
        parts.append(f"running `{holder.migration}`")
    return ", ".join(parts)


def not_obtained(holder: LockHolder | None, database: str, waited: float) -> LockNotObtained:
    """Return the error of a run that waited too long for the lock."""
    return LockNotObtained(
        Problem(
            "lock-held",
            f"another zmig run holds the lock on database `{database}`",
            facts=(f"held by {describe(holder)}", f"waited {waited:.1f} s"),
            effect="nothing was run",
            hint=_way_on(holder),
        )
    )


def _way_on(holder: LockHolder | None) -> Hint:
    if holder is not None and holder.is_orphaned:
        return Hint("end that backend with ", command("retry", "--terminate"))
    return Hint("wait longer for it with ", repeat("--lock-wait", "10min"))


def ensure_client_gone(holder: LockHolder) -> None:
    """Make sure that a backend may be ended.

    Raises:
        UsageError: the process it works for is alive, so it is not left over.
    """
    if holder.client is ClientState.ALIVE:
        raise UsageError(
            Problem(
                "holder-alive",
                f"backend {holder.pid} is not left over: the process it works for is alive",
                facts=(f"lock held by {describe(holder)}",),
                effect="nothing was run",
                hint=Hint("wait for it, or stop that process; see it with ", command("status")),
            )
        )


def zombie(holder: LockHolder | None) -> Problem | None:
    """Return what to report of a holder whose client is gone; None for any other."""
    if holder is None or not holder.is_orphaned:
        return None
    age = f", for {holder.seconds:.0f} s now" if holder.seconds is not None else ""
    query = " ".join((holder.query or "").split())
    if len(query) > _SHOWN_QUERY:  # the statement that takes long is at its end
        query = f"…{query[1 - _SHOWN_QUERY :]}"
    return Problem(
        "zombie",
        f"backend {holder.pid} works on `{holder.migration}`{age}, although the process it works for is gone",
        facts=(f"query: {query}",) if query else (),
        effect="no other run starts before it ends",
        hint=_way_on(holder),
    )
