"""Why a step of a plan runs: the words that are beside it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.model import RepeatRule

if TYPE_CHECKING:
    from datetime import datetime

    from zmig.model import Repeat
    from zmig.planning.checkpoint import Checkpoint
    from zmig.planning.history import Record


def moment(value: datetime | None) -> str:
    """Return a point in time as people read it in reasons and messages."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if value is not None else "at an unknown time"


def pending(record: Record | None) -> str:
    """Say why a pending migration is applied."""
    if record is None or record.last is None:
        return "pending"
    if record.last.type is EventType.ROLLED_BACK:
        return f"rolled back {moment(record.last.created_at)}"
    if record.last.type is EventType.RESOLVED:
        return f"resolved as pending {moment(record.last.created_at)}"
    return "pending"


def failed(record: Record, reached: Checkpoint | None) -> str:
    """Say why a failed migration is retried."""
    if record.last is None:
        return "failed"
    verb = "resolved as failed" if record.last.type is EventType.RESOLVED else "failed"
    said = f": {record.last.error_message}" if record.last.error_message is not None else ""
    return f"{verb} {moment(record.last.created_at)}{said}{_continues(reached)}"


def stuck(record: Record, reached: Checkpoint | None) -> str:
    """Say why a stuck migration runs again."""
    if record.last is None:
        return "stuck"
    if record.is_in_rollback:
        return f"stuck: its rollback started {moment(record.last.created_at)} and never ended"
    began = f"stuck: started {moment(record.last.created_at)} and never ended"
    if reached is None and record.last.data.get("transactional") is True:
        return f"{began}; transactional, so its changes are gone"
    return began + _continues(reached)


def _continues(reached: Checkpoint | None) -> str:
    if reached is not None and reached.reached is not None:
        return f"; continues after {reached.reached.rows} rows"
    return f"; continues after statement {reached.statements}" if reached is not None and reached.statements else ""


END_RECORDED = "its rollback never ended; transactional, so it changed nothing"
"""Why the end of a rollback is recorded although nothing runs."""


def repeated(repeat: Repeat, record: Record) -> str:
    """Say why a repeatable that is due runs."""
    if repeat.rule is RepeatRule.CHECKSUM:
        undone = record.outdated.text("rolled_back") if record.outdated is not None else None
        return "repeatable: its file changed" if undone is None else f"repeatable: `{undone}` was rolled back since"
    return f"repeatable: {_asked(repeat)} says it is due"


def checked(repeat: Repeat) -> str:
    """Say when a repeatable runs that is asked as its turn comes."""
    return f"repeatable: runs if {_asked(repeat)} says so when its turn comes"


def _asked(repeat: Repeat) -> str:
    return "its condition" if repeat.rule is RepeatRule.CONDITION else "`should_repeat`"


def rolled_back(record: Record, reached: Checkpoint | None) -> str:
    """Say what is rolled back."""
    applied = f"applied {moment(record.applied_at)}"
    return f"{applied}; its rollback did not complete{_continues(reached)}" if record.is_in_rollback else applied
