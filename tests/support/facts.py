"""What stands in the tracking tables, read straight from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

if TYPE_CHECKING:
    import psycopg


class Facts:
    """The tracking tables of one schema."""

    def __init__(self, connection: psycopg.Connection, schema: str = "zmig") -> None:
        self.connection = connection
        self.events = sql.Identifier(schema, "migration_events")
        self.projection = sql.Identifier(schema, "schema_migrations")

    @property
    def told(self) -> list[tuple[str, str]]:
        """Each fact about a migration, as its name and its type without the prefix, in order."""
        query = sql.SQL(
            "select aggregate_id, replace(event_type, 'migration.', '') from {} "
            "where aggregate_type = 'migration' order by position"
        )
        return [(str(name), str(type)) for name, type in self.connection.execute(query.format(self.events))]

    def data(self, name: str, type: str) -> list[dict[str, Any]]:
        """What the facts of one type of one migration hold."""
        query = sql.SQL("select event_data from {} where aggregate_id = %s and event_type = %s order by position")
        found = self.connection.execute(query.format(self.events), (name, f"migration.{type}"))
        return [row[0] for row in found]

    @property
    def applied(self) -> list[tuple[int, str]]:
        """Version and name of every row of the simple table."""
        query = sql.SQL("select version, name from {} order by version").format(self.projection)
        return [(int(version), str(name)) for version, name in self.connection.execute(query)]

    def append(self, name: str, type: str, *, age: str = "0 s", data: str = "{}") -> None:
        """Append a fact by hand, as another tool or a person would."""
        query = sql.SQL(
            "insert into {} (aggregate_id, event_type, event_data, created_at) "
            "values (%s, %s, %s, now() - %s::interval)"
        )
        self.connection.execute(query.format(self.events), (name, type, data, age))
