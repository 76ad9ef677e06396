"""Writes the pictures and the tables of the floors into the pages for builders: `python docs/generate_floors.py`.

Both come from the import contracts in `.importlinter` and from the docstrings of the rooms. A test fails while a page
is not what this would write.
"""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]
PAGES = {"floors": ROOT / "docs" / "architecture.md", "console": ROOT / "docs" / "console-internals.md"}
"""The page of each contract."""
BEGIN, END = "<!-- floors: docs/generate_floors.py -->\n", "<!-- end of floors -->\n"


def page(contract: str) -> str:
    """Return the page of a contract with the picture and the table as they should be."""
    before, _, rest = PAGES[contract].read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    package, floors = _floors(contract)
    return f"{before}{BEGIN}```\n{picture(floors)}```\n\n{_table(floors, package)}{END}{after}"


def _floors(contract: str) -> tuple[str, list[list[str]]]:
    """Return the package that the rooms are in, and the rooms of each floor with the signs between, from the roof down.

    Where the contract names no package, the rooms' names are whole.
    """
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    section = config[f"importlinter:contract:{contract}"]
    lines = [line.split() for line in section["layers"].splitlines() if re.match(r"\w", line)]
    return section.get("containers", "").strip(), lines


def picture(floors: Sequence[Sequence[str]], *, width: int = 61) -> str:
    """Draw a box for each floor: a wall between rooms that do not know each other, a gap between those that may.

    `width` is in characters, between the outer walls.
    """
    rows = [_row(floor, width) for floor in floors]
    lines = [f"┌{_ceiling(' ' * width, rows[0])}┐"]
    for row, below in zip(rows, [*rows[1:], " " * width], strict=True):
        lines += [f"│{row}│", f"├{_ceiling(row, below)}┤"]
    lines[-1] = f"└{_ceiling(rows[-1], ' ' * width)}┘"
    return "\n".join(lines) + "\n"


def _row(floor: Sequence[str], width: int) -> str:
    """Return a floor whose rooms share the width."""
    rooms = " ".join(floor).replace(" : ", "  ").split(" | ")
    share, rest = divmod(width - len(rooms) + 1, len(rooms))
    return "│".join(f" {room}".ljust(share + (rest if number == 0 else 0)) for number, room in enumerate(rooms))


def _ceiling(above: str, below: str) -> str:
    """Return the line between two floors, which joins the walls of both."""
    signs = {(False, False): "─", (True, False): "┴", (False, True): "┬", (True, True): "┼"}
    return "".join(signs[first == "│", second == "│"] for first, second in zip(above, below, strict=True))


def _table(floors: Sequence[Sequence[str]], package: str) -> str:
    names = (room for floor in floors for room in floor if room not in ("|", ":"))
    rooms = [f"{package}.{name}".removeprefix(".") for name in names]
    rows = (f"| `{_name(room)}` | {_sentence(room)} |\n" for room in rooms)
    return "".join(("| room | what is there |\n", "| --- | --- |\n", *rows))


def _files(room: str) -> Iterator[Path]:
    base = ROOT / ("tui" if room.startswith("zmig_tui") else ".") / room.replace(".", "/")
    yield from (base / "__init__.py", base.with_suffix(".py"))


def _name(room: str) -> str:
    file = next(file for file in _files(room) if file.exists())
    return str((file.parent if file.name == "__init__.py" else file).relative_to(ROOT))


def _sentence(room: str) -> str:
    """Return what a room's docstring says before its first empty line, as one line without a period at its end."""
    file = next(file for file in _files(room) if file.exists())
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    assert docstring is not None, f"{room} has no docstring"
    return " ".join(docstring.partition("\n\n")[0].split()).removesuffix(".")


if __name__ == "__main__":
    for name, file in PAGES.items():
        file.write_text(page(name), encoding="utf-8")
