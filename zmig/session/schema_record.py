"""Records what the schema is like: at the end of a run, and where others have changed it before one begins.

It is no more than a record. Whatever keeps it from being made is said in a notice, and the run is what it was.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from zmig.catalog import difference, recorded
from zmig.catalog.attribution import By
from zmig.catalog.difference import Difference
from zmig.catalog.objects import FORMAT, Kind
from zmig.database import catalog_state, schema_facts, schema_reader
from zmig.database import connection as database
from zmig.errors import Problem, UsageError, first_line
from zmig.facts import EventType
from zmig.hints import Hint, command
from zmig.progress import Notice
from zmig.session import operator, schema_comparison, schema_drift
from zmig.session.schema_drift import SchemaDrift, Verdict
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from zmig.catalog.objects import SchemaSnapshot
    from zmig.catalog.recorded import Changes, Objects
    from zmig.database.schema_facts import Recorded
    from zmig.database.schema_reader import Reading
    from zmig.database.types import Row
    from zmig.progress import Observer
    from zmig.session.database_session import DatabaseSession
    from zmig.session.schema_drift import DriftedObject

_LONGEST_CHAIN = 50
"""So many facts rest on one that holds all objects; the next one holds all again."""
_ATTEMPTS = 2
"""Of reading, where a run waits for it."""
_NO_MIGRATION = "-"
"""What such a fact is about where no run has recorded anything before."""


@valueclass
class _Before:
    """What the facts said last."""

    fact: Recorded
    objects: Objects | None
    """None where they cannot be compared with what is there."""
    length: int
    """How many facts they are read from."""


@valueclass
class _Now:
    """What the schema is like, beside what the facts said last."""

    before: _Before | None
    state: object
    snapshot: SchemaSnapshot | None
    """None where it is as it was before, by the state of the catalogs."""

    @property
    def fingerprint(self) -> object:
        """That of all objects."""
        if self.snapshot is not None:
            return self.snapshot.fingerprint
        return self.before and self.before.fact.data.get("fingerprint")

    @property
    def count(self) -> int:
        """The number of objects."""
        if self.snapshot is not None:
            return len(self.snapshot.objects)
        return len(self.before.objects or ()) if self.before is not None else 0


class SchemaRecord:
    """What facts keep of the schema, over one open database whose lock is held."""

    def __init__(self, session: DatabaseSession) -> None:
        self._session = session
        self._connection = session.connection
        self._scope = session.project.scope
        self._events = session.store.events

    def note_others(self, observer: Observer) -> None:
        """Record what others have changed since the last run, so that it is not taken for what this one does.

        Most often nothing is, which the state of the catalogs says.
        """
        with _reported(observer, self._session, "what others have changed was not looked for"):
            asked = schema_facts.ask_last_and_state(self._connection, self._events, self._scope)
            before, state = schema_facts.last_and_state(asked)
            if before is None:
                return
            known = schema_drift.judged(before, state, self._session.project, self._session.server.version)
            if known is not None:
                if known.cause is not None:
                    text = f"{known.cause}; this run records it anew, with what others may have changed until now"
                    observer(Notice(None, "WARNING", text))
                return
            changed = self._write(before.name, By.OTHERS, self._now(attempts=_ATTEMPTS))
            if changed:
                drift = SchemaDrift(Verdict.CHANGED, objects=changed)
                verb = "was" if len(changed) == 1 else "were"
                text = f"{drift.count} {verb} changed by others since the last run: {drift.names}; recorded as theirs"
                observer(Notice(None, "WARNING", text))

    def observe(self, observer: Observer, name: str) -> None:
        """Record what the schema is like at the end of a run, of which this is the last migration."""
        with _reported(observer, self._session, "the schema as this run leaves it was not recorded"):
            self._write(name, By.RUN, self._now(attempts=_ATTEMPTS, first=self._own_settings()))

    def accept(self, reason: str) -> list[DriftedObject]:
        """Record what the schema is like now, as an operator wants it, and return what changed."""
        now = self._now()
        name = now.before.fact.name if now.before is not None else _NO_MIGRATION
        return self._write(name, By.OPERATOR, now, reason=self._session.target.redactor(reason))

    def _own_settings(self) -> Sequence[str]:
        """Return what gives the session what holds for zmig's own reading, whatever a migration has left."""
        server, name = self._session.server, self._session.run.application_name
        *statements, commit = server.clean_sql(name)
        return (*statements, server.prepare_sql(name), commit)

    def _now(self, *, attempts: int | None = None, first: Sequence[str] = ()) -> _Now:
        """Read what the schema is like, and what the facts say, as of one moment; the statements `first` come first."""
        return schema_reader.attempted(self._connection, self._scope, self._read, attempts=attempts, first=first)

    def _read(self, reading: Reading) -> _Now:
        state_sql = catalog_state.state_sql(self._session.server.version, self._scope)
        questions = (state_sql, schema_facts.last_sql(self._events), schema_facts.chain_sql(self._events))
        ((state,),), last, chain = reading.begin(*questions)
        before = self._before(schema_facts.recorded(last[0] if last else None), chain)
        is_same = before is not None and before.objects is not None and before.fact.state == state
        if is_same and before is not None and before.length < _LONGEST_CHAIN:
            return _Now(before, state, None)
        return _Now(before, state, reading.snapshot(counts=False))

    def _before(self, fact: Recorded | None, rows: Sequence[Row]) -> _Before | None:
        if fact is None:
            return None
        chain = [schema_facts.fact(row) for row in rows]
        is_comparable = (
            fact.is_of_this_format and fact.is_of_major(self._session.server.version) and fact.is_of(self._scope)
        )
        objects = None
        if is_comparable and chain and chain[0].position == fact.base:
            with suppress(ValueError):
                objects = recorded.objects_of(one.all or one.changes or "" for one in chain)
        return _Before(fact, objects, len(chain))

    def _write(self, name: str, by: By, seen: _Now, *, reason: str | None = None) -> list[DriftedObject]:
        """Append the fact, and return what others changed; theirs is appended only where there is something.

        Raises:
            psycopg.Error: it cannot be appended.
        """
        before = seen.before
        now: Objects = {}
        changed: Changes = {}
        data: dict[str, object] = {
            "run_id": self._session.run.id,
            "name": name,
            "by": by.value,
            "format": FORMAT,
            "server_version": self._session.connection.info.server_version,
            "fingerprint": seen.fingerprint,
            "objects": seen.count,
            "state": seen.state,
            "scope": schema_facts.scope_data(self._scope),
            "since": before and before.fact.position,
        }
        if reason is not None:
            data["reason"] = reason
        if seen.snapshot is not None:
            now = recorded.kept(seen.snapshot.objects, self._session.target.redactor)
        if before is not None and before.objects is not None:
            if seen.snapshot is not None:
                changed = recorded.changes(before.objects, seen.snapshot.objects, now)
            if by is By.OTHERS and not changed:
                return []
            data["changes"] = recorded.encoded(changed)
        if before is None or before.objects is None or before.length >= _LONGEST_CHAIN:
            data["all"] = recorded.encoded(now)
        else:
            data["base"] = before.fact.base
        sql = self._session.store.append_sql(self._session.run, EventType.OBSERVED, name, data)
        if not self._session.server.has_citus:
            # WAL is one sequence: it can be lost only with all that comes after it, and then nothing was recorded.
            sql = f"select pg_catalog.set_config('synchronous_commit', 'off', true); {sql}"
        self._connection.execute(sql.encode(), prepare=False)
        if by is By.RUN or before is None or before.objects is None:
            return []
        return _of_others(before.objects, changed)


def _of_others(before: Objects, changed: Changes) -> list[DriftedObject]:
    """Return what others changed, without what counts for nothing."""
    kinds = list(Kind)
    differences: list[Difference] = []
    for kind, identity in sorted(changed, key=lambda key: (kinds.index(key[0]), key[1])):
        was, now = before.get((kind, identity)), changed[kind, identity]
        if not kind.is_note:
            expected, found = (None if one is None else one.text or "" for one in (was, now))
            differences.append(Difference(kind, identity, expected, found))
    return schema_comparison.grouped([one for one in difference.marked_respelled(differences) if not one.is_note])


def accept(session: DatabaseSession, reason: str, *, lock_wait_seconds: float | None) -> list[str]:
    """Record the schema as it is now, whoever made it so, under the run's lock; return the objects that had changed.

    Raises:
        UsageError: there are no facts yet, or the reason is empty.
        TrackingError: it cannot be written.
        ZmigError: the schema is changed all the time.
        LockNotObtained: another run kept the lock for too long.
    """
    operator.check_reason(reason)
    if not session.inspect(to_write=True).has_events:
        raise UsageError(
            Problem(
                "schema-not-recorded",
                "nothing was applied to this database yet, so there is nothing to record beside it",
                effect="nothing was recorded",
                hint=Hint("apply the migrations with ", command("apply")),
            )
        )
    with session.locked(limit_seconds=lock_wait_seconds), session.recording():
        session.prepare_store(session.snapshot(session.inspect(to_write=True), holds_lock=True, ask_repeatables=False))
        changed = SchemaRecord(session).accept(reason)
    return [one.name for one in changed]


@contextmanager
def _reported(observer: Observer, session: DatabaseSession, what: str) -> Generator[None]:
    """Say what keeps the block from being carried out, unless the connection is lost, which the run reports."""
    try:
        yield
    except Exception as error:
        if not database.is_lost(session.connection):
            observer(Notice(None, "WARNING", f"{what}: {first_line(error)}"))
