"""A run's working connection, with everything a step needs of its surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.database import wire
from zmig.database.server import encoding_of
from zmig.errors import Problem, ZmigError
from zmig.sql import backslashes
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import KW_ONLY

    from zmig.database.connection import WorkingConnection
    from zmig.database.lock import RunLock
    from zmig.database.server import Server
    from zmig.database.store import Store
    from zmig.facts import Run
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer
    from zmig.running.blocker_memory import BlockerMemory
    from zmig.sql.encoding import Encoding
    from zmig.sql.statement import Statement


_READ_OTHERWISE = Problem(
    "sql-read-otherwise",
    "a backslash is in front of a quote, and `standard_conforming_strings` was changed since the file began",
    hint="write such strings as `E'...'`, whose backslashes mean the same whatever that setting is",
)


@valueclass
class RunSession:
    """The working connection, and everything a step needs of its surroundings."""

    connection: WorkingConnection
    server: Server
    store: Store
    _: KW_ONLY
    lock: RunLock
    run: Run
    observer: Observer
    blockers: BlockerMemory
    """Who was seen to block the attempt under way."""
    interrupts: Interrupts
    redact: Callable[[str], str]
    record_detail: bool = False
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The environment, whose values are kept out of facts."""
    environ_before: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The environment as it was before any code of a migration ran."""
    one_by_one: bool = False
    """Whether each statement is a message by itself, so that an observer can ask the server what it did."""

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

    def send_alone(self, text: str | bytes) -> wire.Reply:
        """Send a message as it is, and raise what the server says against it."""
        try:
            reply = self.send_text(text)
        except wire.MessageError as failed:
            raise failed.error from None
        if reply.interrupt is not None:
            raise reply.interrupt
        return reply

    def send_text(self, text: str | bytes) -> wire.Reply:
        """Send a message as it is.

        Raises:
            wire.MessageError: a statement of it failed.
        """
        self.speak_utf8()
        return wire.send(self.connection, text)

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
            ZmigError: it would end elsewhere, since the meaning of a backslash was changed after the file's beginning.
        """
        if one.conforming is not self.conforms and backslashes.is_cut_otherwise(one):
            raise ZmigError(_READ_OTHERWISE)

    def speak_utf8(self) -> None:
        """Set the client's encoding again, should the migration have chosen another."""
        in_error = self.connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
        if self.connection.info.encoding != "utf-8" and not in_error:
            wire.send(self.connection, "set client_encoding = 'utf8'")
