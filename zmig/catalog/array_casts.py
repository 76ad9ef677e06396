"""Where a cast is written that the server moves once a schema was dumped and restored. Pure.

What a user wrote as `code in ('a', 'b')` is kept as an array that is cast as a whole, `(ARRAY['a', 'b'])::text[]`. Of
that text, which is in a dump, the server makes an array of which each element is cast, and writes it so ever after:
`ARRAY[('a')::text, ('b')::text]`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINNING = "(ARRAY["
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\(ARRAY\[|.""", re.DOTALL)
_CAST = re.compile(r"""\]\)::((?:"(?:[^"]|"")*"|[^][()",;])++(?:\([\d, ]+\)[a-z ]*+)?+)\[\]""")


def at_elements(text: str) -> str:
    """Return a definition with all casts of arrays moved to their elements, as after a dump and its restoration."""
    made, place = "", 0
    for start in _beginnings(text):
        if start < place:
            continue
        first = start + len(_BEGINNING)
        *ends, last = _ends(text, first)
        cast = _CAST.match(text, last)
        if cast is None:
            continue
        begins = [first, *(end + 2 for end in ends)]
        elements = (at_elements(text[begin:end]) for begin, end in zip(begins, [*ends, last], strict=True))
        made += f"{text[place:start]}ARRAY[{', '.join(f'({element})::{cast[1]}' for element in elements)}]"
        place = cast.end()
    return made + text[place:]


def _beginnings(text: str) -> Iterator[int]:
    """Yield where an array in parentheses begins."""
    if _BEGINNING in text:
        yield from (token.start() for token in _TOKEN.finditer(text) if token[0] == _BEGINNING)


def _ends(text: str, first: int) -> list[int]:
    """Return where each element of an array ends, the first of which begins at a place."""
    ends, depth = list[int](), 0
    for token in _TOKEN.finditer(text, first):
        if depth == 0 and token[0] == "]":
            return [*ends, token.start()]
        if depth == 0 and token[0] == ",":
            ends.append(token.start())
        depth += {"(": 1, "[": 1, _BEGINNING: 2, ")": -1, "]": -1}.get(token[0], 0)
    return [*ends, len(text)]
