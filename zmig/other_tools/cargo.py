"""What a project in Rust says of the libraries it uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.other_tools.files import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.other_tools.files import ProjectFiles


def crates_with(files: ProjectFiles, library: str) -> Iterator[str]:
    """Yield the folders of crates, and workspaces, that name a library among what they depend on."""
    name = re.escape(library)
    dependency = re.compile(
        rf"^[ \t]*[\"']?{name}[\"']?[ \t]*[.=]|^[ \t]*\[[\w.'\"()= -]*dependencies\.[\"']?{name}[\"']?\]"
        rf"|package[ \t]*=[ \t]*[\"']{name}[\"']",
        re.MULTILINE,
    )
    for path in files.paths:
        if name_of(path) == "Cargo.toml" and dependency.search(files.text(path)):
            yield path.removesuffix("Cargo.toml").rstrip("/") or "."


def joined(folder: str, path: str) -> str:
    """Return a path that is relative to a folder, as one relative to the project; without `.` and `..` in it."""
    parts: list[str] = []
    for part in f"{'' if folder == '.' else folder}/{path}".split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts) or "."
