"""Where a tool sends parts of a file one by one, a part may end without the semicolon that a whole file needs there."""

from __future__ import annotations

from zmig.sql import lexer


def missing_after(part: str) -> int | None:
    """Return where the last statement of a part ends, if no semicolon does so; 0-based.

    Raises UnterminatedError where the part ends inside of a string or a comment.
    """
    last = part.rstrip()
    if not last or (last[-1] == ";" and "--" not in last[last.rfind("\n") + 1 :]):
        return None
    end: int | None = None
    for token in lexer.tokens(part):
        end = None if token.text == ";" else token.end
    return end
