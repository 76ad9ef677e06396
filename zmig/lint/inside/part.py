"""One piece of SQL that is within something else, and where it is."""

from __future__ import annotations

from zmig.valueclass import valueclass


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
