"""`zmig import --database`: the history of the other tool becomes facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli.command import Option, Options
from zmig.cli.locking import LOCK_WAIT, running
from zmig.cli.scratch_options import SCRATCH_URL
from zmig.errors import Problem, UsageError
from zmig.hints import Hint, SuggestedCommand
from zmig.presentation import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.cli.command import CommandContext
    from zmig.importing.folder import FolderFiles
    from zmig.importing.plan import ImportPlan
    from zmig.importing.recording import ImportedHistory


class HistoryOptions(Options):
    """The options of `zmig import` that are about the history."""

    database: bool
    table: str | None
    accept_mismatches: str | None
    lock_wait: float | None
    pg_dump: str | None
    verify: bool
    scratch_url: str | None


OPTIONS = (
    Option("--database", "record what the other tool has applied to the database, as its table there says"),
    Option("--table", "the other tool's table (without it: found by itself)", "SCHEMA.TABLE"),
    Option(
        "--accept-mismatches", "why files may differ from what was applied; it is in the history for ever", "REASON"
    ),
    LOCK_WAIT,
    Option("--pg-dump", "the pg_dump for a baseline (without it: one of the server's version)", "FILE"),
    Option("--verify", "then compare the database with what the files build, as `zmig verify --against` does"),
    SCRATCH_URL,
)
DOCUMENT = (
    "tool, table, recorded and accepted_mismatches (names), kept (ids of rows without an entry), known (how many were "
    "imported before), applied_before (names), notes"
)


def record(
    call: CommandContext,
    options: HistoryOptions,
    plan: ImportPlan,
    files: FolderFiles,
    *,
    baseline: str | None = None,
    expected: frozenset[str] | None = None,
) -> ImportedHistory:
    """Record the history, and say what was recorded; the other two are those of `HistoryTask`."""
    from zmig.importing import recording
    from zmig.other_tools import registry

    if not plan.manifest.exists():
        raise UsageError(_no_manifest(plan))
    task = recording.HistoryTask(
        plan,
        registry.tool(plan.source.tool),
        files,
        table=options.table,
        accepted=options.accept_mismatches,
        baseline=baseline,
        expected=expected,
    )
    with running(call, lock_wait_seconds=options.lock_wait) as migrator, migrator.open() as opened:
        imported = recording.record(opened.session, task, lock_wait_seconds=options.lock_wait)
    for line in _lines(imported):
        call.output.note(line)
    return imported


def _no_manifest(plan: ImportPlan) -> Problem:
    return Problem(
        "import-undeclared",
        f"`{plan.manifest}` is not there, so nothing has an entry that could be recorded as applied",
        effect="nothing was recorded",
        hint=Hint("write it in the same command with ", SuggestedCommand("import", ("--write",), is_repetition=True)),
    )


def _lines(imported: ImportedHistory) -> Iterator[str]:
    """Yield what was recorded, in sentences."""
    recorded = words.counted(len(imported.names), "migration")
    yield f"{imported.title}, `{imported.table}`: {recorded} recorded as applied, nothing was run"
    if imported.mismatches:
        yield f"accepted, though its file differs: {', '.join(imported.mismatches)}"
    if imported.kept:
        yield f"{words.counted(len(imported.kept), 'row')} kept in the history alone"
    if imported.known:
        yield f"{words.counted(imported.known, 'row')} imported before"
    if imported.own:
        yield f"{words.counted(len(imported.own), 'migration')} applied by zmig before, whose facts stay as they are"
    for note in imported.notes:
        yield f"note: {note}"
