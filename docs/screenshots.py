"""Draws the pictures of the console that the documentation shows: `python docs/screenshots.py`, or `make screenshots`.

They are drawn without a terminal and without a database, from the same scenes that the tests compare, so they come
out the same everywhere. The SVG files name a font of every system instead of one from the internet.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tui")]

FOLDER = Path(__file__).parent / "images"
SIZE = (132, 36)
PICTURES = {
    "console": "failed",
    "console-running": "running",
    "console-blocked": "blocked",
    "console-waits": "waits",
    "console-timeline": "timeline",
    "console-log": "log",
    "console-file": "file",
    "console-plan": "plan",
    "console-rollback": "undo",
    "console-keys": "key_list",
    "console-databases": "databases",
}
_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


async def draw(scene: str, size: tuple[int, int]) -> str:
    """Return the picture of a scene."""
    from tests.support.scenes import SCENES, shown

    async with shown(SCENES[scene](), size) as app:
        return app.export_screenshot(title=f"zmig tui {app.main.model.manifest}")


def self_contained(svg: str) -> str:
    """Return the picture without anything to fetch, and without its serial number."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", _FONTS).replace("Fira Code", _FONTS)
    return re.sub(r"terminal-\d+-", "terminal-", svg)


def main() -> None:
    """Draw every picture."""
    FOLDER.mkdir(exist_ok=True)
    for name, scene in PICTURES.items():
        file = FOLDER / f"{name}.svg"
        file.write_text(self_contained(asyncio.run(draw(scene, SIZE))), "utf-8")
        sys.stdout.write(f"{file.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
