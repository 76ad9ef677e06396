"""Hints as values: what to do next, with the zmig commands in it kept apart from the words around them.

Whoever finds a problem says which command helps, and with which migration. Each front end writes that for its user: the
command line as a command that runs as printed, the console as a key (`zmig.presentation.hints`). `str` writes it for
everybody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import KW_ONLY


class Named(Protocol):
    """What a command can be about: a migration, whatever is known of it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> int | None:
        """Its version; None where that is not known."""
        ...


@valueclass
class SuggestedCommand:
    """A zmig command that a hint offers."""

    verb: str
    options: tuple[str, ...] = ()
    _: KW_ONLY
    name: str | None = None
    """The name of the migration that it is about; None where it is about no single migration."""
    version: int | None = None
    """That migration's version."""
    is_step: bool = False
    """Whether it reads `run ...`, as what to do; else the command is in the sentence by itself."""
    is_repetition: bool = False
    """Whether the command that was given is meant, with this option and its value; `verb` is for who gave none."""
    manifest: str | None = None
    """The manifest to name, unless a front end knows how its user named it."""
    database_url: str | None = None
    """The database to name, where it is not the manifest's; without its password."""

    @property
    def words(self) -> tuple[str, ...]:
        """What is after the verb and the manifest."""
        return self.options if self.name is None else (_word(self.name, self.version), *self.options)

    def line(self, manifest: str | None, database_url: str | None) -> str:
        """Return the command line for a manifest and a database, as a shell takes it."""
        import shlex

        named = () if manifest is None else (manifest,)
        if named and self.verb == "import":  # which takes a folder in that place
            named = () if "--manifest" in self.options else ("--manifest", *named)
        database = () if database_url is None else ("--database-url", database_url)
        return shlex.join(("zmig", self.verb, *named, *self.words, *database))

    def sentence(self, line: str) -> str:
        """Return a command line as it is in a text."""
        return f"run `{line}`" if self.is_step else f"`{line}`"

    def __str__(self) -> str:
        return self.sentence(self.line(self.manifest, self.database_url))


_LONGEST_WORD = 100


def _word(name: str, version: int | None) -> str:
    """Return what a migration is called on a command line: its name, or its version where that is easier to write.

    A name may be empty, have what no terminal shows, or look like an option.
    """
    is_plain = name.isprintable() and name.strip() == name != "" and not name.startswith("-")
    return name if version is None or (is_plain and len(name) <= _LONGEST_WORD) else str(version)


def command(verb: str, *options: str, about: Named | None = None) -> SuggestedCommand:
    """Return a command as it is named in a sentence, such as "see it with `zmig status`"."""
    if about is None:
        return SuggestedCommand(verb, options)
    return SuggestedCommand(verb, options, name=about.name, version=about.version)


def run_command(verb: str, *options: str, about: Named | None = None) -> SuggestedCommand:
    """Return a command as what to do, such as "run `zmig apply`"."""
    return replace(command(verb, *options, about=about), is_step=True)


def repeat(option: str, value: str) -> SuggestedCommand:
    """Return the command that was given, with this value of an option."""
    return SuggestedCommand("apply", (option, value), is_repetition=True)


class Hint(str):
    """A text with commands in it; as a `str` it has them written as for who uses the library."""

    __slots__ = ("parts",)

    parts: tuple[str | SuggestedCommand, ...]
    """What follows one another: words, and the commands between them."""

    def __new__(cls, *parts: str | SuggestedCommand) -> Hint:
        """Join the parts as they are; a hint among them is continued."""
        self = super().__new__(cls, "".join(map(str, parts)))
        self.parts = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Hint) else (part,)))
        return self

    def written(self, write: Callable[[SuggestedCommand], str]) -> str:
        """Return the text, with each command as `write` returns it."""
        return "".join(part if isinstance(part, str) else write(part) for part in self.parts)

    def naming(self, manifest: str, database_url: str | None) -> Hint:
        """Return the same hint, whose text names a manifest, and a database where that is given."""
        return Hint(
            *(
                part if isinstance(part, str) else replace(part, manifest=manifest, database_url=database_url)
                for part in self.parts
            )
        )

    def __reduce__(self) -> tuple[type[Hint], tuple[str | SuggestedCommand, ...]]:
        """Let a hint cross from one process to another."""
        return Hint, self.parts
