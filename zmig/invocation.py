"""How a person called zmig, so that every hint is a command that runs as printed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invocation:
    """The manifest as it was named on the command line; None when it was found without being named."""

    manifest: str | None = None

    def command(self, verb: str, *arguments: str) -> str:
        """Return the command line of `verb` for this manifest."""
        words = ["zmig", verb, *([self.manifest] if self.manifest is not None else []), *arguments]
        return shlex.join(words)
