"""Where in a file of Python code an error came from."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from zmig.errors import Location, Problem
from zmig.sql.buffer import shown_line
from zmig.text import exceptions

if TYPE_CHECKING:
    from pathlib import Path


def code_location(error: BaseException, path: str) -> Location | None:
    """Return the last place in the migration's own file that the exception went through."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return _location(path, error.lineno or 1, (error.offset or 1) - 1, None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if not frames:
        return None
    last = frames[-1]
    line = last.lineno or 1
    source = _source_line(path, line)
    begin = _characters(source, last.colno)
    end = _characters(source, last.end_colno) if last.end_lineno == line else None
    return _location(path, line, begin, end)


def line_location(path: str, line: int) -> Location:
    """Return the place of a line of a Python file, with its text."""
    source = _source_line(path, line)
    return _location(path, line, len(source) - len(source.lstrip()), None)


def _location(path: str, line: int, begin: int, end: int | None) -> Location:
    width = 1 if end is None else max(1, end - begin)
    return Location(path, line, begin + 1, text=shown_line(_source_line(path, line), 0) or None, width=width)


def _characters(line: str, octets: int | None) -> int:
    """Return how many characters the first `octets` bytes of a line are: Python counts columns in bytes."""
    return len(line.encode()[: octets or 0].decode(errors="ignore"))


def _source_line(path: str, line: int) -> str:
    import linecache

    linecache.checkcache(path)
    return linecache.getline(path, line).rstrip("\r\n")


def code_error(path: Path, error: BaseException) -> Problem:
    """Return the problem of a Python file that does not import."""
    location = code_location(error, str(path)) or Location(str(path))
    hint = "correct the file, or install what it needs"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (path.parent / f"{missing}.py").exists():
        hint = f"run `export PYTHONPATH={path.parent}` before: a migration's folder is not searched for modules"
    said = exceptions.shortened(exceptions.words(error))
    return Problem(
        "python-not-importable",
        f"Python file `{path}` does not import: {type(error).__name__}: {said}",
        location=location,
        effect="nothing was run",
        hint=hint,
    )
