"""Compares a live database with what the manifest's files build on a scratch database, of the same migrations.

On the live side it is only read, by a session that cannot write, with a role that may do no more than look; zmig's own
tables need not be there.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from zmig.catalog.difference import Change, differences
from zmig.catalog.objects import Kind, object_hash
from zmig.database import connection as database
from zmig.database import schema_reader
from zmig.database.connection_hints import GIVEN_URL
from zmig.errors import MigrationFailed
from zmig.planning import selection
from zmig.planning.state import Entry, State
from zmig.session import database_session
from zmig.sql.quoting import identifier
from zmig.valueclass import replace, valueclass
from zmig.verification import choosing, reparse, scratch
from zmig.verification.replay import Ground, Replay
from zmig.verification.round_trips import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.catalog.difference import Difference
    from zmig.catalog.objects import Key, SchemaSnapshot
    from zmig.model import Migration
    from zmig.process.interrupts import Interrupts
    from zmig.project.project import Project

READ_ONLY = {"default_transaction_read_only": "'on'"}
"""Settings, as SQL, of the session on the live database."""


@valueclass
class Task:
    """What is compared."""

    manifest: Path
    project: Project
    _: KW_ONLY
    live_url: str | None
    """The live database, where it is not the manifest's."""
    written_in: str = GIVEN_URL
    """Where that URL is, which hints name to be corrected."""
    to: int | None
    """The version that is expected there; None for what its facts say, or, without any, for all."""
    scratch_url: str | None
    environ: Mapping[str, str]


@valueclass
class Deviant:
    """An object that is not as the files build it."""

    difference: Difference
    migration: Migration | None
    """The one that made it, or last changed or dropped it; None where none did, or for a note."""


@valueclass
class Result:
    """What was found."""

    _: KW_ONLY
    replayed: tuple[Migration, ...]
    deviants: tuple[Deviant, ...]
    """Those that are findings."""
    notes: tuple[Difference, ...]
    """What counts for nothing: another spelling, the order of columns, a version."""
    remarks: tuple[str, ...]
    """What is to be known of how it was compared."""
    server_version: int
    """Of the live server, as in `server_version_num`."""
    scratch_version: int
    failed: tuple[Migration, MigrationFailed] | None = None
    """The migration that cannot be applied to a new database, so that nothing was compared."""


@valueclass
class _Live:
    """What was seen on the live database."""

    schema: SchemaSnapshot
    project: Project
    """With what is applied there of its migrations."""
    remarks: tuple[str, ...]


def compare(task: Task, *, interrupts: Interrupts, hear: Callable[[Migration, Stage], None]) -> Result:
    """Return how the live database differs from what the files build; `hear` is called as each migration begins.

    Raises:
        ConnectionFailed, TrackingError: the live database cannot be reached, or be looked at.
        ServerError: there is no scratch server.
        UsageError: nor a migration of the version that is expected.
    """
    selection.check_target([Entry(one, None, State.PENDING) for one in task.project.migrations], task.to)
    live = _look(task, interrupts)
    with scratch.opened(task.project, url=task.scratch_url, live_url=task.live_url, environ=task.environ) as place:
        ground = Ground(
            manifest=task.manifest,
            project=live.project,
            scratch=place,
            environ=task.environ,
            interrupts=interrupts,
        )
        return _Comparison(ground, live, hear).result()


def _look(task: Task, interrupts: Interrupts) -> _Live:
    """Return what is on the live database, and what is applied there."""
    project = task.project
    target = database_session.target(project, task.live_url, environ=task.environ)
    if task.live_url is not None:
        target = replace(target, written_in=task.written_in)
    with database_session.open_session(
        project, project.migrations, target, observer=lambda _: None, interrupts=interrupts, limits=READ_ONLY
    ) as session:
        remarks: list[str] = []
        entries: Sequence[Entry] | None = None
        if task.to is None:
            with database.translated(target):
                inspection = session.inspect()
            if inspection.has_events:
                entries = session.snapshot(inspection, ask_repeatables=False).entries
        with database.translated(target):
            schema = schema_reader.read(session.connection, project.scope)
    if entries is not None:
        remarks += _of_entries(entries)
        applied = {entry.version for entry in entries if entry.is_applied and entry.migration is not None}
        kept = [one for one in project.migrations if one.version in applied]
    else:
        if task.to is None:
            remarks.append("nothing is recorded there, so it is compared with what all migrations build")
        kept = [one for one in project.migrations if one.is_repeatable or task.to is None or one.version <= task.to]
    if schema.uncovered:
        counts = ", ".join(f"{name} ({number})" for name, number in sorted(schema.uncovered.items()))
        remarks.append(f"not compared: {counts}")
    return _Live(schema, choosing.on_new_database(replace(project, migrations=tuple(kept))), tuple(remarks))


def _of_entries(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield what of the recorded states makes the comparison less than whole."""
    for entry in entries:
        if entry.is_applied and entry.migration is None:
            yield f"`{entry.name}` is applied there and no longer declared, so what it made is not expected"
        elif not entry.is_applied and entry.state in (State.FAILED, State.STUCK):
            yield f"`{entry.name}` is {entry.state.value} there: what it may have left is not expected"


class _Comparison:
    """One comparison, on a place for scratch databases."""

    def __init__(self, ground: Ground, live: _Live, hear: Callable[[Migration, Stage], None]) -> None:
        self._ground = ground
        self._live = live
        self._hear = hear

    def result(self) -> Result:
        ground = self._ground
        roles = ground.scratch.roles()
        url = ground.scratch.create()
        with Replay(ground, url) as replay:
            try:
                for one in ground.project.migrations[:1]:
                    self._hear(one, Stage.APPLY)
                replay.apply(with_repeatables=ground.repeatables)
            except MigrationFailed as error:
                assert replay.failed is not None, "a migration failed"
                return self._made((), failed=(replay.failed, error))
            expected = replay.look().schema
        found = self._compared(expected, url)
        if not any(map(self._counts, found)):
            return self._made(tuple(Deviant(one, None) for one in found))
        ground.scratch.drop(url)
        ground.scratch.keep_roles(roles)
        makers = self._makers({(one.kind, one.identity) for one in found if self._counts(one)})
        return self._made(tuple(Deviant(one, makers.get((one.kind, one.identity))) for one in found))

    def _made(self, deviants: Sequence[Deviant], failed: tuple[Migration, MigrationFailed] | None = None) -> Result:
        return Result(
            replayed=self._ground.project.migrations,
            deviants=tuple(one for one in deviants if self._counts(one.difference)),
            notes=tuple(one.difference for one in deviants if self._is_noted(one.difference)),
            remarks=self._live.remarks,
            server_version=self._live.schema.server_version,
            scratch_version=self._ground.scratch.server_version,
            failed=failed,
        )

    def _counts(self, one: Difference) -> bool:
        return one.counts(column_order=self._ground.project.verify.column_order_counts)

    def _is_noted(self, one: Difference) -> bool:
        """Whether it is a note; the order of the columns of a table that is gone, or new, says nothing."""
        is_of_whole = one.kind is Kind.COLUMN_ORDER and one.change is not Change.CHANGED
        return not self._counts(one) and not is_of_whole

    def _compared(self, expected: SchemaSnapshot, url: str) -> list[Difference]:
        """Return what differs; which role ran the migrations is no difference."""
        found = self._live.schema
        own, theirs = _most_common_owner(expected), _most_common_owner(found)
        if own is not None and theirs is not None and own != theirs:
            names = {own, theirs, identifier(own), identifier(theirs)}
            expected, found = _without_owner(expected, own, names), _without_owner(found, theirs, names)
        target = database.target(url, environ=self._ground.environ)
        differing = differences(expected, found)
        with ExitStack() as closing:
            connection = closing.enter_context(database.connect(target, application_name="zmig verify"))
            return reparse.mark_respelled(connection, differing)

    def _makers(self, wanted: set[Key]) -> dict[Key, Migration]:
        """Return which migration made each object, or changed or dropped it last: the history is run step by step."""
        ground = self._ground
        makers: dict[Key, Migration] = {}
        with Replay(ground, ground.scratch.create()) as replay:
            before = _hashes(replay.look().schema, wanted)
            done: list[Migration] = []
            for migration in ground.project.migrations:
                self._hear(migration, Stage.APPLY)
                if migration.is_repeatable:
                    done.append(migration)
                    replay.apply(with_repeatables=done)
                else:
                    replay.apply(to=migration.version)
                after = _hashes(replay.look().schema, wanted)
                makers |= {key: migration for key in wanted if before.get(key) != after.get(key)}
                before = after
        return makers


_USUAL_RIGHTS = {
    "routine": ("public: execute",),
    "type": ("public: usage",),
    "schema": ("", "public: usage", "public: create\npublic: usage"),
}
"""The rights that nobody has granted, where there are some, by the kind of what they are on."""


def _hashes(snapshot: SchemaSnapshot, wanted: set[Key]) -> dict[Key, str]:
    return {key: object_hash(*key, snapshot.objects[key]) for key in wanted if key in snapshot.objects}


def _most_common_owner(snapshot: SchemaSnapshot) -> str | None:
    """Return the role that most objects belong to: the one that runs migrations."""
    owners = [text for (kind, name), text in snapshot.objects.items() if kind is Kind.OWNER and name != "schema public"]
    return max(sorted(set(owners)), key=owners.count, default=None)


def _without_owner(snapshot: SchemaSnapshot, owner: str, names: set[str]) -> SchemaSnapshot:
    """Return a snapshot in which what belongs to the owner has none, and nothing is granted to it by name."""
    objects: dict[Key, str] = {}
    for (kind, identity), text in snapshot.objects.items():
        if kind is Kind.OWNER and text == owner:
            continue
        if kind is Kind.DEFAULT_PRIVILEGES:
            whose = next((name for name in (owner, identifier(owner)) if identity.startswith(f"{name} ")), None)
            objects[kind, identity if whose is None else f"(owner){identity.removeprefix(whose)}"] = text
        elif kind is Kind.PRIVILEGES:
            lines = text.split("\n")
            kept = "\n".join(line for line in lines if line.partition(": ")[0] not in names)
            if kept == text or kept not in _USUAL_RIGHTS.get(identity.partition(" ")[0], ("",)):
                objects[kind, identity] = kept
        else:
            objects[kind, identity] = text
    return replace(snapshot, objects=objects)
