"""A connection whose waits for the server end soon: for who asks the run to end, and where the server is gone."""

from __future__ import annotations

import os
from functools import partial

import psycopg

from zmig.database import tcp, unresponsive
from zmig.process.interrupts import UNHEEDED, Interrupts, Look


class InterruptibleConnection(psycopg.Connection[tuple[object, ...]]):
    """A connection that looks up from each wait for the server."""

    interrupts: Interrupts = UNHEEDED
    """What asks the run to end that works over the connection."""
    process = 0
    """The process that opened it."""
    is_left_to_tcp = False
    """Whether the connection string says how long TCP may wait for an acknowledgement."""

    def look(self) -> Look:
        """Return what a wait for the server does after each look at the socket.

        It raises what interrupts the run, and psycopg.OperationalError where the server is gone without a word.
        """
        if self.is_left_to_tcp:
            return Look(self.interrupts, partial(unresponsive.require_answer, self))
        missing = tcp.Acknowledgements(self.pgconn.socket, partial(unresponsive.give_up, self))
        return Look(self.interrupts, partial(unresponsive.require_answer, self), missing.check)

    def refuse_children(self) -> None:
        """Make sure that the process is the one that opened the connection. Raises psycopg.ProgrammingError."""
        if self.process not in (0, os.getpid()):
            raise psycopg.ProgrammingError(
                "a child process cannot use the connection of the run: it needs one of its own"
            )
