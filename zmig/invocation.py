"""How a person called zmig, so that every hint is a command that runs as printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.text.secrets import redact
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@valueclass
class Invocation:
    """What stood on the command line and must stand in the next one too, to mean the same database."""

    manifest: str | None = None
    """As it was named; None when it was found without being named."""
    database_url: str | None = None
    """As it was given instead of the manifest's; its password is never shown."""
    given: tuple[str, ...] = ()
    """The words that stood behind `zmig`, for a command that takes the run's lock; empty where there was none."""

    def command(self, verb: str, *arguments: str) -> str:
        """Return the command line of `verb` for this manifest and database."""
        import shlex

        manifest = () if self.manifest is None else (self.manifest,)
        database = () if self.database_url is None else ("--database-url", redact(self.database_url))
        return shlex.join(("zmig", verb, *manifest, *arguments, *database))

    def again(self, option: str, value: str) -> str:
        """Return the command line that was given, with this value of an option; without one, that of `apply`."""
        import shlex

        if not self.given:
            return self.command("apply", option, value)
        end = self.given.index("--") if "--" in self.given else len(self.given)
        kept = _without(self.given[:end], option)
        return shlex.join(("zmig", *map(redact, kept), option, value, *self.given[end:]))


def _without(words: Sequence[str], option: str) -> Iterator[str]:
    """Yield the words of a command line without an option and its value."""
    rest = iter(words)
    for word in rest:
        if word == option:
            next(rest, None)
        elif not word.startswith(f"{option}="):
            yield word


_LONGEST_WORD = 100


def word(name: str, version: int | None) -> str:
    """Return what a migration is called on a command line: its name, or its version where that is easier to write.

    A name may be empty, have what no terminal shows, or look like an option.
    """
    is_plain = name.isprintable() and name.strip() == name != "" and not name.startswith("-")
    return name if version is None or (is_plain and len(name) <= _LONGEST_WORD) else str(version)


UNNAMED = Invocation()
"""A call that named nothing."""
