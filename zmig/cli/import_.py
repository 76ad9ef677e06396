"""`zmig import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli import import_text
from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.errors import ExitCode
from zmig.importing import planning
from zmig.importing.folder import FolderFiles
from zmig.other_tools import registry

if TYPE_CHECKING:
    from zmig.importing.plan import ImportPlan


class ImportOptions(Options):
    """The options of `zmig import`."""

    tool: str | None
    write: bool
    leave_out: tuple[str, ...] | None


def run(call: CommandContext, options: ImportOptions) -> ExitCode:
    """Show what an import would write, or write it."""
    plan = _plan(call, options)
    if options.json:
        call.output.document(import_text.document(plan, is_written=False))
    else:
        call.output.data_lines(import_text.lines(plan))
    return ExitCode.REFUSED if plan.is_refused else ExitCode.OK


def _plan(call: CommandContext, options: ImportOptions) -> ImportPlan:
    """Return what is in the project's files, beside the manifest where that is there already."""
    given = options.folder
    files = FolderFiles(Path(given or "."))
    if options.manifest is None:
        options.manifest = str(planning.default_manifest(files.root, Path()))
    return planning.plan_of(
        files,
        options.tool,
        manifest=Path(options.manifest),
        leave_out=options.leave_out or (),
        given=given,
        environ=call.environ,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


COMMAND = Command(
    about=(
        "Takes over the migrations of another tool: shows which entry each of its files becomes, what is carried over "
        "in another form, and what cannot be, by place. The other tool's files stay as they are."
    ),
    document=(
        "tool, folder, manifest, written, migrations (id, version, name, file, rollback, kind, transaction, variables, "
        "empty, declared, new_files), left_out (ids), remarks (change, text, file, line, column, migration)"
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
        Option("--manifest", "the manifest to write (without it: manifests/ and the project's name)", "PATH"),
        Option("--leave-out", "migrations that are not taken over, by id, with commas between them", "IDS", _names),
    ),
    takes=Positionals.FOLDER,
    examples=("zmig import", "zmig import --from dbmate db/migrations"),
)
