"""Findings as one JSON object."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.lint.finding import Finding
    from zmig.lint.run import Report


def render(report: Report) -> str:
    """Return the object; plain ASCII, so that it survives any locale."""
    return dumps(document(report), indent=2)


def document(report: Report) -> dict[str, object]:
    """Return the object as values."""
    return {
        "findings": [{**of_finding(finding), "fix": list(finding.fix)} for finding in report.findings],
        "migrations": report.migrations,
        "not_checked": list(report.missing),
        "tried": report.tried,
        "tried_on": report.tried_on or None,
    }


def of_finding(finding: Finding) -> dict[str, object]:
    """Return one finding as values."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "hint": finding.hint,
        "migration": finding.migration,
    }
