"""What must hold wherever a fact is written, as SQL that fails where it does not, and as problems for people.

Each is checked by the statement that writes the fact, or beside it, so that it costs no round trip and the fact is
written in no other transaction than the one it belongs to. A cast that fails carries what is broken in its message,
which needs no function in the database; and a token that no migration knows, since one may say the same words.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

import psycopg

from zmig.database.table_definitions import EVENTS
from zmig.errors import Problem
from zmig.sql.quoting import literal

if TYPE_CHECKING:
    from collections.abc import Iterable


class Broken(StrEnum):
    """What did not hold, as it is in the server's message."""

    LOCK = "zmig: lock lost"
    """The session holds the run's lock."""
    TRANSACTION = "zmig: transaction ended"
    """The open transaction is the one that zmig opened."""
    FACT = "zmig: fact missing"
    """The fact that was written is there, as it was written."""
    ROW = "zmig: row missing"
    """So is its row in the simple table; or none is, where it was taken back."""
    POSITION = "zmig: position behind"
    """The fact is after all others."""


_TOKEN = os.urandom(8).hex()


def check_sql(broken: Iterable[tuple[str, Broken]]) -> str:
    """Return an expression that fails with the first of these whose condition, which is SQL, is true."""
    cases = " ".join(f"when {condition} then '{words(what)}'" for condition, what in broken)
    return f"(case {cases} else '1' end)::pg_catalog.int4"


def broken_by(error: BaseException, *, schema: str, is_own: bool = False) -> Broken | None:
    """Return what an error of the server says that did not hold of the facts in a schema.

    `is_own` says that a statement of zmig's own raised it.
    """
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate == _UNIQUE_VIOLATION and (error.diag.schema_name, error.diag.table_name) == (schema, EVENTS):
        return Broken.POSITION
    if is_own and error.sqlstate == _NOT_SUPPORTED and error.diag.source_function == "RewriteQuery":
        return Broken.FACT  # a rule that does nothing, or something else, instead
    return next((broken for broken in Broken if is_said(broken, error)), None)


def words(text: str) -> str:
    """Return what a cast of zmig's that fails is to say; a migration's own statements cannot."""
    return f"{text} ({_TOKEN})"


def is_said(text: str, error: psycopg.Error) -> bool:
    """Whether a cast of zmig's failed that says this text."""
    return error.sqlstate == _INVALID_TEXT and words(text) in str(error)


_UNIQUE_VIOLATION, _NOT_SUPPORTED, _INVALID_TEXT = "23505", "0A000", "22P02"


def problem(broken: Broken, what: str, *, events: str, projection: str) -> Problem:
    """Return what to report of it, about `what` was to be recorded; the tables' names are given as SQL spells them."""
    match broken:
        case Broken.LOCK:
            return Problem("lock-lost", f"{what} released the run's lock, so another run may have begun beside it")
        case Broken.TRANSACTION:
            return Problem("transaction-ended", f"{what} ended the transaction zmig runs it in")
        case Broken.FACT | Broken.ROW:
            table = events if broken is Broken.FACT else projection
            return Problem(
                "fact-not-written",
                f"{what} could not be recorded: what was written to `{table}` is not there",
                facts=("a trigger or a rule on the table keeps the row out, or changes it",),
                hint=f"remove what is on the table (`\\d {table}` in psql shows it), then run the command again",
            )
        case Broken.POSITION:
            sequence = f"pg_get_serial_sequence({literal(events)}, 'position')"
            return Problem(
                "positions-behind",
                f"{what} could not be recorded: the positions that `{events}` hands out are behind those of its facts",
                facts=("its sequence was set back, restored without its value, or promoted with a logical replica",),
                hint=f"as its owner, run `select setval({sequence}, (select max(position) from {events}))`",
            )
