"""What a check reports: a remark about one text, and the finding it becomes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location, Problem
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import KW_ONLY

    from zmig.text.places import Source


class Severity(StrEnum):
    """How much a finding matters."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """A number that is greater the more it matters."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@valueclass
class Remark:
    """Something a check saw in a text."""

    rule: str
    message: str
    hint: str
    source: Source
    _: KW_ONLY
    start: int
    """0-based offset of the first character that is meant."""
    end: int
    """After the last one."""
    facts: tuple[str, ...] = ()
    severity: Severity | None = None
    """How much it matters, where that is less than its rule says as long as nobody has chosen another severity."""
    fix: tuple[str, ...] = ()
    """The corrected SQL: one text for each migration that it takes."""
    replaced: tuple[int, int] | None = None
    """What can be replaced where it is, by offsets; None where a fix is more than that."""
    replacement: str = ""
    """What to put there."""


class Region(NamedTuple):
    """A part of a text: 1-based lines and columns, which count characters, and an end after the last one."""

    line: int
    column: int
    end_line: int
    end_column: int


@valueclass
class Finding:
    """One thing worth reporting, with its place; lines and columns are 1-based and count characters."""

    file: str
    line: int
    column: int
    _: KW_ONLY
    rule: str
    message: str
    severity: Severity
    end_line: int
    end_column: int
    """After the last character that is meant."""
    hint: str | None = None
    facts: tuple[str, ...] = ()
    migration: str | None = None
    """The name of the migration it is about; None for one about a manifest as a whole."""
    text: str | None = None
    """The line it begins in; None where that may hold a password."""
    fix: tuple[str, ...] = ()
    """The corrected SQL: one text for each migration that it takes."""
    replaced: Region | None = None
    """What can be replaced where it is; None where a fix is more than that."""
    replacement: str = ""
    """What to put there."""
    octets: Region | None = None
    """Where it is, with columns that count octets of UTF-8; None where only the characters are known."""
    replaced_octets: Region | None = None
    """The same of what can be replaced."""

    @property
    def problem(self) -> Problem:
        """The finding in the form that errors are shown in."""
        width = self.end_column - self.column if self.end_line == self.line else len(self.text or "") - self.column + 1
        place = Location(self.file, self.line, self.column, text=self.text, width=max(1, width))
        return Problem(self.rule, self.message, place, facts=self.facts, hint=self.hint)

    def without_secrets(self, redact: Callable[[str], str]) -> Finding:
        """Return the same finding, in which `redact` has masked the secrets of each text."""
        masked = replace(
            self,
            file=redact(self.file),
            message=redact(self.message),
            hint=None if self.hint is None else redact(self.hint),
            facts=tuple(map(redact, self.facts)),
            migration=None if self.migration is None else redact(self.migration),
            text=None if self.text is None else redact(self.text),
            fix=tuple(map(redact, self.fix)),
        )
        if redact(self.replacement) == self.replacement:
            return masked
        # What is masked must not take the place of what is there.
        return replace(masked, replaced=None, replacement="", replaced_octets=None)


def of_remark(remark: Remark, severity: Severity, migration: str | None) -> Finding:
    """Return the finding that a remark is."""
    source = remark.source
    place = source.location(remark.start)
    end_line, end_column = source.line_and_column(max(remark.end, remark.start + 1))
    return Finding(
        source.label,
        place.line,
        place.column,
        rule=remark.rule,
        message=remark.message,
        severity=severity,
        end_line=end_line,
        end_column=end_column,
        hint=remark.hint,
        facts=remark.facts,
        migration=migration,
        text=place.text,
        fix=remark.fix,
        replaced=_region(source, remark.replaced),
        replacement=remark.replacement,
        octets=_octets(source, (remark.start, max(remark.end, remark.start + 1))),
        replaced_octets=_octets(source, remark.replaced),
    )


def _region(source: Source, span: tuple[int, int] | None) -> Region | None:
    if span is None:
        return None
    return Region(*source.line_and_column(span[0]), *source.line_and_column(span[1]))


def _octets(source: Source, span: tuple[int, int] | None) -> Region | None:
    found = _region(source, span)
    if found is None:
        return None
    starts = (len(source.line_text(line)[: column - 1].encode()) + 1 for line, column in (found[:2], found[2:]))
    column, end_column = starts
    return Region(found.line, column, found.end_line, end_column)


def of_problem(problem: Problem, rule: str, severity: Severity, *, file: str, migration: str | None = None) -> Finding:
    """Return the finding that a problem is; one without a place is at the beginning of `file`."""
    place = problem.location or Location(file)
    return Finding(
        place.path,
        place.line,
        place.column,
        rule=rule,
        message=problem.message,
        severity=severity,
        end_line=place.line,
        end_column=place.column + place.width,
        hint=problem.hint,
        facts=problem.facts,
        migration=migration,
        text=place.text,
    )
