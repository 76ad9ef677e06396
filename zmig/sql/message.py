"""The statements of a transactional script, put together into messages to the server.

A message costs one round trip. It ends after a statement that may take long, so that what an observer is said to
be running is what runs; statements that are brief by nature travel in front of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql import backslashes, script
from zmig.sql import chunk as chunking
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.sql.chunk import Chunk
    from zmig.sql.statement import Statement

_SEPARATOR = ";\n"
_LARGEST = 1 << 16
"""How many characters a message has before it ends; the server parses one as a whole, in memory."""


@valueclass
class Message:
    """Statements that are sent together."""

    statements: tuple[Statement, ...]

    @property
    def conforming(self) -> bool:
        """How the strings in it were read."""
        return all(one.conforming for one in self.statements)

    @property
    def text(self) -> str:
        """What is sent."""
        return _SEPARATOR.join(one.text for one in self.statements)

    @property
    def is_large(self) -> bool:
        """Whether it is one large statement, which is sent as it is: with others, it would be copied."""
        return len(self.statements) == 1 and self.statements[0].is_large

    def member(self, index: int) -> tuple[Statement, int] | None:
        """Return the statement with this 0-based index, and how many characters of `text` are before it."""
        if not 0 <= index < len(self.statements):
            return None
        if index == 0:
            return self.statements[0], 0
        before = sum(len(one.text) + len(_SEPARATOR) for one in self.statements[:index])
        return self.statements[index], before

    def at(self, offset: int) -> int | None:
        """Return the 0-based index of the statement that ends at `offset` of `text`, or after it."""
        end = 0
        for index, one in enumerate(self.statements if offset >= 0 else ()):
            end += len(one.text) + len(_SEPARATOR)
            if offset < end:
                return index
        return None


@valueclass
class ChunkMessage:
    """A chunk of a large script, sent as it is."""

    chunk: Chunk
    conforming = True
    """How the strings in it were read."""
    is_large = False
    """Whether it is one large statement."""

    @property
    def statements(self) -> Iterator[Statement]:
        """The statements, as they are in the file."""
        members = (chunking.member(self.chunk, index) for index in range(self.chunk.statements))
        return (one for one in members if one is not None)

    @property
    def text(self) -> str:
        """What is sent."""
        return self.chunk.text

    def member(self, index: int) -> tuple[Statement, int] | None:
        """Return the statement with this 0-based index, and how many characters of `text` are before it."""
        one = chunking.member(self.chunk, index)
        return None if one is None else (one, one.offset - self.chunk.offset)

    def at(self, offset: int) -> int | None:
        """Return the 0-based index of the statement that ends at `offset` of `text`, or after it."""
        ends = (one.offset + len(one.text) for one in script.split(self.text, path="")) if offset >= 0 else ()
        return next((index for index, end in enumerate(ends) if offset <= end), None)


@valueclass
class Composed:
    """A message as it is sent: with zmig's own statements in front of those of the script, and after them."""

    sent: Message | ChunkMessage
    head: str
    """What is in front."""
    opening: int
    """How many statements of zmig's own that is."""
    tail: str

    @property
    def text(self) -> str:
        """What is sent."""
        return self.head + self.sent.text + self.tail

    @property
    def content(self) -> str | bytes:
        """The same; in UTF-8 where it is a large statement, and no copy of that."""
        if isinstance(self.sent, Message) and self.sent.is_large and not (self.head or self.tail):
            return self.sent.statements[0].content
        return self.text


def compose(
    sent: Message | ChunkMessage, opening: Sequence[str], closing: Sequence[str], *, name: str, total: int | None
) -> Composed:
    """Put a message of a migration's script together with zmig's own statements; the script has `total` statements.

    A large statement goes without any, and without the line for whoever looks at the server's activity.
    """
    if sent.is_large and not (opening or closing):
        return Composed(sent, "", 0, "")
    running, where = _waited_for(sent, total)
    text = query_tag(running, f"{name}, {where}") + "".join(f"{part}; " for part in opening)
    between = _SEPARATOR if sent.text and closing else ""
    return Composed(sent, text, len(opening), between + "; ".join(closing))


def _waited_for(sent: Message | ChunkMessage, total: int | None) -> tuple[str, str]:
    """Return the statement that a message is waited for, and which one of the script that is."""
    if isinstance(sent, ChunkMessage):
        chunk = sent.chunk
        numbers = f"{chunk.number} to {chunk.number + chunk.statements - 1}"
        return chunk.summary, f"statements {numbers} of {total}"
    if not sent.statements:
        return "commit", "its end"
    one = sent.statements[-1]
    return one.summary, f"statement {one.number} of {total}, line {one.line}"


_MARK = "-- zmig: "


_WHERE = " -- "

_NUMBER = re.compile(r", statements? ([0-9]+) (?:to [0-9]+ )?of [0-9]+(?:, line [0-9]+)?$")


def query_tag(running: str, where: str) -> str:
    """Return the line a message begins with, for whoever looks at the server's activity: `query_of` reads it again.

    It is a comment, so a line end in it would let the rest of it run. Of what zmig itself writes in it, nothing is
    outside of ASCII: the database's encoding may lack it.
    """
    return " ".join(f"{_MARK}{running}{_WHERE}{where}".replace("…", "...").split()) + "\n"


def query_of(query: str | None) -> str | None:
    """Return the statement that a query seen on the server is about: itself, or what the message's head names."""
    if query is None or not query.startswith(_MARK):
        return query
    return query.partition("\n")[0].removeprefix(_MARK).rpartition(_WHERE)[0]


def statement_number(query: str | None) -> int | None:
    """Return which statement of its file a message's head names, the first of several; None for any other query."""
    if query is None or not query.startswith(_MARK):
        return None
    found = _NUMBER.search(query.partition("\n")[0])
    return int(found[1]) if found is not None else None


def of_statements(statements: Iterable[Statement], *, runs_no_code: bool = False) -> Iterator[Message | Statement]:
    """Yield messages, and by itself each statement whose rows are after it.

    `runs_no_code` says that no statement can run code of the database's, such as a trigger.
    """
    held: list[Statement] = []
    size = 0
    for one in statements:
        if held and (one.copy_data is not None or one.is_large or (not runs_no_code and _is_read_otherwise(one, held))):
            yield Message(tuple(held))
            held, size = [], 0
        if one.copy_data is not None:
            yield one
            continue
        held.append(one)
        size += len(one.source)
        if size > _LARGEST or not one.command.is_short:
            yield Message(tuple(held))
            held, size = [], 0
    if held:
        yield Message(tuple(held))


def one_by_one(statements: Iterable[Statement]) -> Iterator[Message | Statement]:
    """Yield each statement in a message of its own, and by itself one whose rows are after it."""
    for one in statements:
        yield one if one.copy_data is not None else Message((one,))


def _is_read_otherwise(one: Statement, before: Sequence[Statement]) -> bool:
    """Whether those before it in a message may change how a statement is read."""
    return any(other.command.may_change_string_syntax for other in before) and backslashes.depends(one)


def of_large_script(
    pieces: Iterable[str], *, path: str, conforming: bool = True
) -> Iterator[Message | ChunkMessage | Statement]:
    """Yield a large script, which comes in pieces of octets, in chunks of whole statements."""
    chunks = chunking.chunks(pieces, path=path, conforming=conforming, is_octets=True)
    return map(_of_large_script, chunks)


def _of_large_script(one: Chunk | Statement) -> Message | ChunkMessage | Statement:
    if isinstance(one, chunking.Chunk):
        return ChunkMessage(one)
    return one if one.copy_data is not None else Message((one,))
