"""`zmig rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import plan_text, prompt
from zmig.cli.command import Command, CommandContext, Option, Options, count, version_number
from zmig.cli.locking import LOCK_WAIT, finish, running
from zmig.errors import ExitCode, Problem, UsageError
from zmig.model import Environment
from zmig.planning.request import Rollback
from zmig.presentation import words

if TYPE_CHECKING:
    from zmig.migrator import MigratorSession
    from zmig.planning.plan import Plan

_EFFECT = "nothing was rolled back"


class RollbackOptions(Options):
    """The options of `zmig rollback`."""

    to: int | None
    steps: int | None
    include_repeatables: bool
    yes: bool
    dry_run: bool
    lock_wait: float | None


def run(call: CommandContext, options: RollbackOptions) -> ExitCode:
    """Show the plan, ask, and roll back exactly what was shown."""
    if options.to is not None and options.steps is not None:
        raise UsageError(Problem("usage", "`--to` and `--steps` exclude each other", hint="write one of them"))
    request = Rollback(to=options.to, steps=options.steps or 1, include_repeatables=options.include_repeatables)
    if options.dry_run:
        return plan_text.show(call.migrator().plan_request(request), call.output)
    with running(call, lock_wait_seconds=options.lock_wait) as migrator, migrator.open() as opened:
        planned = opened.plan(request)
        planned.check()
        if planned.steps:
            call.output.note(plan_text.text(planned))
            if not options.yes:
                _ask(call, opened, planned)
        result = opened.run(request, confirmed=planned)
    return finish(call, result, nothing="nothing to roll back")


def _ask(call: CommandContext, opened: MigratorSession, planned: Plan) -> None:
    hint = "add `--yes` to roll back without being asked"
    if opened.project.environment is Environment.PRODUCTION:
        database = opened.database
        question = f"this is production; type the database's name, `{database}`, to roll back"
        prompt.name_typed(call.output, question, database, instead=hint, effect=_EFFECT)
    else:
        what = words.counted(len(planned.steps), "migration")
        prompt.agree(call.output, f"roll back {what}?", instead=hint, effect=_EFFECT)


COMMAND = Command(
    about=(
        "Rolls applied migrations back in reverse order, with their rollback files: the last one, the last few, or "
        "all above a version. Repeatables stay as they are, and those that run when their file changes are due again. "
        "Shows what it will do and asks first; in production it asks for the database's name."
    ),
    document="as `zmig apply --json`",
    run=run,
    options_type=RollbackOptions,
    options=(
        Option("--to", "roll back everything above this version; 0 for all", "VERSION", version_number),
        Option("--steps", "roll back this many migrations (without it: 1)", "N", count),
        Option("--include-repeatables", "also roll back repeatables, before the others; they count as steps"),
        Option("--yes", "do not ask"),
        Option("--dry-run", "print the plan, and run nothing"),
        LOCK_WAIT,
    ),
    examples=("zmig rollback manifests/demo.yaml --steps 2 --dry-run", "zmig rollback manifests/demo.yaml --yes"),
)
