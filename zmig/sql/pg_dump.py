"""What pg_dump writes that has a meaning only where each statement commits by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig.sql.statement import Statement

_BEGIN = re.compile(r"BEGIN;\s+SELECT pg_catalog\.lo_open\(")
_LAST = "SELECT pg_catalog.lo_close(0);"


def surrounds_large_objects(text: str, one: Statement) -> bool:
    """Whether a statement of `text` is the BEGIN or the COMMIT that pg_dump puts around the data of large objects.

    A large object is open until the end of a transaction; where the file is one already, the two are needed by nobody.
    """
    if one.text == "BEGIN":
        return _BEGIN.match(text, one.offset) is not None
    return one.text == "COMMIT" and text[: one.offset].endswith((f"{_LAST}\n\n", f"{_LAST}\r\n\r\n"))
