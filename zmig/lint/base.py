"""What changed between a revision and the work tree, as remarks: history that must stay, versions that come late.

Two states of the base matter. Where the branch left it (the fork) says what was there to be kept; where it is now
(the tip) says what came in the meantime, which the branch need not have.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.project.text_file import checksum_of
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zmig.lint.entry import Entry
    from zmig.text.places import Source


@valueclass
class BaseEntry:
    """An entry as it was at a revision."""

    version: int
    name: str
    is_repeatable: bool
    path: str | None
    """Its file, relative to the root of the repository."""
    text: str | None
    """What was in the file; None where it was not there."""


Snapshot = dict[int, BaseEntry]
"""The entries of a manifest at a revision, by version; empty where it did not exist."""


@valueclass
class Comparison:
    """How the work tree differs from the base."""

    new: frozenset[int] = frozenset()
    """The versions that are not on the base."""
    examined: frozenset[int] = frozenset()
    """Those, and the ones whose files changed."""
    remarks: Mapping[int, tuple[Remark, ...]] = field(default_factory=dict[int, tuple[Remark, ...]])
    """What is wrong with entries, by version."""
    gone: tuple[Remark, ...] = ()
    """What is wrong with entries that are no longer there."""


def compare(entries: Iterable[Entry], fork: Snapshot, tip: Snapshot, *, root: Source) -> Comparison:
    """Return how entries differ from the base; `root` is the manifest that lacks what was deleted."""
    current = {entry.version: entry for entry in entries}
    moved = _moved(current, fork)
    newest = max((known.version for known in tip.values() if not known.is_repeatable), default=0)
    remarks: dict[int, tuple[Remark, ...]] = {}
    for version, entry in current.items():
        if version in fork:
            found = [*_kept(entry, fork[version], newest)]
        elif version in moved:
            found = [_renumbered(entry, moved[version])]
        else:
            found = [*_added(entry, tip, newest)]
        remarks[version] = tuple(found)
    new = frozenset(current.keys() - fork.keys() - moved.keys())
    changed = frozenset(version for version, entry in current.items() if _is_changed(entry, fork.get(version)))
    kept = {known.version for known in moved.values()}
    gone = tuple(_deleted(known, root) for known in _missing(current, fork) if known.version not in kept)
    return Comparison(new, new | changed, remarks, gone)


def _missing(current: Mapping[int, Entry], fork: Snapshot) -> Iterator[BaseEntry]:
    yield from (known for known in fork.values() if known.version not in current and not known.is_repeatable)


def _moved(current: Mapping[int, Entry], fork: Snapshot) -> dict[int, BaseEntry]:
    """Return what became of missing entries that are declared under another version, by that version."""
    found: dict[int, BaseEntry] = {}
    added = [entry for version, entry in current.items() if version not in fork]
    for known in _missing(current, fork):
        renamed = next((entry for entry in added if entry.version not in found and _is_same(entry, known)), None)
        if renamed is not None:
            found[renamed.version] = known
    return found


def _is_same(entry: Entry, known: BaseEntry) -> bool:
    if entry.name == known.name:
        return True
    return (
        entry.source is not None
        and known.text is not None
        and checksum_of(entry.source.text) == checksum_of(known.text)
    )


def _is_changed(entry: Entry, known: BaseEntry | None) -> bool:
    if known is None or known.text is None or entry.source is None:
        return False
    return entry.source.text != known.text and checksum_of(entry.source.text) != checksum_of(known.text)


def _kept(entry: Entry, known: BaseEntry, newest: int) -> Iterator[Remark]:
    if entry.is_repeatable and known.is_repeatable:
        return
    if entry.name != known.name and _is_changed(entry, known):
        message = f"version {entry.version} belongs to `{known.name}` on the base, which is another migration"
        yield _at_entry(entry, "base/taken", message, _own_version(newest), "version")
        return
    if entry.is_repeatable or known.is_repeatable:
        return
    if entry.name != known.name:
        yield _at_entry(
            entry,
            "base/renamed",
            f"version {known.version} is called `{known.name}` on the base, and facts of runs are kept under that name",
            f"write `name: {known.name}`",
            entry.declaration.name_key,
        )
    if entry.source is not None and known.text is not None and _is_changed(entry, known):
        start = _first_difference(entry.source.text, known.text)
        yield Remark(
            "base/changed",
            f"`{entry.name}` was edited here, and may have been applied: it is already on the base",
            f"give the file the text it had, and put the change into a new migration after version {known.version}",
            entry.source,
            start,
            start + 1,
        )


def _first_difference(here: str, there: str) -> int:
    return next((place for place, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), 0)


def _renumbered(entry: Entry, known: BaseEntry) -> Remark:
    message = f"`{entry.name}` has version {entry.version}, but version {known.version} on the base"
    return _at_entry(entry, "base/renumbered", message, f"write `version: {known.version}`", "version")


def _added(entry: Entry, tip: Snapshot, newest: int) -> Iterator[Remark]:
    if entry.is_repeatable and entry.version not in tip:
        return
    taken = tip.get(entry.version)
    hint = _own_version(newest)
    if taken is not None and not _is_same(entry, taken):
        message = f"version {entry.version} belongs to `{taken.name}`, which has been added to the base"
        yield _at_entry(entry, "base/taken", message, hint, "version")
    elif taken is None and entry.version < newest:
        message = (
            f"version {entry.version} is new, but version {newest} is already on the base and may have been applied"
        )
        yield _at_entry(entry, "base/late", message, hint, "version")


def _own_version(newest: int) -> str:
    return f"write `version: {newest + 1}`, and rename the file accordingly"


def _deleted(known: BaseEntry, root: Source) -> Remark:
    return Remark(
        "base/deleted",
        f"version {known.version}, `{known.name}`, is on the base and no longer declared here",
        "declare it again: a database that has applied it would report it as missing",
        root,
        0,
        1,
    )


def _at_entry(entry: Entry, rule: str, message: str, hint: str, key: str) -> Remark:
    return Remark(rule, message, hint, entry.manifest, *entry.span(key))
