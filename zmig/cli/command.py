"""What a command is: its words and options, and the function that carries it out."""

from __future__ import annotations

import os
from argparse import Namespace
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from zmig.errors import Problem, UsageError
from zmig.presentation.hints import CommandLine
from zmig.project import choice
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import KW_ONLY

    from zmig.cli.output import Output
    from zmig.migrator import Migrator
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer


class Positionals(Enum):
    """What is on a command line besides options."""

    MANIFEST = auto()
    MANIFESTS = auto()
    NAME = auto()
    """A manifest, which may be left out, and one name."""
    NAME_OR_NONE = auto()
    """A manifest, and one name, both of which may be left out."""
    NAMES = auto()
    """A manifest and any number of names."""
    SOME_NAMES = auto()
    """The same, and at least one name."""
    ACTION = auto()
    """One of the command's actions, then a manifest."""
    FOLDER = auto()
    """A folder, which may be left out; the manifest is an option of the command."""


class Options(Namespace):
    """A parsed command line; each command adds its own options to these."""

    manifest: str | None
    manifests: list[str]
    names: list[str]
    action: str
    folder: str | None
    rest: list[str]
    """What comes after `--`."""
    database_url: str | None
    json: bool
    quiet: bool
    verbose: bool
    no_color: bool


OptionsT = TypeVar("OptionsT", bound=Options)


@valueclass
class Option:
    """One option of a command."""

    name: str
    """With its dashes."""
    help: str
    metavar: str | None = None
    """What its value is called; None for a switch."""
    parse: Callable[[str], object] = str
    _: KW_ONLY
    short: str | None = None
    attribute: str | None = None
    """The name it has in `Options`, where that is not its own."""
    is_required: bool = False
    may_lack_value: bool = False
    """Whether it may be given without a value, which is an empty text then; a connection string is one, no other."""

    @property
    def key(self) -> str:
        """The name it has in `Options`."""
        return self.attribute or self.name.removeprefix("--").replace("-", "_")

    @property
    def spelling(self) -> str:
        """How help writes it."""
        names = f"{self.short}, {self.name}" if self.short else self.name
        value = f"[{self.metavar}]" if self.may_lack_value else self.metavar
        return f"{names} {value}" if value else names


COMMON = (
    Option("--database-url", "the database to use instead of the manifest's", "URL"),
    Option("--json", "print JSON"),
    Option("--quiet", "print data and errors only", short="-q"),
    Option("--verbose", "also print statements as they run, and what caused an error", short="-v"),
    Option("--no-color", "print without colours, as with NO_COLOR=1"),
)
"""The options that every command has."""


@valueclass
class Command(Generic[OptionsT]):
    """One command of `zmig`."""

    _: KW_ONLY
    about: str
    """What it does and when, in a few sentences."""
    document: str
    """What `--json` prints: the keys of its object."""
    run: Callable[[CommandContext, OptionsT], int]
    options_type: type[OptionsT]
    examples: tuple[str, ...]
    """Command lines that run as they are."""
    options: tuple[Option, ...] = ()
    takes: Positionals = Positionals.MANIFEST
    name_help: str = "a migration's name or version"
    """What its name is; only with `Positionals.NAME`, `NAME_OR_NONE` and `SOME_NAMES`."""
    actions: Mapping[str, str] = field(default_factory=dict[str, str])
    """What each action does; only with `Positionals.ACTION`."""


AnyCommand = Command[Any]
"""A command, whatever its options."""


@valueclass
class CommandContext:
    """The surroundings of one command line."""

    output: Output
    options: Options
    words: tuple[str, ...] = ()
    """The command line after `zmig`, as it was given."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def manifest(self) -> Path:
        """Return the path of the manifest: the one named, else the one found. Raises UsageError."""
        return choice.find(self.options.manifest, environ=self.environ, cwd=Path())

    @property
    def hints(self) -> CommandLine:
        """How hints name this manifest and its database."""
        return CommandLine(self.options.manifest, self.options.database_url, given=self.words)

    def migrator(
        self,
        *,
        observer: Observer | None = None,
        interrupts: Interrupts | None = None,
        lock_wait_seconds: float | None = None,
    ) -> Migrator:
        """Return the engine for the manifest, and let it say what is secret. Raises UsageError."""
        from zmig.migrator import Migrator

        migrator = Migrator(
            self.manifest(),
            database_url=self.options.database_url,
            observer=observer,
            interrupts=interrupts,
            lock_wait_seconds=lock_wait_seconds,
            environ=self.environ,
        )
        self.output.redact = migrator.redact
        return migrator


def version_number(text: str) -> int:
    """Return the version that an option's value means. Raises UsageError."""
    return _whole_number(text, "a version is a whole number, such as 12")


def count(text: str) -> int:
    """Return how many an option's value means, at least one. Raises UsageError."""
    number = _whole_number(text, "write a whole number from 1 on")
    if number < 1:
        raise _unfit(text, "write a whole number from 1 on")
    return number


def _whole_number(text: str, hint: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise _unfit(text, hint)
    return int(text)


def duration_seconds(text: str) -> float:
    """Return the seconds that an option's value means. Raises UsageError."""
    from zmig.manifest import durations

    seconds = durations.seconds(text)
    if seconds is None:
        raise _unfit(text, f"write a number with a unit (ms, s, min, h, d), such as `{durations.likely(text)}`")
    return seconds


def _unfit(text: str, hint: str) -> UsageError:
    return UsageError(Problem("usage", f"`{text}` does not fit the option", hint=hint))
