"""What the table says in place of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.presentation.spans import Tone
from zmig_tui.text import line, span

if TYPE_CHECKING:
    from zmig.presentation.spans import Line


def empty_table_line(filter_text: str) -> Line:
    """Return why no migration is shown."""
    if filter_text:
        return line(span(" nothing fits ", Tone.QUIET), filter_text, span(": esc clears the filter", Tone.QUIET))
    return line(span(" no migrations", Tone.QUIET))
