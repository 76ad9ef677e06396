"""`zmig lint`."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli import findings_output, lint_fix, table
from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.cli.scratch_options import SCRATCH_URL
from zmig.errors import ExitCode, Problem, UsageError
from zmig.project import choice

if TYPE_CHECKING:
    from collections.abc import Generator

    from zmig.lint.base import Comparison
    from zmig.lint.entries import Gathered
    from zmig.lint.run import Report
    from zmig.lint.tried import TrialReport
    from zmig.process.interrupts import Interrupts

_AUTO = "auto"
_LEVELS = ("note", "warning", "error", "never")


class LintOptions(Options):
    """The options of `zmig lint`."""

    format: str | None
    fail_on: str | None
    base: str | None
    try_: bool
    only: str | None
    scratch_url: str | None
    fix: bool
    dry_run: bool
    explain: str | None
    rules: bool
    sizes: str | None
    no_cache: bool


def run(call: CommandContext, options: LintOptions) -> ExitCode:
    """Check manifests and their files."""
    if options.explain is not None:
        from zmig.lint import pages

        call.output.data(pages.explain(options.explain))
        return ExitCode.OK
    if options.rules:
        _list_rules(call, options)
        return ExitCode.OK
    from zmig.lint import run as linter
    from zmig.lint.sizes import read as table_sizes

    form = findings_output.format_of(options.format, is_json=options.json)
    fail_on = findings_output.one_of(_LEVELS, "fail-on", options.fail_on or "error")
    call.output.is_json = form == "json"
    _check_trial(options)
    lint_fix.check_options(
        fix=options.fix,
        dry_run=options.dry_run,
        base=options.base,
        only=options.only,
        manifests=options.manifests,
    )
    named: list[str | None] = [*options.manifests] or [None]
    paths = [choice.find(name, environ=call.environ, cwd=Path()) for name in named]
    if options.base == _AUTO:
        options.base = _usual_base(call, paths[0])
    sizes = None if options.sizes is None else table_sizes(Path(options.sizes))
    if options.fix:
        ended = lint_fix.fix(call, paths[0], base=options.base, names=_names(options), dry_run=options.dry_run)
        if ended is not None:
            return ended
    if options.try_:
        from zmig.cli.scratch_run import interruptible

        with interruptible(call.output, what="tried") as interrupts:
            report = linter.lint(
                paths,
                environ=call.environ,
                base=options.base,
                sizes=sizes,
                trial=lambda gathered, compared: _try(call, options, gathered, compared, interrupts),
            )
    else:
        with _uncollected():
            report = linter.lint(
                paths, environ=call.environ, base=options.base, sizes=sizes, is_kept=not options.no_cache
            )
    _print(call, report, form)
    return _exit_code(report, fail_on)


@contextmanager
def _uncollected() -> Generator[None]:
    """Let the collector of cycles rest: there are hardly any, and it looks through all that is kept to find them.

    Not for a trial, which runs code of the user's.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _usual_base(call: CommandContext, manifest: Path) -> str | None:
    """Return what `--base auto` means around a manifest; where that is nothing, everything is checked."""
    from zmig.lint import git

    found = None
    if git.root_of(manifest.parent) is not None:
        found = git.Repository.around(manifest.parent).usual_base(call.environ)
    merged = git.merged_into(call.environ)
    if found is None and merged is not None:
        call.output.note(
            f"note: `{merged}`, into which this is to be merged, is not in this clone, so everything is checked"
        )
        call.output.note(f"hint: run `git fetch --depth=1 origin {merged}:refs/remotes/origin/{merged}` before")
    elif found is None:
        call.output.note("note: no branch to compare with is known here, so everything is checked")
    return found


def _check_trial(options: LintOptions) -> None:
    """Refuse options of a trial that is not made, or that contradict each other."""
    if not options.try_:
        has_only = options.only is not None and not options.fix
        given = "only" if has_only else "scratch-url" if options.scratch_url is not None else None
        if given is not None:
            message = f"`--{given}` is about a trial on a server, and none is made"
            raise UsageError(Problem("usage", message, hint=f"add `--try`, or leave `--{given}` out"))
    elif options.only is not None and options.base is not None:
        message = "`--only` and `--base` both say which migrations are tried"
        raise UsageError(Problem("usage", message, hint="leave one of them out"))
    elif options.only is not None and len(options.manifests) > 1:
        message = "`--only` names migrations of one manifest, and several are given"
        raise UsageError(Problem("usage", message, hint="name one manifest"))


def _try(
    call: CommandContext,
    options: LintOptions,
    gathered: Gathered,
    compared: Comparison | None,
    interrupts: Interrupts,
) -> TrialReport:
    """Try what is in a manifest, or of it what is named or new, on a scratch database."""
    from zmig.cli.scratch_run import Progress, redactor
    from zmig.verification import trial_remarks, trying

    task = trying.task(
        gathered,
        compared,
        base=options.base,
        names=_names(options),
        scratch_url=options.scratch_url,
        environ=call.environ,
    )
    if task is None:
        return trial_remarks.not_readable()
    call.output.redact = redactor(call, (options.scratch_url,), task.project)
    with Progress(call.output, len(task.chosen)) as progress:
        trial = trying.try_out(task, interrupts=interrupts, hear=progress)
    return trial_remarks.of_trial(trial, gathered.entries, [one.version for one in task.chosen])


def _names(options: LintOptions) -> list[str]:
    """Return the migrations that are named."""
    return [name.strip() for name in (options.only or "").split(",") if name.strip()]


def _list_rules(call: CommandContext, options: LintOptions) -> None:
    """Print every rule, with how much it matters to the manifest that is named or there."""
    from zmig.lint import listing

    try:
        path = choice.find(next(iter(options.manifests), None), environ=call.environ, cwd=Path())
    except UsageError:
        if options.manifests:
            raise
        path = None
    known = listing.listed(path, environ=call.environ)
    if options.json:
        call.output.document(
            {"manifest": None if path is None else str(path), "rules": [one._asdict() for one in known]}
        )
        return
    rows = [(one.rule, one.group, one.severity, one.needs, one.summary) for one in known]
    for line in table.lines([("RULE", "GROUP", "SEVERITY", "NEEDS", "WHAT IT FINDS"), *rows]):
        call.output.data(line)


def _print(call: CommandContext, report: Report, form: str) -> None:
    from zmig.lint.report import text

    findings_output.show(call.output, report, form)
    call.output.note(text.summary(report))


def _exit_code(report: Report, fail_on: str) -> ExitCode:
    from zmig.lint.finding import Severity

    if not report.is_whole:
        return ExitCode.REFUSED
    if fail_on == "never" or not report.count(Severity(fail_on)):
        return ExitCode.OK
    return ExitCode.FAILED


COMMAND = Command(
    about=(
        "Checks manifests and every file they name, without a database and without running code: whether each can run "
        "as it is declared, and what would hurt in production. With --try, migrations and rollbacks are run on a "
        "scratch database, and the server itself says what they do. Exit code 1 means that something was found which "
        "matters enough, 2 that it could not be checked, or not by every rule, as without the extra `lint`. "
        "With --fix, migrations that no database has applied yet are rewritten where that comes to the same. "
        "`--rules` lists the rules, `--explain` has the page of one."
    ),
    document=(
        "findings (rule, severity, message, file, line, column, end_line, end_column, hint, migration, fix), "
        "migrations (how many), not_checked, tried (how many), tried_on (the server's version, or null); with --rules "
        "manifest and rules (rule, group, severity, default, needs, summary, why); with --fix --dry-run fixed, "
        "not_fixed (migration, reason) and files (file, before, after)"
    ),
    run=run,
    options_type=LintOptions,
    options=(
        Option("--format", "how findings are printed (without it: text)", findings_output.FORMAT_NAMES),
        Option(
            "--fail-on",
            "what exit code 1 is for: findings of this severity or above (without it: error)",
            "|".join(_LEVELS),
        ),
        Option(
            "--base",
            "compare with a git revision, such as origin/main, and check only what is new since; auto: with the branch "
            "that CI merges into, else origin's main branch",
            "REVISION|auto",
        ),
        Option(
            "--try",
            "run migrations and their rollbacks on a scratch database as well, and report what the server does and "
            "what is not undone; with --base those that are new",
            attribute="try_",
        ),
        Option(
            "--only",
            "with --try: try these alone, by name or version, with commas between them; with --fix: rewrite these, "
            "which no database has applied yet",
            "NAMES",
        ),
        SCRATCH_URL,
        Option("--sizes", "a file that says how large tables are: locks of small ones are notes", "FILE"),
        Option(
            "--fix",
            "rewrite what is safe to rewrite in migrations that are new since --base, or named by --only, and split "
            "files into entries where that is needed",
        ),
        Option("--dry-run", "with --fix: print the changes as a diff, and write nothing"),
        Option(
            "--no-cache", "look at all files again, and keep nothing of what is found in `.zmig/` beside the manifest"
        ),
        Option("--explain", "print the page of a rule, with an example that is reported and one that is not", "RULE"),
        Option("--rules", "list every rule, with how much it matters to this manifest"),
    ),
    takes=Positionals.MANIFESTS,
    examples=(
        "zmig lint manifests/demo.yaml manifests/prod.yaml",
        "zmig lint manifests/prod.yaml --fail-on warning --format github",
        "zmig lint manifests/demo.yaml --try",
        "zmig lint manifests/demo.yaml --fix --only 2 --dry-run",
        "zmig lint --explain squawk/renaming-column",
    ),
)
