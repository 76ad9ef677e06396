"""What several tools have alike where they compare a file with what was run."""

from __future__ import annotations


def line_ends(content: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what a file holds as it is, with the line ends of Unix, and with those of Windows."""
    unix = content.replace(b"\r\n", b"\n")
    return content, unix, unix.replace(b"\n", b"\r\n")
