"""Sends a COPY and the rows that follow it in the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem, ZmigError

if TYPE_CHECKING:
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement


_BINARY = Problem(
    "copy-binary",
    "the rows of a binary COPY cannot be in a text file",
    hint="write the COPY without `binary` and its rows as text",
)


def copy_rows(session: RunSession, one: Statement) -> int | None:
    """Run a COPY with its rows; return how many it took.

    Raises:
        ZmigError: it takes octets, which a text file cannot hold.
    """
    session.check_reading(one)
    session.speak_utf8()
    with session.connection.cursor() as cursor:
        with cursor.copy(one.text.encode()) as copy:
            if cursor.pgresult is not None and cursor.pgresult.binary_tuples:
                raise ZmigError(_BINARY)
            for block in one.copy_data.blocks if one.copy_data is not None else ():
                copy.write(block)
        return cursor.rowcount if cursor.rowcount >= 0 else None
