"""Asks a terminal for the colour of its background, before the console takes it over.

Few terminals set COLORFGBG; nearly all answer OSC 11. All answer a question for their attributes (DA1), in the order
of the questions, so that this answer ends the wait, and none can come later and be taken for keys.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from contextlib import suppress

_QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
_COLOUR = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_ATTRIBUTES = re.compile(rb"\x1b\[\?[0-9;]*c")
_MOST_SECONDS = 1.0
_MOST_OCTETS = 4096
_WITHOUT_ANSWERS = ("linux", "dumb", "unknown", "")
_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""How bright red, green and blue look, as in ITU-R BT.709."""


def is_light() -> bool | None:
    """Return whether the terminal's background is a light one; None where it does not say."""
    stdin, stderr = sys.__stdin__, sys.__stderr__  # the console draws on standard error
    if sys.platform == "win32" or stdin is None or stderr is None or os.environ.get("TERM", "") in _WITHOUT_ANSWERS:
        return None
    with suppress(OSError, ValueError):
        if stdin.isatty() and stderr.isatty():
            return brightness(_ask(stdin.fileno(), stderr.fileno()))
    return None


def brightness(answer: bytes) -> bool | None:
    """Return whether an answer names a light colour; None where it names none."""
    found = _COLOUR.search(answer)
    if found is None:
        return None
    parts = [int(part, 16) / (16 ** len(part) - 1) for part in found.groups()]
    return sum(part * weight for part, weight in zip(parts, _WEIGHTS, strict=True)) > 0.5


def _ask(reads: int, writes: int) -> bytes:
    import termios
    import tty

    before = termios.tcgetattr(reads)
    answer = b""
    try:
        tty.setcbreak(reads, termios.TCSANOW)
        os.write(writes, _QUESTION)
        end = time.monotonic() + _MOST_SECONDS
        while (left := end - time.monotonic()) > 0 and len(answer) < _MOST_OCTETS:
            if not select.select([reads], [], [], left)[0]:
                break
            part = os.read(reads, _MOST_OCTETS)
            answer += part
            if not part or _ATTRIBUTES.search(answer):
                break
    finally:
        termios.tcsetattr(reads, termios.TCSANOW, before)
    return answer
