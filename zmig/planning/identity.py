"""Which applied migration a declared one is, where version, name and checksum do not all agree.

Pure. A version is a migration's identity, but people change versions: two branches use one number, or an applied
migration is given another number. Then the name and the checksum say what is what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.model import Migration
    from zmig.planning.history import Record


def is_same(migration: Migration, record: Record) -> bool:
    """Whether what is declared is what was applied: by its checksum, else that of its tokens.

    Where a checksum is unknown, by its name.
    """
    if record.checksum is None or migration.checksum is None:
        return record.name == migration.name
    return record.checksum == migration.checksum or _has_same_tokens(migration, record)


def is_respelled(migration: Migration, record: Record) -> bool:
    """Whether a file was edited since it was applied, and the server would be sent the same tokens all the same."""
    return record.checksum != migration.checksum and _has_same_tokens(migration, record)


def _has_same_tokens(migration: Migration, record: Record) -> bool:
    return record.token_checksum is not None and record.token_checksum == migration.token_checksum


def is_other(migration: Migration, record: Record) -> bool:
    """Whether a version was applied as another migration: both its name and its checksums differ.

    A repeatable that takes the place of a repeatable is no danger, since both may run again at any time.
    """
    if record.applied is None or record.checksum is None or migration.checksum is None:
        return False
    if migration.is_repeatable and _is_repeatable(record):
        return False
    return record.name != migration.name and not is_same(migration, record)


def renumbered(declared: Iterable[Migration], applied: Iterable[Record]) -> dict[int, Record]:
    """Return the applied migrations that are declared under another version, by that version.

    `declared` are migrations that are not applied, `applied` records of no declared migration. The same
    name goes before the same checksum. Repeatables have no part in it: to run one again does no harm.
    """
    renumbered: dict[int, Record] = {}
    taken: set[int | None] = set()
    migrations = [one for one in declared if not one.is_repeatable]
    records = [record for record in applied if record.version is not None and not _is_repeatable(record)]
    names = {migration.name: migration for migration in migrations}
    pairs = [(names[record.name], record) for record in records if record.name in names]
    by_checksum: dict[str | None, list[Record]] = {}
    for record in records:
        by_checksum.setdefault(record.checksum, []).append(record)
    for migration in migrations:
        alike = by_checksum.get(migration.checksum, ()) if migration.checksum is not None else ()
        pairs += ((migration, record) for record in alike)
    for migration, record in pairs:
        if migration.version not in renumbered and record.version not in taken:
            renumbered[migration.version] = record
            taken.add(record.version)
    return renumbered


def _is_repeatable(record: Record) -> bool:
    return record.applied is not None and record.applied.text("kind") == Kind.REPEATABLE
