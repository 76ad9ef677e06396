"""An observer that remembers what it heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from zmig.progress import Progress

Heard = TypeVar("Heard", bound="Progress")


class Recorder:
    """Give it as the observer, then ask."""

    def __init__(self) -> None:
        self.heard: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.heard.append(progress)

    @property
    def words(self) -> list[str]:
        """The kinds of everything heard, in order."""
        return [type(progress).__name__ for progress in self.heard]

    def all(self, kind: type[Heard]) -> list[Heard]:
        """Everything of one kind, in order."""
        return [progress for progress in self.heard if isinstance(progress, kind)]

    def one(self, kind: type[Heard]) -> Heard:
        """The only progress of one kind."""
        (found,) = self.all(kind)
        return found
