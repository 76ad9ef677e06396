"""`zmig lint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.errors import ExitCode, Problem, UsageError
from zmig.project import choice

if TYPE_CHECKING:
    from zmig.lint.run import Report

_FORMATS = ("text", "json", "github", "gitlab", "sarif", "junit")
_LEVELS = ("note", "warning", "error", "never")


class LintOptions(Options):
    """The options of `zmig lint`."""

    format: str | None
    fail_on: str | None
    base: str | None


def run(call: CommandContext, options: LintOptions) -> ExitCode:
    """Check manifests and their files."""
    from zmig.lint import run as linter

    form = _one_of(_FORMATS, "format", options.format or ("json" if options.json else "text"))
    fail_on = _one_of(_LEVELS, "fail-on", options.fail_on or "error")
    call.output.is_json = form == "json"
    named: list[str | None] = [*options.manifests] or [None]
    paths = [choice.find(name, environ=call.environ, cwd=Path()) for name in named]
    report = linter.lint(paths, environ=call.environ, base=options.base)
    _print(call, report, form)
    return _exit_code(report, fail_on)


def _print(call: CommandContext, report: Report, form: str) -> None:
    from zmig.lint import git
    from zmig.lint.report import FORMATS, text

    if form != "text":
        if printed := FORMATS[form](report.renamed(git.from_repository(Path.cwd()))):
            call.output.data(printed)
    elif report.findings:
        call.output.data_lines(text.lines(report))
    call.output.note(text.summary(report))


def _exit_code(report: Report, fail_on: str) -> ExitCode:
    from zmig.lint.finding import Severity

    if not report.is_whole:
        return ExitCode.REFUSED
    if fail_on == "never" or not report.count(Severity(fail_on)):
        return ExitCode.OK
    return ExitCode.FAILED


def _one_of(known: tuple[str, ...], name: str, word: str) -> str:
    if word not in known:
        message = f"unknown {name} `{word}`: {', '.join(known)}"
        raise UsageError(Problem("usage", message, hint=f"write `--{name} {known[1]}`"))
    return word


COMMAND = Command(
    about=(
        "Checks manifests and every file they name, without a database and without running code: whether each can run "
        "as it is declared, and what would hurt in production. Exit code 1 means that something was found which "
        "matters enough, 2 that it could not be checked, or not by every rule, as without the extra `lint`. "
        "The rules are in docs/rules."
    ),
    document=(
        "findings (rule, severity, message, file, line, column, end_line, end_column, hint, migration), migrations "
        "(how many), not_checked"
    ),
    run=run,
    options_type=LintOptions,
    options=(
        Option("--format", "how findings are printed (without it: text)", "|".join(_FORMATS)),
        Option(
            "--fail-on",
            "what exit code 1 is for: findings of this severity or above (without it: error)",
            "|".join(_LEVELS),
        ),
        Option("--base", "compare with a git revision, such as origin/main; check only what is new since", "REVISION"),
    ),
    takes=Positionals.MANIFESTS,
    examples=(
        "zmig lint manifests/demo.yaml manifests/prod.yaml",
        "zmig lint manifests/prod.yaml --fail-on warning --format github",
    ),
)
