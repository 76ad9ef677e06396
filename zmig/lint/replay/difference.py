"""How two catalogs differ: what one has and the other has not, and what is not as it was. Pure.

What is not known of either is no difference.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.lint.replay.objects import (
    TEMPORARY,
    Composite,
    ConstraintKind,
    Domain,
    Enum,
    Index,
    ObjectKind,
    Ref,
    Sequence,
    Space,
    Table,
    View,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import TypeVar

    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.objects import (
        Column,
        Constraint,
        Definition,
        Expression,
        Function,
        OtherObject,
        Policy,
        Relation,
        Trigger,
        UserType,
    )

    Part = TypeVar("Part")
    Comparer = Callable[[Part, Part], str | None]


class Change(StrEnum):
    """What became of an object."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@valueclass
class Difference:
    """One object that is not in both catalogs, or not the same."""

    change: Change
    ref: Ref
    what: str = ""
    """Of one that changed: what of it."""


def differences(before: Catalog, after: Catalog, made: Collection[Ref] = ()) -> Iterator[Difference]:
    """Yield how a catalog differs from another one, each object once, without what belongs to one that is yielded.

    `made` is what is known to have been made in between, where not everything was known before.
    """
    return _Comparison(before, after, frozenset(made)).run()


class _Comparison:
    def __init__(self, before: Catalog, after: Catalog, made: frozenset[Ref]) -> None:
        self._before = before
        self._after = after
        self._made = made

    def run(self) -> Iterator[Difference]:
        for node in dict.fromkeys(self._after.changed_since(self._before)):
            match node.space:
                case Space.RELATION:
                    yield from self._relation(node.name)
                case Space.FUNCTION:
                    yield from self._function(node.name)
                case Space.TYPE if node.name.schema is None:
                    yield from self._schema(node.name.name)
                case Space.TYPE:
                    yield from self._type(node.name)
        for ref in dict.fromkeys(self._after.others_changed_since(self._before)):
            yield from self._other(ref)

    def _schema(self, name: str) -> Iterator[Difference]:
        old, new = self._before.schema(name), self._after.schema(name)
        ref = Ref(ObjectKind.SCHEMA, Name(None, name))
        if old is None and new is not None and ref in self._made:
            yield Difference(Change.ADDED, ref)
        elif new is None and old is not None and self._after.is_schema_gone(name):
            yield Difference(Change.REMOVED, ref)

    # relations

    def _relation(self, name: Name) -> Iterator[Difference]:
        if name.schema == TEMPORARY:
            return
        old, new = self._before.relation(name), self._after.relation(name)
        if new is None:
            if old is not None and not self._goes_with_another(old, self._after):
                yield Difference(Change.REMOVED, old.ref)
        elif old is None:
            yield from self._added(new)
        elif old.ref.kind is not new.ref.kind:
            yield Difference(Change.CHANGED, new.ref, f"a {old.ref.kind} before")
        else:
            yield from self._changed(old, new)

    def _added(self, new: Relation) -> Iterator[Difference]:
        is_made = new.ref in self._made or new.made_by is not None
        is_made = is_made or self._before.certainly_lacks(Space.RELATION, new.name)
        if is_made and not self._goes_with_another(new, self._before):
            yield Difference(Change.ADDED, new.ref)
        elif isinstance(new, Table) and not is_made:
            yield from self._table(Table(new.name, is_whole=False), new)

    def _goes_with_another(self, one: Relation, other: Catalog) -> bool:
        """Whether something is not in the other catalog because what it belongs to is not there."""
        match one:
            case Index():
                owner = other.relation(one.table)
                if one.parent is not None or one.constraint is not None or owner is None:
                    return True
                return isinstance(owner, Table) and any(map(owner.certainly_lacks, one.all_columns))
            case Sequence():
                if one.owner is None:
                    return False
                table = other.table(one.owner[0])
                return one.is_identity or table is None or table.certainly_lacks(one.owner[1])
            case Table():
                return one.is_temporary or (one.is_partition and all(other.relation(p) is None for p in one.parents))
            case View():
                return False

    def _changed(self, old: Relation, new: Relation) -> Iterator[Difference]:
        what = None
        if isinstance(old, Table) and isinstance(new, Table):
            yield from self._table(old, new)
        elif isinstance(old, Index) and isinstance(new, Index):
            what = None if new.constraint is not None or new.parent is not None else _of_indexes(old, new)
        elif isinstance(old, View) and isinstance(new, View):
            what = _of_views(old, new)
            yield from _parts(ObjectKind.TRIGGER, new.name, old.triggers, new.triggers, _of_triggers)
        elif isinstance(old, Sequence) and isinstance(new, Sequence):
            is_same = _counting(old) == _counting(new)
            what = "what it belongs to" if old.owner != new.owner else None if is_same else "how it counts"
        if what is not None:
            yield Difference(Change.CHANGED, new.ref, what)

    def _table(self, old: Table, new: Table) -> Iterator[Difference]:
        what = _of_tables(old, new)
        if what is not None:
            yield Difference(Change.CHANGED, new.ref, what)
        yield from self._columns(old, new)
        yield from self._constraints(old, new)
        for found in (
            *_parts(ObjectKind.TRIGGER, new.name, old.triggers, new.triggers, _of_triggers),
            *_parts(ObjectKind.POLICY, new.name, old.policies, new.policies, _of_policies),
            *_parts(ObjectKind.RULE, new.name, dict.fromkeys(old.rules), dict.fromkeys(new.rules), lambda _, __: None),
        ):
            if found.change is not Change.ADDED or old.is_whole or found.ref in self._made:
                yield found

    def _columns(self, old: Table, new: Table) -> Iterator[Difference]:
        for name, column in new.columns.items():
            ref = Ref(ObjectKind.COLUMN, new.name, name)
            known = old.columns.get(name)
            if column.is_inherited:
                continue
            if known is None:
                if old.certainly_lacks(name) or ref in self._made:
                    yield Difference(Change.ADDED, ref)
            elif (what := _of_columns(known, column)) is not None and not self._has_other_values(known, column):
                yield Difference(Change.CHANGED, ref, what)
        for name, column in old.columns.items():
            if not column.is_inherited and name not in new.columns and new.certainly_lacks(name):
                yield Difference(Change.REMOVED, Ref(ObjectKind.COLUMN, new.name, name))

    def _has_other_values(self, old: Column, new: Column) -> bool:
        """Whether a default only seems another one, because a value of its enum is called otherwise by now."""
        if old.type is None or old.type != new.type or old.is_not_null is not new.is_not_null:
            return False
        enum = self._after.type(old.type.name)
        default = old.default
        if not isinstance(enum, Enum) or default is None or not default.is_constant:
            return False
        return _CAST.sub("", default.text).strip("'") not in enum.values

    def _constraints(self, old: Table, new: Table) -> Iterator[Difference]:
        for name, one in new.constraints.items():
            ref = Ref(ObjectKind.CONSTRAINT, new.name, name)
            known = old.constraints.get(name)
            if one.is_inherited or one.kind is ConstraintKind.NOT_NULL:
                continue
            if known is None:
                is_certain = old.is_whole or ref in self._made or name in old.missing_constraints
                if is_certain and not any(map(old.certainly_lacks, one.columns)):
                    yield Difference(Change.ADDED, ref)
            elif old.is_whole and new.is_whole and (what := self._of_constraints(known, one)) is not None:
                yield Difference(Change.CHANGED, ref, what)
        for name, one in old.constraints.items():
            if one.is_inherited or one.kind is ConstraintKind.NOT_NULL or name in new.constraints:
                continue
            if one.is_only_not_null:
                continue  # a proof, which is dropped once it has served
            is_certain = new.is_whole or name in new.missing_constraints
            if is_certain and not any(map(new.certainly_lacks, one.columns)):
                yield Difference(Change.REMOVED, Ref(ObjectKind.CONSTRAINT, new.name, name))

    def _of_constraints(self, old: Constraint, new: Constraint) -> str | None:
        if old.kind is not new.kind:
            return f"a {old.kind} constraint before"
        if old.is_valid and not new.is_valid:
            return "not validated"
        is_check = old.kind is ConstraintKind.CHECK
        if is_check and not _is_same(old.expression, new.expression):
            return "its condition"
        if not is_check and old.columns != new.columns:
            return "its columns"
        if old.references != new.references or self._referenced(old, self._before) != self._referenced(
            new, self._after
        ):
            return "what it references"
        if old.on_delete != new.on_delete:
            return f"`on delete {old.on_delete}` before"
        return None if old.is_deferrable is new.is_deferrable else "whether it is deferrable"

    def _referenced(self, one: Constraint, catalog: Catalog) -> tuple[str, ...]:
        table = None if one.references is None else catalog.table(one.references)
        return one.referenced_columns if table is None else table.columns_referenced_by(one)

    # what is of all schemas, and statistics objects

    def _other(self, ref: Ref) -> Iterator[Difference]:
        old, new = (None if one is None or one.is_gone else one for one in self._both(ref))
        if new is None:
            if old is not None and not self._goes_with_tables(old, self._after):
                yield Difference(Change.REMOVED, ref)
        elif old is None and new.is_whole:
            if new.made_by is not None and not self._goes_with_tables(new, self._before):
                yield Difference(Change.ADDED, ref)
        elif (what := self._of_others(old or replace(new, tables=frozenset(), options=frozenset()), new)) is not None:
            yield Difference(Change.CHANGED, ref, what)

    def _both(self, ref: Ref) -> tuple[OtherObject | None, OtherObject | None]:
        return self._before.other(ref), self._after.other(ref)

    def _goes_with_tables(self, one: OtherObject, other: Catalog) -> bool:
        """Whether statistics are not in the other catalog because the table or a column of them is not there."""
        if one.kind is not ObjectKind.STATISTICS:
            return False
        tables = [other.table(name) for name in one.tables]
        return any(table is None or any(map(table.certainly_lacks, one.columns)) for table in tables)

    def _of_others(self, old: OtherObject, new: OtherObject) -> str | None:
        is_there = {name for name in old.tables ^ new.tables if self._is_in_both(name)}
        if is_there:
            return "its table" if new.kind is ObjectKind.STATISTICS else "its tables"
        if old.columns != new.columns:
            return "its columns"
        return None if old.options == new.options else "its options"

    def _is_in_both(self, name: Name) -> bool:
        return self._before.relation(name) is not None and self._after.relation(name) is not None

    # types and functions

    def _type(self, name: Name) -> Iterator[Difference]:
        old, new = self._before.type(name), self._after.type(name)
        if new is None:
            if old is not None:
                yield Difference(Change.REMOVED, old.ref)
        elif old is None:
            if new.made_by is not None or new.ref in self._made:
                yield Difference(Change.ADDED, new.ref)
        elif (what := _of_types(old, new)) is not None:
            yield Difference(Change.CHANGED, new.ref, what)

    def _function(self, name: Name) -> Iterator[Difference]:
        old = {one.arguments: one for one in self._before.functions(name)}
        new = {one.arguments: one for one in self._after.functions(name)}
        ref = Ref(ObjectKind.FUNCTION, name)
        if any(
            arguments not in old and (one.made_by is not None or ref in self._made) for arguments, one in new.items()
        ):
            yield Difference(Change.ADDED, ref)
        elif old.keys() - new.keys():
            yield Difference(Change.REMOVED, ref)
        else:
            changed = (what for key in old if (what := _of_functions(old[key], new[key])) is not None)
            if (first := next(changed, None)) is not None:
                yield Difference(Change.CHANGED, ref, first)


def _parts(
    kind: ObjectKind, owner: Name, old: Mapping[str, Part], new: Mapping[str, Part], compare: Comparer[Part]
) -> Iterator[Difference]:
    for name, one in new.items():
        if name not in old:
            yield Difference(Change.ADDED, Ref(kind, owner, name))
        elif (what := compare(old[name], one)) is not None:
            yield Difference(Change.CHANGED, Ref(kind, owner, name), what)
    for name in old:
        if name not in new:
            yield Difference(Change.REMOVED, Ref(kind, owner, name))


# what of one thing is not as it was


def _of_tables(old: Table, new: Table) -> str | None:
    if old.is_whole and new.is_whole and old.persistence is not new.persistence:
        return f"{old.persistence} before"
    if old.is_whole and (old.has_row_security, old.forces_row_security) != (
        new.has_row_security,
        new.forces_row_security,
    ):
        return "row security"
    if old.is_whole and old.replica_identity != new.replica_identity:
        return f"replica identity {old.replica_identity} before"
    if old.is_whole and old.parents != new.parents:
        return "what it is part of"
    return None if old.owner == new.owner else "its owner"


def _of_columns(old: Column, new: Column) -> str | None:
    if old.type is not None and new.type is not None:
        if old.type != new.type:
            return "its type"
        if old.is_not_null is not new.is_not_null:
            return "not null before" if old.is_not_null else "it could be null before"
        if old.collation != new.collation:
            return "its collation"
        if old.generated is not new.generated or old.identity != new.identity:
            return "how it is generated"
        if _storage(old) != _storage(new):
            return f"stored `{_storage(old)}` before"
        if old.compression != new.compression:
            return "its compression"
        if not _is_same_default(old.default, new.default):
            return _of_defaults(old.default, new.default)
    return None


_STORED_OTHERWISE = {
    **dict.fromkeys(("cidr", "inet", "numeric"), "main"),
    **dict.fromkeys(
        (
            "bool", "char", "date", "float4", "float8", "int2", "int4", "int8", "interval", "macaddr", "money", "name",
            "oid", "point", "time", "timestamp", "timestamptz", "timetz", "uuid",
        ),
        "plain",
    ),
}  # fmt: skip
"""How built-in types are stored whose long values are not `extended`."""


def _storage(column: Column) -> str:
    kind = column.type
    is_usual = kind is None or kind.is_array or not kind.is_built_in
    return column.storage or (
        "extended" if is_usual or kind is None else _STORED_OTHERWISE.get(kind.name.name, "extended")
    )


_USUAL_COUNTING = {"increment": "1", "cache": "1", "cycle": "false", "as": "int8"}


def _counting(one: Sequence) -> dict[str, str]:
    """Return how a sequence counts, without what is usual."""
    said = {name: value for name, value in one.options.items() if value != _USUAL_COUNTING.get(name, "")}
    is_up = not said.get("increment", "1").startswith("-")
    usual = {"minvalue": "1", "start": said.get("minvalue", "1")} if is_up else {"maxvalue": "-1"}
    return {name: value for name, value in said.items() if value != usual.get(name)}


def _of_defaults(old: Expression | None, new: Expression | None) -> str:
    if old is None or old.is_null:
        return "without a default before"
    return f"the default `{old.text}` before" if new is None or new.is_null else f"`{old.text}` was its default"


def _is_same_default(old: Expression | None, new: Expression | None) -> bool:
    old, new = (None if one is None or one.is_null else one for one in (old, new))
    if old is not None and new is not None and old.sequences and new.sequences:
        return True  # whichever sequence it is, the sequence shows it
    return _is_same(old, new)


def _of_indexes(old: Index, new: Index) -> str | None:
    if old.table != new.table:
        return f"of `{old.table.name}` before"
    if old.is_unique is not new.is_unique:
        return "unique before" if old.is_unique else "not unique before"
    if old.method != new.method:
        return f"by `{old.method}` before"
    plain = ("",) * len(old.columns)
    if old.columns != new.columns or (old.orders or plain) != (new.orders or plain):
        return "its columns"
    if set(old.included) != set(new.included) or old.opclasses != new.opclasses:
        return "its columns"
    if len(old.expressions) != len(new.expressions) or not all(map(_is_same, old.expressions, new.expressions)):
        return "its expressions"
    if not _is_same(old.predicate, new.predicate):
        return "its condition"
    return None if old.options == new.options else "its options"


def _of_views(old: View, new: View) -> str | None:
    if old.columns is not None and new.columns is not None and old.columns != new.columns:
        return "its columns"
    return _of_definitions(old.definition, new.definition, "its query")


def _of_triggers(old: Trigger, new: Trigger) -> str | None:
    if old.is_enabled is not new.is_enabled:
        return "enabled before" if old.is_enabled else "disabled before"
    return _of_definitions(old.definition, new.definition, "what fires it, or what it does")


def _of_policies(old: Policy, new: Policy) -> str | None:
    if (old.command, old.is_permissive, sorted(old.roles)) != (new.command, new.is_permissive, sorted(new.roles)):
        return "for whom it is"
    return None if _is_same(old.using, new.using) and _is_same(old.check, new.check) else "its condition"


def _of_types(old: UserType, new: UserType) -> str | None:
    if isinstance(old, Enum) and isinstance(new, Enum):
        if old.values == new.values:
            return None
        return "its values" if set(old.values) != set(new.values) else "the order of its values"
    if isinstance(old, Composite) and isinstance(new, Composite):
        return None if dict(old.attributes) == dict(new.attributes) else "its attributes"
    if isinstance(old, Domain) and isinstance(new, Domain):
        is_same = old.is_not_null is new.is_not_null and old.constraints.keys() == new.constraints.keys()
        is_same = is_same and all(
            _is_same(one.expression, new.constraints[name].expression) for name, one in old.constraints.items()
        )
        is_same = is_same and (old.base is None or new.base is None or old.base == new.base)
        return None if is_same else "its definition"
    return None if type(old) is type(new) else "of another kind before"


def _of_functions(old: Function, new: Function) -> str | None:
    if old.body is not None and new.body is not None and old.body != new.body:
        return "its body" if _squeezed(old.body) != _squeezed(new.body) else "its body, if only in white space"
    if old.is_security_definer is not new.is_security_definer:
        return "with whose rights it runs"
    if old.volatility is not new.volatility or old.settings != new.settings or _running(old) != _running(new):
        return "how it runs"
    return _of_definitions(old.definition, new.definition, "its definition")


_USUAL_RUNNING = {"cost": "100", "leakproof": "false", "parallel": "unsafe", "rows": "1000", "strict": "false"}


def _running(one: Function) -> dict[str, str]:
    """Return what is said of how a function runs, without what is usual."""
    usual = {**_USUAL_RUNNING, "cost": "1"} if one.language in ("c", "internal") else _USUAL_RUNNING
    return {name: value for name, value in one.options.items() if value != usual.get(name)}


def _of_definitions(old: Definition | None, new: Definition | None, what: str) -> str | None:
    # To compare trees takes a tenth of what it takes to write their texts, and mostly they are the same.
    if old is None or new is None or old is new or old.read == new.read:
        return None
    return None if _squeezed(old.text) == _squeezed(new.text) else what


_SPACE = re.compile(r"\s+")
_ATOM_IN_BRACKETS = re.compile(r"(?<!\w)\(([\w.]+|'[^']*')\)")
_NAME = re.compile(r'(?<![\w"])(?:"([^"]+)"|(\w+))(?![\w"])')
_CAST = re.compile(r"::[a-z_ ]+(?:\(\d+(?:, ?\d+)?\))?(?:\[\])*")


def _squeezed(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _is_same(old: Expression | None, new: Expression | None) -> bool:
    if old is None or new is None or old is new:
        return old is new
    return _written(old) == _written(new)


def _written(one: Expression) -> str:
    """Return an expression as a server writes it, more or less: with the names of by now, and without casts."""
    text = one.text
    for before, after in one.renamed:
        text = _NAME.sub(
            lambda found, before=before, after=after: after if before in found.groups() else found[0], text
        )
    text = _CAST.sub("", _squeezed(text)).replace("public.", "").replace("!=", "<>")
    return _ATOM_IN_BRACKETS.sub(r"\1", text.replace('"', "")).lower()
