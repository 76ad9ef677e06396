"""How commands print findings: for people, or in a format that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.lint.report import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.cli.output import Output
    from zmig.lint.run import Report

FORMAT_NAMES = "|".join(FORMATS)
"""What the help of an option says that takes one."""


def format_of(given: str | None, *, is_json: bool) -> str:
    """Return the format that was asked for, by `--format` or `--json`. Raises UsageError."""
    return one_of(FORMATS, "format", given or ("json" if is_json else "text"))


def one_of(known: Sequence[str], name: str, word: str) -> str:
    """Return the value of an option that takes one of these words. Raises UsageError for another one."""
    if word not in known:
        message = f"unknown {name} `{word}`: {', '.join(known)}"
        raise UsageError(Problem("usage", message, hint=f"write `--{name} {known[1]}`"))
    return word


def show(output: Output, report: Report, form: str) -> None:
    """Print findings in a format, without secrets."""
    from zmig.lint import git
    from zmig.lint.report import renderer, text

    if form == "text":
        for block in text.blocks(report):  # in which secrets are looked for one by one: hardly any may hold one
            output.data_lines(block)
        return
    shown = report.renamed(git.from_repository(Path.cwd())).without_secrets(output.redact)
    if printed := renderer(form)(shown):
        output.encoded(printed)
