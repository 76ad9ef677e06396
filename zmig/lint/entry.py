"""One declared migration with everything that was read for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zmig.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.sql_file import SqlFile
    from zmig.manifest.declaration import Declaration
    from zmig.text.places import Source


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One entry of a manifest; a file that could not be read is None."""

    declaration: Declaration
    sql: SqlFile | None = None
    python: Source | None = None
    rollback: SqlFile | None = None
    has_code_rollback: bool = False
    """Whether its Python file defines `rollback(ctx)`."""

    @property
    def name(self) -> str:
        """What findings call it."""
        return self.declaration.name or "?"

    @property
    def version(self) -> int:
        """Its version; 0 where the manifest does not give one."""
        return self.declaration.version or 0

    @property
    def is_repeatable(self) -> bool:
        """Whether it runs again."""
        return self.declaration.effective_kind is Kind.REPEATABLE

    @property
    def manifest(self) -> Source:
        """The text of the manifest that declares it."""
        return self.declaration.document.source

    @property
    def is_transactional(self) -> bool:
        """Whether zmig runs its SQL file in one transaction; the rounds of a batch have one each."""
        if self.declaration.batch is not None:
            return False
        return self.sql is not None and self.sql.is_transactional(self.declaration.transaction)

    @property
    def source(self) -> Source | None:
        """The text of its file."""
        return self.python if self.sql is None else self.sql.source

    @property
    def sql_files(self) -> Iterator[tuple[SqlFile, bool]]:
        """Its SQL files, each with whether it runs in one transaction."""
        if self.sql is not None:
            yield self.sql, self.is_transactional
        if self.rollback is not None:
            without = self.declaration.transaction is False
            yield self.rollback, self.rollback.is_transactional(False if without else None)

    def span(self, key: str) -> tuple[int, int]:
        """Return where the value of `key` is in the manifest; where it is absent, the entry's version or file."""
        node = self.declaration.node
        found = node.get(key) or node.get("version") or node.get("file") or node
        return found.start, found.end
