"""Reads a manifest as it was at a revision, with those it included and the files they named."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from zmig.lint.base import BaseEntry, Snapshot
from zmig.manifest import reader
from zmig.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.lint.git import Repository
    from zmig.manifest.declaration import Declaration


def take(repository: Repository, commit: str, path: str, *, environ: Mapping[str, str]) -> Snapshot:
    """Return the entries that the manifest at `path`, relative to the repository's root, had at a commit."""
    declared = [*_declared(repository, commit, path, environ)]
    files = {id(one): posixpath.normpath(posixpath.join(folder, one.file or "")) for folder, one in declared}
    texts = repository.texts(commit, files.values())
    found: Snapshot = {}
    for _, one in declared:
        if one.version is not None and one.name is not None:
            file = files[id(one)]
            is_repeatable = one.effective_kind is Kind.REPEATABLE
            found.setdefault(one.version, BaseEntry(one.version, one.name, is_repeatable, file, texts.get(file)))
    return found


def _declared(
    repository: Repository, commit: str, path: str, environ: Mapping[str, str]
) -> Iterator[tuple[str, Declaration]]:
    """Yield the entries of a manifest and of those it includes, each with the folder its paths are relative to."""
    waiting, seen = [path], {path}
    while waiting:
        current = waiting.pop(0)
        text = repository.texts(commit, [current]).get(current)
        if text is None:
            continue
        folder = posixpath.dirname(current)
        read = reader.read(text, label=current, environ=environ, is_included=current != path)
        yield from ((folder, one) for one in read.declarations)
        for include in read.includes:
            included = posixpath.normpath(posixpath.join(folder, include.path))
            if included not in seen:
                seen.add(included)
                waiting.append(included)
