"""Findings of one entry as JSON, and back.

Places in the manifest are kept by their lines below the entry's first one, since other entries may come and go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zmig.lint.finding import Finding, Region, Severity
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.lint.entries import Entry


@valueclass
class Found:
    """What was found of an entry."""

    findings: Sequence[Finding]
    unread: Sequence[str] = ()
    """The files whose syntax squawk does not know."""
    unknown: Sequence[str] = ()
    """The rules of squawk by which it found something, and which zmig does not know; once for each time."""


def encoded(found: Found, entry: Entry) -> list[Any] | None:
    """Return what was found of an entry as JSON; None where that is about more than the entry and its files."""
    manifest = entry.manifest
    files = {file.path for file in entry.read_files}
    if entry.python is not None:
        files.add(entry.python.label)
    first = manifest.line_and_column(entry.declaration.node.start)[0]
    last = manifest.line_and_column(entry.declaration.node.end)[0]
    findings: list[Any] = []
    for one in found.findings:
        is_declared = one.file == manifest.label
        if one.migration != entry.name or not (is_declared or one.file in files):
            return None
        if is_declared and (not first <= one.line <= one.end_line <= last or one.replaced is not None):
            return None
        below = first if is_declared else 0
        findings.append(
            [
                None if is_declared else one.file,
                one.line - below,
                one.column,
                one.rule,
                one.message,
                one.severity.value,
                one.end_line - below,
                one.end_column,
                one.hint,
                one.facts,
                None if is_declared else one.text,
                one.fix,
                one.replaced,
                one.replacement,
                _moved(one.octets, -below),
                one.replaced_octets,
            ]
        )
    return [findings, list(found.unread), list(found.unknown)]


def decoded(kept: Any, entry: Entry) -> Found:
    """Return what was found of an entry. Raises ValueError, TypeError or LookupError where that is not what is kept."""
    findings, unread, unknown = kept
    first = entry.manifest.line_and_column(entry.declaration.node.start)[0] if findings else 0
    return Found([_finding(one, entry, first) for one in findings], tuple(unread), tuple(unknown))


def _finding(kept: Any, entry: Entry, first: int) -> Finding:
    file, line, column, rule, message, severity, end_line, end_column, hint, facts, text, fix, *rest = kept
    replaced, replacement, octets, replaced_octets = rest
    octets = _region(octets)
    if file is None:
        octets = _moved(octets, first)
        source = entry.manifest
        file, line, end_line = source.label, line + first, end_line + first
        # Whether a line may be shown is a question of what is around it, too.
        text = source.location(source.offset_of_line(line) + column - 1).text
    return Finding(
        file,
        line,
        column,
        rule=rule,
        message=message,
        severity=_SEVERITIES[severity],
        end_line=end_line,
        end_column=end_column,
        hint=hint,
        facts=tuple(facts),
        migration=entry.name,
        text=text,
        fix=tuple(fix),
        replaced=_region(replaced),
        replacement=replacement,
        octets=octets,
        replaced_octets=_region(replaced_octets),
    )


def _region(kept: Any) -> Region | None:
    return None if kept is None else Region(*kept)


def _moved(region: Region | None, lines: int) -> Region | None:
    return None if region is None else region._replace(line=region.line + lines, end_line=region.end_line + lines)


_SEVERITIES = {one.value: one for one in Severity}
