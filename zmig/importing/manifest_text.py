"""The text of manifests that zmig writes: a new one for people who never saw one, and entries for one that is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.manifest import edit, schema
from zmig.manifest.declaration import stem
from zmig.manifest.variables import escaped
from zmig.model import Kind
from zmig.other_tools.source import Repeats, on_one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.importing.plan import ImportPlan, PlannedMigration
    from zmig.manifest.edit import Fields, Value

SCHEMA_NAME = "manifest.schema.json"
"""The file, beside a manifest, by which editors know what is in one."""

_HEAD = """\
# yaml-language-server: $schema={schema}
#
# {about}
#
#   zmig status {path}
#   zmig plan {path}
#   zmig apply {path}

manifest: 1
name: {name}
environment: production # or staging, development, test; guards commands that destroy, such as `zmig reset`

database:
  url: ${{DATABASE_URL}} # from the environment, so that no password is in this file
"""
_VARIABLES = """
# What `${name}` stands for in the files of entries that say `variables: true`.
variables:
"""
_IMPORT = f"\n{edit.ABOUT_IMPORT}\nimport:\n"
_MIGRATIONS = """
# In the order of their versions, repeatables after all others. `zmig create "add orders"` writes the next one.
migrations:
"""


def new(
    manifest: Path,
    *,
    about: str,
    variables: Mapping[str, str] | None = None,
    left_out: Mapping[str, Sequence[str]] | None = None,
    entries: Sequence[Fields] = (),
) -> str:
    """Return the text of a new manifest; `about` says in a line what it is."""
    name = " ".join(manifest.stem.split()) or "database"
    path = manifest.as_posix()
    text = _HEAD.format(schema=schema_path(manifest), about=about, path=path, name=edit.scalar(escaped(name)))
    if variables:
        text += _VARIABLES + "".join(f"  {key}: {edit.scalar(value)}\n" for key, value in variables.items())
    if left_out:
        text += _IMPORT + "".join(f"  {line}\n" for line in edit.left_out_lines(left_out))
    text += _MIGRATIONS
    if not entries:
        return f"{text.removesuffix(chr(10))} []\n"
    return text + "\n".join(edit.lines(entries)) + "\n"


def schema_path(manifest: Path) -> str:
    """Return where the schema of manifests is, relative to one: that of the project, else beside it."""
    for folder in list(manifest.absolute().parents)[:4]:
        found = folder / "schemas" / SCHEMA_NAME
        if os.access(found, os.R_OK):
            return Path(os.path.relpath(found, manifest.absolute().parent)).as_posix()
        if os.path.lexists(folder / ".git"):
            break
    return SCHEMA_NAME


def schema_file(manifest: Path) -> dict[Path, str | bytes]:
    """Return the schema, to be written beside a manifest; nothing where the project has it."""
    path = manifest.parent / SCHEMA_NAME
    if schema_path(manifest) != SCHEMA_NAME or path.exists():
        return {}
    return {path: schema.path("manifest").read_bytes()}


def fields(migration: PlannedMigration, manifest: Path, tool: str, *, keeps_numbers: bool) -> dict[str, Value]:
    """Return what a migration's entry says; `keeps_numbers` that the tool's own numbers are the versions."""
    file = _relative(migration.file.path, manifest)
    found: dict[str, Value] = {"version": migration.version}
    if migration.name != stem(file) or "${" in file:
        found["name"] = escaped(migration.name)
    found["file"] = escaped(file)
    if migration.kind is Kind.REPEATABLE:
        found["kind"] = migration.kind.value
        is_always = migration.source.repeats is Repeats.ALWAYS
        found["repeat"] = {"condition": "select true"} if is_always else "checksum"
    if migration.rollback is not None:
        found["rollback"] = escaped(_relative(migration.rollback.path, manifest))
    if migration.transaction is not None:
        found["transaction"] = migration.transaction
    if migration.is_empty:
        found["empty"] = True
    if migration.has_variables:
        found["variables"] = True
    if migration.description is not None:
        found["description"] = escaped(migration.description)
    if (id := _origin(migration, keeps_numbers=keeps_numbers)) is not None:
        found["origin"] = {tool: escaped(id)}
    return found


def left_out(plan: ImportPlan) -> dict[str, list[str]]:
    """Return what the manifest is to leave out from now on, by the tool's name."""
    names = [escaped(on_one_line(plan.called(one))) for one in plan.to_leave_out]
    return {plan.source.tool: names} if names else {}


def _origin(migration: PlannedMigration, *, keeps_numbers: bool) -> str | None:
    """Return what the tool calls a migration, where neither its name nor a version that is its number says so."""
    id = on_one_line(migration.source.id)
    is_version = keeps_numbers and id == str(migration.version)
    return None if is_version or id == migration.name or not id.strip() else id


def file_fields(version: int, file: Path, manifest: Path) -> dict[str, Value]:
    """Return what the entry of an SQL file says that needs nothing else; its name is the file's."""
    return {"version": version, "file": escaped(_relative(file, manifest))}


def values(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return variables as a manifest has them; one whose value is not known is taken from the environment."""
    return {name: f"${{{name.upper()}}}" if value is None else escaped(value) for name, value in variables.items()}


def _relative(path: Path, manifest: Path) -> str:
    return Path(os.path.relpath(path.absolute(), manifest.absolute().parent)).as_posix()
