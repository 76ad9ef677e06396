"""What was found of one manifest before: findings by entry, and the catalogs that are there before some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zmig.lint.cache import findings as as_json
from zmig.lint.cache import keys as by_content
from zmig.lint.cache.folder import around
from zmig.lint.cache.keys import Keys
from zmig.project import outside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from zmig.lint.base import Comparison
    from zmig.lint.cache.findings import Found
    from zmig.lint.cache.folder import CacheFolder
    from zmig.lint.entries import Entry, Gathered
    from zmig.lint.replay.catalog import Catalog

_WRONG = (AttributeError, LookupError, TypeError, ValueError)
"""What reading raises where something else was kept than was looked for."""


class Cache:
    """What was found of one manifest."""

    def __init__(
        self, folder: CacheFolder, keys: Keys, entries: Sequence[Entry], *, examined: Sequence[bool],
        left_out: Collection[int],
    ) -> None:  # fmt: skip
        self._folder = folder
        self._keys = keys
        self._entries = entries
        self._left_out = left_out
        self._items = [keys.item(number, is_examined=one) for number, one in enumerate(examined)]
        self._name = f"{keys.findings}.findings.json"
        read = folder.read(self._name)
        self._kept: dict[str, Any] = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
        self._known = [self._decoded(number) for number in range(len(entries))]
        self._made: dict[str, Any] = {}
        self._catalogs: dict[int, tuple[Catalog, frozenset[int]]] = {}

    def known(self, position: int) -> Found | None:
        """Return what was found of an entry, by its number; None where it is to be looked for."""
        return self._known[position]

    def _decoded(self, position: int) -> Found | None:
        kept = self._kept.get(self._items[position])
        if kept is None or position in self._left_out:
            return None
        try:
            return as_json.decoded(kept, self._entries[position])
        except _WRONG:
            return None

    def keep(self, position: int, found: Found) -> None:
        """Take note of what was found of an entry."""
        entry = self._entries[position]
        if position not in self._left_out and not _is_about_others(entry):
            kept = as_json.encoded(found, entry)
            if kept is not None:
                self._made[self._items[position]] = kept

    def catalog(self, position: int, *, after: int) -> tuple[int, Catalog, frozenset[int]] | None:
        """Return what is there before an entry, or before the last one before it of which that is kept.

        With it come the number of that entry, and the generations of what nobody can be using. None where nothing
        is kept of entries beyond the number `after`.
        """
        from zmig.lint.cache import catalogs

        for number in range(position, after, -1):
            name = self._catalog_name(number)
            if self._folder.has(name):
                try:
                    catalog, [new] = catalogs.decoded(self._folder.read(name))
                except _WRONG:
                    continue
                return number, catalog, new
        return None

    def wants_catalog(self, position: int) -> bool:
        """Whether what is there before an entry is worth keeping: the last ones are those that are worked on."""
        return position in (len(self._entries), len(self._entries) - 1)

    def keep_catalog(self, position: int, catalog: Catalog, new: frozenset[int]) -> None:
        """Take note of what is there before an entry."""
        if position > 0:
            self._catalogs[position] = catalog.copy(), new

    def save(self) -> None:
        """Write what is not there yet."""
        current = {key: self._kept[key] for key in self._items if key in self._kept} | self._made
        if self._made:
            self._folder.write(self._name, current)
        if self._catalogs:
            from zmig.lint.cache import catalogs

            for position, (catalog, new) in self._catalogs.items():
                name = self._catalog_name(position)
                if self._folder.read(name) is None:  # what is there may be signed with another key
                    try:
                        self._folder.write(name, catalogs.encoded(catalog, new))
                    except (catalogs.NotData, RecursionError):
                        return

    def _catalog_name(self, position: int) -> str:
        return f"{self._keys.before[position]}.catalog.json"


def _is_about_others(entry: Entry) -> bool:
    """Whether a file of an entry is outside of the project: its lines are kept nowhere."""
    labels = [file.path for file in entry.read_files]
    labels += [] if entry.python is None else [entry.python.label]
    return any(outside.is_hidden(label) for label in (entry.manifest.label, *labels))


def open_cache(
    gathered: Gathered,
    comparison: Comparison | None,
    *,
    examined: Sequence[bool],
    tools: str,
    environ: Mapping[str, str],
    replaced: Collection[int],
    shared: Collection[str],
    rules: Iterable[str],
) -> Cache | None:
    """Return what was found of a manifest; None where nothing can be kept beside it.

    `examined` says of each entry whether its files are checked. `tools` is the checksum of what checks, `replaced` are
    the entries, by their `id`, that a squash takes the place of, `shared` the files that other entries name as well,
    and `rules` what else findings depend on.
    """
    folder = around(gathered.path, environ=environ)
    if folder is None:
        return None
    keys = Keys(gathered, comparison, tools=tools, environ=environ, replaced=replaced, rules=rules)
    left_out = {
        number
        for number, entry in enumerate(gathered.entries)
        if (comparison is not None and comparison.remarks.get(entry.version))
        or any(file.path in shared for file in entry.read_files)
        or (entry.python is not None and entry.python.label in shared)
    }
    return Cache(folder, keys, gathered.entries, examined=examined, left_out=left_out)


def tools(squawk: str | None) -> str | None:
    """Return the checksum of what checks; None where something of it is not installed."""
    try:
        return None if squawk is None else by_content.of_tools(squawk)
    except (ImportError, OSError, ValueError):
        return None
