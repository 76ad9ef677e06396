"""The schema that names without one are in, as far as the statements of a file say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.reader import Reader

if TYPE_CHECKING:
    from zmig.lint.act import Act

DEFAULT = "public"
"""Where PostgreSQL's own default, `"$user", public`, leads where no schema is called like the role."""


def behind(act: Act) -> str | None:
    """Return the first schema of the search path behind a statement, None where it cannot be known."""
    text = act.statement.text
    if act.verb not in _SETS or "search_path" not in text.lower():
        return act.schema
    reader = Reader(text)
    if reader.accept("reset", "search_path"):
        return DEFAULT
    if not reader.accept("set"):
        return None
    reader.accept_any("session", "local")
    if not reader.accept("search_path") or reader.accept_any("to", "=") is None:
        return None
    name = reader.string() or reader.identifier()
    return DEFAULT if name == "default" else name if name and "$" not in name else None


_SETS = frozenset({"reset", "select", "set"})
