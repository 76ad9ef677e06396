"""Partitions: what their bounds are, what a constraint proves of them, and what it takes to attach one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.replay import constraints, tree
from zmig.lint.replay.effects import Builds, FailureCause, ScanCause, Scans, Validates
from zmig.lint.replay.objects import Bound, ConstraintKind, Index, LockMode, Table, TableKind
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from postgast import pg_query_pb2 as pg

    from zmig.lint.replay.objects import Column, Comparison, Constraint, Expression
    from zmig.lint.replay.statement_replay import StatementReplay
    from zmig.sql.token_reader import Name

_MIDNIGHT = re.compile(r"[ T]00:00(?::00(?:\.0+)?)?$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"-?\d+")


def bound(spec: pg.PartitionBoundSpec) -> Bound:
    """Return which rows a partition is for."""
    if spec.is_default:
        return Bound(is_default=True)
    return Bound(
        values=frozenset(_datum(one) for one in spec.listdatums),
        lower=tuple(map(_datum, spec.lowerdatums)),
        upper=tuple(map(_datum, spec.upperdatums)),
        is_hash=spec.strategy == "h",
    )


def _datum(node: pg.Node) -> str:
    if node.HasField("partition_range_datum"):
        return _datum(node.partition_range_datum.value)
    shown = tree.constant(node)
    if shown is None:
        return (tree.column(node) or "null").lower()
    return _MIDNIGHT.sub("", shown)


def default_of(replay: StatementReplay, parent: Table) -> Table | None:
    """Return the default partition of a table, where it is known to have one."""
    children = replay.catalog.children_of(parent.name)
    return next((one for one in children if one.bound is not None and one.bound.is_default), None)


def make_room(replay: StatementReplay, parent: Table, made: Table) -> None:
    """Record what it takes that the rows of a new partition are not in the default one."""
    default = default_of(replay, parent)
    if default is None or made.bound is None or made.bound.is_default or default.name == made.name:
        return
    replay.lock(default.name, LockMode.ACCESS_EXCLUSIVE)
    for one in replay.catalog.stored(default):
        if replay.catalog.may_have_rows(one) and not _excludes(one, parent, made.bound):
            reason = f"see that none of its rows belongs to the new partition `{made.name.name}`"
            replay.record(Scans(one.name, LockMode.ACCESS_EXCLUSIVE, ScanCause.DEFAULT_PARTITION, reason))


def need_no_overlap(replay: StatementReplay, parent: Table, name: Name, new_bound: Bound) -> None:
    """Raise StatementFails where rows of a new partition certainly belong to one that is there."""
    key = parent.column(parent.partition_key[0] or "") if len(parent.partition_key) == 1 else None
    for other in replay.catalog.children_of(parent.name):
        if other.bound is None or other.name == name or not replay.catalog.is_certain(other):
            continue
        if other.bound.is_default and new_bound.is_default:
            reason = f"`{parent.name.name}` already has a default partition, `{other.name.name}`"
            raise replay.fail(FailureCause.EXISTS, reason, "leave it out", (other.ref,))
        if _overlap(other.bound, new_bound, key):
            reason = (
                f"rows that `{name.name}` is for belong to the partition `{other.name.name}` of `{parent.name.name}`"
            )
            raise replay.fail(FailureCause.REFUSED, reason, "correct the bounds", (other.ref,))


_NUMBERS = frozenset({"int2", "int4", "int8", "numeric"})
_DATES = frozenset({"date", "timestamp", "timestamptz"})


def _overlap(one: Bound, other: Bound, key: Column | None) -> bool:
    if one.values & other.values:
        return True
    if not (one.lower and other.lower):
        return False
    if (one.lower, one.upper) == (other.lower, other.upper):
        return True
    is_ordered = key is not None and key.type is not None and key.type.name.name in _NUMBERS | _DATES
    if not is_ordered or len(one.lower) != 1 or len(other.lower) != 1:
        return False
    return _is_less(one.lower[0], other.upper[0]) and _is_less(other.lower[0], one.upper[0])


def _is_less(one: str, other: str) -> bool:
    """Whether a limit is certainly less than another."""
    if one == "minvalue" or other == "maxvalue":
        return one != other
    return one != other and _at_most(one, other)


def lock_around_new(replay: StatementReplay, parent: Table) -> None:
    """Record the locks of what a partitioned table references, and is referenced by, when it gets a new partition."""
    for key in parent.foreign_keys:
        if key.references is not None and key.references != parent.name:
            replay.lock_referenced(key.references, LockMode.SHARE_ROW_EXCLUSIVE)
    _lock_referencing(replay, parent, LockMode.SHARE_ROW_EXCLUSIVE)


def _lock_referencing(replay: StatementReplay, parent: Table, mode: LockMode) -> None:
    for other, _ in replay.catalog.referencing(parent.name):
        if other.name != parent.name:
            replay.lock(other.name, mode)


def attach(replay: StatementReplay, parent: Table, child: Table, new_bound: Bound) -> Table:
    """ATTACH PARTITION: return the child as part of its parent."""
    _need_fit(replay, parent, child)
    need_no_overlap(replay, parent, child.name, new_bound)
    replay.lock(parent.name, LockMode.SHARE_UPDATE_EXCLUSIVE)
    for one in (child, *replay.catalog.descendants_of(child.name)):
        replay.lock(one.name, LockMode.ACCESS_EXCLUSIVE)
    for one in replay.catalog.stored(child):
        if one.kind is TableKind.TABLE and not implies(one, parent, new_bound):
            reason = f"see that each of its rows belongs to the partition of `{parent.name.name}`"
            replay.record(Scans(one.name, LockMode.ACCESS_EXCLUSIVE, ScanCause.PARTITION, reason))
    child = replace(child, parents=(parent.name,), bound=new_bound)
    make_room(replay, parent, child)
    _lock_referencing(replay, parent, LockMode.SHARE_ROW_EXCLUSIVE)
    child = _with_keys(replay, parent, child)
    replay.catalog.put(child)
    return child


def _need_fit(replay: StatementReplay, parent: Table, child: Table) -> None:
    if not (parent.is_whole and child.is_whole):
        return
    if parent.kind is not TableKind.PARTITIONED:
        reason = f"`{parent.name.name}` is not partitioned, so nothing can be attached to it"
        raise replay.fail(FailureCause.REFUSED, reason, "correct the name", (parent.ref,))
    lacking = next((one for one in parent.columns if one not in child.columns), None)
    extra = next((one for one in child.columns if one not in parent.columns), None)
    if lacking is not None or extra is not None:
        who, whom = (child, parent) if extra is not None else (parent, child)
        reason = f"`{who.name.name}` has the column `{extra or lacking}`, which `{whom.name.name}` does not have"
        raise replay.fail(FailureCause.REFUSED, reason, "give both tables the same columns first", (child.ref,))


def _with_keys(replay: StatementReplay, parent: Table, child: Table) -> Table:
    """Give a partition the indexes and foreign keys of its parent that it does not have, and record what that takes."""
    replay.catalog.put(child)
    own = list(replay.catalog.indexes_of(child.name))
    for index in replay.catalog.indexes_of(parent.name):
        match = next((one for one in own if one.parent is None and _is_alike(one, index)), None)
        if match is not None:
            replay.catalog.put(replace(match, parent=index.name))
            continue
        for one in replay.catalog.stored(child):
            replay.record(Builds(None, one.name, LockMode.ACCESS_EXCLUSIVE))
        child = constraints.copy_index(replay, child, index, parent=index.name)
    for key in parent.foreign_keys:
        if key.references is None:
            continue
        if any(is_same_key(one, key) for one in child.foreign_keys):
            replay.lock_referenced(key.references, LockMode.ACCESS_EXCLUSIVE)  # its own triggers there are dropped
            continue
        replay.lock_referenced(key.references, LockMode.SHARE_ROW_EXCLUSIVE)
        if key.is_valid and key.is_enforced:
            for one in replay.catalog.stored(child):
                replay.record(Validates(key.name, one.name, key.references, LockMode.ACCESS_EXCLUSIVE))
        child = replace(child, constraints={key.name: replace(key, is_inherited=True), **child.constraints})
    return child


def is_same_key(one: Constraint, key: Constraint) -> bool:
    """Whether a foreign key of a partition becomes part of its parent's, and loses its own triggers."""
    return one.is_valid and (one.columns, one.references) == (key.columns, key.references)


def _is_alike(one: Index, other: Index) -> bool:
    """Whether an index of a partition can be part of an index of its parent."""
    if one.expressions or other.expressions or one.predicate is not None or other.predicate is not None:
        return False
    has_constraint = other.constraint is None or one.constraint is not None
    return (
        has_constraint
        and one.is_valid
        and one.method == other.method
        and (one.columns, one.is_unique, one.included) == (other.columns, other.is_unique, other.included)
    )


def need_same_index(replay: StatementReplay, whole: Index, part: Index) -> None:
    """Raise StatementFails where an index certainly cannot be attached to one of a partitioned table."""
    table = replay.catalog.table(part.table)
    if not (replay.catalog.is_certain(whole) and replay.catalog.is_certain(part)) or table is None:
        return
    if table.is_whole and whole.table not in table.parents:
        reason = f"`{part.name.name}` is an index of `{table.name.name}`, no partition of `{whole.table.name}`"
        raise replay.fail(FailureCause.REFUSED, reason, "name an index of a partition", (part.ref,))
    has_others = any((one.expressions or one.predicate is not None) for one in (whole, part))
    if not has_others and (whole.columns, whole.is_unique) != (part.columns, part.is_unique):
        reason = f"`{part.name.name}` is not defined as `{whole.name.name}`, so it cannot be part of it"
        raise replay.fail(FailureCause.REFUSED, reason, "build it on the same columns", (part.ref,))


def detach(replay: StatementReplay, parent: Table, child: Table, *, concurrently: bool) -> Table:
    """DETACH PARTITION: return the child as a table of its own."""
    default = default_of(replay, parent)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.ACCESS_EXCLUSIVE
    if concurrently and default is not None and replay.catalog.is_certain(default):
        raise replay.fail(
            FailureCause.PARTITIONED,
            f"`{parent.name.name}` has a default partition, so none can be detached concurrently",
            "detach it without `concurrently`, with a short `lock_timeout`",
            (default.ref,),
        )
    replay.lock(parent.name, mode)
    replay.lock(child.name, LockMode.ACCESS_EXCLUSIVE if not concurrently else mode)
    if default is not None and default.name != child.name:
        replay.lock(default.name, LockMode.ACCESS_EXCLUSIVE)
    for key in child.foreign_keys:
        if key.is_inherited and key.references is not None:
            replay.lock_referenced(key.references, LockMode.SHARE_ROW_EXCLUSIVE)  # it gets triggers of its own there
    _lock_referencing(replay, parent, LockMode.ACCESS_EXCLUSIVE)
    kept = {name: replace(one, is_inherited=False) for name, one in child.constraints.items()}
    columns = {name: replace(one, is_inherited=False) for name, one in child.columns.items()}
    for index in replay.catalog.indexes_of(child.name):
        replay.catalog.put(replace(index, parent=None))
    return replace(child, parents=(), bound=None, constraints=kept, columns=columns)


def implies(child: Table, parent: Table, new_bound: Bound) -> bool:
    """Whether valid checks of a table prove that all of its rows belong to a partition."""
    if new_bound.is_default or new_bound.is_hash or (not new_bound.values and len(new_bound.lower) != 1):
        return False
    key = parent.partition_key
    if len(key) == 1:
        return key[0] is not None and _proves(child, key[0], new_bound)
    # By which column a table is parted that no migration made, only what is said of the new partition shows.
    return not key and not parent.is_whole and any(_proves(child, one.column, new_bound) for one in _checked(child))


def _proves(child: Table, column: str, new_bound: Bound) -> bool:
    known = [one for one in _checked(child) if one.column == column]
    if new_bound.values:
        listed = any(one.operator == "=" and new_bound.values.issuperset(one.constants) for one in known)
        return listed and ("null" in new_bound.values or child.is_never_null(column))
    (lower,), (upper,) = new_bound.lower, new_bound.upper
    above = lower == "minvalue" or any(one.operator in (">=", ">", "=") and _is_least(lower, one) for one in known)
    below = upper == "maxvalue" or any(
        (one.operator == "<" and _at_most(one.constants[0], upper))
        or (one.operator in ("<=", "=") and _at_most(one.constants[0], upper) and one.constants[0] != upper)
        for one in known
    )
    return above and below and child.is_never_null(column)


def _is_least(lower: str, one: Comparison) -> bool:
    return all(_at_most(lower, constant) for constant in one.constants)


def _checked(table: Table) -> Iterator[Comparison]:
    for one in _valid_checks(table):
        yield from (_plain(each) for each in one.comparisons)


def _valid_checks(table: Table) -> Iterator[Expression]:
    for one in table.constraints.values():
        if one.kind is ConstraintKind.CHECK and one.is_valid and one.is_enforced and one.expression is not None:
            yield one.expression


def _plain(one: Comparison) -> Comparison:
    return one._replace(constants=tuple(_MIDNIGHT.sub("", constant) for constant in one.constants))


def _excludes(default: Table, parent: Table, new_bound: Bound) -> bool:
    """Whether a valid check of a default partition proves that no row of it belongs to a new one."""
    column = parent.partition_key[0] if len(parent.partition_key) == 1 else None
    if column is None or new_bound.is_hash:
        return False
    if new_bound.values:
        is_never_null = default.is_never_null(column)
        checks = _valid_checks(default)
        return any(_lists_none(one, column, new_bound.values, is_never_null=is_never_null) for one in checks)
    (lower,), (upper,) = new_bound.lower, new_bound.upper
    return any(_is_outside(map(_plain, one.alternatives), column, lower, upper) for one in _valid_checks(default))


def _lists_none(check: Expression, column: str, values: frozenset[str], *, is_never_null: bool) -> bool:
    """Whether a check proves that a column has none of the values of a list."""
    said = [one for one in check.comparisons if one.column == column]
    others = frozenset(constant for one in said if one.operator == "<>" for constant in one.constants)
    has_null, values = "null" in values, values - {"null"}
    if values <= others or any(_is_another(one, values) for one in said):
        return is_never_null or not has_null
    arms = [*check.alternatives]
    return (
        bool(arms)
        and not has_null
        and all(one.column == column and (one.operator == "is null" or _is_another(one, values)) for one in arms)
    )


def _is_another(one: Comparison, values: frozenset[str]) -> bool:
    if one.operator == "<>":
        return values.issubset(one.constants)
    return one.operator == "=" and values.isdisjoint(one.constants)


def _is_outside(alternatives: Iterable[Comparison], column: str, lower: str, upper: str) -> bool:
    arms = [*alternatives]
    return bool(arms) and all(
        one.column == column
        and (
            one.operator == "is null"
            or (one.operator == "<" and _at_most(one.constants[0], lower))
            or (one.operator == ">=" and _at_most(upper, one.constants[0]))
        )
        for one in arms
    )


def _at_most(one: str, other: str) -> bool:
    """Whether a constant is certainly not more than another: as numbers, as days, or being the same."""
    if one == other:
        return True
    if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other):
        return int(one) <= int(other)
    return bool(_DATE.fullmatch(one) and _DATE.fullmatch(other)) and one <= other
