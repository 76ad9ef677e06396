"""Files of a test, written into a folder of its own from texts or bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def plant(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files, by their paths below `folder`; return the path of the first one."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / next(iter(files))
