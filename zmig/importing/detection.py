"""Which tool a project's migrations are of: every tool is asked, and what it says has to be unmistakable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.other_tools import registry
from zmig.text.nearest import nearest
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.importing.folder import FolderFiles
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.tool import Tool


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


def choose(files: FolderFiles, name: str | None, *, given: str | None = None) -> Found:
    """Return the tool of that name, or the only one that is found; `given` is how the folder was named.

    Raises:
        UsageError: no tool, or more than one, is found, or none is of that name.
    """
    if name is not None:
        tool = _named(name)
        return Found(tool, tool.find(_Lenient(files)) or ".")
    found = find(files)
    match found:
        case (one,):
            return one
        case ():
            raise UsageError(_nothing(files))
        case _:
            raise UsageError(_several(files, found, given))


def _named(name: str) -> Tool:
    key = name.strip().lower().replace("_", "-")
    if key in registry.NAMES:
        return registry.tool(key)
    near = nearest(key, registry.NAMES)
    facts = (f"tools: {', '.join(sorted(registry.NAMES))}",)
    hint = f"write `--from {near}`" if near is not None else "see `zmig import --help`"
    raise UsageError(Problem("tool-unknown", f"`{name}` is no tool that zmig can import from", facts=facts, hint=hint))


def _nothing(files: FolderFiles) -> Problem:
    message = f"`{files.root}` holds no migrations that are of one tool for certain"
    facts = (f"tools: {', '.join(sorted(registry.NAMES))}",)
    hint = "name the tool, such as `zmig import FOLDER --from dbmate`"
    return Problem("tool-not-found", message, facts=facts, hint=hint)


def _several(files: FolderFiles, found: Sequence[Found], given: str | None) -> Problem:
    import shlex

    words = ["zmig", "import", *([given] if given is not None else []), "--from"]
    message = f"`{files.root}` holds migrations of more than one tool"
    facts = tuple(f"{one.tool.title} in `{one.folder}`: `{shlex.join([*words, one.tool.name])}`" for one in found)
    hint = f"say which one, as in `{shlex.join([*words, found[0].tool.name])}`"
    return Problem("tool-ambiguous", message, facts=facts, hint=hint)


class _Lenient:
    """The same files for who only looks whether they are his: one that cannot be read is nobody's."""

    def __init__(self, files: ProjectFiles) -> None:
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
            return self._files.text(path)
        except UsageError:
            return ""
