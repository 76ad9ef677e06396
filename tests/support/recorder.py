"""An observer that remembers what it got, and that can be waited for from another thread than the run's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.progress import Progress

Heard = TypeVar("Heard", bound="Progress")
_PATIENCE_SECONDS = 120.0


class Recorder:
    """Give it as the observer, then ask."""

    def __init__(self) -> None:
        self.heard: list[Progress] = []
        self._changed = threading.Condition()

    def __call__(self, progress: Progress) -> None:
        with self._changed:
            self.heard.append(progress)
            self._changed.notify_all()

    @property
    def words(self) -> list[str]:
        """The kinds of everything heard, in order."""
        return [type(progress).__name__ for progress in self.heard]

    def all(self, kind: type[Heard]) -> list[Heard]:
        """Everything of one kind, in order."""
        with self._changed:
            return [progress for progress in self.heard if isinstance(progress, kind)]

    def one(self, kind: type[Heard]) -> Heard:
        """The only progress of one kind."""
        (found,) = self.all(kind)
        return found

    def wait_for(self, kind: type[Heard], condition: Callable[[Heard], bool] = lambda _: True) -> Heard:
        """Wait for one of a kind that fulfils a condition."""

        def found() -> Heard | None:
            return next((one for one in self.all(kind) if condition(one)), None)

        with self._changed:
            one = self._changed.wait_for(found, _PATIENCE_SECONDS)
            assert one, f"no such {kind.__name__} was heard"
            return one
