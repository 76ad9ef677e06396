"""The tools that zmig knows, by the names that `zmig import --from` has for them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.other_tools.tool import Tool

NAMES = (
    "prisma",
    "drizzle",
    "supabase",
    "goose",
    "dbmate",
    "flyway",
    "golang-migrate",
    "sqlx",
    "diesel",
    "node-pg-migrate",
    "liquibase",
    "graphile-migrate",
    "tern",
    "sqitch",
    "atlas",
    "yoyo",
    "postgres-migrations",
    "refinery",
    "alembic",
    "django",
    "rails",
    "ecto",
    "knex",
    "pgroll",
)
"""In the order in which a project is asked: those whose files nothing else could have written come first."""


def tool(name: str) -> Tool:
    """Return one of `NAMES`; its module is imported when it is asked for."""
    module = import_module(f"zmig.other_tools.tools.{name.replace('-', '_')}")
    return cast("Tool", module.TOOL)


def tools() -> Iterator[Tool]:
    """Yield all of them."""
    return map(tool, NAMES)
