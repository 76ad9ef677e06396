"""Findings as JUnit's XML, which most CI services show as failed tests: a file is a suite, a finding a failed case.

A note is a case that passed, and what it says is its output.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from zmig.lint.finding import Severity
from zmig.lint.report.text import fix_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.lint.finding import Finding
    from zmig.lint.run import Report

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the document; without findings it has one case that passed, so that no service takes it for empty."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _open("testsuites", report.findings, name=report.title)]
    for file, group in groupby(report.findings, key=lambda one: one.file):
        lines += _suite(file, [*group])
    if not report.findings:
        lines += [_open("testsuite", (), name=report.title, tests=1), '    <testcase name="nothing found"/>']
        lines += ["  </testsuite>"]
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", "\n".join((*lines, "</testsuites>")))


def _suite(file: str, findings: list[Finding]) -> Iterator[str]:
    yield _open("testsuite", findings, name=file)
    for one in findings:
        place = f"{one.file}:{one.line}:{one.column}"
        yield f"    <testcase name={quoteattr(f'{one.rule} {place}')} classname={quoteattr(one.file)}>"
        text = f"{place}: {one.severity}: {one.message}" + (f"\nhint: {one.hint}" if one.hint else "") + fix_text(one)
        if one.severity is Severity.NOTE:
            yield f"      <system-out>{escape(text)}</system-out>"
        else:
            yield f"      <failure type={quoteattr(one.rule)} message={quoteattr(one.message)}>{escape(text)}</failure>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _open(tag: str, findings: Iterable[Finding], *, name: str, tests: int | None = None) -> str:
    cases = [*findings]
    failures = sum(one.severity is not Severity.NOTE for one in cases)
    indent = "" if tag == "testsuites" else "  "
    counts = f'tests="{max(len(cases), 1) if tests is None else tests}" failures="{failures}" errors="0"'
    return f"{indent}<{tag} name={quoteattr(name)} {counts}>"
