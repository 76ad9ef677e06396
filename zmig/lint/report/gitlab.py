"""Findings as GitLab's Code Quality report, which is shown in merge requests."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING

from zmig.lint.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.lint.finding import Finding
    from zmig.lint.rule import Rule
    from zmig.lint.run import Report

_FAILS = frozenset({"fails", "file", "manifest", "python", "sql", "transaction"})
_HARMS = frozenset({"compat", "data", "lock", "replication", "security"})


def render(report: Report) -> str:
    """Return the report."""
    seen: Counter[tuple[str, ...]] = Counter()
    return dumps([_issue(finding, seen, report.rules) for finding in report.findings], indent=2)


def _issue(finding: Finding, seen: Counter[tuple[str, ...]], rules: Mapping[str, Rule]) -> dict[str, object]:
    # A fingerprint must outlive a change of the lines above, and differ from that of the same finding elsewhere.
    subject = (finding.rule, finding.file, finding.message, finding.text or "")
    seen[subject] += 1
    return {
        "description": finding.message if finding.hint is None else f"{finding.message} (hint: {finding.hint})",
        "check_name": finding.rule,
        "fingerprint": sha256("\0".join((*subject, str(seen[subject]))).encode()).hexdigest(),
        "severity": _severity(finding, rules),
        "location": {
            "path": finding.file,
            "positions": {
                "begin": {"line": finding.line, "column": finding.column},
                "end": {"line": finding.end_line, "column": finding.end_column},
            },
        },
    }


def _severity(finding: Finding, rules: Mapping[str, Rule]) -> str:
    """Return which of GitLab's five severities a finding has: what certainly fails is worst, then what does harm."""
    group = rules[finding.rule].group if finding.rule in rules else finding.rule.partition("/")[0]
    match finding.severity:
        case Severity.ERROR:
            return "blocker" if group in _FAILS else "critical"
        case Severity.WARNING:
            return "major" if group in _HARMS else "minor"
        case Severity.NOTE:
            return "info"
