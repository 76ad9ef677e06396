"""`zmig squash`."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zmig.cli import prompt
from zmig.cli.command import Command, CommandContext, Option, Options, version_number
from zmig.cli.scratch_options import SCRATCH_URL
from zmig.errors import ExitCode, Problem, UsageError
from zmig.presentation import words
from zmig.verification import scratch, squash

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zmig.cli.json_documents import Document
    from zmig.verification.squash import Draft, LeftOut, Made

_NOTHING = "nothing was written"
_SHOWN = 10


class SquashOptions(Options):
    """The options of `zmig squash`."""

    to: int
    name: str | None
    data: tuple[str, ...] | None
    delete: bool
    dry_run: bool
    yes: bool
    pg_dump: str | None
    scratch_url: str | None


def run(call: CommandContext, options: SquashOptions) -> ExitCode:
    """Build and prove a squash, show what is to be written, ask, and write it."""
    draft = squash.draft(call.manifest(), options.to, name=options.name, delete=options.delete, environ=call.environ)
    _refuse_uncommitted(draft.deleted)
    made = None if draft.is_made else _make(call, options, draft)
    for line in _lines(draft, made):
        call.output.note(line)
    if options.dry_run:
        if not options.json and made is not None:
            call.output.data(made.text.removesuffix("\n"))
    else:
        if not options.yes:
            hint = "add `--yes` to write without being asked"
            prompt.agree(call.output, "write it?", instead=hint, effect=_NOTHING)
        squash.write(draft, None if made is None else made.text)
        call.output.note(f"wrote {_files(draft, made)}")
    if options.json:
        call.output.document(_document(draft, made, is_written=not options.dry_run))
    return ExitCode.OK


def _make(call: CommandContext, options: SquashOptions, draft: Draft) -> Made:
    url = options.scratch_url
    with scratch.opened(draft.project, url=url, live_url=options.database_url, environ=call.environ) as place:
        call.output.redact = place.redact
        return squash.make(
            draft,
            place,
            data=options.data or (),
            pg_dump=options.pg_dump,
            today=datetime.now(UTC).astimezone().date(),
            environ=call.environ,
            report=call.output.note,
        )


def _lines(draft: Draft, made: Made | None) -> Iterable[str]:
    """Yield what is to be written, and what a person has to know before."""
    entry = ", ".join(f"{key}: {value}" for key, value in draft.fields.items())
    if made is not None:
        parts = words.counted(len(draft.parts), "migration")
        yield f"`{draft.file}`: {draft.replaces} ({parts}) in {words.counted(made.statements, 'statement')}"
        yield f"proved: it makes the same {words.counted(made.objects, 'object')} (pg_dump {made.pg_dump})"
        yield f"`{draft.home.path}` gets `- {{{entry}}}`"
        yield from (_not_in_it(one) for one in made.left_out[:_SHOWN])
        if (more := len(made.left_out) - _SHOWN) > 0:
            yield f"not in it: what migrations left in {more} more tables and sequences; `--json` lists all"
        if made.not_dumped:
            found = ", ".join(f"{what} ({number})" for what, number in made.not_dumped.items())
            yield f"not in it: {found}, which migrations made and pg_dump does not write; add them to the file"
        for role in made.roles:
            yield f"not in it: role `{role}`, which migrations made; add `create role` to the file for new servers"
        if made.user_mappings:
            yield f"look through the options of {words.counted(made.user_mappings, 'user mapping')}: they may be secret"
    if draft.deleted:
        yield f"deleted: {words.counted(len(draft.parts), 'entry').replace('entrys', 'entries')}, and their files:"
        yield from (f"  {file}" for file in draft.deleted[:_SHOWN])
        if (more := len(draft.deleted) - _SHOWN) > 0:
            yield f"  and {more} more"
        yield "a database that has only a part of them can then be brought further with an earlier checkout alone"
    elif made is not None:
        yield "the old entries stay beside it, for databases that have only a part of them; `--delete` removes them"


def _not_in_it(one: LeftOut) -> str:
    short = one.name.removeprefix("public.")
    if one.rows is None:
        return f"not in it: the value of sequence {one.name}, which migrations used; add `--data {short}` to keep it"
    rows = words.counted(one.rows, "row")
    return f"not in it: {rows} of {one.name}, which migrations inserted; add `--data {short}` to take them along"


def _files(draft: Draft, made: Made | None) -> str:
    return f"`{draft.home.path}`" if made is None else f"`{draft.file}` and `{draft.home.path}`"


def _refuse_uncommitted(files: Iterable[Path]) -> None:
    """Make sure that git has what is to be deleted, where git is used. Raises UsageError."""
    for file in files:
        with suppress(OSError):
            asked = ["git", "-C", str(file.parent.absolute()), "status", "--porcelain", "--ignored", "--", file.name]
            ended = subprocess.run(asked, capture_output=True, check=False)
            if ended.returncode == 0 and ended.stdout.strip():
                message = f"`{file}` is not committed as it is, and would be lost"
                hint = f"commit it first: `git add {file} && git commit`"
                raise UsageError(Problem("file-uncommitted", message, effect=_NOTHING, hint=hint))


def _document(draft: Draft, made: Made | None, *, is_written: bool) -> Document:
    return {
        "version": draft.version,
        "name": draft.name,
        "replaces": str(draft.replaces),
        "file": str(draft.file),
        "manifest": str(draft.home.path),
        "written": is_written,
        "deleted": [str(file) for file in draft.deleted],
        "sql": None if made is None else made.text,
        "pg_dump": None if made is None else made.pg_dump,
        "objects": None if made is None else made.objects,
        "left_out": [] if made is None else [{"name": one.name, "rows": one.rows} for one in made.left_out],
        "roles": [] if made is None else list(made.roles),
        "user_mappings": 0 if made is None else made.user_mappings,
        "not_dumped": {} if made is None else dict(made.not_dumped),
    }


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


COMMAND = Command(
    about=(
        "Writes one migration in the place of all up to a version: `pg_dump` of a scratch database to which they were "
        "applied, proved to make the same on another one, and an entry with `replaces`. New databases run that file "
        "alone; those that have all of it count it as applied. Asks the manifest's database for nothing but its "
        "version, shows what it will write and asks first. Repeatables are not squashed."
    ),
    document=(
        "version, name, replaces, file, manifest, written, deleted, sql, pg_dump, objects, left_out (name, and rows or "
        "null for a sequence), roles, user_mappings (how many have options), not_dumped (how many, by what they are)"
    ),
    run=run,
    options_type=SquashOptions,
    options=(
        Option("--to", "the last version that is squashed", "VERSION", version_number, is_required=True),
        Option("--name", "what the squash is called (without it: such as 012_squashed)", "NAME"),
        Option("--data", "the tables whose rows are taken along, with commas between them", "TABLES", _names),
        Option("--delete", "remove what it replaces: the entries, and their files"),
        Option("--dry-run", "print the file, and write nothing"),
        Option("--yes", "do not ask"),
        Option("--pg-dump", "the pg_dump to use (without it: one of the server's version that is found)", "FILE"),
        SCRATCH_URL,
    ),
    examples=("zmig squash manifests/prod.yaml --to 2 --dry-run",),
)
