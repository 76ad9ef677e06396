"""What one statement does: the objects it makes, the ones it changes, the rows it touches. Told by its keywords.

What you may rely on: names are unquoted and folded as the server does it. A DO block and dynamic SQL do nothing
that can be seen here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zmig.lint import definitions, rows
from zmig.lint.effects import Act
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from zmig.sql.statement import Statement

_READERS = {**definitions.READERS, **rows.READERS}


def read(one: Statement) -> Act:
    """Return what a statement does."""
    reader = Reader(one.text)
    first = reader.take()
    verb = first.text if first else ""
    read = _READERS.get(verb)
    act = read(reader, one, verb) if read else Act(one, verb)
    refuses = one.command.refuses_transaction
    controls = one.command.controls_transaction
    if refuses is None and controls is None:
        return act
    return replace(act, refuses=refuses, controls=controls)
