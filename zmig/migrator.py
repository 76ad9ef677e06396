"""`Migrator`: everything zmig does to one database, as a library.

    from zmig import Migrator

    Migrator("manifests/prod.yaml").migrate()

The command line and the console are two listeners on this class; neither does anything of its own. Each method
opens a connection and closes it again.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import ManifestError, PlanRefused, ZmigError
from zmig.observer import isolated, naming, redacting
from zmig.planning.plan import Direction, Plan, RunResult
from zmig.process.interrupts import Interrupted, Interrupts
from zmig.project import project
from zmig.text.secrets import Redactor, redact, secret_values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from zmig.context import CodeMigration
    from zmig.database.tracking_check import Inspection
    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.state import Entry
    from zmig.progress import Observer
    from zmig.project.project import Project
    from zmig.running.executor import PlanExecutor
    from zmig.running.rehearsal import Rehearsal
    from zmig.session.operator import OperatorAction
    from zmig.session.session import DatabaseSession
    from zmig.session.snapshot import Snapshot
    from zmig.session.status import Status
    from zmig.session.watcher import Watcher


class Migrator:
    """A manifest and the database its migrations go to."""

    def __init__(
        self,
        manifest: str | Path,
        *,
        database_url: str | None = None,
        observer: Observer | None = None,
        lock_wait_seconds: float | None = None,
        environ: Mapping[str, str] | None = None,
        interrupts: Interrupts | None = None,
    ) -> None:
        """Read nothing yet; a manifest that cannot be read is reported by the first method that needs it.

        `observer` is called with every `zmig.progress.Progress`; `lock_wait_seconds` limits how long to wait for
        another run (None: without limit). `database_url` overrides the manifest's `database`.
        """
        self._path = Path(manifest)
        self._database_url = database_url
        self._observer = isolated(observer and naming(redacting(observer, self.redact), self._named))
        self._lock_wait_seconds = lock_wait_seconds
        self._environ = os.environ if environ is None else environ
        self._interrupts = interrupts or Interrupts()
        self._registered: list[Migration] = []
        self._redactor = Redactor(self._environ.get("PGPASSWORD"), *secret_values(self._environ))

    def redact(self, text: str) -> str:
        """Return `text` without the secrets of the database's URL; all of them are known once it was opened."""
        return self._redactor(text)

    def _named(self, problem: Problem) -> Problem:
        """Return a problem of which the hints mean this manifest and database, wherever they are printed."""
        url = self._database_url
        return problem.naming(str(self._path), None if url is None else redact(url))

    def project(self) -> Project:
        """Read the manifest and the files it names.

        Raises:
            ManifestError: with every problem found.
        """
        return project.load(self._path, environ=self._environ)

    def register_migration(self, migration: CodeMigration) -> None:
        """Add a migration that is defined in code.

        It has `version`, `name` and `execute(ctx)`, and may have `rollback(ctx)` and
        `should_repeat(ctx, last_run)`, which makes it repeatable.

        Raises:
            UsageError: it is not a migration, or its version or name is taken.
        """
        from zmig.project import code_migrations

        registered = code_migrations.from_code(migration)
        code_migrations.reject_duplicates(registered, self._registered)
        self._registered.append(registered)

    def status(self) -> Status:
        """Return the state of every migration. Reads only."""
        from zmig.project import undeclared
        from zmig.session import status

        with self._session() as session:
            loaded = session.project
            snapshot = session.snapshot()
            made = status.make(snapshot, manifest=loaded.name, environment=loaded.environment)
            changed = session.timeline_change(snapshot.inspection)
            return replace(made, timeline_change=changed, undeclared=undeclared.of_project(loaded))

    def current_version(self) -> int:
        """Return the highest applied version; 0 when nothing is applied. Reads only."""
        with self._session() as session:
            return session.snapshot(ask_repeatables=False).current_version

    def find_stuck_migrations(self) -> list[Entry]:
        """Return the migrations that were started, never ended, and are worked on by nobody. Reads only."""
        from zmig.planning.state import State

        with self._session() as session:
            snapshot = session.snapshot(ask_repeatables=False)
            return [entry for entry in snapshot.entries if entry.state is State.STUCK]

    def history(self, names: Collection[str] = ()) -> list[Fact]:
        """Return the facts of the migrations named, or of all, oldest first. Reads only."""
        from zmig.planning import selection

        with self._session() as session:
            snapshot = session.snapshot(ask_repeatables=False)
            chosen = [selection.find(snapshot.entries, name) for name in names]
            if not snapshot.inspection.has_events:
                return []
            versions = [entry.version for entry in chosen if entry.version is not None]
            from zmig.database import connection as database

            with database.translated(session.target):
                return list(session.store.facts([entry.name for entry in chosen], versions))

    def plan(
        self,
        *,
        to: int | None = None,
        atomic: bool = False,
        allow_out_of_order: bool = False,
        allow_existing: bool = False,
    ) -> Plan:
        """Return what `migrate` would run now, or why it would refuse. Reads only."""
        make = self._plan_forward(to, allow_out_of_order=allow_out_of_order, allow_existing=allow_existing)
        return self._plan_only(make, atomic=atomic)

    def rehearse(
        self, *, to: int | None = None, allow_out_of_order: bool = False, allow_existing: bool = False
    ) -> Rehearsal:
        """Run what `migrate` would run now in one transaction that is rolled back; return what each statement did.

        Takes the run's lock, and the locks of the statements, for as long as they last; waits for none of those longer
        than a second. What cannot be rolled back is not run.

        Raises:
            ManifestError, PlanRefused, UsageError, TrackingError, ConnectionFailed, LockNotObtained: like `migrate`.
        """
        with self._session() as session, self._interrupts.running(session.connection), self._locked(session):
            inspection = session.inspect()
            session.refuse_standby(inspection)
            snapshot = session.snapshot(inspection, holds_lock=True)
            make = self._plan_forward(to, allow_out_of_order=allow_out_of_order, allow_existing=allow_existing)
            return self._carrier(session).rehearse(make(snapshot))

    def plan_rollback(self, *, to: int | None = None, steps: int = 1, include_repeatables: bool = False) -> Plan:
        """Return what `rollback` would run now, or why it would refuse. Reads only."""
        return self._plan_only(self._plan_backward(to, steps, include_repeatables=include_repeatables))

    def plan_retry(self, names: Collection[str] = ()) -> Plan:
        """Return what `retry` would run now, or why it would refuse. Reads only."""
        return self._plan_only(self._plan_again(names))

    def migrate(
        self,
        *,
        to: int | None = None,
        atomic: bool = False,
        allow_out_of_order: bool = False,
        allow_existing: bool = False,
        confirmed: Plan | None = None,
    ) -> RunResult:
        """Apply everything that is pending, failed, stuck or due, up to version `to`.

        `atomic` runs all steps in one transaction. `allow_existing` permits the first run on a database that is not
        empty. `confirmed` is a plan a person agreed to: if the plan is another one once the lock is held, nothing runs.

        Raises:
            ManifestError, PlanRefused, UsageError, TrackingError: nothing was run.
            ConnectionFailed: the database cannot be reached, or the connection was lost.
            LockNotObtained: another run kept the lock for too long.
            MigrationFailed: a migration raised; the cause is chained.
        """
        loaded, migrations = self._load()
        if to is None and confirmed is None:
            from zmig.session import quick_check

            if quick_check.is_up_to_date(loaded, migrations, self._database_url, environ=self._environ):
                return RunResult(None, Plan(Direction.FORWARD))
        with self._session(loaded, migrations) as session:
            inspection = session.inspect(to_write=True)
            if to is None and confirmed is None and session.is_up_to_date(inspection):
                session.report_timeline_change(inspection)
                return RunResult(None, Plan(Direction.FORWARD))
            make = self._plan_forward(to, allow_out_of_order=allow_out_of_order, allow_existing=allow_existing)
            return self._run(session, inspection, make, confirmed, is_atomic=atomic)

    def migrate_to_version(self, version: int) -> RunResult:
        """Apply everything up to and including `version`. Raises like `migrate`."""
        return self.migrate(to=version)

    def retry(
        self, names: Collection[str] = (), *, confirmed: Plan | None = None, terminate: bool = False
    ) -> RunResult:
        """Run failed and stuck migrations again: those named, or all. Raises like `migrate`.

        `terminate` first ends a backend that holds the lock, unless the process it works for is known to be alive:
        then it is a UsageError.
        """
        return self._open_and_run(self._plan_again(names), confirmed, terminate=terminate)

    def retry_stuck_migrations(self) -> RunResult:
        """Run every stuck migration again. Raises like `migrate`."""
        from zmig.planning import planner

        return self._open_and_run(lambda snapshot: planner.retry_stuck(snapshot.entries))

    def rollback(
        self,
        *,
        to: int | None = None,
        steps: int = 1,
        include_repeatables: bool = False,
        confirmed: Plan | None = None,
    ) -> RunResult:
        """Roll back the last `steps` migrations, or all above version `to`. Raises like `migrate`.

        Repeatables stay as they are, and are due again; `include_repeatables` takes them back before the others.
        """
        return self._open_and_run(self._plan_backward(to, steps, include_repeatables=include_repeatables), confirmed)

    def cancel(self) -> None:
        """Ask the run that goes on in another thread to end, and return at once.

        Its statement is cancelled on the server, and `failed` is recorded. Made for `interrupts=Cancellation()`;
        otherwise the main thread is interrupted, as by ctrl-c.
        """
        self._interrupts.request()

    def watcher(self) -> Watcher:
        """Return an observer of the manifest and its database that keeps a connection of its own. Reads only."""
        from zmig.session.watcher import Watcher

        return Watcher(
            self._path, database_url=self._database_url, environ=self._environ, registered=tuple(self._registered)
        )

    def resolve(self, name: str, verdict: str, *, reason: str) -> str:
        """Record an operator's word that a migration is `done`, `failed` or `pending`; return its name.

        Raises:
            UsageError: no migration has that name, or two have; the verdict is unknown; the reason is empty; or its
                version was applied as another migration, so that it cannot be done.
        """
        from zmig.session import operator

        return self._decide(partial(operator.resolve, name=name, verdict=verdict, reason=reason))[0]

    def accept(self, name: str, *, reason: str) -> str:
        """Record that an applied migration's file was changed on purpose; return its name.

        Raises:
            UsageError: no migration has that name, its file has not changed, its version was applied as another
                migration, or the reason is empty.
        """
        return self.accept_all([name], reason=reason)[0]

    def accept_all(self, names: Collection[str], *, reason: str) -> list[str]:
        """Record that several applied migrations' files were changed on purpose, all or none; return their names.

        Raises like `accept`.
        """
        from zmig.session import operator

        return self._decide(partial(operator.accept, names=names, reason=reason))

    def baseline(self, *, to: int, reason: str) -> list[str]:
        """Record what is not applied up to version `to` as applied, without running it; return the names.

        Raises:
            UsageError: no migration has that version; one of them failed outside a transaction, so that a part of it
                may be there; or the reason is empty.
        """
        from zmig.session import operator

        return self._decide(partial(operator.baseline, to=to, reason=reason))

    def pause(self, name: str | None = None, *, reason: str = "") -> str:
        """Ask a batched migration, which may run elsewhere, to wait between two rounds; return its name. Takes no lock.

        Raises:
            UsageError: no migration has that name, or it is not batched; without a name, none is running.
        """
        from zmig.session import pause as pausing

        return self._ask(partial(pausing.pause, name=name, reason=reason))

    def resume(self, name: str | None = None) -> str:
        """Let a paused migration go on; return its name. Takes no lock.

        Raises:
            UsageError: no migration has that name, or it is not paused.
        """
        from zmig.session import pause as pausing

        return self._ask(partial(pausing.resume, name=name))

    def reset(self) -> list[str]:
        """Drop every schema of the database and what it holds; return the schemas' names.

        Raises:
            UsageError: the manifest's environment is production or staging.
        """
        from zmig.database import connection as database
        from zmig.database import reset

        with self._session() as session:
            reset.refuse(session.project.environment, has_citus=session.server.has_citus)
            with self._locked(session), database.translated(session.target):
                return reset.drop_everything(session.connection)

    def _plan_forward(
        self, to: int | None, *, allow_out_of_order: bool, allow_existing: bool
    ) -> Callable[[Snapshot], Plan]:
        from zmig.planning import planner

        return lambda snapshot: planner.forward(
            snapshot.entries,
            to=to,
            allow_out_of_order=allow_out_of_order,
            is_first=snapshot.is_first and not allow_existing,
        )

    def _plan_backward(self, to: int | None, steps: int, *, include_repeatables: bool) -> Callable[[Snapshot], Plan]:
        from zmig.planning import planner

        return lambda snapshot: planner.rollback(
            snapshot.entries, to=to, steps=steps, include_repeatables=include_repeatables
        )

    def _plan_again(self, names: Collection[str]) -> Callable[[Snapshot], Plan]:
        from zmig.planning import planner

        return lambda snapshot: planner.retry(snapshot.entries, names, awaited=snapshot.awaited)

    def _plan_only(self, make: Callable[[Snapshot], Plan], *, atomic: bool = False) -> Plan:
        from zmig.project import undeclared

        with self._session() as session:
            made = self._carrier(session).completed(make(session.snapshot()), is_atomic=atomic)
            refusals = (replace(refusal, problem=self._named(refusal.problem)) for refusal in made.refusals)
            made = replace(made, refusals=tuple(refusals))
            if made.direction is not Direction.FORWARD:
                return made
            return replace(made, undeclared=tuple(undeclared.of_project(session.project)))

    def _open_and_run(
        self, make: Callable[[Snapshot], Plan], confirmed: Plan | None = None, *, terminate: bool = False
    ) -> RunResult:
        with self._session() as session:
            if terminate:
                session.terminate_holder()
            return self._run(session, session.inspect(to_write=True), make, confirmed)

    def _run(
        self,
        session: DatabaseSession,
        inspection: Inspection,
        make: Callable[[Snapshot], Plan],
        confirmed: Plan | None,
        *,
        is_atomic: bool = False,
    ) -> RunResult:
        snapshot = session.snapshot(inspection)
        session.report_timeline_change(inspection)
        made = None if snapshot.is_someone_running else make(snapshot)
        if made is not None and not (made.steps or made.refusals or confirmed):
            return RunResult(None, made)
        return self._run_in_turn(session, snapshot, made, make, confirmed, is_atomic=is_atomic)

    def _run_in_turn(
        self,
        session: DatabaseSession,
        snapshot: Snapshot,
        made: Plan | None,
        make: Callable[[Snapshot], Plan],
        confirmed: Plan | None,
        *,
        is_atomic: bool,
    ) -> RunResult:
        """Run what there is to do once the lock is held; what is refused now is refused before it is waited for."""
        carrier = self._carrier(session)
        if made is not None:
            made, _ = carrier.check(made, confirmed)
            if not made.steps:
                return RunResult(None, made)
        with self._interrupts.running(session.connection), self._locked(session):
            snapshot = session.snapshot(holds_lock=True).after(snapshot)
            made, prepared_steps = carrier.check(make(snapshot), confirmed)
            return (
                carrier.execute(snapshot, made, prepared_steps, is_atomic=is_atomic)
                if prepared_steps
                else RunResult(None, made)
            )

    def _carrier(self, session: DatabaseSession) -> PlanExecutor:
        from zmig.running.executor import PlanExecutor

        return PlanExecutor(
            session,
            observer=self._observer,
            interrupts=self._interrupts,
            environ=self._environ,
        )

    def _ask(self, decide: Callable[[DatabaseSession, Snapshot], OperatorAction]) -> str:
        with self._session() as session:
            snapshot = session.snapshot(session.inspect(to_write=True), ask_repeatables=False)
            session.report_timeline_change(snapshot.inspection)
            decided = decide(session, snapshot)
            with session.recording():
                for statement in decided.statements:
                    session.connection.execute(statement.encode())
            return decided.names[0]

    def _decide(self, decide: Callable[[DatabaseSession, Snapshot], OperatorAction]) -> list[str]:
        with self._session() as session, self._locked(session):
            snapshot = session.snapshot(session.inspect(to_write=True), holds_lock=True, ask_repeatables=False)
            session.report_timeline_change(snapshot.inspection)
            decided = decide(session, snapshot)
            self._refuse_contradictions(snapshot, decided)
            session.store.check_names(decided.names)
            if decided.statements:
                with session.recording(), session.connection.transaction():
                    session.prepare_store(snapshot)
                    for statement in decided.statements:
                        session.connection.execute(statement.encode())
        return decided.names

    def _refuse_contradictions(self, snapshot: Snapshot, decided: OperatorAction) -> None:
        """Record nothing where the simple table contradicts the facts, but a decision about such a migration."""
        from zmig.planning import orphaned_rows
        from zmig.planning.state import FindingCode

        is_about_one = any(one.name in decided.names and one.has(FindingCode.UNFOUNDED) for one in snapshot.entries)
        found = orphaned_rows.refusals(snapshot.entries, effect="nothing was recorded")
        if not is_about_one and (problems := [one.problem for one in found]):
            raise PlanRefused(*problems)

    def _load(self) -> tuple[Project, Sequence[Migration]]:
        """Read the manifest; return it with its migrations and those that were registered."""
        loaded = self.project()
        migrations = self._with_registered(loaded) if self._registered else loaded.migrations
        if not migrations and not loaded.declares_migrations:
            raise ManifestError(project.no_migrations(loaded))
        return loaded, migrations

    @contextmanager
    def _session(
        self, loaded: Project | None = None, migrations: Sequence[Migration] = ()
    ) -> Generator[DatabaseSession]:
        from zmig.session import session as database_session

        if loaded is None:
            loaded, migrations = self._load()
        target = database_session.target(loaded, self._database_url, environ=self._environ)
        if loaded.secrets:
            target = replace(target, redactor=target.redactor.knowing(loaded.secrets))
        self._redactor = target.redactor
        try:
            with database_session.open_session(
                loaded, migrations, target, observer=self._observer, interrupts=self._interrupts
            ) as session:
                yield session
        except ZmigError as error:
            error.problems = tuple(map(self._named, error.problems))
            raise
        except Interrupted as error:
            error.problem = error.problem and self._named(error.problem)
            raise

    def _with_registered(self, loaded: Project) -> list[Migration]:
        from zmig.project import code_migrations

        for migration in self._registered:
            code_migrations.reject_duplicates(migration, loaded.migrations)
        registered = (replace(migration, settings=loaded.defaults) for migration in self._registered)
        return sorted((*loaded.migrations, *registered), key=lambda migration: migration.order)

    @contextmanager
    def _locked(self, session: DatabaseSession) -> Generator[None]:
        with session.locked(limit_seconds=self._lock_wait_seconds):
            yield
