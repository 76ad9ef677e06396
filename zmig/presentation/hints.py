"""How the commands in a hint are written for somebody who called zmig on a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zmig.hints import Hint
from zmig.text.secrets import redact
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.hints import SuggestedCommand


class HintStyle(Protocol):
    """How a front end writes the commands in hints."""

    def phrase(self, command: SuggestedCommand) -> str:
        """Return a command as it is written in a sentence."""
        ...


class LibraryStyle:
    """As for who uses the library: the manifest and the database are those that the hint itself names."""

    def phrase(self, command: SuggestedCommand) -> str:
        """Return a command as it is written in a sentence."""
        return str(command)


@valueclass
class CommandLine:
    """As commands that run as printed: with what was on the command line and has to be on the next one, too."""

    manifest: str | None = None
    """As it was named; None where no manifest was named."""
    database_url: str | None = None
    """As it was given instead of the manifest's; its password is never shown."""
    given: tuple[str, ...] = ()
    """The words after `zmig`; empty where there was no command."""

    def phrase(self, command: SuggestedCommand) -> str:
        """Return a command as it is written in a sentence."""
        return command.sentence(self.line(command))

    def line(self, command: SuggestedCommand) -> str:
        """Return the command line for this manifest and database, the password masked."""
        if command.is_repetition and self.given:  # as it was given, with another value of an option
            import shlex

            end = self.given.index("--") if "--" in self.given else len(self.given)
            kept = without(self.given[:end], command.options[0])
            return shlex.join(("zmig", *map(redact, kept), *command.options, *self.given[end:]))
        return command.line(self.manifest, None if self.database_url is None else redact(self.database_url))


def without(words: Sequence[str], option: str) -> Iterator[str]:
    """Yield the words of a command line without an option and its value."""
    rest = iter(words)
    for word in rest:
        if word == option:
            next(rest, None)
        elif not word.startswith(f"{option}="):
            yield word


def written(text: str, style: HintStyle) -> str:
    """Return a text with the commands in it as a front end writes them."""
    return text.written(style.phrase) if isinstance(text, Hint) else text
