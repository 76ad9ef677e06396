"""How the C library gives memory back to the system."""

from __future__ import annotations

import contextlib

_M_MMAP_THRESHOLD = -3
_LARGE = 4 << 20


def return_large_blocks() -> None:
    """Have the C library return blocks of more than 4 MB as soon as they are freed, for the rest of the process.

    glibc's limit for that rises with every such block that is freed, up to 32 MB; then as much and more stays with the
    process, in pieces that nothing large fits into (`man 3 mallopt`). Other libraries are left alone.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
