"""How a person called zmig, so that every hint is a command that runs as printed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from zmig.redact import redact


@dataclass(frozen=True, slots=True)
class Invocation:
    """What stood on the command line and must stand in the next one too, to mean the same database."""

    manifest: str | None = None
    """As it was named; None when it was found without being named."""
    database_url: str | None = None
    """As it was given instead of the manifest's; its password is never shown."""

    def command(self, verb: str, *arguments: str) -> str:
        """Return the command line of `verb` for this manifest and database."""
        manifest = () if self.manifest is None else (self.manifest,)
        database = () if self.database_url is None else ("--database-url", redact(self.database_url))
        return shlex.join(("zmig", verb, *manifest, *arguments, *database))


UNNAMED = Invocation()
"""A call that named nothing."""
