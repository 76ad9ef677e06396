"""What a project in Rust says of the libraries it uses."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, cast

from zmig.other_tools.files import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.other_tools.files import ProjectFiles

_MANIFEST = "Cargo.toml"


def crates_with(files: ProjectFiles, library: str) -> Iterator[str]:
    """Yield the folders of crates, and workspaces, that name a library among what they depend on."""
    for path in files.paths:
        if name_of(path) == _MANIFEST and library in (text := files.text(path)) and library in _libraries(text):
            yield path.removesuffix(_MANIFEST).rstrip("/") or "."


def _libraries(text: str) -> set[str]:
    """Return what a manifest depends on, for whatever it does."""
    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return set()
    tables = [root, _table(root, "workspace"), *(_table(_table(root, "target"), one) for one in _table(root, "target"))]
    found: set[str] = set()
    for table in tables:
        for key in ("dependencies", "dev-dependencies", "build-dependencies"):
            for name, said in _table(table, key).items():
                renamed = cast("dict[str, object]", said).get("package") if isinstance(said, dict) else None
                found.add(str(renamed or name))
    return found


def _table(table: dict[str, object], key: str) -> dict[str, object]:
    value = table.get(key)
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def joined(folder: str, path: str) -> str:
    """Return a path that is relative to a folder, as one relative to the project; without `.` and `..` in it."""
    parts: list[str] = []
    for part in f"{'' if folder == '.' else folder}/{path}".split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts) or "."
