"""The history of another tool, found in a database and read while the tool is kept from running."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from zmig.database import lock_holder, tool_history, tool_lock
from zmig.errors import LockNotObtained, Problem, TrackingError, UsageError
from zmig.hints import Hint, SuggestedCommand
from zmig.other_tools.history_tables import MARKS, fitting, tables_of
from zmig.progress import Notice
from zmig.sql.quoting import bare, identifier
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from zmig.database.connection import WorkingConnection
    from zmig.database.lock_holder import LockHolder
    from zmig.other_tools.history import Place, ToolHistory, ToolLock
    from zmig.other_tools.source import Source
    from zmig.other_tools.tool import Tool
    from zmig.progress import Observer

    _Tables = Mapping[tuple[str, str], frozenset[str]]

NOTHING = "nothing was recorded"

_NAME = r'("(?:[^"]|"")+"|[^."]+)'
_TABLE = re.compile(rf"(?:{_NAME}\.)?{_NAME}")
_PLAIN = re.compile('[^."]+')


@valueclass
class HistoryReader:
    """What finds and reads one tool's history through a connection."""

    connection: WorkingConnection
    observer: Observer
    tool: Tool
    source: Source

    def find(self, named: str | None) -> Place:
        """Return the table in which the tool keeps its history: the one named, else the project's, else by columns.

        Raises:
            UsageError: there is none, or more than one.
        """
        connection = self.connection
        seen = tool_history.tables(connection)
        schema, table = self._chosen(seen, named)
        return tool_history.place(connection, schema, table, seen)

    def _chosen(self, seen: _Tables, named: str | None) -> tuple[str, str]:
        title, mark = self.tool.title, MARKS[self.tool.name]
        wanted = self.source.history_table if named is None else named
        if wanted is None:
            by_name = {_written(*names): names for names in seen}
            own = tables_of(self.tool.name, {written: seen[names] for written, names in by_name.items()})
            found = [by_name[written] for written in own]
        else:
            found = _named(wanted, seen)
            if len(found) > 1:
                found = [names for names in found if mark.has_columns(seen[names])] or found
        if len(found) == 1 and mark.has_columns(seen[found[0]]):
            return found[0]
        if len(found) > 1:
            raise UsageError(_several(title, found))
        if found:
            raise UsageError(_other(title, _written(*found[0]), seen[found[0]], mark.columns))
        raise UsageError(_none(self.tool, wanted, is_named=named is not None, seen=seen))

    @contextmanager
    def locked(self, at: Place, *, limit_seconds: float | None) -> Generator[None]:
        """Run the block in a transaction with one snapshot, in which the tool cannot run.

        Raises:
            LockNotObtained: it runs, and did so for too long.
            TrackingError: this role may not lock the table.
        """
        title, lock = self.tool.title, self.tool.history.lock(at)
        connection, database = self.connection, at.database

        def report(holder: LockHolder | None, seconds: float) -> None:
            held = f"held by {lock_holder.describe(holder)}"
            self.observer(Notice(None, "NOTICE", f"waiting for {title}'s lock, {held}; {seconds:.0f} s so far"))

        def not_obtained(holder: LockHolder | None, waited: float) -> LockNotObtained:
            return LockNotObtained(_held(title, database, f"held by {lock_holder.describe(holder)}", waited))

        tables = lock.tables if lock.keys else (at.quoted, *lock.tables)
        with (
            tool_lock.advisory_locks(
                connection, lock.keys, limit_seconds=limit_seconds, report=report, not_obtained=not_obtained
            ),
            self._allowed(at),
            tool_lock.transaction(
                connection, tables, limit_seconds=limit_seconds, report=report, not_obtained=not_obtained
            ),
        ):
            if lock.query is not None:
                self._require_plain(at)
            self._refuse_lock_in_table(lock, at)
            yield

    def _refuse_lock_in_table(self, lock: ToolLock, at: Place) -> None:
        """Make sure that nobody holds a lock that is a row of a table. Raises LockNotObtained."""
        if lock.query is None:
            return
        row = self.connection.execute(lock.query.encode()).fetchone()
        if row is not None and row[0] is not None:
            raise LockNotObtained(_held(self.tool.title, at.database, f"held by {row[0]}", None))

    def read(self, at: Place) -> ToolHistory:
        """Return what the history says.

        Raises:
            TrackingError: this role may not read it.
        """
        self._require_plain(at)
        try:
            rows = tool_history.rows(self.connection, self.tool.history, at)
        except psycopg.errors.InsufficientPrivilege as error:
            role = bare(self.connection.info.user)
            hint = f"as its owner, run `grant select on {at.quoted} to {role}`, and grant `usage` on its schema"
            raise TrackingError(self._forbidden("read", at, error, hint)) from error
        except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction) as error:
            raise TrackingError(self._unknown(at, error)) from error
        return self.tool.history.read(rows, self.source)

    @contextmanager
    def _allowed(self, at: Place) -> Generator[None]:
        """Turn a right to lock that is missing into an error people can act on. Raises TrackingError."""
        try:
            yield
        except tool_lock.MayNotLock as error:
            hint = f"import as the role that owns `{at.name}`"
            raise TrackingError(self._forbidden("lock", at, error.cause, hint)) from error.cause

    def _forbidden(self, what: str, at: Place, error: psycopg.Error, hint: str) -> Problem:
        role = self.connection.info.user
        return Problem(
            "history-forbidden",
            f"role `{role}` may not {what} `{at.name}`, in which {self.tool.title} keeps its history",
            facts=(f"PostgreSQL {error.sqlstate}: {error.diag.message_primary}",),
            effect=NOTHING,
            hint=hint,
        )

    def _require_plain(self, at: Place) -> None:
        """Make sure that nothing but PostgreSQL's own code runs where the tool's tables are read."""
        if tool_history.runs_code(self.connection, at, self.tool.name):
            raise TrackingError(self._not_plain(at))

    def _not_plain(self, at: Place) -> Problem:
        return Problem(
            "history-unknown",
            f"`{at.name}` is not as {self.tool.title} makes it: to read it may run code of somebody else's",
            facts=("it, or a table beside it, has row-level security, or a column of a type that is not PostgreSQL's",),
            effect=NOTHING,
            hint="name another table with `--table`; if it is the right one, take that away",
        )

    def _unknown(self, at: Place, error: psycopg.Error) -> Problem:
        return Problem(
            "history-unknown",
            f"`{at.name}` is not as {self.tool.title} makes it today: {error.diag.message_primary}",
            facts=(f"it has {_listed(at.columns)}",),
            effect=NOTHING,
            hint=f"let a current version of {self.tool.title} bring its table up to date, or record a baseline",
        )


def _named(text: str, seen: _Tables) -> list[tuple[str, str]]:
    """Return the tables that a text means; where none is spelled so, case makes no difference. Raises UsageError."""
    parts = _parts(text)
    found = [names for names in seen if names[-len(parts) :] == parts]
    lower = tuple(map(str.lower, parts))
    return found or [names for names in seen if tuple(map(str.lower, names))[-len(parts) :] == lower]


def _parts(text: str) -> tuple[str, ...]:
    """Return the parts of `schema.table` or `table`. Raises UsageError."""
    match = _TABLE.fullmatch(text)
    if match is None:
        message = f"`{text}` does not name a table"
        raise UsageError(Problem("usage", message, effect=NOTHING, hint="write it as `schema.table`"))
    return tuple(_unquoted(part) for part in match.groups() if part is not None)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _written(schema: str, table: str) -> str:
    """Return a table as `--table` takes it."""
    return ".".join(name if _PLAIN.fullmatch(name) else identifier(name) for name in (schema, table))


def _several(title: str, found: Sequence[tuple[str, str]]) -> Problem:
    names = [_written(*names) for names in found]
    return Problem(
        "history-ambiguous",
        f"{len(names)} tables may be where {title} keeps its history",
        facts=tuple(f"`{name}`" for name in names),
        effect=NOTHING,
        hint=Hint("name the one that is meant with ", _again("--table", names[0])),
    )


def _other(title: str, name: str, columns: frozenset[str], wanted: frozenset[str]) -> Problem:
    return Problem(
        "history-unknown",
        f"`{name}` is not a table in which {title} keeps its history",
        facts=(f"it has {_listed(columns)}", f"{title}'s have {_listed(wanted)}"),
        effect=NOTHING,
        hint="name another table with `--table`, or another tool with `--from`",
    )


def _none(tool: Tool, wanted: str | None, *, is_named: bool, seen: _Tables) -> Problem:
    by_name = {_written(*names): columns for names, columns in seen.items()}
    others = [f"`{name}` is {MARKS[other].title}'s" for name, other in fitting(by_name)]
    if wanted is None:
        message = f"no table is one in which {tool.title} keeps its history, such as `{tool.history.default}`"
    else:
        where = "" if is_named else f", which {tool.title}'s configuration names"
        message = f"there is no table `{wanted}`{where}"
    return Problem(
        "history-missing",
        message,
        facts=tuple(others),
        effect=NOTHING,
        hint="name the database with `--database-url`, or the table with `--table`",
    )


def _held(title: str, database: str, by: str, waited: float | None) -> Problem:
    longer = Hint("wait longer for it with ", _again("--lock-wait", "10min"))
    release = f"wait for its end; a lock that is left over is released by {title}'s own command"
    return Problem(
        "tool-lock-held",
        f"{title} holds its lock on database `{database}`: it may be running",
        facts=(by, *(() if waited is None else (f"waited {waited:.1f} s",))),
        effect=NOTHING,
        hint=release if waited is None else longer,
    )


def _again(option: str, value: str) -> SuggestedCommand:
    return SuggestedCommand("import", (option, value), is_repetition=True)


def _listed(columns: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(columns))
