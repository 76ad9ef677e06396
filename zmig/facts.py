"""Facts: the rows of `migration_events`, as values."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, cast

from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import KW_ONLY
    from datetime import datetime


class EventType(StrEnum):
    """What happened to a migration; the stored spelling."""

    STARTED = "migration.started"
    DONE = "migration.done"
    FAILED = "migration.failed"
    CHECKPOINT = "migration.checkpoint"
    ROLLBACK_STARTED = "migration.rollback_started"
    ROLLED_BACK = "migration.rolled_back"
    ROLLBACK_FAILED = "migration.rollback_failed"
    RESOLVED = "migration.resolved"
    BASELINED = "migration.baselined"
    ACCEPTED = "migration.accepted"
    PAUSED = "migration.paused"
    """Asks a batched migration to wait between two rounds."""
    RESUMED = "migration.resumed"
    OUTDATED = "migration.outdated"
    """A repeatable is due again: a migration that it may rest on was rolled back."""
    OBSERVED = "migration.observed"
    """What the database's schema was like at the end of a run. It says nothing of a migration's state."""
    IMPORTED = "migration.imported"
    """What another tool's history says that makes no migration applied. It says nothing of a migration's state."""

    @classmethod
    def parse(cls, text: str) -> EventType | None:
        """Return the type that `text` names, with or without its `migration.` prefix; None for a foreign one."""
        return _SPELLINGS.get(text)

    @property
    def label(self) -> str:
        """The type without its `migration.` prefix, as people read it."""
        return self.value.removeprefix("migration.")


_SPELLINGS = {spelling: type for type in EventType for spelling in (type.value, type.label)}


class Verdict(StrEnum):
    """What an operator may resolve a migration as; it replaces everything known before."""

    DONE = "done"
    FAILED = "failed"
    PENDING = "pending"


_VERDICTS = {verdict.value: verdict for verdict in Verdict}

_INTEGERS = range(-(2**63), 2**63)
"""What fits a `bigint`; a larger number is no count of anything."""


@valueclass
class OddRow:
    """A row of the facts' table that can be read only in part, or not at all."""

    position: int
    name: str
    """Its `aggregate_id`."""
    reason: str

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        return {"position": self.position, "name": self.name, "reason": self.reason}


@valueclass
class Fact:
    """One stored row."""

    position: int
    """Its place in the order of facts; a lower one may become visible later than a higher one."""
    name: str
    """The migration's name: the row's `aggregate_id`."""
    type: EventType
    _: KW_ONLY
    created_at: datetime
    data: Mapping[str, object] = field(default_factory=dict[str, object])
    database_user: str | None = None
    run_id: str | None = None
    host: str | None = None

    @property
    def version(self) -> int | None:
        """The version written in the fact; None in a fact appended by hand without one."""
        version = self.integer("version")
        return version if version is not None and version > 0 else None

    @property
    def verdict(self) -> Verdict:
        """What a `resolved` fact says; one that says nothing understandable says that the migration failed."""
        return _VERDICTS.get(self.text("as") or "", Verdict.FAILED)

    @property
    def superseding_key(self) -> tuple[str, EventType, int | None, str | None]:
        """What it has in common with the facts that a later one of them makes irrelevant to the state."""
        return (self.name, self.type, self.version, self.text("as"))

    def text(self, key: str) -> str | None:
        """Return the string stored under `key`, None where there is none."""
        value = self.data.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """Return the whole number stored under `key`, None where there is none."""
        value = self.data.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value in _INTEGERS else None

    @property
    def origin(self) -> Mapping[str, object]:
        """What it says of another tool's history that it comes from; empty where it comes from none."""
        origin = self.data.get("origin")
        return cast("dict[str, object]", origin) if isinstance(origin, dict) else {}

    @property
    def error_message(self) -> str | None:
        """The message of the error that a failed fact holds."""
        error = self.data.get("error")
        if not isinstance(error, dict):
            return None
        message = cast("dict[str, object]", error).get("message")
        return message if isinstance(message, str) else None


@valueclass
class Run:
    """One execution of a plan: who appends the facts."""

    id: str
    host: str
    backend_pid: int
    application_name: str
