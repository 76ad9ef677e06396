"""`zmig create`."""

from __future__ import annotations

from datetime import UTC, datetime

from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.errors import ExitCode, Problem, UsageError
from zmig.model import Kind
from zmig.project import scaffold


class CreateOptions(Options):
    """The options of `zmig create`."""

    python: bool
    repeatable: bool
    description: str | None


def run(call: CommandContext, options: CreateOptions) -> ExitCode:
    """Write the files of a new migration, and its entry in the manifest."""
    if options.python and options.repeatable:
        raise UsageError(Problem("usage", "`--python` and `--repeatable` exclude each other", hint="write one of them"))
    kind = Kind.PYTHON if options.python else Kind.REPEATABLE if options.repeatable else Kind.SQL
    created = scaffold.create(
        call.manifest(),
        options.names[0],
        kind=kind,
        today=datetime.now(UTC).astimezone().date(),
        description=options.description,
        environ=call.environ,
    )
    paths = [str(path) for path in (created.file, created.rollback_file) if path is not None]
    call.output.note(f"migration `{created.name}` is version {created.version} of {created.manifest}")
    if options.json:
        call.output.document(
            {
                "version": created.version,
                "name": created.name,
                "file": str(created.file),
                "rollback_file": str(created.rollback_file) if created.rollback_file is not None else None,
                "manifest": str(created.manifest),
            }
        )
    else:
        call.output.data("\n".join(paths))
    return ExitCode.OK


COMMAND = Command(
    about=(
        "Writes the file of a new migration, numbered after the highest one, with its rollback file, and adds its "
        "entry to the manifest without touching anything else there. Prints the paths of the files."
    ),
    document="version, name, file, rollback_file, manifest",
    run=run,
    options_type=CreateOptions,
    options=(
        Option("--description", "what it is for; it is in the file's header", "TEXT"),
        Option("--python", "write a Python file with `execute(ctx)` and `rollback(ctx)`"),
        Option("--repeatable", "write a repeatable, which runs again whenever its file changes"),
    ),
    takes=Positionals.NAME,
    name_help="what it is for, in a word or a few; its number is put before it",
    examples=("zmig create manifests/prod.yaml add_orders --description 'orders of a user'",),
)
