"""Executes one step, once: its `started` fact, its statements or its function, its `done` fact.

In a transaction, `done` commits together with the changes, so a killed run leaves both or neither. Outside one,
a checkpoint follows every statement, so a later run continues behind the last statement known to be done.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg

from zmig import catalog, checkpoint, client, database, resume
from zmig.checkpoint import Checkpoint, Digest, Sent
from zmig.context import Context
from zmig.errors import Problem, ZmigError
from zmig.events import EventType
from zmig.failure import Place
from zmig.plan import Action, Direction
from zmig.progress import StatementFinished, StatementStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from psycopg import sql

    from zmig.database import Connection, WorkingConnection
    from zmig.events import Fact
    from zmig.interrupt import Interrupts
    from zmig.lock import RunLock
    from zmig.plan import Step
    from zmig.prepare import Work
    from zmig.progress import Observer
    from zmig.script import Statement
    from zmig.store import Run, Store

_LOCK_LOST = "zmig: lock lost"
_TRANSACTION_ENDED = "zmig: transaction ended"


@dataclass(frozen=True, slots=True)
class Session:
    """The working connection, and everything a step needs of its surroundings."""

    connection: WorkingConnection
    server_version: int
    store: Store
    lock: RunLock
    run: Run
    observer: Observer
    interrupts: Interrupts
    redact: Callable[[str], str]
    record_detail: bool = False

    def send(self, *parts: str | sql.Composed) -> None:
        """Send statements as one message, in one round trip.

        Should the migration have chosen another encoding for the client, its own is set again first.
        """
        in_error = self.connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
        if self.connection.info.encoding != "utf-8" and not in_error:
            self.connection.execute("set client_encoding = 'utf8'")
        texts = (part if isinstance(part, str) else part.as_string(self.connection) for part in parts)
        self.connection.execute("; ".join(texts).encode())


@dataclass(slots=True)
class Attempt:
    """One execution of one step, and how far it is."""

    work: Work
    number: int
    began: float = field(default_factory=time.monotonic)
    done: Digest = field(default_factory=Digest)
    """Of the statements of a non-transactional file that are done."""
    running: Statement | None = None
    at_commit: bool = False
    completed_statements: int = 0
    sent: Sent | None = None
    """The statement that was sent alone and whose checkpoint is not written yet."""
    is_complete: bool = False
    """Whether its `done` fact is committed."""

    @property
    def step(self) -> Step:
        """The step that is executed."""
        return self.work.step

    @property
    def seconds(self) -> float:
        """The time since it began."""
        return time.monotonic() - self.began

    @property
    def total(self) -> int | None:
        """How many statements its file has."""
        return len(self.work.statements) if self.work.statements is not None else None

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the next attempt continues."""
        return Checkpoint(self.completed_statements, sent=self.sent)

    @property
    def refused(self) -> int | None:
        """The number of the statement that was sent alone and had no effect, because the server refused it."""
        return self.sent.number if self.sent is not None and self.sent.is_refused else None

    @property
    def place(self) -> Place:
        """Where it is, for an error."""
        return Place(self.work.path, self.work.text, self.running, self.total, self.at_commit)

    def data(self, session: Session) -> dict[str, object]:
        """What every fact of this execution holds."""
        migration = self.step.migration
        return {
            "version": migration.version,
            "name": migration.name,
            "run_id": session.run.id,
            "attempt": self.number,
        }


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    started: EventType
    done: EventType


_VOCABULARY = {
    Direction.FORWARD: _Vocabulary(EventType.STARTED, EventType.DONE),
    Direction.ROLLBACK: _Vocabulary(EventType.ROLLBACK_STARTED, EventType.ROLLED_BACK),
}


def end_type(step: Step) -> EventType:
    """Return the type of the fact by which a step is complete."""
    return _VOCABULARY[step.direction].done


def execute(session: Session, attempt: Attempt) -> None:
    """Execute a step; returns once its changes and its `done` fact are committed.

    Raises whatever the server or the migration's code raises; nothing is rolled back or recorded here then.
    """
    if attempt.work.mode.transactional:
        _in_transaction(session, attempt)
    elif attempt.work.is_sql:
        _outside_transaction(session, attempt)
    else:
        _code_outside_transaction(session, attempt)


def _in_transaction(session: Session, attempt: Attempt) -> None:
    with session.interrupts.deferred():
        session.send(
            database.clean_sql(session.server_version, session.run.application_name),
            *_begin_sql(session, attempt),
        )
    run_body(session, attempt)
    with session.interrupts.deferred():
        attempt.running, attempt.at_commit = None, True
        session.send(*end_sql(session, attempt), "commit")
        attempt.is_complete = True


def _begin_sql(session: Session, attempt: Attempt) -> Iterable[str | sql.Composed]:
    """Return the statements that record `started` and open the migration's transaction.

    `started` need not be flushed by itself: WAL is one sequence, so it can only be lost together with everything
    after it, the migration's own changes included.
    """
    return (
        "begin",
        "set local synchronous_commit = off",
        *started_sql(session, attempt),
        "commit",
        *_open_sql(session, attempt),
    )


def _open_sql(session: Session, attempt: Attempt) -> Iterable[str]:
    return ("begin", session.lock.mark_sql, *limits_sql(attempt))


def limits_sql(attempt: Attempt) -> Iterable[str]:
    """Return the statements that put a migration's own limits on the open transaction."""
    settings = attempt.step.migration.settings
    return (
        f"set local lock_timeout = {_milliseconds(settings.lock_timeout_seconds)}",
        f"set local statement_timeout = {_milliseconds(settings.statement_timeout_seconds)}",
    )


def run_body(session: Session, attempt: Attempt) -> None:
    """Run a step's statements, or its function, on the connection as it stands."""
    if attempt.work.statements is None:
        _call(session, attempt)
        return
    for one in attempt.work.statements:
        _run(session, attempt, one)


def end_sql(session: Session, attempt: Attempt) -> Iterable[str | sql.Composed]:
    """Return the statements that check the transaction and the lock, and record `done`."""
    return (
        "set local statement_timeout = 0",
        "reset session authorization",
        "reset role",
        _check_sql(session, in_transaction=True),
        _done_sql(session, attempt),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def started_sql(session: Session, attempt: Attempt) -> Iterable[sql.Composed]:
    """Yield what appends the `started` fact of an attempt, behind the end of a run's attempt that has none."""
    step = attempt.step
    if step.unended is not None and step.unended.run_id is not None:
        yield unended_sql(session, step, step.unended)
    data = attempt.data(session) | {
        "kind": step.migration.kind.value,
        "checksum": step.migration.checksum,
        "transactional": attempt.work.mode.transactional,
        "backend_pid": session.run.backend_pid,
        "application_name": session.run.application_name,
        "client": client.identity(),
    }
    if step.checkpoint is not None:
        data["resumed_after"] = step.checkpoint.statements
    yield session.store.append_sql(session.run, _VOCABULARY[step.direction].started, step.migration.name, data)


def unended_sql(session: Session, step: Step, unended: Fact) -> sql.Composed:
    """Return what appends the end of an attempt whose run died without a word."""
    data: dict[str, object] = {
        "version": step.migration.version,
        "name": step.migration.name,
        "run_id": unended.run_id,
        "attempt": unended.integer("attempt"),
        "error": {"message": "its run ended without a word", "sqlstate": None, "code": "run-died"},
        "will_retry": step.action is not Action.SETTLE,
        "transactional": unended.data.get("transactional"),
    }
    type = EventType.FAILED if unended.type is EventType.STARTED else EventType.ROLLBACK_FAILED
    return session.store.append_sql(session.run, type, unended.name, data)


def _done_sql(session: Session, attempt: Attempt) -> sql.Composed:
    migration, direction = attempt.step.migration, attempt.step.direction
    type = _VOCABULARY[direction].done
    data = attempt.data(session) | {
        "duration_ms": round(attempt.seconds * 1000),
        "statements": attempt.total,
        "checksum": migration.checksum,
        "kind": migration.kind.value,
    }
    if direction is Direction.ROLLBACK:
        return session.store.taken_back_sql(session.run, type, migration.name, data)
    return session.store.applied_sql(session.run, type, migration.name, data, kind=migration.kind.value)


def _check_sql(session: Session, *, in_transaction: bool) -> str:
    """Return a statement that fails where the lock was released, or the transaction is not the one zmig opened.

    The failing cast carries the reason in its message, so it needs no round trip and no function of its own.
    """
    checks = [f"when not {session.lock.is_held_sql} then '{_LOCK_LOST}'"]
    if in_transaction:
        checks.append(f"when not {session.lock.is_marked_sql} then '{_TRANSACTION_ENDED}'")
    return f"select (case {' '.join(checks)} else '1' end)::int"


def broken_promise(message: str) -> Problem | None:
    """Return the problem behind an error message of the check before `done`; None for any other message."""
    if _LOCK_LOST in message:
        return Problem("lock-lost", "it released the run's lock, so another run may have begun beside it")
    if _TRANSACTION_ENDED in message:
        return Problem("transaction-ended", "it ended the transaction zmig runs it in, so its changes are committed")
    return None


def _call(session: Session, attempt: Attempt) -> None:
    migration, function = attempt.step.migration, attempt.work.function
    if function is None:
        raise AssertionError(f"{migration.name} was not loaded")
    context = Context(
        session.connection,
        version=migration.version,
        name=migration.name,
        run_id=session.run.id,
        step=attempt.step,
        observer=session.observer,
    )
    with session.connection.lent(in_transaction=attempt.work.mode.transactional):
        function(context)


def _run(session: Session, attempt: Attempt, one: Statement) -> None:
    attempt.running = one
    session.observer(StatementStarted(attempt.step, one.number, attempt.total, one.line, one.summary))
    began = time.monotonic()
    rows = _send_statement(session.connection, one)
    session.observer(StatementFinished(attempt.step, one.number, attempt.total, rows, time.monotonic() - began))


def _send_statement(connection: Connection, one: Statement) -> int | None:
    with connection.cursor() as cursor:
        if one.copy_data is None:
            cursor.execute(one.text.encode())
        else:
            with cursor.copy(one.text.encode()) as copy:
                for block in one.copy_data.blocks:
                    copy.write(block)
        return cursor.rowcount if cursor.rowcount >= 0 else None


def _outside_transaction(session: Session, attempt: Attempt) -> None:
    statements, done = attempt.work.statements or (), attempt.step.resume_after
    attempt.sent = attempt.step.checkpoint.sent if attempt.step.checkpoint is not None else None
    with session.interrupts.deferred():
        session.send(database.clean_sql(session.server_version, session.run.application_name))
        session.send(*started_sql(session, attempt))
    for one in statements[:done]:
        attempt.done.add(one)
        if resume.sets_session(one):
            _run(session, attempt, one)
    attempt.completed_statements = done
    for one in statements[done:]:
        if resume.runs_alone(one):
            _run_alone(session, attempt, one)
        else:
            _run_with_checkpoint(session, attempt, one)
    with session.interrupts.deferred():
        attempt.running = None
        _finish_outside(session, attempt)


def _run_with_checkpoint(session: Session, attempt: Attempt, one: Statement) -> None:
    """Run a statement in one transaction with its checkpoint."""
    with session.interrupts.deferred():
        session.send(*_open_sql(session, attempt))
    _run(session, attempt, one)
    with session.interrupts.deferred():
        _reach(session, attempt, one, _check_sql(session, in_transaction=True), "commit")


def _run_alone(session: Session, attempt: Attempt, one: Statement) -> None:
    """Run a statement without a transaction, between two checkpoints; not at all, if it took effect before."""
    attempt.running = one
    if attempt.sent is not None and resume.is_about(attempt.sent, one) and _settle(session, one, attempt.sent):
        with session.interrupts.deferred():
            _reach(session, attempt, one, _check_sql(session, in_transaction=False))
        return
    before = catalog.look(session.connection, one)
    sending = Sent(one.number, resume.subject(one), before, checkpoint.digest([one]))
    with session.interrupts.deferred():
        session.send(_checkpoint_sql(session, attempt, one.number - 1, sending))
        attempt.sent = sending
    try:
        _run(session, attempt, one)
    except psycopg.Error as error:
        attempt.sent = replace(sending, is_refused=error.sqlstate is not None)
        raise
    with session.interrupts.deferred():
        catalog.verify(session.connection, one)
        _reach(session, attempt, one, _check_sql(session, in_transaction=False))


def _settle(session: Session, one: Statement, sent: Sent) -> bool:
    if resume.is_undecided(sent, one):
        raise ZmigError(Problem("resume-undecided", "whether the statement took effect cannot be looked up"))
    return catalog.settle(session.connection, one, before=sent.before, is_refused=sent.is_refused)


def _reach(session: Session, attempt: Attempt, one: Statement, check: str, *following: str) -> None:
    """Append the checkpoint behind a statement, if `check` holds."""
    attempt.done.add(one)
    session.send(check, _checkpoint_sql(session, attempt, one.number), *following)
    attempt.completed_statements, attempt.sent = one.number, None


def _checkpoint_sql(session: Session, attempt: Attempt, done: int, sent: Sent | None = None) -> sql.Composed:
    data: Mapping[str, object] = attempt.data(session) | {
        "statement": done,
        "statements": attempt.total,
        "digest": str(attempt.done),
        **(sent.data() if sent is not None else {}),
    }
    return session.store.append_sql(session.run, EventType.CHECKPOINT, attempt.step.migration.name, data)


def _code_outside_transaction(session: Session, attempt: Attempt) -> None:
    with session.interrupts.deferred():
        session.send(database.clean_sql(session.server_version, session.run.application_name))
        session.send(*started_sql(session, attempt))
    _call(session, attempt)
    if session.connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE:
        raise ZmigError(Problem("transaction-left-open", "it left a transaction open, which is rolled back"))
    with session.interrupts.deferred():
        _finish_outside(session, attempt)


def _finish_outside(session: Session, attempt: Attempt) -> None:
    session.send(
        database.clean_sql(session.server_version, session.run.application_name),
        "begin",
        _check_sql(session, in_transaction=False),
        _done_sql(session, attempt),
        "commit",
    )
    attempt.is_complete = True
