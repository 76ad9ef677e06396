"""An observer is any callable that takes one `zmig.progress.Progress` value; it may not break the run it observes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

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


def discreet(observer: Observer, redact: Callable[[str], str]) -> Observer:
    """Return an observer that is told what servers and migrations say without the secrets in it."""
    return lambda progress: observer(_masked(progress, redact))


def _masked(progress: Progress, redact: Callable[[str], str]) -> Progress:
    from dataclasses import replace

    from zmig.progress import Notice, Reported, StatementStarted

    match progress:
        case Notice():
            detail, hint = (None if text is None else redact(text) for text in (progress.detail, progress.hint))
            return replace(progress, message=redact(str(progress.message)), detail=detail, hint=hint)
        case Reported():
            return replace(progress, message=redact(str(progress.message)))
        case StatementStarted():
            return replace(progress, text=redact(progress.text))
        case _:
            return progress
