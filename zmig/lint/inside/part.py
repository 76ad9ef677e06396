"""One piece of SQL that is within something else, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

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
    _: KW_ONLY
    shown: tuple[int, int] | None = None
    """Where it is shown, by offsets, where it is not in the file as it is; `start` is the beginning of that."""
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
