"""An observer is any callable that takes one `zmig.progress.Progress` value; it may not break the run it observes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.progress import Observer, Progress


def guarded(observer: Observer | None) -> Observer:
    """Return an observer that never raises: one that does is dropped and logged, and the run goes on.

    Whatever threads tell it, it is told one thing after the other.
    """
    listening = [observer] if observer is not None else []
    turn = threading.RLock()

    def tell(progress: Progress) -> None:
        with turn:
            for listener in list(listening):
                try:
                    listener(progress)
                except Exception:
                    import logging

                    listening.clear()
                    logging.getLogger("zmig").exception("the observer raised and is dropped; the run goes on")

    return tell
