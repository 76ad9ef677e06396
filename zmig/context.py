"""What a Python migration is given, `Context`, and what it has to be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from zmig.errors import Problem, UsageError
from zmig.progress import Notice, Reported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import psycopg
    from psycopg.sql import SQL, Composed

    from zmig.batches.batch import Key, Touched
    from zmig.planning.plan import Step
    from zmig.progress import Observer


class Round:
    """One round of a batched migration, inside its transaction."""

    def __init__(self, size: int, cursor: Key | None, rows_before: int) -> None:
        self.size = size
        """How many rows to take, as the manifest says."""
        self.cursor = cursor
        """The key to begin after: what the round before gave to `done`, at first the manifest's `start`."""
        self.rows_before = rows_before
        """How many rows all rounds before this one touched."""
        self.touched: Touched | None = None
        """What was given to `done`."""

    def done(self, rows: int, *, cursor: Key | None = None) -> None:
        """Say how many rows were touched, and the last key: a whole number or a text. No rows end the batches."""
        from zmig.batches.batch import Touched

        self.touched = Touched(rows, cursor)


class Context:
    """The surroundings of one execution of one Python migration. It keeps nothing else that is assigned to it."""

    __slots__ = ("_observer", "_rounds", "_step", "connection", "log", "name", "run_id", "version")

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],  # a row's values have the types of its columns
        *,
        version: int,
        name: str,
        run_id: str,
        step: Step | None = None,
        observer: Observer | None = None,
        rounds: Callable[[], Iterator[Round]] | None = None,
    ) -> None:
        self.connection = connection
        """The psycopg connection, inside the migration's transaction; zmig commits it, together with `done`."""
        self.version = version
        """The migration's version."""
        self.name = name
        """The migration's name."""
        self.run_id = run_id
        """The run this execution belongs to."""
        self.log = logging.Logger(f"zmig.migration.{name}", logging.INFO)
        """What is logged here is shown as the run goes on."""
        self._step = step
        self._observer = observer
        self._rounds = rounds
        self.log.addHandler(logging.NullHandler() if observer is None else _ToObserver(observer, step))

    def execute(
        self, query: str | bytes | SQL | Composed, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement on the connection and return its cursor; placeholders are psycopg's `%s`."""
        return self.connection.execute(query.encode() if isinstance(query, str) else query, parameters)

    def batches(self) -> Iterator[Round]:
        """Yield rounds, each in a transaction of its own that is committed when the next one is asked for.

        Each gets to know what it touched by `done`; the one that touched no row is the last. A migration that is
        run again after a failure, or after its process died, begins after the last round that was committed.

        Raises:
            UsageError: its manifest entry has no `batch`.
        """
        if self._rounds is None:
            raise UsageError(
                Problem(
                    "batch-undeclared",
                    f"migration `{self.name}` asks for batches, and its manifest entry has no `batch`",
                    hint="write `batch: {size: 1000, start: 0}` in the manifest entry",
                )
            )
        return self._rounds()

    def progress(self, message: str, *, done: int | None = None, total: int | None = None) -> None:
        """Say how far the migration is, for whoever watches the run."""
        if self._observer is not None and self._step is not None:
            self._observer(Reported(self._step, message, done, total))


class _ToObserver(logging.Handler):
    def __init__(self, observer: Observer, step: Step | None) -> None:
        super().__init__()
        self._observer = observer
        self._step = step

    def emit(self, record: logging.LogRecord) -> None:
        self._observer(Notice(self._step, record.levelname, self.format(record)))


@runtime_checkable
class CodeMigration(Protocol):
    """A migration defined in code, for `Migrator.register_migration`.

    It may also have `rollback(ctx)` and `should_repeat(ctx, last_run)`.
    """

    @property
    def version(self) -> int:
        """Its identity, a positive integer."""
        ...

    @property
    def name(self) -> str:
        """What facts and messages call it."""
        ...

    def execute(self, ctx: Context, /) -> object:
        """Do the work, inside the migration's transaction."""
        ...
