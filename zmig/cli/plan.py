"""`zmig plan`."""

from __future__ import annotations

from zmig.cli import json_documents, plan_text, prompt
from zmig.cli.apply import ALLOW_EXISTING
from zmig.cli.command import Command, CommandContext, Option, Options, version_number
from zmig.cli.locking import LOCK_WAIT, running
from zmig.errors import ExitCode
from zmig.model import Environment
from zmig.planning.request import Apply


class PlanOptions(Options):
    """The options of `zmig plan`."""

    to: int | None
    allow_out_of_order: bool
    allow_existing: bool
    rehearse: bool
    yes: bool
    lock_wait: float | None


def run(call: CommandContext, options: PlanOptions) -> ExitCode:
    """Print what `zmig apply` would run, and what it would do if that is wanted."""
    request = Apply(to=options.to, allow_out_of_order=options.allow_out_of_order, allow_existing=options.allow_existing)
    if options.rehearse:
        return _rehearse(call, options, request)
    return plan_text.show(call.migrator().plan_request(request), call.output)


def _rehearse(call: CommandContext, options: PlanOptions, request: Apply) -> ExitCode:
    from zmig.cli import rehearsal_text

    with (
        running(call, lock_wait_seconds=options.lock_wait, may_change=False) as migrator,
        migrator.open() as opened,
    ):
        if opened.project.environment is Environment.PRODUCTION and not options.yes:
            question = "statements will run for real on a production database and be rolled back; go on?"
            prompt.agree(call.output, question, instead="in a script, add `--yes`", effect="nothing was run")
        rehearsed = opened.rehearse(request)
    if call.output.is_json:
        call.output.document(
            {**json_documents.of_plan(rehearsed.plan), "rehearsal": rehearsal_text.document(rehearsed)}
        )
    else:
        call.output.data(plan_text.text(rehearsed.plan, with_limits=call.output.is_verbose))
        if rehearsed.steps:
            call.output.data(rehearsal_text.text(rehearsed))
    if rehearsed.problem is None:
        return ExitCode.OK
    call.output.problems([rehearsed.problem])
    return ExitCode.FAILED


COMMAND = Command(
    about=(
        "Prints exactly what `zmig apply` would run now, step by step, each with its reason, or why it would refuse. "
        "Reads only, but for `--rehearse`. Exit code 2 means refused; 1 that the rehearsal failed."
    ),
    document=(
        "steps (version, name, kind, action, reason, attempt, resume_after, transactional, mode_reason) and refusals "
        "(version, name, code, message, location, facts, effect, hint); notes (what else is worth knowing of "
        "migrations, a sentence each); undeclared (files that look like migrations, "
        "and that no entry names); with --rehearse also rehearsal (version, name, skipped, "
        "error, statements with number, line, text, duration_seconds, rows, locks, rewritten, drawn)"
    ),
    run=run,
    options_type=PlanOptions,
    options=(
        Option("--to", "stop at this version", "VERSION", version_number),
        Option("--allow-out-of-order", "also plan migrations below the highest applied version"),
        ALLOW_EXISTING,
        Option("--rehearse", "run it for real in a transaction, roll back, and show each statement's locks and time"),
        Option("--yes", "rehearse on a production database without asking"),
        LOCK_WAIT,
    ),
    examples=("zmig plan manifests/demo.yaml", "zmig plan manifests/demo.yaml --rehearse"),
)
