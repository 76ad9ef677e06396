"""Findings in reviewdog's diagnostic format, whose suggestions it writes into a review for the author to commit."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING

from zmig.lint import pages
from zmig.lint.finding import Region, Severity
from zmig.lint.report.text import fix_text
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from zmig.lint.finding import Finding
    from zmig.lint.run import Report

_SEVERITIES = {Severity.NOTE: "INFO", Severity.WARNING: "WARNING", Severity.ERROR: "ERROR"}


def render(report: Report) -> str:
    """Return one object with all findings."""
    return dumps(
        {"source": {"name": report.title}, "diagnostics": [_diagnostic(one) for one in report.findings]}, indent=2
    )


def render_lines(report: Report) -> str:
    """Return one object a line, for each finding."""
    return "\n".join(dumps({**_diagnostic(one), "source": {"name": report.title}}) for one in report.findings)


def _diagnostic(finding: Finding) -> dict[str, object]:
    url = pages.url(finding.rule)
    advice = "" if finding.hint is None else f"\nhint: {finding.hint}"
    is_suggested = finding.replaced_octets is not None
    advice += "" if is_suggested else fix_text(finding)
    diagnostic: dict[str, object] = {
        "message": visible(finding.message + advice),
        "location": {"path": finding.file, "range": _range(_place(finding))},
        "severity": _SEVERITIES[finding.severity],
        "code": {"value": finding.rule, **({} if url is None else {"url": url})},
    }
    if finding.replaced_octets is not None:
        diagnostic["suggestions"] = [{"range": _range(finding.replaced_octets), "text": finding.replacement}]
    return diagnostic


def _place(finding: Finding) -> Region:
    return finding.octets or Region(finding.line, finding.column, finding.end_line, finding.end_column)


def _range(place: Region) -> dict[str, object]:
    return {
        "start": {"line": place.line, "column": place.column},
        "end": {"line": place.end_line, "column": place.end_column},
    }
