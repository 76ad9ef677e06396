"""Checks of what goes with what is dropped, and of what does not last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import Drops, Makes, Skips
from zmig.lint.replay.objects import ObjectKind, Persistence, Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.replay.objects import Ref
    from zmig.lint.steps import Step

_MOST_NAMED = 4


def cascade(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """DROP ... CASCADE that takes away what the statement does not name."""
    for step in steps:
        drops = [*step.of(Drops)]
        named = {node.name for node in step.targets if node.space is Space.RELATION}
        gone: dict[Ref, Drops] = {}
        for one in drops:
            for ref in one.cascaded:
                is_named = ref.part is None and ref.name in named
                if not is_named and _is_in_use(step, ref):
                    gone.setdefault(ref, one)
        if gone:
            (first, one), *_ = gone.items()
            shown = [ref.shown for ref in [*gone][:_MOST_NAMED]]
            if len(gone) > _MOST_NAMED:
                shown.append(f"{len(gone) - _MOST_NAMED} more")
            list_of = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
            goes = "goes" if len(gone) == 1 else "go"
            yield step.remark(
                "data/drop-cascade",
                one,
                f"with {one.ref.shown} {goes} {list_of}, which the statement does not name",
                f"drop or change {first.shown} in a statement of its own, and write this one without `cascade`",
            )


def _is_in_use(step: Step, ref: Ref) -> bool:
    if ref.kind in (ObjectKind.TYPE, ObjectKind.DOMAIN, ObjectKind.FUNCTION, ObjectKind.SCHEMA):
        return ref.kind not in (ObjectKind.TYPE, ObjectKind.DOMAIN) or step.before.is_type_in_use(ref.name)
    return step.before.is_in_use(ref.name)


def unlogged(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Tables whose rows are gone after a crash."""
    for step in steps:
        for one in step.of(Makes):
            table = steps[-1].after.table(one.ref.name) if one.ref.kind is ObjectKind.TABLE else None
            if table is not None and table.persistence is Persistence.UNLOGGED:
                yield step.remark(
                    "data/unlogged",
                    one,
                    f"`{table.name.name}` is unlogged: a crash empties it, and replicas never have its rows",
                    "leave `unlogged` out, unless every row can be made again",
                )


def skipped(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """IF NOT EXISTS of a table that is there and has not all of its columns, or of a column of another type."""
    for step in steps:
        for one in step.of(Skips) if not step.is_conditional else ():
            table = one.ref.name.name
            if one.types is not None:
                has, asked = one.types
                yield step.remark(
                    "change/skipped",
                    one,
                    f"`{table}.{one.ref.part}` is there already, so this statement adds nothing, and its type stays "
                    f"`{has}`, not `{asked}`",
                    f"to change its type, write `alter table {table} alter column {one.ref.part} type {asked}`",
                )
                continue
            columns = ", ".join(f"`{column}`" for column in one.lacking)
            yield step.remark(
                "change/skipped",
                one,
                f"`{table}` is there already, so this statement makes nothing, and `{table}` goes without {columns}",
                f"write `alter table {table} add column {one.lacking[0]} ...`, or choose another name",
            )
