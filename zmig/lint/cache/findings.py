"""Findings of one entry as JSON, and back.

Places in the manifest are kept by their lines below the entry's first one, since other entries may come and go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zmig.lint.finding import Finding, Region, Severity
from zmig.valueclass import fields, valueclass

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
        if is_declared and not first <= one.line <= one.end_line <= last:
            return None
        below = first if is_declared else 0
        values = {name: getattr(one, name) for name in _FIELDS}
        values |= {"line": one.line - below, "end_line": one.end_line - below, "severity": one.severity.value}
        values |= {"migration": None, "file": None, "text": None} if is_declared else {"migration": None}
        findings.append([_region_below(value, below) for value in values.values()])
    return [findings, list(found.unread), list(found.unknown)]


def _region_below(value: object, below: int) -> object:
    if not isinstance(value, Region):
        return value
    return {"region": [value.line - below, value.column, value.end_line - below, value.end_column]}


def decoded(kept: Any, entry: Entry) -> Found:
    """Return what was found of an entry. Raises ValueError, TypeError or LookupError where that is not what is kept."""
    findings, unread, unknown = kept
    first = entry.manifest.line_and_column(entry.declaration.node.start)[0] if findings else 0
    return Found([_finding(one, entry, first) for one in findings], tuple(unread), tuple(unknown))


def _finding(kept: list[Any], entry: Entry, first: int) -> Finding:
    values = dict(zip(_FIELDS, kept, strict=True))
    is_declared = values["file"] is None
    below = first if is_declared else 0
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(cast("list[Any]", value))
        elif isinstance(value, dict):
            line, column, end_line, end_column = cast("dict[str, list[int]]", value)["region"]
            values[name] = Region(line + below, column, end_line + below, end_column)
    values["severity"] = _SEVERITIES[values["severity"]]
    values["migration"] = entry.name
    if is_declared:
        source = entry.manifest
        values["file"] = source.label
        values["line"] += below
        values["end_line"] += below
        # Whether a line may be shown is a question of what is around it, too.
        values["text"] = source.location(source.offset_of_line(values["line"]) + values["column"] - 1).text
    return Finding(**values)


_SEVERITIES = {one.value: one for one in Severity}
_FIELDS = tuple(one.name for one in fields(Finding))
