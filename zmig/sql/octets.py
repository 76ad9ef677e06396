"""The text of a large file as its octets: each octet of its UTF-8 is one character, from U+0000 to U+00FF.

A str takes up to four bytes for every character if only one of them is an emoji, so 100 MB of SQL would be 400 MB,
and as much again wherever a part is cut out. As octets a text is never larger than its file. PostgreSQL's lexer reads
octets, too: all above ASCII are parts of names, so `zmig.sql.lexer` finds the same tokens either way.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODEC = "latin-1"
"""Has the characters U+0000 to U+00FF, each as the octet of that number."""
_BLOCK = 1 << 20
_CONTINUATIONS = bytes(range(0x80, 0xC0))
"""The octets of UTF-8 that begin no character."""

LARGE = 1 << 20
"""How many octets make a statement so large that it is held as them, and only once."""


def from_bytes(content: bytes) -> str:
    """Return octets as text."""
    return content.decode(_CODEC)


def decoded(text: str) -> str:
    """Return what octets spell; what is not whole at either end is left out."""
    return text if text.isascii() else text.encode(_CODEC).decode(errors="ignore")


def taken(text: str, start: int, end: int) -> bytes:
    """Return the octets between two indexes; nothing else as large is made on the way."""
    buffer = BytesIO()
    if end > start:  # of its size from the beginning, since growing leaves memory behind
        buffer.seek(end - start - 1)
        buffer.write(b"\0")
        buffer.seek(0)
    for block in _blocks(text, start, end):
        buffer.write(block)
    return buffer.getvalue()  # which is the buffer itself, and no copy of it


def characters(text: str, start: int, end: int) -> int:
    """Return how many characters the octets between two indexes spell."""
    return sum(map(_characters, _blocks(text, start, end)))


def offset(content: bytes, index: int) -> int:
    """Return where the character with this 0-based index begins, in octets."""
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        count = _characters(block)
        if index < count:
            return start + _offset(block, index)
        index -= count
    return len(content)


def place(content: bytes, index: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the character with this 0-based index; lines end as in a `Window`."""
    end = offset(content, index)
    lines = content.count(b"\n", 0, end) + content.count(b"\r", 0, end) - content.count(b"\r\n", 0, end)
    start = max(content.rfind(b"\n", 0, end), content.rfind(b"\r", 0, end)) + 1
    blocks = (content[begin : min(begin + _BLOCK, end)] for begin in range(start, end, _BLOCK))
    return lines + 1, sum(map(_characters, blocks)) + 1


def holds(content: bytes, word: bytes) -> bool:
    """Whether a word of lower-case ASCII letters is anywhere in it, in whatever case."""
    step = _BLOCK - len(word)
    return any(word in content[start : start + _BLOCK].lower() for start in range(0, len(content), step))


def _blocks(text: str, start: int, end: int) -> Iterator[bytes]:
    for begin in range(start, end, _BLOCK):
        yield text[begin : min(begin + _BLOCK, end)].encode(_CODEC)


def _characters(block: bytes) -> int:
    return len(block) if block.isascii() else len(block.translate(None, _CONTINUATIONS))


def _offset(block: bytes, index: int) -> int:
    """Return the octet at which a character begins; the block may begin within one, which counts for nothing."""
    low, high = 0, len(block)
    while low < high:
        middle = (low + high) // 2
        if _characters(block[: middle + 1]) > index:
            high = middle
        else:
            low = middle + 1
    return low
