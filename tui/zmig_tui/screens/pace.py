"""Draws what goes on as often as costs little."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PROCESSOR_SHARE = 0.03
"""How much of a core drawing may take."""
_LONGEST_SECONDS = 1.5


class Pace:
    """Postpones a drawing that would follow an expensive one too soon."""

    def __init__(self) -> None:
        self._again_at = 0.0

    def draw(self, draw: Callable[[], None]) -> None:
        """Draw, unless the last drawing was too recent for what it cost."""
        if time.monotonic() < self._again_at:
            return
        began = time.thread_time()
        draw()
        pause = min((time.thread_time() - began) / _PROCESSOR_SHARE, _LONGEST_SECONDS)
        self._again_at = time.monotonic() + pause
