"""Which migrations are proved: those that are named, those that are new since a revision, or all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import run as linter
from zmig.lint.entries import Files, gather
from zmig.lint.git import Repository
from zmig.planning import selection
from zmig.project import text_file
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zmig.model import Migration
    from zmig.project.project import Project


@valueclass
class Choice:
    """What is proved."""

    migrations: tuple[Migration, ...]
    """Those that run once, in order."""
    notes: tuple[str, ...] = ()
    """What is to be known of how they were chosen."""


def on_new_database(project: Project) -> Project:
    """Return a project without what never runs on a new database, since another migration takes its place there."""
    squashes = [(one, one.replaces) for one in project.migrations if one.replaces is not None]

    def is_replaced(migration: Migration) -> bool:
        return any(
            migration is not squash
            and migration.version in versions
            and (migration.replaces is None or migration.replaces.count < versions.count)
            for squash, versions in squashes
        )

    kept = (one for one in project.migrations if not is_replaced(one))
    return replace(project, migrations=tuple(kept))


def choose(
    project: Project, manifest: Path, *, names: Sequence[str], base: str | None, environ: Mapping[str, str]
) -> Choice:
    """Return the migrations to prove: those that are named, or are not on `base` as they are here; without both, all.

    Raises:
        UsageError: nothing has such a name or version; git does not know the revision, or there is no git.
    """
    ordinary = tuple(one for one in project.migrations if not one.is_repeatable)
    if names:
        named = {one.version for one in selection.find_all(project.migrations, names)}
        ordinary = tuple(one for one in ordinary if one.version in named)
    if base is None:
        return Choice(ordinary)
    notes: list[str] = []
    gathered = gather(manifest, environ=environ, files=Files())
    compared = linter.compared(gathered, base, environ, notes)
    examined = frozenset[int]() if compared is None else compared.examined
    examined |= with_other_rollbacks(ordinary, manifest, base)
    return Choice(tuple(one for one in ordinary if one.version in examined), tuple(notes))


def with_other_rollbacks(migrations: Sequence[Migration], manifest: Path, base: str) -> frozenset[int]:
    """Return the versions of those whose rollback file is not what it was where the branch left the base."""
    repository = Repository.around(manifest.parent)
    tip = repository.commit(base)
    files = {one.version: one.rollback_file for one in migrations if one.rollback_file is not None}
    inside = {version: repository.inside(file) for version, file in files.items()}
    texts = repository.texts(repository.fork(tip) or tip, filter(None, inside.values()))
    return frozenset(
        version
        for version, file in files.items()
        if text_file.checksum_of(text_file.read(file)) != text_file.checksum_of(texts.get(inside[version] or "", ""))
    )
