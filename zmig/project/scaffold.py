"""Creates a new migration: its files, and its entry in the manifest. All of it, or nothing."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any

from zmig.errors import Location, ManifestError, Problem, UsageError
from zmig.manifest import edit, reader, schema_errors
from zmig.project import draft, inclusion, new_files, written_file
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.manifest.yaml_parser import Document
    from zmig.model import Kind
    from zmig.project.draft import Draft
    from zmig.project.inclusion import LoadedManifest


@valueclass
class Created:
    """What was created."""

    version: int
    name: str
    _: KW_ONLY
    file: Path
    rollback_file: Path | None
    """None for a Python migration, which has `rollback(ctx)`."""
    manifest: Path
    """The manifest that has the new entry."""


def create(
    path: Path,
    name: str,
    *,
    kind: Kind,
    today: datetime.date,
    description: str | None = None,
    environ: Mapping[str, str],
) -> Created:
    """Create a migration in the manifest at `path`, with the version after the highest of its sort.

    Raises UsageError for a name that cannot be used and for a file that exists, ManifestError for a manifest that
    has problems or cannot be edited. Then everything is as it was.
    """
    manifests = inclusion.read(path, environ=environ)
    manifests.raise_for_problems()
    root = manifests.opened[0]
    new = draft.make(manifests, name, kind=kind)
    text = _edited(root, new, environ)
    contents = new.texts(today=today, description=description)
    with new_files.written(contents, instead="choose another name"):
        replace_manifest(root, text)
    return Created(new.version, new.name, file=new.file, rollback_file=new.rollback_file, manifest=root.path)


def _edited(root: LoadedManifest, new: Draft, environ: Mapping[str, str]) -> str:
    """Return the manifest's text with the new entry, which is read again to be sure of it."""
    document = root.manifest.document
    try:
        text = edit.add(document, new.fields())
    except edit.NotEditable:
        raise ManifestError(_not_editable(root, new)) from None
    again = reader.read(text, label=str(root.path), environ=environ)
    before, after = plain(document), plain(again.document)
    if again.problems or new.fields() not in after["migrations"]:
        raise ManifestError(_not_editable(root, new))
    after["migrations"].remove(new.fields())
    if before != after:
        raise ManifestError(_not_editable(root, new))
    return text


def plain(document: Document) -> dict[str, Any]:
    """Return what a manifest says, as plain values; it has `migrations`, be it without any."""
    values: dict[str, Any] = {} if document.root is None else schema_errors.plain(document.root)
    return {**values, "migrations": values.get("migrations") or []}


def _not_editable(root: LoadedManifest, new: Draft) -> Problem:
    entry = ", ".join(f"{key}: {value}" for key, value in new.fields().items())
    message = f"an entry cannot be added to `{root.path}` by program, as it is written"
    return Problem("manifest-not-editable", message, Location(str(root.path)), hint=f"add it by hand: `- {{{entry}}}`")


def replace_manifest(root: LoadedManifest, text: str) -> None:
    """Put a new text in the manifest's place, at once and with its rights."""
    path = root.path.resolve()
    before = path.read_bytes()
    mark = BOM_UTF8 if before.startswith(BOM_UTF8) else b""
    if before != mark + root.manifest.document.source.text.encode():
        problem = Problem("file-changed", f"`{root.path}` was changed in the meantime", hint="run the command again")
        raise UsageError(problem)
    try:
        written_file.write(path, mark + text.encode())
    except OSError as error:
        raise UsageError(new_files.unwritable(root.path, error)) from None
