"""The status over libpq itself, of the migrations and of the schema, as it is asked most often.

Whether the schema is as the last run recorded it, the server works out while the files of the migrations are read.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from zmig.database import libpq, schema_facts
from zmig.errors import ManifestError, TrackingError
from zmig.manifest.declaration import DatabaseUrl
from zmig.session import schema_drift
from zmig.session.quick_session import connected
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.database.lock_queue import LockQueue
    from zmig.database.timeline import TimelineChange
    from zmig.database.types import Answer as Rows
    from zmig.model import Migration
    from zmig.project.project import Project
    from zmig.session.quick_session import QuickSession
    from zmig.session.schema_drift import SchemaDrift
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.tool_use import NotImported, StillUsed


@valueclass
class DatabaseStatus:
    """The state of every migration and of the schema, and what else a database says for the status."""

    snapshot: DatabaseSnapshot
    timeline_change: TimelineChange | None
    _: KW_ONLY
    queue: LockQueue | None
    """Who waits for the run in progress; None where none is, nobody waits, or that cannot be read now."""
    schema: SchemaDrift | None = None
    """None where there are no facts, or where definitions have to be read."""
    is_schema_unclear: bool = False
    """Whether definitions have to be read."""
    still_used: tuple[StillUsed, ...] = ()
    """Other tools that have applied something since their history was imported."""
    not_imported: NotImported | None = None
    """The tool whose history is there, where there are no facts."""


class StatusQuestion:
    """The status, of which the server works on the state of its catalogs while the files of migrations are read."""

    def __init__(self, database_url: str | None, *, environ: Mapping[str, str]) -> None:
        """`database_url` is the one that was given in place of the manifest's."""
        self._database_url = database_url
        self._environ = environ
        self._closing = ExitStack()
        self._asked: tuple[QuickSession, Rows | None] | None = None
        self._cancelled: libpq.Cancelled | None = None
        """What was said when somebody cancelled it before it was answered: it is not asked again."""

    def begin(self, project: Project) -> None:
        """Ask, once the manifests are read; a private server is not started before all is known to be right."""
        if self._database_url is not None or isinstance(project.database, DatabaseUrl):
            try:
                self._begin(project)
            except libpq.Cancelled as error:
                self._cancelled = error
            except (ManifestError, libpq.Unavailable, TrackingError):
                pass  # it comes again with the answer

    def _begin(self, project: Project) -> None:
        url = project.database_url(self._database_url, environ=self._environ)
        session = self._closing.enter_context(connected(url, project.tracking))
        self._asked = (session, _ask_schema(session, project))

    def answer(self, project: Project, migrations: Sequence[Migration]) -> DatabaseStatus | None:
        """Return the status; None where it has no answer here.

        Raises:
            ManifestError, ServerError, TrackingError: like `UpToDateQuestion.answer`; or somebody cancelled it.
        """
        with self._closing:
            try:
                return self._answer(project, migrations)
            except libpq.Cancelled as error:
                from zmig.database import connection_hints

                if not connection_hints.is_cancelled(libpq.QUERY_CANCELED, str(error)):
                    return None
                facts = (f"PostgreSQL {libpq.QUERY_CANCELED}",)
                raise TrackingError(connection_hints.cancelled(str(error), facts)) from None
            except (libpq.Unavailable, TrackingError):
                return None

    def _answer(self, project: Project, migrations: Sequence[Migration]) -> DatabaseStatus:
        if self._cancelled is not None:
            raise self._cancelled
        if self._asked is None:
            self._begin(project)
        assert self._asked is not None
        session, asked = self._asked
        recorded_and_state = schema_facts.last_and_state(asked) if asked is not None else None
        snapshot, change = session.status(migrations)
        queue = session.lock_queue(snapshot)
        if recorded_and_state is None:
            return DatabaseStatus(snapshot, change, queue=queue, not_imported=session.not_imported())
        schema = schema_drift.judged(*recorded_and_state, project, session.connection.info.server_version)
        used = session.still_used(snapshot)
        return DatabaseStatus(
            snapshot, change, queue=queue, schema=schema, is_schema_unclear=schema is None, still_used=used
        )

    def close(self) -> None:
        """Close the connection, if it is open still."""
        self._closing.close()


def _ask_schema(session: QuickSession, project: Project) -> Rows | None:
    """Ask whether the schema is as it was recorded; None where there are no facts."""
    if not session.inspection.has_events:
        return None
    session.inspection.check_readable()
    return schema_facts.ask_last_and_state(session.connection, session.facts.events, project.scope)
