"""`zmig tui`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from zmig.cli.command import Command, CommandContext, Option, Options, count
from zmig.errors import ExitCode, Problem, UsageError
from zmig.hints import Hint, command

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.presentation.hints import CommandLine


_TOO_SIMPLE = ("dumb", "unknown")
"""Terminals that show control sequences instead of obeying them."""


class TuiOptions(Options):
    """The options of `zmig tui`."""

    web: bool
    port: int | None


class _Run(Protocol):
    def __call__(self, manifest: Path, *, database_url: str | None, hints: CommandLine) -> int: ...


class _Serve(Protocol):
    def __call__(self, manifest: Path, *, database_url: str | None, hints: CommandLine, port: int | None) -> int: ...


def run(call: CommandContext, options: TuiOptions) -> ExitCode:
    """Open the console; it is imported only here, so that no other command pays for it."""
    if not options.web:
        _require_terminal()
    manifest = call.manifest()
    if options.web:
        serve = cast("_Serve", import_module("zmig_tui.web.serve").serve)
        return ExitCode(serve(manifest, database_url=options.database_url, hints=call.hints, port=options.port))
    start = cast("_Run", import_module("zmig_tui.app").run)
    return ExitCode(start(manifest, database_url=options.database_url, hints=call.hints))


def _require_terminal() -> None:
    """Raise UsageError where the console cannot be drawn, or nobody can press a key."""
    streams = {"standard input": sys.stdin, "standard output": sys.stdout, "standard error": sys.stderr}
    missing = [name for name, stream in streams.items() if stream is None or stream.closed or not stream.isatty()]
    if missing:
        reason = f"{missing[0]} is none"
    elif os.environ.get("TERM") in _TOO_SIMPLE:
        reason = f"this one cannot be drawn on: $TERM is `{os.environ['TERM']}`"
    else:
        return
    raise UsageError(
        Problem(
            "no-terminal",
            f"the console needs a terminal, and {reason}",
            effect="nothing was read and nothing was run",
            hint=Hint("look without it: ", command("status")),
        )
    )


COMMAND = Command(
    about="Opens the terminal console: every migration with its state and history, and runs as they go on.",
    document="",
    run=run,
    options_type=TuiOptions,
    options=(
        Option("--web", "serve the console to a browser instead"),
        Option("--port", "the port to serve it on", "PORT", count),
    ),
    examples=("zmig tui manifests/demo.yaml",),
)
