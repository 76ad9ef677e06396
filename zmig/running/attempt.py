"""One attempt at one step, and what came of it: it is committed, or it failed, with its place, progress and fate."""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import psycopg
from psycopg.rows import tuple_row

from zmig.database import connection as database
from zmig.database.invariants import Broken
from zmig.database.table_definitions import EVENTS
from zmig.progress import StatementStarted
from zmig.project import outside
from zmig.sql.encoding import UTF8, Encoding
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.planning.checkpoint import Checkpoint
    from zmig.planning.plan import Step
    from zmig.project.prepare import PreparedStep
    from zmig.running.run_session import RunSession
    from zmig.sql.chunk import Chunk
    from zmig.sql.statement import Statement
    from zmig.text.substitution import Substitution


class Stopwatch:
    """Measures an attempt, without the time that reporting takes meanwhile."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the attempt began."""
        return time.monotonic() - self._began

    def leave_out(self, seconds: float) -> None:
        """Do not count these seconds."""
        self._began += seconds


@valueclass
class Attempt:
    """One execution of one step."""

    prepared: PreparedStep
    number: int
    """1-based, over all runs."""
    position: int = 1
    """1-based, of the step in its plan."""
    _: KW_ONLY
    is_atomic: bool = False
    """Whether it runs in one transaction with the others of its run."""
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def step(self) -> Step:
        """The step that is executed."""
        return self.prepared.step

    @property
    def name(self) -> str:
        """The migration's name."""
        return self.prepared.step.migration.name

    @property
    def seconds(self) -> float:
        """The time since it began."""
        return self.stopwatch.seconds

    @property
    def total(self) -> int | None:
        """How many statements its file has."""
        return self.prepared.count

    def shown(self, summary: str) -> str:
        """Return the first words of a statement of its file as they may be shown."""
        return outside.summary(summary, self.prepared.path)

    def starting(self, one: Statement | Chunk) -> StatementStarted:
        """Return what is reported when a statement of its file begins, or the first of a chunk."""
        return StatementStarted(
            self.step,
            one.number,
            self.total,
            line=one.line,
            text=self.shown(one.summary),
            longer=lambda: self.shown(one.long_summary),
        )

    def place(
        self,
        statement: Statement | None = None,
        *,
        at_commit: bool = False,
        shift: int = 0,
        rendered: Substitution | None = None,
    ) -> Place:
        """Return the place of a statement of its file; None where zmig's own were running."""
        return Place(
            path=self.prepared.path,
            text=self.prepared.text,
            statement=statement,
            total=self.total,
            at_commit=at_commit,
            filled=self.prepared.filled,
            shift=shift,
            rendered=rendered,
        )

    def data(self, session: RunSession) -> dict[str, object]:
        """What every fact of this execution holds."""
        migration = self.step.migration
        return {
            "version": migration.version,
            "name": migration.name,
            "run_id": session.run.id,
            "attempt": self.number,
            **({"atomic": True} if self.is_atomic else {}),
            **({} if migration.replaces is None else {"replaces": str(migration.replaces)}),
        }


@valueclass
class Place:
    """Which statement of which file was running."""

    path: str
    text: str | None = None
    """The whole file; None where it is not held."""
    statement: Statement | None = None
    _: KW_ONLY
    total: int | None = None
    at_commit: bool = False
    filled: Substitution | None = None
    """How the file's text came from what is written in it, where variables were replaced."""
    shift: int = 0
    """How much of the message that was sent is before the statement, as the server counts."""
    rendered: Substitution | None = None
    """The statement's text as it was sent, where that is not as it is written."""
    encoding: Encoding = UTF8
    """The database's."""


class Fate(Enum):
    """What the database holds of an attempt that failed."""

    ROLLED_BACK = "rolled back"
    """Nothing."""
    KEPT = "kept"
    """What it completed before it failed, and nothing of what failed."""
    UNKNOWN = "unknown"
    """What it completed, and perhaps what was under way: the server knows, and the next run asks it."""
    MAY_BE_PARTIAL = "may be partial"
    """What it committed by itself, which only a person can find out."""
    LEFT_TRANSACTION = "left its transaction"
    """What it committed when it ended the transaction that it was to run in; only a person can find out what."""

    @property
    def is_repeatable(self) -> bool:
        """Whether another attempt does nothing twice."""
        return self in (Fate.ROLLED_BACK, Fate.KEPT)

    @property
    def needs_person(self) -> bool:
        """Whether nobody but a person can find out what is committed."""
        return self in (Fate.MAY_BE_PARTIAL, Fate.LEFT_TRANSACTION)


@valueclass
class Executed:
    """The attempt is executed, and its `done` fact commits together with those of the steps after it."""


@valueclass
class Committed:
    """The attempt's `done` fact is committed."""

    interrupt: BaseException | None = None
    """What ends the run all the same; it came too late for the attempt."""


@valueclass
class Failed:
    """The attempt failed; nothing is rolled back or recorded yet."""

    attempt: Attempt
    error: BaseException
    fate: Fate
    _: KW_ONLY
    at: Place
    reached: Checkpoint | None
    """Where the next attempt continues; None where it begins at its beginning."""
    seconds: float
    """How long it took until then."""
    is_lost: bool = False
    """Whether the connection is lost."""
    broken: Broken | None = None
    """What did not hold for zmig's own statements around it."""
    was_swallowed: bool = False
    """Whether its code caught the error and went on, though the transaction had failed by it."""
    left_behind: str | None = None
    """What the statement that failed left half done, in words."""

    @property
    def refused(self) -> int | None:
        """The number of the statement that was sent alone and had no effect, because the server refused it."""
        sent = self.reached.sent if self.reached is not None else None
        return sent.number if sent is not None and sent.is_refused else None


class Swallowed(Exception):
    """A migration's code caught an error of SQL and went on, though the transaction had failed by it."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.error = error


class Execution(Protocol):
    """An attempt under way: what it learns about its progress is its own, until it is asked for a failure."""

    @property
    def is_complete(self) -> bool:
        """Whether its `done` fact is committed, as far as the server said."""
        ...

    def run(self) -> None:
        """Execute the step; return once its changes and its `done` fact are committed, or commit with later ones.

        Raises whatever the server or the migration's code raises; nothing is rolled back or recorded here then.
        """
        ...

    def failed(self, error: BaseException) -> Failed:
        """Return what `run` left of it by raising an error; the connection can be used again, or is lost."""
        ...


def failed(
    session: RunSession,
    attempt: Attempt,
    error: BaseException,
    *,
    at: Place,
    fate: Fate,
    fate_if_lost: Fate,
    reached: Checkpoint | None = None,
    left_behind: str | None = None,
) -> Failed:
    """Return how an attempt failed; asks the server whether it left the transaction it was to run in.

    `fate_if_lost` is its fate where the connection is lost.
    """
    was_swallowed = isinstance(error, Swallowed)
    error = session.interrupts.translate(error.error if isinstance(error, Swallowed) else error)
    is_lost, broken = database.is_lost(session.connection, error), None
    if is_lost:
        fate = fate_if_lost
    else:
        broken = _broken_by(session, attempt, error, at)
        if _has_left_transaction(session, attempt, at, broken):
            fate = Fate.LEFT_TRANSACTION
    return Failed(
        attempt,
        error,
        fate=fate,
        at=at,
        reached=reached,
        seconds=attempt.seconds,
        is_lost=is_lost,
        broken=broken,
        was_swallowed=was_swallowed,
        left_behind=left_behind,
    )


def _broken_by(session: RunSession, attempt: Attempt, error: BaseException, at: Place) -> Broken | None:
    """Return what did not hold for zmig's own statements around an attempt, whatever those of the attempt say."""
    from zmig.python import locations

    from_code = not attempt.prepared.is_sql and locations.code_location(error, attempt.prepared.path) is not None
    is_own = at.statement is None and not from_code
    broken = session.store.broken_by(error, is_own=is_own)
    # A script whose statements run one by one is still at its last one when zmig records how far it is.
    writes_facts = from_code or (at.statement is not None and at.statement.spells(EVENTS))
    return None if broken is Broken.POSITION and writes_facts else broken


def _has_left_transaction(session: RunSession, attempt: Attempt, at: Place, broken: Broken | None) -> bool:
    """Whether a migration ended the transaction it was to run in, as far as that can still be seen."""
    if broken is not None:
        return broken is Broken.TRANSACTION
    if attempt.prepared.is_sql or not attempt.prepared.mode.transactional or at.at_commit:
        return False
    status = session.connection.info.transaction_status
    if status is psycopg.pq.TransactionStatus.INTRANS:
        query = f"select {session.lock.is_marked_sql}"
        row = session.connection.cursor(row_factory=tuple_row).execute(query.encode()).fetchone()
        return row is None or row[0] is not True
    return status is psycopg.pq.TransactionStatus.IDLE
