"""The page of everything that was recorded about a migration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from zmig.facts import EventType
from zmig.hints import command
from zmig.planning import blocked_by
from zmig.presentation import origins, words
from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.models.details import EVENTS_LIMIT
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.presentation.hints import HintStyle
    from zmig_tui.models.details import Detail

_TONES = {
    EventType.DONE: Tone.GOOD,
    EventType.FAILED: Tone.BAD,
    EventType.ROLLBACK_FAILED: Tone.BAD,
    EventType.STARTED: Tone.BUSY,
    EventType.ROLLBACK_STARTED: Tone.BUSY,
    EventType.ROLLED_BACK: Tone.WARN,
    EventType.OUTDATED: Tone.WARN,
    EventType.RESOLVED: Tone.ACCENT,
    EventType.ACCEPTED: Tone.ACCENT,
    EventType.BASELINED: Tone.ACCENT,
    EventType.IMPORTED: Tone.ACCENT,
}
_SHOWN = frozenset(
    {"version", "name", "run_id", "started_at", "completed_at", "error", "client", "origin", "next_try", blocked_by.KEY}
)
_MESSAGE = frozenset({"message"})
_SHOWN_OF_ERROR = _MESSAGE | {"file", "line", "column"}
"""What is shown already where the error's `location` holds the place in one word."""


def event_lines(detail: Detail, hints: HintStyle) -> Iterator[Line]:
    """Yield the page, the latest event first."""
    facts = detail.facts
    if not facts:
        yield line(span("nothing has happened to it yet", Tone.QUIET))
    for fact in reversed(facts):
        who = " ".join(part for part in (fact.database_user, f"on {fact.host}" if fact.host else "") if part)
        yield line(
            span(f"{fact.position:>5}  ", Tone.QUIET),
            span(fact.type.label, _TONES.get(fact.type, Tone.PLAIN)),
            span(f"  {words.moment(fact.created_at)} UTC  {who}", Tone.QUIET),
        )
        if fact.error_message is not None:
            yield line(span(f"       {fact.error_message}", Tone.BAD))
        error = fact.data.get("error")
        if isinstance(error, dict):
            yield from _pairs(cast("dict[str, object]", error), _SHOWN_OF_ERROR if "location" in error else _MESSAGE)
        for sentence in blocked_by.sentences(blocked_by.of_fact(fact)):
            yield line(span(f"       {sentence}", Tone.WARN))
        imported = origins.sentence(fact)
        if imported is not None:
            yield line(span(f"       {imported}", Tone.ACCENT))
        yield from _pairs(fact.data, _SHOWN)

    if len(facts) >= EVENTS_LIMIT:
        history = hints.phrase(command("history", about=detail.entry))
        yield line(span(f"these are the last {EVENTS_LIMIT}; {history} shows all", Tone.QUIET))


def _pairs(data: object, shown_already: frozenset[str]) -> Iterator[Line]:
    pairs = cast("dict[str, object]", data)
    shown = [f"{key} {_value(value)}" for key, value in pairs.items() if key not in shown_already and value is not None]
    if shown:
        yield line(Span("       "), span(" · ".join(shown), Tone.QUIET))


def _value(value: object) -> str:
    if isinstance(value, str):
        return value[:12] if len(value) == 64 and value.isalnum() else value
    return json.dumps(value, ensure_ascii=False)
