"""What the console is opened on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.migrator import Migrator
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.presentation.hints import CommandLine
    from zmig.progress import Observer
    from zmig.running.cancellation import Cancellation

READ_ONLY = Problem(
    "console-read-only",
    "this console only reads",
    effect="nothing was changed",
    hint="open it without `--read-only`",
)
"""Why a console refuses what changes something, or ends somebody's work."""


@valueclass
class Target:
    """What the console is about, as it was named on the command line."""

    manifest: Path
    database_url: str | None
    hints: CommandLine
    environ: Mapping[str, str]
    is_read_only: bool = False
    """Whether nothing may be changed, and nobody's work ended, from this console."""

    @property
    def own_environ(self) -> Mapping[str, str] | None:
        """The environment, where it is not that of this process."""
        return None if self.environ is os.environ else dict(self.environ)

    def open_migrator(self, observer: Observer | None = None, cancellation: Cancellation | None = None) -> Migrator:
        """Return the engine."""
        return Migrator(
            self.manifest,
            database_url=self.database_url,
            observer=observer,
            environ=self.environ,
            interrupts=cancellation,
        )
