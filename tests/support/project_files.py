"""A project of another tool that is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MemoryFiles:
    """The files of a project, by their paths."""

    def __init__(self, contents: Mapping[str, str | bytes]) -> None:
        self._contents = {
            path: content if isinstance(content, bytes) else content.encode() for path, content in contents.items()
        }

    @property
    def paths(self) -> Sequence[str]:
        return sorted(self._contents)

    def read(self, path: str) -> bytes:
        return self._contents[path]

    def text(self, path: str) -> str:
        return self._contents[path].decode("utf-8-sig")
