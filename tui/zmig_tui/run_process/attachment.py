"""A console's side of a run that goes on in a process of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

from zmig.valueclass import replace
from zmig_tui.run_process import messages, places
from zmig_tui.run_process.encoding import NotEncodable
from zmig_tui.run_process.messages import Cancel, Heard, Hello, Outcome, Received
from zmig_tui.run_process.problems import ended_without_a_word

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.progress import Progress

_SECONDS_TO_SAY_HELLO = 5.0
_PIECE_BYTES = 1 << 16


class Attachment:
    """A connection to a run's process, read by a thread of its own."""

    def __init__(self, connection: socket.socket, clock: Callable[[], float]) -> None:
        """`clock` is the console's."""
        self._connection = connection
        self._clock = clock
        self._received = bytearray()
        self._decoder = messages.decoder()
        self._sending = threading.Lock()
        self._is_left = False
        self.hello: Hello | None = None
        """What the process has said first, once it has."""
        self._offset = 0.0

    def greet(self) -> Hello | None:
        """Wait for what the process says first, and return it; None where it says nothing of the kind."""
        line = None
        with contextlib.suppress(OSError):  # this console has left
            self._connection.settimeout(_SECONDS_TO_SAY_HELLO)
            line = self._line()
            self._connection.settimeout(None)
        self.hello = hello = Hello.parse(line) if line is not None else None
        if hello is not None:
            self._offset = self._clock() - hello.now
        return hello

    @property
    def began(self) -> float:
        """When the run began, on the console's clock."""
        return self.hello.began + self._offset if self.hello is not None else self._clock()

    def listen(self, title: str, hear: Callable[[Progress, float], None]) -> Outcome | None:
        """Pass on what is reported, with the moments on the console's clock, until the run's end; return its outcome.

        A process that is gone has an outcome, too; None where this console has left.
        """
        outcome = self._outcome(hear)
        if self._is_left:
            return None
        if outcome is None:
            pid = self.hello.pid if self.hello is not None else None
            outcome = Outcome(None, (ended_without_a_word(title, pid),), at=self._clock())
        else:
            self._send(Received())
        self._connection.close()
        return outcome

    def _outcome(self, hear: Callable[[Progress, float], None]) -> Outcome | None:
        while (line := self._line()) is not None:
            try:
                message = self._decoder.value(line)
            except NotEncodable:
                continue
            if isinstance(message, Heard):
                hear(message.progress, message.at + self._offset)
            elif isinstance(message, Outcome):
                return replace(message, at=message.at + self._offset)
        return None

    def cancel(self) -> None:
        """Ask the run to end."""
        self._send(Cancel())

    def leave(self) -> None:
        """Listen no more; the run goes on."""
        self._is_left = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _send(self, message: object) -> None:
        with self._sending, contextlib.suppress(OSError):
            self._connection.sendall(messages.encoder().line(message))

    def _line(self) -> bytes | None:
        """Return the next line; None at the end."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            try:
                piece = self._connection.recv(_PIECE_BYTES)
            except OSError:
                return None
            if not piece:
                return None
            self._received += piece
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


def attach(path: Path, clock: Callable[[], float] = time.monotonic) -> tuple[Attachment, Hello] | None:
    """Return the attachment to the run whose process listens at `path`, and what that says; None where there is none.

    One of another version is not understood beyond that.
    """
    connection = places.connect(path)
    if connection is None:
        return None
    attachment = Attachment(connection, clock)
    hello = attachment.greet()
    if hello is None:
        attachment.leave()
        return None
    return attachment, hello
