"""Which tables, indexes and types nobody can be using yet, because a migration makes them that has not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.act import Act
    from zmig.lint.sqlfile import SqlFile
    from zmig.sql.reader import Name

_KINDS = frozenset({"table", "foreign table", "index", "type", "domain", "view", "materialized view", "schema"})


class Fresh:
    """The full names of what was made so far and is not in use."""

    def __init__(self) -> None:
        self._names: set[Name] = set()

    def has(self, name: Name) -> bool:
        """Whether nobody can be using the thing of that full name."""
        return name in self._names

    def learn(self, act: Act) -> None:
        """Take note of what a statement makes and renames."""
        for made in () if act.is_guarded else act.makes:  # with IF NOT EXISTS it may be another one, in use
            if made.kind in _KINDS and not (
                made.kind == "index" and made.parent and not self.has(act.full(made.parent))
            ):
                self._names.add(act.full(made.name))
        if act.renames is not None:
            before, after = map(act.full, act.renames)
            self._names = self._names - {before, after} | ({after} if before in self._names else set())

    def copy(self) -> Fresh:
        """Return another one that learns separately."""
        twin = Fresh()
        twin._names = set(self._names)
        return twin


def follow(file: SqlFile, known: Fresh) -> Iterator[tuple[Act, bool]]:
    """Yield the statements of a file, each with whether it concerns only what nobody can be using."""
    own = known.copy()
    for act in file.acts:
        names = act.changes if act.fills is None else (*act.changes, act.fills)
        yield act, bool(names) and all(own.has(act.full(name)) for name in names)
        own.learn(act)
