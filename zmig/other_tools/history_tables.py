"""The tables in which migration tools keep their histories, and how each is recognised: by its columns.

Every run that looks at a schema asks this, so nothing else is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Mark(NamedTuple):
    """What a tool's history table has: columns among others, or these and no others; and what is in its name."""

    title: str
    """The tool, as people write it."""
    columns: frozenset[str]
    name: str = ""
    """What has to be in `schema.table`, lower case, where columns alone say too little."""
    is_exact: bool = False
    """Whether it has those columns and no others."""

    def has_columns(self, columns: frozenset[str]) -> bool:
        """Whether a table has what this tool's has."""
        return columns == self.columns if self.is_exact else self.columns <= columns

    def fits(self, table: str, columns: frozenset[str]) -> bool:
        """Whether a table is this tool's by its qualified name, too."""
        return self.name in table.lower() and self.has_columns(columns)


def _mark(title: str, columns: str, name: str = "", *, is_exact: bool = False) -> Mark:
    return Mark(title, frozenset(columns.split()), name, is_exact)


MARKS: Mapping[str, Mark] = {
    "flyway": _mark("Flyway", "installed_rank version description script checksum"),
    "liquibase": _mark("Liquibase", "orderexecuted exectype md5sum"),
    "prisma": _mark("Prisma", "migration_name applied_steps_count"),
    "goose": _mark("goose", "version_id is_applied tstamp"),
    "alembic": _mark("Alembic", "version_num", is_exact=True),
    "django": _mark("Django", "id app name applied", is_exact=True),
    "sqlx": _mark("sqlx", "version installed_on execution_time checksum"),
    "atlas": _mark("Atlas", "version partial_hashes operator_version"),
    "sqitch": _mark("sqitch", "change_id script_hash"),
    "yoyo": _mark("yoyo", "migration_hash migration_id applied_at_utc"),
    "refinery": _mark("refinery", "version name applied_on checksum", is_exact=True),
    "diesel": _mark("Diesel", "version run_on", is_exact=True),
    "node-pg-migrate": _mark("node-pg-migrate", "id name run_on", is_exact=True),
    "knex": _mark("knex", "id name batch migration_time", is_exact=True),
    "laravel": _mark("Laravel", "id migration batch", is_exact=True),
    "drizzle": _mark("Drizzle", "id hash created_at", "drizzle"),
    "postgres-migrations": _mark("postgres-migrations", "id name hash executed_at", is_exact=True),
    "typeorm": _mark("TypeORM", "id timestamp name", "migrations", is_exact=True),
    "sequelize": _mark("Sequelize", "name", "sequelizemeta", is_exact=True),
    "golang-migrate": _mark("golang-migrate", "version dirty", is_exact=True),
    "ecto": _mark("Ecto", "version inserted_at", is_exact=True),
    "supabase": _mark("Supabase", "version statements name", "supabase_migrations"),
    "pgroll": _mark("pgroll", "schema name migration parent done resulting_schema"),
    "graphile-migrate": _mark("graphile-migrate", "hash previous_hash filename date", is_exact=True),
    "tern": _mark("tern", "version", "schema_version", is_exact=True),
    "rails": _mark("Rails", "version", "schema_migrations", is_exact=True),
    "dbmate": _mark("dbmate", "version", "schema_migrations", is_exact=True),
}
"""By the tools' names as `zmig import --from` has them, and would have them; what is more certain comes first.

Tables of Rails and of dbmate are the same: `fitting` says which.
"""

_BESIDE: Mapping[str, frozenset[frozenset[str]]] = {
    tool: frozenset(frozenset(columns.split()) for columns in tables)
    for tool, tables in {
        "goose": ("lock_id locked locked_at locked_by lease_expires_at updated_at",),
        "graphile-migrate": ("filename content date",),
        "knex": ("index is_locked",),
        "liquibase": ("id locked lockgranted lockedby",),
        "pgroll": ("version initialized_at", "version initialized_at updated_at"),
        "rails": ("key value created_at updated_at",),
        "sqitch": (
            "project uri created_at creator_name creator_email",
            "tag_id tag project change_id note committed_at committer_name committer_email planned_at planner_name "
            "planner_email",
            "change_id type dependency dependency_id",
            "event change_id change project note requires conflicts tags committed_at committer_name committer_email "
            "planned_at planner_name planner_email",
            "version installed_at installer_name installer_email",
        ),
        "supabase": ("path hash",),
        "yoyo": (
            "id migration_hash migration_id operation username hostname comment created_at_utc",
            "version installed_at_utc",
            "locked ctime pid",
        ),
    }.items()
}
"""The columns of the tables that a tool makes beside its history."""


def is_beside(tool: str, columns: frozenset[str]) -> bool:
    """Whether a table is one that a tool makes in the schema of its history, by all of its columns."""
    same = ("rails", "dbmate") if tool in ("rails", "dbmate") else (tool,)
    return any(columns in _BESIDE.get(one, ()) for one in same)


_RAILS_TOO = "ar_internal_metadata"
"""A table that Rails has beside its history."""


def fitting(tables: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    """Yield each table in which a tool keeps its history, and the tool's name, the most certain one first.

    `tables` holds the columns of each table, by its qualified name.
    """
    is_rails = any(name.endswith(_RAILS_TOO) for name in tables)
    for tool in MARKS:
        if tool != ("dbmate" if is_rails else "rails"):
            for name in tables_of(tool, tables):
                yield name, tool


def tables_of(tool: str, tables: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield each table that may be the history of one tool, and of none that is more certain."""
    own = MARKS[tool]
    better = [mark for mark in list(MARKS.values())[: list(MARKS).index(tool)] if mark.columns != own.columns]
    for name, columns in tables.items():
        if own.fits(name, columns) and not any(mark.fits(name, columns) for mark in better):
            yield name


def history_of(tables: Mapping[str, frozenset[str]]) -> tuple[str, str] | None:
    """Return the table in which another tool keeps its history, and the tool's name; None where there is none."""
    return next(fitting(tables), None)
