"""The database's schema as a file: read, made a text, and kept where the manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from zmig.catalog import schema_text
from zmig.database import connection as database
from zmig.database import schema_reader
from zmig.errors import Problem, UsageError, ZmigError, first_line
from zmig.progress import Notice
from zmig.project import written_file
from zmig.text.secrets import Redactor
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.catalog.objects import SchemaSnapshot
    from zmig.session.database_session import DatabaseSession


@valueclass
class SchemaText:
    """What is in a database, and that as text."""

    text: str
    snapshot: SchemaSnapshot

    @property
    def uncovered(self) -> Mapping[str, int]:
        """How many objects there are that are not looked at, by what they are."""
        return self.snapshot.uncovered


def read(session: DatabaseSession) -> SchemaText:
    """Return the schema of a database, as far as the manifest says that it is looked at. Reads only.

    The text is for version control, so what a variable has from the environment is masked in it, as in all output.
    """
    project, connection = session.project, session.connection
    with database.translated(session.target):
        snapshot = schema_reader.read(connection, project.scope)
    owners = {connection.info.user, project.defaults.run_as} - {None}
    text = schema_text.text(
        snapshot,
        usual_owners={str(name) for name in owners},
        keeps_column_order=project.verify.column_order_counts,
    )
    return SchemaText(Redactor(*project.secrets)(text), snapshot)


def keep(session: DatabaseSession, file: Path) -> None:
    """Write the file after a run, if the schema is another one now; that it cannot be done is no failure of the run."""
    try:
        is_changed = write(file, read(session).text)
    except (ZmigError, psycopg.Error) as error:
        session.observer(Notice(None, "WARNING", f"`{file}` is not what the schema is now: {first_line(error)}"))
        return
    if is_changed:
        session.observer(Notice(None, "NOTICE", f"wrote the schema to `{file}`"))


def write(file: Path, text: str) -> bool:
    """Write a schema to a file, unless it holds that already; return whether it was written. Raises UsageError."""
    content = text.encode()
    try:
        if file.is_file() and file.read_bytes() == content:
            return False
        written_file.write(file, content)
    except OSError as error:
        message = f"`{file}` cannot be written: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("file-unwritable", message, hint=f"run `ls -ld {file.parent}`")) from None
    return True
