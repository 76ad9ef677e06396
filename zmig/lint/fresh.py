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
    """The names of what was made so far and is not in use; one without a schema is in any."""

    def __init__(self) -> None:
        self._schemas: dict[str, set[str | None]] = {}

    def has(self, name: Name) -> bool:
        """Whether nobody can be using the thing of that name."""
        known = self._schemas.get(name.name)
        return known is not None and (name.schema is None or None in known or name.schema in known)

    def learn(self, act: Act) -> None:
        """Take note of what a statement makes and renames."""
        for made in act.makes:
            if made.kind in _KINDS and not (made.kind == "index" and made.parent and not self.has(made.parent)):
                self._add(made.name)
        if act.renames is not None and self.has(act.renames[0]):
            self._schemas.pop(act.renames[0].name)
            self._add(act.renames[1])
        elif act.renames is not None:
            self._schemas.pop(act.renames[1].name, None)

    def copy(self) -> Fresh:
        """Return another one that learns separately."""
        twin = Fresh()
        twin._schemas = {name: set(schemas) for name, schemas in self._schemas.items()}
        return twin

    def _add(self, name: Name) -> None:
        self._schemas.setdefault(name.name, set()).add(name.schema)


def follow(file: SqlFile, known: Fresh) -> Iterator[tuple[Act, bool]]:
    """Yield the statements of a file, each with whether it concerns only what nobody can be using."""
    own = known.copy()
    for act in file.acts:
        names = act.changes if act.fills is None else (*act.changes, act.fills)
        yield act, bool(names) and all(own.has(name) for name in names)
        own.learn(act)
