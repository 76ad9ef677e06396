"""Text on its way to a standard stream whose reader nobody waits for: a run holds locks while it reports.

A pipe is written to as long as it takes more. What it does not take, and all that goes to a terminal, which ctrl-s
stops in the middle of a line, is written by a thread of its own. What waits is kept in memory, beyond some megabytes
in a temporary file. A file is written to as it is.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import stat
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, cast

from zmig.process import background

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, TextIO

    from _typeshed import ReadableBuffer

_PIECE = 1 << 16
_MOST_IN_MEMORY = 8 << 20
_LONGEST_WAIT_SECONDS = 0.2
"""Python heeds a signal that comes just before a wait only after it."""


def spooled(files: Iterable[TextIO]) -> list[TextIO]:
    """Return streams that stand for these and never make their writer wait; others as they are.

    Those that lead to the same place share what waits, so that their order stays.
    """
    spools: dict[object, Spool] = {}
    streams: list[TextIO] = []
    for file in files:
        try:
            status = os.fstat(file.fileno())
        except (OSError, ValueError):  # it leads to nothing of the system's
            streams.append(file)
            continue
        place = status.st_dev, status.st_ino, status.st_rdev
        spools[place] = spools.get(place) or Spool(file.fileno(), status.st_mode)
        streams.append(SpooledText(file, spools[place]))
    return streams


class SpooledText(io.TextIOWrapper):
    """A text stream before a spool. Closing it does nothing but flush: others print after who closes it."""

    def __init__(self, file: TextIO, spool: Spool) -> None:
        self.original = file
        self.spool = spool
        by_line = not isinstance(file, io.TextIOWrapper) or file.line_buffering or file.write_through
        octets = io.BufferedWriter(_Octets(file.fileno(), spool))
        super().__init__(octets, encoding=file.encoding, errors="backslashreplace", line_buffering=by_line)

    def close(self) -> None:
        """Hand on what was written."""
        with contextlib.suppress(ValueError):
            self.flush()


class _Octets(io.RawIOBase):
    def __init__(self, descriptor: int, spool: Spool) -> None:
        self._descriptor = descriptor
        self._spool = spool
        self._is_terminal = os.isatty(descriptor)

    def write(self, octets: ReadableBuffer, /) -> int:
        self._spool.write(bytes(octets))
        return memoryview(octets).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self._is_terminal


class Spool:
    """Octets on their way to a descriptor."""

    def __init__(self, descriptor: int, mode: int) -> None:
        self.descriptor = os.dup(descriptor)
        """One of its own, whatever a migration's code does with the other."""
        self._never_waits = stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(descriptor))
        self._knows_room = stat.S_ISFIFO(mode)
        self._process = os.getpid()
        self._backlog = _Backlog()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_writing = False
        self._is_over = False
        self.failure: OSError | None = None
        """Why it takes nothing any more."""

    def write(self, octets: bytes) -> None:
        """Write, or keep what cannot be written without waiting; what comes after a failure is dropped."""
        if os.getpid() != self._process:  # a child that a migration's code made, without the thread
            with contextlib.suppress(OSError):
                _write_all(self.descriptor, octets)
            return
        with self._changed:
            if self.failure is not None:
                return
            rest = octets
            if not self._backlog and not self._is_writing:
                rest = self._written(octets)
            if rest:
                self._backlog.put(rest)
                if self._thread is None:
                    self._thread = background.start(self._drain, "output")
                self._changed.notify_all()

    def _written(self, octets: bytes) -> bytes:
        """Write what can be written without waiting; return the rest."""
        try:
            if self._never_waits:
                _write_all(self.descriptor, octets)
                return b""
            while octets and self._knows_room and has_room(self.descriptor):
                octets = octets[os.write(self.descriptor, octets[: select.PIPE_BUF]) :]
        except OSError as error:
            self.failure = error
            return b""
        return octets

    def _drain(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                while not self._backlog and not self._is_over:
                    self._changed.wait()
                octets = self._backlog.take()
                if not octets:
                    return
                self._is_writing = True
            try:
                _write_all(self.descriptor, octets)
            except OSError as error:
                with self._changed:
                    self._backlog.close()
                    self.failure, self._backlog = error, _Backlog()

    def end(self, patience_seconds: float | None) -> bool:
        """Wait until everything is written, at most so long; return whether it is."""
        deadline = None if patience_seconds is None else time.monotonic() + patience_seconds
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            while self._backlog or self._is_writing:
                left = _LONGEST_WAIT_SECONDS if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, _LONGEST_WAIT_SECONDS))
            self._backlog.close()
        if self._thread is not None:
            self._thread.join()
        return True


def has_room(descriptor: int) -> bool:
    """Whether PIPE_BUF octets can be written without waiting; also where writing fails."""
    if not hasattr(select, "poll"):
        return bool(select.select((), (descriptor,), (), 0)[1])
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def _write_all(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets[:_PIECE]) :]


class _Backlog:
    """Octets in order: the oldest in memory, those after some megabytes of them in a file, if that takes them."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._latest: deque[bytes] = deque()
        """What the file did not take, and what came after that."""
        self._size = 0
        self._file: IO[bytes] | None = None
        self._read = self._written = 0
        """How much of the file was taken again, and how much was put there."""

    def __bool__(self) -> bool:
        return bool(self._pieces or self._latest) or self._read < self._written

    def put(self, octets: bytes) -> None:
        if not self._latest and self._read == self._written and self._size + len(octets) <= _MOST_IN_MEMORY:
            self._pieces.append(octets)
            self._size += len(octets)
            return
        try:
            if self._latest:
                self._latest.append(octets)
            else:
                self._put_into_file(octets)
        except OSError:  # with no room for a file, memory is all there is
            self._latest.append(octets)

    def take(self) -> bytes:
        """Return the oldest octets; none where there is nothing."""
        if self._pieces:
            octets = bytearray()
            while self._pieces and len(octets) < _PIECE:
                octets += self._pieces.popleft()
            self._size -= len(octets)
            return bytes(octets)
        if self._file is None or self._read == self._written:
            return self._latest.popleft() if self._latest else b""
        self._file.seek(self._read)
        octets = self._file.read(_PIECE)
        self._read += len(octets)
        if self._read == self._written:
            self._file.truncate(0)
            self._read = self._written = 0
        return octets

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _put_into_file(self, octets: bytes) -> None:
        import tempfile

        if self._file is None:
            self._file = cast("IO[bytes]", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - it lasts as long as the process
        self._file.seek(self._written)
        _write_all(self._file.fileno(), octets)
        self._written += len(octets)
