"""Findings for people: the line with its caret, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.catalog.objects import major
from zmig.presentation import words
from zmig.presentation.problems import problem_lines
from zmig.presentation.spans import Span, Tone, plain
from zmig.sql.lexer import UnterminatedError, tokens
from zmig.text.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.finding import Finding
    from zmig.lint.run import Report
    from zmig.presentation.spans import Line


def blocks(report: Report) -> Iterator[list[Line]]:
    """Yield the lines of each finding; those after the first begin with an empty one."""
    for number, finding in enumerate(report.findings):
        level = f"{finding.severity}[{finding.rule}]"
        yield [*([()] if number else []), *problem_lines(finding.problem, level=level), *_fix_lines(finding)]


def _fix_lines(finding: Finding) -> Iterator[Line]:
    """Yield the corrected SQL, each migration of it with a label of its own."""
    for number, migration in enumerate(finding.fix, 1):
        label = "fix: " if len(finding.fix) == 1 else f"fix {number}: "
        kept = _begun_within(migration)
        for place, line in enumerate(visible(migration).split("\n")):
            indent = label if place == 0 else "" if place in kept else " " * len(label)
            yield (Span(indent, Tone.GOOD), Span(line))


def _begun_within(text: str) -> frozenset[int]:
    """Return which lines of SQL begin within a string or a quoted name: blanks before them would be part of it."""
    try:
        several = [one for one in tokens(text) if "\n" in one.text]
    except UnterminatedError:
        return frozenset()
    found: set[int] = set()
    for one in several:
        first = text.count("\n", 0, one.start)
        found.update(range(first + 1, first + one.text.count("\n") + 1))
    return frozenset(found)


def fix_text(finding: Finding) -> str:
    """Return the same as text that goes on after a hint; empty where there is none."""
    return "".join(f"\n{plain(line)}" for line in _fix_lines(finding))


def render(report: Report) -> str:
    """Return the findings as text without colours."""
    return "\n".join(plain(line) for block in blocks(report) for line in block)


def summary(report: Report) -> str:
    """Return how much was found, on one line, and below it what was not checked."""
    counts = {"error": 0, "warning": 0, "note": 0}
    for finding in report.findings:
        counts[finding.severity.value] += 1
    found = ", ".join(words.counted(count, name) for name, count in counts.items() if count) or "nothing found"
    lines = [f"{found} in {words.counted(report.migrations, 'migration')}{_tried(report)}"]
    lines += [f"note: {reason}" for reason in report.missing]
    lines += [] if report.remedy is None else [f"hint: run `{report.remedy}`"]
    return "\n".join(lines)


def _tried(report: Report) -> str:
    if not report.tried_on:
        return ""
    return f", {report.tried} of them tried on PostgreSQL {major(report.tried_on)}"
