"""By what lint knows again what it found: all that a finding about an entry depends on, as one checksum.

Those of entries are a chain, since what a statement does depends on all before it.
"""

from __future__ import annotations

import os
import re
import sys
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import zmig

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from zmig.lint.base import Comparison
    from zmig.lint.entries import Entry, Gathered
    from zmig.lint.sql_file import SqlFile
    from zmig.text.places import Source

_FORMAT = "1"
"""Of what is kept; another one is not read."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_ANCHOR = re.compile(r"(?:^|[\s\[{,:-])[&*]\w", re.MULTILINE)


def digest(*parts: str | bytes | None) -> str:
    """Return the checksum of texts, in which none runs into the next."""
    made = blake2b(digest_size=20)
    for part in parts:
        octets = b"" if part is None else part.encode(errors="surrogatepass") if isinstance(part, str) else part
        made.update(b"-" if part is None else b"%d:" % len(octets))
        made.update(octets)
    return made.hexdigest()


def of_tools(squawk: str) -> str | None:
    """Return the checksum of what does the checking: zmig itself, PostgreSQL's grammar, and squawk.

    None where the grammar is not installed. Files count by their sizes and times, since a version may stay where code
    changes.
    """
    spec = find_spec("postgast")
    if spec is None or spec.origin is None:
        return None
    parts = [_FORMAT, sys.version, zmig.__version__]
    parts += sorted(_stamps(Path(zmig.__file__).parent, (".py",)))
    parts += sorted(_stamps(Path(spec.origin).parent, (".py", ".so", ".dylib", ".dll", ".desc")))
    status = Path(squawk).stat()
    return digest(*parts, squawk, f"{status.st_size} {status.st_mtime_ns}")


def _stamps(folder: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    with os.scandir(folder) as found:
        for one in found:
            if one.is_dir():
                if one.name != "__pycache__":
                    yield from _stamps(Path(one.path), suffixes)
            elif one.name.endswith(suffixes):
                status = one.stat()
                yield f"{one.path} {status.st_size} {status.st_mtime_ns}"


class Keys:
    """The checksums of a manifest's entries, in their order."""

    def __init__(
        self,
        gathered: Gathered,
        comparison: Comparison | None,
        *,
        tools: str,
        environ: Mapping[str, str],
        replaced: Collection[int],
        rules: Iterable[str],
    ) -> None:
        manifests = {id(one.manifest.document.source): _Slices(one.manifest.document.source) for one in gathered.opened}
        for entry in gathered.entries:
            manifests[id(entry.manifest)].add(entry)
        root = digest(
            tools,
            *(part for one in manifests.values() for part in one.rest()),
            *_variables(gathered, environ),
            *_of_file(gathered.start),
            *sorted(_names_of_repeatables(gathered.entries)),
        )
        self.findings = digest(root, str(comparison is not None), *rules)
        """Of everything that findings of all entries have in common."""
        new = comparison.new if comparison is not None else frozenset[int]()
        self.before: list[str] = []
        """Of what is there before each entry, and after the last one."""
        for entry in gathered.entries:
            self.before.append(root)
            mark = f"{entry.version} {entry.version in new} {id(entry) in replaced}"
            root = digest(root, mark, *manifests[id(entry.manifest)].of(entry), *_of_entry(entry))
        self.before.append(root)

    def item(self, position: int, *, is_examined: bool) -> str:
        """Return the key of what is found of an entry."""
        return digest(self.findings, self.before[position + 1], str(is_examined))


class _Slices:
    """A manifest, taken apart into its entries and the rest."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._spans: dict[int, tuple[int, int]] = {}
        # What an anchor stands for is somewhere else.
        self._is_one = _ANCHOR.search(source.text) is not None

    def add(self, entry: Entry) -> None:
        """Take note of an entry."""
        text, node = self._source.text, entry.declaration.node
        start = text.rfind("\n", 0, node.start) + 1
        end = max(len(text[start : node.end].rstrip()) + start, node.start)
        line_end = text.find("\n", end)
        self._spans[id(entry)] = start, len(text) if line_end < 0 else line_end

    def of(self, entry: Entry) -> tuple[str, ...]:
        """Return what an entry says, with the manifest that says it."""
        if self._is_one:
            return (self._source.label, self._source.text, str(entry.declaration.node.start))
        start, end = self._spans[id(entry)]
        return (self._source.label, self._source.text[start:end])

    def rest(self) -> Iterator[str]:
        """Yield what no entry says."""
        yield self._source.label
        text = self._source.text
        if self._is_one:
            yield text
            return
        position = 0
        for number, (start, end) in enumerate(sorted(self._spans.values())):
            lines = (line.strip() for line in text[position:start].split("\n"))
            # What is said between entries, in comments, nobody reads; before them it may be part of a text.
            yield from (line for line in lines if line and not (number and line.startswith("#")))
            position = max(position, end)
        yield from (line for line in text[position:].split("\n") if line.strip())


def _variables(gathered: Gathered, environ: Mapping[str, str]) -> Iterator[str | None]:
    """Yield what the environment says for the manifests."""
    texts = (one.manifest.document.source.text for one in gathered.opened)
    for name in sorted({found[1] for text in texts for found in _VARIABLE.finditer(text)}):
        yield name
        yield environ.get(name)


def _names_of_repeatables(entries: Sequence[Entry]) -> set[str]:
    """Return what repeatables make, which is there when earlier migrations run."""
    files = (one.sql for one in entries if one.is_repeatable and one.sql is not None)
    return {made.name.name for file in files for one in file.statements for made in one.parsed.creates}


def _of_entry(entry: Entry) -> Iterator[str | None]:
    for file in (entry.sql, entry.rollback, entry.verify):
        yield from _of_file(file)
    python = entry.python
    yield from (None,) if python is None else (python.label, python.text)
    yield str(entry.has_code_rollback)


def _of_file(file: SqlFile | None) -> tuple[str | None, ...]:
    return (None,) if file is None else (file.source.label, file.source.text)
