"""Refuses an UPDATE in rounds that would find the same rows for ever, before the first round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.batches import repeated_rows
from zmig.errors import Problem, ZmigError
from zmig.running.envelope import looked_ahead
from zmig.sql.quoting import literal

if TYPE_CHECKING:
    from zmig.batches.repeated_rows import RepeatedUpdate
    from zmig.running.attempt import Attempt
    from zmig.running.run_session import RunSession
    from zmig.sql.statement import Statement

_PLAIN = """
select from pg_catalog.pg_class c
where c.oid operator(pg_catalog.=) pg_catalog.to_regclass({table}) and c.relkind operator(pg_catalog.=) 'r'
    and not c.relrowsecurity and not c.relhasrules and not c.relhassubclass
    and not exists (select from pg_catalog.pg_trigger t
        where t.tgrelid operator(pg_catalog.=) c.oid and not t.tgisinternal)
    and not exists (select from pg_catalog.pg_attribute a
        where a.attrelid operator(pg_catalog.=) c.oid and a.attgenerated operator(pg_catalog.<>) ''
            and a.attname operator(pg_catalog.=) any (array[{named}]))
"""
"""A table of which no row changes but as the statement says: by no trigger, rule, policy or computed column."""


def check(session: RunSession, attempt: Attempt, one: Statement) -> None:
    """Make sure that a batched statement without `:cursor` does not find the rows again that it has changed.

    Raises:
        ZmigError: no condition names a column that it sets.
    """
    found = repeated_rows.read(one)
    if found is None:
        return
    is_plain = False
    with looked_ahead(session, attempt):
        is_plain = _is_plain(session, found)
    if is_plain:
        sets = " or ".join(f"`{name}`" for name in found.sets)
        message = (
            f"each round would change the same rows again: they are not chosen by {sets}, which the statement sets"
        )
        hint = f"add a condition on {sets} that is no longer true when a row is done, or use `:cursor`"
        place = attempt.prepared.location(one.offset)
        raise ZmigError(Problem("batch-stands-still", message, place, facts=(), effect="nothing was run", hint=hint))


def _is_plain(session: RunSession, found: RepeatedUpdate) -> bool:
    named = ", ".join(literal(name) for name in sorted({"", *found.named}))
    asked = _PLAIN.format(table=literal(found.table), named=named)
    return session.connection.execute(asked.encode()).fetchone() is not None
