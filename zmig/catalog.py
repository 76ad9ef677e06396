"""Looks into the catalog to learn what became of a statement that cannot run in a transaction.

Such a statement has no outcome of its own that commits with a checkpoint, so after a crash the one behind the
last checkpoint is ambiguous: it may not have begun, be half done, or be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.database import Connection
    from zmig.script import Statement


def settle(connection: Connection, one: Statement, *, path: str, text: str | None) -> bool:
    raise NotImplementedError


def verify(connection: Connection, one: Statement) -> None:
    raise NotImplementedError
