"""As much of a terminal as is needed to read what a full-screen program has drawn."""

from __future__ import annotations

import codecs
import re

_SEQUENCE = re.compile(
    r"\x1b(?:\[([0-9;?><=]*)\$?([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[()][0-9A-B]|[=>78cDEHM])"
)
_UNFINISHED = re.compile(r"\x1b[^\x1b]{0,200}\Z")


class Screen:
    """The characters on a screen; colours are left out."""

    def __init__(self, width: int, height: int) -> None:
        self._cells = [[" "] * width for _ in range(height)]
        self._row = self._column = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""

    @property
    def text(self) -> str:
        """The screen, line by line."""
        return "\n".join("".join(line).rstrip() for line in self._cells)

    def feed(self, data: bytes) -> None:
        """Take in what a program wrote."""
        text = self._pending + self._decoder.decode(data)
        self._pending = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            found = _SEQUENCE.match(text, at)
            if found is not None:
                self._obey(found[1] or "", found[2] or "")
                at = found.end()
            elif _UNFINISHED.match(text, at):
                self._pending = text[at:]
                return
            else:
                at += 1

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row = min(self._row + 1, len(self._cells) - 1)
        elif character.isprintable() and self._row < len(self._cells) and self._column < len(self._cells[0]):
            self._cells[self._row][self._column] = character
            self._column += 1

    def _obey(self, parameters: str, command: str) -> None:
        numbers = [int(part) if part.isdigit() else 0 for part in parameters.split(";")]
        if command in ("H", "f"):
            self._row = max(numbers[0], 1) - 1
            self._column = max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif command == "C":
            self._column += max(numbers[0], 1)
        elif command == "J":
            self._cells = [[" "] * len(line) for line in self._cells]
        elif command == "K":
            self._cells[self._row][self._column :] = [" "] * (len(self._cells[0]) - self._column)
