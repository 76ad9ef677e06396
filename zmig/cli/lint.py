"""`zmig lint`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig import choice, prepare, project
from zmig.cli import table
from zmig.cli.command import Call, Command, Option, Options, Takes
from zmig.errors import ExitCode, Problem, UsageError, ZmigError
from zmig.plan import Action, Direction, Plan, Step
from zmig.render import problem_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.cli.documents import Document
    from zmig.project import Project

_FORMATS = ("text", "json")


class LintOptions(Options):
    """What `zmig lint` may be told."""

    format: str | None


def run(call: Call, options: LintOptions) -> ExitCode:
    """Check manifests and their files."""
    if options.format not in (None, *_FORMATS):
        message = f"unknown format `{options.format}`: {', '.join(_FORMATS)}"
        raise UsageError(Problem("usage", message, hint="write `--format json`"))
    call.output.is_json = options.json or options.format == "json"
    named: list[str | None] = [*options.manifests] or [None]
    problems = [problem for name in named for problem in _problems(call, name)]
    if call.output.is_json:
        call.output.document({"findings": [_finding(problem) for problem in problems]})
    elif problems:
        call.output.data("\n\n".join(problem_text(problem) for problem in problems))
    call.output.note(f"{table.counted(len(problems), 'problem')} in {table.counted(len(named), 'manifest')}")
    return ExitCode.REFUSED if problems else ExitCode.OK


def _problems(call: Call, named: str | None) -> tuple[Problem, ...]:
    try:
        path = choice.find(named, environ=call.environ, cwd=Path.cwd())
        _read_everything(project.load(path, environ=call.environ))
    except ZmigError as error:
        return error.problems
    return ()


def _read_everything(loaded: Project) -> None:
    """Read every file of a project as a run would; no code is run. Raises ManifestError."""
    prepare.read(Plan(Direction.FORWARD, tuple(_steps(loaded))))


def _steps(loaded: Project) -> Iterator[Step]:
    for migration in loaded.migrations:
        yield Step(migration, Action.APPLY, "")
        if migration.rollback_file is not None:
            yield Step(migration, Action.ROLL_BACK, "")


def _finding(problem: Problem) -> Document:
    location = problem.location
    return {
        "rule": problem.code,
        "severity": "error",
        "message": problem.message,
        "file": location.path if location else None,
        "line": location.line if location else None,
        "column": location.column if location else None,
        "end_line": location.line if location else None,
        "end_column": location.column + location.width if location else None,
        "hint": problem.hint,
    }


COMMAND = Command(
    about=(
        "Checks manifests and every file they name: their form, their meaning, and whether each file can be run as "
        "it is declared. Needs no database and runs no code. Exit code 2 means that something is wrong."
    ),
    document="findings (rule, severity, message, file, line, column, end_line, end_column, hint)",
    run=run,
    options_type=LintOptions,
    options=(Option("--format", "how findings are printed (without it: text)", "text|json"),),
    takes=Takes.MANIFESTS,
    examples=("zmig lint manifests/demo.yaml manifests/prod.yaml",),
)
