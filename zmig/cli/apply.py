"""`zmig apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli.command import Command, CommandContext, Option, Options, version_number
from zmig.cli.locking import LOCK_WAIT, finish, running
from zmig.planning.request import Apply

if TYPE_CHECKING:
    from zmig.errors import ExitCode


class ApplyOptions(Options):
    """The options of `zmig apply`."""

    to: int | None
    dry_run: bool
    atomic: bool
    allow_out_of_order: bool
    allow_existing: bool
    lock_wait: float | None


def run(call: CommandContext, options: ApplyOptions) -> ExitCode:
    """Apply, or show what would be applied."""
    request = Apply(
        to=options.to,
        is_atomic=options.atomic,
        allow_out_of_order=options.allow_out_of_order,
        allow_existing=options.allow_existing,
    )
    if options.dry_run:
        from zmig.cli import plan_text

        return plan_text.show(call.migrator().plan_request(request), call.output)
    with running(call, lock_wait_seconds=options.lock_wait) as migrator:
        result = migrator.run(request)
    return finish(call, result, nothing="nothing to apply")


ALLOW_EXISTING = Option("--allow-existing", "let the first run go to a database that holds objects already")

COMMAND = Command(
    about=(
        "Applies what is pending, runs failed and stuck migrations again, and runs repeatables that are due: "
        "in order of version, repeatables last, one transaction each. With nothing to do it takes no lock."
    ),
    document="run_id (null where nothing had to run), completed, skipped, duration_seconds, plan",
    run=run,
    options_type=ApplyOptions,
    options=(
        Option("--to", "stop at this version", "VERSION", version_number),
        Option("--dry-run", "print the plan, and run nothing"),
        Option("--atomic", "run all steps in one transaction: everything is applied, or nothing"),
        Option("--allow-out-of-order", "also apply migrations below the highest applied version"),
        ALLOW_EXISTING,
        LOCK_WAIT,
    ),
    examples=("zmig apply manifests/demo.yaml", "zmig apply manifests/demo.yaml --to 2 --dry-run"),
)
