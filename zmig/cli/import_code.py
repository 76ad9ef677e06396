"""`zmig import` of a project whose migrations are code: a baseline takes their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import import_history, import_text
from zmig.errors import Problem, UsageError
from zmig.hints import Hint, SuggestedCommand
from zmig.importing import code_projects
from zmig.presentation import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.cli.command import CommandContext
    from zmig.cli.import_history import HistoryOptions
    from zmig.cli.json_documents import Document
    from zmig.importing.code_projects import Baseline, CodeDraft
    from zmig.importing.folder import FolderFiles
    from zmig.importing.plan import ImportPlan
    from zmig.importing.recording import ImportedHistory
    from zmig.other_tools.tool import Tool


def run(
    call: CommandContext, options: HistoryOptions, plan: ImportPlan, tool: Tool, files: FolderFiles, *, writes: bool
) -> Document:
    """Show what would be written, or write and record it; return the document."""
    draft = code_projects.draft(plan, tool, files, environ=call.environ)
    document: Document = {
        **import_text.document(plan, is_written=False),
        "baseline": {"name": draft.name, "file": str(draft.file), "declared": draft.is_declared},
        "render": tool.render,
    }
    is_all_there = bool(plan.migrations) and len(plan.migrations) + len(plan.left_out) == len(plan.source.migrations)
    if options.database and (draft.is_declared or is_all_there or not writes):
        history = _record(call, options, draft, files, None)
        document["history"] = history.as_dict()
        if draft.name in history.names and not options.verify:
            proof = call.hints.line(SuggestedCommand("import", ("--verify",), is_repetition=True))
            call.output.note(
                f"note: `{draft.name}` was written by an earlier command, and the database may be another one since: "
                f"`{proof}` compares them"
            )
    elif options.database:
        document |= _write(call, options, draft, files)
    elif writes and not draft.is_declared and not is_all_there:
        document |= _write_structure(call, draft, files)
    elif not options.verify:
        for line in _lines_of_entries(call, draft) if is_all_there else _lines(call, draft):
            call.output.note(line) if call.output.is_json else call.output.data(line)
    return document


def _write(call: CommandContext, options: HistoryOptions, draft: CodeDraft, files: FolderFiles) -> Document:
    """Make the baseline, and record it with the history; what was written goes again where that fails."""
    from zmig.database import connection as database

    url = code_projects.live_url(options.database_url, call.environ)
    call.output.redact = database.target(url, environ=call.environ).redactor
    baseline = code_projects.take(
        draft, url, table=options.table, pg_dump=options.pg_dump, observer=lambda _: None, environ=call.environ
    )
    with code_projects.written(draft, baseline, call.environ) as made:
        history = _record(call, options, draft, files, baseline.applied)
    _say(call, draft, baseline)
    return {"written": True, "files": [str(file) for file in made], "history": history.as_dict()}


def _write_structure(call: CommandContext, draft: CodeDraft, files: FolderFiles) -> Document:
    """Make the baseline of the project's own file."""
    if draft.structure is None:
        raise UsageError(_needs_database(draft))
    baseline = code_projects.of_structure(draft, files)
    with code_projects.written(draft, baseline, call.environ) as made:
        _say(call, draft, baseline)
    again = call.hints.line(SuggestedCommand("import", ("--database",), is_repetition=True))
    call.output.note(f"next: `{again}` records it on a database that has all of it, and `--verify` compares the two")
    return {"written": True, "files": [str(file) for file in made]}


def _say(call: CommandContext, draft: CodeDraft, baseline: Baseline) -> None:
    """Say what was written."""
    counted = words.counted(baseline.statements, "statement")
    call.output.note(f"wrote `{draft.file}`, {counted} by {baseline.made_by}, and `{draft.plan.manifest}`")
    if baseline.roles:
        named = ", ".join(f"`{role}`" for role in baseline.roles)
        call.output.note(f"note: it names the roles {named}, which a new database's server has to have")
    if baseline.user_mappings:
        left_out = words.counted(baseline.user_mappings, "user mapping")
        call.output.note(f"note: {left_out} left out of it, since there may be passwords in them")


def _record(
    call: CommandContext,
    options: HistoryOptions,
    draft: CodeDraft,
    files: FolderFiles,
    expected: frozenset[str] | None,
) -> ImportedHistory:
    is_there = draft.is_declared or expected is not None
    return import_history.record(
        call, options, draft.plan, files, baseline=draft.name if is_there else None, expected=expected
    )


def _kind(tool: Tool) -> str:
    """Return what a tool's migrations are, in words."""
    return "operations of its own" if tool.has_operations else "code"


def _lines(call: CommandContext, draft: CodeDraft) -> Iterator[str]:
    plan = draft.plan
    counted = words.counted(len(plan.source.migrations), "migration")
    kind = _kind(draft.tool)
    yield f"{plan.title}, {counted} in `{plan.source.folder}`, which are {kind}: one baseline takes their place"
    if draft.is_declared:
        yield f"`{plan.manifest}` has it: `{draft.name}`"
        return
    yield f"`{draft.file}`: the schema of the live database, as pg_dump writes it, declared in `{plan.manifest}`"
    again = call.hints.line(SuggestedCommand("import", ("--write", "--database"), is_repetition=True))
    yield f"nothing is written yet: run `{again}`"
    if draft.structure is not None:
        yield f"or make it of `{draft.structure}`, with `--write` alone"
    if draft.tool.render is not None:
        yield f"or declare each as SQL, under its own name: `{draft.tool.render}` writes it"


def _lines_of_entries(call: CommandContext, draft: CodeDraft) -> Iterator[str]:
    """Yield the lines of a project each of whose migrations somebody has written as SQL."""
    plan = draft.plan
    again = call.hints.line(SuggestedCommand("import", ("--database",), is_repetition=True))
    yield f"{plan.title}, {words.counted(len(plan.source.migrations), 'migration')} in `{plan.source.folder}`"
    yield f"`{plan.manifest}` has all of them: `{again}` records what {plan.title} has applied"


def _needs_database(draft: CodeDraft) -> Problem:
    return Problem(
        "import-needs-database",
        f"the migrations of {draft.plan.title} are {_kind(draft.tool)}: their baseline is made of the live database",
        facts=() if draft.tool.render is None else (f"`{draft.tool.render}` writes them as SQL",),
        effect="nothing was written",
        hint=Hint("make it with ", SuggestedCommand("import", ("--database",), is_repetition=True)),
    )
