"""Values and names as SQL spells them, for statements that travel inside a larger message and so take no parameters.

Unlike psycopg's own quoting this asks no connection, so it is right whatever encoding a migration has left the
client with, and it takes a tenth of the time: every migration needs some twenty values quoted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import LiteralString


def literal(value: str | int | None) -> str:
    """Return a value as a constant.

    A text with a backslash takes the form `E'...'`, which means the same whatever `standard_conforming_strings` is
    (PostgreSQL documentation, "String Constants With C-Style Escapes").
    """
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(int(value))
    quoted = value.replace("'", "''")
    if "\\" not in quoted:
        return f"'{quoted}'"
    return " E'" + quoted.replace("\\", "\\\\") + "'"


def array(values: Iterable[str]) -> str:
    """Return texts as a constant array."""
    return f"array[{', '.join(map(literal, values))}]::pg_catalog.text[]"


def identifier(*names: str) -> str:
    """Return a name, and what qualifies it, as it may be in SQL whatever its characters."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def bare(name: str) -> str:
    """Return a name, quoted only where its characters need that: for where it may be a keyword, too."""
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) else identifier(name)


def shown(*names: str) -> str:
    """Return a name as a person would write it in SQL: quoted only where it is not plain, or may be a keyword."""
    is_plain = all(re.fullmatch("[a-z_][a-z0-9_]*", name) for name in names) and len(names) > 1
    return ".".join(names) if is_plain else identifier(*names)


def operator(symbol: LiteralString) -> LiteralString:
    """Return one of PostgreSQL's own operators, whatever the search path has under that symbol.

    It has the precedence of "any other operator", so what is beside it needs parentheses (PostgreSQL documentation,
    "Operator Precedence").
    """
    return f"operator(pg_catalog.{symbol})"
