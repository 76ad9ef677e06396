"""The process around a migration's code, which is to be the same for the next migration, and for zmig."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from zmig.process.fork import children_leave
from zmig.process.signal_state import signals_kept
from zmig.process.working_folder import working_folder_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager


@contextlib.contextmanager
def surroundings_kept() -> Generator[None]:
    """Surround a migration's own code: what it changes for the whole process is put back, and its children leave."""
    with signals_kept(), working_folder_kept(), _streams_kept(), contextlib.ExitStack() as others, children_leave():
        for around in _others:
            others.enter_context(around())
        yield


_others: list[Callable[[], AbstractContextManager[None]]] = []


@contextlib.contextmanager
def also_around_code(around: Callable[[], AbstractContextManager[None]]) -> Generator[None]:
    """Surround each call of a migration's code with `around` too, while the block lasts."""
    _others.append(around)
    try:
        yield
    finally:
        _others.remove(around)


@contextlib.contextmanager
def _streams_kept() -> Generator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
