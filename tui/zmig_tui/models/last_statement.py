"""The statement at which a migration failed or was cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.errors import ZmigError
from zmig.model import Language
from zmig.planning import checkpoint
from zmig.sql import script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.planning.history import Record
    from zmig.planning.state import Entry
    from zmig_tui.models.details import Detail


def last_statement(entry: Entry, detail: Detail | None) -> str | None:
    """Return its text, as long as the file is still the one that ran; None where that is not known."""
    record, migration = entry.record, entry.migration
    text = detail.file.text if detail is not None and detail.file is not None else None
    if record is None or record.started is None or migration is None or text is None or record.is_in_rollback:
        return None
    number = _number(record)
    if number is None or migration.language is not Language.SQL:
        return None
    if record.started.text("checksum") not in (None, migration.checksum):
        return None
    try:
        return next((one.text for one in script.split(text, path=str(migration.file)) if one.number == number), None)
    except ZmigError:
        return None


def _number(record: Record) -> int | None:
    """Return which statement it was, by the error, else by the checkpoint before it."""
    error = record.last.data.get("error") if record.last is not None else None
    number = cast("Mapping[str, object]", error).get("statement") if isinstance(error, dict) else None
    if isinstance(number, int):
        return number
    reached = checkpoint.from_facts(record)
    return reached.sent.number if reached is not None and reached.sent is not None else None
