"""The SQL that makes zmig's tables, and the trigger that keeps facts from being changed or deleted."""

from __future__ import annotations

from importlib import resources

from zmig.sql.quoting import identifier

GUARD_MISSING = "its trigger `append_only`, which keeps facts from being changed, is missing or disabled"
"""What is reported where it is not there."""


def tables(schema: str) -> str:
    """Return what makes the tables in a schema that is there."""
    return _of_file("tracking.sql", schema)


def guard_trigger(schema: str) -> str:
    """Return what makes the trigger and its function, in whatever state they are."""
    return _of_file("guard_trigger.sql", schema)


def guard_trigger_line(schema: str) -> str:
    """Return the same in one line, for a hint."""
    lines = guard_trigger(schema).splitlines()
    return " ".join(" ".join(line.partition(" -- ")[0] for line in lines if not line.startswith("--")).split())


def _of_file(name: str, schema: str) -> str:
    text = resources.files("zmig.database").joinpath(name).read_text("utf-8")
    return text.replace(":schema", identifier(schema))
