"""Checks of what values are wrong from then on, though none is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import Builds, MakesStale, SetsSequence
from zmig.lint.replay.objects import ObjectKind, Sequence
from zmig.text import listing

if TYPE_CHECKING:
    import collections.abc
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.replay.objects import Ref
    from zmig.lint.steps import Step

_MOST_NAMED = 3


def set_sequences(entry: Entry, steps: collections.abc.Sequence[Step]) -> Iterator[Remark]:
    """Sequences in use that are set to a number."""
    for step in steps:
        for one in step.of(SetsSequence):
            known = step.before.relation(one.sequence)
            owner = known.owner[0] if isinstance(known, Sequence) and known.owner is not None else one.sequence
            if step.is_in_use(one.sequence) and step.is_in_use(owner):
                name = one.sequence.name
                yield step.remark(
                    "data/sequence-set",
                    one,
                    f"`{name}` goes on from a number that is written here: where it is further, numbers come twice",
                    "take the number from the rows: `select setval('...', max(id)) from ...`",
                )


def stale(entry: Entry, steps: collections.abc.Sequence[Step]) -> Iterator[Remark]:
    """Indexes and columns in use that hold what a function has returned before it is replaced."""
    for number, step in enumerate(steps):
        for one in step.of(MakesStale):
            left = [ref for ref in one.holders if step.is_in_use(ref.name) and _stays(ref, step, steps[number + 1 :])]
            if left:
                shown = listing.first([ref.shown for ref in left], _MOST_NAMED)
                yield step.remark(
                    "data/stale-values",
                    one,
                    f"{shown} keeps what `{one.function.name}` returned before, so queries find other rows than there "
                    "are",
                    "make a function with another name, and an index or a column that uses it"
                    if left[0].kind is not ObjectKind.INDEX
                    else f"write `reindex index concurrently {left[0].name.name}` in the next migration, or make a "
                    "function with another name and an index that uses it",
                )


def _stays(ref: Ref, step: Step, later: collections.abc.Sequence[Step]) -> bool:
    """Whether what holds the values is not made anew in the same migration."""
    if not later:
        return True
    if ref.kind is ObjectKind.INDEX:
        index = step.after.index(ref.name)
        is_same = index is not None and later[-1].after.index(ref.name) is index
        table = None if index is None else index.table
        rebuilt = (one for each in later for one in each.of(Builds) if one.is_rebuilt)
        return is_same and not any(
            ref.name == one.index or (one.index is None and one.table == table) for one in rebuilt
        )
    column, last = (each.after.column(ref) for each in (step, later[-1]))
    return column is not None and last is not None and last.default is column.default
