"""The catalog at one moment: what is there, what depends on it, and how sure that is.

What you may rely on: what is not known is not guessed. A table that no statement made is not there, unless something
was learnt about it since; then it is not whole. Catalogs are cheap to copy, and only the replay changes its own copy.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING

from zmig.lint.replay.immutable_map import ImmutableMap
from zmig.lint.replay.objects import (
    BUILT_IN,
    TEMPORARY,
    Composite,
    ConstraintKind,
    Domain,
    Function,
    Index,
    Node,
    Schema,
    Sequence,
    Space,
    Table,
    TableKind,
    View,
)
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zmig.lint.replay.objects import (
        Column,
        Constraint,
        Expression,
        OtherObject,
        Privilege,
        Ref,
        Relation,
        Type,
        UserType,
    )

_MOVES = re.compile(r"\b(?:rename|drop|rollback|schema|search_path)\b", re.IGNORECASE)
"""Words of code after which a name may be another thing's."""
_DYNAMIC = re.compile(r"\bexecute\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d]\w*")
_OF_THE_SERVER = ("pg_", "information_schema")
_RELATION, _TYPE, _FUNCTION = Space.RELATION, Space.TYPE, Space.FUNCTION
"""Read so often that it matters how long an enum takes to give them."""


class Catalog:
    """What is there after the statements so far."""

    __slots__ = (
        "_certain_from", "_dependents", "_functions", "_gone", "_indexes", "_is_open", "_others", "_relations",
        "_schemas", "_temporary", "_types", "_uncertain_names", "dropped_on_commit", "extensions", "generation",
        "new_generations", "privileges", "renamed_functions",
    )  # fmt: skip

    def __init__(self) -> None:
        self._relations: ImmutableMap[Name, Relation] = ImmutableMap()
        self._types: ImmutableMap[Name, UserType] = ImmutableMap()
        self._functions: ImmutableMap[Name, tuple[Function, ...]] = ImmutableMap()
        self._schemas: ImmutableMap[str, Schema] = ImmutableMap()
        self._others: ImmutableMap[Ref, OtherObject] = ImmutableMap()
        self._dependents: ImmutableMap[Node, frozenset[Node]] = ImmutableMap()
        self._gone: ImmutableMap[Node, bool] = ImmutableMap()
        self._temporary: frozenset[Name] = frozenset()
        """The relations that only a session has."""
        self._uncertain_names: frozenset[str] = frozenset()
        self._indexes = 0
        self._is_open = False
        self._certain_from = 0
        """What was made in a generation before this one may have changed unseen."""
        self.extensions: frozenset[str] = frozenset()
        self.privileges: frozenset[Privilege] = frozenset()
        """Those that statements have given by name, and not taken again."""
        self.renamed_functions: frozenset[str] = frozenset()
        """Names that functions have no longer, or not yet had, when expressions were written that call them."""
        self.dropped_on_commit: frozenset[Name] = frozenset()
        """Temporary tables that are dropped at the next commit."""
        self.generation = 0
        """The mark of what is made from now on; one begins with each entry, and where names may have changed unseen."""
        self.new_generations: frozenset[int] = frozenset()
        """The generations of which nobody can be using anything."""

    def copy(self) -> Catalog:
        """Return another one that can be changed by itself."""
        made = Catalog.__new__(Catalog)
        for name, value in zip(Catalog.__slots__, _STATE(self), strict=True):
            setattr(made, name, value)
        return made

    @property
    def state(self) -> dict[str, object]:
        """All that it consists of, by names of its own."""
        return {name: getattr(self, name) for name in Catalog.__slots__}

    @classmethod
    def of_state(cls, state: Mapping[str, object]) -> Catalog:
        """Return the catalog that consists of this. Raises KeyError where something is missing."""
        made = cls()
        for name in Catalog.__slots__:
            setattr(made, name, state[name])
        return made

    # what is there

    def relation(self, name: Name) -> Relation | None:
        """Return the table, view, index or sequence of this name; None where none is known."""
        return self._relations.get(name)

    def table(self, name: Name) -> Table | None:
        """Return the table of this name; None where none is known."""
        found = self._relations.get(name)
        return found if isinstance(found, Table) else None

    def column(self, ref: Ref) -> Column | None:
        """Return the column of a table that is meant; None where none is known."""
        table = self.table(ref.name)
        return None if table is None or ref.part is None else table.column(ref.part)

    def index(self, name: Name) -> Index | None:
        """Return the index of this name; None where none is known."""
        found = self._relations.get(name)
        return found if isinstance(found, Index) else None

    def view(self, name: Name) -> View | None:
        """Return the view of this name; None where none is known."""
        found = self._relations.get(name)
        return found if isinstance(found, View) else None

    def type(self, name: Name) -> UserType | None:
        """Return the type of this name that somebody made; None where none is known."""
        return self._types.get(name)

    def functions(self, name: Name) -> tuple[Function, ...]:
        """Return the functions of this name, one for each list of arguments."""
        return self._functions.get(name) or ()

    def other(self, ref: Ref) -> OtherObject | None:
        """Return a role, extension, publication or statistics object; also one that is known to be gone."""
        return self._others.get(ref)

    def others(self) -> Iterator[OtherObject]:
        """Yield those of these that are there."""
        yield from (one for one in self._others.values() if not one.is_gone)

    def schema(self, name: str) -> Schema | None:
        """Return the schema of this name; None where no statement made it."""
        return self._schemas.get(name)

    def tables(self) -> Iterator[Table]:
        """Yield all tables that are known."""
        yield from (one for one in self._relations.values() if isinstance(one, Table))

    def relations(self) -> Iterator[Relation]:
        """Yield everything that shares its names with tables."""
        yield from self._relations.values()

    def types(self) -> Iterator[UserType]:
        """Yield all types that somebody made."""
        yield from self._types.values()

    def relations_in(self, schema: str) -> Iterator[Relation]:
        """Yield the relations of a schema."""
        for one in self._relations.values():
            if one.name.schema == schema:
                yield one

    def types_in(self, schema: str) -> Iterator[UserType]:
        """Yield the types of a schema that somebody made."""
        yield from (one for one in self._types.values() if one.name.schema == schema)

    def functions_in(self, schema: str) -> Iterator[Function]:
        """Yield the functions of a schema."""
        yield from (one for all_of in self._functions.values() for one in all_of if one.name.schema == schema)

    def find(self, path: Iterable[str], name: Name) -> Name | None:
        """Return the full name of the relation that a name means on a search path; None where it is not known."""
        if name.schema is not None:
            return name if name in self._relations else None
        path = tuple(path)
        for number, schema in enumerate(path if TEMPORARY in path else (TEMPORARY, *path)):
            if (full := Name(schema, name.name)) in self._relations:
                # There may be another one in a schema before, where they do not come first.
                return None if schema == TEMPORARY and number else full
        return None

    def find_type(self, path: Iterable[str], name: Name) -> Name | None:
        """Return the full name of a type that somebody made; None where it is not known."""
        if name.schema is not None:
            return name if name in self._types else None
        return next((full for schema in path if (full := Name(schema, name.name)) in self._types), None)

    def find_function(self, path: Iterable[str], name: Name) -> Name | None:
        """Return the full name of a function that somebody made; None where it is not known."""
        if name.schema is not None:
            return name if name in self._functions else None
        return next((full for schema in path if (full := Name(schema, name.name)) in self._functions), None)

    def changed_since(self, before: Catalog) -> Iterator[Node]:
        """Yield what is not the very same as it was in another catalog, schemas among the types, without a schema."""
        yield from (Node(Space.RELATION, name) for name in before._relations.differing(self._relations))
        yield from (Node(Space.TYPE, name) for name in before._types.differing(self._types))
        yield from (Node(Space.FUNCTION, name) for name in before._functions.differing(self._functions))
        yield from (Node(Space.TYPE, Name(None, name)) for name in before._schemas.differing(self._schemas))

    def others_changed_since(self, before: Catalog) -> Iterator[Ref]:
        """Yield the roles, extensions, publications and statistics objects that are not the very same as they were."""
        yield from before._others.differing(self._others)

    # what belongs together

    def dependents(self, space: Space, name: Name) -> Iterator[Node]:
        """Yield what depends on an object, in the order of names."""
        yield from sorted(self._dependents.get(Node(space, name)) or ())

    def _relations_on(self, name: Name) -> list[Relation]:
        """Return the relations that depend on one, in the order of names."""
        nodes = self._dependents.get(Node(_RELATION, name))
        if not nodes:
            return []
        found = map(self._relations.get, sorted([node.name for node in nodes if node.space is _RELATION]))
        return [one for one in found if one is not None]

    def indexes_of(self, table: Name) -> tuple[Index, ...]:
        """Return the indexes of a table or materialized view, the oldest first."""
        found = (one for one in self._relations_on(table) if isinstance(one, Index) and one.table == table)
        return tuple(sorted(found, key=attrgetter("number")))

    def children_of(self, table: Name) -> tuple[Table, ...]:
        """Return the partitions of a table, and those that inherit from it, but not theirs."""
        return tuple(one for one in self._relations_on(table) if isinstance(one, Table) and table in one.parents)

    def descendants_of(self, table: Name) -> tuple[Table, ...]:
        """Return its partitions and inheritors with theirs."""
        found: dict[Name, Table] = {}
        waiting = [*self.children_of(table)]
        while waiting:
            one = waiting.pop(0)
            if one.name not in found:
                found[one.name] = one
                waiting += self.children_of(one.name)
        return tuple(found.values())

    def stored(self, table: Table, *, is_only: bool = False) -> tuple[Table, ...]:
        """Return the tables that hold the rows of one: itself, and its partitions and inheritors unless `is_only`."""
        all_of = (table,) if is_only else (table, *self.descendants_of(table.name))
        holding = tuple(one for one in all_of if one.kind is TableKind.TABLE)
        # Partitions of a table in use may well be made by a program, in which case they are not known.
        is_partitioned = table.kind is TableKind.PARTITIONED and not is_only and self.is_in_use(table.name)
        return (table, *holding) if is_partitioned and not (holding and table.is_whole) else holding

    def may_have_rows(self, table: Table) -> bool:
        """Whether there may be rows in a table: one that is in use has some, unless it was emptied just now."""
        if table.empty_since == self.generation:
            return False
        return table.empty_since not in self.new_generations or self.is_in_use(table.name)

    def views_on(self, relation: Name) -> tuple[View, ...]:
        """Return the views that read a table or view."""
        return tuple(one for one in self._relations_on(relation) if isinstance(one, View))

    def sequences_of(self, table: Name, column: str | None = None) -> tuple[Sequence, ...]:
        """Return the sequences that are dropped with a table, or with one of its columns."""
        found = (one for one in self._relations_on(table) if isinstance(one, Sequence) and one.owner is not None)
        return tuple(one for one in found if one.owner is not None and column in (None, one.owner[1]))

    def referencing(self, table: Name) -> tuple[tuple[Table, Constraint], ...]:
        """Return the foreign keys of other tables, and of its own, that reference a table."""
        on_it = (one for one in self._relations_on(table) if isinstance(one, Table))
        tables = {one.name: one for one in on_it}
        if (own := self.table(table)) is not None:
            tables[table] = own
        return tuple((one, key) for one in tables.values() for key in one.foreign_keys if key.references == table)

    def columns_of_type(self, name: Name) -> tuple[tuple[Table, Column], ...]:
        """Return the columns that have a type that somebody made, also those of domains over it."""
        found: list[tuple[Table, Column]] = []
        for node in self.dependents(Space.TYPE, name):
            if node.space is Space.TYPE and isinstance(self._types.get(node.name), Domain):
                found += self.columns_of_type(node.name)
            elif (table := self.table(node.name)) is not None:
                columns = table.columns.values()
                found += ((table, one) for one in columns if one.type is not None and one.type.name == name)
        return tuple(found)

    def typed_tables(self, name: Name) -> tuple[Table, ...]:
        """Return the tables that are declared to be of a composite type."""
        on_it = (self.table(node.name) for node in self.dependents(Space.TYPE, name) if node.space is Space.RELATION)
        return tuple(one for one in on_it if one is not None and one.of_type == name)

    # how sure it is

    def is_in_use(self, name: Name) -> bool:
        """Whether others may be using a relation: it was there before, or may have been."""
        found = self._relations.get(name)
        if isinstance(found, Index):
            name = found.table
            found = self._relations.get(name)
        if found is None:
            return name.schema != TEMPORARY
        if isinstance(found, Table) and found.is_temporary:
            return False
        return found.made_by not in self.new_generations

    def is_type_in_use(self, name: Name) -> bool:
        """Whether others may be using a type."""
        found = self._types.get(name)
        return found is None or found.made_by not in self.new_generations

    def certainly_lacks(self, space: Space, name: Name) -> bool:
        """Whether there is certainly nothing of a full name: it was dropped, or all of its schema is known."""
        is_known = {
            Space.RELATION: self._relations,
            Space.TYPE: self._types,
            Space.FUNCTION: self._functions,
        }[space]
        if name in is_known or self._is_uncertain(name) or (name.schema or "").startswith(_OF_THE_SERVER):
            return False
        if space is Space.RELATION and name.name.startswith("pg_"):
            return False
        if Node(space, name) in self._gone:
            return True
        schema = self._schemas.get(name.schema or "")
        if self._is_open or schema is None or not schema.is_whole:
            return False
        # Extensions make types and functions, which no statement names.
        return space is Space.RELATION or not self.extensions

    def certainly_lacked(self, name: Name) -> bool:
        """Whether there was certainly no relation of a full name when this entry began, as far as those before show."""
        if self.is_gone(Space.RELATION, name):
            return True
        schema = self._schemas.get(name.schema or "")
        since = None if schema is None else schema.made_by if schema.made_by is not None else schema.known_since
        is_known = since is not None and (schema is None or schema.made_by is not None or since < self.generation)
        return is_known and self.certainly_lacks(Space.RELATION, name)

    def is_gone(self, space: Space, name: Name) -> bool:
        """Whether something was dropped or renamed, and has certainly not come back."""
        return Node(space, name) in self._gone and not self._is_uncertain(name)

    def is_certain(self, made: Relation | UserType | Function | OtherObject) -> bool:
        """Whether something that was learnt of is certainly still there, and as it was."""
        if made.name.name in self._uncertain_names:
            return False
        return self._certain_from == 0 or (made.made_by is not None and made.made_by >= self._certain_from)

    def _is_uncertain(self, name: Name) -> bool:
        return name.name in self._uncertain_names

    def is_schema_gone(self, name: str) -> bool:
        """Whether a schema was dropped or renamed, and has not come back."""
        return Node(Space.TYPE, Name(None, name)) in self._gone and name not in self._uncertain_names

    @property
    def is_open(self) -> bool:
        """Whether something happened that may have made anything."""
        return self._is_open

    # changes, made by the replay to its own copy

    def put(self, made: Relation) -> None:
        """Put a relation in, in place of what had its name."""
        if isinstance(made, Index) and not made.number:
            self._indexes += 1
            made = replace(made, number=self._indexes)
        node = Node(Space.RELATION, made.name)
        old = self._relations.get(made.name)
        self._relations = self._relations.put(made.name, made)
        if made.name.schema == TEMPORARY:
            self._temporary |= {made.name}
        self._link(node, set() if old is None else _uses(old), _uses(made))
        self._come(node)

    def remove(self, name: Name) -> None:
        """Take a relation out."""
        old = self._relations.get(name)
        node = Node(Space.RELATION, name)
        if old is not None:
            self._relations = self._relations.put(name, None)
            if name in self._temporary:
                self._temporary -= {name}
            self._link(node, _uses(old), set())
        self._gone = self._gone.put(node, True)

    def put_type(self, made: UserType) -> None:
        """Put a type in."""
        node = Node(Space.TYPE, made.name)
        old = self._types.get(made.name)
        self._types = self._types.put(made.name, made)
        self._link(node, set() if old is None else _type_uses(old), _type_uses(made))
        self._come(node)

    def remove_type(self, name: Name) -> None:
        """Take a type out."""
        old = self._types.get(name)
        node = Node(Space.TYPE, name)
        if old is not None:
            self._types = self._types.put(name, None)
            self._link(node, _type_uses(old), set())
        self._gone = self._gone.put(node, True)

    def put_function(self, made: Function) -> None:
        """Put a function in, in place of one with the same arguments."""
        others = tuple(one for one in self.functions(made.name) if one.arguments != made.arguments)
        self._functions = self._functions.put(made.name, (*others, made))
        self._come(Node(Space.FUNCTION, made.name))

    def remove_functions(self, name: Name, kept: tuple[Function, ...] = ()) -> None:
        """Take the functions of a name out, but those that are kept."""
        self._functions = self._functions.put(name, kept or None)
        if not kept:
            self._gone = self._gone.put(Node(Space.FUNCTION, name), True)

    def put_other(self, made: OtherObject) -> None:
        """Put a role, extension, publication or statistics object in."""
        self._others = self._others.put(made.ref, made)

    def put_schema(self, made: Schema) -> None:
        """Put a schema in."""
        self._schemas = self._schemas.put(made.name, made)
        self._gone = self._gone.put(Node(Space.TYPE, Name(None, made.name)), None)

    def remove_schema(self, name: str) -> None:
        """Take a schema out; what was in it is taken out by who calls this."""
        self._schemas = self._schemas.put(name, None)
        self._gone = self._gone.put(Node(Space.TYPE, Name(None, name)), True)

    def begin_schema(self, name: str) -> None:
        """Take note that the first statement about a schema makes a table in it: it was empty before, as it seems."""
        if name not in self._schemas:
            self.put_schema(Schema(name, is_whole=not self._is_open, known_since=self.generation))

    def open_schema(self, name: str) -> None:
        """Take note that something is in a schema that no statement made."""
        known = self._schemas.get(name) or Schema(name)
        self._schemas = self._schemas.put(name, replace(known, is_whole=False))

    def lose_track(self) -> None:
        """Take note that anything may have been made, changed or dropped, by what is not seen."""
        self._is_open = True
        self._gone = ImmutableMap()
        self.begin_generation()
        self._certain_from = self.generation

    def end_transaction(self) -> None:
        """Take out what lasts until a commit."""
        for name in self.dropped_on_commit:
            self.remove_temporary(name)
        self.dropped_on_commit = frozenset()

    def end_session(self) -> None:
        """Take out what only a session has."""
        for name in sorted(self._temporary):
            self.remove_temporary(name)
        self.dropped_on_commit = frozenset()

    def remove_temporary(self, name: Name) -> None:
        """Take a temporary table out, of which nothing is left to know."""
        self.remove(name)
        self._gone = self._gone.put(Node(Space.RELATION, name), None)

    def begin_generation(self) -> None:
        """Let nothing that is there be new, but what is made from now on."""
        self.generation += 1
        self.new_generations = frozenset({self.generation})

    def allow_for_code(self, code: str) -> None:
        """Take note of code whose effects are not seen."""
        if _MOVES.search(code) is not None:
            self.lose_track()
        elif _DYNAMIC.search(code) is not None:
            self._is_open = True
        words = frozenset(word.lower() for word in _WORD.findall(code))
        self._uncertain_names |= words
        for table in [one for one in self.tables() if one.is_whole and one.name.name in words]:
            self.put(replace(table, is_whole=False))

    def allow_for_names(self, names: Iterable[str]) -> None:
        """Take note of names that may be there by other means."""
        self._uncertain_names |= frozenset(names)

    def _come(self, node: Node) -> None:
        if node in self._gone:
            self._gone = self._gone.put(node, None)

    def _link(self, node: Node, before: set[Node], after: set[Node]) -> None:
        for used in before - after:
            left = (self._dependents.get(used) or frozenset()) - {node}
            self._dependents = self._dependents.put(used, left or None)
        for used in after - before:
            self._dependents = self._dependents.put(used, (self._dependents.get(used) or frozenset()) | {node})


_STATE: Callable[[Catalog], tuple[object, ...]] = attrgetter(*Catalog.__slots__)
_ALWAYS_THERE = frozenset(
    {
        "clock_timestamp", "coalesce", "gen_random_uuid", "length", "lower", "md5", "nextval", "now", "random", "upper",
        "uuid_generate_v4",
    }
)  # fmt: skip
"""What many expressions call, and nobody drops."""


def called_name(name: str) -> Node:
    """Return what depends on every function of a name, as the expressions do that call one."""
    return Node(_FUNCTION, Name(None, name))


def _add_calls(uses: set[Node], one: Expression | None) -> None:
    if one is not None:
        for called, _ in one.calls:
            if called.name not in _ALWAYS_THERE:
                uses.add(called_name(called.name))


def _uses(made: Relation) -> set[Node]:
    """Return what a relation depends on. Every change of one asks, so that plain loops add to one set."""
    uses: set[Node] = set()
    if isinstance(made, Table):
        _add_uses_of_table(uses, made)
    elif isinstance(made, View):
        uses.update([Node(_RELATION, used) for used in made.uses])
        _add_calls(uses, made.calls)
    elif isinstance(made, Index):
        uses.add(Node(_RELATION, made.table))
        for one in made.expressions:
            _add_calls(uses, one)
        _add_calls(uses, made.predicate)
    elif made.owner is not None:
        uses.add(Node(_RELATION, made.owner[0]))
    return uses


def _add_uses_of_table(uses: set[Node], made: Table) -> None:
    for parent in made.parents:
        uses.add(Node(_RELATION, parent))
    for constraint in made.constraints.values():
        if constraint.references is not None and constraint.kind is ConstraintKind.FOREIGN_KEY:
            uses.add(Node(_RELATION, constraint.references))
        _add_calls(uses, constraint.expression)
    for column in made.columns.values():
        kind = column.type
        if kind is not None and kind.name.schema != BUILT_IN:
            uses.add(Node(_TYPE, kind.name))
        _add_calls(uses, column.default)
    if made.of_type is not None and made.of_type.schema != BUILT_IN:
        uses.add(Node(_TYPE, made.of_type))
    for trigger in made.triggers.values():
        uses.add(Node(_FUNCTION, trigger.function))
        _add_calls(uses, trigger.condition)
    for policy in made.policies.values():
        _add_calls(uses, policy.using)
        _add_calls(uses, policy.check)


def _type_uses(made: UserType) -> set[Node]:
    """Return what a type depends on."""
    uses: set[Node] = set()
    types: Iterable[Type | None] = ()
    if isinstance(made, Domain):
        types = (made.base,)
        for constraint in made.constraints.values():
            _add_calls(uses, constraint.expression)
    elif isinstance(made, Composite):
        types = made.attributes.values()
    uses.update([Node(_TYPE, one.name) for one in types if one is not None and not one.is_built_in])
    return uses
