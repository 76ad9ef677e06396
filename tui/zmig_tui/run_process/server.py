"""Sends every console that attaches to a run what was reported of it. Nothing here ever holds the run up.

The run's thread puts what is reported into a queue; all else is done in a thread of the server's own, which waits for
no console: each gets what it takes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from zmig.process import background
from zmig.progress import RoundFinished, RunStarted, StatementStarted, StepStarted
from zmig.valueclass import replace
from zmig_tui.run_process import messages, places
from zmig_tui.run_process.encoding import NotEncodable
from zmig_tui.run_process.messages import Cancel, Heard, Outcome, Received, Skipped
from zmig_tui.run_process.transcript import Transcript

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from zmig.progress import Progress
    from zmig_tui.run_process.messages import Hello

_QUEUE_LIMIT = 20_000
_SECONDS_BETWEEN_TURNS = 0.05
"""Between two looks at the queue: consoles draw less often."""
_SECONDS_BETWEEN_CHECKS = 5.0
"""Between two looks at whether the socket is still where consoles look for it."""
_SECONDS_FOR_THE_OTHERS = 2.0
"""How long those that have not read everything may take once somebody has."""
_MOST_CONSOLES = 64
_LONGEST_LINE = 1 << 16
_KEPT = (RunStarted, StepStarted, StatementStarted, RoundFinished)
"""Of each the last is needed for what follows to be understood."""


class RunServer:
    """Serves one run; all but the thread's work is called by the run's thread."""

    def __init__(self, identity: str, hello: Hello, cancel: Callable[[], None], *, linger_seconds: float) -> None:
        """`cancel` is called when a console asks for it; `linger_seconds` is how long an outcome waits to be seen."""
        self._identity = identity
        self._hello = hello
        self._cancel = cancel
        self._linger_seconds = linger_seconds
        self._clock = time.monotonic
        self._heard: deque[Heard | Outcome] = deque(maxlen=_QUEUE_LIMIT)
        self._transcript = Transcript()
        self._encoder = messages.encoder()
        self._selector = selectors.DefaultSelector()
        self._consoles: set[_Console] = set()
        self._listening: socket.socket | None = None
        self._path: Path | None = None
        self._checked_at = 0.0
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        os.set_blocking(self._wake_reader, False)
        self._is_woken = False
        self._is_over = threading.Event()
        self._delivered_at: float | None = None
        self._thread: threading.Thread | None = None

    def start(self, first: socket.socket | None, received: bytes = b"") -> None:
        """Begin to serve, `first` the console that began the run; `received` is what it has sent already."""
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._listen()
        if first is not None:
            self._add(first).received += received
        self._wake()
        self._thread = background.start(self._serve, "run server")

    def hear(self, progress: Progress) -> None:
        """Take what is reported. Returns at once."""
        self._heard.append(Heard(self._clock(), progress))
        self._wake()

    def finish(self, outcome: Outcome) -> None:
        """Take the outcome, and wait until somebody has seen it, or nobody came for it for long."""
        self._heard.append(outcome)
        self._is_over.set()
        self._wake()
        assert self._thread is not None
        self._thread.join()

    def _wake(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            with contextlib.suppress(OSError):
                os.write(self._wake_writer, b"!")

    def _serve(self) -> None:
        ended_at: float | None = None
        try:
            while True:
                self._turn()
                if self._is_over.is_set() and not self._heard:
                    ended_at = ended_at or self._clock()
                    if self._may_end(ended_at):
                        return
        finally:
            self._close()

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        limit = _SECONDS_BETWEEN_TURNS if self._is_over.is_set() else _SECONDS_BETWEEN_CHECKS
        for key, events in self._selector.select(limit):
            if key.fd == self._wake_reader:
                with contextlib.suppress(OSError):
                    os.read(self._wake_reader, 1 << 12)
            elif key.fileobj is self._listening:
                self._accept()
            else:
                self._attend(key.data, events)
        self._is_woken = False
        self._write_down()
        for console in tuple(self._consoles):
            self._send(console)
        if self._clock() - self._checked_at >= _SECONDS_BETWEEN_CHECKS:
            self._listen()
        if not self._is_over.is_set():
            self._is_over.wait(_SECONDS_BETWEEN_TURNS)

    def _write_down(self) -> None:
        while self._heard:
            heard = self._heard.popleft()
            try:
                line = self._encoder.line(heard)
            except NotEncodable:
                line = self._encoder.line(Skipped(1))
            kind = type(heard.progress) if isinstance(heard, Heard) else Outcome
            self._transcript.append(line, kind.__name__ if kind is Outcome or kind in _KEPT else None)

    def _listen(self) -> None:
        """Listen, and listen elsewhere where the socket is gone: a runtime directory ends with its session."""
        self._checked_at = self._clock()
        if self._path is not None and self._path.exists():
            return
        self._stop_listening()
        listening = places.listen(self._identity)
        if listening is not None:
            self._listening, self._path = listening
            self._listening.setblocking(False)
            self._selector.register(self._listening, selectors.EVENT_READ)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._selector.unregister(self._listening)
            self._listening.close()
            self._listening = None
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._path = None

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        if places.is_own(connection) and len(self._consoles) < _MOST_CONSOLES:
            self._add(connection)
        else:
            connection.close()

    def _add(self, connection: socket.socket) -> _Console:
        connection.setblocking(False)
        console = _Console(connection, bytearray(replace(self._hello, now=self._clock()).line()))
        self._consoles.add(console)
        self._selector.register(connection, selectors.EVENT_READ, console)
        return console

    def _remove(self, console: _Console) -> None:
        self._consoles.discard(console)
        self._selector.unregister(console.connection)
        console.connection.close()

    def _attend(self, console: _Console, events: int) -> None:
        if events & selectors.EVENT_READ:
            try:
                received = console.connection.recv(_LONGEST_LINE)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            console.received += received
            self._obey(console)
            if not received or len(console.received) > _LONGEST_LINE:
                self._remove(console)

    def _obey(self, console: _Console) -> None:
        *lines, rest = bytes(console.received).split(b"\n")
        console.received = bytearray(rest)
        for line in lines:
            try:
                message = messages.decoder().value(line)
            except NotEncodable:  # of another version, which may go on to listen
                continue
            if isinstance(message, Cancel):
                self._cancel()
            elif isinstance(message, Received):
                self._delivered_at = self._delivered_at or self._clock()

    def _send(self, console: _Console) -> None:
        """Send a console what it takes now."""
        if console.received:
            self._obey(console)
        try:
            while True:
                if not console.waiting:
                    lost, lines, console.number = self._transcript.after(console.number)
                    if lost:
                        console.waiting += self._encoder.line(Skipped(lost))
                    for line in lines:
                        console.waiting += line
                if not console.waiting:
                    break
                sent = console.connection.send(console.waiting)
                del console.waiting[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._remove(console)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if console.waiting else 0)
        self._selector.modify(console.connection, wanted, console)

    def _may_end(self, ended_at: float) -> bool:
        """Whether the outcome was seen, and who reads on has read it; or nobody comes for it."""
        now = self._clock()
        if self._delivered_at is None:
            return now - ended_at >= self._linger_seconds
        are_served = all(not console.waiting and console.number == self._transcript.end for console in self._consoles)
        return are_served or now - self._delivered_at >= _SECONDS_FOR_THE_OTHERS

    def _close(self) -> None:
        self._stop_listening()
        for console in tuple(self._consoles):
            self._remove(console)
        self._selector.close()


class _Console:
    """One that is attached."""

    def __init__(self, connection: socket.socket, waiting: bytearray) -> None:
        self.connection = connection
        self.waiting = waiting
        """What is on its way to it."""
        self.received = bytearray()
        self.number = 0
        """Of the line that it gets next."""
