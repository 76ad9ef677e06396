"""`zmig version`."""

from __future__ import annotations

from zmig.cli.command import Command, CommandContext, Options
from zmig.errors import ExitCode


def run(call: CommandContext, options: Options) -> ExitCode:
    """Print the highest applied version."""
    version = call.migrator().current_version()
    if options.json:
        call.output.document({"current_version": version})
    else:
        call.output.data(str(version))
    return ExitCode.OK


COMMAND = Command(
    about=(
        "Prints the highest applied version of the database, 0 where nothing is applied; repeatables do not count. "
        "Reads only. `zmig --version` prints zmig's own."
    ),
    document="current_version",
    run=run,
    options_type=Options,
    examples=("zmig version manifests/demo.yaml",),
)
