"""Reads the definitions of a database's objects, and compares them with those that facts hold. Writes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from zmig.catalog import attribution, difference
from zmig.catalog import recorded as kept
from zmig.catalog.attribution import By, Observed, Step
from zmig.catalog.difference import Change
from zmig.catalog.objects import Kind
from zmig.database import connection as database
from zmig.database import schema_facts, schema_reader
from zmig.errors import ZmigError, first_line
from zmig.session.schema_drift import DriftedObject, SchemaDrift, Verdict, decided, judged, same
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zmig.catalog.attribution import Attribution
    from zmig.catalog.difference import Difference
    from zmig.catalog.recorded import Changes
    from zmig.database.connection import WorkingConnection
    from zmig.database.schema_facts import Recorded, SchemaFact
    from zmig.model import Migration
    from zmig.project.project import Project
    from zmig.session.database_session import DatabaseSession

_LONGEST_FILE_BYTES = 1_000_000
"""Of what is searched for the names of objects."""


@valueclass
class Source:
    """A database, and what is to be known of it to compare its schema."""

    connection: WorkingConnection
    events: str
    """The table of facts, as SQL."""
    project: Project
    migrations: Sequence[Migration]
    server_version: int


def source(session: DatabaseSession) -> Source:
    """Return the database that a session leads to."""
    events, version = session.store.events, session.server.version
    return Source(session.connection, events, session.project, session.migrations, version)


def glance(source: Source) -> SchemaDrift:
    """Return how the schema differs, for a status, which is no less of one where that cannot be said."""
    recorded: Recorded | None = None
    try:
        recorded, known = _known(source)
        return known or compared(source, recorded)
    except (ZmigError, psycopg.Error) as error:
        return unreadable(source, recorded, error)


def unreadable(source: Source, recorded: Recorded | None, error: ZmigError | psycopg.Error) -> SchemaDrift:
    """Return what kept the schema from being compared; a connection that was lost is raised again.

    A pooler of statements ends the connection of who opens a transaction, which this takes.
    """
    is_lost = source.connection.closed or source.connection.broken
    if is_lost and not isinstance(error, psycopg.errors.ProtocolViolation):
        raise error
    why = first_line(error)
    return SchemaDrift(Verdict.UNREADABLE, recorded=recorded, server_version=source.server_version, why=why)


def read(session: DatabaseSession) -> SchemaDrift:
    """Return how the schema differs, and who made what of it.

    Raises:
        TrackingError: zmig's tables cannot be read.
        ZmigError: the schema is changed all the time.
        ConnectionFailed: the connection was lost, or the server refuses.
    """
    if not session.inspect().has_events:
        return SchemaDrift(Verdict.UNRECORDED, server_version=session.server.version)
    own = source(session)
    with database.translated(session.target):
        recorded, known = _known(own)
        is_clear = known is not None and known.verdict is not Verdict.OTHER_VERSION
        drift = known if known is not None and is_clear else compared(own, recorded, attributes=True)
        return replace(drift, uncovered=schema_reader.uncovered(own.connection, own.project.scope))


def _known(source: Source) -> tuple[Recorded | None, SchemaDrift | None]:
    """Return the last fact, and what is known without reading definitions."""
    recorded, state = last_and_state(source)
    return recorded, judged(recorded, state, source.project, source.server_version)


def last_and_state(source: Source) -> tuple[Recorded | None, object]:
    """Return the last fact about the schema, and the state of the catalogs now, where it may be compared."""
    asked = schema_facts.ask_last_and_state(source.connection, source.events, source.project.scope)
    return schema_facts.last_and_state(asked)


def compared(source: Source, recorded: Recorded | None, *, attributes: bool = False) -> SchemaDrift:
    """Return how the schema differs from what a fact holds; `attributes` says who made each object.

    Raises:
        ZmigError: the schema is changed all the time.
        psycopg.Error: what the server says against it.
    """
    if recorded is None:
        return SchemaDrift(Verdict.UNRECORDED, server_version=source.server_version)
    facts = list(schema_facts.facts(source.connection, source.events, first=recorded.base))
    facts = [fact for fact in facts if fact.position <= recorded.position]
    try:
        before = kept.objects_of(fact.all or fact.changes or "" for fact in facts)
    except ValueError as error:
        why = f"the facts about it cannot be read: {error}"
        return SchemaDrift(Verdict.UNREADABLE, recorded=recorded, server_version=source.server_version, why=why)
    snapshot = schema_reader.read(source.connection, source.project.scope)
    now = schema_facts.last(source.connection, source.events)
    if now is not None and (now.position != recorded.position or now.unrecorded is not None):  # a run came in between
        return decided(now, source.project, source.server_version) or same(now, source.server_version)
    found = difference.differences(kept.comparable(before, snapshot.objects, recorded.server_version), snapshot)
    found = difference.marked_respelled(found)
    made = _attributing(source, recorded) if attributes else None
    order_counts = source.project.verify.column_order_counts
    return _made(found, recorded, snapshot.server_version, made, order_counts=order_counts)


def _made(
    found: Sequence[Difference],
    recorded: Recorded,
    version: int,
    made: Callable[[Difference], Attribution] | None,
    *,
    order_counts: bool,
) -> SchemaDrift:
    def drifted(some: Sequence[Difference]) -> list[DriftedObject]:
        whole = grouped(some)
        return whole if made is None else [replace(one, attribution=made(one.difference)) for one in whole]

    is_other = not recorded.is_of_major(version)
    counted: list[Difference] = []
    spelled: list[Difference] = []
    notes: list[Difference] = []
    for one in found:
        if not one.counts(column_order=order_counts):
            notes.append(one)
        elif is_other and one.may_be_spelling:
            spelled.append(one)
        else:
            counted.append(one)
    objects = drifted(counted)
    # The order of the columns of a table that is gone, or new, says nothing.
    heads = {one.difference.identity for one in objects if one.parts}
    return SchemaDrift(
        Verdict.CHANGED if objects else Verdict.OTHER_VERSION if is_other else Verdict.SAME,
        recorded=recorded,
        server_version=version,
        objects=objects,
        notes=drifted([one for one in notes if _owner_of(one) not in heads]),
        spelled=drifted(spelled),
    )


def _owner_of(one: Difference) -> str:
    return one.identity if one.kind is Kind.COLUMN_ORDER else one.identity.rpartition(".")[0]


def grouped(found: Sequence[Difference]) -> list[DriftedObject]:
    """Return the differences, each relation that is gone or new with what belongs to it."""
    of_relations = {Kind.TABLE, Kind.FOREIGN_TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE, Kind.ROUTINE}
    of_relations |= {Kind.TYPE, Kind.DOMAIN, Kind.SCHEMA}
    heads = {
        (one.change, one.identity): one
        for one in found
        if one.kind in of_relations and one.change is not Change.CHANGED
    }
    parts: dict[tuple[Change, str], list[Difference]] = {key: [] for key in heads}
    left: list[Difference] = []
    for one in found:
        whole = _whole(one, heads)
        if whole is None:
            left.append(one)
        else:
            parts[whole].append(one)
    return [DriftedObject(one, tuple(parts.get((one.change, one.identity), ()))) for one in left]


def _whole(one: Difference, heads: Mapping[tuple[Change, str], Difference]) -> tuple[Change, str] | None:
    """Return the key of the object that another one belongs to, if that is gone or new, too."""
    text = one.found if one.expected is None else one.expected
    if one.kind in (Kind.OWNER, Kind.PRIVILEGES, Kind.COMMENT):
        rest, names = one.identity, list[str]()
        while rest:
            rest = rest.partition(" ")[2]  # of a kind of one word, or two
            names += [rest, *_prefixes(rest)]
    elif one.kind in (Kind.COLUMN, Kind.CONSTRAINT, Kind.TRIGGER, Kind.RULE, Kind.POLICY):
        names = _prefixes(one.identity)
    elif one.kind is Kind.INDEX:
        names = [(text or "").partition(" ON ")[2].removeprefix("ONLY ").partition(" USING ")[0]]
    elif one.kind is Kind.SEQUENCE:
        owner = (text or "").rpartition("\n")[2]
        names = [owner.partition(" of " if owner.startswith("identity") else " by ")[2].rpartition(".")[0]]
    else:
        return None
    return next((key for name in names if (key := (one.change, name)) in heads and heads[key] is not one), None)


def _prefixes(name: str) -> list[str]:
    """Return what may be the relation of what has such a name."""
    return [name[:place] for place, character in enumerate(name) if character == "."]


def _attributing(source: Source, recorded: Recorded) -> Callable[[Difference], Attribution]:
    """Return what says who made an object, or changed it last, by all facts up to the one that was compared with."""
    every = schema_facts.facts(source.connection, source.events)
    facts = [fact for fact in every if fact.position <= recorded.position]
    run = list(schema_facts.steps(source.connection, source.events))
    texts = _Texts(source.migrations)
    observed = list(_observed(facts, run, texts))

    def made(one: Difference) -> Attribution:
        return attribution.attribute((one.kind, one.identity), observed, one.expected or "")

    return made


def _observed(facts: Sequence[SchemaFact], run: Sequence[tuple[int, str, bool]], texts: _Texts) -> Iterator[Observed]:
    before = 0
    for fact in facts:
        stored = fact.changes if fact.changes is not None else fact.all
        changed: Changes = {}
        with suppress(ValueError):
            changed = kept.decoded(stored) if stored is not None else {}
        between = [(name, undone) for position, name, undone in run if before < position < fact.position]
        steps = [texts.step(name, is_rollback=undone) for name, undone in between]
        before = fact.position
        by = By(fact.by) if fact.by in set(By) else By.RUN
        yield Observed(
            by=by,
            at=fact.at,
            run_id=fact.run_id,
            changed=changed,
            steps=steps,
            is_first=fact.since is None,
            is_anew=fact.since is not None and fact.changes is None,
            reason=fact.reason,
        )


class _Texts:
    """The texts of the files of migrations, read when they are asked for, once."""

    def __init__(self, migrations: Sequence[Migration]) -> None:
        self._migrations = {migration.name: migration for migration in migrations}
        self._steps: dict[tuple[str, bool], Step] = {}

    def step(self, name: str, *, is_rollback: bool) -> Step:
        key = (name, is_rollback)
        if key not in self._steps:
            self._steps[key] = self._read(name, is_rollback=is_rollback)
        return self._steps[key]

    def _read(self, name: str, *, is_rollback: bool) -> Step:
        migration = self._migrations.get(name)
        file = None
        if migration is not None:
            file = migration.rollback_file or migration.file if is_rollback else migration.file
        if file is None:
            return Step(name, is_rollback, None)
        try:
            text = file.read_text("utf-8-sig", "replace") if file.stat().st_size <= _LONGEST_FILE_BYTES else None
        except OSError:
            text = None
        return Step(name, is_rollback, text, is_sql=file.suffix != ".py")
