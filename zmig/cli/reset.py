"""`zmig reset`."""

from __future__ import annotations

import shlex

from zmig.cli import prompt
from zmig.cli.command import Command, CommandContext, Option, Options
from zmig.cli.locking import LOCK_WAIT, running
from zmig.database import reset
from zmig.errors import ExitCode, Problem, UsageError
from zmig.presentation import words

_EFFECT = "nothing was dropped"


class ResetOptions(Options):
    """The options of `zmig reset`."""

    confirm: str | None
    lock_wait: float | None


def run(call: CommandContext, options: ResetOptions) -> ExitCode:
    """Ask for the database's name, and drop everything in it."""
    with running(call, lock_wait_seconds=options.lock_wait) as migrator, migrator.open(for_reset=True) as opened:
        reset.refuse(opened.project.environment, has_citus=False)  # whether it is installed, the server says
        database = opened.database
        _confirm(call, options, database)
        dropped = opened.reset()
    call.output.note(f"dropped {words.counted(len(dropped), 'schema')}: {', '.join(dropped)}")
    if options.json:
        call.output.document({"database": database, "dropped": dropped})
    return ExitCode.OK


def _confirm(call: CommandContext, options: ResetOptions, database: str) -> None:
    """Make sure that this database is meant. Raises UsageError."""
    if options.confirm is None:
        question = f"everything in database `{database}` will be dropped; type its name to go on"
        hint = f"in a script, add `--confirm {shlex.quote(database)}`"
        prompt.name_typed(call.output, question, database, instead=hint, effect=_EFFECT)
    elif options.confirm != database:
        message = f"the database is called `{database}`, not `{options.confirm}`"
        raise UsageError(Problem("not-confirmed", message, effect=_EFFECT, hint="check which database this is"))


COMMAND = Command(
    about=(
        "Drops every schema of the database with all it holds, zmig's own tables included. Refused where the "
        "manifest's environment is production or staging; elsewhere it asks for the database's name first."
    ),
    document="database, dropped",
    run=run,
    options_type=ResetOptions,
    options=(Option("--confirm", "the database's name, so that nobody is asked", "NAME"), LOCK_WAIT),
    examples=("zmig reset manifests/demo.yaml --confirm postgres",),
)
