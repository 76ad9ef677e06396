"""The commands that a project runs: in makefiles, scripts, and files of containers and of the environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.other_tools.files import name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zmig.other_tools.files import ProjectFiles

_NAMES = frozenset(
    {"makefile", "gnumakefile", "justfile", "taskfile.yml", "taskfile.yaml", "taskfile.dist.yml", ".env"}
)
_BEGINNINGS = ("docker-compose", "compose.", "dockerfile", "taskfile.", ".env.")
_ENDINGS = (".sh", ".mk", ".env", ".dockerfile")
_BETWEEN = re.compile(r"[\s\"'`;|&()]+")
_ASSIGNMENT = re.compile(r"[ \t]*(?::|\?)?=[ \t]*[\"']?")


def texts(files: ProjectFiles) -> Iterator[tuple[str, str]]:
    """Yield the files that hold commands, with their texts."""
    for path in files.paths:
        name = name_of(path).lower()
        if name in _NAMES or name.startswith(_BEGINNINGS) or name.endswith(_ENDINGS):
            yield path, files.text(path)


def options(files: ProjectFiles, program: str, names: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of a program, each with its value, from lines that call it: `-name value`, `--name=value`."""
    for _, text in texts(files):
        for line in text.splitlines():
            words = _BETWEEN.split(line) if program in line else []
            if any(word == program or word.endswith(f"/{program}") for word in words):
                yield from _options(words, names)


def _options(words: list[str], names: Collection[str]) -> Iterator[tuple[str, str]]:
    for number, word in enumerate(words):
        name, separator, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name in names:
            yield name, value if separator else (words[number + 1] if number + 1 < len(words) else "")


def variable(files: ProjectFiles, name: str) -> str | None:
    """Return what a variable of the environment is set to; None where nothing sets it."""
    for _, text in texts(files):
        start = text.find(name)
        while start >= 0:
            setting = _ASSIGNMENT.match(text, start + len(name))
            if setting is not None:
                return _BETWEEN.split(text[setting.end() :].partition("\n")[0], maxsplit=1)[0]
            start = text.find(name, start + len(name))
    return None
