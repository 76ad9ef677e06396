"""Who was seen to keep an attempt waiting for a lock, remembered until the attempt has ended.

A run learns from the server only that its wait took too long; who was in the way, another connection has seen.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from datetime import UTC
from typing import TYPE_CHECKING

import psycopg

from zmig.planning.blocked_by import PastBlocker
from zmig.text.lazy_pattern import LazyPattern
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from zmig.database.activity import BackendWork, Blocker

_MOST = 8
_LONGEST_QUERY = 200
_SECONDS_FOR_A_LOOK = 1.0
"""How long the end of an attempt waits for a look that is under way."""
_LOCK_TIMEOUT = "55P03"
_ENDS_OF_WAITING = frozenset({"40P01", "57014"})
"""SQLSTATEs of a deadlock, and of a statement that took too long, or was cancelled, which may be while it waits."""
_CONSTANT = LazyPattern(r"\$(\w*)\$.*?(?:\$\1\$|\Z)|'(?:[^']|'')*(?:'|\Z)|(?<![\w.$])\d+(?:\.\d+)?(?![\w.])", re.DOTALL)


@valueclass
class _Sighting:
    """One blocker, and when it was seen last."""

    blocker: Blocker
    seen: int
    at: float


class BlockerMemory:
    """What is known of those that block the attempt under way. Two threads use it."""

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._sightings: dict[tuple[int, object], _Sighting] = {}

    def begin(self) -> None:
        """Forget what was seen: another attempt begins. A look that is under way is not waited for."""
        self._sightings = {}

    @contextlib.contextmanager
    def looking(self) -> Generator[Callable[[BackendWork], None]]:
        """Hold up who wants to know at the end of the attempt, until a look is over; give what takes its result."""
        with self._looking:
            sightings = self._sightings

            def note(work: BackendWork) -> None:
                if self._sightings is sightings:
                    _note(sightings, work)

            yield note

    def of_failure(
        self, error: BaseException, *, lock_timeout_seconds: float, private: Callable[[str], str]
    ) -> tuple[PastBlocker, ...]:
        """Return who blocked the attempt when it failed; nobody where it did not wait then.

        `private` returns a text as it may be stored.
        """
        sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
        may_have_waited = sqlstate in _ENDS_OF_WAITING or isinstance(error, KeyboardInterrupt)
        if sqlstate != _LOCK_TIMEOUT and not may_have_waited:
            return ()
        with self._in_turn():
            longest = (lock_timeout_seconds or _SECONDS_FOR_A_LOOK) + 2 * _SECONDS_FOR_A_LOOK
            earliest = time.monotonic() - longest
            recent = [one for one in self._sightings.values() if one.at >= earliest]
        return tuple(_past(one, private) for one in sorted(recent, key=lambda one: one.blocker.depth))

    @contextlib.contextmanager
    def _in_turn(self) -> Generator[None]:
        """Wait for a look that is under way, but not for long: the server may not answer."""
        has_turn = self._looking.acquire(timeout=_SECONDS_FOR_A_LOOK)
        try:
            yield
        finally:
            if has_turn:
                self._looking.release()


def _note(sightings: dict[tuple[int, object], _Sighting], work: BackendWork) -> None:
    now = time.monotonic()
    if not work.blockers and work.backend.state == "active":
        sightings.clear()  # it has got its lock; of an attempt that has failed nothing is active
    for blocker in work.blockers[:_MOST]:
        key = (blocker.pid, blocker.backend.started_at if blocker.backend is not None else None)
        known = sightings.get(key)
        sightings[key] = _Sighting(blocker, known.seen + 1 if known is not None else 1, now)


def _past(sighting: _Sighting, private: Callable[[str], str]) -> PastBlocker:
    blocker, backend = sighting.blocker, sighting.blocker.backend
    found = PastBlocker(blocker.pid, depth=blocker.depth, seen=sighting.seen)
    if backend is None:
        return found
    return replace(
        found,
        application_name=private(backend.application_name) if backend.application_name else None,
        database_user=backend.database_user,
        host=backend.host,
        state=backend.state,
        since=backend.since.astimezone(UTC).isoformat(timespec="seconds") if backend.since is not None else None,
        query=_beginning(private(backend.query)) if backend.query else None,
    )


def _beginning(query: str) -> str:
    """Return the beginning of somebody else's statement without its constants, which may be of people's rows."""
    text = " ".join(_CONSTANT.sub("?", query).split())
    return text if len(text) <= _LONGEST_QUERY else f"{text[: _LONGEST_QUERY - 1]}…"
