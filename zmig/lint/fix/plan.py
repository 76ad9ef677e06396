"""What a manifest and its files are to be once files are split: versions, names, and the manifest's text. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from zmig.lint.fix.pieces import CannotFix, How
from zmig.manifest import edit, reader, schema_errors
from zmig.manifest.yaml_parser import Mapping as MappingNode
from zmig.manifest.yaml_parser import Scalar
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.lint.entries import Entry
    from zmig.lint.fix.parts import Part
    from zmig.manifest.edit import Fields
    from zmig.manifest.yaml_parser import Document, Node

_NUMBERED = re.compile(r"(?P<before>[vVrR]?_{0,2})(?P<number>[0-9]+)(?P<after>.*)", re.DOTALL)
_COPIED = ("kind", "variables", "lock_timeout", "statement_timeout", "retry", "run_as", "lint")
"""What of an entry holds for each of its parts."""
_PATHS = ("file", "rollback")
_ROUND = 1000
_LONGEST = 100


@valueclass
class Split:
    """An entry, and the parts that it becomes."""

    entry: Entry
    parts: Sequence[Part]


@valueclass
class Plan:
    """What a manifest's text and files are to be."""

    text: str
    """The manifest's."""
    staged: str
    """The same, where files that are replaced have other names: what it says while they are."""
    _: KW_ONLY
    files: Mapping[str, str]
    """What is in files, by their paths as the manifest names them."""
    staging: Mapping[str, str]
    """The other names of files that are replaced."""
    moved: Mapping[str, str]
    """The new paths of files that are called otherwise, by their old ones."""
    is_edited: bool
    """Whether the manifest changes."""


def plan(
    document: Document, splits: Sequence[Split], entries: Sequence[Entry], new: Collection[int],
    environ: Mapping[str, str], ignores: Callable[[int, int], bool],
) -> Plan:  # fmt: skip
    """Return the plan; `entries` are all of the manifest and those beside it, `new` those that nobody has applied.

    `ignores` says whether an ignore, by its number, stays with a new version. Raises CannotFix.
    """
    numbers = _numbers(document, splits, entries, new)
    split_by = {one.entry.version: one for one in splits}
    files: dict[str, str] = {}
    moved: dict[str, str] = {}
    values: dict[int, dict[str, Any]] = {}
    more: list[Fields] = []
    for entry in entries:
        if entry.declaration.document is not document or entry.version not in numbers:
            continue
        version, *others = numbers[entry.version]
        changes: dict[str, Any] = dict(_renamed(entry, version))
        moved.update({old: str(now) for old, now in _paths(entry, changes)})
        if version != entry.version:
            changes["version"] = version
        values[entry.version] = changes
        if entry.version in split_by:
            parts = split_by[entry.version].parts
            file, rollback = entry.declaration.file or "", entry.declaration.rollback
            file, rollback = str(changes.get("file", file)), changes.get("rollback", rollback)
            files[file] = parts[0].text
            if parts[0].rollback is not None and rollback is not None:
                files[rollback] = parts[0].rollback
            taken = {file}
            for part, number in zip(parts[1:], others, strict=True):
                fields, contents = _new_entry(entry, part, number, file, rollback, taken, ignores)
                more.append(fields)
                files.update(contents)
    known = {*_old_paths(entries, document)}
    staging = {path: _staged_name(path) for path in (*files, *moved.values()) if path in known}
    text = _text(document, values, more, {}, environ)
    staged = _text(document, values, more, staging, environ)
    is_edited = text != document.source.text
    return Plan(text, staged, files=files, staging=staging, moved=moved, is_edited=is_edited)


def _old_paths(entries: Sequence[Entry], document: Document) -> Iterator[str]:
    for entry in entries:
        if entry.declaration.document is document:
            yield from (one for one in (entry.declaration.file, entry.declaration.rollback) if one is not None)


def _paths(entry: Entry, changes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, old in (("file", entry.declaration.file), ("rollback", entry.declaration.rollback)):
        if old is not None and key in changes:
            yield old, changes[key]


def _numbers(
    document: Document, splits: Sequence[Split], entries: Sequence[Entry], new: Collection[int]
) -> dict[int, list[int]]:
    """Return the versions that entries are to have, by the one they have: one more for each further part."""
    sizes = {one.entry.version: len(one.parts) for one in splits}
    fixed = {one.version for one in entries if one.is_repeatable}
    numbers: dict[int, list[int]] = {}
    last = 0
    squashes = [one.declaration.replaces for one in entries if one.declaration.replaces is not None]
    for entry in sorted((one for one in entries if not one.is_repeatable), key=lambda one: one.version):
        version = max(entry.version, _next(last, fixed))
        if version != entry.version:
            is_ours = entry.version in new and entry.declaration.document is document
            if not is_ours or any(entry.version in versions for versions in squashes):
                raise CannotFix(
                    f"there is no free version before {entry.version}, `{entry.name}`, which may have been applied: "
                    "give what is to be split the highest version, or split it by hand"
                )
        numbers[entry.version] = [version]
        for _ in range(sizes.get(entry.version, 1) - 1):
            numbers[entry.version].append(_next(numbers[entry.version][-1], fixed))
        last = numbers[entry.version][-1]
    return numbers


def _next(last: int, fixed: Collection[int]) -> int:
    last += 1
    while last in fixed:
        last += 1
    return last


def _renamed(entry: Entry, version: int) -> Iterator[tuple[str, str]]:
    """Yield the paths of an entry's files where its version is another one, and they are named by it."""
    if version == entry.version:
        return
    for key, path in (("file", entry.declaration.file), ("rollback", entry.declaration.rollback)):
        found = None if path is None else _NUMBERED.fullmatch(PurePosixPath(path).name)
        if path is not None and found is not None and int(found["number"]) == entry.version:
            number = str(version).zfill(len(found["number"]))
            yield key, _beside(path, f"{found['before']}{number}{found['after']}")


def _beside(path: str, name: str) -> str:
    """Return a path in the folder of another one, as it is written."""
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{name}"


def _staged_name(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return f"{stem}.fixed{dot}{suffix}"


def _new_entry(
    entry: Entry, part: Part, version: int, file: str, rollback: str | None, taken: set[str],
    ignores: Callable[[int, int], bool],
) -> tuple[Fields, dict[str, str]]:  # fmt: skip
    """Return the fields of a new entry, and its files."""
    name = PurePosixPath(file).name
    stem, suffix = name.removesuffix(PurePosixPath(file).suffix), PurePosixPath(file).suffix
    path = _beside(file, f"{_stem(stem, version, part.slug)}{suffix}")
    while path in taken:
        path = _beside(file, f"{PurePosixPath(path).stem}_{version}{suffix}")
    taken.add(path)
    header = "" if part.text.startswith("--") else f"-- {_about(part, stem)}\n"
    contents = {path: f"{header}{part.text}"}
    fields: dict[str, Any] = {"version": version, "file": path}
    if rollback is not None and part.rollback is not None:
        undo = PurePosixPath(rollback).name
        if not undo.startswith(stem):
            raise CannotFix(f"its rollback is not named after it, so what to call another one is not known: `{undo}`")
        named = _beside(rollback, PurePosixPath(path).stem + undo.removeprefix(stem))
        fields["rollback"] = named
        contents[named] = part.rollback
    said = schema_errors.plain(entry.declaration.node)
    if said.get("transaction") is False and part.how is not How.BATCH:
        fields["transaction"] = False
    if part.how is How.BATCH:
        fields["batch"] = {"size": _ROUND}
    for key in _COPIED:
        if key in said and key != "lint":
            fields[key] = said[key]
    kept = [one for number, one in enumerate(said.get("lint", {}).get("ignore", ())) if ignores(version, number)]
    if kept:
        fields["lint"] = {"ignore": kept}
    return fields, contents


def _about(part: Part, stem: str) -> str:
    return f"{part.about[:1].upper()}{part.about[1:]}, after {stem}." if part.about else f"Goes on after {stem}."


def _stem(stem: str, version: int, slug: str) -> str:
    """Return what the file of a part is called, without its suffix."""
    found = _NUMBERED.fullmatch(stem)
    word = re.sub(r"\W+", "_", slug).strip("_").lower() or "then"
    if found is None:
        return f"{stem}_{word}"[:_LONGEST]
    number = str(version).zfill(len(found["number"]))
    said = found["after"]
    rest = said.lstrip("_-")
    separator = said.removesuffix(rest)
    # An index of `orders` is mostly called after it as well.
    is_said = rest != "" and word.startswith(rest.lower()) and word != rest.lower()
    after = f"{separator}{word}" if is_said else f"{said}_{word}"
    return f"{found['before']}{number}{after}"[:_LONGEST]


def _text(
    document: Document, values: Mapping[int, Mapping[str, Any]], more: Sequence[Fields], staging: Mapping[str, str],
    environ: Mapping[str, str],
) -> str:  # fmt: skip
    """Return the manifest's text with other values in entries, and more of these. Raises CannotFix."""
    more = [_with_paths(one, staging) for one in more]
    before = _plain(document)
    edits: list[tuple[Node, Any]] = []
    expected: list[dict[str, Any]] = []
    for node, said in zip(_entries(document), before["migrations"], strict=True):
        changes = dict(values.get(said.get("version", 0), {}))
        for key in _PATHS:
            path = changes.get(key, said.get(key))
            if path in staging:
                changes[key] = staging[path]
        for key, value in changes.items():
            place = node.get(key)
            if not isinstance(place, Scalar):
                raise CannotFix("the manifest cannot be edited by program, as it is written")
            edits.append((place, value))
        expected.append({**said, **changes})
    text = edit.set_values(document, edits) if edits else document.source.text
    for fields in more:
        again = reader.read(text, label=document.source.label, environ=environ)
        try:
            text = edit.add(again.document, fields)
        except edit.NotEditable:
            raise CannotFix("the manifest cannot be edited by program, as it is written") from None
    after = _plain(reader.read(text, label=document.source.label, environ=environ).document)
    wanted = sorted([*expected, *map(dict, more)], key=_version)
    if {**after, "migrations": sorted(after["migrations"], key=_version)} != {**before, "migrations": wanted}:
        raise CannotFix("the manifest cannot be edited by program, as it is written")
    return text


def _with_paths(fields: Fields, staging: Mapping[str, str]) -> Fields:
    """Return the fields of an entry, with other names for files that have some."""
    others = {key: staging[str(fields[key])] for key in _PATHS if fields.get(key) in staging}
    return {**fields, **others}


def _version(entry: Mapping[str, Any]) -> int:
    version = entry.get("version")
    return version if isinstance(version, int) else 0


def _plain(document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {} if document.root is None else schema_errors.plain(document.root)
    return {**values, "migrations": values.get("migrations") or []}


def _entries(document: Document) -> Iterator[MappingNode]:
    node = document.root.get("migrations") if isinstance(document.root, MappingNode) else None
    for item in getattr(node, "items", ()):
        if isinstance(item, MappingNode):
            yield item
