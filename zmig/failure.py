"""What a failed step tells: an exception becomes a problem for people and an `error` object for the fact."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from zmig import script
from zmig.errors import Location, Problem, ZmigError
from zmig.interrupt import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.script import Statement

RETRYABLE = frozenset({"55P03", "40P01", "40001"})
"""SQLSTATEs after which the same work may succeed: lock timeout, deadlock, serialization failure."""

_NEEDS_NO_TRANSACTION = frozenset({"25001", "2D000", "55P04"})
"""SQLSTATEs of work that PostgreSQL does only outside a transaction block."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which statement of which file was running."""

    path: str
    text: str | None = None
    """The whole file; None where it is not held."""
    statement: Statement | None = None
    total: int | None = None
    at_commit: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception, seen from the migration it ended."""

    message: str
    sqlstate: str | None
    location: Location | None
    facts: tuple[str, ...]
    error: dict[str, object]
    """What the `failed` fact stores under `error`."""
    needs_no_transaction: bool = False

    @property
    def is_retryable(self) -> bool:
        """Whether the same work may succeed if it is tried again."""
        return self.sqlstate in RETRYABLE


def explain(
    error: BaseException, place: Place, *, redact: Callable[[str], str], record_detail: bool, seconds: float
) -> Failure:
    """Return what `error` says about the step that was running at `place`."""
    if isinstance(error, psycopg.Error):
        return _of_server(error, place, redact=redact, record_detail=record_detail, seconds=seconds)
    if isinstance(error, Interrupted):
        return _plain(f"interrupted by {error}", place, {"interrupted": str(error)}, seconds)
    if isinstance(error, KeyboardInterrupt):
        return _plain("interrupted", place, {"interrupted": "SIGINT"}, seconds)
    if isinstance(error, ZmigError):
        problem = error.problems[0]
        failure = _plain(redact(problem.message), place, {"code": problem.code}, seconds)
        return Failure(failure.message, None, problem.location or failure.location, problem.facts, failure.error)
    return _of_code(error, place, redact=redact, seconds=seconds)


def _of_server(
    error: psycopg.Error, place: Place, *, redact: Callable[[str], str], record_detail: bool, seconds: float
) -> Failure:
    diagnostic = error.diag
    message = redact(diagnostic.message_primary or str(error).strip() or type(error).__name__)
    location = _sql_location(place, diagnostic.statement_position)
    data: dict[str, object] = {"message": message, "sqlstate": error.sqlstate}
    facts = [_summary_fact(error.sqlstate, place, seconds)]
    for key, value in (
        ("detail", diagnostic.message_detail),
        ("hint", diagnostic.message_hint),
        ("context", diagnostic.context),
    ):
        if value is None:
            continue
        facts.append(f"{'server hint' if key == 'hint' else key}: {redact(value)}")
        if key == "hint" or record_detail:
            data[key] = redact(value)
    if place.at_commit:
        facts.append("raised at commit, by a deferred check")
    data |= _place_data(place, location)
    return Failure(
        message,
        error.sqlstate,
        location,
        tuple(facts),
        data,
        needs_no_transaction=error.sqlstate in _NEEDS_NO_TRANSACTION,
    )


def _summary_fact(sqlstate: str | None, place: Place, seconds: float) -> str:
    parts = [f"PostgreSQL {sqlstate}" if sqlstate else "no SQLSTATE"]
    if place.statement is not None:
        parts.append(f"statement {place.statement.number} of {place.total or '?'}")
    return ", ".join((*parts, f"after {seconds:.1f} s"))


def _sql_location(place: Place, position: str | None) -> Location | None:
    statement = place.statement
    if statement is None:
        return None
    if place.text is not None:
        offset = statement.offset + (int(position) - 1 if position else 0)
        return script.location(place.text, offset, path=place.path)
    line, column = script.locate(statement, int(position)) if position else (statement.line, statement.column)
    return Location(place.path, line, column)


def _place_data(place: Place, location: Location | None) -> dict[str, object]:
    data: dict[str, object] = {}
    if place.statement is not None:
        data |= {"statement": place.statement.number, "statements": place.total}
    if location is not None:
        data |= {"location": str(location), "file": location.path, "line": location.line, "column": location.column}
    return data


def _plain(message: str, place: Place, extra: dict[str, object], seconds: float) -> Failure:
    location = _sql_location(place, None)
    where = f"statement {place.statement.number} of {place.total or '?'}, " if place.statement is not None else ""
    return Failure(
        message,
        None,
        location,
        (f"{where}after {seconds:.1f} s",),
        {"message": message, "sqlstate": None, **extra, **_place_data(place, location)},
    )


def _of_code(error: BaseException, place: Place, *, redact: Callable[[str], str], seconds: float) -> Failure:
    kind = type(error).__name__
    message = redact(str(error)) or kind
    location = _code_location(error, place.path)
    return Failure(
        message,
        None,
        location,
        (f"raised as {kind}, after {seconds:.1f} s",),
        {"message": message, "sqlstate": None, "exception": kind, **_place_data(place, location)},
    )


def _code_location(error: BaseException, path: str) -> Location | None:
    """Return the last line of the migration's own file that the exception went through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if not frames or frames[-1].lineno is None:
        return None
    frame = frames[-1]
    column = (frame.colno or 0) + 1
    return Location(path, frame.lineno or 1, column, _source_line(path, frame.lineno or 1))


def _source_line(path: str, line: int) -> str | None:
    import linecache

    return linecache.getline(path, line).rstrip("\r\n") or None


def code_error(path: Path, error: BaseException) -> Problem:
    """Return the problem of a Python file that does not import."""
    location = _code_location(error, str(path)) or Location(str(path))
    return Problem(
        "python-not-importable",
        f"Python file `{path}` does not import: {type(error).__name__}: {error}",
        location=location,
        effect="nothing was run",
        hint="correct the file, or install what it needs",
    )
