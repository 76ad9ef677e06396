"""What goes on inside the running statement: how far it is, what it waits for, who blocks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.text import bar, line, one_line, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from zmig.database.activity import Backend, BackendWork, Blocker, Blocking, ServerProgress

_BAR_CELLS = 16
_IDLE = "Client: ClientRead"


def backend_lines(work: BackendWork, now: datetime, waits: Line = ()) -> Iterator[Line]:
    """Yield what the server says of the backend that runs the migration; `waits` is how many wait for whom, if any."""
    if work.progress is not None:
        yield _progress(work.progress)
    elif work.backend.wait is not None and not work.blockers:
        what = "the next statement of zmig" if work.backend.wait == _IDLE else work.backend.wait
        yield line(span("the server waits for ", Tone.QUIET), span(what, Tone.PLAIN))
    if waits:
        yield waits
    for blocker in work.blockers:
        yield _blocker(blocker, now)


def _progress(progress: ServerProgress) -> Line:
    """Return one line; what matters least is last, where it may be cut off."""
    phase = span(progress.phase, Tone.STRONG)
    what = span(f" · {progress.command}" + (f" on {progress.relation}" if progress.relation else ""), Tone.QUIET)
    unit = progress.unit or ""
    if progress.fraction is None:
        return line(phase, f"  {progress.done:,} {unit}" if progress.done else "", what)
    amount = f" · {progress.done or 0:,} of {progress.total or 0:,} {unit}"
    return line(*bar(progress.fraction, _BAR_CELLS), f" {progress.fraction:4.0%}  ", phase, amount, what)


def _blocker(blocker: Blocker, now: datetime) -> Line:
    lead = Span("  " + "   " * blocker.depth + "└ ", Tone.QUIET)
    who, _, rest = words.backend(blocker.pid, blocker.backend, now=now).partition(", ")
    if blocker.backend is None:
        return line(lead, span(who, Tone.WARN))
    query = one_line(blocker.backend.query or "query hidden from this role")
    return line(lead, span(who, Tone.WARN), span(f", {rest}: " if rest else ": ", Tone.QUIET), query)


def no_blocker_lines(blocking: Blocking) -> list[Line]:
    """Return what to say where there is no backend to end."""
    if any(blocker.pid == 0 for blocker in blocking.now):
        return [
            line("a prepared transaction blocks the run, which has no backend to end"),
            line(span("see pg_prepared_xacts; `rollback prepared` or `commit prepared` ends it", Tone.QUIET)),
        ]
    return [line("no backend blocks the run now")]


def blocker_lines(backend: Backend) -> list[Line]:
    """Return what is known of a backend."""
    return [*client_lines(backend), fact_line("query", one_line(backend.query or "hidden from this role"))]


def client_lines(backend: Backend) -> list[Line]:
    """Return who is connected to a backend, and its state."""
    return [
        fact_line("application", backend.application_name or "?"),
        fact_line("user", backend.database_user or "?"),
        fact_line("from", backend.host or "the server itself"),
        fact_line("state", backend.state or "?"),
    ]


def worker_lines(backend: Backend, statement: str) -> list[Line]:
    """Return what is known of the backend that runs a migration: the migration's statement, none of zmig's own."""
    return [*client_lines(backend), fact_line("statement", statement or "none at this moment")]


def fact_line(name: str, text: str) -> Line:
    """Return a line about a backend: what is known, and its name before it."""
    return line(span(f"{name:<13}", Tone.QUIET), text)
