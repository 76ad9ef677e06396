"""Where in its file a migration failed, as long as that file is still the one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.facts import EventType
from zmig.planning import failure_report
from zmig.valueclass import replace
from zmig_tui.pages import code

if TYPE_CHECKING:
    from zmig.errors import Location
    from zmig_tui.models.details import Detail


def failure_mark(detail: Detail) -> code.Mark | None:
    """Return the place in the file at which the migration failed; None where the file is another one by now."""
    problem = failure_report.describe(detail.entry)
    location = problem.location if problem is not None else None
    last = detail.entry.record.last if detail.entry.record is not None else None
    if problem is None or location is None or last is None or last.type is not EventType.FAILED:
        return None
    if not _is_same_file(detail, location):
        return None
    return code.Mark(location.line, location.column, last.error_message or problem.message)


def with_source_line(location: Location | None, detail: Detail) -> Location | None:
    """Return the place with the text of its line, if that is still the file that failed."""
    text = detail.file.text if detail.file is not None else None
    if location is None or text is None or not _is_same_file(detail, location):
        return location
    lines = text.replace("\r\n", "\n").split("\n")
    return replace(location, text=lines[location.line - 1]) if location.line <= len(lines) else location


def _is_same_file(detail: Detail, location: Location) -> bool:
    """Whether the file is the one that failed, and has not been edited since."""
    record, migration = detail.entry.record, detail.entry.migration
    if record is None or migration is None or migration.file is None or record.started is None:
        return False
    if migration.file.name != location.path.rpartition("/")[2]:
        return False
    return record.started.text("checksum") in (None, migration.checksum)
