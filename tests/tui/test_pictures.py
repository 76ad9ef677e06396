"""The main states as pictures, at two sizes and some at others, against those that were looked at and found good.

`ZMIG_UPDATE_PICTURES=1 pytest tests/tui/test_pictures.py` draws them anew. The characters are compared always; the
colours too, where Textual is the version that the pictures were made with, because others may draw them otherwise.
"""

from __future__ import annotations

import asyncio
import os
import re
import runpy
from pathlib import Path

import pytest
import textual

from tests.support.scenes import SCENES, shown

FOLDER = Path(__file__).parent / "pictures"
SIZES = [(80, 24), (160, 44)]
OTHERS = [("failed", (200, 60)), ("blocked", (200, 60)), ("running", (40, 10))]
_VERSION = FOLDER / "textual-version"


async def _drawn(name: str, size: tuple[int, int]) -> tuple[str, str]:
    async with shown(SCENES[name](), size) as app:
        width, height = size
        strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage] - Textual shows it only as SVG
        text = "\n".join(strip.text[:width].rstrip() for strip in strips[:height])
        return text + "\n", _without_serial_numbers(app.export_screenshot(title=name))


def _without_serial_numbers(svg: str) -> str:
    return re.sub(r"terminal-\d+-", "terminal-", svg)


@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, size) for name in SCENES for size in SIZES), *OTHERS],
    ids=lambda given: given if isinstance(given, str) else "x".join(map(str, given)),
)
def test_it_looks_as_it_did(name: str, size: tuple[int, int]) -> None:
    text, svg = asyncio.run(_drawn(name, size))
    stem = FOLDER / f"{name}-{size[0]}x{size[1]}"
    if os.environ.get("ZMIG_UPDATE_PICTURES"):
        FOLDER.mkdir(exist_ok=True)
        stem.with_suffix(".txt").write_text(text)
        stem.with_suffix(".svg").write_text(svg)
        _VERSION.write_text(textual.__version__)
    assert text == stem.with_suffix(".txt").read_text()
    if _VERSION.read_text() == textual.__version__:
        assert svg == stem.with_suffix(".svg").read_text()


@pytest.mark.parametrize("theme", ["zmig-dark", "zmig-light", "gruvbox", "nord"])
def test_every_theme_has_the_same_words(theme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = asyncio.run(_drawn("failed", (80, 24)))
    monkeypatch.setenv("TEXTUAL_THEME", theme)
    assert asyncio.run(_drawn("failed", (80, 24)))[0] == plain


def test_without_colour_every_state_has_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = asyncio.run(_drawn("failed", (80, 24)))
    monkeypatch.setenv("NO_COLOR", "1")
    text, svg = asyncio.run(_drawn("failed", (80, 24)))
    assert text == plain
    assert {"done", "failed", "pending"} <= set(text.split())
    # The pictures themselves show text without a style of its own in this colour.
    colours = {"#c5c8c6"} ^ set(re.findall(r"-r\d+ \{ fill: (#[0-9a-f]{6})", svg))
    assert all(len({colour[1:3], colour[3:5], colour[5:7]}) == 1 for colour in colours)


@pytest.mark.slow
def test_the_pictures_in_the_documentation_are_these_and_fetch_nothing() -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "screenshots.py"))
    for name, scene in script["PICTURES"].items():
        drawn = script["self_contained"](asyncio.run(script["draw"](scene, script["SIZE"])))
        assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
        if _VERSION.read_text() == textual.__version__:
            assert drawn == (script["FOLDER"] / f"{name}.svg").read_text("utf-8")
