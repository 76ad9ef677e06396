"""Help texts: of the whole command line, and of one command."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from zmig import __version__
from zmig.cli.command import COMMON, AnyCommand, Option, Takes
from zmig.cli.commands import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 80
_INDENT = 26

_WORDS = {
    Takes.MANIFEST: "[MANIFEST]",
    Takes.MANIFESTS: "[MANIFEST...]",
    Takes.NAME: "[MANIFEST] NAME",
    Takes.NAMES: "[MANIFEST] [NAME...]",
}

_MANIFEST = "a manifest's path; else $ZMIG_MANIFEST, else the only one in manifests/"
_ARGUMENTS = {
    Takes.MANIFEST: (("MANIFEST", _MANIFEST),),
    Takes.MANIFESTS: (("MANIFEST...", "paths of manifests; else $ZMIG_MANIFEST, else the only one in manifests/"),),
    Takes.NAME: (("MANIFEST", f"{_MANIFEST}; it ends in .yaml or .yml"), ("NAME", "a migration's name or version")),
    Takes.NAMES: (
        ("MANIFEST", f"{_MANIFEST}; it ends in .yaml or .yml"),
        ("NAME...", "names or versions of migrations; without one, all"),
    ),
    Takes.ACTION: (("MANIFEST", _MANIFEST),),
}


def overview() -> str:
    """Return the help of the whole command line."""
    parts = [
        f"zmig {__version__}: migrations for PostgreSQL",
        "usage: zmig COMMAND [MANIFEST] [options]",
        *(
            _block(f"{title}:", ((name, entry.summary) for name, entry in group.items()))
            for title, group in GROUPS.items()
        ),
        _block("more:", (("help COMMAND", "a command's options and examples"), ("--version", "zmig's own version"))),
        "example:\n  zmig apply manifests/demo.yaml",
    ]
    return "\n\n".join(parts)


def of_command(name: str, command: AnyCommand) -> str:
    """Return the help of one command; it ends in examples that run as they stand."""
    arguments = (*command.actions.items(), *_arguments(command))
    parts = [
        f"usage: {usage(name, command)}",
        "\n".join(wrap(command.about, _WIDTH)),
        _block("arguments:", arguments),
        *([_block("options:", _options(command.options))] if command.options else []),
        _block("options of every command:", (*_options(COMMON), ("-h, --help", "print this"))),
        "\n".join(
            ["example:" if len(command.examples) == 1 else "examples:", *(f"  {line}" for line in command.examples)]
        ),
    ]
    return "\n\n".join(parts)


def usage(name: str, command: AnyCommand) -> str:
    """Return a command's shape in one line."""
    words = f"{{{'|'.join(command.actions)}}} [MANIFEST]" if command.takes is Takes.ACTION else _WORDS[command.takes]
    return f"zmig {name} {words} [options]"


def _arguments(command: AnyCommand) -> Iterable[tuple[str, str]]:
    return _ARGUMENTS[command.takes]


def _options(options: Iterable[Option]) -> Iterable[tuple[str, str]]:
    return ((option.spelling, option.help) for option in options)


def _block(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [title]
    for term, text in rows:
        first, *more = wrap(text, _WIDTH - _INDENT) or [""]
        fits = len(term) <= _INDENT - 4
        if not fits:
            lines.append(f"  {term}")
        lines.append(f"{f'  {term}' if fits else '':{_INDENT}}{first}")
        lines += [" " * _INDENT + line for line in more]
    return "\n".join(lines)
