"""Runs a batched migration round by round: each commits together with its checkpoint, the last one with `done`.

A run that is killed loses at most the round in flight, and the next one continues after the last checkpoint.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg.adapt import Buffer, Loader

from zmig.batches import batch, selection, side_queries, timestamps
from zmig.batches.batch import Answer, Reached, Touched
from zmig.batches.rate import RoundRate
from zmig.context import Round
from zmig.database import wire
from zmig.errors import Problem, ZmigError
from zmig.facts import EventType
from zmig.planning.checkpoint import Checkpoint
from zmig.progress import RoundFinished
from zmig.running import batch_key, envelope, repeated_rows_check
from zmig.running.attempt import Fate, failed
from zmig.running.python_call import call
from zmig.running.throttle import Throttle
from zmig.sql import message
from zmig.sql.quoting import literal
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.batches.side_queries import RemainingQuery
    from zmig.model import Batch
    from zmig.running.attempt import Attempt, Failed
    from zmig.running.run_session import RunSession
    from zmig.running.throttle import Row
    from zmig.sql.statement import Statement
    from zmig.text.substitution import Substitution


class _NotCommitted(Exception):
    """A round was not committed, as far as the server said."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(str(error))
        self.error = error


class Batched:
    """One attempt at a batched step."""

    def __init__(self, session: RunSession, attempt: Attempt, settings: Batch) -> None:
        start = attempt.step.checkpoint
        self._session = session
        self._attempt = attempt
        self._settings = settings
        self._throttle = Throttle(session, attempt, max_lag_seconds=settings.max_lag_seconds)
        self._reached_yet = start.reached if start is not None else None
        """How far it is; None until the first attempt has begun its first round."""
        self._rate = RoundRate(0, time.monotonic())
        self._round: Round | None = None
        """The one that Python code is in."""
        self._running: Statement | None = None
        self._shift = 0
        self._rendered: Substitution | None = None
        self._at_commit = False
        self.is_complete = False

    def run(self) -> None:
        """Run round after round; return once the `done` fact is committed."""
        session, attempt = self._session, self._attempt
        one = attempt.prepared.statements[0] if attempt.prepared.statements is not None else None
        with session.interrupts.deferred():
            session.send(*session.clean_sql)
        # Before `started` is recorded: a key that is refused leaves no attempt behind.
        if one is not None and batch.uses_cursor(one):
            batch_key.check(session, attempt, one, start=self._settings.start)
        elif one is not None:
            repeated_rows_check.check(session, attempt, one)
        with session.interrupts.deferred():
            session.send(*envelope.started_sql(session, attempt))
        if one is not None:
            self._repeat(one)
        else:
            call(session, attempt, self._each)
            self._end_code()

    def failed(self, error: BaseException) -> Failed:
        """Return what an error left of it: the rounds that are committed stay."""
        place = self._attempt.place(
            self._running, at_commit=self._at_commit, shift=self._shift, rendered=self._rendered
        )
        return failed(
            self._session,
            self._attempt,
            error,
            at=place,
            fate=Fate.KEPT,
            fate_if_lost=Fate.UNKNOWN,
            reached=Checkpoint(reached=self._reached_yet),
        )

    @property
    def _reached(self) -> Reached:
        assert self._reached_yet is not None
        return self._reached_yet

    def _repeat(self, one: Statement) -> None:
        """Run a statement until it touches no row."""
        with_cursor = batch.uses_cursor(one)
        chosen = selection.read(one)
        rest = side_queries.remaining(one.text, chosen, with_cursor=with_cursor)
        self._running = one
        self._begin(chosen.key_name)
        self._session.observer(self._attempt.starting(one))
        while True:
            done = self._touch(one, with_cursor=with_cursor)
            # That no row was touched is not yet the end: its choice may still find rows that the statement left out.
            if done.rows == 0:
                found = None if rest is None else self._look_again(one, rest)
                if found is None:
                    break
                done = found
            if with_cursor:
                batch.check_moved(self._reached, done, may_descend=chosen.root.command == "select")
            self._close(done)
        self._finish()

    def _each(self) -> Iterator[Round]:
        """Yield rounds for Python code, each in its transaction, until one touched no row."""
        self._begin()
        while True:
            with self._session.interrupts.deferred():
                self._session.send(*envelope.open_sql(self._session, self._attempt))
            reached = self._reached
            self._round = current = Round(self._settings.size, reached.cursor, reached.rows)
            yield current
            if current.touched is None:
                message = "a round ended without saying what it touched"
                hint = "call `batch.done(rows, cursor=...)` in each round"
                raise ZmigError(Problem("batch-result", message, hint=hint))
            if current.touched.rows == 0:
                return
            self._round = None
            self._close(current.touched)

    def _end_code(self) -> None:
        """Record `done` after Python code: with its last round, unless it left that unfinished."""
        is_open = self._session.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        # Code that left its loop early did not say what its round touched, so that is not counted, and not kept either.
        if is_open and (self._round is None or self._round.touched is None):
            self._session.send("rollback")
            is_open = False
        if not is_open:
            self._session.send(*envelope.open_sql(self._session, self._attempt))
        elif self._round is not None and self._round.touched is not None:
            self._count(self._round.touched)
        self._finish()

    def _begin(self, key: str | None = None) -> None:
        """Take up where the last attempt was, or begin with a count of what there is to do."""
        reached = self._reached_yet
        if reached is None:
            total = None if self._settings.total is None else self._ask_total(self._settings.total)
            reached = Reached(self._settings.start, total=total)
        self._reached_yet = replace(reached, key=key)
        self._throttle.wait()
        self._rate = RoundRate(reached.rows, time.monotonic())

    def _ask_total(self, query: str) -> int:
        self._session.send(*envelope.open_sql(self._session, self._attempt))
        row = self._session.connection.execute(query.encode()).fetchone()
        self._session.send("rollback")
        if row is None or len(row) != 1 or not isinstance(row[0], int | float):
            message = f"`batch.total` did not return one number, but {row!r}"
            raise ZmigError(Problem("batch-result", message, hint="write a query such as `select count(*) from users`"))
        return round(row[0])

    def _look_again(self, one: Statement, rest: RemainingQuery) -> Touched | None:
        """Look again after a round that touched no row; return what became of it, None where no rows are left.

        What is left is asked, and the statement run, in one snapshot: the next round begins after rows that this one
        has seen, whatever others insert meanwhile.
        """
        session = self._session
        if self._ask(one, rest) is None:
            return None
        # Asked outside of a snapshot first, which costs nothing to give up: with most batches nothing is left.
        # The level can only be chosen before the first query, and the marks are one.
        _, *marks = envelope.open_sql(session, self._attempt)
        session.send("rollback")
        session.send("begin isolation level repeatable read", *marks)
        left = self._ask(one, rest)
        done = self._touch(one, with_cursor=rest.is_by_key, is_open=True)
        if done.rows:
            return done
        if left is None:
            session.send("rollback")
            session.send(*envelope.open_sql(session, self._attempt))
            return None
        if not rest.is_by_key:
            raise batch.left_over(left.rows)
        return left

    def _ask(self, one: Statement, rest: RemainingQuery) -> Touched | None:
        """Return where the next round would begin, or how many rows are left; None where there is none."""
        session, size = self._session, self._settings.size
        session.check_reading(one)
        session.send("savepoint zmig_rest")
        try:
            with self._execute(self._render(replace(one, source=rest.text)).text) as answered:
                found = _answer(answered)
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.ProgrammingError:  # a choice that cannot be read by itself
            session.send("rollback to zmig_rest")
            return None
        if rest.is_by_key:
            return batch.beyond(found)
        (number,) = cast("tuple[int]", found.rows[0])
        return Touched(number) if number >= (size if rest.takes_all else 1) else None

    def _render(self, one: Statement) -> Substitution:
        cursor = self._reached.cursor
        return batch.render(one, size=self._settings.size, cursor=literal(None if cursor is None else str(cursor)))

    def _execute(self, text: str) -> psycopg.Cursor[tuple[object, ...]]:
        cursor = self._session.connection.cursor()
        # Python's own types end at the year 9999 and know no `infinity`; a key may be either.
        for kind in ("date", "time", "timestamp", "timestamptz"):
            cursor.adapters.register_loader(kind, _Moments)
        return cursor.execute(text.encode())

    def _touch(self, one: Statement, *, with_cursor: bool, is_open: bool = False) -> Touched:
        """Open a round, unless that is done, and run its statement, in one message."""
        session, attempt, sent = self._session, self._attempt, self._render(one)
        session.check_reading(one)
        head = message.query_tag(one.summary, f"{attempt.step.migration.name}, statement 1 of 1, line {one.line}")
        head += "".join(f"{part}; " for part in (() if is_open else envelope.open_sql(session, attempt)))
        self._rendered, self._shift = sent, session.encoding.length(head)
        with self._execute(head + sent.text) as answered:
            while answered.nextset():
                pass
            found = _answer(answered)
        self._rendered, self._shift = None, 0
        return batch.touched(found, with_cursor=with_cursor)

    def _close(self, done: Touched) -> None:
        """Commit a round with its checkpoint, report it, and wait for what holds back the next one."""
        before = self._reached
        self._count(done)
        try:
            with self._session.interrupts.deferred():
                row = self._commit()
        except _NotCommitted as failed:
            self._reached_yet = before
            raise failed.error from None
        self._report()
        if self._settings.pause_seconds:
            self._session.interrupts.sleep(self._settings.pause_seconds)
        self._rate.leave_out(self._throttle.wait(row))

    def _commit(self) -> Row | None:
        """Commit a round; return what the gate asks for, unless there is a pause to be over first.

        Raises:
            _NotCommitted: the server did not say that it was committed.
        """
        session, attempt = self._session, self._attempt
        data = attempt.data(session) | self._reached.data()
        closing = [
            *envelope.own_role_sql(session),
            envelope.check_sql(session),
            session.store.append_sql(session.run, EventType.CHECKPOINT, attempt.step.migration.name, data),
            "commit",
        ]
        # The question travels after the commit in the same message; where a pause is first, the answer would be old.
        asking = () if self._settings.pause_seconds else (self._throttle.query,)
        try:
            reply = session.send_text("; ".join((*closing, *asking)))
        except wire.MessageError as failed:
            # An error of the question, which comes after the commit, says nothing against the round.
            if failed.completed < len(closing):
                raise _NotCommitted(failed.error) from None
            raise failed.error from None
        except psycopg.Error as error:
            raise _NotCommitted(error) from None
        return reply.last if asking else None

    def _count(self, done: Touched) -> None:
        before = self._reached
        cursor = before.cursor if done.cursor is None else done.cursor
        self._reached_yet = replace(before, cursor=cursor, rows=before.rows + done.rows, rounds=before.rounds + 1)

    def _report(self) -> None:
        reached, rate = self._reached, self._rate
        rate.add(reached.rows, time.monotonic())
        left = rate.seconds_left(reached.total)
        self._session.observer(
            RoundFinished(
                self._attempt.step,
                reached.rounds,
                reached.rows,
                reached.total,
                rate.rows_per_second,
                left,
                lag_seconds=self._throttle.lag_seconds,
            )
        )

    def _finish(self) -> None:
        """Record `done` in the transaction of the round that is open."""
        session, attempt = self._session, self._attempt
        if attempt.prepared.verify is not None:
            from zmig.running import verifying

            self._running = None
            verifying.ask_inside(session, attempt, attempt.prepared.verify)
        with session.interrupts.deferred():
            self._running, self._at_commit = None, True
            session.send(
                *envelope.own_role_sql(self._session),
                envelope.end_sql(),
                envelope.check_sql(session),
                envelope.done_sql(session, attempt, seconds=attempt.seconds, reached=self._reached_yet),
                "commit",
            )
            self.is_complete = True
            session.send(*session.clean_sql)


class _Moments(Loader):
    def load(self, data: Buffer) -> timestamps.Moment:
        return timestamps.parse(bytes(data).decode())


def _answer(cursor: psycopg.Cursor[tuple[object, ...]]) -> Answer:
    command = (cursor.statusmessage or "").partition(" ")[0]
    if cursor.description is None:
        return Answer(command, max(cursor.rowcount, 0))
    result = cursor.pgresult
    assert result is not None
    rows = cursor.fetchall()
    values = (result.get_value(number, 0) for number in range(len(rows)))
    texts = [None if value is None else value.decode() for value in values]
    return Answer(command, len(rows), len(cursor.description), rows, texts)
