"""Records the console at work as an animated SVG: `python docs/recording.py`, or `make recording`.

It is the console itself, with keys pressed, on a private server that is started for it: an apply that fails, the file
mended, the retry. Times and ids are those of that run, so the picture is another one each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tui"), str(ROOT / "docs")]

import screenshots  # noqa: E402 - beside this file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.console import Console

FILE = ROOT / "docs" / "images" / "console-recording.svg"
SIZE = (132, 30)
_FOLDER = re.compile(r"/[^<>&]*/[^<>&]*data(?=[<&])")
_PLACE, _BLANK = "private server", "\N{NO-BREAK SPACE}"
"""What is shown in place of the folder that the server is in, which is another one each time."""
MANIFEST = """\
manifest: 1
name: shop
environment: staging
database:
  embedded: .zmig/postgres
migrations:
"""
FILES = {
    "001_customers": "create table customers (id bigint primary key, email text not null);\n",
    "002_orders": """\
create table orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers,
    total numeric(12, 2) not null
);
""",
    "003_some_orders": """\
insert into customers select n, 'customer' || n || '@example.com' from generate_series(1, 1000) n;
insert into orders (customer_id, total) select 1 + n % 1000, n from generate_series(1, 200000) n;
""",
    "004_orders_by_customer": "create index concurrently orders_customer on orders (customer_id);\n",
    "005_paid_at": """\
alter table orders add column paid_at timestamptz;
alter table orders add constraint paid_in_time check (paid_at > placed_at) not valid;
""",
    "006_order_totals": """\
create view order_totals as
    select customer_id, sum(total) as total from orders group by customer_id;
""",
}
MENDED = """\
alter table orders add column placed_at timestamptz not null default now();
alter table orders add column paid_at timestamptz;
alter table orders add constraint paid_in_time check (paid_at > placed_at) not valid;
"""


@dataclass
class Frame:
    """A picture, and how long it is shown."""

    svg: str
    seconds: float


class Recorder:
    """Takes pictures of a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.frames: list[Frame] = []

    async def take(self, seconds: float) -> None:
        """Take a picture, to be shown for some seconds."""
        await self._console.pilot.pause()
        picture = self._console.app.export_screenshot(title="zmig tui")
        picture = _FOLDER.sub(lambda found: _PLACE.rjust(len(found[0]), _BLANK), picture)
        self.frames.append(Frame(screenshots.self_contained(picture), seconds))


async def record(folder: Path) -> list[Frame]:
    """Play the story in an empty folder; return its pictures."""
    from tests.support.console import console

    manifest = _write_project(folder)
    async with console(manifest, size=SIZE) as zmig:
        recorder = Recorder(zmig)
        await zmig.until(lambda: len(zmig.main.table.rows) == len(FILES))
        await recorder.take(2)
        await zmig.question("a")
        await zmig.until(lambda: zmig.plan_screen.model.effects is not None)
        await recorder.take(2)
        await zmig.press("down", "down", "down")
        await zmig.until(lambda: "create index concurrently" in zmig.screen_text)
        await recorder.take(4)
        await zmig.press("enter")
        await zmig.until_states(**{"001_customers": "done"})
        await recorder.take(1)
        await zmig.until_states(**{"005_paid_at": "failed"})
        await zmig.until(lambda: 'column "placed_at" does not exist' in zmig.page and zmig.main.model.holder is None)
        await recorder.take(4)
        (folder / "migrations" / "005_paid_at.sql").write_text(MENDED)
        await zmig.until(lambda: "add column placed_at" in zmig.page)
        await recorder.take(3)
        await zmig.question("r")
        await recorder.take(2)
        await zmig.press("enter")
        await zmig.until_states(**{"005_paid_at": "done"})
        await recorder.take(2)
        await zmig.agree_to("a")
        await zmig.until_states(**dict.fromkeys(FILES, "done"))
        await recorder.take(4)
    return recorder.frames


def _write_project(folder: Path) -> Path:
    lines = [MANIFEST]
    for name in ("manifests", "migrations"):
        (folder / name).mkdir()
    for version, (name, text) in enumerate(FILES.items(), start=1):
        (folder / "migrations" / f"{name}.sql").write_text(text)
        lines.append(f"  - version: {version}\n    file: ../migrations/{name}.sql\n")
    manifest = folder / "manifests" / "shop.yaml"
    manifest.write_text("".join(lines))
    return manifest


def animated(frames: Sequence[Frame]) -> str:
    """Return one SVG that shows the pictures one after another, for ever; without motion the first one."""
    whole = sum(frame.seconds for frame in frames)
    rules = [f"g.frame {{ visibility: hidden; animation: {whole:g}s step-end infinite; }}"]
    parts: list[str] = []
    begins = 0.0
    for number, frame in enumerate(frames):
        ends = begins + frame.seconds
        stops = [(0.0, number == 0), (begins / whole, True), (ends / whole, False)]
        steps = " ".join(f"{at:.3%} {{ visibility: {'visible' if seen else 'hidden'}; }}" for at, seen in stops)
        rules.append(f"@keyframes frame{number} {{ {steps} }} #frame{number} {{ animation-name: frame{number}; }}")
        inner = re.sub(r"terminal-", f"t{number}-", frame.svg)
        parts.append(f'<g class="frame" id="frame{number}">{inner}</g>')
        begins = ends
    rules.append("@media (prefers-reduced-motion: reduce) { #frame0 { visibility: visible; animation: none; } }")
    box = re.search(r'viewBox="([^"]+)"', frames[0].svg)
    assert box is not None
    style = "\n".join(rules)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box[1]}">\n<style>\n{style}\n</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def main() -> None:
    """Record, and write the picture."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder, contextlib.chdir(folder):
        os.environ.pop("ZMIG_DATABASE_URL", None)
        frames = asyncio.run(record(Path(folder)))
    FILE.write_text(animated(frames), "utf-8")
    sys.stdout.write(f"{FILE.relative_to(ROOT)}: {len(frames)} pictures\n")


if __name__ == "__main__":
    main()
