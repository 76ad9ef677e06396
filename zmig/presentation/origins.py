"""What a fact says of where it comes from, in words: another tool's history, with its dates and people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zmig.other_tools.history_tables import MARKS
from zmig.presentation import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.facts import Fact

_APPLIED = "applied"


def sentence(fact: Fact) -> str | None:
    """Return what a fact says of its origin; None where it was not imported."""
    origin = fact.origin
    if not origin:
        return None
    known = ", ".join(_applied(origin)) if origin.get("id") is not None else ""
    # Where nothing is known but that it was applied, there is nothing to say of it.
    return f"imported from {title(origin)}{f'; {known}' if known not in ('', _APPLIED) else ''}"


def title(origin: Mapping[str, object]) -> str:
    """Return the tool, as people write it."""
    tool = origin.get("tool")
    mark = MARKS.get(tool) if isinstance(tool, str) else None
    return mark.title if mark is not None else str(tool)


def _applied(origin: Mapping[str, object]) -> Iterator[str]:
    verb = "recorded there without being run" if origin.get("was_run") is False else _APPLIED
    at, by, took = _moment(origin.get("applied_at")), origin.get("applied_by"), origin.get("duration_ms")
    yield " ".join([verb, *([] if at is None else [at]), *([f"by {by}"] if isinstance(by, str) and by else [])])
    if isinstance(took, int) and not isinstance(took, bool):
        yield words.duration(took / 1000)
    matches, reason = origin.get("matches"), origin.get("reason")
    if matches is True:
        yield "file unchanged"
    elif matches is False:
        yield f"file differs{f' ({reason})' if isinstance(reason, str) else ''}"


def _moment(text: object) -> str | None:
    try:
        return f"{words.moment(datetime.fromisoformat(str(text)))} UTC" if isinstance(text, str) else None
    except ValueError:
        return None
