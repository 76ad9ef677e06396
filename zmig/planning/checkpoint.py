"""How far a file is that runs outside a transaction: what its checkpoint facts say, and how they say it.

Pure. A checkpoint is after every statement that is known to be done. One is also before every statement
that is sent alone, because such a statement has no end that could commit together with a fact.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from dataclasses import KW_ONLY

    from zmig.batches.batch import Reached
    from zmig.facts import Fact
    from zmig.planning.history import Record
    from zmig.sql.statement import Statement


@valueclass
class Sent:
    """A statement that was sent alone, and whose end is in no checkpoint."""

    number: int
    _: KW_ONLY
    subject: str | None
    """What it may leave half done, as `zmig.running.resume` calls it."""
    before: object
    """What `zmig.database.catalog` saw of its subject before it was sent; a JSON value."""
    digest: str
    """Of the statement, so that an edit of it is noticed."""
    is_refused: bool = False
    """Whether the server refused it: then it had no effect, though it may have left something half done."""

    def data(self) -> dict[str, object]:
        """Return what a checkpoint fact holds of it."""
        return {"sent": self.number, "subject": self.subject, "before": self.before, "sent_digest": self.digest}


@valueclass
class Checkpoint:
    """Where a file that runs outside a transaction continues."""

    statements: int = 0
    """How many of its statements are known to be done."""
    digest: str | None = None
    """Of those statements, so that an edit of them is noticed."""
    sent: Sent | None = None
    """The statement after them, if it was sent."""
    reached: Reached | None = None
    """How far a batched migration is."""


def stays(checkpoint: Checkpoint) -> str:
    """Say what is in the database of a migration that failed outside of one transaction, as far as this is known."""
    reached = checkpoint.reached
    if reached is not None:
        if not reached.rounds:
            return "no round had completed"
        rounds = "1 round" if reached.rounds == 1 else f"{reached.rounds} rounds"
        return f"the {reached.rows} rows of {rounds} stay changed, and the next run continues after them"
    match checkpoint.statements:
        case 0:
            return "no statement had completed"
        case 1:
            return "statement 1 stays applied"
        case completed:
            return f"statements 1-{completed} stay applied"


def from_facts(record: Record) -> Checkpoint | None:
    """Return the checkpoint of a migration that was not completed; None where it begins at its beginning."""
    fact = record.checkpoint
    if fact is None:
        return None
    from zmig.batches import batch

    sent, number = None, fact.integer("sent")
    if number is not None:
        sent = Sent(
            number,
            subject=fact.text("subject"),
            before=fact.data.get("before"),
            digest=fact.text("sent_digest") or "",
            is_refused=record.last is not None and _is_refusal(record.last, number),
        )
    statements = fact.integer("statement") or 0
    return Checkpoint(statements, fact.text("digest"), sent, batch.reached(fact.data))


def _is_refusal(last: Fact, number: int) -> bool:
    """Whether the server, or an operator, said that statement `number` had no effect."""
    if last.type is EventType.RESOLVED:
        return last.text("as") == "failed"
    return last.integer("refused") == number


def digest(statements: Iterable[Statement]) -> str:
    """Return the sha256, in hex, of statements in a row."""
    return str(Digest(statements))


class Digest:
    """The sha256 of statements in a row, as one follows the other."""

    def __init__(self, statements: Iterable[Statement] = ()) -> None:
        self._hash = sha256()
        for statement in statements:
            self.add(statement)

    def add(self, statement: Statement) -> None:
        """Let the next statement count."""
        self._hash.update(statement.content)
        self._hash.update(b"\0")

    def __str__(self) -> str:
        return self._hash.hexdigest()
