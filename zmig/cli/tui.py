"""`zmig tui`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from zmig.cli.command import Command, CommandContext, Option, Options, Positionals, count
from zmig.errors import ExitCode, Problem, UsageError
from zmig.hints import Hint, command
from zmig.presentation.hints import CommandLine
from zmig.project import choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_TOO_SIMPLE = ("dumb", "unknown")
"""Terminals that show control sequences instead of obeying them."""


class TuiOptions(Options):
    """The options of `zmig tui`."""

    web: bool
    port: int | None
    read_only: bool


class _MakeTarget(Protocol):
    def __call__(
        self,
        manifest: Path,
        database_url: str | None,
        hints: CommandLine,
        environ: Mapping[str, str],
        *,
        is_read_only: bool,
    ) -> object: ...


class _Run(Protocol):
    def __call__(self, targets: Sequence[object]) -> int: ...


class _Serve(Protocol):
    def __call__(self, targets: Sequence[object], *, hints: CommandLine, port: int | None) -> int: ...


def run(call: CommandContext, options: TuiOptions) -> ExitCode:
    """Open the console; it is imported only here, so that no other command pays for it."""
    call.output.hints = _first_hints(call, options)
    if not options.web:
        _require_terminal()
    targets = _targets(call, options)
    if options.web:
        serve = cast("_Serve", import_module("zmig_tui.web.serve").serve)
        return ExitCode(serve(targets, hints=_first_hints(call, options), port=options.port))
    start = cast("_Run", import_module("zmig_tui.app").run)
    return ExitCode(start(targets))


def _first_hints(call: CommandContext, options: TuiOptions) -> CommandLine:
    return CommandLine(next(iter(options.manifests), None), options.database_url, given=call.words)


def _targets(call: CommandContext, options: TuiOptions) -> list[object]:
    """Return what the console is opened on, in the order given."""
    if options.database_url is not None and len(options.manifests) > 1:
        message = "`--database-url` names one database, and several manifests are given"
        raise UsageError(Problem("usage", message, hint="name one manifest"))
    make = cast("_MakeTarget", import_module("zmig_tui.target").Target)
    named: list[str | None] = [*options.manifests] or [None]
    return [
        make(
            choice.find(name, environ=call.environ, cwd=Path()),
            options.database_url,
            CommandLine(name, options.database_url, given=call.words),
            call.environ,
            is_read_only=options.read_only,
        )
        for name in dict.fromkeys(named)
    ]


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
        Option("--read-only", "change nothing, and end nobody's work"),
    ),
    takes=Positionals.MANIFESTS,
    examples=("zmig tui manifests/demo.yaml", "zmig tui manifests/staging.yaml manifests/prod.yaml --read-only"),
)
