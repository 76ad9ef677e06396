"""Keeps to itself what is in files that a link leads to, out of the project.

Whoever may propose a change to a repository may put a link into it. What `zmig lint` then says on the machine that
checks the change must not show what is in that machine's other files; yet an error shows a line and quotes words.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.errors import Problem

_QUOTATION = re.compile(r'"[^"]*"|`[^`]*`')
_SAID = re.compile(r"(detail|server hint|inner query|context): .*", re.DOTALL)
HIDDEN = "…"
"""What is shown in place of a line, or of words, of such a file."""


def is_outside(path: str) -> bool:
    """Whether links lead from a file's path out of the project, or into what git keeps for itself.

    The project is the working tree of git that the path is in; without git the current folder, or else the folder above
    the file's.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 -- links are to stay in it
    root = os.path.realpath(_project(place))
    real = os.path.realpath(place)
    inside = Path(os.path.relpath(real, root)).parts
    return inside[:1] == (os.pardir,) or (".git" in inside and ".git" not in place.parts)


def _project(place: Path) -> Path:
    for folder in place.parents:
        if os.path.lexists(folder / ".git"):
            return folder
    with suppress(OSError):  # the current folder may be gone
        here = Path.cwd()
        if here in place.parents:
            return here
    above = place.parent.parent
    return place.parent if above == above.parent else above


def is_about(problem: Problem) -> bool:
    """Whether a problem is about a file outside of the project."""
    return problem.location is not None and problem.location.path != "" and is_outside(problem.location.path)


def redacted(problem: Problem) -> Problem:
    """Return a problem without its line and its quotations, if it is about a file outside of the project."""
    location = problem.location
    if location is None or not is_about(problem):
        return problem
    return replace(
        problem,
        message=unquoted(problem.message, location.path),
        location=replace(location, text=None),
        facts=tuple(unquoted(fact, location.path) for fact in problem.facts),
    )


def unquoted(text: str, path: str) -> str:
    """Return a text about a file without what it quotes, other than parts of the file's own path."""

    def hidden(found: re.Match[str]) -> str:
        quoted = found[0]
        return quoted if quoted[0] == "`" and quoted[1:-1] in path else f"{quoted[0]}{HIDDEN}{quoted[0]}"

    return _QUOTATION.sub(hidden, _SAID.sub(rf"\1: {HIDDEN}", text))


def summary(text: str, path: str) -> str:
    """Return the first words of a statement as they may be shown of a file."""
    return HIDDEN if is_hidden(path) else text


def is_hidden(path: str) -> bool:
    """Whether `is_outside` holds, for a path that many are asked of: few folders have the files of a project."""
    if os.path.islink(path):  # noqa: PTH114
        return is_outside(path)
    folder = os.path.abspath(os.path.dirname(path))  # noqa: PTH100, PTH120 -- links are to stay in it
    return _leads_outside(folder)


@lru_cache(maxsize=256)
def _leads_outside(folder: str) -> bool:
    """Whether `is_outside` holds for the files of a folder that are not links."""
    return is_outside(f"{folder}/file")
