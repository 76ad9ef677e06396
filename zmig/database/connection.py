"""Connections to the target database: opened, set up, translated errors; nothing about migrations.

A working connection is in autocommit and sends statements one by one, so between statements it never holds a
transaction or a snapshot. Everything it sets is set with `SET`, because some poolers refuse start-up options.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar, cast

import psycopg
from psycopg import conninfo, waiting
from psycopg.pq import PipelineStatus, TransactionStatus

from zmig.database import connection_hints, forked_children, server, settings, tcp, wire
from zmig.database.interruptible import InterruptibleConnection
from zmig.database.loan import Loan, LoanEnded
from zmig.errors import ConnectionFailed, Problem, TrackingError, UsageError
from zmig.text.secrets import Redactor, secret_values
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

    from psycopg.abc import PQGen

    from zmig.database.server import Server
    from zmig.database.types import Connection

Answer = TypeVar("Answer")

_SECONDS_TO_WAIT = 0.1
"""How long psycopg waits for the server at a time, so that Python sees signals."""
_SECONDS_TO_GIVE_BACK = 1.0
"""How long a thread that waits for the server has to notice that it must not; ten times as long as it takes."""
_SECONDS_BETWEEN_LOOKS = 0.005


class WorkingConnection(InterruptibleConnection):
    """A connection whose transaction cannot be ended through its methods while it is lent to a migration."""

    server: Server
    """What answers at its other end."""
    _loan = Loan(in_transaction=False)
    has_threads = False
    """Whether the code of a migration has left threads behind."""
    on_answer: Callable[[], None] | None = None
    """Called after each answer that a cursor of the session has waited for; it may use `pgconn` alone."""

    def wait(self, gen: PQGen[Answer], interval: float = _SECONDS_TO_WAIT, timeout: float | None = None) -> Answer:
        """Wait for the server; an interruption cancels the statement there, however many requests that takes.

        psycopg asks once and closes the connection five seconds later, although a request that comes before the
        server has begun with the statement is lost on it.
        """
        limit = {} if timeout is None else {"timeout": timeout}
        self.refuse_children()
        loan = self.current_loan()
        loan.check(self.info.transaction_status)
        try:
            with self.interrupts.polled():
                answer = waiting.wait(self._looking(gen, loan), self.pgconn.socket, interval, **limit)
            self.interrupts.check()
        except KeyboardInterrupt:
            self._cancel_in_flight()
            raise
        except psycopg.Error as error:
            loan.note(error)
            raise
        loan.check(self.info.transaction_status)
        if self.on_answer is not None:
            self.on_answer()
        return answer

    def current_loan(self) -> Loan:
        """Return the loan that the session is under now, or what stands for one between two of them."""
        return self._loan

    def _looking(self, gen: PQGen[Answer], loan: Loan) -> PQGen[Answer]:
        """Pass on what a generator of psycopg's waits for, and look up between two waits."""
        look = self.look()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if self.current_loan() is not loan:
                    raise LoanEnded
                look(ready)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def ask_through_pooler(self, limits: Mapping[str, str]) -> None:
        """Have each question bring the settings for zmig's own reading, and these, until a session is kept for it."""
        from zmig.database import pooled_queries

        values = {**settings.own(self.server.version), **limits}
        self.cursor_factory = pooled_queries.bringing(f"select {settings.set_config(values, local=True)}")
        # The pooler keeps this one for its client; psycopg looks at it before it reads a time.
        if not (self.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
            self.execute("set datestyle = 'ISO'")

    def ask_as_usual(self) -> None:
        """Ask in the session as it is set, now that it is kept."""
        self.cursor_factory = psycopg.Cursor

    def commit(self) -> None:
        """Commit, unless the transaction is zmig's."""
        self._refuse("commit()")
        super().commit()

    def rollback(self) -> None:
        """Roll back, unless the transaction is zmig's."""
        self._refuse("rollback()")
        super().rollback()

    def close(self) -> None:
        """Close, unless the transaction is zmig's."""
        self._refuse("close()")
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; a statement that an interruption left under way is cancelled on the server first."""
        self._cancel_in_flight()
        self.close()

    def _cancel_in_flight(self) -> None:
        """Cancel a statement that is under way."""
        if self.info.transaction_status is TransactionStatus.ACTIVE:
            with suppress(psycopg.Error):
                wire.cancel_in_flight(self)

    def _refuse(self, method: str) -> None:
        if self.current_loan().in_transaction:
            raise psycopg.ProgrammingError(
                f"`{method}` is zmig's to call: it commits the changes together with the `done` fact"
            )

    def lend(self, loan: Loan) -> None:
        """Let the code of a migration use the session, through an object of its own."""
        self._loan = loan

    def take_back(self) -> bool:
        """End the loan, and whatever keeps the connection busy; return whether there was something.

        A thread that waits for the server gives up at its next look. What does not give psycopg's lock back even so,
        such as a COPY that nobody ends, keeps one that nobody asks for any more.
        """
        self._loan = Loan(in_transaction=False)
        was_free = self._is_free()
        end = time.monotonic() + _SECONDS_TO_GIVE_BACK
        while not self._is_free():
            if self.has_threads and time.monotonic() < end:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
            else:
                self.lock = threading.Lock()
        if self.pgconn.pipeline_status != PipelineStatus.OFF:
            was_free = False
            with suppress(psycopg.Error):
                wire.leave_pipeline(self)
        if not was_free:
            self._cancel_in_flight()
        return not was_free

    def _is_free(self) -> bool:
        is_free = self.lock.acquire(blocking=False)
        if is_free:
            self.lock.release()
        return is_free


_CONNECT_TIMEOUT_SECONDS = "10"


@valueclass
class Target:
    """The database a manifest's migrations go to."""

    conninfo: str
    """A URL or a keyword string; may hold a password, so it is never shown."""
    redactor: Redactor
    is_embedded: bool = False
    """Whether it is a private server of zmig's own."""
    written_in: str = connection_hints.MANIFEST_URL
    """Where the connection string is, which hints name to be corrected."""

    def __repr__(self) -> str:
        return f"Target({self.redactor(self.conninfo)!r})"

    @property
    def host(self) -> str:
        """Where the server is, for messages: host and port, or the socket folder."""
        parameters = _parameters(self.conninfo)
        if parameters.get("service") and not parameters.get("host"):
            return f"service {parameters['service']}"
        host = parameters.get("host") or parameters.get("hostaddr") or os.environ.get("PGHOST") or "the local socket"
        port = parameters.get("port") or os.environ.get("PGPORT")
        return f"{host}:{port}" if port else str(host)


def target(url: str, *, environ: Mapping[str, str]) -> Target:
    """Return the target that `url` names, in URL or keyword form.

    Raises:
        UsageError: the text is not a connection string.
    """
    parameters = _plain(url)
    if parameters is None:
        from zmig.database import connection_string

        parameters = connection_string.parameters(url)
    secrets = (parameters.get("password"), parameters.get("sslpassword"), environ.get("PGPASSWORD"))
    return Target(url, Redactor(*(secret for secret in secrets if secret), *secret_values(environ)))


def _plain(url: str) -> Mapping[str, str] | None:
    """Return what a connection string says in which nothing can be wrong; None for one that has to be looked at."""
    if not url.isprintable() or not url[:1].isalpha():
        return None
    try:
        parameters = {name: str(value) for name, value in _parameters(url).items()}
    except (psycopg.Error, UnicodeError):
        return None
    names_one = any(parameters.get(name, "").strip() for name in ("host", "hostaddr", "dbname"))
    has_odd = (
        not {"sslmode", "connect_timeout", "service"}.isdisjoint(parameters)
        or not parameters.get("port", "1").isdecimal()
    )
    return parameters if names_one and not has_odd else None


def _parameters(text: str) -> Mapping[str, object]:
    return conninfo.conninfo_to_dict(text)


def connect(target: Target, *, application_name: str, limits: Mapping[str, str] | None = None) -> WorkingConnection:
    """Open a connection in autocommit, with the settings for zmig's own reading (`zmig.database.settings`).

    `limits` are more settings to begin with, as SQL, for a connection that only reads.

    Raises:
        ConnectionFailed: the server cannot be reached, or refuses.
        TrackingError: the server refuses the first question.
        UsageError: psycopg does not take what the connection string, or the environment, says.
    """
    opened = connect_unasked(target, application_name=application_name)
    try:
        with translated(target):
            opened.server = server.identify(opened, limits or {})
            if opened.server.backend_pid != opened.info.backend_pid:
                opened.ask_through_pooler(limits or {})
    except BaseException:
        opened.close()
        raise
    return opened


def connect_unasked(target: Target, *, application_name: str) -> WorkingConnection:
    """Open a connection in autocommit, and send nothing over it: a pooler may keep even the first question waiting.

    Raises:
        ConnectionFailed: the server cannot be reached, or refuses.
        UsageError: psycopg does not take what the connection string, or the environment, says.
    """
    text = conninfo.make_conninfo(target.conninfo, application_name=application_name, client_encoding="utf8")
    if "connect_timeout" not in _parameters(text):
        given = os.environ.get("PGCONNECT_TIMEOUT")
        if given:
            from zmig.database import connection_string

            connection_string.check_timeout(given)
        else:
            text = conninfo.make_conninfo(text, connect_timeout=_CONNECT_TIMEOUT_SECONDS)
    given = _parameters(text)
    text = conninfo.make_conninfo(text, **tcp.missing(given))
    try:
        opened = WorkingConnection.connect(text, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise _connection_failed(target, error) from None
    except (psycopg.Error, ValueError) as error:  # of psycopg itself, before it asks libpq
        from zmig.database import connection_string

        raise UsageError(connection_string.invalid(target.redactor(str(error)).strip())) from None
    opened.process = os.getpid()
    opened.is_left_to_tcp = "tcp_user_timeout" in given
    forked_children.keep_from(opened)
    return opened


def _connection_failed(target: Target, error: psycopg.OperationalError) -> ConnectionFailed:
    reasons = [line.strip() for line in target.redactor(str(error)).splitlines() if line.strip()]
    text = " ".join(reasons)
    return ConnectionFailed(
        Problem(
            "no-connection",
            f"the database at `{target.host}` cannot be reached: {reasons[0] if reasons else 'no reason given'}",
            facts=tuple(reasons[1:]),
            effect="nothing was run",
            hint=connection_hints.for_failed_connection(text, target.written_in),
        )
    )


def connection_lost(target: Target, error: psycopg.Error, *, effect: str) -> ConnectionFailed:
    """Return the error for a connection that broke during a run."""
    lines = [line.strip() for line in target.redactor(str(error)).splitlines() if line.strip()]
    return ConnectionFailed(
        Problem(
            "connection-lost",
            f"the connection to the database was lost: {lines[0] if lines else 'no reason given'}",
            facts=tuple(lines[1:]),
            effect=effect,
            hint="once the server answers again, run the same command: it continues from what is recorded",
        )
    )


def backend_pid(connection: Connection) -> int:
    """Return the process id of the backend that answers; behind a pooler not the one libpq knows of."""
    row = connection.execute("select pg_catalog.pg_backend_pid()").fetchone()
    return cast("int", row[0]) if row is not None else 0


@contextmanager
def translated(target: Target) -> Generator[None]:
    """Turn what the server says to zmig's own statements into errors people can act on.

    Raises:
        ConnectionFailed: the connection broke.
        TrackingError: the server refuses, for example because the role lacks a right.
    """
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None:
            is_ending = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        else:
            is_ending = error.sqlstate[:2] == "08" or error.sqlstate in _ENDING
        if is_ending:
            raise connection_lost(target, error, effect="nothing was run") from error
        raise _refused(target, error) from error


_ENDING = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04"})
"""SQLSTATEs with which a server ends a session."""


def _refused(target: Target, error: psycopg.Error) -> TrackingError:
    codes = {"42501": "missing-right", "25006": "read-only"}
    state = () if error.sqlstate is None else (f"PostgreSQL {error.sqlstate}",)
    said = (error.diag.message_detail, error.diag.message_hint, error.diag.context)
    message = target.redactor(error.diag.message_primary or str(error))
    facts = (*state, *(target.redactor(text) for text in said if text is not None))
    if connection_hints.is_cancelled(error.sqlstate, message):
        return TrackingError(connection_hints.cancelled(message, facts))
    return TrackingError(
        Problem(
            codes.get(error.sqlstate or "", "database-refused"),
            f"the database refuses: {message}",
            facts=facts,
            effect="nothing was run",
            hint=connection_hints.for_sqlstate(error.sqlstate, target.written_in),
        )
    )


def is_lost(connection: Connection, error: BaseException | None = None) -> bool:
    """Whether the connection can no longer be used.

    An error that ends a session may come from another one, which a migration opened; so the server is asked.
    """
    if isinstance(error, psycopg.Error) and error.sqlstate in _ENDING:
        with suppress(psycopg.Error, wire.MessageError):
            wire.send(connection, "")
    return connection.closed or connection.broken
