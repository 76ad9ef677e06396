"""`zmig import`."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli import import_code, import_history, import_text
from zmig.cli.command import Command, CommandContext, Option, Positionals
from zmig.errors import ExitCode, Problem, UsageError
from zmig.hints import Hint, SuggestedCommand, repeat
from zmig.importing import planning, writing
from zmig.importing.folder import FolderFiles
from zmig.other_tools import registry
from zmig.other_tools.source import Change
from zmig.presentation import hints, words
from zmig.project import choice
from zmig.text import listing
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.cli.json_documents import Document
    from zmig.importing.plan import ImportPlan
    from zmig.importing.writing import Written
    from zmig.other_tools.source import Remark

_SHOWN = 5
_NAMED = 3
"""How many names are shown in place of as many notes."""


class ImportOptions(import_history.HistoryOptions):
    """The options of `zmig import`."""

    tool: str | None
    write: bool
    leave_out: tuple[str, ...] | None


def run(call: CommandContext, options: ImportOptions) -> ExitCode:
    """Show what an import would write, or write it."""
    choice.require_current_folder()
    files = FolderFiles(Path(options.folder or "."))
    with writing.alone() if options.write else nullcontext():
        return _run(call, options, files)


def _run(call: CommandContext, options: ImportOptions, files: FolderFiles) -> ExitCode:
    plan = _plan(call, options, files)
    if plan.is_code:
        tool = registry.tool(plan.source.tool)
        document = import_code.run(call, options, plan, tool, files, writes=options.write)
    else:
        if not (options.write or options.database or options.verify):
            _show(call, plan)
            return ExitCode.OK
        if options.write:
            _write(call, options, plan)
        document = import_text.document(plan, is_written=options.write)
        if options.database:
            document["history"] = import_history.record(call, options, plan, files).as_dict()
    return _ended(call, options, document)


def _ended(call: CommandContext, options: ImportOptions, document: Document) -> ExitCode:
    """Compare the database with the files, where that is wanted, and print the document."""
    code = ExitCode.OK
    if options.verify:
        from zmig.cli import verify

        call.output.so_far = document
        compared, code = verify.compare_alone(call, scratch_url=options.scratch_url)
        document["verified"] = compared.document
    if options.json:
        call.output.document(document)
    return code


def _write(call: CommandContext, options: ImportOptions, plan: ImportPlan) -> None:
    """Write what a plan says. Raises UsageError where something in it is refused."""
    if plan.is_refused:
        _show(call, plan)
    written = writing.write(plan, call.environ)
    for line in _sentences(plan, written, has_notes=options.database):
        call.output.note(line)
    if written.entries and not (options.database or options.verify):
        call.output.note(_next(call, plan))


def _show(call: CommandContext, plan: ImportPlan) -> None:
    """Print a plan. Raises UsageError where something in it is refused."""
    document = import_text.document(plan, is_written=False)
    if not call.output.is_json:
        call.output.data_lines(import_text.lines(plan))
        call.output.flush()  # where a log has both streams, what is to be done comes after the plan
    if plan.is_refused:
        call.output.so_far = document
        raise UsageError(_refused(plan))
    if call.output.is_json:
        call.output.document(document)
    elif plan.has_work:
        call.output.note(f"nothing is written yet: run `{_again(call, '--write')}`")
    else:
        again = _again(call, "--database")
        call.output.note(f"`{plan.manifest}` has all of them: `{again}` records what {plan.title} has applied")


def _refused(plan: ImportPlan) -> Problem:
    refused = [plan.called(one.source) for one in plan.migrations if one.is_refused]
    first = next(one for one in plan.all_remarks if one.change is Change.REFUSED)
    counted = f"{words.counted(len(refused), 'migration')} of {plan.title}" if refused else plan.title
    message = f"{counted} cannot be carried over: {first.text}"
    facts = (f"refused: {', '.join(refused[:_SHOWN])}{', ...' if len(refused) > _SHOWN else ''}",) if refused else ()
    left_out = ",".join([*(plan.called(one) for one in plan.left_out), *refused])
    hint: str = "correct what is listed in the files"
    if refused:
        hint = Hint("correct what is listed in the files, or leave it out: ", repeat("--leave-out", left_out))
    return Problem("import-refused", message, first.location, facts=facts, effect="nothing was written", hint=hint)


def _sentences(plan: ImportPlan, written: Written, *, has_notes: bool) -> Iterator[str]:
    """Yield what was written, and what is to be known of what was imported before.

    Where the history is recorded in the same command, what is noted there `has_notes` on single migrations.
    """
    yield _sentence(plan, written)
    if plan.to_leave_out:
        names = listing.quoted([plan.called(one) for one in plan.to_leave_out], _SHOWN)
        yield f"`{plan.manifest}` leaves {names} out from now on, until it is taken out of `import.leave_out` there"
    yield from _notes([(one.name, one.remark) for one in plan.renamed], "known again under other names")
    if not has_notes:
        changed = [(one.name, remark) for one in plan.migrations for remark in one.remarks]
        yield from _notes(changed, "changed since they were copied")


def _notes(remarks: Sequence[tuple[str, Remark]], what: str) -> Iterator[str]:
    """Yield what is to be known of what was imported before: each by itself, or of many the names of some."""
    found = [(name, remark) for name, remark in remarks if remark.change is Change.CHANGED]
    if len(found) <= _SHOWN:
        yield from (f"note: {remark.location}: {remark.text}" for _, remark in found)
    else:
        names = listing.quoted(list(dict.fromkeys(name for name, _ in found)), _NAMED)
        yield f"note: {names}: {what}; the same command without `--write` says it of each"


def _sentence(plan: ImportPlan, written: Written) -> str:
    if not written.entries and not plan.migrations:
        why = "everything is left out" if plan.left_out else "all that is there is code"
        return f"`{plan.manifest}` has no entry yet: {why}"
    if not written.entries and plan.to_call:
        more = f", and {_files(written)} again" if written.files else ""
        counted = words.counted(len(plan.to_call), "migration")
        return f"wrote to `{plan.manifest}` what {plan.title} calls {counted} now{more}"
    if not written.entries and written.files:
        return f"wrote {_files(written)} again"
    if not written.entries:
        return f"nothing is new: `{plan.manifest}` has all {words.counted(len(plan.migrations), 'migration')}"
    files = f", and {_files(written)}" if written.files else ""
    entries = "1 entry" if written.entries == 1 else f"{written.entries} entries"
    return f"wrote {entries} to `{plan.manifest}`{files}"


def _files(written: Written) -> str:
    return f"`{written.files[0]}`" if len(written.files) == 1 else words.counted(len(written.files), "file")


def _next(call: CommandContext, plan: ImportPlan) -> str:
    """Return what to do once everything is written."""
    kept = hints.without([word for word in call.words if word != "--write"], "--leave-out")
    again = replace(call.hints, given=tuple(kept)).line(SuggestedCommand("import", ("--database",), is_repetition=True))
    against = shlex.join(("zmig", "verify", str(plan.manifest), "--against"))
    return (
        f"next: `{again}` records what {plan.title} has applied, then `{against}` compares the database with the files"
    )


def _again(call: CommandContext, *more: str) -> str:
    """Return the command that was given, with more words."""
    return call.hints.line(SuggestedCommand("import", more, is_repetition=True))


def _plan(call: CommandContext, options: ImportOptions, files: FolderFiles) -> ImportPlan:
    """Return what is in the project's files, beside the manifest where that is there already."""
    if options.manifest is not None and not options.manifest.endswith((".yaml", ".yml")):
        hint = "name it like `--manifest manifests/shop.yaml`"
        raise UsageError(Problem("name-invalid", f"`{options.manifest}` is no name for a manifest", hint=hint))
    if options.manifest is None:
        options.manifest = str(_default_manifest(files.root))
    return planning.plan_of(
        files,
        options.tool,
        manifest=Path(options.manifest),
        leave_out=options.leave_out or (),
        given=options.folder,
        environ=call.environ,
    )


def _default_manifest(folder: Path) -> Path:
    """Return the manifest that is meant where none is named: the project's, or the only one, as for other commands."""
    default = planning.default_manifest(folder, Path())
    present = choice.present_in(Path())
    return Path(present[0]) if len(present) == 1 and not choice.is_there(default) else default


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


COMMAND = Command(
    about=(
        "Takes over the migrations of another tool: shows which entry each of its files becomes, what is carried over "
        "in another form, and what cannot be, by place. The other tool's files stay as they are."
    ),
    document=(
        "tool, folder, manifest, written, migrations (id, version, name, file, rollback, kind, transaction, variables, "
        "empty, declared, new_files), variables, left_out (ids), remarks (change, text, file, line, column, "
        f"migration); with --database also history ({import_history.DOCUMENT}); with --verify verified (what "
        "`zmig verify --against` prints); where migrations are code, baseline (name, file, declared), render and "
        "files"
    ),
    run=run,
    options_type=ImportOptions,
    options=(
        Option(
            "--from",
            f"the other tool (without it: found by itself): {', '.join(registry.NAMES)}",
            "TOOL",
            attribute="tool",
        ),
        Option(
            "--manifest",
            "the manifest to write (without it: the project's name, or the only one, in manifests/)",
            "PATH",
        ),
        Option("--write", "write the manifest, and the files that have to be others; without it, the plan is shown"),
        Option(
            "--leave-out",
            "migrations that are not taken over, by id, with commas between them; `--write` keeps that in the manifest",
            "IDS",
            _names,
        ),
        *import_history.OPTIONS,
    ),
    takes=Positionals.FOLDER,
    examples=(
        "zmig import",
        "zmig import --from dbmate db/migrations",
        "zmig import --manifest manifests/demo.yaml --database",
    ),
)
