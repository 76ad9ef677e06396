"""The option of the commands that need a scratch database."""

from __future__ import annotations

from zmig.cli.command import Option

SCRATCH_URL = Option(
    "--scratch-url",
    "a server on which databases may be made and dropped, instead of a private one; its own database is not touched",
    "URL",
)
