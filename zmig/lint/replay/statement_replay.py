"""One statement while it is replayed: the catalog that it changes, where its names lead, and what it does so far."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, overload

from zmig.lint.replay import tree, types
from zmig.lint.replay.effects import Fails, FailureCause, Locks, Makes
from zmig.lint.replay.objects import TEMPORARY, LockMode, Node, ObjectKind, Ref, Space, Table, TableKind
from zmig.sql.token_reader import Name
from zmig.text.nearest import nearest
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from postgast import pg_query_pb2 as pg

    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.effects import Effect
    from zmig.lint.replay.objects import Type


OLDEST_SERVER = 13
"""The oldest major version that zmig supports."""


class StatementFails(Exception):
    """A statement cannot succeed."""

    def __init__(self, effect: Fails) -> None:
        super().__init__(effect.reason)
        self.effect = effect


class StatementReplay:
    """What the functions for each kind of statement work on."""

    def __init__(self, catalog: Catalog, path: tuple[str, ...], *, version: int | None, is_utc: bool = False) -> None:
        self.catalog = catalog
        """A copy of its own."""
        self.path = path
        """The schemas in which names without one are looked for; things are made in the first."""
        self.version = version or OLDEST_SERVER
        """The major version of PostgreSQL, the oldest that matters."""
        self._is_version_said = version is not None
        self.is_utc = is_utc
        """Whether the session's time zone is known to be UTC."""
        self.effects: list[Effect] = []
        self.targets: dict[Node, None] = {}
        """What the statement is about."""
        self.being_dropped: set[Name] = set()
        """The relations that are being dropped, with what depends on them."""
        self._action: int | None = None

    def is_before(self, version: int) -> bool:
        """Whether it has to run on a server before a major version; not where nobody says on which it runs."""
        return self._is_version_said and self.version < version

    @property
    def generation(self) -> int:
        """The mark of what is made now."""
        return self.catalog.generation

    @contextmanager
    def within_action(self, number: int | None) -> Generator[None]:
        """Let what is said meanwhile be of one action of an ALTER TABLE."""
        before, self._action = self._action, number
        try:
            yield
        finally:
            self._action = before

    def record(self, effect: Effect) -> None:
        """Add an effect, once."""
        if self._action is not None and effect.action is None:
            effect = replace(effect, action=self._action)
        if effect not in self.effects:
            self.effects.append(effect)

    def add_target(self, name: Name | None, space: Space = Space.RELATION) -> None:
        """Take note that the statement is about something that was there before."""
        if name is not None:
            self.targets[Node(space, name)] = None

    def lock(self, table: Name, mode: LockMode) -> None:
        """Record that a lock is taken on a table."""
        self.record(Locks(table, mode))

    def lock_referenced(self, table: Name, mode: LockMode) -> None:
        """Record that a table is locked that a foreign key references; the server keeps the key for partitions, too."""
        self.lock(table, mode)
        known = self.catalog.table(table)
        if known is not None and known.kind is TableKind.PARTITIONED:
            for part in self.catalog.descendants_of(table):
                self.lock(part.name, mode)

    def make(self, kind: ObjectKind, name: Name, part: str | None = None) -> None:
        """Record that something is made."""
        self.record(Makes(Ref(kind, name, part)))

    def fail(self, cause: FailureCause, reason: str, advice: str, blockers: Iterable[Ref] = ()) -> StatementFails:
        """Return what to raise where the statement cannot succeed."""
        return StatementFails(Fails(cause, reason, advice, tuple(blockers), action=self._action))

    # names

    def new_name(self, relation: pg.RangeVar) -> Name:
        """Return the full name of what a statement makes."""
        if relation.relpersistence == "t":
            return Name(TEMPORARY, relation.relname)
        return self.full(tree.relation_name(relation))

    def full(self, name: Name) -> Name:
        """Return the full name of what is made under a name."""
        return name if name.schema is not None else Name(self.path[0], name.name)

    @overload
    def relation(self, relation: pg.RangeVar) -> Name: ...

    @overload
    def relation(self, relation: pg.RangeVar, *, is_optional: bool) -> Name | None: ...

    def relation(self, relation: pg.RangeVar, *, is_optional: bool = False) -> Name | None:
        """Return the full name of a relation that a statement needs; None where `is_optional` and it is not there.

        Raises StatementFails where it certainly is not there.
        """
        return self.known(tree.relation_name(relation), is_optional=is_optional)

    @overload
    def known(self, name: Name) -> Name: ...

    @overload
    def known(self, name: Name, *, is_optional: bool) -> Name | None: ...

    def known(self, name: Name, *, is_optional: bool = False) -> Name | None:
        """Return the full name of a relation that has to be there, as `relation` does."""
        found = self.catalog.find(self.path, name)
        if found is not None:
            return found
        lacks = self._certainly_lacks(Space.RELATION, name)
        if lacks and is_optional:
            return None
        full = self.full(name)
        if lacks:
            raise self.missing("table or view", name, self._near(name))
        if not is_optional:
            self.catalog.open_schema(full.schema or "")
        return full

    def _certainly_lacks(self, space: Space, name: Name) -> bool:
        schemas = self.path if name.schema is None else (name.schema,)
        return all(self.catalog.certainly_lacks(space, Name(schema, name.name)) for schema in schemas)

    def certainly_lacks(self, name: Name) -> bool:
        """Whether there is certainly no relation of a full name."""
        return self.catalog.certainly_lacks(Space.RELATION, name)

    def missing(self, what: str, name: Name, near: str | None = None) -> StatementFails:
        """Return what to raise where a name leads to nothing."""
        shown = ".".join(part for part in name if part)
        advice = f"write `{near}`" if near else "correct the name, or make it in an earlier migration"
        return self.fail(FailureCause.MISSING, f"there is no {what} `{shown}`", advice)

    def _near(self, name: Name) -> str | None:
        schemas = self.path if name.schema is None else (name.schema,)
        names = [one.name.name for schema in schemas for one in self.catalog.relations_in(schema)]
        return nearest(name.name, names)

    def type(self, node: pg.TypeName) -> Type | None:
        """Return a type that a statement names. Raises StatementFails where it certainly is not there."""
        name = tree.name(node.names)
        read = types.read(node, self.catalog, self.path)
        if read is None or read.is_built_in or self.catalog.type(read.name) is not None:
            return read
        if self.catalog.relation(read.name) is None and self._certainly_lacks(Space.TYPE, name):
            raise self.missing("type", name)
        return read

    @overload
    def known_type(self, name: Name) -> Name: ...

    @overload
    def known_type(self, name: Name, *, is_optional: bool) -> Name | None: ...

    def known_type(self, name: Name, *, is_optional: bool = False) -> Name | None:
        """Return the full name of a type that somebody made and a statement needs, as `relation` does."""
        found = self.catalog.find_type(self.path, name)
        if found is not None:
            return found
        if self._certainly_lacks(Space.TYPE, name):
            if is_optional:
                return None
            raise self.missing("type", name)
        return self.full(name)

    def table(self, name: Name) -> Table:
        """Return a table, by its full name; of one that nobody made, one of which nothing is known."""
        found = self.catalog.table(name)
        return Table(name, is_whole=False) if found is None else found

    def need_free(self, name: Name) -> None:
        """Raise StatementFails where the name of something new is certainly taken."""
        found = self.catalog.relation(name)
        if found is not None and self.catalog.is_certain(found):
            raise self.taken(found.ref)

    def need_free_type(self, name: Name) -> None:
        """Raise StatementFails where the name of a new type is certainly taken."""
        found = self.catalog.type(name)
        if found is not None and self.catalog.is_certain(found):
            raise self.taken(found.ref)

    def taken(self, ref: Ref) -> StatementFails:
        """Return what to raise where the name of something new is that of something else."""
        shown = f"there is already {'an' if ref.kind[0] in 'aeiou' else 'a'} {ref.kind} `{ref.name.name}`"
        return self.fail(FailureCause.EXISTS, shown, "choose another name, or drop the old one first", (ref,))

    def need_schema(self, name: Name) -> None:
        """Raise StatementFails where the schema of something new was dropped."""
        if name.schema is not None and self.catalog.is_schema_gone(name.schema):
            raise self.fail(
                FailureCause.MISSING, f"there is no schema `{name.schema}`", "create it first, or correct the name"
            )
