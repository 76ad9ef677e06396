"""Moments of the console, made of values alone: for pictures that come out the same on every machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widgets import Input
from textual.widgets._footer import FooterKey
from zmig_tui.app import ConsoleApp
from zmig_tui.controller import Controller
from zmig_tui.events import (
    DetailReady,
    EffectsReady,
    EstimatesReady,
    EventReceived,
    ObservationFailed,
    Observed,
    PlanReady,
    RehearsalEnded,
    RunRead,
    StepFileRead,
)
from zmig_tui.models import columns, rows
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.details import Detail, File
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.models.run import Run, advance
from zmig_tui.models.run_tracker import RunTracker
from zmig_tui.plan_work import PlanWork
from zmig_tui.screens import keys
from zmig_tui.screens.databases import DatabasesScreen
from zmig_tui.screens.dialogs import ConfirmDialog
from zmig_tui.screens.log import LogScreen
from zmig_tui.screens.plan import PlanScreen
from zmig_tui.screens.timeline import TimelineScreen
from zmig_tui.target import Target

from tests.support.tales import planned
from zmig.catalog.difference import Difference
from zmig.catalog.objects import Kind as CatalogKind
from zmig.database.activity import Backend, BackendWork, Blocker, ServerProgress
from zmig.database.lock_holder import LockHolder
from zmig.database.lock_queue import Lock, LockQueue, QueuedBackend
from zmig.database.run_reader import RunPage, RunSummary
from zmig.database.table_estimates import TableEstimate
from zmig.errors import Location, Problem
from zmig.facts import EventType, Fact
from zmig.lint.finding import Finding, Severity
from zmig.lint.preview import PlanEffects, StatementEffects, StepEffects, TableLock, TableWork, WorkKind
from zmig.lint.replay.objects import LockMode
from zmig.manifest.declaration import Tracking
from zmig.model import Batch, Environment, Kind, Language, Migration, Repeat, RepeatRule
from zmig.planning import state
from zmig.planning.history import fold
from zmig.planning.plan import Action, Direction, Mode, Plan, Step
from zmig.planning.request import Apply
from zmig.planning.state import Liveness
from zmig.presentation.hints import CommandLine
from zmig.progress import (
    Notice,
    RoundFinished,
    RunStarted,
    StatementFinished,
    StatementStarted,
    StepFinished,
    StepStarted,
)
from zmig.project.project import Project
from zmig.running.rehearsal import Rehearsal, StatementRehearsed, StepRehearsed
from zmig.running.rehearsal import TableLock as TableLocked
from zmig.session import status
from zmig.session.schema_drift import DriftedObject, SchemaDrift, Verdict
from zmig.session.watcher import Observation
from zmig.sql import script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from textual.pilot import Pilot
    from zmig_tui.events import ConsoleEvent

    from zmig.database.table_estimates import TableName
    from zmig.planning.request import Request
    from zmig.planning.state import Entry
    from zmig.progress import Progress

_ROUNDS_TO_BE_STILL = 5
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
CLOCK = 100_000.0
HINTS = CommandLine("manifests/prod.yaml")
RUN_ID = "5d1ec0ffee42"

_NAMES = (
    "001_create_eventstore", "002_create_projections", "003_seed_initial_data", "004_create_customers",
    "005_create_products", "006_create_orders", "007_order_lines", "008_customer_emails", "009_payment_states",
    "010_unique_customer_email", "011_orders_by_customer", "012_backfill_totals", "013_drop_legacy_totals",
)  # fmt: skip

_FAILED_FILE = """\
-- Customers sign in with their e-mail address, so there may be one of each only.
update customers set email = lower(btrim(email));

create unique index concurrently customers_email_key
    on customers (email);

alter table customers
    add constraint customers_email_key unique using index customers_email_key,
    add constraint emial_is_plausible check (emial like '%_@_%');  -- tags text[] default array['new']
"""
_RUNNING_FILE = """\
create index concurrently orders_customer_placed
    on orders (customer_id, placed_at desc);
"""
_ROUNDS_FILE = """\
-- Totals of orders that were placed before totals were kept.
update orders
   set total = (select sum(price * amount) from order_lines where order_id = orders.id)
 where id in (select id from orders where id > :cursor order by id limit :size)
returning id;
"""


def _migration(version: int, name: str) -> Migration:
    is_python = "seed" in name or "backfill" in name
    suffix = "py" if is_python else "sql"
    return Migration(
        version=version,
        name=name,
        kind=Kind.PYTHON if is_python else Kind.SQL,
        language=Language.PYTHON if is_python else Language.SQL,
        file=Path(f"migrations/{name}.{suffix}"),
        checksum=sha256(name.encode()).hexdigest(),
        rollback_file=Path(f"migrations/{name}.rollback.sql"),
        locate=lambda: Location("manifests/prod.yaml", 20 + 4 * version, 5),
    )


def _repeatable(version: int, name: str, checksum: str) -> Migration:
    return Migration(
        version=version,
        name=name,
        kind=Kind.REPEATABLE,
        language=Language.SQL,
        file=Path(f"migrations/{name}.sql"),
        checksum=checksum,
        repeat=Repeat(RepeatRule.CHECKSUM),
        locate=lambda: Location("manifests/prod.yaml", 120, 5),
    )


MIGRATIONS = (
    *(_migration(version, name) for version, name in enumerate(_NAMES, start=1)),
    _repeatable(90, "090_reporting_views", "b" * 64),
    _repeatable(91, "091_fix_display_names", sha256(b"views").hexdigest()),
)


class _Facts:
    """Facts, each a while after the one before."""

    def __init__(self) -> None:
        self.all: list[Fact] = []
        self._at = NOW - timedelta(days=40)

    def add(self, migration: Migration, type: EventType, *, later: timedelta, **data: object) -> None:
        self._at += later
        known: dict[str, object] = {
            "version": migration.version,
            "name": migration.name,
            "checksum": migration.checksum,
        }
        position = len(self.all) + 1
        run = RUN_ID if NOW - self._at < timedelta(hours=1) else "0ldfeedbeef5"
        fact = Fact(
            position,
            migration.name,
            type,
            created_at=self._at,
            data=known | data,
            database_user="deploy",
            run_id=run,
            host="ci-runner-3",
        )
        self.all.append(fact)

    def done(self, migration: Migration, milliseconds: int, *, later: timedelta = timedelta(days=3)) -> None:
        self.add(migration, EventType.STARTED, later=later, attempt=1, transactional=True, backend_pid=4688)
        after = timedelta(milliseconds=milliseconds)
        kind = migration.kind.value
        self.add(migration, EventType.DONE, later=after, duration_ms=milliseconds, statements=3, kind=kind)


def _history(applied: int) -> _Facts:
    facts = _Facts()
    for number, migration in enumerate(MIGRATIONS[:applied], start=1):
        facts.done(migration, [4, 11, 1840, 9, 7, 12, 31, 95_200, 14, 20, 30][number % 11])
    facts.done(MIGRATIONS[-2], 12)
    facts.done(MIGRATIONS[-1], 870, later=timedelta(minutes=1))
    applied_before_it_changed = facts.all[-3]
    old = {**applied_before_it_changed.data, "checksum": "a" * 64}
    facts.all[-3] = replace(applied_before_it_changed, data=old)
    return facts


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known at one moment, and what is done to show it."""

    facts: list[Fact]
    environment: Environment = Environment.PRODUCTION
    work: BackendWork | None = None
    queue: LockQueue | None = None
    holder: LockHolder | None = None
    texts: dict[str, str] = field(default_factory=dict[str, str])
    """The text of each migration's file, by name."""
    act: Callable[[ConsoleApp, Pilot[int]], Awaitable[None]] | None = None
    schema: SchemaDrift | None = None
    effects: PlanEffects = field(default_factory=PlanEffects)
    """What the steps of its plan do."""

    def observation(self) -> Observation:
        history = fold(self.facts)
        liveness = Liveness(NOW, self.holder.pid if self.holder else None)
        entries = state.evaluate(MIGRATIONS, history, liveness)
        project = Project(
            Path("manifests/prod.yaml"),
            "shop",
            environment=self.environment,
            database=None,
            tracking=Tracking(),
            migrations=MIGRATIONS,
            manifests=(),
        )
        return Observation(
            self._status(entries),
            project=project,
            server="db1.internal:5432",
            now=NOW,
            work=self.work,
            queue=self.queue,
        )

    def _status(self, entries: tuple[Entry, ...]) -> status.Status:
        def names(wanted: state.State) -> list[str]:
            return [entry.name for entry in entries if entry.state is wanted]

        return status.Status(
            manifest="shop",
            environment=self.environment,
            database="shop",
            current_version=state.current_version(entries),
            applied=names(state.State.DONE),
            pending=names(state.State.PENDING),
            running=names(state.State.STARTED),
            failed=names(state.State.FAILED),
            stuck=names(state.State.STUCK),
            due=[entry.name for entry in entries if entry.due],
            migrations=entries,
            holder=self.holder,
            schema=self.schema,
        )

    def detail(self, entry: Entry) -> Detail:
        facts = tuple(fact for fact in self.facts if fact.name == entry.name)
        file = File(self.texts.get(entry.name, "select 1;\n"))
        plan = planned(Apply(), [entry])
        modes = {entry.version or 0: Mode(True, "one transaction")}
        statements = sum(1 for _ in script.split(file.text or "", path=entry.name))
        plan = plan.with_modes(modes)
        return Detail(entry, file=file, rollback=File("select 2;\n"), facts=facts, plan=plan, statements=statements)


class StillController(Controller):
    """Does nothing by itself: whoever makes a picture tells what there is to tell."""

    scene: Scene

    def __init__(
        self, target: Target, send: Callable[[ConsoleEvent], None], clock: Callable[[], float], **options: bool
    ) -> None:
        super().__init__(target, send, clock, **options)
        self.plans = StillPlans(self.scene, send)

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def refresh(self, *, ask_repeatables: bool = False) -> None:
        pass

    def request_detail(self, entry: Entry, *, is_urgent: bool) -> None:
        self._send(DetailReady(self.scene.detail(entry)))


class StillPlans(PlanWork):
    """Answers at once with what a scene knows."""

    def __init__(self, scene: Scene, send: Callable[[ConsoleEvent], None]) -> None:
        self._scene = scene
        self._send = send
        self._rehearsal = None

    def plan(self, question: object, request: Request) -> None:
        plan = planned(request, self._scene.observation().status.migrations)
        without = Mode(transactional=False, reason="`CREATE INDEX CONCURRENTLY` in line 1 runs outside of one")
        texts = {step.migration.version: self._scene.texts.get(step.migration.name, "") for step in plan.steps}
        modes = {one: without if "concurrently" in text else Mode(True, "") for one, text in texts.items()}
        self._send(PlanReady(question, plan.with_modes(modes)))

    def forget(self) -> None:
        pass

    def work_out_effects(self, question: object, plan: Plan) -> None:
        self._send(EffectsReady(question, self._scene.effects))

    def estimate(self, question: object, tables: Sequence[TableName]) -> None:
        sizes = {"orders": 1_240_000, "customers": 31_210, "order_lines": 4_890_000}
        self._send(EstimatesReady(question, {table: TableEstimate(sizes.get(table[1]), 0) for table in tables}))

    def read_file(self, question: object, step: Step) -> None:
        self._send(
            StepFileRead(
                question, step.migration.version, File(self._scene.texts.get(step.migration.name, "select 1;\n"))
            )
        )


@asynccontextmanager
async def shown(scene: Scene, size: tuple[int, int]) -> AsyncGenerator[ConsoleApp]:
    """Show a scene."""
    target = Target(Path("manifests/prod.yaml"), None, HINTS, {})
    controller = type("SceneController", (StillController,), {"scene": scene})
    app = ConsoleApp(target, clock=lambda: CLOCK, controller=controller, reading_seconds=0)
    async with app.run_test(size=size) as pilot:
        observation = scene.observation()
        made = rows.RowCache()(observation.status.migrations)
        seen = RunTracker(lambda _: scene.facts).follow(observation)
        app.main.post_message(EventReceived(Observed(observation, made, columns.measure(made), None, seen=seen)))
        await settled(app, pilot)
        if scene.act is not None:
            await scene.act(app, pilot)
            await settled(app, pilot)
        yield app


async def settled(app: ConsoleApp, pilot: Pilot[int]) -> None:
    """Wait until nothing that is under way changes the picture any more.

    Textual's own pauses wait for a process that computes nothing, which on a busy machine is one that is not let. And
    a cursor that blinks is not there half of the time.
    """
    for one in app.screen.query(Input):
        one.cursor_blink = False
    before, same = None, 0
    while same < _ROUNDS_TO_BE_STILL:
        await pilot.pause(0)
        now = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage] - Textual shows it only as SVG
        same = same + 1 if now == before and not _waits(app) else 0
        before = now


def _waits(app: ConsoleApp) -> bool:
    """Whether a question on the screen may not be agreed to yet, or its keys do not show that."""
    question = app.screen
    return isinstance(question, ConfirmDialog | PlanScreen) and (
        not question.may_be_agreed_to or any(key.has_class("-disabled") for key in question.query(FooterKey))
    )


def failed() -> Scene:
    """A migration has failed outside a transaction."""
    facts = _history(9)
    migration = MIGRATIONS[9]
    facts.add(
        migration, EventType.STARTED, later=timedelta(minutes=7), attempt=1, transactional=False, backend_pid=4702
    )
    facts.add(
        migration,
        EventType.FAILED,
        later=timedelta(seconds=48),
        attempt=1,
        duration_ms=48_210,
        transactional=False,
        error={
            "message": 'column "emial" does not exist',
            "sqlstate": "42703",
            "hint": 'Perhaps you meant to reference the column "customers.email".',
            "statement": 3,
            "statements": 3,
            "file": str(migration.file),
            "line": 9,
            "column": 46,
        },
    )
    return Scene(facts.all, texts={migration.name: _FAILED_FILE})


def file() -> Scene:
    """The file of the failed migration, with the place marked."""

    async def act(_app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")

    scene = failed()
    return Scene(scene.facts, texts=scene.texts, act=act)


def _running_scene() -> tuple[_Facts, Migration]:
    facts = _history(10)
    migration = MIGRATIONS[10]
    facts.add(
        migration,
        EventType.STARTED,
        later=NOW - facts.all[-1].created_at - timedelta(minutes=3, seconds=12),
        attempt=2,
        transactional=False,
        backend_pid=4711,
    )
    return facts, migration


def _backend(pid: int, **changes: object) -> Backend:
    values: dict[str, object] = {
        "pid": pid,
        "started_at": NOW - timedelta(hours=1),
        "application_name": f"zmig/{RUN_ID}",
        "database_user": "deploy",
        "host": "10.0.4.17",
        "state": "active",
        "since": NOW - timedelta(minutes=3, seconds=12),
        "query": _RUNNING_FILE.strip().rstrip(";"),
        "query_since": NOW - timedelta(minutes=3, seconds=12),
        "wait": None,
    }
    return Backend(**(values | changes))  # pyright: ignore[reportArgumentType] - the values fit their names


HOLDER = LockHolder(
    4711,
    f"zmig/{RUN_ID}",
    database_user="deploy",
    host="10.0.4.17",
    since=NOW - timedelta(minutes=3, seconds=12),
    query=None,
    migration="011_orders_by_customer",
)


def running() -> Scene:
    """A run of this console builds an index."""
    facts, migration = _running_scene()
    progress = ServerProgress(
        "create index concurrently",
        "building index: scanning table",
        relation="orders",
        done=430_112,
        total=1_000_000,
        unit="blocks",
    )

    async def act(app: ConsoleApp, _pilot: Pilot[int]) -> None:
        run = Run("apply", CLOCK - 214)
        for at, one in _heard(migration):
            run = advance(run, one, CLOCK - at)
        app.main.model.runs.own = run
        app.main.redraw()

    return Scene(
        facts.all,
        work=BackendWork(_backend(4711), progress),
        holder=HOLDER,
        texts={migration.name: _RUNNING_FILE},
        act=act,
    )


def _heard(migration: Migration) -> list[tuple[float, Progress]]:
    before = Step(MIGRATIONS[9], Action.RETRY, "failed")
    step = Step(migration, Action.APPLY, "pending", attempt=2)
    others = tuple(Step(one, Action.APPLY, "pending") for one in MIGRATIONS[11:13])
    plan = Plan(Direction.FORWARD, (before, step, *others))
    return [
        (214, RunStarted(RUN_ID, plan, "shop")),
        (214, StepStarted(before, 1, 4, attempt=2, statements=3)),
        (213, StatementStarted(before, 1, 3, line=2, text="update customers set email = lower(btrim(email))")),
        (202, StatementFinished(before, 1, 3, 12_031, 11.2)),
        (201, Notice(before, "NOTICE", "12,031 addresses were changed [for good]")),
        (
            196,
            StatementStarted(
                before, 2, 3, line=4, text="create unique index concurrently customers_email_key on customers (email)"
            ),
        ),
        (192, StatementFinished(before, 2, 3, None, 3.7)),
        (192, StepFinished(before, 1, 4, 22.0)),
        (192, StepStarted(step, 2, 4, attempt=2, statements=1)),
        (
            192,
            StatementStarted(
                step, 1, 1, line=1, text="create index concurrently orders_customer_placed on orders (customer_id, …"
            ),
        ),
    ]


def log() -> Scene:
    """The log of a run of this console."""
    scene = running()

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        assert scene.act is not None
        await scene.act(app, pilot)
        await app.push_screen(
            LogScreen(app.main.model, app.main.prompts, wall=lambda at: NOW - timedelta(seconds=CLOCK - at))
        )

    return replace(scene, act=act)


def rounds() -> Scene:
    """A run of this console changes rows in rounds, and its file is open beside it."""
    facts = _history(11)
    migration = replace(MIGRATIONS[11], language=Language.SQL, kind=Kind.SQL, batch=Batch(size=5000))
    facts.add(migration, EventType.STARTED, later=NOW - facts.all[-1].created_at - timedelta(seconds=48), attempt=1)
    step = Step(migration, Action.APPLY, "pending")
    last = Step(MIGRATIONS[12], Action.APPLY, "pending")
    plan = Plan(Direction.FORWARD, (step, last))

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        run = Run("apply", CLOCK - 48)
        for one in (
            RunStarted(RUN_ID, plan, "shop"),
            StepStarted(step, 1, 2, attempt=1, statements=1),
            StatementStarted(step, 1, 1, line=2, text="update orders set total = …"),
        ):
            run = advance(run, one, CLOCK - 48)
        for second in range(4, 48, 4):
            rows = 620_000 - (48 - second) * (9_000 + second * 80)
            lag = 4.0 if second == 28 else second / 40
            one = RoundFinished(step, 2 * second, rows, 1_000_000, 12_916.7, 29.4, lag_seconds=lag)
            run = advance(run, one, CLOCK - 48 + second)
        run = advance(run, RoundFinished(step, 124, 620_000, 1_000_000, 12_916.7, 29.4, lag_seconds=1.2), CLOCK)
        app.main.model.runs.own = run
        app.main.redraw()
        await pilot.press("2")

    holder = replace(HOLDER, migration=migration.name)
    return Scene(facts.all, holder=holder, texts={migration.name: _ROUNDS_FILE}, act=act)


def blocked() -> Scene:
    """A run in another process waits for locks."""
    facts, migration = _running_scene()
    psql = _backend(
        4655,
        application_name="psql",
        database_user="anna",
        host=None,
        state="idle in transaction",
        since=NOW - timedelta(minutes=41),
        query="select * from orders where customer_id = 7 for update",
    )
    report = _backend(
        4690,
        application_name="nightly report",
        database_user="report",
        since=NOW - timedelta(minutes=6),
        wait="Lock: transactionid",
        query="update orders set exported = true where placed_at < now() - interval '1 day'",
    )
    work = BackendWork(
        _backend(4711, wait="Lock: virtualxid"),
        ServerProgress(
            "create index concurrently",
            "waiting for writers before build",
            relation="orders",
            done=1,
            total=2,
            unit="transactions",
        ),
        (Blocker(0, 4711, 4690, report), Blocker(1, 4690, 4655, psql)),
    )
    return Scene(facts.all, work=work, queue=_queue(), holder=HOLDER, texts={migration.name: _RUNNING_FILE})


def _queue() -> LockQueue:
    """Those that wait for the run while it waits for locks."""

    def wants(pid: int, mode: str, target: str, seconds: int) -> Lock:
        return Lock(pid, target, mode, is_held=False, since=NOW - timedelta(seconds=seconds), target=target)

    def waiting(pid: int, name: str, lock: Lock, query: str, depth: int = 0, waits_for: int = 4711) -> QueuedBackend:
        backend = _backend(
            pid, application_name=name, database_user="app", since=lock.since, query=query, wait="Lock: relation"
        )
        return QueuedBackend(depth, waits_for, pid, lock, backend)

    share, exclusive = "ShareLock", "ShareUpdateExclusiveLock"
    queued = (
        waiting(4801, "vacuum", wants(4801, exclusive, "table orders", 74), "vacuum (analyze) orders"),
        waiting(
            4802, "web-app", wants(4802, exclusive, "table orders", 61), "alter table orders validate constraint x"
        ),
        waiting(
            4803, "web-app", wants(4803, share, "a row of customers", 17), "update customers set seen = now()", 1, 4802
        ),
    )
    return LockQueue(
        4711,
        wants(4711, share, "the end of a transaction", 192),
        queued,
        (("web-app", 2), ("vacuum", 1)),
        held={4690: (Lock(4690, "o", "RowExclusiveLock", is_held=True, target="table orders"),)},
        waits={
            4711: wants(4711, share, "the end of a transaction", 192),
            4690: wants(4690, share, "a row of orders", 350),
        }
        | {one.pid: one.lock for one in queued},
    )


def waits() -> Scene:
    """Who waits for whom, while a run waits for locks."""

    async def act(_app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("w", "down", "down", "down")

    return replace(blocked(), act=act)


def timeline() -> Scene:
    """What a run did when: one migration waited for a lock again and again, and was paused."""
    facts = _Facts()
    start = NOW - timedelta(minutes=9)

    def add(second: float, version: int, type: EventType, **data: object) -> None:
        last = facts.all[-1].created_at if facts.all else NOW - timedelta(days=40)
        facts.add(MIGRATIONS[version - 1], type, later=start + timedelta(seconds=second) - last, **data)

    timeout = {"message": "canceling statement due to lock timeout", "sqlstate": "55P03"}
    report = [{"pid": 4690, "application_name": "nightly report", "seen": 3}]
    add(0, 8, EventType.STARTED, attempt=1)
    add(41, 8, EventType.DONE, attempt=1, duration_ms=41_000)
    for number, second in enumerate((41, 60, 84), start=1):
        add(second, 9, EventType.STARTED, attempt=number)
        add(second + 9, 9, EventType.FAILED, attempt=number, error=timeout, will_retry=True, blocked_by=report)
    add(120, 9, EventType.STARTED, attempt=4)
    add(150, 9, EventType.PAUSED)
    add(240, 9, EventType.RESUMED)
    add(300, 9, EventType.DONE, attempt=4, duration_ms=180_000)
    add(300, 10, EventType.STARTED, attempt=1)
    add(302, 10, EventType.DONE, attempt=1, duration_ms=2000)
    add(302, 11, EventType.STARTED, attempt=1)
    add(390, 11, EventType.FAILED, attempt=1, error={"message": 'column "emial" does not exist'})
    begun, ended = facts.all[0], facts.all[-1]
    summary = RunSummary(
        RUN_ID,
        begun.position,
        ended.position,
        began=begun.created_at,
        last_at=ended.created_at,
        database_user="deploy",
        host="ci-runner-3",
        begun=7,
        done=3,
        failed=1,
        rolled_back=0,
        last_type=EventType.FAILED,
        will_retry=False,
        is_interrupted=False,
    )

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        app.main.model.run_list.take(RunPage((summary,), 0, None))
        await pilot.press("v")
        await settled(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        app.main.post_message(EventReceived(RunRead(RUN_ID, tuple(facts.all))))
        await settled(app, pilot)
        assert isinstance(app.screen, TimelineScreen)
        app.screen.draw()

    return Scene(facts.all, act=act)


_STATES_FILE = """\
-- description: Every payment has a state that is known.
alter table orders
    alter column customer_id type bigint;

create index orders_state on orders (state);

alter table order_lines
    add constraint amount_is_positive check (amount > 0);
"""
_ORDERS, _LINES = ("public", "orders"), ("public", "order_lines")


def _finding(line: int, rule: str, message: str, *fix: str, hint: str) -> Finding:
    return Finding(
        f"migrations/{MIGRATIONS[8].name}.sql",
        line,
        1,
        rule=rule,
        message=message,
        severity=Severity.ERROR,
        end_line=line,
        end_column=40,
        hint=hint,
        fix=fix,
    )


def _plan_effects() -> PlanEffects:
    """What the plan of the scenes does."""
    everything, writers, others = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE, LockMode.SHARE_UPDATE_EXCLUSIVE
    states = StepEffects(
        9,
        (
            StatementEffects(
                2,
                1,
                locks=(TableLock(_ORDERS, everything),),
                work=(TableWork(WorkKind.REWRITE, _ORDERS, "since `customer_id` changes from `integer` to `bigint`"),),
            ),
            StatementEffects(
                5,
                1,
                locks=(TableLock(_ORDERS, writers),),
                work=(TableWork(WorkKind.BUILD, _ORDERS, "the index `orders_state`"),),
            ),
            StatementEffects(
                7,
                1,
                locks=(TableLock(_LINES, everything),),
                work=(TableWork(WorkKind.SCAN, _LINES, "to check `amount_is_positive` for every row"),),
            ),
        ),
        (
            _finding(
                5,
                "squawk/require-concurrent-index-creation",
                "nobody can write `orders` while the index is built",
                "create index concurrently orders_state on orders (state);",
                hint="build it concurrently, in a migration of its own",
            ),
        ),
    )
    email = StatementEffects(
        1,
        1,
        locks=(TableLock(("public", "customers"), others),),
        work=(
            TableWork(WorkKind.BUILD, ("public", "customers"), "the index `customers_email_key`", is_concurrent=True),
        ),
    )
    drop = StatementEffects(
        1,
        1,
        locks=(TableLock(_ORDERS, everything),),
        drops=("the column `orders.legacy_total`",),
        loses=("the column `orders.legacy_total`",),
    )
    return PlanEffects({9: states, 10: StepEffects(10, (email,), ()), 13: StepEffects(13, (drop,), ())})


_PLAN_TEXTS = {
    MIGRATIONS[8].name: _STATES_FILE,
    MIGRATIONS[9].name: "create unique index concurrently customers_email_key on customers (email);\n",
    MIGRATIONS[12].name: "alter table orders drop column legacy_total;\n",
}


def plan() -> Scene:
    """What an apply in production would do, and what came of rehearsing it."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("p")
        await settled(app, pilot)
        screen = app.main.actions.plans.screen
        assert screen is not None
        plan = screen.model.plan
        assert plan is not None
        measured = (
            ("alter table orders …", 2, 41.2, everything := "AccessExclusive"),
            ("create index", 5, 3.7, "Share"),
        )
        statements = [
            StatementRehearsed(
                number,
                line,
                text,
                seconds=seconds,
                rows=None,
                locks=(TableLocked("public.orders", mode),),
                rewritten=(),
            )
            for number, (text, line, seconds, mode) in enumerate(measured, start=1)
        ]
        lines = (TableLocked("public.order_lines", everything),)
        statements.append(StatementRehearsed(3, 7, "alter table", seconds=12.9, rows=None, locks=lines, rewritten=()))
        why = "runs without a transaction of its own"
        steps = [StepRehearsed(plan.steps[0], "", tuple(statements))]
        steps += [StepRehearsed(step, "", skipped=why) for step in plan.steps[1:]]
        event = RehearsalEnded(screen.model.question, Rehearsal(plan, tuple(steps)))
        app.main.post_message(EventReceived(event))

    return Scene(_history(8).all, texts=_PLAN_TEXTS, effects=_plan_effects(), act=act)


def refused() -> Scene:
    """Why an apply may not run, above what it would do."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("a")
        await settled(app, pilot)

    facts = _history(9)
    first = next(at for at, fact in enumerate(facts.all) if fact.type is EventType.DONE)
    facts.all[first] = replace(facts.all[first], data={**facts.all[first].data, "checksum": "a" * 64})
    return Scene(facts.all, texts=_PLAN_TEXTS, effects=_plan_effects(), act=act)


_UNDOING = """\
drop index order_lines_order;
alter table payments drop column state;
"""


def undo() -> Scene:
    """What rolling back in production takes away."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("home", *["down"] * 6, "U")
        await settled(app, pilot)

    payments = ("public", "payments")
    index = StatementEffects(
        1, 1, locks=(TableLock(_LINES, LockMode.ACCESS_EXCLUSIVE),), drops=("the index `order_lines_order`",)
    )
    column = StatementEffects(
        2,
        1,
        locks=(TableLock(payments, LockMode.ACCESS_EXCLUSIVE),),
        drops=("the column `payments.state`", "the view `open_payments`, with it"),
        loses=("the column `payments.state`",),
    )
    effects = PlanEffects({9: StepEffects(9, (index, column), ()), 8: StepEffects(8, (), ())})
    return Scene(_history(9).all, texts={MIGRATIONS[8].name: _UNDOING}, effects=effects, act=act)


def question() -> Scene:
    """Undoing in production has to be agreed to by typing the database's name."""
    scene = undo()

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        assert scene.act is not None
        await scene.act(app, pilot)
        await pilot.press("enter")
        await settled(app, pilot)
        assert isinstance(app.screen, ConfirmDialog)

    return replace(scene, act=act)


def away() -> Scene:
    """The database does not answer any more, and the manifest has been broken meanwhile."""

    async def act(app: ConsoleApp, _pilot: Pilot[int]) -> None:
        problem = Problem(
            "manifest-invalid",
            "manifest entry `0012` has an unknown kind `sqll`",
            Location("manifests/prod.yaml", 63, 11, text="    kind: sqll", width=4),
            facts=("kinds: sql, python, repeatable",),
            hint="write `kind: sql`",
        )
        app.main.post_message(EventReceived(ObservationFailed((problem,), is_unreachable=False)))
        lost = Problem("no-connection", "the database at `db1.internal:5432` cannot be reached")
        app.main.post_message(EventReceived(ObservationFailed((lost,), is_unreachable=True)))

    return Scene(_history(9).all, environment=Environment.STAGING, act=act)


def drifted() -> Scene:
    """Others have changed the schema since the last run."""
    names = ((CatalogKind.TABLE, "public.notes"), (CatalogKind.INDEX, "public.orders_by_customer"))
    objects = [DriftedObject(Difference(kind, name, None, "")) for kind, name in names]
    return Scene(_history(13).all, schema=SchemaDrift(Verdict.CHANGED, objects=objects))


def databases() -> Scene:
    """Several databases: one is ahead of production, one has drifted, one does not answer, one was never reached."""

    def model(name: str, scene: Scene | None, *, answers: bool = True) -> ConsoleModel:
        found = ConsoleModel(f"manifests/{name}.yaml", KeyHints(HINTS, keys.KEYS), lambda: CLOCK)
        if scene is not None:
            observation = scene.observation()
            made = rows.RowCache()(observation.status.migrations)
            found.observe(observation, made, columns.measure(made), None, is_running=False)
        if not answers:
            found.note_failure((), is_unreachable=True)
            found.unreachable_since = CLOCK - 192
        return found

    async def act(app: ConsoleApp, _pilot: Pilot[int]) -> None:
        earlier = Scene(_history(8).all)
        staging = replace(running(), environment=Environment.STAGING)
        development = replace(drifted(), environment=Environment.DEVELOPMENT)
        away = Scene(_history(13).all, environment=Environment.TEST)
        models = [
            model("prod", earlier),
            model("staging", staging),
            model("development", development),
            model("test", away, answers=False),
            model("preview", None),
        ]
        app.push_screen(DatabasesScreen(models, 0))

    return Scene(_history(8).all, act=act)


def commands() -> Scene:
    """The command palette, narrowed, beside a run in another process."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p", *"ro")

    scene = blocked()
    return replace(scene, act=act)


def key_list() -> Scene:
    """The help, on a failure."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")

    return replace(failed(), act=act)


SCENES: dict[str, Callable[[], Scene]] = {
    scene.__name__: scene
    for scene in (
        *(failed, file, running, log, rounds, blocked, waits, plan, refused, undo, question, away, drifted, databases),
        *(commands, key_list, timeline),
    )
}
