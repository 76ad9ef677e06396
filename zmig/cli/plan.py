"""`zmig plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import plantext
from zmig.cli.command import Call, Command, Option, Options, version_number

if TYPE_CHECKING:
    from zmig.errors import ExitCode


class PlanOptions(Options):
    """What `zmig plan` may be told."""

    to: int | None
    allow_out_of_order: bool


def run(call: Call, options: PlanOptions) -> ExitCode:
    """Print what `zmig apply` would run."""
    planned = call.migrator().plan(to=options.to, allow_out_of_order=options.allow_out_of_order)
    return plantext.show(planned, call.output)


COMMAND = Command(
    about=(
        "Prints exactly what `zmig apply` would run now, step by step, each with its reason, or why it would refuse. "
        "Reads only. Exit code 2 means refused."
    ),
    document=(
        "steps (version, name, kind, action, reason, attempt, resume_after, transactional, mode_reason) and refusals "
        "(version, name, code, message, location, facts, effect, hint)"
    ),
    run=run,
    options_type=PlanOptions,
    options=(
        Option("--to", "stop at this version", "VERSION", version_number),
        Option("--allow-out-of-order", "also plan migrations that stand below the highest applied version"),
    ),
    examples=("zmig plan manifests/demo.yaml",),
)
