"""Standard streams that outlive their reader: what is written after it has gone is dropped, without an error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Unwritable(Exception):
    """A stream takes no more text: a full disk, for example."""


def open_closed() -> None:
    """Open nothing in place of standard streams that were closed when the process began.

    Otherwise the connection to the database would get their descriptors, which others write to.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                continue
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # which gets the lowest number that is free
            mode = "w" if descriptor else "r"
            file = open(descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - as above
            setattr(sys, name, file)


class Stream:
    """One of the standard streams."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="backslashreplace")

    @property
    def is_terminal(self) -> bool:
        """Whether a person is looking at it."""
        return self.file.isatty()

    def can_show(self, text: str) -> bool:
        """Whether its encoding has these characters."""
        try:
            text.encode(self.file.encoding or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def write(self, text: str) -> None:
        """Write text. Raises Unwritable where that is impossible, except when its reader has gone."""
        try:
            self.file.write(text)
        except OSError as error:
            self.discard(error)
        except ValueError:  # a migration's code closed it
            self._replace()

    def write_at_once(self, text: str) -> None:
        """Write text now or never, as far as its reader takes it without being waited for."""
        from zmig.cli.spool import SpooledText, has_room

        with contextlib.suppress(OSError, ValueError):
            spool = self.file.spool if isinstance(self.file, SpooledText) else None
            descriptor = self.file.fileno() if spool is None else spool.descriptor
            if has_room(descriptor):
                os.write(descriptor, text.encode(self.file.encoding or "ascii", "backslashreplace"))

    def flush(self) -> None:
        """Hand everything written to the system. Raises like `write`."""
        try:
            self.file.flush()
        except OSError as error:
            self.discard(error)
        except ValueError:
            self._replace()

    def block(self) -> None:
        """Write directly again, after a spool that is empty. Raises Unwritable for what that could not write."""
        from zmig.cli.spool import SpooledText

        if isinstance(self.file, SpooledText):
            spooled, self.file = self.file, self.file.original
            if spooled.spool.failure is not None:
                self.discard(spooled.spool.failure)

    def discard(self, error: OSError) -> None:
        """Point the descriptor at nothing, so that the interpreter's own flush at exit does not fail again.

        Raises:
            Unwritable: it is not only that its reader has gone.
        """
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(ValueError):
            os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError) and error.errno != errno.EIO:  # as of a terminal that hung up
            raise Unwritable(error.strerror or str(error)) from error

    def _replace(self) -> None:
        """Take a stream that drops everything in place of one that was closed."""
        self.file = io.StringIO()
