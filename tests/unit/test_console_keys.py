"""The keys that are offered, and how many of them there is room for."""

from __future__ import annotations

import pytest
from zmig_tui.models.availability import Situation
from zmig_tui.models.offers import offers
from zmig_tui.pages.key_line import key_line
from zmig_tui.screens import keys

from zmig.presentation.spans import plain
from zmig.text.terminal import display_width


@pytest.mark.parametrize("cells", [40, 60, 80, 120, 160, 200])
def test_the_bar_is_filled_and_the_way_out_is_always_in_it(cells: int) -> None:
    offered = offers(keys.all_offers(), Situation(), lambda _: None, is_paused=False)
    shown = key_line(offered, cells)
    text = plain(shown.line)
    assert display_width(text.rstrip()) <= cells
    assert "? Keys" in text
    assert "q Quit" in text
    left_out = offered[len(shown.places) - 2]
    assert display_width(text.rstrip()) + display_width(f"  {left_out.shown} {left_out.label}") > cells


def test_each_place_in_the_bar_is_that_of_its_key() -> None:
    shown = key_line(offers(keys.all_offers(), Situation(), lambda _: None, is_paused=False), 120)
    text = plain(shown.line)
    for columns, offer in shown.places:
        assert text[columns.start : columns.stop] == f"{offer.shown} {offer.label}"
        assert shown.at(columns.start) is offer
    assert shown.at(0) is None


def test_what_has_nothing_to_act_on_is_not_offered() -> None:
    offered = offers(keys.all_offers(), Situation(), lambda action: "no" if action != "sort" else None, is_paused=False)
    assert [offer.action for offer in offered] == ["sort", "help", "leave"]


def test_the_key_that_pauses_says_what_it_does_now() -> None:
    for is_paused, label in ((False, "Pause"), (True, "Resume")):
        offered = offers(keys.all_offers(), Situation(), lambda _: None, is_paused=is_paused)
        assert {offer.label for offer in offered if offer.action == "pause"} == {label}
