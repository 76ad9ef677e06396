"""Carries plans out: reads the files of a plan's steps, checks it, and runs it under the lock.

Imported only where there is something to run, or to be planned in full, so that a run with nothing to do costs
little more than its connection.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zmig.database import connection as database
from zmig.database import roles
from zmig.errors import PlanRefused, Problem
from zmig.hints import Hint, command
from zmig.observer import BufferedObserver
from zmig.planning import refusals
from zmig.progress import Notice
from zmig.project import prepare
from zmig.running import python_functions, scope
from zmig.running.blocker_memory import BlockerMemory
from zmig.running.failure_recorder import FailureRecorder
from zmig.running.group_commit import GroupCommit
from zmig.running.monitor import BlockingMonitor
from zmig.running.run_session import RunSession
from zmig.running.runner import Runner
from zmig.running.scope import PerStep, WholePlan
from zmig.running.transport import Direct
from zmig.session.schema_record import SchemaRecord
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.planning.existing_objects import Existing
    from zmig.planning.plan import Plan, Refusal, RunResult
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer
    from zmig.project.prepare import PreparedStep
    from zmig.running.rehearsal import Rehearsal
    from zmig.session.database_session import DatabaseSession
    from zmig.session.snapshot import DatabaseSnapshot
    from zmig.session.tool_use import StillUsed


class PlanExecutor:
    """What carries plans out over one open database."""

    def __init__(
        self,
        session: DatabaseSession,
        *,
        observer: Observer,
        interrupts: Interrupts,
        environ: Mapping[str, str],
        one_by_one: bool = False,
    ) -> None:
        self._session = session
        self._one_by_one = one_by_one
        self._observer = observer
        self._interrupts = interrupts
        self._environ = environ
        self._environ_before = dict(environ)
        self._prepared_for: tuple[Plan, tuple[PreparedStep, ...]] | None = None
        """The plan whose files were read last, with them."""
        self._existing: tuple[Existing | None] | None = None
        """What was in the database before the first run, once that was looked for."""
        self._still_used: tuple[StillUsed, ...] = ()
        """What other tools have done since their histories were imported, as of the plan that was read last."""

    def completed(self, plan: Plan, snapshot: DatabaseSnapshot, *, is_atomic: bool = False) -> Plan:
        """Return a plan with what the files of its steps, the roles they run as, and other tools say of it."""
        plan, prepared_steps = self._read(plan, snapshot)
        return plan.with_refusals(scope.refusals(prepared_steps)) if is_atomic else plan

    def check(
        self, plan: Plan, snapshot: DatabaseSnapshot, confirmed: Plan | None
    ) -> tuple[Plan, tuple[PreparedStep, ...]]:
        """Return a plan that may be carried out, with its steps' files; `snapshot` is what it was made of.

        Raises:
            ManifestError: with every problem of every file.
            PlanRefused: something forbids it, or it is not the plan that was confirmed.
        """
        plan.check()
        plan, prepared_steps = self._read(plan, snapshot)
        plan.check()
        if confirmed is not None and confirmed.fingerprint != plan.fingerprint:
            raise PlanRefused(self._changed(confirmed, plan))
        return plan, prepared_steps

    def _read(self, plan: Plan, snapshot: DatabaseSnapshot) -> tuple[Plan, tuple[PreparedStep, ...]]:
        prepared_steps = self._prepared(plan)
        plan = plan.with_modes({prepared.step.migration.version: prepared.mode for prepared in prepared_steps})
        begun = [
            prepared
            for prepared in prepared_steps
            if prepared.step.unended is not None or prepared.step.checkpoint is not None
        ]
        if begun:
            from zmig.running import resume

            plan = plan.with_refusals(resume.refusals(begun))
        with database.translated(self._session.target):
            plan = plan.with_refusals(roles.refusals(self._session.connection, plan))
            plan = plan.with_refusals(self._of_other_tools(plan, snapshot))
            return (plan.with_refusals(self._of_existing(plan)) if plan.is_first else plan), prepared_steps

    def _of_other_tools(self, plan: Plan, snapshot: DatabaseSnapshot) -> Iterator[Refusal]:
        """Yield what forbids to run what another tool has applied."""
        self._still_used = self._session.still_used(snapshot) if plan.steps else ()
        for used in self._still_used:
            ids = {one.version: one.id for one in used.done}
            yield from refusals.of_done_elsewhere(plan, ids, tool=used.tool, table=used.table)

    def _of_existing(self, plan: Plan) -> Iterator[Refusal]:
        """Yield what forbids a first run on a database that holds something already; it is looked for once."""
        from zmig.database import user_objects

        session = self._session
        if not plan.steps or session.project.tracking.allow_existing:
            return
        if self._existing is None:
            self._existing = (user_objects.find(session.connection, session.project.tracking.schema),)
        (existing,) = self._existing
        if existing is not None and not self._was_imported():
            name = session.connection.info.dbname
            yield refusals.of_existing(plan, existing, database=name)

    def _was_imported(self) -> bool:
        """Whether another tool's history was looked at, though it had nothing of these migrations."""
        from zmig.database import imported_facts

        session = self._session
        return session.inspect().has_events and bool(imported_facts.rows(session.connection, session.store.events))

    def _prepared(self, plan: Plan) -> tuple[PreparedStep, ...]:
        """Return a plan's files; what was read before the lock was held is what was looked through, so it is kept."""
        if self._prepared_for is None or self._prepared_for[0] != plan:
            self._prepared_for = plan, prepare.read(plan, conforming=self._session.server.conforms)
        return self._prepared_for[1]

    def _changed(self, confirmed: Plan, now: Plan) -> Problem:
        return Problem(
            "plan-changed",
            "the plan changed since it was confirmed",
            facts=(f"confirmed: {confirmed.summary}", f"now: {now.summary}"),
            effect="nothing was run",
            hint=Hint("look at it again with ", command("plan")),
        )

    def execute(
        self, snapshot: DatabaseSnapshot, plan: Plan, prepared_steps: tuple[PreparedStep, ...], *, is_atomic: bool
    ) -> RunResult:
        """Run the steps of a checked plan; the lock is held."""
        session, prepared_steps = self._session, python_functions.load(prepared_steps)
        if is_atomic:
            scope.check(prepared_steps)
        session.store.check_names(prepared.step.migration.name for prepared in prepared_steps)
        with database.translated(session.target):
            session.prepare_store(snapshot)
        for message in (message for used in self._still_used for message in used.messages):
            self._observer(Notice(None, "WARNING", message))
        monitor = BlockingMonitor(session.target, session.run.backend_pid, self._observer)
        with monitor.watching() as observer:
            record = SchemaRecord(session) if session.project.verify.record else None
            if record is not None and snapshot.inspection.has_events:
                record.note_others(observer)
            run_session = self._run_session(observer, monitor.memory)
            return self._runner(plan, prepared_steps, run_session, record, is_atomic=is_atomic).run()

    def _runner(
        self,
        plan: Plan,
        prepared_steps: tuple[PreparedStep, ...],
        run_session: RunSession,
        record: SchemaRecord | None,
        *,
        is_atomic: bool,
    ) -> Runner:
        session, transport, observer = self._session, Direct(), run_session.observer
        may_share_flush = session.server.may_share_flush and session.project.tracking.group_commit
        if may_share_flush and not (is_atomic or self._one_by_one):
            observer = buffered = BufferedObserver(observer)
            transport = GroupCommit(prepared_steps, buffered)
            run_session = replace(run_session, observer=buffered)
        return Runner(
            run_session,
            transport,
            WholePlan(run_session) if is_atomic else PerStep(run_session, transport),
            FailureRecorder(run_session, transport, plan, target=session.target),
            plan=plan,
            prepared_steps=prepared_steps,
            target=session.target,
            observe=record and partial(record.observe, observer),
        )

    def rehearse(self, plan: Plan, snapshot: DatabaseSnapshot) -> Rehearsal:
        """Run the steps of a plan in one transaction that is rolled back; the lock is held."""
        from zmig.running import rehearsal

        plan, prepared_steps = self.check(plan, snapshot, None)
        with database.translated(self._session.target):
            return rehearsal.rehearse(self._run_session(self._observer, BlockerMemory()), plan, prepared_steps)

    def _run_session(self, observer: Observer, blockers: BlockerMemory) -> RunSession:
        session = self._session
        return RunSession(
            connection=session.connection,
            server=session.server,
            store=session.store,
            lock=session.lock,
            run=session.run,
            observer=observer,
            blockers=blockers,
            interrupts=self._interrupts,
            redact=session.target.redactor,
            record_detail=session.project.tracking.record_detail,
            environ=self._environ,
            environ_before=self._environ_before,
            one_by_one=self._one_by_one,
        )
