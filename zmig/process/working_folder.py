"""The current folder, which a migration's code may change for the whole process."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def working_folder_kept() -> Generator[None]:
    """Come back to the folder that was current before: the next migration's paths, and zmig's, count from there."""
    try:
        before = os.getcwd()  # noqa: PTH109 - a path of the system's own, without a step of pathlib's
    except OSError:
        yield  # the folder is gone, so there is no way back to it
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(before)
