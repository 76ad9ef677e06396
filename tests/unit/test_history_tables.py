"""The history tables of other tools are recognised by their columns, whatever is beside them."""

from __future__ import annotations

import pytest

from zmig.other_tools import registry
from zmig.other_tools.history_tables import MARKS, fitting, history_of

_TABLES = {
    "flyway": (
        "public.flyway_schema_history",
        "installed_rank version description type script checksum installed_by installed_on execution_time success",
    ),
    "liquibase": (
        "public.databasechangelog",
        "id author filename dateexecuted orderexecuted exectype md5sum description comments tag liquibase contexts "
        "labels deployment_id",
    ),
    "prisma": (
        "public._prisma_migrations",
        "id checksum finished_at migration_name logs rolled_back_at started_at applied_steps_count",
    ),
    "goose": ("public.goose_db_version", "id version_id is_applied tstamp"),
    "alembic": ("public.alembic_version", "version_num"),
    "django": ("public.django_migrations", "id app name applied"),
    "sqlx": ("public._sqlx_migrations", "version description installed_on success checksum execution_time"),
    "atlas": (
        "atlas_schema_revisions.atlas_schema_revisions",
        "version description type applied total executed_at execution_time error error_stmt hash partial_hashes "
        "operator_version",
    ),
    "sqitch": (
        "sqitch.changes",
        "change_id script_hash change project note committed_at committer_name committer_email planned_at "
        "planner_name planner_email",
    ),
    "yoyo": ("public._yoyo_migration", "migration_hash migration_id applied_at_utc"),
    "refinery": ("public.refinery_schema_history", "version name applied_on checksum"),
    "diesel": ("public.__diesel_schema_migrations", "version run_on"),
    "node-pg-migrate": ("public.pgmigrations", "id name run_on"),
    "knex": ("public.knex_migrations", "id name batch migration_time"),
    "laravel": ("public.migrations", "id migration batch"),
    "drizzle": ("drizzle.__drizzle_migrations", "id hash created_at"),
    "postgres-migrations": ("public.migrations", "id name hash executed_at"),
    "typeorm": ("public.migrations", "id timestamp name"),
    "sequelize": ('public."SequelizeMeta"', "name"),
    "golang-migrate": ("public.schema_migrations", "version dirty"),
    "ecto": ("public.schema_migrations", "version inserted_at"),
    "supabase": ("supabase_migrations.schema_migrations", "version statements name"),
    "pgroll": (
        "pgroll.migrations",
        "schema name migration created_at updated_at parent done resulting_schema migration_type",
    ),
    "graphile-migrate": ("graphile_migrate.migrations", "hash previous_hash filename date"),
    "tern": ("public.schema_version", "version"),
    "dbmate": ("public.schema_migrations", "version"),
}


def _columns(text: str) -> frozenset[str]:
    return frozenset(text.split())


@pytest.mark.parametrize("tool", _TABLES)
def test_each_is_recognised(tool: str) -> None:
    name, columns = _TABLES[tool]
    tables = {"app.users": _columns("id name"), name: _columns(columns), "app.versions": _columns("version")}
    assert list(fitting(tables)) == [(name, tool)]
    assert history_of(tables) == (name, tool)


def test_rails_and_dbmate_have_the_same_table() -> None:
    tables = {"public.schema_migrations": _columns("version"), "public.ar_internal_metadata": _columns("key value")}
    assert history_of(tables) == ("public.schema_migrations", "rails")


def test_a_table_of_ones_own_is_none() -> None:
    tables = {
        "zmig.schema_migrations": _columns("version name kind checksum applied_at applied_by duration_ms position"),
        "public.versions": _columns("version"),
        "public.names": _columns("name"),
        "public.audit": _columns("id hash created_at"),
    }
    assert history_of(tables) is None


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_tool_that_is_read_is_recognised(name: str) -> None:
    tool, mark = registry.tool(name), MARKS[name]
    assert tool.title == mark.title
    assert mark.name in tool.history.default
