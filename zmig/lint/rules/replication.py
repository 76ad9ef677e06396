"""Checks of what subscribers of a database get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import StopsReplication
from zmig.lint.replay.objects import ObjectKind, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.steps import Step

_HINT = "stop or change the subscriptions first, and say with the reason in an ignore that nobody needs it any more"


def stopped(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Publications, tables of them, replication slots and subscriptions that are taken from those who use them."""
    for number, step in enumerate(steps):
        for one in step.of(StopsReplication):
            if one.table is not None and not step.is_in_use(one.table):
                continue
            if one.publication is None or not _comes_back(one, steps[number + 1 :]):
                yield step.remark("replication/stopped", one, one.what, _HINT)


def _comes_back(one: StopsReplication, later: Sequence[Step]) -> bool:
    """Whether a later statement of the same migration publishes it again."""
    if not later or one.publication is None:
        return False
    known = later[-1].after.other(Ref(ObjectKind.PUBLICATION, one.publication))
    if known is None or known.is_gone:
        return False
    return one.table is None or one.table in known.tables or "all tables" in known.options
