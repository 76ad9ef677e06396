"""How a failed step is reported: an exception becomes a problem for people and an `error` object for the fact.

What you may rely on: `explain` raises nothing, whatever the exception is; the `error` object holds no password,
and values of rows only where the manifest asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.errors import Location, Problem, ZmigError
from zmig.hints import Hint, command, run_command
from zmig.planning import checkpoint, remedies
from zmig.planning.checkpoint import Checkpoint
from zmig.planning.plan import Direction
from zmig.process.interrupts import Interrupted
from zmig.project import outside
from zmig.python import locations
from zmig.running.attempt import Failed, Fate, Place
from zmig.sql import error_position, script, variables
from zmig.text import exceptions
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.hints import SuggestedCommand
    from zmig.running.attempt import Attempt
    from zmig.sql.copy_data import CopyData
    from zmig.sql.statement import Statement

RETRYABLE = frozenset({"55P03", "40P01", "40001"})
"""SQLSTATEs after which the same work may succeed: lock timeout, deadlock, serialization failure."""

_NEEDS_NO_TRANSACTION = frozenset({"25001", "2D000", "55P04"})
"""SQLSTATEs of work that PostgreSQL does only outside a transaction block; of 25001, never inside a function."""

_DEFERRABLE = frozenset({"23", "40"})
"""Classes of SQLSTATEs: a constraint is violated, a transaction cannot be serialized."""


@valueclass
class Failure:
    """An exception, seen from the migration it ended."""

    message: str
    sqlstate: str | None
    location: Location | None
    _: KW_ONLY
    facts: tuple[str, ...]
    error: dict[str, object]
    """What the `failed` fact stores under `error`."""

    @property
    def code(self) -> str:
        """What kind of failure it is."""
        own = self.error.get("code")
        return own if isinstance(own, str) else "migration-failed"

    @property
    def needs_no_transaction(self) -> bool:
        """Whether it is work that PostgreSQL does only outside a transaction block."""
        return self.error.get("needs_no_transaction") is True

    @property
    def is_retryable(self) -> bool:
        """Whether the same work may succeed if it is tried again."""
        return self.sqlstate in RETRYABLE


def explain(
    error: BaseException, place: Place, *, redact: Callable[[str], str], record_detail: bool, seconds: float
) -> Failure:
    """Return what `error` says about the step that was running at `place`."""

    def clean(text: str) -> str:
        return exceptions.excerpt(text, redact)

    if isinstance(error, psycopg.Error):
        found = _of_server(error, place, clean=clean, record_detail=record_detail, seconds=seconds)
    elif isinstance(error, Interrupted):
        found = _plain(f"interrupted by {error}", place, {"interrupted": str(error)}, seconds)
    elif isinstance(error, KeyboardInterrupt):
        found = _plain("interrupted", place, {"interrupted": "SIGINT"}, seconds)
    elif isinstance(error, ZmigError):
        found = _of_zmig(error.problems[0], place, clean=clean, seconds=seconds)
    else:
        found = _of_code(error, place, clean=clean, seconds=seconds)
    return _without_secret_line(_without_quotations(found, place.path), place, redact)


def _without_quotations(found: Failure, path: str) -> Failure:
    """Return a failure without lines and quotations of its file, if a link leads to that, out of the project."""
    if not outside.is_outside(path):
        return found
    quotes = {
        key: outside.unquoted(value, path) if key == "message" else outside.HIDDEN
        for key, value in found.error.items()
        if key in _QUOTES and isinstance(value, str)
    }
    location = found.location
    return replace(
        found,
        message=outside.unquoted(found.message, path),
        location=None if location is None else replace(location, text=None),
        facts=tuple(outside.unquoted(fact, path) for fact in found.facts),
        error=found.error | quotes,
    )


_QUOTES = frozenset({"message", "detail", "hint", "query", "context"})
"""What of an error may repeat words of the file."""


def _without_secret_line(found: Failure, place: Place, redact: Callable[[str], str]) -> Failure:
    """Return a failure that does not show its line where that holds a secret; masked, it would not fit its caret.

    That it is one may be said in a line before.
    """
    location = found.location
    if location is None or location.text is None:
        return found
    around = location.text if place.text is None or location.text not in place.text else place.text
    if location.text in redact(around):
        return found
    return replace(found, location=replace(location, text=None))


def _of_server(
    error: psycopg.Error, place: Place, *, clean: Callable[[str], str], record_detail: bool, seconds: float
) -> Failure:
    message = clean(error.diag.message_primary or exceptions.words(error))
    location = _sql_location(place, error.diag) or locations.code_location(error, place.path)
    facts = [_summary_fact(error.sqlstate, place, seconds)]
    data: dict[str, object] = {"message": message, "sqlstate": error.sqlstate}
    for key, label, value in _said(error.diag):
        facts.append(f"{label}: {clean(value)}")
        if key == "hint" or record_detail:
            data[key] = clean(value)
    if place.at_commit and _is_deferred(error):
        facts.append("raised at commit, by a deferred check")
    data |= _place_data(place, location)
    if error.sqlstate in _NEEDS_NO_TRANSACTION and not _sets_transaction(place.statement):
        is_nested = error.sqlstate == "25001" and error.diag.context is not None
        data["is_nested" if is_nested else "needs_no_transaction"] = True
    return Failure(message, error.sqlstate, location, facts=tuple(facts), error=data)


def _is_deferred(error: psycopg.Error) -> bool:
    """Whether an error after the last statement comes from a constraint or a trigger that waited for the commit."""
    return (error.sqlstate or "")[:2] in _DEFERRABLE or error.diag.context is not None


def _said(diagnostic: psycopg.errors.Diagnostic) -> Iterator[tuple[str, str, str]]:
    """Yield what the server said beside its message: the key it is stored under, its label, its text."""
    for key, label, value in (
        ("detail", "detail", diagnostic.message_detail),
        ("hint", "server hint", diagnostic.message_hint),
        ("query", "inner query", diagnostic.internal_query),
        ("context", "context", diagnostic.context),
    ):
        if value is not None:
            yield key, label, value


def _sets_transaction(statement: Statement | None) -> bool:
    """Whether a statement sets a property of the transaction, for which one that has begun may be too late."""
    return statement is not None and statement.command.verb == "set"


def _summary_fact(sqlstate: str | None, place: Place, seconds: float) -> str:
    return ", ".join((f"PostgreSQL {sqlstate}" if sqlstate else "raised by psycopg", *_when(place, seconds)))


def _when(place: Place, seconds: float) -> Iterator[str]:
    if place.statement is not None:
        yield f"statement {place.statement.number} of {place.total or '?'}"
    yield f"after {seconds:.1f} s"


def _sql_location(place: Place, diagnostic: psycopg.errors.Diagnostic | None) -> Location | None:
    statement = place.statement
    if statement is None:
        return None
    row = error_position.copied_row(statement, diagnostic) if diagnostic is not None else None
    if row is not None and statement.copy_data is not None:
        return _row_location(place, statement.copy_data, row)
    index = (
        error_position.index(statement, diagnostic, shift=place.shift, encoding=place.encoding)
        if diagnostic is not None
        else 0
    )
    if place.rendered is not None:
        index = place.rendered.source_offset(index)
    if place.text is not None:
        offset = statement.offset + index
        if place.filled is not None:
            return variables.location(place.filled, offset, path=place.path)
        return script.location(place.text, offset, path=place.path)
    line, column = script.locate(statement, index + 1)
    return Location(place.path, line, column)


def _row_location(place: Place, rows: CopyData, number: int) -> Location:
    line = rows.line + number - 1
    if place.text is None or place.filled is not None:
        return Location(place.path, line)
    offset = rows.offset
    for _ in range(number - 1):
        offset = place.text.find("\n", offset) + 1
    return script.location(place.text, offset, path=place.path)


def _place_data(place: Place, location: Location | None) -> dict[str, object]:
    data: dict[str, object] = {}
    if place.statement is not None:
        data |= {"statement": place.statement.number, "statements": place.total}
    if location is not None:
        data |= {"location": str(location), "file": location.path, "line": location.line, "column": location.column}
    return data


def _plain(message: str, place: Place, extra: dict[str, object], seconds: float) -> Failure:
    location = _sql_location(place, None)
    data = {"message": message, "sqlstate": None, **extra, **_place_data(place, location)}
    return Failure(message, None, location, facts=(", ".join(_when(place, seconds)),), error=data)


def _of_zmig(problem: Problem, place: Place, *, clean: Callable[[str], str], seconds: float) -> Failure:
    location = problem.location or _sql_location(place, None)
    message = clean(problem.message)
    data = {"message": message, "sqlstate": None, "code": problem.code, **_place_data(place, location)}
    return Failure(message, None, location, facts=(", ".join(_when(place, seconds)), *problem.facts), error=data)


def _of_code(error: BaseException, place: Place, *, clean: Callable[[str], str], seconds: float) -> Failure:
    kind = type(error).__name__
    message = clean(exceptions.words(error))
    location = locations.code_location(error, place.path)
    data = {"message": message, "sqlstate": None, "exception": kind, **_place_data(place, location)}
    return Failure(message, None, location, facts=(f"raised as {kind}, after {seconds:.1f} s",), error=data)


_DEPENDED_ON = "2BP01"
"""dependent_objects_still_exist: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


@valueclass
class RunSoFar:
    """What the words about a failure need to know of the run."""

    direction: Direction
    completed: tuple[str, ...]
    """The names of its migrations that are committed."""
    is_embedded: bool
    """Whether the server is a private one of zmig's own."""
    user: str
    """The role that zmig connected as."""


def problem(found: Failure, failed: Failed, so_far: RunSoFar) -> Problem:
    """Return a failure as people read it."""
    attempt, mode = failed.attempt, failed.attempt.prepared.mode
    what = "rollback of" if attempt.step.direction is Direction.ROLLBACK else "migration"
    where = "" if mode.transactional else " outside a transaction"
    return Problem(
        found.code,
        f"{what} `{attempt.name}` failed{where}: {found.message}",
        location=found.location,
        facts=found.facts,
        effect=_effect(failed, so_far),
        hint=_hint(found, failed, so_far),
    )


def effect_of_loss(failed: Failed) -> str:
    """Say what becomes of an attempt whose connection was lost."""
    name = failed.attempt.name
    if not failed.attempt.prepared.mode.transactional:
        return f"`{name}` ran outside a transaction: what it completed stays, and the next run looks it up"
    match failed.fate:
        case Fate.LEFT_TRANSACTION:
            return f"what `{name}` committed stays"
        case Fate.UNKNOWN:
            return f"the server completes `{name}` and has all of it, or rolls it back and has nothing"
        case _:
            return f"`{name}` was not committed: the server rolls it back"


def _effect(failed: Failed, so_far: RunSoFar) -> str:
    """Say what the database holds after a failed attempt."""
    effect = _own_effect(failed)
    if so_far.completed:
        stay = "rolled back" if so_far.direction is Direction.ROLLBACK else "applied"
        effect += f"; {_names(so_far.completed)} of this run stay{'s' if len(so_far.completed) == 1 else ''} {stay}"
    if failed.attempt.is_atomic and failed.fate is not Fate.LEFT_TRANSACTION:
        effect += ", and neither did any other step of this run"
    return effect


def _own_effect(failed: Failed) -> str:
    name = failed.attempt.name
    match failed.fate:
        case Fate.LEFT_TRANSACTION if failed.attempt.is_atomic:
            return f"not rolled back: what this run committed up to `{name}` stays"
        case Fate.LEFT_TRANSACTION:
            return f"not rolled back: what `{name}` committed stays"
        case Fate.ROLLED_BACK:
            return f"rolled back: `{name}` left nothing behind"
        case Fate.KEPT | Fate.UNKNOWN | Fate.MAY_BE_PARTIAL:
            return f"not rolled back: {_kept(failed)}"


def _kept(failed: Failed) -> str:
    """Say what stays of an attempt that did not run in one transaction."""
    reached, statement = failed.reached, failed.at.statement
    kept = checkpoint.stays(reached or Checkpoint())
    if reached is not None and reached.reached is not None:
        return kept
    if statement is not None and failed.fate is not Fate.KEPT:
        kept += f", and statement {statement.number} may have committed a part"
    return kept if failed.left_behind is None else f"{kept}, and {failed.left_behind}"


def _hint(found: Failure, failed: Failed, so_far: RunSoFar) -> str:
    """Return the next command or edit."""
    attempt, migration = failed.attempt, failed.attempt.step.migration
    if attempt.is_atomic and found.needs_no_transaction:
        return Hint(run_command("apply"), " without `--atomic`")
    missing = _missing(found, so_far)
    if missing is not None:
        return missing
    again = _again(attempt)
    if attempt.step.direction is Direction.ROLLBACK:
        if found.error.get("sqlstate") == _DEPENDED_ON and not migration.is_repeatable:
            with_them = command("rollback", "--include-repeatables", "--dry-run")
            return Hint("correct the rollback file; or, if repeatables depend on it, see ", with_them)
        what, started_again = "rollback", Hint(again)
    else:
        started_again = Hint(again if attempt.is_atomic else run_command("apply"), ", which starts it again")
        what = "file" if migration.file is not None else "code"
    if "interrupted" in found.error:
        return Hint("look at what it committed, then ", again) if failed.fate.needs_person else started_again
    helping = remedies.remedy_for(found.error, migration, role=migration.settings.run_as or so_far.user, again=again)
    return helping or Hint(f"correct the {what}, then ", again)


def hint_then_again(hint: str, failed: Failed) -> str:
    """Return a hint with what to do after it, where something was committed that nobody asked for."""
    if failed.fate is not Fate.LEFT_TRANSACTION:
        return hint
    return Hint(hint, "; look at what was committed, then ", _again(failed.attempt))


def _again(attempt: Attempt) -> SuggestedCommand:
    """Return the command that tries a failed attempt again."""
    if attempt.step.direction is Direction.ROLLBACK:
        return run_command("rollback")
    return run_command("apply", "--atomic") if attempt.is_atomic else run_command("retry", about=attempt.step.migration)


def _missing(found: Failure, so_far: RunSoFar) -> str | None:
    """Return what helps where a private server lacks what other servers have."""
    if not so_far.is_embedded:
        return None
    from zmig.embedded import explain_missing

    return explain_missing(found.sqlstate, found.message)


_SHOWN_NAMES = 5


def _names(names: Sequence[str]) -> str:
    if len(names) > _SHOWN_NAMES:
        return f"the {len(names)} migrations before it"
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
