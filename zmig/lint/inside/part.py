"""One piece of SQL that is within something else, and where it is."""

from __future__ import annotations

from zmig.valueclass import valueclass

STATEMENTS = frozenset(
    {
        "alter", "analyze", "cluster", "comment", "create", "delete", "drop", "grant", "insert", "lock", "merge",
        "refresh", "reindex", "reset", "revoke", "set", "truncate", "update", "vacuum",
    }
)  # fmt: skip
"""First words of statements whose effects matter, and that are statements of PL/pgSQL as they are."""


@valueclass
class Part:
    """Statements that are run together."""

    start: int
    """Where it is in the file: a 0-based offset."""
    text: str
    """What is run; each character at its place where nothing had to be put together."""
    branch: tuple[int, ...] = ()
    """The conditions, loops and handlers around it, each by a number of its own; empty where it always runs."""

    @property
    def end(self) -> int:
        """After its last character."""
        return self.start + len(self.text)

    @property
    def is_conditional(self) -> bool:
        """Whether it may not run, or run more than once."""
        return bool(self.branch)
