"""`zmig tui`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from zmig.cli.command import Call, Command, Option, Options, count
from zmig.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.invocation import Invocation


class TuiOptions(Options):
    """What `zmig tui` may be told."""

    web: bool
    port: int | None


class _Run(Protocol):
    def __call__(self, manifest: Path, *, database_url: str | None, invocation: Invocation) -> int: ...


class _Serve(Protocol):
    def __call__(
        self, manifest: Path, *, database_url: str | None, invocation: Invocation, port: int | None
    ) -> int: ...


def run(call: Call, options: TuiOptions) -> ExitCode:
    """Open the console; it is imported only here, so that no other command pays for it."""
    manifest = call.manifest()
    if options.web:
        serve = cast("_Serve", import_module("zmig_tui.web").serve)
        return ExitCode(
            serve(manifest, database_url=options.database_url, invocation=call.invocation, port=options.port)
        )
    start = cast("_Run", import_module("zmig_tui.app").run)
    return ExitCode(start(manifest, database_url=options.database_url, invocation=call.invocation))


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
