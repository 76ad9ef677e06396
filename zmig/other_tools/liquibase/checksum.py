"""Liquibase's checksums of changesets that are SQL, each of one or more changes."""

from __future__ import annotations

import hashlib
import re

_BLANKS = re.compile(rb"[ \n\r\t]+")


def v8(sql: str, *, end_delimiter: str | None, split_statements: bool, strip_comments: bool) -> str:
    """Return what versions 3.5 to 4.21 record of one change: blanks count as one."""
    delimiter = "null" if end_delimiter is None else end_delimiter
    header = f"{delimiter}:{_java(split_statements)}:{_java(strip_comments)}:"
    text = _BLANKS.sub(b" ", sql.encode()).strip(b" ")
    return f"8:{_md5(header.encode() + text)}"


def v9(sql: str) -> str:
    """Return what version 4.22 and later record of one change: blanks do not count."""
    return f"9:{_md5(_BLANKS.sub(b'', sql.encode()))}"


def of_changeset(version: int, *changes: str) -> str:
    """Return the checksum of a changeset from those of its changes."""
    return f"{version}:{_md5(''.join(f'{one}:' for one in changes).encode())}"


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _java(value: bool) -> str:
    return "true" if value else "false"
