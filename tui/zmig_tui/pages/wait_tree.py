"""Who waits for whom: a line for the run's panel, and the page with everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text.secrets import redact
from zmig_tui.models.wait_tree import Part, WaitNode
from zmig_tui.pages import backend_view
from zmig_tui.text import EMPTY, fitted, line, lines, one_line, padded, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from zmig.database.activity import Backend
    from zmig.database.lock_queue import Lock
    from zmig_tui.models.wait_tree import WaitTree

_MOST_APPLICATIONS = 3
_INDENT = "  "
_HIDDEN, _NOTHING = "hidden from this role", "no statement yet"
_APPLICATION_CELLS, _USER_CELLS, _STATE_CELLS = range(4, 25), range(4, 17), range(4, 20)
_WIDE_CELLS = 120
"""From this width on, what a backend waits for fits beside it."""
_TITLES = {Part.BLOCKER: "blocks the run", Part.RUN: "the run", Part.WAITING: "waits for the run"}
_TONES = {Part.BLOCKER: Tone.WARN, Part.RUN: Tone.BUSY, Part.WAITING: Tone.STRONG}


def summary_line(tree: WaitTree, wait: str) -> Line:
    """Return how many block the run and how many wait for it; `wait` is what the server says the run waits for."""
    parts: list[Span] = [Span("‖ ", Tone.WARN)]
    if tree.blockers:
        parts.append(span(f"blocked by {tree.blockers:,}", Tone.WARN))
        if tree.seconds_left is not None:
            parts.append(span(f" for {words.clock(tree.seconds_left)} more", Tone.STRONG))
    if tree.waiting:
        separator = ", " if tree.blockers else ""
        parts.append(span(f"{separator}holds up {tree.waiting:,}", Tone.WARN))
        parts.append(span(f": {_applications(tree.applications)}", Tone.PLAIN))
    awaited = next((node.awaited for node in tree.nodes if node.part is Part.RUN), None)
    if tree.blockers:
        what = _lock(awaited) if awaited is not None else wait
        parts.append(span(f"  it waits for {what}", Tone.QUIET))
    return tuple(parts)


def _applications(counts: Sequence[tuple[str, int]]) -> str:
    shown = [
        (name or "no name") + (f" ({count:,})" if count > 1 else "") for name, count in counts[:_MOST_APPLICATIONS]
    ]
    left = sum(count for _, count in counts[_MOST_APPLICATIONS:])
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def title_lines(tree: WaitTree, where: str) -> list[Line]:
    """Return what is above the page."""
    facts: list[Span] = [span(" who waits for whom ", Tone.MARK), span(f"  {where}", Tone.QUIET)]
    if tree.seconds_left is not None:
        facts += [span("   the run gives up in ", Tone.QUIET), span(words.clock(tree.seconds_left), Tone.WARN)]
    counts = [
        f"{tree.blockers:,} {'blocks' if tree.blockers == 1 else 'block'} the run" if tree.blockers else "",
        f"{tree.waiting:,} {'waits' if tree.waiting == 1 else 'wait'} for it" if tree.waiting else "",
    ]
    applications = f": {_applications(tree.applications)}" if tree.waiting else ""
    said = ", ".join(count for count in counts if count) + applications
    return [tuple(facts), line(span(f" {said or 'nobody waits for a lock now'}", Tone.PLAIN))]


def page_lines(tree: WaitTree, now: datetime, cells: int) -> tuple[list[Line], list[int | None]]:
    """Return the page, and beside each line which node it belongs to: None for the titles between them."""
    widths = _widths(tree.nodes)
    shown: list[Line] = []
    owners: list[int | None] = []
    part: Part | None = None
    for index, node in enumerate(tree.nodes):
        if node.part is not part:
            if part is not None:
                shown.append(EMPTY)
                owners.append(None)
            part = node.part
            shown.append(line(span(f" {_TITLES[part]}", Tone.QUIET)))
            owners.append(None)
        for one in _node_lines(node, now, widths, is_narrow=cells < _WIDE_CELLS):
            shown.append(fitted(one, cells))
            owners.append(index)
    return shown, owners


def _widths(nodes: Sequence[WaitNode]) -> tuple[int, int, int]:
    backends = [node.backend for node in nodes if node.backend is not None]

    def widest(texts: Iterator[str], limits: range) -> int:
        return min(max(map(len, texts), default=limits.start), limits.stop)

    return (
        widest((backend.application_name or "?" for backend in backends), _APPLICATION_CELLS),
        widest((backend.database_user or "?" for backend in backends), _USER_CELLS),
        widest((_state(backend) for backend in backends), _STATE_CELLS),
    )


def _state(backend: Backend) -> str:
    return (backend.state or "?").replace("idle in transaction", "in transaction")


def _node_lines(node: WaitNode, now: datetime, widths: tuple[int, int, int], *, is_narrow: bool) -> Iterator[Line]:
    lead = _INDENT * node.depth + ("└ " if node.depth else "  ")
    waits = tuple(_waiting(node, now))
    below = Span(" " * (len(lead) + 9))
    yield line(Span(lead), *_who(node, now, widths), *(() if is_narrow else waits))
    if is_narrow and waits:
        yield line(below, *waits)
    if node.backend is not None:
        query = _HIDDEN if node.query is None else one_line(node.query)
        yield line(below, span(query or _NOTHING, Tone.QUIET))


def _who(node: WaitNode, now: datetime, widths: tuple[int, int, int]) -> Iterator[Span]:
    backend, (application, user, state) = node.backend, widths
    yield span(f"{node.pid:<7}  " if node.pid else "prepared transaction  ", _TONES[node.part])
    if backend is None:
        return
    yield span(padded(backend.application_name or "?", application) + "  ")
    yield span(padded(backend.database_user or "?", user) + "  ", Tone.QUIET)
    yield span(padded(_state(backend), state) + "  ", _state_tone(backend))
    if backend.since is not None and (node.awaited is None or node.part is Part.BLOCKER):
        yield span(f"for {words.age(backend.since, now)}  ", Tone.QUIET)


def _state_tone(backend: Backend) -> Tone:
    return Tone.BAD if (backend.state or "").startswith("idle in transaction") else Tone.QUIET


def _waiting(node: WaitNode, now: datetime) -> Iterator[Span]:
    """Yield what a backend waits for, and what it holds, if that is known."""
    if node.awaited is not None:
        since = node.awaited.since
        how_long = f" {words.clock((now - since).total_seconds())}" if since is not None else ""
        yield span(f"waits{how_long} for ", Tone.QUIET)
        yield span(_lock(node.awaited) + "  ", Tone.PLAIN)
    if node.held and node.part is not Part.WAITING:
        yield span("holds ", Tone.QUIET)
        yield span(", ".join(map(_lock, node.held)), Tone.PLAIN)


def _lock(lock: Lock) -> str:
    return f"{lock.mode_words} on {lock.target}"


def node_text(node: WaitNode, now: datetime) -> list[Line]:
    """Return everything that is known of a backend: its whole statement, too, as far as the server keeps it."""
    if node.backend is None:
        return [line("nothing is known of it but its process id" if node.pid else "a prepared transaction")]
    backend = node.backend
    found = [*backend_view.client_lines(backend)]
    for name, lock_text in [
        *((("waits for", _lock(node.awaited)),) if node.awaited is not None else ()),
        *(("holds", _lock(lock)) for lock in node.held),
    ]:
        found.append(backend_view.fact_line(name, lock_text))
    if backend.since is not None:
        found.append(backend_view.fact_line("since", f"{words.age(backend.since, now)} ago"))
    query = _HIDDEN if node.query is None else redact(node.query)
    return [*found, EMPTY, *lines(query or _NOTHING)]
