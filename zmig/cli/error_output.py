"""How an error is reported: the problems as text on stderr, and as one JSON document where JSON is wanted."""

from __future__ import annotations

import re
import signal
import traceback
from typing import TYPE_CHECKING

from zmig.cli import json_documents
from zmig.errors import ExitCode, Problem, ZmigError
from zmig.project import outside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.cli.output import Output

_LINE = re.compile(r"\nLINE [0-9]+:.*(?:\n[ \t]*\^)?")
"""The line that libpq repeats of a statement; one that holds a password need not say so. The problem shows it."""


def report(error: ZmigError, output: Output) -> int:
    """Report an error that zmig raised on purpose; return its exit code."""
    if output.is_verbose and not any(map(outside.is_about, error.problems)):
        cause = error.__cause__
        if cause is not None:
            output.say(_LINE.sub("", "".join(traceback.format_exception(cause)).rstrip()) + "\n")
    return _report(error.problems, error.exit_code, output)


def report_interruption(error: KeyboardInterrupt, output: Output) -> int:
    """Report what an interruption left behind; return 128 plus the signal's number."""
    number: int = getattr(error, "number", signal.SIGINT)
    problem: Problem | None = getattr(error, "problem", None)
    if problem is None:
        problem = Problem("interrupted", f"interrupted by {signal.Signals(number).name}")
    return _report([problem], 128 + number, output)


def report_bug(error: BaseException, output: Output) -> int:
    """Report an error that nobody foresaw, with its traceback; return 70."""
    output.say("".join(traceback.format_exception(error)).rstrip())
    problem = Problem(
        "internal-error",
        f"internal error: {type(error).__name__}: {error}; this is a bug in zmig",
        hint="report it with the lines above",
    )
    return _report([problem], ExitCode.BUG, output)


def _report(problems: Sequence[Problem], code: int, output: Output) -> int:
    problems = [outside.redacted(problem) for problem in problems]
    output.problems(problems)
    if output.is_json:
        output.document(json_documents.of_problems(problems, code) | output.so_far)
    return code
