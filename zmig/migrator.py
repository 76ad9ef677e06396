"""`Migrator`: everything zmig does to one database, as a library.

    from zmig import Migrator

    Migrator("manifests/prod.yaml").migrate()

The command line and the console are two listeners on this class; neither does anything of its own. Each method
opens a connection and closes it again.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import ManifestError, MigrationFailed, ZmigError
from zmig.model import Environment
from zmig.observer import isolated, naming, redacting
from zmig.planning.plan import Direction, Plan, RunResult
from zmig.planning.request import Apply, Retry, Rollback
from zmig.process.interrupts import Interrupted, Interrupts
from zmig.project import project
from zmig.text.secrets import Redactor, redact, secret_values
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.context import CodeMigration
    from zmig.errors import Problem
    from zmig.facts import Fact
    from zmig.model import Migration
    from zmig.planning.request import Request
    from zmig.planning.state import Entry
    from zmig.progress import Observer
    from zmig.project.project import Project
    from zmig.running.executor import PlanExecutor
    from zmig.running.rehearsal import Rehearsal
    from zmig.session.database_session import DatabaseSession
    from zmig.session.operator import Decision
    from zmig.session.quick_session import UpToDateQuestion
    from zmig.session.quick_status import DatabaseStatus, StatusQuestion
    from zmig.session.schema_drift import SchemaDrift
    from zmig.session.schema_file import SchemaText
    from zmig.session.snapshot import DatabaseSnapshot
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
        environ = os.environ if environ is None else environ
        self._redactor = Redactor(environ.get("PGPASSWORD"), *secret_values(environ))
        named = partial(_named, str(manifest), database_url)
        self._options = _Options(
            manifest=Path(manifest),
            database_url=database_url,
            observer=isolated(observer and naming(redacting(observer, self.redact), named)),
            lock_wait_seconds=lock_wait_seconds,
            environ=environ,
            interrupts=interrupts or Interrupts(),
            learn=self._learn,
            named=named,
        )
        self._registered: list[Migration] = []

    def redact(self, text: str) -> str:
        """Return `text` without the secrets of the database's URL; all of them are known once it was opened."""
        return self._redactor(text)

    def _learn(self, secrets: Iterable[str]) -> None:
        self._redactor = self._redactor.knowing(secrets)

    def project(self) -> Project:
        """Read the manifest and the files it names.

        Raises:
            ManifestError: with every problem found.
        """
        return self._project()

    def _project(self, before_files: Callable[[Project], None] | None = None) -> Project:
        return project.load(self._options.manifest, environ=self._options.environ, before_files=before_files)

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

        with self._open(for_status=True) as opened:
            loaded = opened.project
            found = opened.status()
            made = status.make(found.snapshot, manifest=loaded.name, environment=loaded.environment)
            return replace(
                made,
                timeline_change=found.timeline_change,
                undeclared=undeclared.of_project(loaded),
                schema=found.schema,
                still_used=found.still_used,
                not_imported=found.not_imported,
                queue=found.queue,
            )

    def drift(self) -> SchemaDrift:
        """Return how the schema differs from what the last run recorded, and who made each object. Reads only.

        Raises:
            TrackingError, ZmigError: the schema cannot be read.
        """
        with self._session() as session:
            from zmig.session import schema_comparison

            return schema_comparison.read(session)

    def record_schema(self, *, reason: str) -> list[str]:
        """Record the schema as it is now, whoever made it so; return the objects that had changed.

        Raises:
            UsageError: nothing was applied yet, or the reason is empty.
        """
        with self._session() as session:
            from zmig.session import schema_record

            return schema_record.accept(session, reason, lock_wait_seconds=self._options.lock_wait_seconds)

    def current_version(self) -> int:
        """Return the highest applied version; 0 when nothing is applied. Reads only."""
        with self._session() as session:
            return session.snapshot(ask_repeatables=False).migrations.current_version

    def schema(self) -> SchemaText:
        """Return what is in the database, object by object and as text, as far as `verify` in the manifest says.

        Reads only.

        Raises:
            ZmigError: somebody changes the schema all the time.
        """
        from zmig.session import schema_file

        with self._session() as session:
            return schema_file.read(session)

    def find_stuck_migrations(self) -> list[Entry]:
        """Return the migrations that were started, never ended, and are worked on by nobody. Reads only."""
        from zmig.planning.state import State

        with self._session() as session:
            snapshot = session.snapshot(ask_repeatables=False)
            return [entry for entry in snapshot.entries if entry.state is State.STUCK]

    def history(self, names: Collection[str] = ()) -> list[Fact]:
        """Return the facts of the migrations named, or of all, oldest first. Reads only."""
        return list(self.read_history(names))

    def read_history(self, names: Collection[str] = ()) -> Iterator[Fact]:
        """Yield what `history` returns, of which there may be any number; few are held at a time.

        The database is connected to when the first one is asked for, until there are no more.
        """
        from zmig.planning import selection

        with self._session() as session:
            snapshot = session.snapshot(ask_repeatables=False)
            chosen = [selection.find(snapshot.entries, name) for name in names]
            if not snapshot.inspection.has_events:
                return
            replaced = [record.version for entry in chosen for record in entry.replaced]
            versions = [version for version in (*(one.version for one in chosen), *replaced) if version is not None]
            from zmig.database import connection as database

            with database.translated(session.target):
                yield from session.store.facts([entry.name for entry in chosen], versions)

    def plan(
        self,
        *,
        to: int | None = None,
        atomic: bool = False,
        allow_out_of_order: bool = False,
        allow_existing: bool = False,
    ) -> Plan:
        """Return what `migrate` would run now, or why it would refuse. Reads only."""
        request = Apply(to, atomic, allow_out_of_order=allow_out_of_order, allow_existing=allow_existing)
        return self.plan_request(request)

    def rehearse(
        self, *, to: int | None = None, allow_out_of_order: bool = False, allow_existing: bool = False
    ) -> Rehearsal:
        """Run what `migrate` would run now in one transaction that is rolled back; return what each statement did.

        Takes the run's lock, and the locks of the statements, for as long as they last; waits for none of those longer
        than a second. What cannot be rolled back is not run.

        Raises:
            ManifestError, PlanRefused, UsageError, TrackingError, ConnectionFailed, LockNotObtained: like `migrate`.
        """
        request = Apply(to=to, allow_out_of_order=allow_out_of_order, allow_existing=allow_existing)
        return self.rehearse_request(request)

    def rehearse_request(self, request: Apply | Retry) -> Rehearsal:
        """Run what `run` would run now, and roll it back. Raises like `rehearse`."""
        with self._open() as opened:
            return opened.rehearse(request)

    def plan_rollback(self, *, to: int | None = None, steps: int = 1, include_repeatables: bool = False) -> Plan:
        """Return what `rollback` would run now, or why it would refuse. Reads only."""
        return self.plan_request(Rollback(to=to, steps=steps, include_repeatables=include_repeatables))

    def plan_retry(self, names: Collection[str] = ()) -> Plan:
        """Return what `retry` would run now, or why it would refuse. Reads only."""
        return self.plan_request(Retry(tuple(names)))

    def plan_request(self, request: Request) -> Plan:
        """Return what `run` would run now, or why it would refuse. Reads only."""
        with self._open() as opened:
            return opened.plan(request)

    def plan_watched(self, request: Request, watcher: Watcher) -> Plan:
        """Return the same as `plan_request`, read through an open watcher of this migrator's, in its thread.

        Only what is new since the watcher looked last is read.
        """
        with self._naming_hints():
            return watcher.read(partial(self._planned, request))

    def _planned(self, request: Request, session: DatabaseSession, snapshot: DatabaseSnapshot) -> Plan:
        opened = MigratorSession(session.project, session.migrations, self._options, lambda: session)
        return opened.plan_of(request, snapshot)

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
        request = Apply(to, atomic, allow_out_of_order=allow_out_of_order, allow_existing=allow_existing)
        with self._open(request) as opened:
            return opened.run(request, confirmed=confirmed)

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
        return self.run(Retry(tuple(names)), confirmed=confirmed, terminate=terminate)

    def retry_stuck_migrations(self) -> RunResult:
        """Run every stuck migration again. Raises like `migrate`."""
        return self.run(Retry(only_stuck=True))

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
        request = Rollback(to=to, steps=steps, include_repeatables=include_repeatables)
        return self.run(request, confirmed=confirmed)

    def run(self, request: Request, *, confirmed: Plan | None = None, terminate: bool = False) -> RunResult:
        """Run what a request asks for. Raises like `migrate`.

        `confirmed` and `terminate` are those of `migrate` and of `retry`.
        """
        with self._open(request) as opened:
            return opened.run(request, confirmed=confirmed, terminate=terminate)

    def cancel(self) -> None:
        """Ask the run that goes on in another thread to end, and return at once.

        Its statement is cancelled on the server, and `failed` is recorded. Made for `interrupts=Cancellation()`;
        otherwise the main thread is interrupted, as by ctrl-c.
        """
        self._options.interrupts.request()

    def watcher(self) -> Watcher:
        """Return an observer of the manifest and its database that keeps a connection of its own. Reads only."""
        from zmig.session.watcher import Watcher

        options = self._options
        return Watcher(
            options.manifest,
            database_url=options.database_url,
            environ=options.environ,
            registered=tuple(self._registered),
        )

    def resolve(self, name: str, verdict: str, *, reason: str) -> str:
        """Record an operator's word that a migration is `done`, `failed` or `pending`; return its name.

        Raises:
            UsageError: no migration has that name, or two have; the verdict is unknown; the reason is empty; or its
                version was applied as another migration, so that it cannot be done.
        """
        from zmig.session import operator

        return self._record(operator.Resolve(name, verdict, reason))[0]

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

        return self._record(operator.Accept(tuple(names), reason))

    def baseline(self, *, to: int, reason: str) -> list[str]:
        """Record what is not applied up to version `to` as applied, without running it; return the names.

        Raises:
            UsageError: no migration has that version; one of them failed outside a transaction, so that a part of it
                may be there; or the reason is empty.
        """
        from zmig.session import operator

        return self._record(operator.Baseline(to, reason))

    def _record(self, decision: Decision) -> list[str]:
        from zmig.session import operator

        with self._session() as session:
            return operator.record(session, decision, lock_wait_seconds=self._options.lock_wait_seconds)

    def pause(self, name: str | None = None, *, reason: str = "") -> str:
        """Ask a batched migration, which may run elsewhere, to wait between two rounds; return its name. Takes no lock.

        Raises:
            UsageError: no migration has that name, or it is not batched; without a name, none is running.
        """
        from zmig.session import pause as pausing

        with self._session() as session:
            return pausing.pause(session, name, reason=reason)

    def resume(self, name: str | None = None) -> str:
        """Let a paused migration go on; return its name. Takes no lock.

        Raises:
            UsageError: no migration has that name, or it is not paused.
        """
        from zmig.session import pause as pausing

        with self._session() as session:
            return pausing.resume(session, name)

    def reset(self) -> list[str]:
        """Drop every schema of the database and what it holds; return the schemas' names.

        Raises:
            UsageError: the manifest's environment is production or staging.
        """
        with self._open(for_reset=True) as opened:
            return opened.reset()

    def _load(
        self, before_files: Callable[[Project], None] | None, *, with_files: bool
    ) -> tuple[Project, Sequence[Migration]]:
        """Read the manifest; return it with its migrations and those that were registered, if they are wanted."""
        if not with_files:
            return project.without_migrations(self._options.manifest, environ=self._options.environ), ()
        loaded = self._project(before_files)
        if not self._registered:
            return loaded, loaded.migrations
        from zmig.project import code_migrations

        return loaded, code_migrations.joined(loaded, self._registered)

    @contextmanager
    def open(self, *, for_reset: bool = False, project: Project | None = None) -> Generator[MigratorSession]:
        """Give what plans and runs over one connection, which is opened when it is needed, and closed after the block.

        `for_reset` reads the manifest without the files of its migrations: a file that cannot run, such as a new one
        without a statement, keeps nobody from beginning anew. `project` is what is run instead of what the manifest
        says: some of its migrations, or with other settings.

        Raises:
            ManifestError: with every problem found; or there are no migrations.
        """
        with self._open(for_reset=for_reset, given=project) as opened:
            yield opened

    @contextmanager
    def _open(
        self,
        request: Request | None = None,
        *,
        for_reset: bool = False,
        for_status: bool = False,
        given: Project | None = None,
    ) -> Generator[MigratorSession]:
        """Give what `open` gives; whether there is anything to do for a `request` that is to be run is asked early.

        So is the status, where that is wanted. `given` is a project to run instead of what the manifest says.
        """
        with self._naming_hints(), ExitStack() as closing:
            early = self._asked_early(request, closing)
            asked = self._status_asked_early(closing) if for_status else None
            begin = early.begin if early is not None else asked and asked.begin
            loaded, migrations = (
                self._load(begin, with_files=not for_reset) if given is None else (given, given.migrations)
            )

            def connect() -> DatabaseSession:
                return closing.enter_context(self._connected(loaded, migrations))

            yield MigratorSession(loaded, migrations, self._options, connect, early, asked)

    def _status_asked_early(self, closing: ExitStack) -> StatusQuestion | None:
        """Return what asks for the status while files are read; None where it is not for it to say."""
        if any(migration.is_conditional for migration in self._registered):
            return None
        from zmig.session.quick_status import StatusQuestion

        asked = StatusQuestion(self._options.database_url, environ=self._options.environ)
        closing.callback(asked.close)
        return asked

    def _asked_early(self, request: Request | None, closing: ExitStack) -> UpToDateQuestion | None:
        """Return what asks whether there is anything to do while files are read; None where it is not for it to say."""
        if self._registered or request is None or not _is_for_all(request):
            return None
        from zmig.session.quick_session import UpToDateQuestion

        early = UpToDateQuestion(self._options.database_url, environ=self._options.environ)
        closing.callback(early.close)
        return early

    @contextmanager
    def _naming_hints(self) -> Generator[None]:
        """Let the commands in hints of errors mean this manifest and database, wherever they are printed."""
        try:
            yield
        except ZmigError as error:
            error.problems = tuple(map(self._options.named, error.problems))
            raise
        except Interrupted as error:
            error.problem = error.problem and self._options.named(error.problem)
            raise

    @contextmanager
    def _connected(self, loaded: Project, migrations: Sequence[Migration]) -> Generator[DatabaseSession]:
        from zmig.session import database_session as database_session

        options = self._options
        target = database_session.target(loaded, options.database_url, environ=options.environ)
        if not migrations and not loaded.declares_migrations:
            raise ManifestError(project.no_migrations(loaded))
        if loaded.secrets:
            target = replace(target, redactor=target.redactor.knowing(loaded.secrets))
        self._redactor = target.redactor
        with database_session.open_session(
            loaded, migrations, target, observer=options.observer, interrupts=options.interrupts
        ) as session:
            yield session

    @contextmanager
    def _session(self) -> Generator[DatabaseSession]:
        with self._open() as opened:
            yield opened.session


@valueclass
class _Options:
    """What a `Migrator` was made with."""

    _: KW_ONLY
    manifest: Path
    database_url: str | None
    observer: Observer
    lock_wait_seconds: float | None
    environ: Mapping[str, str]
    interrupts: Interrupts
    learn: Callable[[Iterable[str]], None]
    """Makes more texts known as secret."""
    named: Callable[[Problem], Problem]
    """Returns a problem of which the hints mean this manifest and database, wherever they are printed."""


def _named(manifest: str, database_url: str | None, problem: Problem) -> Problem:
    return problem.naming(manifest, None if database_url is None else redact(database_url))


def _is_for_all(request: Request) -> bool:
    """Whether a request has nothing to do where every migration is done as it is declared."""
    return isinstance(request, Apply) and request.to is None


class MigratorSession:
    """What plans and runs over one connection: what is asked in turn sees the same manifest, as it was read first."""

    def __init__(
        self,
        project: Project,
        migrations: Sequence[Migration],
        options: _Options,
        connect: Callable[[], DatabaseSession],
        early: UpToDateQuestion | None = None,
        asked: StatusQuestion | None = None,
    ) -> None:
        self._early = early
        self._asked = asked
        self.project = project
        """The manifest, with the files it names."""
        self._migrations = migrations
        self._options = options
        self._connect = connect
        self._session: DatabaseSession | None = None
        self.one_by_one = False
        """Whether each statement of a run is sent by itself, so that the observer can ask the server what it did."""

    @property
    def session(self) -> DatabaseSession:
        """The open database. Raises ConnectionFailed, UsageError, ServerError, TrackingError the first time."""
        if self._session is None:
            self._session = self._connect()
        return self._session

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.session.inspect().database

    def plan(self, request: Request) -> Plan:
        """Return what `run` would run now, or why it would refuse. Reads only."""
        from zmig.project import undeclared

        made = self.plan_of(request, self.session.snapshot())
        if made.direction is not Direction.FORWARD:
            return made
        return replace(made, undeclared=tuple(undeclared.of_project(self.project)))

    def plan_of(self, request: Request, snapshot: DatabaseSnapshot) -> Plan:
        """Return the same of a state that was read; files that no entry names are not looked for."""
        from zmig.planning import planner

        made = planner.plan(request, snapshot.migrations)
        made = self._executor.completed(made, snapshot, is_atomic=request.is_atomic)
        refusals = (replace(refusal, problem=self._options.named(refusal.problem)) for refusal in made.refusals)
        return replace(made, refusals=tuple(refusals))

    def run(self, request: Request, *, confirmed: Plan | None = None, terminate: bool = False) -> RunResult:
        """Run what a request asks for. Raises like `Migrator.migrate`.

        What is refused now is refused before the lock is waited for; what is run is planned once it is held.
        """
        first = self._first_snapshot(request, is_confirmed=confirmed is not None, terminate=terminate)
        if first is None:
            return RunResult(None, Plan(Direction.FORWARD))
        nothing = self._nothing_to_run(request, first, confirmed)
        if nothing is not None:
            return RunResult(None, nothing)
        from zmig.planning import planner

        with self._locked():
            snapshot = self.session.snapshot(holds_lock=True)
            plan = planner.plan(request, snapshot.migrations.after(first.migrations))
            plan, prepared_steps = self._executor.check(plan, snapshot, confirmed)
            if not prepared_steps:
                return RunResult(None, plan)
            try:
                result = self._executor.execute(snapshot, plan, prepared_steps, is_atomic=request.is_atomic)
            except MigrationFailed:
                self._keep_schema_file()
                raise
            if result.completed:
                self._keep_schema_file()
            return result

    def _keep_schema_file(self) -> None:
        """Write the manifest's `schema.file` anew, where that is wanted: of its own database, in development."""
        file = self.project.schema_file
        is_own = self._options.database_url is None
        if file is None or not is_own or self.project.environment is not Environment.DEVELOPMENT:
            return
        from zmig.session import schema_file

        schema_file.keep(self.session, file)

    def _first_snapshot(self, request: Request, *, is_confirmed: bool, terminate: bool) -> DatabaseSnapshot | None:
        """Return the state of every migration before the lock is held; None where it need not be read in full.

        Nothing is left to apply then: the server said so in one answer.
        """
        is_done = self._is_up_to_date() if _is_for_all(request) and not is_confirmed else False
        if is_done:
            return None
        session = self.session
        if terminate:
            session.terminate_holder()
        inspection = session.inspect(to_write=True)
        if is_done is None:
            is_done = session.is_up_to_date(inspection)
        first = None if is_done else session.snapshot(inspection)
        session.report_timeline_change(inspection)
        return first

    def _is_up_to_date(self) -> bool | None:
        """Whether nothing is left to apply, asked while there is no connection; None where that was not asked."""
        if self._session is not None:
            return None
        from zmig.session.quick_session import UpToDateQuestion

        question = self._early or UpToDateQuestion(self._options.database_url, environ=self._options.environ)
        self._early = None
        return question.answer(self.project, self._migrations)

    def status(self) -> DatabaseStatus:
        """Return the state of every migration, and what else the database says for the status.

        Where there are no facts, nothing is said of the schema, but whose history is there. Raises like `session`.
        """
        quick = self._quick_status()
        if quick is None:
            return self._status()
        return replace(quick, schema=self._schema(), is_schema_unclear=False) if quick.is_schema_unclear else quick

    def _status(self) -> DatabaseStatus:
        from zmig.session.quick_status import DatabaseStatus

        session = self.session
        snapshot = session.snapshot()
        change, queue = session.timeline_change(snapshot.inspection), session.lock_queue(snapshot)
        if not snapshot.inspection.has_events:
            return DatabaseStatus(snapshot, change, queue=queue, not_imported=session.not_imported(snapshot))
        used = session.still_used(snapshot)
        return DatabaseStatus(snapshot, change, queue=queue, schema=self._schema(), still_used=used)

    def _schema(self) -> SchemaDrift:
        """Return how the schema differs from what was recorded."""
        from zmig.database import connection as database
        from zmig.session import schema_comparison

        with database.translated(self.session.target):
            return schema_comparison.glance(schema_comparison.source(self.session))

    def _quick_status(self) -> DatabaseStatus | None:
        """Return the status as it is asked without psycopg; None where it is not, or there is a connection."""
        asked, migrations = self._asked, self._migrations
        if asked is None or self._session is not None:
            return None
        if not migrations or any(migration.is_conditional for migration in migrations):
            asked.close()
            return None
        quick = asked.answer(self.project, migrations)
        if quick is not None:
            from zmig.session import quick_session

            options = self._options
            url = self.project.database_url(options.database_url, environ=options.environ)
            options.learn(filter(None, (quick_session.password(url), *self.project.secrets)))
        return quick

    def _nothing_to_run(self, request: Request, snapshot: DatabaseSnapshot, confirmed: Plan | None) -> Plan | None:
        """Return the plan where it has no steps; None where there are some, or another run is to be waited for.

        Raises:
            ManifestError, PlanRefused: something forbids the plan as it is before the lock is waited for.
        """
        from zmig.planning import planner

        if snapshot.migrations.is_someone_running:
            return None
        plan = planner.plan(request, snapshot.migrations)
        if plan.steps or plan.refusals or confirmed is not None:
            plan, _ = self._executor.check(plan, snapshot, confirmed)
        return None if plan.steps else plan

    def rehearse(self, request: Apply | Retry) -> Rehearsal:
        """Run what a request asks for in one transaction that is rolled back. Raises like `Migrator.rehearse`."""
        from zmig.planning import planner

        session = self.session
        with self._locked():
            inspection = session.inspect()
            session.refuse_standby(inspection)
            snapshot = session.snapshot(inspection, holds_lock=True)
            return self._executor.rehearse(planner.plan(request, snapshot.migrations), snapshot)

    def reset(self) -> list[str]:
        """Drop every schema of the database. Raises like `Migrator.reset`."""
        from zmig.database import connection as database
        from zmig.database import reset

        session = self.session
        reset.refuse(self.project.environment, has_citus=session.server.has_citus)
        with session.locked(limit_seconds=self._options.lock_wait_seconds), database.translated(session.target):
            return reset.drop_everything(session.connection, session.target)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Hold the run's lock inside the block, which interruptions end."""
        options, session = self._options, self.session
        with (
            options.interrupts.running(session.connection),
            session.locked(limit_seconds=options.lock_wait_seconds),
        ):
            yield

    @cached_property
    def _executor(self) -> PlanExecutor:
        from zmig.running.executor import PlanExecutor

        options = self._options
        return PlanExecutor(
            self.session,
            observer=options.observer,
            interrupts=options.interrupts,
            environ=options.environ,
            one_by_one=self.one_by_one,
        )
