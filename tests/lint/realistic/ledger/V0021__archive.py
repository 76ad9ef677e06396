"""Moves closed accounts to the archive, in rounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig import Context


def execute(ctx: Context) -> None:
    for batch in ctx.batches():
        moved = ctx.execute("select ledger.archive(%s, %s)", (batch.cursor, batch.size)).fetchall()
        batch.done(len(moved), cursor=max((row[0] for row in moved), default=None))
