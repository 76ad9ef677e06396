"""What is known of a failed or a stuck migration when nobody was watching: its recorded end as a problem, with a hint.

Pure; the words are made of facts alone, so they are the same on every machine and in every front end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.errors import Location, Problem
from zmig.facts import EventType
from zmig.hints import Hint, command, run_command
from zmig.planning import blocked_by, checkpoint, remedies
from zmig.planning.reasons import moment
from zmig.planning.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.history import Record
    from zmig.planning.state import Entry


def describe(entry: Entry) -> Problem | None:
    """Return what is wrong with an entry that is failed or stuck; None for any other."""
    last = entry.record.last if entry.record is not None else None
    if last is None or entry.state not in (State.FAILED, State.STUCK):
        return None
    return _stuck(entry, last) if entry.state is State.STUCK else _failed(entry, last)


def _stuck(entry: Entry, last: Fact) -> Problem:
    what = "the rollback of migration" if last.type is EventType.ROLLBACK_STARTED else "migration"
    transactional = last.data.get("transactional") is True
    return Problem(
        "stuck",
        f"{what} `{entry.name}` is stuck: it started {moment(last.created_at)} and never ended, "
        "and no process works on it",
        location=entry.migration.declared_at if entry.migration is not None else None,
        facts=tuple(_who(last)),
        effect="transactional, so its changes are gone" if transactional else None,
        hint=_way_on(entry),
    )


def _failed(entry: Entry, last: Fact) -> Problem:
    error = _error(last)
    what = "the rollback of migration" if last.type is EventType.ROLLBACK_FAILED else "migration"
    verdict = "was resolved as failed" if last.type is EventType.RESOLVED else "failed"
    message = last.error_message or last.text("reason") or "no reason is recorded"
    location, (path, line, column) = None, (error.get(key) for key in ("file", "line", "column"))
    if isinstance(path, str) and isinstance(line, int) and isinstance(column, int):
        location = Location(path, line, column)
    return Problem(
        "migration-failed",
        f"{what} `{entry.name}` {verdict}: {message}",
        location=location,
        facts=(", ".join(_numbers(error, last)), *_who(last), *blocked_by.sentences(blocked_by.of_fact(last))),
        effect=_effect(entry.record, last),
        hint=_way_on(entry),
    )


def _error(fact: Fact | None) -> Mapping[str, object]:
    """Return what a fact stores of an error; nothing where it has none."""
    error = None if fact is None else fact.data.get("error")
    return cast("Mapping[str, object]", error) if isinstance(error, dict) else {}


def _numbers(error: Mapping[str, object], fact: Fact) -> Iterator[str]:
    if isinstance(error.get("sqlstate"), str):
        yield f"PostgreSQL {error['sqlstate']}"
    if isinstance(error.get("statement"), int):
        yield f"statement {error['statement']} of {error.get('statements') or '?'}"
    yield moment(fact.created_at)
    milliseconds = fact.integer("duration_ms")
    if milliseconds is not None:
        yield f"after {milliseconds / 1000:.1f} s"


def _who(fact: Fact) -> Iterator[str]:
    parts = [f"{word} {value}" for word, value in (("run", fact.run_id), ("on host", fact.host)) if value]
    pid, attempt = fact.integer("backend_pid"), fact.integer("attempt")
    if pid is not None:
        parts.append(f"backend {pid}")
    if attempt is not None:
        parts.append(f"attempt {attempt}")
    if parts:
        yield ", ".join(parts)


def _effect(record: Record | None, fact: Fact) -> str | None:
    transactional = fact.data.get("transactional")
    if transactional is None:
        return None
    if transactional:
        return "rolled back: it left nothing behind"
    reached = checkpoint.from_facts(record) if record is not None else None
    if reached is None:
        return "not rolled back: what it completed stays"
    parts, error = [checkpoint.stays(reached)], _error(fact)
    if reached.reached is None and fact.data.get("may_be_partial") is True and "statement" in error:
        parts.append(f"statement {error['statement']} may have committed a part")
    if isinstance(error.get("left_behind"), str):
        parts.append(str(error["left_behind"]))
    return f"not rolled back: {', and '.join(parts)}"


def _way_on(entry: Entry) -> Hint:
    if entry.migration is None:
        known = entry.name if entry.version is None else str(entry.version)
        verdict = "pending" if entry.record is not None and entry.record.is_undone else "done"
        resolve = run_command("resolve", known, "--as", verdict, "--reason", "...")
        why = "since nothing of it is left" if verdict == "pending" else "if all of it is done"
        return Hint(f"put its entry back into the manifest, or, {why}, ", resolve)
    if entry.moved_from is not None:
        return Hint("see what it was applied as with ", command("plan"))
    if entry.is_in_rollback:
        repeatables = ("--include-repeatables",) if entry.is_repeatable else ()
        return Hint(run_command("rollback", *repeatables))
    if entry.state is State.STUCK:
        return Hint(run_command("apply"), ", which starts it again")
    last = entry.record.last if entry.record is not None else None
    return _remedy(entry, entry.migration, last)


def _remedy(entry: Entry, migration: Migration, last: Fact | None) -> Hint:
    is_atomic = last is not None and last.data.get("atomic") is True
    again = run_command("apply", "--atomic") if is_atomic else run_command("retry", about=entry)
    error = _error(last)
    if "interrupted" in error:
        is_partial = last is not None and last.data.get("may_be_partial") is True
        if is_partial:
            return Hint("look at what it committed, then ", again)
        return Hint(again if is_atomic else run_command("apply"), ", which starts it again")
    role = migration.settings.run_as or (last.database_user if last is not None else None)
    what = "file" if migration.file is not None else "code"
    return remedies.remedy_for(error, migration, role=role, again=again) or Hint(f"correct the {what}, then ", again)
