"""What goes on inside the running statement: how far it is, what it waits for, who blocks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.text.secrets import redact
from zmig_tui import words
from zmig_tui.text import Line, Span, Tone, bar, line, span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from zmig.database.activity import BackendWork, Blocker, ServerProgress

_BAR_CELLS = 16
_IDLE = "Client: ClientRead"


def lines(work: BackendWork, now: datetime) -> Iterator[Line]:
    """Yield what the server tells of the backend at work."""
    if work.progress is not None:
        yield _progress(work.progress)
    elif work.backend.wait is not None and not work.blockers:
        what = "the next word of zmig" if work.backend.wait == _IDLE else work.backend.wait
        yield line(span("the server waits for ", Tone.QUIET), span(what, Tone.PLAIN))
    if work.blockers:
        yield line(
            span("‖ waits for a lock ", Tone.WARN), span(f"({work.backend.wait or 'Lock'}), blocked by", Tone.QUIET)
        )
        for blocker in work.blockers:
            yield _blocker(blocker, now)


def _progress(progress: ServerProgress) -> Line:
    """Return one line; what matters least stands last, where it may be cut off."""
    phase = span(progress.phase, Tone.STRONG)
    what = span(f" · {progress.command}" + (f" on {progress.relation}" if progress.relation else ""), Tone.QUIET)
    unit = progress.unit or ""
    if progress.fraction is None:
        return line(phase, f"  {progress.done:,} {unit}" if progress.done else "", what)
    amount = f" · {progress.done or 0:,} of {progress.total or 0:,} {unit}"
    return line(*bar(progress.fraction, _BAR_CELLS), f" {progress.fraction:4.0%}  ", phase, amount, what)


def _blocker(blocker: Blocker, now: datetime) -> Line:
    lead = Span("  " + "   " * blocker.depth + "└ ", Tone.QUIET)
    if blocker.backend is None:
        return line(lead, span("a prepared transaction" if blocker.pid == 0 else f"pid {blocker.pid}", Tone.WARN))
    backend = blocker.backend
    who = " ".join(part for part in (backend.database_user, backend.application_name) if part)
    state = f" · {backend.state or 'state hidden'} for {words.age(backend.since, now)} · "
    query = span(one_line(backend.query or "query hidden from this role"))
    return line(lead, span(f"pid {backend.pid} ", Tone.WARN), who, span(state, Tone.QUIET), query)


def one_line(query: str) -> str:
    """Return a query as one line without passwords."""
    return " ".join(redact(query).split())
