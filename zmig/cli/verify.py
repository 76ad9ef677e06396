"""`zmig verify`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zmig.cli import findings_output
from zmig.cli.command import Command, CommandContext, Option, Options, Positionals, version_number
from zmig.cli.scratch_options import SCRATCH_URL
from zmig.cli.scratch_run import Progress, interruptible, redactor
from zmig.errors import ExitCode, Problem, UsageError
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from zmig.lint.run import Report
    from zmig.process.interrupts import Interrupts


class VerifyOptions(Options):
    """The options of `zmig verify`."""

    base: str | None
    all: bool
    scratch_url: str | None
    format: str | None
    against: str | None
    to: int | None


def run(call: CommandContext, options: VerifyOptions) -> ExitCode:
    """Prove rollbacks."""
    form = _form(options)
    call.output.is_json = form == "json"
    with interruptible(call.output) as interrupts:
        if options.against is not None:
            return _compare(call, options, form, interrupts)
        return _prove(call, options, form, interrupts)


def _form(options: VerifyOptions) -> str:
    form = findings_output.format_of(options.format, is_json=options.json)
    choices = {"`--base`": options.base is not None, "`--all`": options.all, "names": bool(options.names)}
    given = [name for name, is_given in choices.items() if is_given]
    if len(given) > 1:
        message = f"{given[0]} and {given[1]} both say which migrations are proved"
        raise UsageError(Problem("usage", message, hint="leave one of them out"))
    if options.against is not None and given:
        message = "`--against` compares everything that is applied, so no migrations are chosen"
        raise UsageError(Problem("usage", message, hint="leave names, `--base` and `--all` out"))
    if options.against is None and options.to is not None:
        message = "`--to` says what is expected on a live database, and none is compared"
        raise UsageError(Problem("usage", message, hint="add `--against`, or leave `--to` out"))
    return form


def _prove(call: CommandContext, options: VerifyOptions, form: str, interrupts: Interrupts) -> ExitCode:
    from zmig.verification import choosing, proving, report

    began = time.monotonic()
    project = choosing.on_new_database(call.migrator().project())
    urls = (options.scratch_url, options.against, options.database_url)
    call.output.redact = redactor(call, urls, project)
    manifest = call.manifest()
    chosen = choosing.choose(project, manifest, names=options.names, base=options.base, environ=call.environ)
    task = proving.Task(manifest, project, chosen.migrations, scratch_url=options.scratch_url, environ=call.environ)
    with Progress(call.output, len(chosen.migrations)) as progress:
        result = proving.prove(task, interrupts=interrupts, hear=progress)
    made = _redacted(report.of_proofs(result, project.lint, notes=chosen.notes))
    _print(call, made, form, report.document(made, result))
    call.output.note(report.summary(made, result, seconds=time.monotonic() - began))
    return _exit_code(made)


def _compare(call: CommandContext, options: VerifyOptions, form: str, interrupts: Interrupts) -> ExitCode:
    """Compare the live database with what the files build."""
    from zmig.database.connection_hints import GIVEN_URL

    compared = compare(
        call,
        url=options.against or options.database_url,
        written_in="`--against`" if options.against else GIVEN_URL,
        to=options.to,
        scratch_url=options.scratch_url,
        interrupts=interrupts,
    )
    _print(call, compared.report, form, compared.document)
    call.output.note(compared.summary)
    return _exit_code(compared.report)


@valueclass
class Compared:
    """How a live database differs from what the files build."""

    report: Report
    document: dict[str, object]
    summary: str


def compare(
    call: CommandContext,
    *,
    url: str | None,
    written_in: str,
    to: int | None,
    scratch_url: str | None,
    interrupts: Interrupts,
) -> Compared:
    """Compare a live database, the manifest's where no URL is given, with what the files build."""
    from zmig.verification import live, report

    began = time.monotonic()
    project = call.migrator().project()
    call.output.redact = redactor(call, (scratch_url, url, call.options.database_url), project)
    manifest = call.manifest()
    task = live.Task(
        manifest, project, live_url=url, written_in=written_in, to=to, scratch_url=scratch_url, environ=call.environ
    )
    with Progress(call.output, len(project.migrations)) as progress:
        result = live.compare(task, interrupts=interrupts, hear=progress)
    made = _redacted(report.of_live(result, str(manifest)))
    summary = report.live_summary(made, result, seconds=time.monotonic() - began)
    return Compared(made, report.live_document(made, result), summary)


def compare_alone(call: CommandContext, *, scratch_url: str | None) -> tuple[Compared, ExitCode]:
    """Compare the manifest's database, for another command; print what was found as text, unless that prints JSON."""
    from zmig.database.connection_hints import GIVEN_URL

    with interruptible(call.output) as interrupts:
        compared = compare(
            call,
            url=call.options.database_url,
            written_in=GIVEN_URL,
            to=None,
            scratch_url=scratch_url,
            interrupts=interrupts,
        )
    if not call.output.is_json:
        _print(call, compared.report, "text", compared.document)
    call.output.note(compared.summary)
    return compared, _exit_code(compared.report)


def _redacted(made: Report) -> Report:
    """Return a report that shows nothing of files outside of the project, which may be anybody's."""
    from zmig.lint import run as linter

    return replace(made, findings=linter.redacted(made.findings))


def _print(call: CommandContext, made: Report, form: str, document: object) -> None:
    if form == "json":
        call.output.document(document)
    else:
        findings_output.show(call.output, made, form)


def _exit_code(made: Report) -> ExitCode:
    from zmig.lint.finding import Severity

    return ExitCode.FAILED if made.count(Severity.WARNING) else ExitCode.OK


COMMAND = Command(
    about=(
        "Builds the schema from nothing on a scratch database, and proves that rollbacks undo: each migration is "
        "applied, rolled back and applied again, and the schema and the numbers of rows are compared each time. "
        "Repeatables run twice. The manifest's database is not touched; --against reads its schema, and compares it "
        "with what the files build. Exit code 1 means that something is not undone, or differs."
    ),
    document=(
        "findings (rule, severity, message, file, line, column, end_line, end_column, hint, migration, details), "
        "proved, not_proved and without_rollback (names), server_version (of the scratch server), notes; with "
        "--against replayed (names of migrations), noted (kind, identity, reason) and scratch_server_version instead "
        "of proved"
    ),
    run=run,
    options_type=VerifyOptions,
    options=(
        Option("--base", "prove what is new or changed since a git revision, such as origin/main", "REVISION"),
        Option("--all", "prove every migration, as without names and `--base`"),
        Option(
            "--against",
            "compare a live database, the manifest's or the one that is named, with what the files build instead",
            "URL",
            may_lack_value=True,
        ),
        Option(
            "--to", "with --against: what is expected there is everything up to this version", "VERSION", version_number
        ),
        SCRATCH_URL,
        Option("--format", "how findings are printed (without it: text)", findings_output.FORMAT_NAMES),
    ),
    takes=Positionals.NAMES,
    name_help="migrations to prove, by name or version; without one, and without `--base`, all",
    examples=(
        "zmig verify manifests/demo.yaml",
        "zmig verify manifests/demo.yaml 2 3 --format github",
        "zmig verify manifests/demo.yaml --against",
    ),
)
