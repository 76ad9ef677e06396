"""Findings as GitLab's Code Quality report, which is shown in merge requests."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING

from zmig.lint.finding import Severity

if TYPE_CHECKING:
    from zmig.lint.finding import Finding
    from zmig.lint.run import Report

_SEVERITIES = {Severity.NOTE: "info", Severity.WARNING: "minor", Severity.ERROR: "major"}


def render(report: Report) -> str:
    """Return the report."""
    seen: Counter[tuple[str, ...]] = Counter()
    return dumps([_issue(finding, seen) for finding in report.findings], indent=2)


def _issue(finding: Finding, seen: Counter[tuple[str, ...]]) -> dict[str, object]:
    # A fingerprint must outlive a change of the lines above, and differ from that of the same finding elsewhere.
    subject = (finding.rule, finding.file, finding.message, finding.text or "")
    seen[subject] += 1
    return {
        "description": finding.message if finding.hint is None else f"{finding.message} (hint: {finding.hint})",
        "check_name": finding.rule,
        "fingerprint": sha256("\0".join((*subject, str(seen[subject]))).encode()).hexdigest(),
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": finding.file,
            "positions": {
                "begin": {"line": finding.line, "column": finding.column},
                "end": {"line": finding.end_line, "column": finding.end_column},
            },
        },
    }
