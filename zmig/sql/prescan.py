"""What must be known of a script before it runs, learned in one fast pass that holds next to nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql import fast_path, script, splitter
from zmig.sql.buffer import Window
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.sql.statement import Statement


@valueclass
class Prescan:
    """What the statements of a script mean for its run; each is the first of its sort, without its rows."""

    statements: int = 0
    """How many there are."""
    refusing: Statement | None = None
    """Cannot run inside a transaction."""
    controlling: Statement | None = None
    """Begins, ends or prepares a transaction."""


def scan(reads: Iterable[str], *, path: str, conforming: bool = True, is_octets: bool = False) -> Prescan:
    """Read a script that comes in pieces to its end; `path` is what problems call it.

    `is_octets` says that the pieces are as `zmig.sql.octets` has them.
    Raises ManifestError where the text stops being a script.
    """
    window = Window(reads, path=path, conforming=conforming, is_octets=is_octets)
    skip = fast_path.DATA_STATEMENT.match
    refusing: Statement | None = None
    controlling: Statement | None = None
    number = 0
    while True:
        while conforming and (passed := skip(window.text, window.position)):
            splitter.check_length(window, window.position, passed.end())
            window.position = passed.end()
            number += 1
        statement = script.next_statement(window, number + 1)
        if statement is None:
            return Prescan(number, refusing, controlling)
        number += 1
        if refusing is None and statement.command.refuses_transaction:
            refusing = statement
        elif controlling is None and statement.command.controls_transaction:
            controlling = statement
        script.skip_rows(statement)
