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
from zmig_tui.events import DetailReady, EventReceived, ObservationFailed, Observed, PlanReady, RunRead
from zmig_tui.models import columns, rows
from zmig_tui.models.console import ConsoleModel
from zmig_tui.models.details import Detail, File
from zmig_tui.models.key_hints import KeyHints
from zmig_tui.models.run import Run, advance
from zmig_tui.models.run_tracker import RunTracker
from zmig_tui.pages import plan_text
from zmig_tui.screens import keys
from zmig_tui.screens.databases import DatabasesScreen
from zmig_tui.screens.dialogs import ConfirmDialog, TextDialog
from zmig_tui.screens.log import LogScreen
from zmig_tui.screens.timeline import TimelineScreen
from zmig_tui.target import Target

from tests.support.tales import planned
from zmig.catalog.difference import Difference
from zmig.catalog.objects import Kind as CatalogKind
from zmig.database.activity import Backend, BackendWork, Blocker, ServerProgress
from zmig.database.lock_holder import LockHolder
from zmig.database.lock_queue import Lock, LockQueue, QueuedBackend
from zmig.database.run_reader import RunPage, RunSummary
from zmig.errors import Location, Problem
from zmig.facts import EventType, Fact
from zmig.manifest.declaration import Tracking
from zmig.model import Batch, Environment, Kind, Language, Migration, Repeat, RepeatRule
from zmig.planning import state
from zmig.planning.history import fold
from zmig.planning.plan import Action, Direction, Mode, Plan, Step
from zmig.planning.request import Apply, Rollback
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
from zmig.session import status
from zmig.session.schema_drift import DriftedObject, SchemaDrift, Verdict
from zmig.session.watcher import Observation
from zmig.sql import script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from textual.pilot import Pilot

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

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def refresh(self, *, ask_repeatables: bool = False) -> None:
        pass

    def request_detail(self, entry: Entry, *, is_urgent: bool) -> None:
        self._send(DetailReady(self.scene.detail(entry)))


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
    return isinstance(question, ConfirmDialog) and (
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


def question() -> Scene:
    """Undoing in production has to be agreed to by typing the database's name."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        observation = app.main.model.observation
        assert observation is not None
        plan = planned(Rollback(to=7), observation.status.migrations)
        app.main.actions.show_plan(PlanReady(Rollback(to=7), plan, is_dry=False))
        await settled(app, pilot)
        assert isinstance(app.screen, ConfirmDialog)

    return Scene(_history(9).all, act=act)


def dry_run() -> Scene:
    """What an apply would do."""

    async def act(app: ConsoleApp, pilot: Pilot[int]) -> None:
        observation = app.main.model.observation
        assert observation is not None
        plan = planned(Apply(), observation.status.migrations)
        app.main.actions.show_plan(PlanReady(Apply(), plan, is_dry=True))
        await settled(app, pilot)
        assert isinstance(app.screen, TextDialog), plan_text.plan_summary(plan)

    return Scene(failed().facts, act=act)


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
        *(failed, file, running, log, rounds, blocked, waits, question, dry_run, away, drifted, databases),
        *(commands, key_list, timeline),
    )
}
