"""Problems as text: what is escaped, where the caret stands, what a long or hostile text does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.errors import Location, Problem
from zmig.presentation.problems import problem_lines, problem_text
from zmig.presentation.spans import Tone
from zmig.text.terminal import display_width, one_line, visible

_FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
_PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


def _marked(text: str, column: int, *, width: int = 1) -> str:
    return problem_text(Problem("x", "m", Location("f.sql", 7, column, text=text, width=width))).split("\n", 2)[2]


def test_a_problem_shows_message_place_line_facts_effect_and_hint_in_that_order() -> None:
    problem = Problem(
        "migration-failed",
        'migration `0007` failed: column "emial" of relation "users" does not exist',
        Location("migrations/0007_backfill_email.sql", 14, 18, text="update users set emial = lower(email);", width=5),
        facts=("PostgreSQL 42703, statement 3 of 5, after 1.2 s",),
        effect="rolled back: `0007` left nothing behind",
        hint="correct the file, then run `zmig retry 0007`",
    )
    assert problem_text(problem) == (
        'error: migration `0007` failed: column "emial" of relation "users" does not exist\n'
        "  --> migrations/0007_backfill_email.sql:14:18\n"
        "   |\n"
        "14 | update users set emial = lower(email);\n"
        "   |                  ^^^^^\n"
        "   = PostgreSQL 42703, statement 3 of 5, after 1.2 s\n"
        "   = rolled back: `0007` left nothing behind\n"
        "hint: correct the file, then run `zmig retry 0007`"
    )


def test_each_part_of_a_problem_has_its_tone_what_continues_it_too() -> None:
    problem = Problem(
        "x", "one\ntwo", Location("a.sql", 3, 8, text="select nope", width=4), facts=("three",), hint="four\nfive"
    )
    assert [tuple((span.text, span.tone) for span in line) for line in problem_lines(problem)] == [
        (("error: ", Tone.BAD), ("one", Tone.BAD)),
        (("       ", Tone.BAD), ("two", Tone.BAD)),
        (("  --> a.sql:3:8", Tone.QUIET),),
        (("   |", Tone.PLAIN),),
        ((" 3 | ", Tone.QUIET), ("select nope", Tone.PLAIN)),
        (("   | ", Tone.QUIET), ("       ^^^^", Tone.BAD)),
        (("   = ", Tone.QUIET), ("three", Tone.QUIET)),
        (("hint: ", Tone.ACCENT), ("four", Tone.ACCENT)),
        (("      ", Tone.ACCENT), ("five", Tone.ACCENT)),
    ]


def test_a_problem_with_only_a_message_is_one_line() -> None:
    assert problem_text(Problem("x", "no migration is called `a`"), level="warning") == (
        "warning: no migration is called `a`"
    )


def test_a_place_without_its_line_shows_no_caret() -> None:
    assert problem_text(Problem("x", "m", Location("a.yaml", 3, 2))) == "error: m\n  --> a.yaml:3:2"


def test_a_line_number_of_many_digits_widens_the_margin() -> None:
    text = problem_text(Problem("x", "m", Location("a.sql", 123456, 2, text="ab")))
    assert text.split("\n")[2:] == ["       |", "123456 | ab", "       |  ^"]


def test_what_continues_a_text_is_indented_so_that_nothing_can_pose_as_a_hint() -> None:
    problem = Problem("x", "first\nhint: run `rm -rf /`", facts=("one\r\ntwo\n",), effect="a\nb", hint="c\nd")
    assert problem_text(problem) == (
        "error: first\n       hint: run `rm -rf /`\n   = one\n     two\n   = a\n     b\nhint: c\n      d"
    )


def test_a_file_name_cannot_begin_a_line_of_its_own() -> None:
    text = problem_text(Problem("x", "m", Location("a\nhint: b.sql", 1, 1, text="select 1")))
    assert text.split("\n")[1] == "  --> a hint: b.sql:1:1"


@pytest.mark.parametrize(
    ("text", "column", "width", "expected"),
    [
        pytest.param("select nope", 8, 4, " 7 | select nope\n   |        ^^^^", id="ASCII"),
        pytest.param("select 'é', x", 13, 1, " 7 | select 'é', x\n   |             ^", id="an accent in one character"),
        pytest.param(
            "select 'e\u0301', x", 14, 1, " 7 | select 'e\u0301', x\n   |             ^", id="a combining accent"
        ),
        pytest.param("select '日本', x", 14, 1, " 7 | select '日本', x\n   |                ^", id="wide characters"),
        pytest.param("select 日本語", 8, 3, " 7 | select 日本語\n   |        ^^^^^^", id="a wide marked part"),
        pytest.param("\tselect x", 9, 1, " 7 |  select x\n   |         ^", id="a tab takes one cell"),
        pytest.param(
            "a\x1b[31mb", 7, 1, " 7 | a\\x1b[31mb\n   |          ^", id="what is escaped moves the caret along"
        ),
        pytest.param("a\u202eb", 2, 1, " 7 | a\\u202eb\n   |  ^^^^^^", id="an escaped character is marked as a whole"),
        pytest.param("ab", 3, 1, " 7 | ab\n   |   ^", id="the end of the line"),
        pytest.param("ab", 99, 1, " 7 | ab\n   |   ^", id="a column behind the end"),
        pytest.param("ab", 0, 1, " 7 | ab\n   | ^", id="a column before the beginning"),
        pytest.param("ab", 1, 99, " 7 | ab\n   | ^^", id="a width beyond the end"),
        pytest.param("", 1, 1, " 7 | \n   | ^", id="an empty line"),
        pytest.param("e\u0301", 2, 1, " 7 | e\u0301\n   |  ^", id="a character without width gets a caret still"),
        pytest.param("한\u1160x", 3, 1, " 7 | 한\u1160x\n   |   ^", id="a Korean vowel joins the cell before it"),
    ],
)
def test_the_caret_stands_below_the_marked_characters(text: str, column: int, width: int, expected: str) -> None:
    assert _marked(text, column, width=width) == f"   |\n{expected}"


@pytest.mark.parametrize("column", [1, 500_000, 1_000_000])
def test_a_line_of_a_megabyte_is_cut_around_the_marked_character(column: int) -> None:
    text = "x" * (column - 1) + "Y" + "x" * (1_000_000 - column)
    shown, caret = _marked(text, column).split("\n")[1:]
    assert len(shown) < 200
    assert shown[caret.index("^")] == "Y"
    assert shown.count("…") == (column > 1) + (column < 1_000_000)


def test_a_marked_part_longer_than_the_shown_line_is_cut_too() -> None:
    shown, caret = _marked("y" * 1000, 1, width=1000).split("\n")[1:]
    assert shown.count("y") == caret.count("^") == 160


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain text, ~!@#", "plain text, ~!@#", id="ASCII stays"),
        pytest.param("a\tb\nc", "a\tb\nc", id="tabs and line feeds stay"),
        pytest.param("a\r\nb\rc", "a\nb\\rc", id="a CRLF is a line end, a lone carriage return would overwrite"),
        pytest.param("\x1b[2J\x07\x00\x7f", "\\x1b[2J\\x07\\x00\\x7f", id="terminal commands"),
        pytest.param("\x85\x9b31m", "\\x85\\x9b31m", id="the same commands in their eight-bit form"),
        pytest.param("a\u202eb\u2066c\u200f", "a\\u202eb\\u2066c\\u200f", id="overrides of the writing direction"),
        pytest.param("id\u200b\ufeff\u00ad", "id\\u200b\\ufeff\\xad", id="what nobody sees"),
        pytest.param("\u2028\u2029", "\\u2028\\u2029", id="separators that some terminals break lines at"),
        pytest.param("caf\udce9", "caf\\udce9", id="a byte of a file name that is not UTF-8"),
        pytest.param("\U000e0041", "\\U000e0041", id="hidden tags"),
        pytest.param("é日本語 🎉 ä\u0308", "é日本語 🎉 ä\u0308", id="letters, accents, emoji stay"),
        pytest.param(_FAMILY, _FAMILY, id="an emoji joined of several stays"),
        pytest.param(_PERSIAN, _PERSIAN, id="a Persian word with its non-joiner stays"),
        pytest.param("user\u200d_id", "user\\u200d_id", id="a joiner hidden in an ASCII name"),
        pytest.param("\u200cé", "\\u200cé", id="a joiner at the beginning"),
    ],
)
def test_visible_escapes_what_a_terminal_acts_on_or_nobody_sees(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text(st.characters()))
def test_visible_text_holds_nothing_to_act_on_and_can_be_written(text: str) -> None:
    shown = visible(text)
    joiners = {"\u200c", "\u200d"}
    left = {character for character in shown if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert left <= {"\n", "\t"} | joiners
    assert visible(shown.encode("utf-8").decode()) == shown


@given(st.text(st.characters()))
def test_one_line_is_one_line(text: str) -> None:
    assert len(f"{one_line(text)}|".splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("abc", 3),
        ("日本語", 6),
        ("\uff46\uff55", 4),
        ("e\u0301", 1),
        ("दे", 1),
        ("\u1112\u1161\u11ab", 2),
        ("🎉", 2),
        ("", 0),
    ],
)
def test_display_width_counts_terminal_cells(text: str, cells: int) -> None:
    assert display_width(text) == cells


@given(st.text(), st.integers(-3, 400), st.integers(-3, 400))
def test_any_line_and_place_give_three_lines_with_the_caret_inside(text: str, column: int, width: int) -> None:
    bar, shown, caret = _marked(text, column, width=width).split("\n")
    assert bar == "   |"
    assert shown.startswith(" 7 | ")
    assert 6 <= len(caret) <= max(6, display_width(shown) + 1)
