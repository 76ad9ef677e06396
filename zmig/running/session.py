"""A run's working connection with its surroundings, and one attempt at one step: what execution passes on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from zmig.database import wire
from zmig.database.server import encoding_of
from zmig.errors import Problem, ZmigError
from zmig.planning.checkpoint import Checkpoint, Digest, Sent
from zmig.progress import StatementStarted
from zmig.project import outside
from zmig.sql import backslashes, transaction_rules
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zmig.batches.batch import Reached
    from zmig.database.connection import WorkingConnection
    from zmig.database.lock import RunLock
    from zmig.database.server import Server
    from zmig.database.store import Store
    from zmig.facts import Run
    from zmig.planning.plan import Step
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer
    from zmig.project.prepare import PreparedStep
    from zmig.running.failure import Place
    from zmig.sql.chunk import Chunk
    from zmig.sql.encoding import Encoding
    from zmig.sql.statement import Statement
    from zmig.text.substitution import Substitution


_READ_OTHERWISE = Problem(
    "sql-read-otherwise",
    "a backslash stands in front of a quote, and `standard_conforming_strings` was changed since the file began",
    hint="write such strings as `E'...'`, whose backslashes mean the same whatever that setting is",
)


@valueclass
class RunSession:
    """The working connection, and everything a step needs of its surroundings."""

    connection: WorkingConnection
    server: Server
    store: Store
    lock: RunLock
    run: Run
    observer: Observer
    interrupts: Interrupts
    redact: Callable[[str], str]
    record_detail: bool = False
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The environment, whose values are kept out of facts."""
    environ_before: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The environment as it was before any code of a migration ran."""

    @property
    def encoding(self) -> Encoding:
        """The database's encoding."""
        return encoding_of(self.connection)

    @property
    def is_in_transaction(self) -> bool:
        """Whether a transaction is open, of whoever's."""
        return self.connection.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE

    @property
    def clean_sql(self) -> tuple[str, ...]:
        """The statements that bring the session back to zmig's own settings."""
        return self.server.clean_sql(self.run.application_name)

    def send(self, *parts: str) -> None:
        """Send statements of zmig's own as one message, in one round trip."""
        self.send_alone("; ".join(parts))

    def send_alone(self, text: str) -> wire.Reply:
        """Send a message as it is, and raise what the server says against it."""
        try:
            reply = self.send_text(text)
        except wire.MessageError as failed:
            raise failed.error from None
        if reply.interrupt is not None:
            raise reply.interrupt
        return reply

    def send_text(
        self, text: str, *, meanwhile: Callable[[], object] | None = None, is_brief: bool = False
    ) -> wire.Reply:
        """Send a message as it is; `meanwhile` and `is_brief` are those of `wire.send`.

        Raises:
            wire.MessageError: a statement of it failed.
        """
        self.speak_utf8()
        return wire.send(self.connection, text, meanwhile=meanwhile, is_brief=is_brief)

    def read_as_usual(self) -> bool:
        """Clean the session by itself, should a migration have changed how it reads text; return whether it had.

        The server reads a message as a whole, before what is at its beginning is carried out.
        """
        has_changed = self.conforms is not self.server.conforms
        if has_changed:
            self.send(*self.clean_sql)
        return has_changed

    @property
    def conforms(self) -> bool:
        """Whether a backslash stands for itself in the ordinary strings of what is sent next, as the server said."""
        return self.connection.info.parameter_status("standard_conforming_strings") == "on"

    def check_reading(self, one: Statement) -> None:
        """Make sure that the server will see the statement that was found in the file.

        Raises:
            ZmigError: it would end elsewhere, since the meaning of a backslash was changed behind the file's beginning.
        """
        if one.conforming is not self.conforms and backslashes.is_cut_otherwise(one):
            raise ZmigError(_READ_OTHERWISE)

    def speak_utf8(self) -> None:
        """Set the client's encoding again, should the migration have chosen another."""
        in_error = self.connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
        if self.connection.info.encoding != "utf-8" and not in_error:
            wire.send(self.connection, "set client_encoding = 'utf8'")


@dataclass(slots=True)
class Attempt:
    """One execution of one step, and how far it is."""

    prepared: PreparedStep
    number: int
    began: float = field(default_factory=time.monotonic)
    done: Digest = field(default_factory=Digest)
    """Of the statements of a non-transactional file that are done."""
    running: Statement | None = None
    position_offset: int = 0
    """How much of the message that was sent stands before the running statement, as the server counts."""
    bound_statement: Substitution | None = None
    """The text of the running statement as it was sent, where that is not as it is written."""
    at_commit: bool = False
    completed_statements: int = 0
    in_doubt: Sent | None = None
    """The statement that was sent alone and whose checkpoint is not written yet."""
    reached: Reached | None = None
    """How far a batched migration is."""
    may_commit: bool = False
    """Whether what was sent last goes on to the commit by itself, whatever becomes of this process."""
    is_timed_by_server: bool = False
    """Whether the `done` fact is sent before its duration is known, so that the server works it out."""
    is_complete: bool = False
    """Whether its `done` fact is committed."""
    has_swallowed: bool = False
    """Whether its code caught an error of SQL and went on, though the transaction had failed by it."""
    is_atomic: bool = False
    """Whether it runs in one transaction with the others of its run."""
    left_transaction: bool = False
    """Whether it ended the transaction it was to run in."""

    @property
    def step(self) -> Step:
        """The step that is executed."""
        return self.prepared.step

    def shown(self, summary: str) -> str:
        """Return the first words of a statement of its file as they may be shown."""
        return outside.summary(summary, self.prepared.path)

    def starting(self, one: Statement | Chunk) -> StatementStarted:
        """Return what an observer is told when a statement of its file begins, or the first of a chunk."""
        return StatementStarted(self.step, one.number, self.total, one.line, self.shown(one.summary))

    @property
    def seconds(self) -> float:
        """The time since it began."""
        return time.monotonic() - self.began

    @property
    def total(self) -> int | None:
        """How many statements its file has."""
        return self.prepared.count

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the next attempt continues."""
        return Checkpoint(self.completed_statements, sent=self.in_doubt, reached=self.reached)

    @property
    def refused(self) -> int | None:
        """The number of the statement that was sent alone and had no effect, because the server refused it."""
        return self.in_doubt.number if self.in_doubt is not None and self.in_doubt.is_refused else None

    @property
    def is_repeatable(self) -> bool:
        """Whether doing it again does nothing twice: code outside of zmig's transaction may have committed a part."""
        if self.left_transaction:
            return False
        if self.prepared.mode.transactional or self.prepared.batch is not None:
            return True
        return self.prepared.is_sql and (self.running is None or not transaction_rules.may_commit(self.running))

    @property
    def may_be_partial(self) -> bool:
        """Whether, once it failed, nobody but a person can tell what of it is committed.

        Of a statement that was sent alone and may have taken effect, its checkpoint tells.
        """
        is_told = self.prepared.is_sql and self.refused is None
        return self.left_transaction or not (self.is_repeatable or is_told)

    @property
    def place(self) -> Place:
        """Where it is, for an error."""
        from zmig.running.failure import Place

        return Place(
            self.prepared.path,
            self.prepared.text,
            self.running,
            self.total,
            self.at_commit,
            self.prepared.filled,
            self.position_offset,
            self.bound_statement,
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
        }
