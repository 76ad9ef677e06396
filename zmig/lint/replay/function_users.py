"""What depends on a function: triggers, and defaults, checks, indexes, policies and views that call it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.catalog import called_name
from zmig.lint.replay.objects import ConstraintKind, Domain, Index, ObjectKind, Ref, Space, Table, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.objects import Expression, Function, Relation
    from zmig.sql.token_reader import Name


def users(catalog: Catalog, name: Name, dropped: Iterable[Function], kept: Iterable[Function]) -> Iterator[Ref]:
    """Yield what certainly depends on some of the functions of a name, and on none that is kept."""
    kept = [*kept]
    if not kept:
        yield from _triggers(catalog, name)
    numbers = {len(one.arguments) for one in dropped} - {len(one.arguments) for one in kept}
    if name.name in catalog.renamed_functions:
        return  # a call may be written as it was called before
    # Defaults of arguments allow for fewer, so that their number shows which one is meant only where there are several.
    calls = _Calls(name, numbers if kept else None)
    calling = [*catalog.dependents(*called_name(name.name))]
    for node in calling:
        relation = catalog.relation(node.name) if node.space is Space.RELATION else None
        if relation is not None and catalog.is_certain(relation):
            yield from _of_relation(relation, calls)
    for node in calling:
        kind = catalog.type(node.name) if node.space is Space.TYPE else None
        if isinstance(kind, Domain):
            checks = (one for one in kind.constraints.values() if calls.any_in((one.expression,)))
            yield from (Ref(ObjectKind.CONSTRAINT, kind.name, one.name) for one in checks)


class _Calls:
    def __init__(self, name: Name, numbers: set[int] | None) -> None:
        self._name = name
        self._numbers = numbers
        """How many arguments a call has; None for any number."""

    def any_in(self, expressions: Iterable[Expression | None]) -> bool:
        """Whether one of some expressions calls it."""
        return any(self._is_one(*call) for one in expressions if one is not None for call in one.calls)

    def _is_one(self, called: Name, number: int) -> bool:
        is_named = called.name == self._name.name and called.schema in (None, self._name.schema)
        return is_named and (self._numbers is None or number in self._numbers)


def _of_relation(relation: Relation, calls: _Calls) -> Iterator[Ref]:
    match relation:
        case Table():
            yield from _of_table(relation, calls)
        case Index() if calls.any_in((*relation.expressions, relation.predicate)):
            yield relation.ref
        case View(calls=called) if calls.any_in((called,)):
            yield relation.ref
        case _:
            pass


def _of_table(table: Table, calls: _Calls) -> Iterator[Ref]:
    for column in table.columns.values():
        if calls.any_in((column.default,)):
            yield Ref(ObjectKind.DEFAULT if column.generated is None else ObjectKind.COLUMN, table.name, column.name)
    for constraint in table.constraints.values():
        if constraint.kind is ConstraintKind.CHECK and calls.any_in((constraint.expression,)):
            yield Ref(ObjectKind.CONSTRAINT, table.name, constraint.name)
    for policy in table.policies.values():
        if calls.any_in((policy.using, policy.check)):
            yield Ref(ObjectKind.POLICY, table.name, policy.name)
    for trigger in table.triggers.values():
        if calls.any_in((trigger.condition,)):
            yield Ref(ObjectKind.TRIGGER, table.name, trigger.name)


def _triggers(catalog: Catalog, function: Name) -> Iterator[Ref]:
    for node in catalog.dependents(Space.FUNCTION, function):
        table = catalog.table(node.name)
        for trigger in table.triggers.values() if table is not None else ():
            if trigger.function == function:
                yield Ref(ObjectKind.TRIGGER, node.name, trigger.name)
