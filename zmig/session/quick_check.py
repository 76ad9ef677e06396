"""Whether anything is left to do, asked before psycopg is imported: what every start of a service pays for.

An answer comes from the same questions that a session asks; where there is none, the session asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.database import libpq, server, timeline, tracking_check
from zmig.database.fact_reader import FactReader
from zmig.errors import TrackingError
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
) -> bool | None:
    """Whether every migration is done as it is declared, so that nothing is left to do; None where that was not asked.

    Raises:
        ManifestError: the manifest names no database, or an unset variable.
        ServerError: the private server does not start.
    """
    expected = up_to_date.expected_lines(migrations)
    if not expected:
        return None
    url = project.database_url(database_url, environ=environ)
    if not _PLAIN_URL.fullmatch(url):
        return None
    parameters = {"dbname": url, "application_name": "zmig", "client_encoding": "utf8"}
    try:
        with libpq.connect(parameters) as connection:
            return _ask(connection, project.tracking, expected)
    except (libpq.Unavailable, TrackingError):
        return None


def _ask(connection: libpq.QuickConnection, tracking: Tracking, expected: Sequence[str]) -> bool | None:
    found = server.identify(connection, {})
    if found.backend_pid != connection.info.backend_pid or found.has_citus:
        return None  # a pooler, or a cluster, of which more has to be asked
    inspection = tracking_check.inspect(connection, tracking.schema, tracking.owner)
    inspection.check_readable(to_write=True)
    if inspection.in_recovery or not inspection.has_events:
        return None
    facts = FactReader(connection, tracking.schema)
    lines = facts.up_to_date_lines(with_projection=inspection.sees_projection)
    if not up_to_date.is_same(lines, expected):
        return False
    return None if timeline.change(facts, found.identity) is not None else True
