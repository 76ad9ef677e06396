"""A private PostgreSQL that needs no set-up: found binaries, one folder, a daemon that answers or is started."""

from __future__ import annotations

import sys

from zmig.errors import Problem, ServerError

if sys.platform == "win32":
    raise ServerError(
        Problem(
            "embedded-unsupported",
            "a private PostgreSQL is not available on Windows",
            hint="write `url: ${DATABASE_URL}` instead of `embedded` in the manifest's `database`",
        )
    )

from zmig.embedded.binaries import Binaries, Installation, find_binaries
from zmig.embedded.missing import explain_missing
from zmig.embedded.server import EmbeddedServer

__all__ = ["Binaries", "EmbeddedServer", "Installation", "explain_missing", "find_binaries"]
