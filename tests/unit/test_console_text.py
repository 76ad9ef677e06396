from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from zmig_tui import text
from zmig_tui.pages.heading import Heading
from zmig_tui.text import line, span

from tests.support.scenes import Scene
from zmig.database.standby import Standby
from zmig.presentation.spans import Span, Tone, plain
from zmig.session.tool_use import NotImported, StillUsed
from zmig.session.watched_tools import ToolsSeen
from zmig.text.terminal import display_width


@given(st.text())
def test_a_span_never_holds_what_a_terminal_acts_on(shown: str) -> None:
    made = span(shown).text
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in made)


@given(st.text(), st.integers(0, 40), st.booleans())
@example("表計算", 4, True)
def test_padded_text_takes_exactly_its_cells(shown: str, cells: int, to_right: bool) -> None:
    assert display_width(text.padded(span(shown).text, cells, to_right=to_right)) == cells


@given(st.lists(st.text(max_size=30), max_size=4), st.integers(8, 40))
def test_wrapped_lines_fit_and_lose_nothing_but_blanks(parts: list[str], cells: int) -> None:
    shown = tuple(Span(part) for part in (span(part).text for part in parts) if part)
    assume(shown and not shown[0].text.endswith(text.QUOTED))
    pieces = list(text.wrapped(shown, cells))
    assert all(text.width(piece) <= max(cells, 2) for piece in pieces)
    joined = "".join(plain(piece) for piece in pieces)
    assert joined.replace(" ", "") == plain(shown).replace(" ", "")


def test_a_quoted_line_is_cut_off_instead_of_wrapped() -> None:
    quoted = (Span(f" 2 {text.QUOTED}"), Span("select * from somewhere"))
    assert [plain(piece) for piece in text.wrapped(quoted, 12)] == [" 2 | select…"]


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_fitted_line_is_never_wider(shown: str, cells: int) -> None:
    assert text.width(text.fitted(line(shown), cells)) <= cells


def test_what_follows_a_margin_goes_on_below_itself() -> None:
    shown = line(span("  because  "), "the file was changed meanwhile")
    assert [plain(piece) for piece in text.wrapped(shown, 28)] == [
        "  because  the file was ",
        "           changed meanwhile",
    ]


def test_a_quotation_is_cut_off_so_that_its_caret_stays_below_its_place() -> None:
    shown = (Span(" 3 | "), Span("select * from somewhere"))
    assert [plain(piece) for piece in text.wrapped(shown, 12)] == [" 3 | select…"]


@pytest.mark.parametrize(("fraction", "shown"), [(0, "────"), (0.5, "━━──"), (0.63, "━━╸─"), (1, "━━━━"), (7, "━━━━")])
def test_a_bar_is_filled_by_halves(fraction: float, shown: str) -> None:
    assert plain(text.bar(fraction, 4)) == shown


def test_the_right_end_of_a_line_gives_way() -> None:
    assert plain(text.spread(line("left"), line("right"), 12)) == "left   right"
    assert plain(text.spread(line("left"), line("right"), 8)) == "left"


def test_a_tone_has_a_class_in_the_style_sheet() -> None:
    from importlib import resources

    sheet = resources.files("zmig_tui").joinpath("console.tcss").read_text("utf-8")
    assert all(f".tone--{tone.value} {{" in sheet for tone in Tone)


@pytest.mark.parametrize(
    ("standby", "shown"),
    [
        (None, None),
        (Standby(0.0, "db1:5432"), "standby"),
        (Standby(12.4), "standby, 12 s behind"),
        (Standby(), "standby"),
    ],
)
def test_the_heading_says_of_a_standby_how_far_behind_it_is(standby: Standby | None, shown: str | None) -> None:
    seen = Scene([]).observation()
    seen = replace(seen, status=replace(seen.status, standby=standby))
    second = "".join(one.text for one in Heading("prod.yaml", observation=seen, counts={}).lines(100)[1])
    assert "standby" not in second if shown is None else shown in second


@pytest.mark.parametrize(
    ("tools", "shown"),
    [
        (ToolsSeen(), "lock free"),
        (
            ToolsSeen((StillUsed("prisma", "public.p", ("a", "b", "c", "d")),)),
            "! somebody still runs Prisma (zmig import): a, b, c and 1 more",
        ),
        (
            ToolsSeen((StillUsed("flyway", "public.f", taken_back=("V1__a",)),)),
            "! Flyway has taken back (zmig status): V1__a",
        ),
        (ToolsSeen(kept={"flyway": 2}), "2 rows of Flyway in the history alone (zmig history)"),
        (ToolsSeen(not_imported=NotImported("goose", "public.g")), "! goose's history is not imported"),
    ],
)
def test_the_heading_says_what_other_tools_have_there(tools: ToolsSeen, shown: str) -> None:
    seen = replace(Scene([]).observation(), tools=tools)
    third = "".join(one.text for one in Heading("prod.yaml", observation=seen, counts={}).lines(120)[2])
    assert shown in third
