"""The system's clipboard, by the program that the desktop has for it, beside the terminal's own (OSC 52)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_SECONDS = 5.0
"""How long a program may take; one that serves the clipboard itself goes on in the background."""

_PROGRAMS: Sequence[tuple[str | None, tuple[str, ...]]] = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
    (None, ("pbcopy",)),
    (None, ("clip.exe",)),
)
"""Each with the variable that has to be set for it."""


def clipboard_program(environ: Mapping[str, str], find: Callable[[str], str | None]) -> tuple[str, ...] | None:
    """Return the command that takes a text for the clipboard on its standard input; None where there is none.

    `find` returns where a program is, None where there is none.
    """
    for variable, words in _PROGRAMS:
        if (variable is None or environ.get(variable)) and find(words[0]) is not None:
            return words
    return None


def give(words: Sequence[str], text: str) -> str | None:
    """Give a text to such a command; return what went wrong. Waits for it, but not for long."""
    # clip.exe takes what is not ASCII for the system's code page, unless it is UTF-16.
    data = text.encode("utf-16") if words[0] == "clip.exe" else text.encode()
    try:
        code = subprocess.run(
            words,
            input=data,
            stdout=subprocess.DEVNULL,  # one that goes on in the background would keep a pipe open
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        return f"{words[0]} does not take it"
    except OSError as error:
        return f"{words[0]} did not start: {error.strerror or error}"
    return None if code == 0 else f"{words[0]} ended with exit code {code}"
