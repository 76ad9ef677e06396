"""The table of settings, and the page that shows it."""

from __future__ import annotations

import re

from tests.support.process import ROOT
from zmig.database import settings


def _rows() -> list[tuple[str, str, str]]:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    cells = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", page, re.MULTILINE)
    return [(name, treatment, why) for name, treatment, why in cells]


def test_the_page_shows_the_table() -> None:
    assert _rows() == [(one.name, one.treatment.value, one.why) for one in settings.TABLE]


def test_no_setting_stands_in_the_table_twice() -> None:
    names = [one.name.lower() for one in settings.TABLE]
    assert len(set(names)) == len(names)


def test_what_a_server_does_not_know_is_not_set_there() -> None:
    assert "idle_session_timeout" not in settings.running(130000)
    assert "idle_session_timeout" in settings.running(140000)
    assert "transaction_timeout" not in settings.running(160000)
    assert "transaction_timeout" in settings.running(170000)
