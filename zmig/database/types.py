"""What zmig asks of connections: psycopg's, and one that answers before psycopg is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    Connection = psycopg.Connection["Row"]
    """Any connection of psycopg's, also one that is not a run's."""

Row = tuple[object, ...]


class ServerInfo(Protocol):
    """What is known of a server without asking it."""

    @property
    def server_version(self) -> int:
        """As in `server_version_num`."""
        ...

    @property
    def backend_pid(self) -> int:
        """The process that the server announced; behind a pooler not the one that answers."""
        ...

    def parameter_status(self, param_name: str, /) -> str | None:
        """Return the value of a setting that the server reports."""
        ...


class Answer(Protocol):
    """The rows that a question returned."""

    def fetchone(self) -> Row | None:
        """Return the next row; None after the last one."""
        ...

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        ...

    def __iter__(self) -> Iterator[Row]: ...


class QuestionCursor(Protocol):
    """Sends a statement and gives its rows in blocks."""

    def execute(self, query: bytes, /) -> object:
        """Send one statement."""
        ...

    def fetchmany(self, size: int, /) -> list[Row]:
        """Return the next rows, at most so many; none after the last one."""
        ...


class Questioning(Protocol):
    """A connection over which questions can be asked."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...

    @property
    def broken(self) -> bool:
        """Whether it was lost."""
        ...

    @property
    def info(self) -> ServerInfo:
        """What is known of the server."""
        ...

    def execute(self, query: bytes, /) -> Answer:
        """Send one statement and return its rows."""
        ...

    def cursor(self) -> QuestionCursor:
        """Return what sends a statement and gives its rows in blocks."""
        ...
