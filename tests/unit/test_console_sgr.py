"""What the console sends to a terminal looks the same as what Textual makes, in fewer bytes."""

from __future__ import annotations

import random
import re

import pytest
from zmig_tui import sgr

_PART = re.compile(r"\x1b\[([0-9;]*)m|(\x1b\[[^m]*?[A-Za-ln-z])|(.)", re.DOTALL)
_STYLES = (
    "1", "2", "3", "4", "7", "9", "0", "", "1;4", "31", "97", "39", "49", "44", "103", "38;5;11", "48;5;0",
    "38;2;200;208;232", "48;2;22;24;31", "1;38;2;200;208;232;48;2;22;24;31", "7;38;2;1;2;3;48;2;4;5;6", "0;1",
)  # fmt: skip
_TEXTS = ("a", " ", "   ", "✓ done", "日本", "\r\n", "\x1b[3;7H", "\x1b[1;1H", "x  ", "\x1b[2J", "\x1b[?25l")


def _drawn(text: str) -> list[tuple[str, object]]:
    """Every character and sequence with the style that a terminal has then; a plain blank has no foreground."""
    drawn: list[tuple[str, object]] = []
    colours: dict[str, str] = {}
    others: set[str] = set()
    for style, sequence, character in _PART.findall(text):
        if sequence or character in ("\r", "\n"):
            drawn.append((sequence or character, None))
        elif character:
            ground = (colours.get("3", ""), colours.get("4", ""))
            if character == " " and not others & {"4", "7", "9"}:
                drawn.append((character, ground[1]))
            else:
                drawn.append((character, (ground, frozenset(others))))
        else:
            _apply(style, colours, others)
    assert not colours
    assert not others
    return drawn


def _apply(style: str, colours: dict[str, str], others: set[str]) -> None:
    numbers = iter(style.split(";"))
    for number in numbers:
        if number in ("", "0"):
            colours.clear()
            others.clear()
        elif number in ("38", "48"):
            kind = next(numbers)
            colours[number[0]] = " ".join([kind, *(next(numbers) for _ in range(1 if kind == "5" else 3))])
        elif number in ("39", "49"):
            colours.pop(number[0], None)
        elif len(number) > 1:
            colours[{"9": "3", "1": "4"}.get(number[0], number[0])] = number
        else:
            others.add(number)


@pytest.mark.parametrize("seed", range(300))
def test_it_looks_the_same(seed: int) -> None:
    choose = random.Random(seed)
    parts: list[str] = []
    for _ in range(choose.randrange(1, 40)):
        parts.append(f"\x1b[{choose.choice(_STYLES)}m")
        parts += choose.choices(_TEXTS, k=choose.randrange(3))
        if choose.random() < 0.5:
            parts.append("\x1b[0m")
    text = "".join(parts) + "\x1b[0m"
    assert _drawn(sgr.shorten(text)) == _drawn(text)


def test_what_does_not_change_is_not_sent_again() -> None:
    ground = "38;2;200;208;232;48;2;27;30;39"
    text = f"\x1b[{ground}mone\x1b[0m\x1b[{ground}m \x1b[0m\x1b[1;{ground}mtwo\x1b[0m\x1b[48;2;27;30;39m  \x1b[0m"
    assert (
        sgr.shorten(text) == f"\x1b[{ground}mone \x1b[1mtwo\x1b[0;{ground.partition(';48')[0]};48;2;27;30;39m  \x1b[m"
    )


def test_a_text_without_styles_stays_as_it_is() -> None:
    assert sgr.shorten("\x1b[?1049h\x1b[3;4Hdone\r\n\x1b]0;zmig\x07") == "\x1b[?1049h\x1b[3;4Hdone\r\n\x1b]0;zmig\x07"
