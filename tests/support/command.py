"""`zmig` in this process, by its words, and the JSON that it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zmig.cli.main import main

if TYPE_CHECKING:
    import pytest


class Command:
    """A command that may have words of its own before those of a call."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *words: str) -> None:
        self.capsys = capsys
        self.err = ""
        """What the last call said beside its document."""
        self._words = words

    def __call__(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Return the document; of none, an empty one."""
        self.capsys.readouterr()
        ended = main([*self._words, *words])
        captured = self.capsys.readouterr()
        self.err = captured.err
        assert ended == code, captured
        return json.loads(captured.out or "{}")

    def refused(self, *words: str, code: int = 2) -> list[dict[str, Any]]:
        """Return the problems."""
        return self(*words, code=code)["problems"]
