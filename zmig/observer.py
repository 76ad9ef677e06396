"""Observers: callables that take one `zmig.progress.Progress` value, and may not break the run that they observe."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.database.activity import Blocker
    from zmig.errors import Problem
    from zmig.progress import Observer, Progress


def isolated(observer: Observer | None) -> Observer:
    """Return an observer that never raises: one that does is dropped and logged, and the run goes on.

    Whatever threads call it, it gets one thing after the other.
    """
    listening = [observer] if observer is not None else []
    turn = threading.RLock()

    def report(progress: Progress) -> None:
        with turn:
            for listener in list(listening):
                try:
                    listener(progress)
                except Exception:
                    import logging

                    listening.clear()
                    logging.getLogger("zmig").exception("the observer raised and is dropped; the run goes on")

    return report


class BufferedObserver:
    """An observer that hands on what it gets, at once or, while it holds, when it is released."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._held: deque[Progress] = deque()
        self._is_holding = False

    def __call__(self, progress: Progress) -> None:
        """Take what is reported."""
        if self._is_holding:
            self._held.append(progress)
        else:
            self._observer(progress)

    def hold(self) -> None:
        """Keep what is reported from now on."""
        self._is_holding = True

    def release(self) -> None:
        """Hand on what was kept, in order, and hold no longer."""
        while self._held:  # one that an interruption keeps from being handed on takes none of the others with it
            self._observer(self._held.popleft())
        self._is_holding = False


def redacting(observer: Observer, redact: Callable[[str], str]) -> Observer:
    """Return an observer that gets what servers and migrations say without the secrets in it."""
    return lambda progress: observer(_masked(progress, redact))


def lengthening(observer: Observer) -> Observer:
    """Return an observer that gets statements with more of their beginning, for who shows them at a screen's width."""

    def report(progress: Progress) -> None:
        from zmig.progress import StatementStarted
        from zmig.valueclass import replace

        if isinstance(progress, StatementStarted) and progress.longer is not None:
            progress = replace(progress, text=progress.longer(), longer=None)
        observer(progress)

    return report


def naming(observer: Observer, named: Callable[[Problem], Problem]) -> Observer:
    """Return an observer that gets failures whose hints `named` has completed."""

    def report(progress: Progress) -> None:
        from zmig.progress import StepFailed
        from zmig.valueclass import replace

        is_failure = isinstance(progress, StepFailed)
        observer(replace(progress, problem=named(progress.problem)) if is_failure else progress)

    return report


def _masked(progress: Progress, redact: Callable[[str], str]) -> Progress:
    from zmig.progress import Blocked, LockWaiting, Notice, Reported, StatementStarted
    from zmig.valueclass import replace

    match progress:
        case Blocked():
            return replace(progress, blockers=tuple(_masked_blocker(one, redact) for one in progress.blockers))
        case LockWaiting() if progress.holder is not None and progress.holder.query is not None:
            return replace(progress, holder=replace(progress.holder, query=redact(progress.holder.query)))
        case Notice():
            detail, hint = (None if text is None else redact(text) for text in (progress.detail, progress.hint))
            return replace(progress, message=redact(str(progress.message)), detail=detail, hint=hint)
        case Reported():
            return replace(progress, message=redact(str(progress.message)))
        case StatementStarted() if progress.longer is not None or redact(progress.text) != progress.text:
            longer = progress.longer
            masked = None if longer is None else lambda: redact(longer())
            return replace(progress, text=redact(progress.text), longer=masked)
        case _:
            return progress


def _masked_blocker(blocker: Blocker, redact: Callable[[str], str]) -> Blocker:
    from zmig.valueclass import replace

    backend = blocker.backend
    if backend is None or backend.query is None:
        return blocker
    return replace(blocker, backend=replace(backend, query=redact(backend.query)))
