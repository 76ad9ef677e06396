"""What changed between a git revision and the work tree, as remarks: history that must stay, versions that come late.

Two states of the base matter. Where the branch left it (the fork) says what was there to be kept; where it is now
(the tip) says what came in the meantime, which the branch need not have.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.manifest import reader
from zmig.model import Kind
from zmig.project import token_checksums
from zmig.project.text_file import checksum_of
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from dataclasses import KW_ONLY

    from zmig.lint.entries import Entry, Gathered
    from zmig.lint.git import Repository
    from zmig.manifest.declaration import Declaration
    from zmig.manifest.reader import Manifest
    from zmig.text.places import Source


@valueclass
class BaseEntry:
    """An entry as it was at a revision."""

    version: int
    name: str
    _: KW_ONLY
    is_repeatable: bool
    text: str | None
    """What was in the file; None where it was not there."""
    kind: Kind | None = None
    transaction: bool | None = None
    """What it said under `transaction`."""
    rollback: str | None = None
    """The rollback file that it named."""


Base = dict[int, BaseEntry]
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


@valueclass
class Here:
    """What is in the work tree, by paths relative to the repository's root: most of it is as it was."""

    manifests: Mapping[str, Manifest] = field(default_factory=dict[str, "Manifest"])
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is in files of entries."""


def here(repository: Repository, gathered: Gathered) -> Here:
    """Return what was read of a project that is in a repository."""
    manifests: dict[str, Manifest] = {}
    folders: dict[int, str] = {}
    for opened in gathered.opened:
        path = repository.inside(opened.path)
        if path is not None:
            manifests[path] = opened.manifest
            folders[id(opened.manifest.document.source)] = posixpath.dirname(path)
    texts: dict[str, str] = {}
    for entry in gathered.entries:
        folder = folders.get(id(entry.manifest))
        if folder is not None and entry.source is not None:
            texts[_path(folder, entry.declaration)] = entry.source.text
    return Here(manifests, texts)


def _path(folder: str, declaration: Declaration) -> str:
    return posixpath.normpath(posixpath.join(folder, declaration.file or ""))


def read(
    repository: Repository, commit: str, path: str, *, environ: Mapping[str, str], here: Here | None = None
) -> Base:
    """Return the entries that the manifest at `path`, relative to the repository's root, had at a commit.

    What is `here` as it was is not read, and not parsed, once more.
    """
    here = here or Here()
    declared = [*_declared(repository, commit, path, environ, here)]
    files = [_path(folder, one) for folder, one in declared]
    texts = repository.texts(commit, files, here=here.texts)
    base: Base = {}
    for (_, one), file in zip(declared, files, strict=True):
        if one.version is not None and one.name is not None:
            is_repeatable = one.effective_kind is Kind.REPEATABLE
            entry = BaseEntry(
                one.version,
                one.name,
                is_repeatable=is_repeatable,
                text=texts.get(file),
                kind=one.effective_kind,
                transaction=one.transaction,
                rollback=one.rollback,
            )
            base.setdefault(one.version, entry)
    return base


def _declared(
    repository: Repository, commit: str, path: str, environ: Mapping[str, str], here: Here
) -> Iterator[tuple[str, Declaration]]:
    """Yield the entries of a manifest and of those it includes, each with the folder its paths are relative to."""
    waiting, seen = [path], {path}
    while waiting:
        current = waiting.pop(0)
        text = repository.texts(commit, [current]).get(current)
        if text is None:
            continue
        folder = posixpath.dirname(current)
        manifest = here.manifests.get(current)
        if manifest is None or manifest.document.source.text != text:
            manifest = reader.read(text, label=current, environ=environ, is_included=current != path)
        yield from ((folder, one) for one in manifest.declarations)
        for include in manifest.includes:
            included = posixpath.normpath(posixpath.join(folder, include.path))
            if included not in seen:
                seen.add(included)
                waiting.append(included)


def compare(entries: Iterable[Entry], fork: Base, tip: Base, *, root: Source, is_fork_known: bool = True) -> Comparison:
    """Return how entries differ from the base; `root` is the manifest that lacks what was deleted.

    Where the fork is not known, `fork` is what the tip holds, and some of that may have come after it.
    """
    entries = sorted(entries, key=lambda entry: entry.declaration.replaces is None)
    current = {entry.version: entry for entry in entries}  # a squash comes before the last one that it replaces
    squashes = [entry.declaration.replaces for entry in entries if entry.declaration.replaces is not None]
    missing = [
        known
        for known in fork.values()
        if known.version not in current
        and not known.is_repeatable
        and not any(known.version in replaces for replaces in squashes)
    ]
    moved = _moved([entry for version, entry in current.items() if version not in fork], missing)
    newest = max((known.version for known in tip.values() if not known.is_repeatable), default=0)
    free = _Free(newest, current)
    remarks: dict[int, tuple[Remark, ...]] = {}
    for version, entry in sorted(current.items()):
        if version in fork:
            remarks[version] = tuple(_kept(entry, fork[version], free))
        elif version in moved:
            known = moved[version]
            message = f"`{entry.name}` has version {version}, but version {known.version} on the base"
            hint = f"write `version: {known.version}`"
            remarks[version] = (entry.remark("base/renumbered", "version", message, hint),)
        else:
            remarks[version] = tuple(_added(entry, tip, newest, free))
    new = frozenset(current.keys() - fork.keys() - moved.keys())
    changed = frozenset(version for version, entry in current.items() if _is_changed(entry, fork.get(version)))
    renumbered = {known.version for known in moved.values()}
    gone = tuple(
        Remark(
            "base/deleted",
            f"version {known.version}, `{known.name}`, is on the base and no longer declared here",
            "declare it again: a database that has applied it would report it as missing",
            root,
            start=0,
            end=1,
        )
        for known in missing
        if known.version not in renumbered and is_fork_known
    )
    return Comparison(new, new | changed, remarks, gone)


def _moved(added: Iterable[Entry], missing: Iterable[BaseEntry]) -> dict[int, BaseEntry]:
    """Return what became of missing entries that are declared under another version, by that version."""
    moved: dict[int, BaseEntry] = {}
    waiting = {entry.version: entry for entry in added}
    for known in missing:
        entry = next((entry for entry in waiting.values() if _is_same(entry, known)), None)
        if entry is not None:
            moved[entry.version] = known
            del waiting[entry.version]
    return moved


def _is_same(entry: Entry, known: BaseEntry) -> bool:
    """Whether two entries are one migration: by name, or by what is in the file."""
    if entry.name == known.name:
        return True
    if entry.source is None or known.text is None:
        return False
    return checksum_of(entry.source.text) == checksum_of(known.text)


def _is_changed(entry: Entry, known: BaseEntry | None) -> bool:
    if known is None or known.text is None or entry.source is None:
        return False
    # Most files are as they were, and comparing texts is cheaper than two checksums.
    return entry.source.text != known.text and checksum_of(entry.source.text) != checksum_of(known.text)


_MAYBE = "and may have been applied"
_ONLY = "in comments, white space or case only"
_NO_REFUSAL = "leave it: where it was applied with this version of zmig or a later one, nothing refuses it"


def _is_respelled(entry: Entry, known: BaseEntry) -> bool:
    """Whether a changed file differs in comments, white space and case only."""
    if entry.sql is None or known.text is None:
        return False
    has_variables = entry.declaration.has_variables
    now = token_checksums.of_text(entry.sql.source.text, has_variables=has_variables)
    return now is not None and now == token_checksums.of_text(known.text, has_variables=has_variables)


def _kept(entry: Entry, known: BaseEntry, free: _Free) -> Iterator[Remark]:
    """Yield what is wrong with an entry whose version was there where the branch left the base."""
    if entry.is_repeatable and known.is_repeatable:
        return
    if entry.declaration.replaces is not None and entry.name != known.name:
        return  # a squash has the version of the last one that it replaces
    is_changed = _is_changed(entry, known)
    is_respelled = is_changed and _is_respelled(entry, known)
    if entry.name != known.name and is_changed and not is_respelled:
        message = f"version {entry.version} belongs to `{known.name}` on the base, which is another migration"
        yield entry.remark("base/taken", "version", message, free.hint())
        return
    yield from _redeclared(entry, known)
    if entry.is_repeatable or known.is_repeatable:
        return
    if entry.name != known.name:
        yield entry.remark(
            "base/renamed",
            entry.declaration.name_key,
            f"version {known.version} is called `{known.name}` on the base, and facts of runs are kept under that name",
            f"write `name: {known.name}`",
        )
    if entry.source is not None and known.text is not None and is_changed:
        start = _first_difference(entry.source, known.text)
        rule = "base/cosmetic" if is_respelled else "base/changed"
        edited = f"`{entry.name}` was edited here, {_ONLY if is_respelled else _MAYBE}: it is already on the base"
        again = f"give the file the text it had, and put the change into a new migration after version {known.version}"
        yield Remark(
            rule,
            edited,
            _NO_REFUSAL if is_respelled else again,
            entry.source,
            start=start,
            end=start + 1,
        )


def _added(entry: Entry, tip: Base, newest: int, free: _Free) -> Iterator[Remark]:
    """Yield what is wrong with an entry that the branch adds: others may have come first."""
    if entry.is_repeatable and entry.version not in tip:
        return
    taken = tip.get(entry.version)
    if entry.declaration.replaces is not None and (taken is not None or entry.version < newest):
        return
    if taken is not None and not _is_same(entry, taken):
        message = f"version {entry.version} belongs to `{taken.name}`, which has been added to the base"
        yield entry.remark("base/taken", "version", message, free.hint())
    elif taken is None and entry.version < newest:
        message = (
            f"version {entry.version} is new, but version {newest} is already on the base and may have been applied"
        )
        yield entry.remark("base/late", "version", message, free.hint())


class _Free:
    """Versions above all others, each of which is advised once."""

    def __init__(self, newest: int, taken: Iterable[int]) -> None:
        self._taken = {*taken}
        self._last = newest

    def hint(self) -> str:
        """Return the advice to take the next one."""
        self._last += 1
        while self._last in self._taken:
            self._last += 1
        return f"write `version: {self._last}`, and rename the file accordingly"


def _first_difference(source: Source, before: str) -> int:
    """Return where a text first differs from what it was, line ends apart; its last character where it was cut."""
    here, there = (text.replace("\r\n", "\n") for text in (source.text, before))
    pairs = enumerate(zip(here, there, strict=False))
    place = next((place for place, (one, other) in pairs if one != other), min(len(here), len(there)))
    if place == len(there):  # something was appended: blank lines before it are not what is meant
        place += len(here[place:]) - len(here[place:].lstrip())
    place = min(place, len(here.rstrip()) - 1)
    begin = here.rfind("\n", 0, max(place, 0)) + 1
    return source.offset_of_line(here.count("\n", 0, begin) + 1) + max(place, 0) - begin


def _redeclared(entry: Entry, known: BaseEntry) -> Iterator[Remark]:
    """Yield what is said of a migration that may have been applied, and was said otherwise."""
    kind = entry.declaration.effective_kind
    if kind is not known.kind and kind is not None and known.kind is not None:
        message = f"`{entry.name}` is `{kind.value}` here, and `{known.kind.value}` on the base"
        again = (
            "make it a migration of its own" if Kind.REPEATABLE in (kind, known.kind) else "leave the file as it was"
        )
        yield entry.remark("base/kind", "kind", message, f"write `kind: {known.kind.value}`, or {again}")
    # What is declared alike runs alike, and to know how, a file has to be read.
    is_alike = entry.declaration.transaction == known.transaction
    if entry.sql is not None and entry.declaration.batch is None and not is_alike:
        before, now = entry.sql.is_transactional(known.transaction), entry.is_transactional
        if before != now:
            how = ("without a transaction", "in one transaction")
            message = (
                f"`{entry.name}` runs {how[now]}, and ran {how[before]} on the base, where it may have been applied"
            )
            said = (
                "leave `transaction` out"
                if known.transaction is None
                else f"write `transaction: {str(before).lower()}`"
            )
            yield entry.remark("base/transaction", "transaction", message, said)
    if known.rollback is not None and entry.declaration.rollback is None:
        message = f"`{entry.name}` has a rollback on the base and none here, so where it is applied it cannot be undone"
        yield entry.remark("base/rollback", "rollback", message, f"write `rollback: {known.rollback}`")
