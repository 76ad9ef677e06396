"""Help texts: of the whole command line, and of one command."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from zmig import __version__
from zmig.cli.command import COMMON, AnyCommand, Option, Positionals
from zmig.cli.registry import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 80
_INDENT = 26

_WORDS = {
    Positionals.MANIFEST: "[MANIFEST]",
    Positionals.MANIFESTS: "[MANIFEST...]",
    Positionals.NAME: "[MANIFEST] NAME",
    Positionals.NAME_OR_NONE: "[MANIFEST] [NAME]",
    Positionals.NAMES: "[MANIFEST] [NAME...]",
    Positionals.SOME_NAMES: "[MANIFEST] NAME...",
    Positionals.FOLDER: "[FOLDER]",
}

_MANIFEST = "a manifest's path; else $ZMIG_MANIFEST, else the only one in manifests/"
_MANIFEST_BY_SUFFIX = f"{_MANIFEST}; it ends in .yaml or .yml"


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
    """Return the help of one command; it ends in examples that run as they are."""
    document = f"With --json it prints one object: {command.document}." if command.document else ""
    parts = [
        f"usage: {usage(name, command)}",
        *("\n".join(wrap(text, _WIDTH, break_on_hyphens=False)) for text in (command.about, document) if text),
        _block("arguments:", arguments(command)),
        *([_block("options:", options(command.options))] if command.options else []),
        _block("options of every command:", (*options(COMMON), ("-h, --help", "print this"))),
        _block("example:" if len(command.examples) == 1 else "examples:", ((line, "") for line in command.examples)),
    ]
    return "\n\n".join(parts)


def usage(name: str, command: AnyCommand) -> str:
    """Return a command's shape in one line."""
    words = (
        f"{{{'|'.join(command.actions)}}} [MANIFEST]" if command.takes is Positionals.ACTION else _WORDS[command.takes]
    )
    return f"zmig {name} {words} [options]"


def arguments(command: AnyCommand) -> list[tuple[str, str]]:
    """Return a command's words beside its options, each with what it is."""
    match command.takes:
        case Positionals.MANIFEST:
            return [("MANIFEST", _MANIFEST)]
        case Positionals.MANIFESTS:
            return [("MANIFEST...", _MANIFEST.replace("a manifest's path", "paths of manifests"))]
        case Positionals.NAME | Positionals.NAME_OR_NONE:
            return [("MANIFEST", _MANIFEST_BY_SUFFIX), ("NAME", command.name_help)]
        case Positionals.NAMES:
            return [
                ("MANIFEST", _MANIFEST_BY_SUFFIX),
                ("NAME...", "names or versions of migrations; without one, all"),
            ]
        case Positionals.SOME_NAMES:
            return [("MANIFEST", _MANIFEST_BY_SUFFIX), ("NAME...", command.name_help)]
        case Positionals.FOLDER:
            return [("FOLDER", "a project's folder, or that of its migrations; without it, this one")]
        case Positionals.ACTION:
            return [*command.actions.items(), ("MANIFEST", _MANIFEST)]


def options(declared: Iterable[Option]) -> list[tuple[str, str]]:
    """Return options, each with what it does."""
    return [(option.spelling, option.help) for option in declared]


def _block(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [title]
    for term, text in rows:
        first, *more = wrap(text, _WIDTH - _INDENT, break_on_hyphens=False) or [""]
        fits = len(term) <= _INDENT - 4 or not text
        if not fits:
            lines.append(f"  {term}")
        lines.append(f"{f'  {term}' if fits else '':{_INDENT}}{first}".rstrip())
        lines += [" " * _INDENT + line for line in more]
    return "\n".join(lines)
