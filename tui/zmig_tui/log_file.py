"""Writes the log of a run into a file that was not there, unless it was agreed that it is replaced."""

from __future__ import annotations

from pathlib import Path

from zmig.valueclass import valueclass


@valueclass
class Written:
    """What became of it."""

    text: str
    """In one sentence."""
    is_there: bool = False
    """Whether a file of that name is there, so that nothing was written."""
    is_written: bool = False


def check_name(name: str) -> str | None:
    """Return what is wrong with the name of a file, None where nothing is known to be."""
    if not name:
        return "type the name of a file"
    try:
        file = Path(name).expanduser()
        if file.is_dir():
            return "that is a folder: type the name of a file in it"
        if not file.parent.is_dir():
            return f"there is no folder {file.parent}"
    except (OSError, RuntimeError, ValueError) as error:
        return f"that cannot be the name of a file: {_reason(error)}"
    return None


def write(name: str, text: str, *, replaces: bool) -> Written:
    """Write a text; without `replaces`, never over a file that is there."""
    try:
        file = Path(name).expanduser()
        with file.open("w" if replaces else "x", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except FileExistsError:
        return Written(f"there is a file {name} already", is_there=True)
    except (OSError, RuntimeError, ValueError) as error:
        return Written(f"the log was not saved to {name}: {_reason(error)}")
    return Written(f"the log is saved to {file}", is_written=True)


def _reason(error: Exception) -> str:
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
