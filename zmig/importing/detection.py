"""Which tool a project's migrations are of: every tool is asked, and what it says has to be unmistakable."""

from __future__ import annotations

import shlex
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.other_tools import registry
from zmig.text.nearest import nearest
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from zmig.importing.folder import FolderFiles
    from zmig.other_tools.tool import Tool


_LARGEST = 4 << 20
"""How many octets a file has that is looked at; what is larger is seldom a migration, and never all that there are."""


@valueclass
class Found:
    """A tool, and where its migrations are."""

    tool: Tool
    folder: str
    """Relative to the project."""


def find(files: FolderFiles) -> tuple[Found, ...]:
    """Return all tools of which something is in a project for certain, in the order of their names here."""
    view = _Lenient(files)
    return tuple(Found(tool, folder) for tool in registry.tools() if (folder := tool.find(view)) is not None)


def choose(files: FolderFiles, name: str | None, *, given: str | None = None, declared: Collection[Path] = ()) -> Found:
    """Return the tool of that name, or the only one that is found; `given` is how the folder was named.

    Files that are `declared` in the manifest are offered as no tool's, where none is certain.

    Raises:
        UsageError: no tool, or more than one, is found, or none is of that name.
    """
    if name is not None:
        tool = _named(name)
        folder = tool.find(_Lenient(files))
        return Found(tool, folder) if folder is not None else _readable(files, tool) or Found(tool, ".")
    found = find(files)
    match found:
        case (one,):
            return one
        case ():
            raise UsageError(_nothing(files, given, declared))
        case _:
            raise UsageError(_several(files, found, given))


def _readable(files: FolderFiles, tool: Tool) -> Found | None:
    """Return where a tool would find migrations, if it were the tool; None where nothing looks like one."""
    view = _Lenient(files)
    for folder in _folders(files):
        with suppress(UsageError):
            if any(one.up is not None for one in tool.read(view, folder).migrations):
                return Found(tool, folder)
    return None


def _folders(files: FolderFiles) -> list[str]:
    """Return where migrations may be: here, in the folder with most SQL files, or in the one around it."""
    counts = Counter(path.rpartition("/")[0] or "." for path in files.paths if path.lower().endswith(".sql"))
    if not counts:
        return ["."]
    fullest = min(counts, key=lambda folder: (-counts[folder], folder))
    return list(dict.fromkeys((".", fullest, fullest.rpartition("/")[0] or ".")))


def _named(name: str) -> Tool:
    key = name.strip().lower().replace("_", "-")
    if key in registry.NAMES:
        return registry.tool(key)
    near = nearest(key, registry.NAMES)
    facts = (f"tools: {', '.join(sorted(registry.NAMES))}",)
    hint = f"write `--from {near}`" if near is not None else "see `zmig import --help`"
    raise UsageError(Problem("tool-unknown", f"`{name}` is no tool that zmig can import from", facts=facts, hint=hint))


def _nothing(files: FolderFiles, given: str | None, declared: Collection[Path]) -> Problem:
    """Return the problem of files that may be of several tools, or of none."""
    before = len(files.paths)
    files.hide(declared)
    is_any_known = len(files.paths) < before
    likely = [one for tool in registry.tools() if (one := _readable(files, tool)) is not None]
    message = f"`{files.root}` holds no migrations that are of one tool for certain"
    if not likely:
        said = ("files that the manifest has already are left aside",) if is_any_known else ()
        said += tuple(f"`{name}` is {why}" for name, why in sorted(files.passed_over.items()))
        facts = (*said, f"tools: {', '.join(sorted(registry.NAMES))}")
        hint = "name the folder that holds the other tool's migrations, and the tool with `--from`"
        return Problem("tool-not-found", message, facts=facts, hint=hint)
    return Problem("tool-not-found", message, facts=_choices(likely, given), hint=_say_which(likely, given))


def _several(files: FolderFiles, found: Sequence[Found], given: str | None) -> Problem:
    message = f"`{files.root}` holds migrations of more than one tool"
    return Problem("tool-ambiguous", message, facts=_choices(found, given), hint=_say_which(found, given))


def _choices(found: Sequence[Found], given: str | None) -> tuple[str, ...]:
    return tuple(f"{one.tool.title} in `{one.folder}`: `{_command(one, given)}`" for one in found)


def _say_which(found: Sequence[Found], given: str | None) -> str:
    return f"say which one, as in `{_command(found[0], given)}`"


def _command(found: Found, given: str | None) -> str:
    return shlex.join(["zmig", "import", *([given] if given is not None else []), "--from", found.tool.name])


class _Lenient:
    """The same files for who only looks whether they are his: one that cannot be read, or is a dump, is nobody's."""

    def __init__(self, files: FolderFiles) -> None:
        self._files = files

    @property
    def paths(self) -> Sequence[str]:
        return self._files.paths

    def read(self, path: str) -> bytes:
        try:
            return self._files.read(path)
        except UsageError:
            return b""

    def text(self, path: str) -> str:
        try:
            return self._files.text(path) if self._files.size(path) <= _LARGEST else ""
        except UsageError:
            return ""
