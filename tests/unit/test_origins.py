"""What people read of a migration that another tool applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from zmig_tui.models.details import Detail, Tab
from zmig_tui.pages.detail_pages import page_lines

from zmig.facts import EventType, Fact
from zmig.planning.history import Record
from zmig.planning.state import Entry, State
from zmig.presentation import origins
from zmig.presentation.hints import LibraryStyle
from zmig.presentation.spans import plain

_FULL = {
    "tool": "flyway",
    "table": "public.flyway_schema_history",
    "id": "1",
    "applied_at": "2024-01-02T12:11:00+02:00",
    "applied_by": "app",
    "duration_ms": 12,
    "was_run": True,
    "matches": True,
}
_WORDS = "imported from Flyway; applied 2024-01-02 10:11:00 UTC by app, 12 ms, file unchanged"


def _fact(origin: Any, **data: object) -> Fact:
    said = {"version": 1, "name": "001_a", "origin": origin, **data}
    return Fact(1, "001_a", EventType.BASELINED, created_at=datetime(2026, 1, 1, tzinfo=UTC), data=said)


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (_FULL, _WORDS),
        ({"tool": "dbmate", "id": "1", "matches": None}, "imported from dbmate"),
        (
            {"tool": "prisma", "id": "1", "was_run": False, "matches": False, "reason": "a comment"},
            "imported from Prisma; recorded there without being run, file differs (a comment)",
        ),
        ({"tool": "prisma", "id": "1", "applied_at": "yesterday", "duration_ms": "x"}, "imported from Prisma"),
        ({"tool": "prisma", "table": "public._prisma_migrations"}, "imported from Prisma"),
        ({"tool": "somebody's own", "id": 7}, "imported from somebody's own"),
        (["what"], None),
        (None, None),
    ],
)
def test_a_sentence_says_what_is_known(origin: object, said: str | None) -> None:
    assert origins.sentence(_fact(origin)) == said


@pytest.mark.parametrize("tab", [Tab.OVERVIEW, Tab.EVENTS])
def test_the_console_has_it_on_its_pages(tab: Tab) -> None:
    fact = _fact(_FULL, reason="imported from Flyway")
    record = Record("001_a", 1, last=fact, applied=fact)
    detail = Detail(entry=Entry(None, record, State.DONE), facts=(fact,))
    lines = [plain(line).strip() for line in page_lines(detail, tab, LibraryStyle())]
    assert any(line.endswith(_WORDS) for line in lines), lines
