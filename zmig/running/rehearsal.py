"""Runs what is pending for real, in one transaction that is always rolled back, and looks what each statement did.

Only SQL that can run in a transaction is rehearsed: Python may act outside of the database. What a rollback does not
undo happens all the same: numbers are drawn from sequences, which is reported, COPY writes files, dblink calls.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.database import wire
from zmig.errors import Problem, ZmigError
from zmig.planning.plan import Action
from zmig.project import text_file
from zmig.running import copy_rows, envelope, failure_message, non_rollbackable, verifying
from zmig.running.attempt import Attempt
from zmig.sql import octets, script
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.planning.plan import Plan, Step
    from zmig.project.prepare import PreparedStep
    from zmig.running.attempt import Place
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement

LOCK_TIMEOUT = "1s"
"""How long the rehearsal waits for a lock, with others waiting after it, whatever the manifest or a file says."""

MODES = (
    "AccessShare",
    "RowShare",
    "RowExclusive",
    "ShareUpdateExclusive",
    "Share",
    "ShareRowExclusive",
    "Exclusive",
    "AccessExclusive",
)
"""The modes of a lock on a table, the strongest last."""

_TABLES = """
select c.oid::bigint, pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_relation_filenode(c.oid),
    c.relkind operator(pg_catalog.=) 'S'
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where c.relkind operator(pg_catalog.=) any('{r,p,m,f,S}')
    and n.nspname operator(pg_catalog.!~) '^pg_' and n.nspname operator(pg_catalog.<>) 'information_schema'
"""
_HELD = """
select l.relation::bigint, pg_catalog.replace(l.mode, 'Lock', ''), pg_catalog.pg_relation_filenode(l.relation)
from pg_catalog.pg_locks l
where l.locktype operator(pg_catalog.=) 'relation' and l.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()
    and l.granted
"""
_DRAWS = "RowExclusive"
"""The lock on a sequence whose next number was taken."""
_LOCK_NOT_AVAILABLE = "55P03"


@valueclass
class TableLock:
    """A lock that a statement took on a table that was there before."""

    table: str
    mode: str
    """One of `MODES`."""

    @property
    def blocks(self) -> str | None:
        """What others cannot do meanwhile, in words; None where they can read and write."""
        if self.mode == "AccessExclusive":
            return "reads and writes"
        return "writes" if MODES.index(self.mode) >= MODES.index("Share") else None


@valueclass
class StatementRehearsed:
    """What one statement did."""

    number: int
    line: int
    text: str
    """Its beginning, on one line."""
    _: KW_ONLY
    seconds: float
    rows: int | None
    locks: tuple[TableLock, ...]
    """The strongest new one of each table."""
    rewritten: tuple[str, ...]
    """Tables that were there before and have new storage now: rewritten, or truncated."""
    drawn: tuple[str, ...] = ()
    """Sequences that were there before, of which it was the first to draw numbers; those stay drawn."""


@valueclass
class StepRehearsed:
    """What came of one step of the plan."""

    step: Step
    path: str
    statements: tuple[StatementRehearsed, ...] = ()
    _: KW_ONLY
    skipped: str | None = None
    """Why it was not rehearsed."""
    problem: Problem | None = None
    """Why it failed; nothing was rehearsed after it."""
    failed_in: int | None = None
    """The number of the statement that failed; None for a check that waits for the commit, and for the verify query."""
    is_unverified: bool = False
    """Whether it was the verify query that failed."""


@valueclass
class Rehearsal:
    """What came of a whole plan."""

    plan: Plan
    steps: tuple[StepRehearsed, ...]

    @property
    def problem(self) -> Problem | None:
        """What ended it early."""
        return next((one.problem for one in self.steps if one.problem is not None), None)


def rehearse(session: RunSession, plan: Plan, prepared_steps: Sequence[PreparedStep]) -> Rehearsal:
    """Run a plan's steps and roll everything back, whatever happens."""
    session.send(*session.clean_sql, "begin", f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    try:
        return Rehearsal(plan, tuple(_DryRun(session).run(prepared_steps)))
    finally:
        with contextlib.suppress(psycopg.OperationalError):
            session.send("rollback")
            session.send(*session.clean_sql)


class _DryRun:
    """The open transaction, and what is known of the tables in it."""

    def __init__(self, session: RunSession) -> None:
        self._session = session
        rows = cast("Sequence[tuple[int, str, int | None, bool]]", session.connection.execute(_TABLES).fetchall())
        self._names: Mapping[int, str] = {oid: name for oid, name, _, _ in rows}
        """Of the tables and sequences that were there before."""
        self._sequences = frozenset(oid for oid, _, _, is_sequence in rows if is_sequence)
        self._storage = {oid: filenode for oid, _, filenode, _ in rows}
        self._held: dict[int, set[str]] = {}
        self._has_skipped = False

    def run(self, prepared_steps: Sequence[PreparedStep]) -> Iterable[StepRehearsed]:
        ended = False
        for prepared in prepared_steps:
            reason = "after a step that failed" if ended else self._why_not(prepared)
            if reason is not None:
                self._has_skipped = True
                yield StepRehearsed(prepared.step, prepared.path, skipped=reason)
                continue
            one = self._step(prepared)
            ended = one.problem is not None
            yield one

    def _why_not(self, prepared: PreparedStep) -> str | None:
        return _why_not(prepared) or non_rollbackable.reason(
            self._session.connection, _statements(prepared), self._sequences
        )

    def _step(self, prepared: PreparedStep) -> StepRehearsed:
        session, attempt = self._session, Attempt(prepared, prepared.step.attempt)
        done: list[StatementRehearsed] = []
        place, is_asked = attempt.place(), False
        try:
            clean = session.server.reset_inside_sql(session.run.application_name)  # of what the step before has set
            session.send(*clean, *envelope.limits_sql(attempt), f"set local lock_timeout = '{LOCK_TIMEOUT}'")
            for one in _statements(prepared):
                place = attempt.place(one)
                done.append(self._statement(one, attempt.shown(one.summary)))
            place = attempt.place(at_commit=True)
            session.send("set constraints all immediate", "set constraints all deferred", "reset role")
            if prepared.verify is not None:
                is_asked = True
                verifying.ask(session, attempt, prepared.verify, lock_timeout=LOCK_TIMEOUT)
        except (psycopg.Error, ZmigError) as error:
            if session.connection.closed or session.connection.broken:
                raise
            return StepRehearsed(
                prepared.step,
                prepared.path,
                tuple(done),
                problem=self._problem(attempt, place, error, is_asked=is_asked),
                failed_in=None if place.statement is None else place.statement.number,
                is_unverified=is_asked,
            )
        return StepRehearsed(prepared.step, prepared.path, tuple(done))

    def _statement(self, one: Statement, summary: str) -> StatementRehearsed:
        began = time.monotonic()
        rows = _run(self._session, one)
        seconds = time.monotonic() - began
        self._mind_limits()
        new, rewritten = self._look()
        locks = (TableLock(self._names[oid], mode) for oid, mode in new.items() if oid not in self._sequences)
        drawn = sorted(self._names[oid] for oid, mode in new.items() if oid in self._sequences and mode == _DRAWS)
        taken = tuple(sorted(locks, key=lambda lock: lock.table))
        return StatementRehearsed(
            one.number,
            one.line,
            summary,
            seconds=seconds,
            rows=rows,
            locks=taken,
            rewritten=rewritten,
            drawn=tuple(drawn),
        )

    def _mind_limits(self) -> None:
        """Wait for no lock longer, whatever the statement before has set."""
        self._session.send(f"set local lock_timeout = '{LOCK_TIMEOUT}'")

    def _look(self) -> tuple[dict[int, str], tuple[str, ...]]:
        """Return the strongest new lock of each relation since the last look, and the tables that have new storage."""
        new: dict[int, str] = {}
        rewritten: set[str] = set()
        for oid, mode, filenode in cast(
            "list[tuple[int, str, int | None]]", self._session.connection.execute(_HELD).fetchall()
        ):
            if oid not in self._names or mode not in MODES:
                continue
            if filenode is not None and self._storage[oid] not in (None, filenode):
                rewritten.add(self._names[oid])
                self._storage[oid] = filenode
            if mode not in self._held.setdefault(oid, set()):
                self._held[oid].add(mode)
                new[oid] = max(mode, new.get(oid, mode), key=MODES.index)
        return new, tuple(sorted(rewritten - {self._names[oid] for oid in self._sequences}))

    def _problem(self, attempt: Attempt, place: Place, error: psycopg.Error | ZmigError, *, is_asked: bool) -> Problem:
        found = failure_message.explain(
            error, place, redact=self._session.redact, record_detail=False, seconds=attempt.seconds
        )
        facts = found.facts
        if self._has_skipped:
            facts = (*facts, "steps before it were not rehearsed, which it may need")
        what = "the migration or its verify query" if is_asked else "the file"
        message, hint = found.message, f"correct {what}, then rehearse again"
        if found.sqlstate == _LOCK_NOT_AVAILABLE:
            message = f"it would wait for a lock, and a rehearsal waits no longer than {LOCK_TIMEOUT}"
            hint = "rehearse again at a quieter time, or on a copy of the database"
        return Problem(
            "rehearsal-failed",
            f"migration `{attempt.step.migration.name}` failed in its rehearsal: {message}",
            location=found.location,
            facts=facts,
            effect="rolled back: nothing was changed",
            hint=hint,
        )


def _why_not(prepared: PreparedStep) -> str | None:
    if prepared.step.action is Action.RECORD_END:
        return "nothing is run"
    if not prepared.mode.transactional:
        return f"runs without a transaction of its own: {prepared.mode.reason}"
    if not prepared.is_sql:
        return "Python code may act outside of the database"
    if prepared.step.action is Action.CHECK:
        return "whether it is due is asked when its turn comes"
    return None


def _statements(prepared: PreparedStep) -> Iterable[Statement]:
    if prepared.statements is not None:
        return prepared.statements
    pieces = map(octets.from_bytes, text_file.octet_pieces(Path(prepared.path)))
    return script.split_stream(pieces, path=prepared.path, conforming=prepared.conforming, is_octets=True)


def _run(session: RunSession, one: Statement) -> int | None:
    if one.copy_data is not None:
        return copy_rows.copy_rows(session, one)
    session.check_reading(one)
    try:
        reply = wire.send(session.connection, one.source)
    except wire.MessageError as failed:
        raise failed.error from None
    if reply.interrupt is not None:
        raise reply.interrupt
    return next(iter(reply.rows()), None)
