"""`zmig retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import plan_text
from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.cli.locking import LOCK_WAIT, finish, running
from zmig.planning.request import Retry

if TYPE_CHECKING:
    from zmig.errors import ExitCode


class RetryOptions(Options):
    """The options of `zmig retry`."""

    dry_run: bool
    lock_wait: float | None
    terminate: bool


def run(call: CommandContext, options: RetryOptions) -> ExitCode:
    """Run failed and stuck migrations again, or show what would run."""
    request = Retry(tuple(options.names))
    if options.dry_run:
        return plan_text.show(call.migrator().plan_request(request), call.output)
    with running(call, lock_wait_seconds=options.lock_wait) as migrator:
        result = migrator.run(request, terminate=options.terminate)
    nothing = "nothing to retry"
    if options.names:  # those that need no retry are refused, unless another run has just done them
        done = ", ".join(f"`{name}`" for name in options.names)
        nothing = f"nothing to retry: another run has completed {done} meanwhile"
    return finish(call, result, nothing=nothing)


COMMAND = Command(
    about="Runs failed and stuck migrations again: those named, or all of them. What is pending stays pending.",
    document="as `zmig apply --json`",
    run=run,
    options_type=RetryOptions,
    options=(
        Option("--dry-run", "print the plan, and run nothing"),
        Option("--terminate", "first end the backend that holds the lock, if the process it works for is gone"),
        LOCK_WAIT,
    ),
    takes=Positionals.NAMES,
    examples=("zmig retry manifests/demo.yaml --dry-run",),
)
