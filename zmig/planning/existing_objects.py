"""What a database holds before zmig's first run on it, as values and words: objects of others, another tool's history.

Pure. A database is empty if no user's table, view, sequence, type or function is in it. Schemas, extensions with
what belongs to them, roles and rights may be prepared by an administrator; they are nothing a migration could harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN = 5


@valueclass
class Existing:
    """What is in a database that has no facts."""

    count: int
    """How many objects there are that are not zmig's."""
    first: tuple[str, ...]
    """Some of them, as `table public.users`."""
    history: tuple[str, str] | None = None
    """The table in which another tool keeps its history, and the tool's name."""

    @property
    def words(self) -> Iterator[str]:
        """What is there, a sentence each."""
        shown = self.first[:_SHOWN]
        more = f" and {self.count - len(shown)} more" if self.count > len(shown) else ""
        yield f"it holds {', '.join(shown)}{more}"
        if self.history is not None:
            table, tool = self.history
            yield f"`{table}` is where {tool} keeps its history: what is there was made by it"


class _Mark(NamedTuple):
    """How a tool's history table is recognised: by its name, by columns among others, or by all its columns."""

    tool: str
    columns: str
    name: str = ""
    is_exact: bool = False


_MARKS = (
    _Mark("Flyway", "installed_rank version description script checksum"),
    _Mark("Liquibase", "orderexecuted exectype md5sum"),
    _Mark("Prisma", "migration_name applied_steps_count"),
    _Mark("goose", "version_id is_applied tstamp"),
    _Mark("Alembic", "version_num", is_exact=True),
    _Mark("Django", "id app name applied", is_exact=True),
    _Mark("sqlx", "version installed_on execution_time checksum"),
    _Mark("Atlas", "version partial_hashes operator_version"),
    _Mark("sqitch", "change_id script_hash"),
    _Mark("yoyo", "migration_hash migration_id"),
    _Mark("refinery", "version name applied_on checksum", is_exact=True),
    _Mark("Diesel", "version run_on", is_exact=True),
    _Mark("node-pg-migrate", "id name run_on", is_exact=True),
    _Mark("knex", "id name batch migration_time", is_exact=True),
    _Mark("Laravel", "id migration batch", is_exact=True),
    _Mark("Drizzle", "id hash created_at", "drizzle", is_exact=True),
    _Mark("postgres-migrations", "id name hash executed_at", is_exact=True),
    _Mark("TypeORM", "id timestamp name", "migrations", is_exact=True),
    _Mark("Sequelize", "name", "sequelizemeta", is_exact=True),
    _Mark("golang-migrate", "version dirty", is_exact=True),
    _Mark("Ecto", "version inserted_at", is_exact=True),
    _Mark("Supabase", "version statements name", "supabase_migrations"),
    _Mark("pgroll", "", "pgroll."),
    _Mark("graphile-migrate", "", "graphile_migrate."),
    _Mark("tern", "version", "schema_version", is_exact=True),
)


def history_of(tables: Mapping[str, frozenset[str]]) -> tuple[str, str] | None:
    """Return the table in which another tool keeps its history, and the tool; None where none is recognised.

    `tables` holds the columns of each table, by its qualified name.
    """
    for mark in _MARKS:
        wanted = frozenset(mark.columns.split())
        for name, columns in tables.items():
            if mark.name in name.lower() and (columns == wanted if mark.is_exact else wanted <= columns):
                return name, mark.tool
    for name, columns in tables.items():
        if name.lower().endswith("schema_migrations") and columns == frozenset({"version"}):
            is_rails = any(other.endswith("ar_internal_metadata") for other in tables)
            return name, "Rails" if is_rails else "dbmate"
    return None
