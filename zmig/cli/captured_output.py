"""What code prints while a command's output is JSON: each line of it becomes one object on stderr.

Code is a migration's own, with its warnings and its logging, any library below it, and the child processes it starts.
What Python prints goes through streams (`Printed`). Child processes, and libraries in C, write to the descriptors
(`Descriptors`): a thread reads whatever comes there, and what is reported goes through spools, which have descriptors
of their own, so that nobody waits for anybody.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import select
import sys
import threading
from typing import TYPE_CHECKING

from zmig.process import background, surroundings
from zmig.valueclass import slotted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from dataclasses import KW_ONLY

    from _typeshed import ReadableBuffer

    from zmig.cli.output import Output


@contextlib.contextmanager
def as_json(output: Output) -> Generator[None]:
    """Turn what is printed inside the block into objects such as `{"printed": "a line", "stream": "stdout"}`."""
    descriptors = Descriptors(output, lambda name, line: _show(output, name, line))
    stdout, stderr = Printed(output, "stdout", descriptors), Printed(output, "stderr", descriptors)
    others = frozenset(threading.enumerate())
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        surroundings.also_around_code(descriptors.shown),
    ):
        try:
            yield
        finally:
            are_left = descriptors.close()
            stdout.show_rest()
            stderr.show_rest()
            if are_left:
                output.note("note: a process that a migration started lives on; what it prints from now on is not seen")
    if any(not thread.daemon for thread in frozenset(threading.enumerate()) - others):
        sys.stdout, sys.stderr = stdout, stderr  # Python waits for such threads, which may print until then
        atexit.register(stdout.show_rest)
        atexit.register(stderr.show_rest)


def _show(output: Output, name: str, line: str) -> None:
    output.note_document({"printed": line, "stream": name})


class Printed(io.TextIOBase):
    """A text stream that reports each line as it is ended. Closing it does nothing: others print after who closes it.

    It has what a standard stream of Python's has, for code that sets it up; each line is reported at once in any case.
    """

    mode = "w"
    newlines = None
    write_through = False
    line_buffering = True

    def __init__(self, output: Output, name: str, descriptors: Descriptors) -> None:
        self.output = output
        """Where each line is reported; zmig's own words go there as they are."""
        self._name = name
        self._descriptors = descriptors
        self._rest = ""
        self._octets = _Octets(self)
        self._encoding = "utf-8"
        self._errors = "backslashreplace"

    def write(self, text: str, /) -> int:
        """Take text; each line that it ends is reported."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._show(line)
        return len(text)

    def show_rest(self) -> None:
        """Show what no line end came after."""
        rest, self._rest = self._rest, ""
        if rest:
            self._show(rest)

    def _show(self, line: str) -> None:
        self._descriptors.drain()  # what a child wrote before
        _show(self.output, self._name, line)

    @property
    def buffer(self) -> io.RawIOBase:
        """Where octets may be written instead of text."""
        return self._octets

    @property
    def name(self) -> str:
        """What Python calls the stream."""
        return f"<{self._name}>"

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What text is written in."""
        return self._encoding

    @property
    def errors(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What becomes of text that the encoding has no place for."""
        return self._errors

    def reconfigure(
        self,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        line_buffering: bool | None = None,
        write_through: bool | None = None,
    ) -> None:
        """Take note of what is asked for; it changes nothing of what is reported."""
        self._encoding, self._errors = encoding or self._encoding, errors or self._errors
        if line_buffering is not None:
            self.line_buffering = line_buffering
        if write_through is not None:
            self.write_through = write_through

    def writable(self) -> bool:
        """Whether it takes text, which it always does."""
        return True

    def fileno(self) -> int:
        """Return a descriptor that a child process may be given: its own where that is reported too, else stderr's."""
        if self._descriptors.are_taken:
            return 1 if self._name == "stdout" else 2
        if sys.__stderr__ is None:
            raise io.UnsupportedOperation("fileno")
        return sys.__stderr__.fileno()

    def close(self) -> None:
        """Do nothing."""


class _Octets(io.RawIOBase):
    def __init__(self, printed: Printed) -> None:
        self._printed = printed

    def write(self, octets: ReadableBuffer, /) -> int:
        self._printed.write(bytes(octets).decode(errors="backslashreplace"))
        return memoryview(octets).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._printed.fileno()

    def close(self) -> None:
        pass


_PIECE = 1 << 16
_LONGEST_LINE = 1 << 20
_MOST_AT_ONCE = 1 << 22
"""How much is read in one go before what the code does next is printed: an endless one must not hold it up."""


@slotted
class _Pipe:
    """A pipe that stands for one of the descriptors."""

    name: str
    number: int
    _: KW_ONLY
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
        for number, name in ((1, "stdout"), (2, "stderr")):
            read, write = os.pipe()
            os.set_blocking(read, False)
            self._pipes = (*self._pipes, _Pipe(name, number, read=read, write=write, original=os.dup(number)))
        self._thread = background.start(self._listen, "descriptors")

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
