"""An operator's word that a batched migration waits between two rounds, or goes on. Needs no lock: a fact is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.facts import EventType
from zmig.hints import Hint, command
from zmig.planning import selection
from zmig.planning.state import State

if TYPE_CHECKING:
    from zmig.planning.snapshot import Snapshot
    from zmig.planning.state import Entry
    from zmig.session.database_session import DatabaseSession

_EFFECT = "nothing was recorded"


def pause(session: DatabaseSession, name: str | None, *, reason: str) -> str:
    """Ask a batched migration to wait: the one named, else the one that is running. Return its name.

    Raises:
        UsageError: no migration has that name, none is running, or it is not batched.
    """
    snapshot = _snapshot(session)
    entry = _running(snapshot) if name is None else selection.find(snapshot.entries, name)
    if entry.migration is None or entry.migration.batch is None:
        message = f"migration `{entry.name}` has no rounds to wait between"
        raise UsageError(
            Problem("pause-impossible", message, effect=_EFFECT, hint="cancel its run with ctrl-c, or wait for its end")
        )
    _record(session, entry, EventType.PAUSED, reason=session.target.redactor(reason))
    return entry.name


def resume(session: DatabaseSession, name: str | None) -> str:
    """Let a paused migration go on: the one named, else the one that is paused. Return its name.

    Raises:
        UsageError: no migration has that name, or none is paused.
    """
    snapshot = _snapshot(session)
    entry = _paused(snapshot) if name is None else selection.find(snapshot.entries, name)
    if entry.record is None or entry.record.paused is None:
        raise UsageError(
            Problem(
                "not-paused",
                f"migration `{entry.name}` is not paused",
                effect=_EFFECT,
                hint=Hint("see every state with ", command("status")),
            )
        )
    _record(session, entry, EventType.RESUMED)
    return entry.name


def _snapshot(session: DatabaseSession) -> Snapshot:
    snapshot = session.snapshot(session.inspect(to_write=True), ask_repeatables=False)
    session.report_timeline_change(snapshot.inspection)
    return snapshot.migrations


def _running(snapshot: Snapshot) -> Entry:
    for entry in snapshot.entries:
        if entry.state is State.STARTED:
            return entry
    raise UsageError(
        Problem(
            "pause-impossible", "no migration is running", effect=_EFFECT, hint="name the migration that is to wait"
        )
    )


def _paused(snapshot: Snapshot) -> Entry:
    paused = [entry for entry in snapshot.entries if entry.record is not None and entry.record.paused is not None]
    if len(paused) == 1:
        return paused[0]
    if not paused:
        raise UsageError(
            Problem(
                "not-paused",
                "no migration is paused",
                effect=_EFFECT,
                hint=Hint("see every state with ", command("status")),
            )
        )
    names = ", ".join(f"`{entry.name}`" for entry in paused)
    raise UsageError(
        Problem(
            "not-paused",
            f"more than one migration is paused: {names}",
            effect=_EFFECT,
            hint=f"name one, such as `{paused[0].name}`",
        )
    )


def _record(session: DatabaseSession, entry: Entry, type: EventType, **more: str) -> None:
    data = {"version": entry.version, "name": entry.name, "run_id": session.run.id, **more}
    statement = session.store.append_sql(session.run, type, entry.name, data, needs_lock=False)
    with session.recording():
        session.connection.execute(statement.encode())
