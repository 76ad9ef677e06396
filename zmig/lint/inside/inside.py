"""What a migration runs that its statements do not show: as a file of its own, in which everything is at its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import session, sql_file
from zmig.lint.inside import called, code, constants, plpgsql, python_code
from zmig.lint.inside.part import Part
from zmig.lint.lazy import Lazy
from zmig.lint.sql_file import Script
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zmig.lint.sql_file import FileStatement, SqlFile
    from zmig.text.places import Source

_CALLING = frozenset({"call", "copy", "delete", "do", "insert", "merge", "select", "truncate", "update", "with"})
"""First words of what may run a function, or fire the trigger that does."""
_LONGEST = 1 << 20
"""A file that is longer holds rows, and is not looked into."""


@valueclass
class Inside:
    """The statements within a file."""

    file: SqlFile
    """Blank but for them."""
    by_host: dict[int, tuple[tuple[FileStatement, Part], ...]]
    """In order, by where the statement begins that they are within; 0 for a Python file."""

    def of(self, start: int) -> tuple[tuple[FileStatement, Part], ...]:
        """Return what is within the statement that begins at an offset."""
        return self.by_host.get(start, ())


def of_sql(file: SqlFile) -> Inside | None:
    """Return what is within the DO blocks and functions of a file; None where there is nothing."""
    if file.problems or len(file.text) > _LONGEST:
        return None
    # What no statement calls is for another day.
    verbs = ("create", "do") if any(one.verb in _CALLING for one in file.statements) else ("do",)
    found = [(one, _parts(file, one)) for one in file.statements if one.verb in verbs]
    return _inside(file.source, found) if any(parts for _, parts in found) else None


def of_python(source: Source, function: str) -> Inside | None:
    """Return what `execute` or `rollback` of a Python migration runs; None where nothing is known of it."""
    found = python_code.parts(source, function) if "execute" in source.text else []
    return _inside(source, [(None, found)]) if found else None


def _parts(file: SqlFile, statement: FileStatement) -> list[Part]:
    found = code.body_of(statement)
    if found is None or found[0] not in ("plpgsql", "sql"):
        return []
    language, body = found
    # What is escaped is not where it is in the file.
    if body.text[0] not in "$'" or (body.text[0] == "'" and "''" in body.text):
        return []
    quotes = constants.content_start(body) - body.start
    start, end = statement.start + body.start + quotes, statement.start + body.end - quotes
    if language == "sql":
        text = file.text[start:end]
        return [Part(start, text)] if text.strip() else []
    return plpgsql.parts(file.text, start, end)


def _inside(source: Source, hosts: Sequence[tuple[FileStatement | None, list[Part]]]) -> Inside | None:
    """Return parts as a file, of which each statement is where it is in the source."""
    every = [part for _, parts in hosts for part in parts if part.shown is None]
    read = sql_file.read(_masked(source.text, every), path=source.label)
    if read.problems:
        return None
    statements: list[FileStatement] = []
    by_host: dict[int, tuple[tuple[FileStatement, Part], ...]] = {}
    for host, parts in hosts:
        own: list[tuple[FileStatement, Part]] = []
        for part in parts:
            path, is_utc = (session.DEFAULT, False) if host is None else (host.path, host.is_utc)
            found = called.moved(part.text, part.shown) if part.shown is not None else _within(read.statements, part)
            for one in found:
                raw = replace(one.raw, line=source.line_and_column(one.start)[0])
                own.append((replace(one, raw=raw, path=path, is_utc=is_utc), part))
        statements += (one for one, _ in own if one.shown is None)
        by_host[0 if host is None else host.start] = tuple(own)
    script = Script.of(sorted(statements, key=lambda one: one.start), skipped=read.skipped, rows=read.rows)
    file = replace(read, source=source, script=Lazy(lambda: script), is_inside=True)
    return Inside(file, by_host)


def _within(statements: Sequence[FileStatement], part: Part) -> Iterable[FileStatement]:
    return (one for one in statements if part.start <= one.start < part.end)


def _masked(text: str, parts: Iterable[Part]) -> str:
    """Return a text of the same length that is blank but for the parts, each of which ends with a semicolon."""
    blank = ["\n" if character == "\n" else " " for character in text]
    for part in parts:
        blank[part.start : part.end] = part.text
        if part.end < len(blank):
            blank[part.end] = ";"
    return "".join(blank)
