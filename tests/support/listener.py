"""An observer that can be waited for, from another thread than the run's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.progress import Progress

Heard = TypeVar("Heard", bound="Progress")
_PATIENCE_SECONDS = 120.0


class Listener:
    """Give it as the observer, then wait for what is to be heard."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        with self._changed:
            self._heard.append(progress)
            self._changed.notify_all()

    def all(self, kind: type[Heard]) -> list[Heard]:
        """Everything of one kind that was heard, in order."""
        with self._changed:
            return [one for one in self._heard if isinstance(one, kind)]

    def wait_for(self, kind: type[Heard], condition: Callable[[Heard], bool] = lambda _: True) -> Heard:
        """Wait for one of a kind that fulfils a condition."""

        def found() -> Heard | None:
            return next((one for one in self.all(kind) if condition(one)), None)

        with self._changed:
            one = self._changed.wait_for(found, _PATIENCE_SECONDS)
            assert one, f"no such {kind.__name__} was heard"
            return one
