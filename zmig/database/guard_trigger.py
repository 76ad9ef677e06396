"""The trigger that keeps facts from being changed or deleted, as SQL that puts it there."""

from __future__ import annotations

from importlib import resources

from zmig.database.quoting import identifier

MISSING = "its trigger `append_only`, which keeps facts from being changed, is missing or disabled"
"""What is reported where it is not there."""


def sql(schema: str) -> str:
    """Return what makes the trigger and its function, in whatever state they are."""
    text = resources.files("zmig.database").joinpath("guard.sql").read_text("utf-8")
    return text.replace(":schema", identifier(schema))


def one_line(schema: str) -> str:
    """Return the same in one line, for a hint."""
    lines = (line.partition(" -- ")[0] for line in sql(schema).splitlines() if not line.startswith("--"))
    return " ".join(" ".join(lines).split())
