"""The process around a migration's code, which is to be the same for the next migration, and for zmig."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from zmig.running.fork import children_leave
from zmig.running.signals import signals_kept
from zmig.running.workingfolder import working_folder_kept

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def surroundings_kept() -> Generator[None]:
    """Surround a migration's own code: what it changes for the whole process is put back, and its children leave."""
    with signals_kept(), working_folder_kept(), _streams_kept(), children_leave():
        yield


@contextlib.contextmanager
def _streams_kept() -> Generator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
