"""Whether anything is left to do, asked before psycopg is imported: what every start of a service pays for.

True is proved with the same questions that a session asks; anything else says nothing, and the session asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.database import libpq, server, timeline, tracking_check
from zmig.database.fact_reader import FactReader
from zmig.errors import TrackingError
from zmig.manifest.declaration import DatabaseUrl
from zmig.planning import up_to_date

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.manifest.declaration import Tracking
    from zmig.model import Migration
    from zmig.project.project import Project

_PLAIN_URL = re.compile(
    r"postgres(?:ql)?://(?:[^\s:@/?#\[\]]+(?::[^\s@/?#]*)?@)?[\w.,:-]*/[\w-]+(?:\?(?:host|user|application_name)=[\w%./-]+)?"
)
"""A URL that names a host or a database, and sets nothing with which something could be wrong.

For any other, `zmig.database.connection_string` decides what it means, or says what is wrong with it.
"""


def is_up_to_date(
    project: Project, migrations: Sequence[Migration], database_url: str | None, *, environ: Mapping[str, str]
) -> bool:
    """Whether every migration is done as it is declared, so that nothing is left to do; False says nothing."""
    expected = up_to_date.expected_lines(migrations)
    url = _url(project, database_url, environ) if expected else None
    if not expected or url is None:
        return False
    parameters = {"dbname": url, "application_name": "zmig", "client_encoding": "utf8"}
    try:
        with libpq.connect(parameters) as connection:
            return _is_up_to_date(connection, project.tracking, expected)
    except (libpq.Unavailable, TrackingError):
        return False


def _url(project: Project, database_url: str | None, environ: Mapping[str, str]) -> str | None:
    """Return where the database is, if that is said by a plain URL, or it is a private server that answers."""
    if database_url is None:
        declared = project.require_database()
        if isinstance(declared, DatabaseUrl):
            database_url = declared.resolve(environ)
        else:
            from zmig.embedded import EmbeddedServer

            database_url = EmbeddedServer(declared.folder).start()
    return database_url if _PLAIN_URL.fullmatch(database_url) else None


def _is_up_to_date(connection: libpq.QuickConnection, tracking: Tracking, expected: Sequence[str]) -> bool:
    found = server.identify(connection, {})
    if found.backend_pid != connection.info.backend_pid or found.has_citus:
        return False  # a pooler, or a cluster, of which more has to be asked
    inspection = tracking_check.inspect(connection, tracking.schema, tracking.owner)
    inspection.check_readable(to_write=True)
    if inspection.in_recovery or not inspection.has_events:
        return False
    facts = FactReader(connection, tracking.schema)
    lines = facts.up_to_date_lines(with_projection=inspection.sees_projection)
    if len(lines) != len(expected) or set(lines) != set(expected):
        return False
    return timeline.change(facts, found.identity) is None
