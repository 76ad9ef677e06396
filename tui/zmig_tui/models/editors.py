"""Which editor opens a file, and how it is given the line."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_VARIABLES = ("VISUAL", "EDITOR")
_USUAL = ("vi", "nano")
"""What is taken where neither variable says anything."""

_PLUS = frozenset({
    *("vi", "vim", "nvim", "view", "gvim", "nano", "pico", "emacs", "emacsclient", "micro"),
    *("joe", "ne", "kak", "mg", "jed"),
})  # fmt: skip
"""`+12 file`"""
_COLON = frozenset({"hx", "helix", "subl", "zed"})
"""`file:12`"""
_GOTO = frozenset({"code", "code-insiders", "codium", "vscodium", "cursor", "windsurf"})
"""`-g file:12`"""
_RETURNS_AT_ONCE = _GOTO | {"subl", "zed"}
"""What opens a window and goes on, unless it is asked to wait for the file to be closed."""
_WAIT = frozenset({"--wait", "-w"})


@valueclass
class EditorCommand:
    """The command that opens a file, or why there is none."""

    words: tuple[str, ...] = ()
    problem: str | None = None


def editor_command(
    path: str, line: int | None, environ: Mapping[str, str], find: Callable[[str], str | None]
) -> EditorCommand:
    """Return the command that opens a file at a line; `find` returns where a program is, None where there is none."""
    variable = next((name for name in _VARIABLES if environ.get(name, "").strip()), None)
    if variable is None:
        usual = next((name for name in _USUAL if find(name)), None)
        if usual is None:
            return EditorCommand(problem="there is no editor: set VISUAL or EDITOR")
        return EditorCommand((usual, *_arguments(usual, path, line)))
    try:
        words = shlex.split(environ[variable])
    except ValueError as error:
        return EditorCommand(problem=f"{variable} cannot be read as a command: {str(error).lower()}")
    if not words or find(words[0]) is None:
        return EditorCommand(problem=f"{variable} names an editor that is not there: {environ[variable].strip()}")
    name = os.path.basename(words[0])  # noqa: PTH119 - a command, and no path of a file that is read
    waits = ["--wait"] if name in _RETURNS_AT_ONCE and not _WAIT & set(words) else []
    return EditorCommand((*words, *waits, *_arguments(name, path, line)))


def _arguments(name: str, path: str, line: int | None) -> Sequence[str]:
    """Return how a file, and a line of it, is named to an editor; one that is not known gets the file alone."""
    # What begins with a dash would be an option.
    path = path if not path.startswith("-") else f"./{path}"
    if line is None:
        return (path,)
    if name in _PLUS:
        return (f"+{line}", path)
    if name in _COLON:
        return (f"{path}:{line}",)
    return ("-g", f"{path}:{line}") if name in _GOTO else (path,)
