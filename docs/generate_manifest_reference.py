"""Writes docs/manifest.md from schemas/manifest.schema.json: `python docs/generate_manifest_reference.py`.

A test fails while the page is not what this would write.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Schema = dict[str, Any]

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "schemas" / "manifest.schema.json"
PAGE = ROOT / "docs" / "manifest.md"

HEAD = """\
# The manifest

A manifest is a YAML file that declares the migrations of one database, in order, and how to reach that database.

```yaml
# yaml-language-server: $schema=../schemas/manifest.schema.json
manifest: 1
name: shop
environment: production
database:
  url: ${DATABASE_URL}
migrations:
  - version: 1
    file: ../migrations/001_create_customers.sql
    rollback: ../migrations/001_create_customers.rollback.sql
```

The first line is for editors: with a YAML extension, they complete keys and mark mistakes as you write. zmig checks a
manifest against the same [JSON Schema](../schemas/manifest.schema.json), then by meaning, and then the files it names.
`zmig lint` does all of that without a database. Every problem is reported at once, with its line and what to write.

Paths are relative to the manifest that holds them.
"""

TAIL = """\
## Variables

`${NAME}` is replaced from the environment in `name`, `database`, `tracking.schema`, `tracking.owner`, `include`, `file`
and `rollback`.
A variable that is unset or empty is an error that names it. `$${` stands for `${` itself, and inside `{...}` and
`[...]` YAML needs quotes around a variable: `{url: "${DATABASE_URL}"}`.

- `database.url` is looked at only when a database is needed: `zmig lint` and `--database-url` work while its variables
  are not set. It is the place for secrets: it is in no message and in no fact, and a line that may hold a password is
  not shown.
- `name`, `description`, `condition` and a query under `verify` of a migration are taken as they are written, so that no
  fact holds the value of a variable; `${` in them must be written `$${`. For the same reason, a file whose own name
  holds a variable needs a `name`.

## Variables in SQL files

`variables` are texts for the SQL files of those migrations that say `variables: true`; other files are never looked
through. `${name}` is replaced wherever it is, in strings, comments and the bodies of functions too. `$${name}`
stands for the text `${name}`; after another `$`, as in `$$${name}$$`, the first two are the quote they look like.

- A name that is not defined is an error with its place, before anything runs.
- The checksum is that of the file as it is written: another value is no edit.
- The fact `started` holds the names of the variables, not their values. Values with `${NAME}` in them, which come from
  the environment, are masked in every message and fact.
- Errors are reported with the line and column of the file as it is written. For that, a value has one line.

## Included manifests

`include` adds the migrations of other manifests, and of those that they include; a manifest that comes by two ways
counts once. An included manifest's `defaults` hold for its own migrations. Its `name`, `environment`, `database` and
`tracking` do not count: those of the manifest that the command is given do. Its `variables` do, for its own
migrations, where the manifest that the command is given has none of that name. Versions and names are unique over all.

## The files

- Files are UTF-8. A byte order mark is dropped; a NUL character is refused.
- The checksum of a file is the sha256 of its text with every line end as LF, so that it is the same on every system.
- An SQL file must hold a statement. A file of comments is refused, so that a migration that was created and not yet
  written is never taken for done. `empty: true` in an entry says that its file is to hold none: it is
  recorded as applied, and a statement in it is an error.
- A Python file must define `execute(ctx)` at its top level, and may define `rollback(ctx)` and, for a repeatable,
  `should_repeat(ctx, last_run)`. It is looked through when the manifest is read, and run only as a migration. Where
  there is a rollback file as well as `rollback(ctx)`, the file counts.

## YAML, and what zmig does differently

YAML 1.1 reads `no` as false, `010` as eight, `1:30` as ninety and `2026-11-22` as a date. zmig does not: only `true`,
`false`, `null` and decimal numbers without quotes have a type, and `0010` is ten. A repeated key, a tag such as `!!str`
and a second document are errors. Anchors, aliases and merge keys (`<<: *name`) work; a manifest that unfolds to more
than two million values is refused, like a file of more than 32 MiB.
"""

TYPES = {"integer": "whole number", "boolean": "true or false", "string": "text", "array": "list", "object": "mapping"}


def page() -> str:
    """Return the whole page."""
    schema: Schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    sections = "\n".join(section for _, section in _sections(schema, schema, ""))
    duration = schema["$defs"]["duration"]
    examples = ", ".join(f"`{_yaml(example)}`" for example in duration["examples"])
    return f"{HEAD}\n{sections}\n## Durations\n\n{duration['description']} Examples: {examples}\n\n{TAIL}"


def _sections(schema: Schema, root: Schema, name: str) -> Iterator[tuple[str, str]]:
    """Yield the tables of a mapping and of the mappings inside it, each once."""
    title = f"## `{name}`" if name else "## Keys"
    intro = "" if not name else f"{_described(schema, root)}\n\n"
    rows = [_row(key, part, key in schema.get("required", ()), root) for key, part in schema["properties"].items()]
    table = "\n".join(("| key | value | what it says |", "| --- | --- | --- |", *rows))
    yield name, f"{title}\n\n{intro}{table}\n"
    for key, part in schema["properties"].items():
        whole = _resolved(part, root)
        inner = _resolved(whole["items"], root) if "items" in whole else whole
        if "properties" in inner and key not in SHOWN_ONCE.get(name, ()):
            yield from _sections(inner, root, f"{name}.{key}".strip("."))


SHOWN_ONCE = {"migrations": ("retry",)}
"""Mappings that have had their table under another key."""


def _row(key: str, part: Schema, is_required: bool, root: Schema) -> str:
    whole = _resolved(part, root)
    notes = [whole["description"]]
    if is_required:
        notes.insert(0, "**Required.**")
    if "default" in whole:
        notes.append(f"Default: `{_yaml(whole['default'])}`.")
    elif "properties" not in whole and "items" not in whole:
        notes.append(f"Example: `{_yaml(whole['examples'][0])}`")
    return f"| `{key}` | {_type(whole)} | {' '.join(notes)} |"


def _described(part: Schema, root: Schema) -> str:
    description: str = _resolved(part, root)["description"]
    return description


def _resolved(part: Schema, root: Schema) -> Schema:
    """Return a part of the schema with what it refers to."""
    if "$ref" not in part:
        return part
    target: Schema = root["$defs"][part["$ref"].rpartition("/")[2]]
    return {**_resolved(target, root), **{key: value for key, value in part.items() if key != "$ref"}}


def _type(part: Schema) -> str:
    if "title" in part:
        return str(part["title"])
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    types = [part["type"]] if isinstance(part["type"], str) else part["type"]
    return " or ".join(TYPES[name] for name in types if name in TYPES)


def _yaml(value: object) -> str:
    """Return a value as it may be in a manifest; JSON is YAML."""
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
