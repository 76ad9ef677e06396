"""Interruption of a run by the consoles that are attached to it, and by signals."""

from __future__ import annotations

import os
import signal

from zmig.process.interrupts import Interrupted, SignalInterrupts


class Requested(Interrupted):
    """Somebody asked the run to end."""

    def __str__(self) -> str:
        return "request"


class RequestedInterrupts(SignalInterrupts):
    """Signals, and a request, which is a signal that is recorded as what it is."""

    _is_requested = False

    def request(self) -> None:
        """Ask the run to end, from any thread; once is enough, since a second signal ends the process at once."""
        if not self._is_requested and not self.is_asked:
            self._is_requested = True
            os.kill(os.getpid(), signal.SIGINT)

    def _interruption(self, number: int) -> Interrupted:
        return Requested(number) if self._is_requested else super()._interruption(number)
