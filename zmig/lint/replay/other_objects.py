"""Roles, extensions, publications and statistics objects: what is neither a relation, a type nor a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import pg_query_pb2 as pg

from zmig.lint.replay import access, tree
from zmig.lint.replay.effects import Drops, FailureCause, Redefines, Renames, StopsReplication
from zmig.lint.replay.objects import LockMode, ObjectKind, OtherObject, Ref, Table
from zmig.sql.token_reader import Name
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.replay.statement_replay import StatementReplay

KINDS: dict[int, ObjectKind] = {
    pg.OBJECT_EXTENSION: ObjectKind.EXTENSION,
    pg.OBJECT_PUBLICATION: ObjectKind.PUBLICATION,
    pg.OBJECT_ROLE: ObjectKind.ROLE,
    pg.OBJECT_STATISTIC_EXT: ObjectKind.STATISTICS,
}


def make(replay: StatementReplay, made: OtherObject, *, is_optional: bool = False) -> None:
    """Put one in; `is_optional` says that it may have been there. Raises StatementFails where it certainly is."""
    known = replay.catalog.other(made.ref)
    if known is not None and not known.is_gone:
        if is_optional:
            return
        # Roles are those of all databases, and another one may have dropped it.
        if replay.catalog.is_certain(known) and known.made_by is not None and made.kind is not ObjectKind.ROLE:
            raise replay.taken(known.ref)
    replay.catalog.put_other(replace(made, made_by=None if is_optional else replay.generation))
    replay.make(made.kind, made.name)


def drop(replay: StatementReplay, ref: Ref, *, is_optional: bool = False) -> None:
    """Take one out. Raises StatementFails where it certainly is not there."""
    known = replay.catalog.other(ref)
    if known is not None and known.is_gone and replay.catalog.is_certain(known):
        if is_optional:
            return
        if ref.kind is not ObjectKind.ROLE:
            raise replay.missing(ref.kind, ref.name)
    forget(replay, ref)
    for table in known.tables if known is not None and ref.kind is ObjectKind.STATISTICS else ():
        replay.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    replay.record(Drops(ref))


def forget(replay: StatementReplay, ref: Ref) -> None:
    """Take note that there is none any more."""
    replay.catalog.put_other(OtherObject(ref.kind, ref.name, is_gone=True, made_by=replay.generation))


def rename(replay: StatementReplay, kind: ObjectKind, old: Name, new: Name) -> None:
    """Give one another name."""
    known = replay.catalog.other(Ref(kind, old))
    if known is not None and not known.is_gone:
        replay.catalog.put_other(replace(known, name=new))
    forget(replay, Ref(kind, old))
    replay.record(Renames(Ref(kind, old), Ref(kind, new)))


def follow(replay: StatementReplay, old: Name, new: Name) -> None:
    """Let those that are about a table be about it under another name."""
    for one in [*replay.catalog.others()]:
        if old in one.tables:
            replay.catalog.put_other(replace(one, tables=one.tables - {old} | {new}))


def lose_table(replay: StatementReplay, name: Name, column: str | None = None) -> None:
    """Take out what goes with a table, or with one of its columns."""
    for one in [*replay.catalog.others()]:
        if name not in one.tables:
            continue
        if one.kind is ObjectKind.STATISTICS and (column is None or column in one.columns):
            forget(replay, one.ref)
        elif one.kind is ObjectKind.PUBLICATION and column is None:
            replay.catalog.put_other(replace(one, tables=one.tables - {name}))


# statistics objects


def find_statistics(replay: StatementReplay, written: Name) -> Name:
    """Return the full name of a statistics object."""
    schemas = replay.path if written.schema is None else (written.schema,)
    names = [Name(schema, written.name) for schema in schemas]
    known = ((one, replay.catalog.other(Ref(ObjectKind.STATISTICS, one))) for one in names)
    found = next((one for one, other in known if other is not None and not other.is_gone), None)
    return found or names[0]


_NAMES_STATISTICS = 16
"""The first version in which the server chooses the name of statistics that have none."""


def create_statistics(replay: StatementReplay, statement: pg.CreateStatsStmt) -> None:
    """CREATE STATISTICS."""
    tables = [replay.relation(node.range_var) for node in statement.relations]
    for name in tables:
        if isinstance(replay.catalog.relation(name), (Table, type(None))):
            replay.lock(name, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if not statement.defnames:
        if replay.is_before(_NAMES_STATISTICS):
            reason = f"a statistics object needs a name before PostgreSQL {_NAMES_STATISTICS}"
            raise replay.fail(FailureCause.REFUSED, reason, "give it one: `create statistics ... on ...`")
        return
    name = replay.full(tree.name(statement.defnames))
    columns: set[str] = set()
    for node in statement.exprs:
        columns |= {node.stats_elem.name} if node.stats_elem.name else set()
        expression = tree.expression(node.stats_elem.expr)
        columns |= set() if expression is None else expression.columns
    made = OtherObject(ObjectKind.STATISTICS, name, tables=frozenset(tables), columns=frozenset(columns))
    make(replay, made, is_optional=statement.if_not_exists)


# publications


def create_publication(replay: StatementReplay, statement: pg.CreatePublicationStmt) -> None:
    """CREATE PUBLICATION."""
    tables, others = _published(replay, statement.pubobjects)
    options = {f"{key}={tree.option_text(one)}" for key, one in tree.options(statement.options).items()}
    every = {"all tables"} if statement.for_all_tables else set[str]()
    made = OtherObject(
        ObjectKind.PUBLICATION,
        Name(None, statement.pubname),
        tables=tables,
        options=frozenset(others | options | every),
    )
    make(replay, made)
    access.publication(replay, statement.pubobjects, is_every=statement.for_all_tables)


def alter_publication(replay: StatementReplay, statement: pg.AlterPublicationStmt) -> None:
    """ALTER PUBLICATION."""
    ref = Ref(ObjectKind.PUBLICATION, Name(None, statement.pubname))
    known = replay.catalog.other(ref)
    before = OtherObject(*ref[:2], is_whole=False) if known is None or known.is_gone else known
    tables, others = _published(replay, statement.pubobjects)
    if statement.options:
        changed = _with_options(before, statement)
    elif statement.action == pg.AP_DropObjects:
        changed = replace(before, tables=before.tables - tables, options=before.options - others)
    elif statement.action == pg.AP_SetObjects:
        kept = frozenset(one for one in before.options if "=" in one)
        changed = replace(before, tables=tables, options=kept | others)
    else:
        changed = replace(before, tables=before.tables | tables, options=before.options | others)
    replay.catalog.put_other(changed)
    replay.record(Redefines(ref, what="publication"))
    gone = tables if statement.action == pg.AP_DropObjects else before.tables - changed.tables
    for table in sorted(gone):
        what = f"the changes of `{table.name}` are no longer published by `{ref.name.name}`"
        replay.record(StopsReplication(what, table, ref.name))
    if statement.action != pg.AP_DropObjects:
        access.publication(replay, statement.pubobjects)


def _with_options(before: OtherObject, statement: pg.AlterPublicationStmt) -> OtherObject:
    given = {key: tree.option_text(one) for key, one in tree.options(statement.options).items()}
    kept = frozenset(one for one in before.options if one.partition("=")[0] not in given)
    return replace(before, options=kept | {f"{key}={value}" for key, value in given.items()})


def _published(replay: StatementReplay, objects: Iterable[pg.Node]) -> tuple[frozenset[Name], frozenset[str]]:
    """Return the tables that a statement publishes, and whatever else."""
    specs = [node.publication_obj_spec for node in objects]
    tables = frozenset(replay.relation(one.pubtable.relation) for one in specs if one.HasField("pubtable"))
    for table in tables:
        replay.lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)
    return tables, frozenset(f"schema {one.name}" for one in specs if not one.HasField("pubtable"))


def drop_publication(replay: StatementReplay, name: Name, *, is_optional: bool) -> None:
    """DROP PUBLICATION."""
    ref = Ref(ObjectKind.PUBLICATION, name)
    known = replay.catalog.other(ref)
    drop(replay, ref, is_optional=is_optional)
    is_new = known is not None and known.made_by in replay.catalog.new_generations
    if not (is_new or (is_optional and known is not None and known.is_gone)):
        replay.record(StopsReplication(f"nothing is published by `{name.name}` any more", publication=name))
