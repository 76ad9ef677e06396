"""Findings as commands of GitHub's workflows, which become annotations on the lines of a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.lint.report.text import fix_text
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from zmig.lint.finding import Finding
    from zmig.lint.run import Report

_COMMANDS = {Severity.NOTE: "notice", Severity.WARNING: "warning", Severity.ERROR: "error"}


def render(report: Report) -> str:
    """Return one command a line."""
    return "\n".join(map(_command, report.findings))


def _command(finding: Finding) -> str:
    # GitHub ignores columns where a finding spans lines.
    properties = {
        "file": finding.file,
        "line": str(finding.line),
        "endLine": str(finding.end_line),
        "title": finding.rule,
    }
    if finding.line == finding.end_line:
        properties |= {"col": str(finding.column), "endColumn": str(finding.end_column)}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    advice = "" if finding.hint is None else f"\nhint: {finding.hint}"
    return f"::{_COMMANDS[finding.severity]} {given}::{_data(visible(finding.message + advice + fix_text(finding)))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
