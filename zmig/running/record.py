"""The statements that record what an attempt does: its `started` fact, its `done` fact, and the check before that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.database import client_process, invariants
from zmig.facts import EventType
from zmig.planning.plan import Action, Direction
from zmig.sql import variables
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.facts import Fact
    from zmig.planning.plan import Step
    from zmig.running.session import Attempt, RunSession


@valueclass
class _Vocabulary:
    started: EventType
    done: EventType


_VOCABULARY = {
    Direction.FORWARD: _Vocabulary(EventType.STARTED, EventType.DONE),
    Direction.ROLLBACK: _Vocabulary(EventType.ROLLBACK_STARTED, EventType.ROLLED_BACK),
}


def started_sql(session: RunSession, attempt: Attempt) -> Iterable[str]:
    """Yield what appends the `started` fact of an attempt, behind the end of a run's attempt that has none."""
    step = attempt.step
    if step.unended is not None and step.unended.run_id is not None:
        yield unended_sql(session, step, step.unended)
    data, type = started_data(session, attempt), _VOCABULARY[step.direction].started
    yield session.store.append_sql(session.run, type, step.migration.name, data)


def short_started_sql(session: RunSession, attempt: Attempt) -> str:
    """Return the same for the first attempt of all, in a session that `Store.prepare_sql` made ready."""
    return session.store.short_started_sql(attempt.step.migration.name, started_data(session, attempt))


def started_data(session: RunSession, attempt: Attempt) -> dict[str, object]:
    """Return what the `started` fact of an attempt holds."""
    step = attempt.step
    data = attempt.data(session) | {
        "kind": step.migration.kind.value,
        "checksum": step.migration.checksum,
        "transactional": attempt.prepared.mode.transactional,
        "backend_pid": session.run.backend_pid,
        "application_name": session.run.application_name,
        "client": client_process.identity(),
    }
    if session.server.identity is not None:
        data["server"] = session.server.identity.data()
    if step.migration.settings.run_as is not None:
        data["run_as"] = step.migration.settings.run_as
    if attempt.prepared.filled is not None:
        data["variables"] = sorted(variables.names(attempt.prepared.filled.source))
    if step.out_of_order:
        data["out_of_order"] = True
    if step.checkpoint is not None:
        data["resumed_after"] = step.checkpoint.statements
    return data


def unended_sql(session: RunSession, step: Step, unended: Fact) -> str:
    """Return what appends the end of an attempt whose run died without a word."""
    data: dict[str, object] = {
        "version": step.migration.version,
        "name": step.migration.name,
        "run_id": unended.run_id,
        "attempt": unended.integer("attempt"),
        "error": {
            "message": "its run holds the lock no longer, and recorded no end",
            "sqlstate": None,
            "code": "run-died",
        },
        "will_retry": step.action is not Action.SETTLE,
        "transactional": unended.data.get("transactional"),
    }
    type = EventType.FAILED if unended.type is EventType.STARTED else EventType.ROLLBACK_FAILED
    return session.store.append_sql(session.run, type, unended.name, data)


def begin_type(step: Step) -> EventType:
    """Return the type of the fact by which a step begins."""
    return _VOCABULARY[step.direction].started


def end_type(step: Step) -> EventType:
    """Return the type of the fact by which a step is complete."""
    return _VOCABULARY[step.direction].done


def done_sql(session: RunSession, attempt: Attempt) -> str:
    """Return the statement that appends the fact by which a step is complete, and changes the simple table."""
    migration, direction = attempt.step.migration, attempt.step.direction
    type, data = _VOCABULARY[direction].done, done_data(session, attempt)
    if direction is Direction.ROLLBACK:
        if migration.is_repeatable:
            return session.store.taken_back_sql(session.run, type, migration.name, data)
        return session.store.rolled_back_sql(session.run, migration.name, data)
    return session.store.applied_sql(session.run, type, migration.name, data, kind=migration.kind.value)


def short_done_sql(session: RunSession, attempt: Attempt) -> str:
    """Return the same for a step forward that the server times, in a session that `Store.prepare_sql` made ready."""
    migration = attempt.step.migration
    return session.store.short_done_sql(migration.name, done_data(session, attempt), kind=migration.kind.value)


def done_data(session: RunSession, attempt: Attempt) -> dict[str, object]:
    """Return what the fact holds by which a step is complete."""
    data = attempt.data(session) | {
        **({} if attempt.is_timed_by_server else {"duration_ms": round(attempt.seconds * 1000)}),
        "statements": attempt.total,
        "checksum": attempt.step.migration.checksum,
        "kind": attempt.step.migration.kind.value,
    }
    if attempt.prepared.rollback_checksum is not None:
        data["rollback_checksum"] = attempt.prepared.rollback_checksum
    if attempt.reached is not None:
        data |= {"rows": attempt.reached.rows, "rounds": attempt.reached.rounds}
    return data


def check_sql(session: RunSession) -> str:
    """Return a statement that fails where the lock was released, or the transaction is not the one zmig opened.

    What writes a fact proves the lock itself; whether the transaction is zmig's, only a migration's end has to prove.
    """
    return f"select {invariants.check_sql([session.lock.promise, session.lock.transaction_promise])}"
