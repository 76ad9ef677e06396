"""The changesets of a file that begins with `--liquibase formatted sql`, line by line as Liquibase reads them.

The patterns are the tool's own, each for a whole line. What it refuses is refused here by place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.other_tools.source import Change, Remark
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from dataclasses import KW_ONLY

_ANY_CASE = re.ASCII | re.IGNORECASE


def _line(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, _ANY_CASE)


def _attribute(name: str, value: str) -> re.Pattern[str]:
    return re.compile(f".*{name}:({value})", _ANY_CASE)


_HEADER = _line(r"\s*--\s*liquibase\s*formatted.*")
_CHANGESET = _line(r"\s*+--\s*+changeset(?>\s++(?!:)|\s+(?=\s:))(\"[^\"]++\"|[^:]++):\s*+(\"[^\"]++\"|\S++)(.*)")
_PROPERTY = _line(r"\s*+--\s*+property\s++[^:]*+:\S*+\s[^:]*+:.*")
_ROLLBACK = _line(r"\s*--\s*rollback (.*)")
_ROLLBACK_BLOCK = _line(r"\s*/\*\s*liquibase\s*rollback\s*")
_COMMENT = _line(r"--\s*comment:? (.*)")
_VALID_CHECKSUM = _line(r"--\s*validCheckSum:? (.*)")
_PRECONDITION = _line(r"\s*--\s*precondition(?:s|-).*")
_BLANKS = " \t\n\r\f\v"
"""What Java counts as blank."""
_IGNORE_LINES = _line(r"--\s*ignoreLines:(\w+)")
_INCLUDE = _line(r"\s*--\s*include(?:All)?\b.*:.*")
_MISTAKES = (
    (_line(r"\s*--\s*changeset\s*.*"), "`--changeset author:id`"),
    (_line(r"-\s*changeset\s.*"), "`--changeset author:id`"),
    (_line(r"\s*?-+\s*property\s.*"), "`--property name:x value:y`"),
    (_line(r"(?:-\s*comment:? |--\s*comments:? ).*"), "`--comment text`"),
    (_line(r"\s*-\s*rollback\s.*"), "`--rollback statement`"),
    (_line(r"\s*-\s*preconditions?.*"), "`--preconditions onFail:HALT`"),
    (_line(r"-\s*validCheckSum.*"), "`--validCheckSum: checksum`"),
    (_line(r"-\s*+ignoreLines:\w.*|--\s*ignore:\w+"), "`--ignoreLines:start`"),
)
"""Lines that Liquibase refuses, and what they are taken for."""

_VALUES = {
    name.removeprefix(r"\b").lower(): _attribute(name, value)
    for name, value in {
        "stripComments": r"\w+",
        "splitStatements": r"\w+",
        "rollbackSplitStatements": r"\w+",
        r"\bendDelimiter": r"\S*",
        r"\brollbackEndDelimiter": r"\S*",
        "runWith": r"[\w$\{\}]+",
        "runOnChange": r"\w+",
        "runAlways": r"\w+",
        "context": r"\".*?\"|\S*",
        "contextFilter": r"\".*?\"|\S*",
        "labels": r"\".*?\"|\S*",
        "logicalFilePath": r"\S*",
        "runInTransaction": r"\w+",
        "dbms": r"[^,][\w!,]+",
        "ignore": r"\w*",
        "failOnError": r"\w+",
        "name": r"\s*\S+",
        "value": r"\s*\S+",
        "global": r"\S+",
    }.items()
}


@valueclass
class ChangeSet:
    """One changeset, as it is written."""

    author: str
    id: str
    location: Location
    """Of its line."""
    options: str
    """The whole line, in which attributes are looked for."""
    _: KW_ONLY
    body: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Its lines without directives, each with its number."""
    rollback: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    blocks: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Lines of rollbacks within a comment, which old versions take for a part of the body."""
    remarks: list[Remark] = field(default_factory=list[Remark])
    comments: list[str] = field(default_factory=list[str])
    """The last one counts."""
    valid_checksums: list[str] = field(default_factory=list[str])

    def option(self, name: str) -> str | None:
        """Return what an attribute says; None where it is not there."""
        return option(self.options, name)


@valueclass
class FormattedFile:
    """An SQL file of changesets."""

    path: str
    header: str
    """The first line, in which attributes may be, too."""
    changesets: list[ChangeSet] = field(default_factory=list[ChangeSet])
    properties: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Lines that give a property, with their numbers."""
    remarks: list[Remark] = field(default_factory=list[Remark])
    """About what belongs to no changeset."""


def is_formatted(text: str) -> bool:
    """Return whether a text begins with the line that makes it one of these files."""
    first = next((line for line in lines(text) if line.strip()), "")
    return _HEADER.fullmatch(first) is not None


def lines(text: str) -> list[str]:
    """Return the lines of a text without their ends; nothing else ends a line for Java."""
    return re.split(r"\r\n|\n|\r", text)


def option(line: str, name: str) -> str | None:
    """Return what an attribute in a line says, the last one where it is there more than once."""
    found = _VALUES[name.lower()].match(line)
    return found[1].strip() if found else None


def option_is_true(line: str, name: str) -> bool:
    """Return whether an attribute in a line is true."""
    return (option(line, name) or "").lower() == "true"


def unquoted(text: str) -> str:
    """Return a name or a value without the quotes around it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def read(path: str, text: str) -> FormattedFile:
    """Return the changesets of a file."""
    numbered = enumerate(lines(text), 1)
    file = FormattedFile(path, next((line for line in lines(text) if line.strip()), ""))
    for number, line in numbered:
        reader = _Line(file, number, line)
        if _PROPERTY.fullmatch(line):
            file.properties.append((number, line))
        elif ignored := _IGNORE_LINES.fullmatch(line):
            _skip(numbered, ignored[1], reader)
        elif changeset := _CHANGESET.fullmatch(line):
            author, identity = unquoted(changeset[1]), unquoted(changeset[2])
            file.changesets.append(ChangeSet(author, identity, reader.location, line))
        elif _ROLLBACK_BLOCK.fullmatch(line) and file.changesets:
            block = list(_block(numbered, number, line, reader))
            file.changesets[-1].blocks.extend(block)
            file.changesets[-1].rollback.extend(_inside(block))
        else:
            reader.take()
    return file


def _skip(numbered: Iterator[tuple[int, str]], what: str, reader: _Line) -> None:
    if what != "start" and not what.isdigit():
        reader.note(Change.REFUSED, "an `ignoreLines` that Liquibase refuses")
        return
    reader.note(Change.DROPPED, "the lines that `ignoreLines` has Liquibase leave out")
    if what == "start":
        for _, line in numbered:
            end = _IGNORE_LINES.fullmatch(line)
            if end is not None and end[1] == "end":
                return
    else:
        for _ in range(int(what)):
            next(numbered, None)


def _block(numbered: Iterator[tuple[int, str]], number: int, line: str, reader: _Line) -> Iterator[tuple[int, str]]:
    """Yield the lines of a rollback within a comment, those with its ends included."""
    yield number, line
    for number, line in numbered:
        yield number, line
        if _before_block_end(line) is not None:
            return
    reader.note(Change.REFUSED, "a rollback comment that is not closed")


def _inside(block: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, line in block[1:]:
        before = _before_block_end(line)
        yield number, line if before is None else before


def _before_block_end(line: str) -> str | None:
    """Return what is before the end of a comment that ends a line; None where none does."""
    text = line.rstrip(_BLANKS)
    return text[:-2].rstrip(_BLANKS) if text.endswith("*/") else None


class _Line:
    """One line, and the file whose changesets it is for."""

    def __init__(self, file: FormattedFile, number: int, line: str) -> None:
        self._file = file
        self._number = number
        self._line = line

    @property
    def location(self) -> Location:
        """The place of what is on it."""
        column = len(self._line) - len(self._line.lstrip()) + 1
        return Location(self._file.path, self._number, column, text=self._line)

    def note(self, change: Change, text: str) -> None:
        """Remark on the line, in the changeset that it is in."""
        remarks = self._file.changesets[-1].remarks if self._file.changesets else self._file.remarks
        remarks.append(Remark(change, text, self.location))

    def take(self) -> None:
        """Add the line to what it belongs to."""
        line = self._line
        mistake = next((what for pattern, what in _MISTAKES if pattern.fullmatch(line)), None)
        changeset = self._file.changesets[-1] if self._file.changesets else None
        if changeset is None:
            self._take_outside(mistake)
        elif comment := _COMMENT.fullmatch(line):
            changeset.comments.append(comment[1].strip())
        elif checksum := _VALID_CHECKSUM.fullmatch(line):
            changeset.valid_checksums.append(checksum[1].strip())
        elif rollback := _ROLLBACK.fullmatch(line):
            changeset.rollback.append((self._number, rollback[1]))
        elif _PRECONDITION.fullmatch(line):
            text = "a precondition, which zmig has none of: delete the line, which Liquibase's checksum does not count"
            self.note(Change.REFUSED, text)
        elif _INCLUDE.fullmatch(line):
            self.note(Change.REFUSED, "an include in an SQL file, which only paid versions of Liquibase read")
        elif mistake is not None:
            self.note(Change.REFUSED, f"a line that Liquibase refuses: {mistake} is what it takes it for")
        else:
            changeset.body.append((self._number, line))

    def _take_outside(self, mistake: str | None) -> None:
        line = self._line
        if _HEADER.fullmatch(line):
            return
        if mistake is not None or _COMMENT.fullmatch(line) or _INCLUDE.fullmatch(line):
            self.note(Change.REFUSED, "a line that Liquibase refuses outside of a changeset")
        elif line.strip() and not line.lstrip().startswith("--"):
            self.note(Change.DROPPED, "a line before the first changeset, which Liquibase does not run")


def spread(numbered: list[tuple[int, str]]) -> tuple[str, int]:
    """Return lines as one text, with blank ones in place of those between, and the number of the first."""
    kept = dict(numbered)
    filled = [number for number, line in numbered if line.strip()]
    if not filled:
        return "", numbered[0][0] if numbered else 1
    text = "".join(f"{kept.get(number, '')}\n" for number in range(filled[0], filled[-1] + 1))
    return text, filled[0]


def plain(numbered: list[tuple[int, str]]) -> str:
    """Return lines as Liquibase puts them together, for its checksum."""
    return "\n".join(line for _, line in numbered).strip()
