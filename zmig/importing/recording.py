"""Records another tool's history as facts: under the run's lock and the tool's own, all of it or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from zmig.database import connection as database
from zmig.database import imported_facts
from zmig.errors import UsageError
from zmig.facts import EventType
from zmig.importing import matching, numbering
from zmig.importing.history_reading import HistoryReader
from zmig.other_tools.source import SourceMigration
from zmig.planning import tool_rows
from zmig.session import operator
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.importing.folder import FolderFiles
    from zmig.importing.matching import Kept, Matching, Own, Taken
    from zmig.importing.plan import ImportPlan, PlannedMigration
    from zmig.other_tools.history import AppliedMigration, Matches, Place
    from zmig.other_tools.source import Source
    from zmig.other_tools.tool import Tool
    from zmig.planning.state import Entry
    from zmig.session.database_session import DatabaseSession
    from zmig.session.snapshot import DatabaseSnapshot

_AT_ONCE = 500
"""How many facts travel in one message."""


@valueclass
class HistoryTask:
    """Whose history is to be recorded."""

    plan: ImportPlan
    tool: Tool
    files: FolderFiles
    _: KW_ONLY
    table: str | None = None
    """The tool's table, where somebody names it."""
    accepted: str | None = None
    """Why files may differ from what the tool applied; None where they may not."""
    baseline: str | None = None
    """The entry that has all of what a tool did whose migrations are code; None for one whose are SQL."""
    expected: frozenset[str] | None = None
    """With a baseline that was just made: what the tool had applied then, by its ids."""


@valueclass
class ImportedHistory:
    """What was recorded."""

    tool: str
    title: str
    table: str
    _: KW_ONLY
    names: tuple[str, ...]
    """Entries that count as applied from now on."""
    mismatches: tuple[str, ...]
    """Those of them whose files differ from what the tool applied, which was accepted."""
    kept: tuple[str, ...]
    """Foreign ids that are kept in the history alone."""
    known: int
    """How many rows were imported before."""
    own: tuple[str, ...]
    """Entries that zmig has as applied already by itself."""
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {
            "tool": self.tool,
            "table": self.table,
            "recorded": list(self.names),
            "accepted_mismatches": list(self.mismatches),
            "kept": list(self.kept),
            "known": self.known,
            "applied_before": list(self.own),
            "notes": list(self.notes),
        }


def record(session: DatabaseSession, task: HistoryTask, *, lock_wait_seconds: float | None) -> ImportedHistory:
    """Record a tool's history, and return what was recorded; what was recorded before is not recorded again.

    Raises:
        UsageError: the tool's table is not found, its history has states that nobody can take over, a file differs from
            what was applied, or the manifest lacks an entry; with every problem found.
        PlanRefused: the simple table contradicts the facts.
        TrackingError: it cannot be read or written.
        LockNotObtained: another run, or the tool, kept its lock for too long.
    """
    if task.accepted is not None:
        operator.check_reason(task.accepted, option="--accept-mismatches")
    snapshot = session.snapshot(session.inspect(to_write=True), ask_repeatables=False)
    session.report_timeline_change(snapshot.inspection)
    reader = HistoryReader(session.connection, session.observer, task.tool, _source(task, snapshot.entries))
    with database.translated(session.target):
        reader.find(task.table)
    with session.locked(limit_seconds=lock_wait_seconds), database.translated(session.target):
        snapshot = session.snapshot(session.inspect(to_write=True), holds_lock=True, ask_repeatables=False)
        at = reader.find(task.table)
        with reader.locked(at, limit_seconds=lock_wait_seconds):
            return _Recording(session, task, reader, at, snapshot).result()


def _source(task: HistoryTask, entries: Sequence[Entry]) -> Source:
    """Return the project's migrations, and for a tool that keeps one number also what they were called before."""
    source = task.plan.source
    if not task.tool.history.has_one_number:
        return source
    known = {one.id for one in source.migrations}
    before = tool_rows.by_origin(entries, task.tool.name)
    more = [
        SourceMigration(id, entry.name, None, number=int(id))
        for id, entry in before.items()
        if id not in known and id.isdecimal()
    ]
    return replace(source, migrations=(*source.migrations, *more)) if more else source


class _Recording:
    """One import, in a transaction in which the tool cannot run."""

    def __init__(
        self,
        session: DatabaseSession,
        task: HistoryTask,
        reader: HistoryReader,
        at: Place,
        snapshot: DatabaseSnapshot,
    ) -> None:
        self._session = session
        self._task = task
        self._reader = reader
        self._at = at
        self._snapshot = snapshot

    def result(self) -> ImportedHistory:
        """Match and record."""
        history = self._reader.read(self._at)
        before = self._imported_before()
        question = matching.Question(
            self._task.plan,
            history,
            table=self._at.name,
            entries=self._snapshot.entries,
            counted={row.id: row.name for row in before if row.id is not None and row.name is not None},
            kept={row.id for row in before if row.id is not None and row.name is None},
            matches=self._matches,
            path_of=self._path_of,
            accepts_mismatches=self._task.accepted is not None,
            baseline=self._task.baseline,
            expected=self._task.expected,
        )
        found = matching.match(question)
        if found.problems:
            raise UsageError(*found.problems)
        operator.refuse_contradictions(self._snapshot.migrations, found.names)
        self._session.store.check_names(found.names)
        if found.names or found.kept or found.own or not before:
            with self._session.recording():
                self._write(found)
        return ImportedHistory(
            self._task.tool.name,
            self._task.tool.title,
            self._at.name,
            names=found.names,
            mismatches=tuple(one.entry.name for one in found.taken if one.matches is False),
            kept=tuple(one.row.id for one in found.kept),
            known=found.known,
            own=tuple(one.entry.name for one in found.own),
            notes=found.notes,
        )

    def _imported_before(self) -> list[imported_facts.ImportedRow]:
        if not self._snapshot.inspection.has_events:
            return []
        rows = imported_facts.rows(self._session.connection, self._session.store.events)
        return [row for row in rows if (row.tool, row.table) == (self._task.tool.name, self._at.name)]

    def _matches(self, row: AppliedMigration, planned: PlannedMigration) -> Matches:
        return self._task.tool.matches(row, planned.source, self._task.plan.source, self._task.files)

    def _path_of(self, planned: PlannedMigration) -> str:
        script = planned.source.up
        return str(planned.file.path if script is None else self._task.files.path(script.path))

    def _write(self, found: Matching) -> None:
        """Append the facts, many in one message."""
        session = self._session
        session.prepare_store(self._snapshot)
        prepared = session.store.prepare_many_sql(session.run, EventType.BASELINED, EventType.IMPORTED)
        for statement in prepared:
            session.connection.execute(statement.encode())
        for statements in _blocks(self._statements(found), _AT_ONCE):
            session.connection.execute(";\n".join(statements).encode())
        session.connection.execute(b"deallocate zmig_many_applied; deallocate zmig_many_beside")

    def _statements(self, found: Matching) -> Iterator[str]:
        store = self._session.store
        if found.baseline is not None:
            yield store.one_applied_sql(
                found.baseline.name, self._baseline(found.baseline), kind=operator.kind_of(found.baseline)
            )
        for one in found.taken:
            yield store.one_applied_sql(one.entry.name, self._applied(one), kind=operator.kind_of(one.entry))
        for one in found.kept:
            yield store.one_beside_sql(one.row.id, self._beside(one))
        for own in found.own:
            yield store.one_beside_sql(own.row.id, self._of_own(own))
        if not (found.names or found.kept or found.own):  # so that it is known that somebody looked, and found nothing
            yield store.one_beside_sql(self._at.name, self._data("nothing was applied", {}))

    def _applied(self, one: Taken) -> dict[str, object]:
        reason = self._task.accepted if one.matches is False else None
        origin = self._origin(one.row, one.matches, reason)
        return {**operator.fact_data(self._session, one.entry, self._reason), "origin": origin}

    def _baseline(self, entry: Entry) -> dict[str, object]:
        origin = {"tool": self._task.tool.name, "table": self._at.name}
        return {**operator.fact_data(self._session, entry, self._reason), "origin": origin}

    @property
    def _reason(self) -> str:
        return f"imported from {self._task.tool.title}"

    def _beside(self, one: Kept) -> dict[str, object]:
        origin = self._origin(one.row, one.matches, None)
        name = self._names.get(one.row.id) or one.row.called
        return self._data(one.reason, origin if name in (None, one.row.id) else {**origin, "name": name})

    @cached_property
    def _names(self) -> dict[str, str]:
        """What entries of the project's migrations are called, by their ids."""
        return {one.id: numbering.fitting(one.name) for one in self._task.plan.source.migrations}

    def _of_own(self, one: Own) -> dict[str, object]:
        return self._data(f"`{one.entry.name}` is applied by zmig", self._origin(one.row, one.matches, None))

    def _data(self, reason: str, origin: dict[str, object]) -> dict[str, object]:
        whole = {"tool": self._task.tool.name, "table": self._at.name, **origin}
        return {"run_id": self._session.run.id, "reason": reason, "origin": whole}

    def _origin(self, row: AppliedMigration, matches: Matches, reason: str | None) -> dict[str, object]:
        """Return what a fact says of where it comes from; what is not known is left out, but for `matches`."""
        said: dict[str, object] = {
            "tool": self._task.tool.name,
            "table": self._at.name,
            "id": row.id,
            "applied_at": None if row.at is None else _moment(row.at),
            "applied_by": row.by,
            "duration_ms": row.duration_ms,
            "checksum": row.checksum,
            "was_run": row.was_run,
            "reason": None if reason is None else self._session.target.redactor(reason),
        }
        return {**{key: value for key, value in said.items() if value is not None}, "matches": matches}


def _moment(at: datetime) -> str:
    """Return a time in UTC; one without a zone is in UTC already."""
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _blocks(statements: Iterable[str], size: int) -> Iterator[Sequence[str]]:
    rest = iter(statements)
    while block := list(islice(rest, size)):
        yield block
