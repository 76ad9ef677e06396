"""`zmig schema`."""

from __future__ import annotations

import os
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli.command import Command, CommandContext, Option, Options
from zmig.cli.scratch_options import SCRATCH_URL
from zmig.errors import ExitCode, Location, Outdated, Problem, UsageError
from zmig.hints import Hint, command
from zmig.project import project
from zmig.session import schema_file

if TYPE_CHECKING:
    from zmig.cli.json_documents import Document
    from zmig.session.schema_file import SchemaText


class SchemaOptions(Options):
    """The options of `zmig schema`."""

    check: bool
    write: bool
    output: str | None
    scratch: bool
    scratch_url: str | None


def run(call: CommandContext, options: SchemaOptions) -> ExitCode:
    """Print the schema, write it to its file, or compare it with that."""
    if options.check and options.write:
        raise UsageError(Problem("usage", "`--check` and `--write` exclude each other", hint="write one of them"))
    file = _file(call, options)
    read = _from_scratch(call, options) if options.scratch or options.scratch_url else call.migrator().schema()
    for what, number in read.uncovered.items():
        call.output.note(f"not in the schema: {what} ({number})")
    if file is None:
        return _print(call, read)
    return _check(call, options, read, file) if options.check else _write(call, read, file)


def _file(call: CommandContext, options: SchemaOptions) -> Path | None:
    """Return the file that is written or compared; None where the schema is printed. Raises UsageError."""
    if options.output is not None:
        return Path(options.output)
    if not options.check and not options.write:
        return None
    manifest = call.manifest()
    file = project.without_migrations(manifest, environ=call.environ).schema_file
    if file is None:
        raise UsageError(
            Problem(
                "schema-file-unnamed",
                f"manifest `{manifest}` names no file for the schema",
                Location(str(manifest)),
                hint="add `schema: {file: ../schema.sql}` to the manifest, or give `--output FILE`",
            )
        )
    return file


def _from_scratch(call: CommandContext, options: SchemaOptions) -> SchemaText:
    """Return what the manifest's migrations make."""
    from zmig.verification import building, scratch

    manifest = call.manifest()
    loaded = project.load(manifest, environ=call.environ)
    with scratch.opened(loaded, url=options.scratch_url, live_url=options.database_url, environ=call.environ) as place:
        call.output.redact = place.redact
        builder = building.Builder(place, environ=call.environ, report=call.output.note)
        return builder.build(manifest, loaded).migrator.schema()


def _print(call: CommandContext, read: SchemaText) -> ExitCode:
    if call.output.is_json:
        call.output.document({**_document(read), "schema": read.text})
    else:
        call.output.data(read.text.removesuffix("\n"))
    return ExitCode.OK


def _write(call: CommandContext, read: SchemaText, file: Path) -> ExitCode:
    is_written = schema_file.write(file, read.text)
    call.output.note(f"wrote the schema to `{file}`" if is_written else f"`{file}` is what the schema is already")
    if call.output.is_json:
        call.output.document({**_document(read), "file": str(file), "written": is_written})
    return ExitCode.OK


def _check(call: CommandContext, options: SchemaOptions, read: SchemaText, file: Path) -> ExitCode:
    before = _content(file)
    document = {**_document(read), "file": str(file), "current": before == read.text}
    if before == read.text:
        call.output.note(f"`{file}` is what the schema is")
        if call.output.is_json:
            call.output.document(document)
        return ExitCode.OK
    is_scratch = options.scratch or options.scratch_url is not None
    names = (str(file), "what the migrations make" if is_scratch else "the database")
    lines = list(unified_diff((before or "").splitlines(), read.text.splitlines(), *names, lineterm=""))
    if call.output.is_json:
        call.output.so_far = {**document, "difference": lines}
    else:
        call.output.data("\n".join(lines))
    words = ["--scratch"] if options.scratch else []
    words += ["--scratch-url", os.fspath(options.scratch_url)] if options.scratch_url else []
    words += ["--output", options.output] if options.output is not None else ["--write"]
    what = "what the migrations make" if is_scratch else "what is in the database"
    raise Outdated(
        Problem(
            "schema-file-outdated",
            f"`{file}` is not {what}" if before is not None else f"`{file}` does not exist",
            Location(str(file)) if before is not None else None,
            hint=Hint("write it with ", command("schema", *words)),
        )
    )


def _content(file: Path) -> str | None:
    """Return what is in a file; None where there is none. Raises UsageError for one that cannot be read."""
    try:
        return file.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"`{file}` cannot be read: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("file-unreadable", message, hint=f"run `ls -ld {file}`")) from None


def _document(read: SchemaText) -> Document:
    return {
        "server_version": read.snapshot.server_version,
        "fingerprint": read.snapshot.fingerprint,
        "uncovered": dict(read.uncovered),
    }


COMMAND = Command(
    about=(
        "Prints the database's schema as text for people and for version control: one block for each table, in an "
        "order that is always the same, without what depends on the server. With `--check`, exit code 1 means that the "
        "file is not what the schema is; the difference is printed. Reads only. With `--scratch` it asks the database "
        "for nothing but its version, and applies the migrations to an empty one that is dropped again."
    ),
    document=(
        "server_version, fingerprint, uncovered (how many objects are not looked at, by what they are); schema (the "
        "text), or file and written, or file, current and difference (lines)"
    ),
    run=run,
    options_type=SchemaOptions,
    options=(
        Option("--check", "compare with the manifest's `schema.file`, or with `--output`; exit with 1 if it is old"),
        Option("--write", "write the manifest's `schema.file`"),
        Option("--output", "write this file, or compare with it", "FILE"),
        Option("--scratch", "take what the migrations make of an empty database, on a private server"),
        SCRATCH_URL,
    ),
    examples=("zmig schema manifests/demo.yaml", "zmig schema manifests/demo.yaml --scratch --output schema.sql"),
)
