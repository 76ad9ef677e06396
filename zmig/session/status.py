"""The status of a database against its manifest, as plain values for scripts and screens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import Kind
from zmig.planning import blocked_by
from zmig.planning.state import Entry, State
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from dataclasses import KW_ONLY

    from zmig.database.lock_holder import LockHolder
    from zmig.database.lock_queue import LockQueue
    from zmig.database.standby import Standby
    from zmig.database.timeline import TimelineChange
    from zmig.facts import OddRow
    from zmig.model import Environment
    from zmig.session.schema_drift import SchemaDrift
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.tool_use import NotImported, StillUsed


@valueclass
class Status:
    """The state of every migration."""

    _: KW_ONLY
    manifest: str
    environment: Environment
    database: str
    current_version: int
    """The highest applied version; 0 when nothing is applied."""
    applied: list[str]
    pending: list[str]
    running: list[str]
    failed: list[str]
    stuck: list[str]
    due: list[str]
    """Repeatables that would run now."""
    migrations: Sequence[Entry]
    holder: LockHolder | None = None
    """Who holds the run's lock, if something is started and not ended."""
    standby: Standby | None = None
    """What the server is like, if it is a standby."""
    timeline_change: TimelineChange | None = None
    """How the server's timeline differs from that of the last run on record, if it does."""
    undeclared: Sequence[str] = ()
    """Files that look like migrations, and that no entry names."""
    is_guarded: bool = True
    """Whether the trigger is there, and enabled, that keeps facts from being changed."""
    odd_rows: Sequence[OddRow] = ()
    """Rows among the facts that can be read only in part, or not at all, and matter to the state of a migration."""
    schema: SchemaDrift | None = None
    """How the database's schema differs from what the last run recorded; None where there are no facts."""
    still_used: Sequence[StillUsed] = ()
    """Other tools that have applied something since their history was imported."""
    not_imported: NotImported | None = None
    """The tool whose history is in the database, where zmig has not run on it yet."""
    queue: LockQueue | None = None
    """Who waits for the run that holds the lock; None while nobody waits for any lock."""

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {
            "manifest": self.manifest,
            "environment": self.environment.value,
            "database": self.database,
            "current_version": self.current_version,
            "applied": self.applied,
            "pending": self.pending,
            "running": self.running,
            "failed": self.failed,
            "stuck": self.stuck,
            "due": self.due,
            "lock_holder": self.holder.as_dict() if self.holder is not None else None,
            "standby": self.standby.as_dict() if self.standby is not None else None,
            "timeline_change": self.timeline_change.as_dict() if self.timeline_change is not None else None,
            "undeclared": list(self.undeclared),
            "facts_guarded": self.is_guarded,
            "odd_rows": [row.as_dict() for row in self.odd_rows],
            "schema": self.schema.as_dict() if self.schema is not None else None,
            "other_tools": [one.as_dict() for one in self.still_used if one.ids or one.taken_back],
            "existing_history": self.not_imported.as_dict() if self.not_imported is not None else None,
            "lock_queue": self.queue.as_dict() if self.queue is not None and self.queue.count else None,
            "migrations": [_migration(entry) for entry in self.migrations],
        }


def make(snapshot: DatabaseSnapshot, *, manifest: str, environment: Environment) -> Status:
    """Return the status that a view amounts to."""

    def names(state: State) -> list[str]:
        return [entry.name for entry in snapshot.entries if entry.state is state]

    return Status(
        manifest=manifest,
        environment=environment,
        database=snapshot.inspection.database,
        current_version=snapshot.migrations.current_version,
        applied=names(State.DONE),
        pending=names(State.PENDING),
        running=names(State.STARTED),
        failed=names(State.FAILED),
        stuck=names(State.STUCK),
        due=[entry.name for entry in snapshot.entries if entry.due],
        migrations=snapshot.entries,
        holder=snapshot.holder,
        standby=snapshot.standby,
        is_guarded=snapshot.inspection.is_guarded,
        odd_rows=snapshot.odd_rows,
    )


def _migration(entry: Entry) -> dict[str, object]:
    record = entry.record
    applied_at = record.applied_at if record else None
    unhealthy = entry.state in (State.FAILED, State.STUCK)
    failed = record.failed if record and unhealthy else None
    return {
        "version": entry.version,
        "name": entry.name,
        "kind": _kind(entry),
        "state": entry.state.value,
        "findings": [{"code": finding.code.value, "message": finding.message} for finding in entry.findings],
        "applied_at": applied_at.isoformat() if applied_at else None,
        "applied_by": record.applied.database_user if record and record.applied else None,
        "duration_ms": record.duration_ms if record else None,
        "checksum": record.checksum if record else None,
        "attempt": record.attempt if record else 0,
        "replaces": _replaces(entry),
        "origin": dict(entry.origin) or None,
        "error": failed.data.get("error") if failed is not None else None,
        "blocked_by": [one.as_dict() for one in blocked_by.of_fact(failed)],
    }


def _replaces(entry: Entry) -> str | None:
    replaces = entry.migration.replaces if entry.migration is not None else None
    return None if replaces is None else str(replaces)


def _kind(entry: Entry) -> str | None:
    if entry.migration is not None:
        return entry.migration.kind.value
    recorded = entry.record.applied.text("kind") if entry.record and entry.record.applied else None
    return recorded if recorded in set(Kind) else None
