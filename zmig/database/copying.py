"""Sends a COPY and the rows that stand behind it in the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.running.session import Session
    from zmig.sql.script import Statement


def copy_rows(session: Session, one: Statement) -> int | None:
    """Run a COPY with its rows; return how many it took."""
    session.speak_utf8()
    with session.connection.cursor() as cursor:
        with cursor.copy(one.text.encode()) as copy:
            for block in one.copy_data.blocks if one.copy_data is not None else ():
                copy.write(block)
        return cursor.rowcount if cursor.rowcount >= 0 else None
