"""What reaches the descriptors of stdout and stderr while a migration's code runs, and each line of it is printed.

Child processes write there, and so do libraries in C. Nobody waits for anybody: a thread reads whatever comes, and
what is reported goes through spools, which have descriptors of their own.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from typing import TYPE_CHECKING

from zmig.process import background
from zmig.valueclass import slotted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from zmig.cli.output import Output

_PIECE = 1 << 16
_LONGEST_LINE = 1 << 20
_MOST_AT_ONCE = 1 << 22
"""How much is read in one go before what the code does next is printed: an endless one must not hold it up."""


@slotted
class _Pipe:
    """A pipe that stands for one of the descriptors."""

    name: str
    number: int
    read: int
    write: int
    original: int
    """A copy of what the descriptor leads to."""
    rest: bytes = b""


class Descriptors:
    """Stdout's and stderr's descriptors in one command."""

    def __init__(self, output: Output, show: Callable[[str, str], None]) -> None:
        """`show` gets the name of the stream and a line, in this thread or another."""
        self._output = output
        self._show = show
        self._process = os.getpid()
        self._depth = 0
        self._pipes: tuple[_Pipe, ...] = ()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._wakes: tuple[int, int] | None = None

    @property
    def are_taken(self) -> bool:
        """Whether what is written to them is reported just now."""
        return self._depth > 0

    @contextlib.contextmanager
    def shown(self) -> Generator[None]:
        """Print what is written to them inside the block, and what children that outlive it write until `close`."""
        self._open()
        self._depth += 1
        try:
            for pipe in self._pipes:
                os.dup2(pipe.write, pipe.number)
            yield
        finally:
            self._depth -= 1
            if os.getpid() == self._process and not self._depth:
                self._restore()
                self.drain()

    def drain(self) -> None:
        """Print the lines that have come so far."""
        if os.getpid() != self._process:  # a child, for which its parent reports
            return
        with self._lock:
            for pipe in self._pipes:
                self._read(pipe)

    def close(self) -> bool:
        """Give the descriptors back, and print what is left; return whether processes live on that may write more.

        They are not waited for, as they may be there to stay, and do not die of writing: nobody hears it from now on.
        """
        if os.getpid() != self._process or self._thread is None or self._wakes is None:
            return False
        self._restore()
        are_left = False
        os.write(self._wakes[1], b"x")
        self._thread.join()
        for pipe in self._pipes:
            os.close(pipe.write)
        for pipe in self._pipes:
            has_ended = self._read(pipe)
            self._show_rest(pipe)
            if not has_ended:
                _swallow(pipe.read)
                are_left = True
            for descriptor in (pipe.read, pipe.original):
                os.close(descriptor)
        for descriptor in self._wakes:
            os.close(descriptor)
        self._pipes, self._thread, self._wakes = (), None, None
        return are_left

    def _open(self) -> None:
        if self._pipes:
            return
        self._output.unblock()  # from here on it has descriptors of its own
        self._wakes = os.pipe()
        self._pipes = tuple(_pipe(name, number) for number, name in ((1, "stdout"), (2, "stderr")))
        self._thread = background.start(self._listen, "zmig descriptors")

    def _restore(self) -> None:
        for file in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(OSError, ValueError):
                if file is not None:
                    file.flush()
        for pipe in self._pipes:
            os.dup2(pipe.original, pipe.number)

    def _listen(self) -> None:
        assert self._wakes is not None
        woken = self._wakes[0]
        while woken not in _readable([woken, *(pipe.read for pipe in self._pipes)]):
            self.drain()

    def _read(self, pipe: _Pipe) -> bool:
        """Print what has come through a pipe; it is not waited for more. Return whether nobody can write any more."""
        for _ in range(_MOST_AT_ONCE // _PIECE):
            try:
                octets = os.read(pipe.read, _PIECE)
            except BlockingIOError:
                return False
            if not octets:
                return True
            *lines, pipe.rest = (pipe.rest + octets).split(b"\n")
            for line in lines:
                self._show(pipe.name, line.decode(errors="backslashreplace"))
            if len(pipe.rest) > _LONGEST_LINE:
                self._show_rest(pipe)
        return False

    def _show_rest(self, pipe: _Pipe) -> None:
        rest, pipe.rest = pipe.rest, b""
        if rest:
            self._show(pipe.name, rest.decode(errors="backslashreplace"))


def _pipe(name: str, number: int) -> _Pipe:
    read, write = os.pipe()
    os.set_blocking(read, False)
    return _Pipe(name, number, read, write, os.dup(number))


def _swallow(descriptor: int) -> None:
    """Have a process of its own read from a pipe what nobody hears, until nobody can write into it any more.

    Who writes into a pipe that nobody reads is killed by SIGPIPE.
    """
    import subprocess

    os.set_blocking(descriptor, True)
    with contextlib.suppress(OSError):
        reader = subprocess.Popen(
            ["cat"],
            stdin=descriptor,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        reader.returncode = 0  # it is not waited for, which Python would warn of


def _readable(descriptors: list[int]) -> list[int]:
    """Wait until something can be read from one of these; return from which."""
    if not hasattr(select, "poll"):
        return select.select(descriptors, (), ())[0]
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll()]
