"""Carries plans out: reads the files of a plan's steps, checks it, and runs it under the lock.

Imported only where there is something to run, or to be planned in full, so that a run with nothing to do costs
little more than its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.database import connection as database
from zmig.database import roles
from zmig.errors import PlanRefused, Problem
from zmig.observer import Outbox
from zmig.project import prepare
from zmig.running import atomic, python_functions
from zmig.running.atomic import AtomicRunner
from zmig.running.group_commit import Relay
from zmig.running.monitor import Lookout
from zmig.running.runner import Runner
from zmig.running.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.invocation import Invocation
    from zmig.planning.existing_objects import Existing
    from zmig.planning.plan import Plan, Refusal
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Observer
    from zmig.project.prepare import Work
    from zmig.running.rehearsal import Rehearsal
    from zmig.running.result import RunResult
    from zmig.session.session import Opened
    from zmig.session.snapshot import View


class Carrier:
    """What carries plans out over one open database."""

    def __init__(
        self,
        opened: Opened,
        *,
        observer: Observer,
        interrupts: Interrupts,
        environ: Mapping[str, str],
        invocation: Invocation,
    ) -> None:
        self._opened = opened
        self._observer = observer
        self._interrupts = interrupts
        self._environ = environ
        self._environ_before = dict(environ)
        self._invocation = invocation
        self._works_read: tuple[Plan, tuple[Work, ...]] | None = None
        """The plan whose files were read last, with them."""
        self._existing: tuple[Existing | None] | None = None
        """What was in the database before the first run, once that was looked for."""

    def completed(self, plan: Plan, *, is_atomic: bool = False) -> Plan:
        """Return a plan with what the files of its steps, and the roles they run as, say of it."""
        plan, works = self._read(plan)
        return plan.with_refusals(atomic.refusals(works)) if is_atomic else plan

    def check(self, plan: Plan, confirmed: Plan | None) -> tuple[Plan, tuple[Work, ...]]:
        """Return a plan that may be carried out, with its steps' files.

        Raises:
            ManifestError: with every problem of every file.
            PlanRefused: something forbids it, or it is not the plan that was confirmed.
        """
        plan.check()
        plan, works = self._read(plan)
        plan.check()
        if confirmed is not None and confirmed.fingerprint != plan.fingerprint:
            raise PlanRefused(self._changed(confirmed, plan))
        return plan, works

    def _read(self, plan: Plan) -> tuple[Plan, tuple[Work, ...]]:
        works = self._works(plan)
        plan = plan.with_modes({work.step.migration.version: work.mode for work in works})
        begun = [work for work in works if work.step.unended is not None or work.step.checkpoint is not None]
        if begun:
            from zmig.running import resume

            plan = plan.with_refusals(resume.refusals(begun, invocation=self._invocation))
        with database.translated(self._opened.target):
            plan = plan.with_refusals(roles.refusals(self._opened.connection, plan))
            return (plan.with_refusals(self._of_existing(plan)) if plan.is_first else plan), works

    def _of_existing(self, plan: Plan) -> Iterator[Refusal]:
        """Yield what forbids a first run on a database that holds something already; it is looked for once."""
        from zmig.database import user_objects
        from zmig.planning import refusals

        opened = self._opened
        if not plan.steps or opened.project.tracking.allow_existing:
            return
        if self._existing is None:
            self._existing = (user_objects.look(opened.connection, opened.project.tracking.schema),)
        (existing,) = self._existing
        if existing is not None:
            name = opened.connection.info.dbname
            yield refusals.of_existing(plan, existing, database=name, invocation=self._invocation)

    def _works(self, plan: Plan) -> tuple[Work, ...]:
        """Return a plan's files; what was read before the lock was held is what was looked through, so it is kept."""
        if self._works_read is None or self._works_read[0] != plan:
            self._works_read = plan, prepare.read(plan, conforming=self._opened.server.conforms)
        return self._works_read[1]

    def _changed(self, confirmed: Plan, now: Plan) -> Problem:
        return Problem(
            "plan-changed",
            "the plan changed since it was confirmed",
            facts=(f"confirmed: {confirmed.summary}", f"now: {now.summary}"),
            effect="nothing was run",
            hint=f"look at it again with `{self._invocation.command('plan')}`",
        )

    def carry_out(self, view: View, plan: Plan, works: tuple[Work, ...], *, is_atomic: bool) -> RunResult:
        """Run the steps of a checked plan; the lock is held."""
        opened, works = self._opened, python_functions.load(works)
        if is_atomic:
            atomic.check(works)
        opened.store.check_names(work.step.migration.name for work in works)
        with database.translated(opened.target):
            opened.prepare_store(view)
        with Lookout(opened.target, opened.run.backend_pid, self._observer).watching() as observer:
            kind = AtomicRunner if is_atomic else Runner
            outbox = Outbox(observer)
            session, relay = self._session(outbox), Relay(works, outbox, may_share_flush=opened.server.may_share_flush)
            return kind(session, relay, plan, works, target=opened.target, invocation=self._invocation).run()

    def rehearse(self, plan: Plan) -> Rehearsal:
        """Run the steps of a plan in one transaction that is rolled back; the lock is held."""
        from zmig.running import rehearsal

        plan, works = self.check(plan, None)
        with database.translated(self._opened.target):
            return rehearsal.rehearse(self._session(self._observer), plan, works)

    def _session(self, observer: Observer) -> Session:
        opened = self._opened
        return Session(
            connection=opened.connection,
            server=opened.server,
            store=opened.store,
            lock=opened.lock,
            run=opened.run,
            observer=observer,
            interrupts=self._interrupts,
            redact=opened.target.redactor,
            record_detail=opened.project.tracking.record_detail,
            environ=self._environ,
            environ_before=self._environ_before,
        )
