"""zmig's own SQL around a migration's statements: before them, in its transaction, and after them.

There are two forms. The plain one holds in any session. The prepared one executes statements that were prepared on
the server, which plans them once in a run: half of what a small migration would cost the server otherwise.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from zmig.database import client_identity, invariants, roles
from zmig.database.server import HAS_EVENT_TRIGGERS, reset_by_sql
from zmig.database.settings import FLUSHED, IDLE_IN_TRANSACTION, LONGEST_IDLE, PLANNED_ONCE, READABLE, set_config
from zmig.facts import EventType
from zmig.planning.plan import Action, Direction
from zmig.sql import variables
from zmig.sql.quoting import literal, operator
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from zmig.batches.batch import Reached
    from zmig.facts import Fact
    from zmig.planning.plan import Step
    from zmig.running.attempt import Attempt
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement

_DECLINED = "zmig: code of others"


def opening_sql(session: RunSession, attempt: Attempt) -> tuple[str, ...]:
    """Return the statements that record `started` and open the migration's transaction.

    `started` need not be flushed by itself: WAL is one sequence, so it can only be lost together with everything
    after it, the migration's own changes included. With Citus those may be in the WAL of other servers.
    """
    return (
        *session.clean_sql,
        "begin",
        *(() if session.server.has_citus else (_UNFLUSHED,)),
        *started_sql(session, attempt),
        "commit",
        *open_sql(session, attempt),
    )


def closing_sql(session: RunSession, attempt: Attempt, *, seconds: float | None) -> tuple[str, ...]:
    """Return the statements that check the transaction and the lock, and record `done`.

    `seconds` is how long the attempt took; None where they are sent before that is known, so the server works it out.
    """
    return (*own_again_sql(session), check_sql(session), done_sql(session, attempt, seconds=seconds))


def around_sql(session: RunSession, attempt: Attempt) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what opens and what commits the transaction of a step, with `started` before it and `done` in it."""
    return opening_sql(session, attempt), (*closing_sql(session, attempt, seconds=None), "commit")


@contextmanager
def looked_ahead(session: RunSession, attempt: Attempt) -> Generator[None]:
    """Ask the server something about a batched statement before its first round, in a transaction that is rolled back.

    What the server refuses ends the block: the first round says what is wrong, and where.
    """
    try:
        session.send(*open_sql(session, attempt))
        yield
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.ProgrammingError:
        return
    finally:
        if not session.connection.closed and not session.connection.broken:
            session.send("rollback")


def open_sql(session: RunSession, attempt: Attempt, *, first: Statement | None = None) -> tuple[str, ...]:
    """Return the statements that open a marked transaction under the migration's limits.

    `first` is the statement that runs in it, where that is one of a script without a transaction of its own.
    """
    return (_begin_sql(attempt, first), session.lock.mark_sql, *limits_sql(attempt))


def _begin_sql(attempt: Attempt, first: Statement | None) -> str:
    """Return what opens a transaction: at the isolation level that its first statement asks for.

    What zmig says before that statement is a query, and after one the level can no longer be changed.
    """
    if first is None and attempt.prepared.statements and attempt.prepared.mode.transactional:
        first = attempt.prepared.statements[0]
    level = None if first is None else first.command.isolation_level
    return "begin" if level is None else f"begin isolation level {level}"


def limits_sql(attempt: Attempt) -> tuple[str, ...]:
    """Return the statements that put a migration's own limits, and its role, on the open transaction.

    What Python and the rounds of a batch read must be written as they can read it.
    """
    settings = {**_limits(attempt), IDLE_IN_TRANSACTION: LONGEST_IDLE if attempt.prepared.is_sql else _NONE}
    if attempt.prepared.batch is not None or not attempt.prepared.is_sql:
        settings |= READABLE
    return (f"select {set_config(settings, local=True)}", *become_sql(attempt))


def _prepare_sql(session: RunSession, attempt: Attempt) -> tuple[str, ...]:
    """Return the statements that make the session ready for the prepared form, in whatever state it is.

    `zmig_begin` holds the session's own settings, `zmig_open` what marks a migration's transaction and puts the limits
    of this migration on it, `zmig_check` what must hold at its end. `zmig_begin` declines where an event trigger was
    made since the run began: its code would run after what only defines something. It declines, too, where a search
    path names `pg_catalog`: a type in front of that may be called as one of the server's own.

    Planning is what these cost. So they have no parameters, and what has some is executed under `PLANNED_ONCE`:
    otherwise the server would plan it again for each of its first five executions, and the session is often cleaned
    before there are more.
    """
    settings = session.server.settings_sql(session.run.application_name)
    begin = f"prepare zmig_begin as {settings}, {set_config(PLANNED_ONCE, local=True)}, {_DECLINE}"
    limits = {**_limits(attempt), IDLE_IN_TRANSACTION: LONGEST_IDLE}
    at_end = {"statement_timeout": _NONE, **PLANNED_ONCE}
    return (
        "begin",
        *reset_by_sql("deallocate all", begin, "execute zmig_begin"),
        "commit",
        *session.store.prepare_sql(session.run),
        f"prepare zmig_open as {session.lock.mark_sql}, {set_config(limits, local=True)}",
        f"prepare zmig_check as {check_sql(session)}, {set_config(at_end, local=True)}",
    )


def is_declined(error: psycopg.Error) -> bool:
    """Whether an error comes from `zmig_begin`, before which nothing of the migration is sent."""
    return invariants.is_said(_DECLINED, error)


def is_taken_back(error: psycopg.Error) -> bool:
    """Whether an error says that what `prepared_closing_sql` executes is not prepared any more."""
    is_missing = isinstance(error, psycopg.errors.InvalidSqlStatementName)
    return is_missing and any(name in str(error) for name in ("zmig_check", "zmig_done"))


_NONE = literal("0")
_UNFLUSHED = "set local synchronous_commit = off"
"""Before a commit that is not waited for."""
_NAMES_SERVERS_SCHEMA = (
    f"pg_catalog.strpos(pg_catalog.lower(pg_catalog.current_setting('search_path')), 'pg_catalog') {operator('>')} 0"
)
_DECLINE = (
    f"(case when {HAS_EVENT_TRIGGERS} or {_NAMES_SERVERS_SCHEMA} then '{invariants.words(_DECLINED)}' "
    "else '1' end)::pg_catalog.int4"
)


def prepared_opening_sql(
    session: RunSession,
    attempt: Attempt,
    *,
    is_prepared: bool,
    stays_prepared: bool,
    flushes_first: bool,
    awaits_flush: bool,
) -> tuple[str, ...]:
    """Return the prepared form of `opening_sql`.

    `is_prepared` says that the session is ready for it, and for a migration that `has_same_limits`; otherwise it may be
    in any state. Unless it `stays_prepared`, the migration's statements find nothing prepared, as those must that run
    code of somebody's; its end takes the plain form then.

    `flushes_first` says that the commit of `started` waits until WAL is flushed, and everything before it with it;
    `awaits_flush` the same of the migration's own, which may be left to a later migration.
    """
    begin = reset_by_sql("execute zmig_begin") if is_prepared else ("execute zmig_begin",)
    return (
        *(() if is_prepared else _prepare_sql(session, attempt)),
        "begin read write",
        *begin,
        *(() if flushes_first else (_UNFLUSHED,)),
        _prepared_started_sql(session, attempt),
        "commit",
        _begin_sql(attempt, None),
        "execute zmig_open",
        *(() if awaits_flush else (_UNFLUSHED,)),
        *(() if stays_prepared else ("deallocate all",)),
        *become_sql(attempt),
    )


def prepared_closing_sql(session: RunSession, attempt: Attempt) -> tuple[str, ...]:
    """Return the prepared form of `closing_sql`, after statements that only define something."""
    own_role = ("reset role",) if attempt.step.migration.settings.run_as is not None else ()
    done = (_prepared_done_sql(session, attempt), session.store.short_done_check_sql)
    return (*own_role, "execute zmig_check", *done)


def end_sql() -> str:
    """Return the statement in front of zmig's own at the end of a migration's transaction, whatever that has set.

    They take the time they take, and the commit waits until it is flushed.
    """
    return f"select {set_config({'statement_timeout': _NONE, 'synchronous_commit': FLUSHED}, local=True)}"


def own_again_sql(session: RunSession) -> tuple[str, ...]:
    """Return the statements that make an open transaction zmig's own again, until its end."""
    return (*session.server.settings_stay_sql, end_sql(), "reset session authorization", "reset role")


def _limits(attempt: Attempt) -> dict[str, str]:
    """Return a migration's timeouts, in milliseconds, as constants."""
    settings = attempt.step.migration.settings
    limits = {"lock_timeout": settings.lock_timeout_seconds, "statement_timeout": settings.statement_timeout_seconds}
    return {name: literal(str(round(seconds * 1000))) for name, seconds in limits.items()}


def has_same_limits(one: Step, other: Step) -> bool:
    """Whether what was prepared for one step holds for another."""
    first, second = one.migration.settings, other.migration.settings
    return (first.lock_timeout_seconds, first.statement_timeout_seconds) == (
        second.lock_timeout_seconds,
        second.statement_timeout_seconds,
    )


def become_sql(attempt: Attempt, *, local: bool = True) -> tuple[str, ...]:
    """Return what makes the session the role that the migration runs as, if it declares one."""
    wanted = attempt.step.migration.settings.run_as
    return () if wanted is None else (roles.become_sql(wanted, local=local),)


def own_role_sql(session: RunSession) -> tuple[str, ...]:
    """Return what makes an open transaction zmig's own again until its end, so that it may write facts."""
    own = ("set local session authorization default", f"set local role {session.server.role}")
    return (*session.server.settings_stay_sql, *own)


@valueclass
class _Vocabulary:
    started: EventType
    done: EventType


_VOCABULARY = {
    Direction.FORWARD: _Vocabulary(EventType.STARTED, EventType.DONE),
    Direction.ROLLBACK: _Vocabulary(EventType.ROLLBACK_STARTED, EventType.ROLLED_BACK),
}


def started_sql(session: RunSession, attempt: Attempt) -> Iterable[str]:
    """Yield what appends the `started` fact of an attempt, after the end of a run's attempt that has none."""
    step = attempt.step
    if step.unended is not None and step.unended.run_id is not None:
        yield unended_sql(session, step, step.unended)
    data, type = _started_data(session, attempt), _VOCABULARY[step.direction].started
    yield session.store.append_sql(session.run, type, step.migration.name, data)


def _prepared_started_sql(session: RunSession, attempt: Attempt) -> str:
    """Return the same for the first attempt of all, in a session that `Store.prepare_sql` made ready."""
    return session.store.short_started_sql(attempt.step.migration.name, _started_data(session, attempt))


def _started_data(session: RunSession, attempt: Attempt) -> dict[str, object]:
    """Return what the `started` fact of an attempt holds."""
    step = attempt.step
    data = attempt.data(session) | {
        "kind": step.migration.kind.value,
        "checksum": step.migration.checksum,
        "transactional": attempt.prepared.mode.transactional,
        "backend_pid": session.run.backend_pid,
        "application_name": session.run.application_name,
        "client": client_identity.identity(),
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
        "will_retry": step.action is not Action.RECORD_END,
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


def done_sql(session: RunSession, attempt: Attempt, *, seconds: float | None, reached: Reached | None = None) -> str:
    """Return the statement that appends the fact by which a step is complete, and changes the simple table.

    `seconds` is as in `closing_sql`; `reached` is how far a batched migration came.
    """
    migration, direction = attempt.step.migration, attempt.step.direction
    type, data = _VOCABULARY[direction].done, _done_data(session, attempt, seconds, reached)
    if direction is Direction.ROLLBACK:
        if migration.is_repeatable:
            return session.store.taken_back_sql(session.run, type, migration.name, data)
        return session.store.rolled_back_sql(session.run, migration.name, data)
    return session.store.applied_sql(session.run, type, migration.name, data, kind=migration.kind.value)


def _prepared_done_sql(session: RunSession, attempt: Attempt) -> str:
    """Return the same for a step forward that the server times, in a session that `Store.prepare_sql` made ready."""
    migration = attempt.step.migration
    return session.store.short_done_sql(
        migration.name, _done_data(session, attempt, None, None), kind=migration.kind.value
    )


def _done_data(
    session: RunSession, attempt: Attempt, seconds: float | None, reached: Reached | None
) -> dict[str, object]:
    """Return what the fact holds by which a step is complete."""
    data = attempt.data(session) | {
        **({} if seconds is None else {"duration_ms": round(seconds * 1000)}),
        "statements": attempt.total,
        "checksum": attempt.step.migration.checksum,
        "kind": attempt.step.migration.kind.value,
    }
    if attempt.prepared.token_checksum is not None:
        data["token_checksum"] = attempt.prepared.token_checksum
    if attempt.prepared.rollback_checksum is not None:
        data["rollback_checksum"] = attempt.prepared.rollback_checksum
    if attempt.prepared.verify is not None:
        data["verified"] = True
    if reached is not None:
        data |= {"rows": reached.rows, "rounds": reached.rounds}
    return data


def check_sql(session: RunSession) -> str:
    """Return a statement that fails where the lock was released, or the transaction is not the one zmig opened.

    What writes a fact proves the lock itself; whether the transaction is zmig's, only a migration's end has to prove.
    """
    return f"select {invariants.check_sql([session.lock.promise, session.lock.transaction_promise])}"
