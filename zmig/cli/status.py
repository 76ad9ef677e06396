"""`zmig status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import status_text
from zmig.cli.command import Command, CommandContext, Option, Options
from zmig.errors import ExitCode
from zmig.presentation import words

if TYPE_CHECKING:
    from zmig.session.status import Status


class StatusOptions(Options):
    """The options of `zmig status`."""

    check: bool


def run(call: CommandContext, options: StatusOptions) -> ExitCode:
    """Print the state of every migration."""
    status = call.migrator().status()
    if call.output.is_json:
        call.output.document(status.as_dict())
    else:
        is_ascii = not call.output.stdout.can_show("".join(words.GLYPHS.values()) + "…")
        call.output.data(status_text.text(status, call.hints, width=call.output.width, is_ascii=is_ascii))
    return _verdict(status) if options.check else ExitCode.OK


def _verdict(status: Status) -> ExitCode:
    from zmig.planning import planner
    from zmig.planning.request import Apply
    from zmig.planning.snapshot import Snapshot
    from zmig.planning.state import FindingCode

    if status.failed or status.stuck:
        return ExitCode.UNHEALTHY
    is_undecided = any(entry.has(FindingCode.UNDECIDED) for entry in status.migrations)
    if planner.plan(Apply(), Snapshot(tuple(status.migrations))).refusals or (is_undecided and not status.pending):
        return ExitCode.WOULD_BE_REFUSED
    return ExitCode.PENDING if status.pending or status.due or status.running else ExitCode.OK


COMMAND = Command(
    about=(
        "Prints every migration with its state and findings, who is running, and what to do about failed and stuck "
        "ones. Reads only, and takes no lock."
    ),
    document=(
        "current_version; the lists of names applied, pending, running, failed, stuck, due; lock_holder (pid, "
        "application_name, database_user, host, since, query, migration, seconds, client; or null); standby "
        "(replay_lag_seconds, primary; null on a primary server); timeline_change (run_id, before, now; or null); "
        "undeclared (files that look like migrations, and that no entry names); facts_guarded (false where the "
        "trigger is missing that keeps facts from being changed); odd_rows (position, name and reason of facts that "
        "cannot be read in full); "
        "migrations (version, name, kind, state, findings, applied_at, duration_ms, error and more)"
    ),
    run=run,
    options_type=StatusOptions,
    options=(
        Option("--check", "exit with 5 if something is pending, 6 if it is failed or stuck, 7 if apply would refuse"),
    ),
    examples=("zmig status manifests/demo.yaml", "zmig status manifests/demo.yaml --json"),
)
