"""Liquibase's checksums of a changeset that is one piece of SQL."""

from __future__ import annotations

import hashlib
import re

_BLANKS = re.compile(rb"[ \n\r\t]+")


def v8(sql: str, *, end_delimiter: str | None, split_statements: bool, strip_comments: bool) -> str:
    """Return the checksum of versions 3.5 to 4.21: blanks count as one."""
    delimiter = "null" if end_delimiter is None else end_delimiter
    header = f"{delimiter}:{_java(split_statements)}:{_java(strip_comments)}:"
    text = _BLANKS.sub(b" ", sql.encode()).strip(b" ")
    return _outer(8, hashlib.md5(header.encode() + text, usedforsecurity=False).hexdigest())


def v9(sql: str) -> str:
    """Return the checksum of version 4.22 and later: blanks do not count."""
    return _outer(9, hashlib.md5(_BLANKS.sub(b"", sql.encode()), usedforsecurity=False).hexdigest())


def _outer(version: int, inner: str) -> str:
    digest = hashlib.md5(f"{version}:{inner}:".encode(), usedforsecurity=False).hexdigest()
    return f"{version}:{digest}"


def _java(value: bool) -> str:
    return "true" if value else "false"
