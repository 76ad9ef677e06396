"""Findings as SARIF 2.1.0, which code scanning services read."""

from __future__ import annotations

import re
from json import dumps
from typing import TYPE_CHECKING
from urllib.parse import quote

import zmig
from zmig.lint import pages
from zmig.lint.finding import Severity
from zmig.lint.report.text import fix_text
from zmig.lint.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.lint.finding import Finding, Region
    from zmig.lint.run import Report

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "SRCROOT"


def render(report: Report) -> str:
    """Return the log."""
    codes = sorted({finding.rule for finding in report.findings})
    driver = {"name": "zmig", "version": zmig.__version__, "rules": [_rule(code, report.rules) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolConfigurationNotifications": [
                    {"level": "note", "message": {"text": reason}} for reason in report.missing
                ],
            }
        ],
        "results": [_result(finding, codes.index(finding.rule)) for finding in report.findings],
    }
    return dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str, rules: Mapping[str, Rule]) -> dict[str, object]:
    rule = rules.get(code) or Rule(code, Severity.ERROR, "`zmig apply` refuses it")
    page, url = pages.text(code), pages.url(code)
    markdown = {} if page is None else {"markdown": page}
    described: dict[str, object] = {
        "id": code,
        "name": "".join(word.capitalize() for word in re.split(r"\W+", code)),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": f"{rule.summary}; `zmig lint --explain {code}` says more", **markdown},
        "defaultConfiguration": {"enabled": rule.severity is not None, "level": (rule.severity or Severity.NOTE).value},
        "properties": {"tags": [rule.group]},
    }
    return described if url is None else {**described, "helpUri": url}


def _result(finding: Finding, index: int) -> dict[str, object]:
    advice = "" if finding.hint is None else f"\nhint: {finding.hint}"
    result = _result_of(finding, index, advice + fix_text(finding))
    if finding.replaced is not None:
        result["fixes"] = [_fix(finding, finding.replaced)]
    return result


def _fix(finding: Finding, replaced: Region) -> dict[str, object]:
    line, column, end_line, end_column = replaced
    deleted = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    change = {"deletedRegion": deleted, "insertedContent": {"text": finding.replacement}}
    return {
        "description": {"text": finding.hint or finding.message},
        "artifactChanges": [{"artifactLocation": _artifact(finding.file), "replacements": [change]}],
    }


def _result_of(finding: Finding, index: int, advice: str) -> dict[str, object]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "message": {"text": finding.message + advice},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(finding.file), "region": _region(finding)}}],
    }


def _artifact(file: str) -> dict[str, str]:
    """Return where a file is; only one inside of the repository may be named relative to its root."""
    if file.startswith("/"):
        return {"uri": f"file://{quote(file)}"}
    return {"uri": quote(file)} if file.startswith("../") else {"uri": quote(file), "uriBaseId": _ROOT}


def _region(finding: Finding) -> dict[str, int]:
    return {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }
