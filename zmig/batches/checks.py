"""What is wrong with the statement of a batched migration, as far as its text says. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from zmig.batches import batch, skipped_rows
from zmig.errors import Problem
from zmig.sql import lexer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zmig.errors import Location
    from zmig.model import Batch
    from zmig.sql.statement import Statement


def problems(
    statements: Sequence[Statement], settings: Batch, *, path: str, locate: Callable[[int | None], Location | None]
) -> Iterator[Problem]:
    """Yield why a file cannot be run in batches.

    `locate` returns the place of an offset (0-based) in the file, and for None that of the file's entry.
    """
    unfit = _unfit(statements, settings, path)
    if unfit is not None:
        message, statement, hint = unfit
        place = locate(None if statement is None else statement.offset)
        yield Problem("batch-invalid", message, place, effect="nothing was run", hint=hint)
        return
    (statement,) = statements
    for fault in islice(skipped_rows.faults(statement), 1):
        place = locate(statement.offset + fault.start)
        yield Problem("batch-unordered", fault.message, place, effect="nothing was run", hint=fault.hint)


def _unfit(statements: Sequence[Statement], settings: Batch, path: str) -> tuple[str, Statement | None, str] | None:
    """Return what keeps a file from being batched, the statement that does, and what to do."""
    if len(statements) != 1:
        message = f"a batched file holds one statement, and `{path}` holds {len(statements)}"
        return message, statements[1] if statements else None, "move the other statements to migrations of their own"
    (statement,) = statements
    command = statement.command.refuses_transaction or statement.command.controls_transaction
    names = {name for name, _, _ in batch.placeholders(statement)}
    if command is not None or statement.copy_data is not None:
        what = command or "COPY ... FROM stdin"
        return f"`{what}` cannot be run in batches", statement, "remove `batch` from the manifest entry"
    if "size" not in names:
        return "the batched statement has no `:size`", statement, "write `limit :size` where it chooses rows"
    if "cursor" in names and settings.start is None:
        message = "the batched statement uses `:cursor`, and nothing says where that begins"
        return message, statement, "write `start: 0` under `batch`, or another value below every key"
    words = [token.text for token in statement.tokens if token.kind is lexer.Kind.WORD]
    if "cursor" in names and words[0] in ("delete", "insert", "merge", "update") and "returning" not in words:
        message = "the batched statement uses `:cursor`, and returns no key after which the next round begins"
        return message, statement, "write `returning` and the key at its end"
    return None
