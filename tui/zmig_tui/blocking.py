"""Who blocks a run, for the key that ends them: remembered through the pauses between attempts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass
from zmig_tui import inside
from zmig_tui.text import Line, Tone, line, span

if TYPE_CHECKING:
    from zmig.database.activity import Backend, Blocker, Blocking
    from zmig.session.watcher import Observation


@valueclass
class Remembered:
    """Who was seen last to block a run."""

    holder_pid: int | None = None
    """The backend of the run."""
    migration: str | None = None
    blockers: tuple[Blocker, ...] = ()


def remembered(before: Remembered, observation: Observation) -> Remembered:
    """Return who blocked the migration that runs, last; whoever blocked another one, or another run, is forgotten."""
    holder, work = observation.status.holder, observation.work
    if holder is None:
        return Remembered()
    # Between two attempts, what failed is not said to run.
    migration = holder.migration or before.migration
    if work is not None and work.blockers:
        return Remembered(holder.pid, migration, work.blockers)
    is_same = (holder.pid, migration) == (before.holder_pid, before.migration or migration)
    return before if is_same else Remembered(holder.pid, migration)


@valueclass
class Choice:
    """A backend that may be ended, since it blocks the run."""

    backend: Backend
    why: str

    @property
    def text(self) -> str:
        """The backend in one line."""
        one = self.backend
        return f"{one.pid}  {self.why}: {one.database_user or '?'}, {one.application_name or '?'}, {one.state or '?'}"


def choices(found: Blocking) -> list[Choice]:
    """Return the backends that may be ended, the likeliest first; a prepared transaction has none."""
    now = [Choice(one.backend, f"blocks {one.waiting_pid}") for one in found.now if one.backend is not None]
    before = [
        Choice(one.backend, f"blocked {one.waiting_pid} before") for one in found.before if one.backend is not None
    ]
    return [*now, *before]


def nobody(found: Blocking) -> list[Line]:
    """Return what to say where there is no backend to end."""
    if any(one.pid == 0 for one in found.now):
        return [
            line("a prepared transaction blocks the run, which has no backend to end"),
            line(span("see pg_prepared_xacts; `rollback prepared` or `commit prepared` ends it", Tone.QUIET)),
        ]
    return [line("no backend blocks the run now")]


def told(backend: Backend) -> list[Line]:
    """Return what is known of a backend."""
    return [*connected(backend), _fact("query", inside.one_line(backend.query or "hidden from this role"))]


def connected(backend: Backend) -> list[Line]:
    """Return who is connected to a backend, and its state."""
    return [
        _fact("application", backend.application_name or "?"),
        _fact("user", backend.database_user or "?"),
        _fact("from", backend.host or "the server itself"),
        _fact("state", backend.state or "?"),
    ]


def working(backend: Backend, statement: str) -> list[Line]:
    """Return what is known of the backend that runs a migration: the migration's statement, none of zmig's own."""
    return [*connected(backend), _fact("statement", statement or "none at this moment")]


def _fact(name: str, text: str) -> Line:
    return line(span(f"{name:<13}", Tone.QUIET), text)
