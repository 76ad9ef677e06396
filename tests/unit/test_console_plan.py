"""The plan's pages and models, made of values."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from zmig_tui.models.details import File
from zmig_tui.models.durations import EarlierDuration
from zmig_tui.models.plan import PlanModel
from zmig_tui.pages import effects_text, plan_head, plan_step
from zmig_tui.pages.plan_list import PlanList
from zmig_tui.plan_watch import PlanWatch

from tests.support.tales import planned
from zmig.database.table_estimates import TableEstimate
from zmig.errors import Problem
from zmig.facts import EventType, Fact
from zmig.lint.finding import Finding, Severity
from zmig.lint.preview import PlanEffects, StatementEffects, StepEffects, TableLock, TableWork, WorkKind
from zmig.lint.replay.objects import LockMode
from zmig.model import Batch, Kind, Language, Migration, Repeat, RepeatRule
from zmig.planning import state
from zmig.planning.history import fold
from zmig.planning.plan import Action, Direction, Mode, Plan, Refusal, Step
from zmig.planning.request import Apply, Rollback
from zmig.planning.state import Liveness
from zmig.presentation.hints import CommandLine
from zmig.presentation.spans import Span, Tone, plain
from zmig.running.rehearsal import Rehearsal, StatementRehearsed, StepRehearsed
from zmig.running.rehearsal import TableLock as TableLocked
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zmig.planning.state import Entry
    from zmig.presentation.spans import Line

HINTS = CommandLine("m.yaml")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ORDERS = ("public", "orders")


def _migration(version: int, **changes: object) -> Migration:
    values: dict[str, object] = {
        "version": version,
        "name": f"m{version}",
        "kind": Kind.SQL,
        "language": Language.SQL,
        "file": Path(f"m{version}.sql"),
        "checksum": "a" * 64,
    }
    return Migration(**(values | changes))  # pyright: ignore[reportArgumentType] - the values fit their names


def _model(
    *steps: Step,
    refusals: Sequence[Refusal] = (),
    entries: Sequence[Entry] = (),
    earlier: Callable[[Migration], EarlierDuration | None] | None = None,
) -> PlanModel:
    model = PlanModel(Apply())
    model.take(Plan(Direction.FORWARD, steps, tuple(refusals)), entries, earlier or (lambda _: None))
    return model


def _step(version: int = 1, **changes: object) -> Step:
    return Step(_migration(version, **changes), Action.APPLY, "pending", mode=Mode(True, ""))


def _texts(lines: Sequence[Line]) -> list[str]:
    return [plain(line) for line in lines]


def _page(model: PlanModel, step: Step, text: str, cells: int = 100) -> list[str]:
    model.files[step.migration.version] = File(text)
    return _texts(plan_step.step_lines(model, step, HINTS, cells))


def _fact(position: int, type: EventType, **data: object) -> Fact:
    return Fact(position, "m1", type, created_at=NOW, data={"version": 1, "name": "m1", "checksum": "a" * 64, **data})


def _entries(migrations: Sequence[Migration], *facts: Fact) -> tuple[Entry, ...]:
    return state.evaluate(migrations, fold(facts), Liveness(NOW))


def test_why_it_is_refused_is_above_the_steps() -> None:
    refusal = Refusal(7, "m7", Problem("edited", "`m7` was edited", hint="restore it"))
    listed = PlanList(_model(_step(1), _step(2), refusals=[refusal]), HINTS, 60)
    assert plain(listed.lines(0)[0]) == "error: `m7` was edited"
    assert listed.step_at(0) is None
    assert [plain(listed.lines(at)[0]).split()[:2] for at in (1, 2)] == [["1", "m1"], ["2", "m2"]]
    assert listed.heights == [3, 2, 2]
    nothing = PlanList(_model(), HINTS, 60)
    assert _texts(nothing.lines(0)) == ["nothing to do", ""]


@pytest.mark.parametrize(
    ("mode", "tone"),
    [
        (LockMode.ACCESS_EXCLUSIVE, Tone.BLOCK_BAD),
        (LockMode.EXCLUSIVE, Tone.BLOCK_WARN),
        (LockMode.SHARE, Tone.BLOCK_WARN),
        (LockMode.SHARE_UPDATE_EXCLUSIVE, Tone.BLOCK_GOOD),
        (LockMode.ROW_EXCLUSIVE, Tone.BLOCK_QUIET),
    ],
)
def test_the_more_a_lock_stops_the_louder_it_is(mode: LockMode, tone: Tone) -> None:
    chip = effects_text.lock_chip(mode)
    assert (chip.text.strip(), chip.tone) == (mode.name.replace("_", " "), tone)


def _finding(line: int, severity: Severity = Severity.ERROR, *fix: str, file: str = "m1.sql") -> Finding:
    return Finding(
        file, line, 1, rule="a/rule", message="it is bad", severity=severity, end_line=line, end_column=9, fix=fix
    )


def test_effects_are_above_their_statement_and_findings_below_it() -> None:
    model, step = _model(_step()), _step()
    rewrite = TableWork(WorkKind.REWRITE, ORDERS, "since it is so", is_certain=False)
    model.effects = PlanEffects(
        {
            1: StepEffects(
                1,
                (
                    StatementEffects(2, 1, locks=(TableLock(ORDERS, LockMode.ACCESS_EXCLUSIVE),), work=(rewrite,)),
                    StatementEffects(3, 1, locks=(TableLock(("s", "t"), LockMode.SHARE),), loses=("the table `x`",)),
                    StatementEffects(3, 9, locks=(TableLock(("s", "u"), LockMode.SHARE),), is_conditional=True),
                ),
                (
                    _finding(2, Severity.ERROR, "alter x;\nselect 1;", "alter y;"),
                    _finding(1, Severity.NOTE),
                    _finding(4, Severity.WARNING, file="m.yaml"),
                ),
            )
        }
    )
    model.estimates = {ORDERS: TableEstimate(1_200, 0), ("s", "t"): TableEstimate(None, 0)}
    page = _page(model, step, "-- c\nalter table orders;\nselect 1; select 2;\n")
    assert page[page.index("m1.sql") + 1 :] == [
        "  ! it is bad a/rule",
        " 1 │ -- c",
        "   ┌  ACCESS EXCLUSIVE   MAY REWRITE  orders  about 1,200 rows",
        "   │ every row of orders is written anew, since it is so",
        " 2 │ alter table orders;",
        "   └ ✗ it is bad a/rule",
        "       instead, in migration 1 of 2:",
        "       + alter x;",
        "       + select 1;",
        "       instead, in migration 2 of 2:",
        "       + alter y;",
        "   ┌  SHARE  s.t  rows: not known, never analyzed",
        "   │ the data of the table `x` is lost",
        "   ┌  SHARE  s.u",
        " 3 │ select 1; select 2;",
        "",
        "1 note of lint: `zmig lint` has them",
    ]


def test_what_a_rehearsal_measured_stands_without_the_parser_too() -> None:
    step = _step()
    model = _model(step)
    statement = StatementRehearsed(
        1, 1, "x", seconds=0.5, rows=3, locks=(TableLocked("public.orders", "ShareRowExclusive"),),
        rewritten=("public.orders",), drawn=("public.ids",),
    )  # fmt: skip
    assert model.plan is not None
    model.rehearsal = Rehearsal(model.plan, (StepRehearsed(step, "m1.sql", (statement,)),))
    page = _page(model, step, "alter table orders;")
    assert "   ┌  SHARE ROW EXCLUSIVE   REWRITE  orders" in [line.rstrip() for line in page]
    assert any("rehearsed: 500 ms, 3 rows" in line for line in page)
    assert any("drew numbers of public.ids, which stay drawn" in line for line in page)
    assert "✓ rehearsed in 500 ms, and rolled back" in page
    assert "✓ 500 ms in the rehearsal" in plain(PlanList(model, HINTS, 80).lines(0)[1])


def test_how_long_it_took_before_is_what_is_expected() -> None:
    begun, failed = _fact(1, EventType.STARTED, attempt=1), _fact(2, EventType.FAILED, duration_ms=7000, attempt=1)
    entries = _entries([_migration(1)], begun, failed)
    model = _model(_step(), entries=entries, earlier=lambda _: EarlierDuration(250.0, "on staging"))
    assert "about 4 min 10 s" in plain(PlanList(model, HINTS, 80).lines(0)[1])
    page = _page(model, _step(), "select 1;")
    assert "  expected    about 4 min 10 s, which it took on staging" in page
    assert "  last time   it failed after 7.0 s" in page
    assert not any("expected" in line or "last time" in line for line in _page(_model(_step()), _step(), "select 1;"))


def test_rounds_and_rules_are_told() -> None:
    batch = Batch(size=500, pause_seconds=0.2, max_lag_seconds=0)
    page = _page(_model(), _step(batch=batch), "update x;")
    assert any("500 rows each (size), a pause of 200 ms after each, waits for no replica" in line for line in page)
    repeat = Repeat(RepeatRule.CONDITION, condition="select\n  true")
    assert any("select true" in line for line in _page(_model(), _step(repeat=repeat), "x"))


def test_a_rollback_says_what_goes_data_first_and_what_is_due_again() -> None:
    migration = _migration(1, rollback_file=Path("m1.rollback.sql"))
    views = _migration(90, name="views", kind=Kind.REPEATABLE, repeat=Repeat(RepeatRule.CHECKSUM))
    asked = _migration(91, name="asked", kind=Kind.REPEATABLE, repeat=Repeat(RepeatRule.CONDITION, condition="x"))
    facts = [
        replace(
            _fact(at, EventType.DONE),
            name=one.name,
            data={"version": one.version, "name": one.name, "checksum": "a" * 64},
        )
        for at, one in enumerate((migration, views, asked), start=1)
    ]
    entries = _entries([migration, views, asked], *facts)
    model = PlanModel(Rollback())
    model.take(planned(Rollback(), entries), entries, lambda _: EarlierDuration(9.0, "here before"))
    (step,) = model.steps
    assert model.due_again == ("views",)
    assert "  being worked out …" in _page(model, step, "drop table x;")
    drops = StatementEffects(1, 1, drops=("the index `i`", "the table `x`"), loses=("the table `x`",))
    model.effects = PlanEffects({1: StepEffects(1, (drops,), ())})
    page = _page(model, step, "drop table x;")
    at = page.index("what goes")
    assert page[at + 1 : at + 4] == [
        "  - the table `x`, and all that is in it", "  - the index `i`", "due again after it: views",
    ]  # fmt: skip
    assert not model.may_be_rehearsed
    assert "LOSES DATA" in plain(PlanList(model, HINTS, 80).lines(0)[0])


@pytest.mark.parametrize("cells", [20, 40, 78, 200])
def test_nothing_but_the_files_own_lines_is_wider_than_the_page(cells: int) -> None:
    model, step = _model(_step()), _step(description="long " * 30)
    work = TableWork(WorkKind.BUILD, ORDERS, "the index `" + "i" * 50 + "`")
    model.effects = PlanEffects({1: StepEffects(1, (StatementEffects(1, 1, work=(work,)),), (_finding(1),))})
    model.files[1] = File("x")
    assert all(len(text) <= cells for text in _texts(plan_step.step_lines(model, step, HINTS, cells)))
    listed = PlanList(_model(_step(name="n" * 90)), HINTS, cells)
    assert all(len(plain(line)) <= cells for line in listed.lines(0))
    head = plan_head.head_lines(model, (), manifest_problems=(), silent_seconds=3, cells=cells)
    assert all(len(plain(line)) <= cells for line in head)


def test_of_ten_thousand_steps_only_those_are_made_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(*map(_step, range(1, 10_001)))
    made: list[Step] = []
    of_step = PlanModel.effects_of

    def noted(model: PlanModel, step: Step) -> StepEffects | None:
        made.append(step)
        return of_step(model, step)

    monkeypatch.setattr(PlanModel, "effects_of", noted)
    listed = PlanList(model, HINTS, 80)
    assert len(listed.heights) == 10_000
    assert made == []
    assert "m9999" in plain(listed.lines(9_998)[0])
    assert len(made) == 1


def test_the_heading_tells_what_has_changed_and_what_is_missing() -> None:
    model = _model(_step())

    def head(*problems: Problem, silent: float = 0) -> str:
        lines = plan_head.head_lines(model, (), manifest_problems=problems, silent_seconds=silent, cells=200)
        return "\n".join(_texts(lines))

    assert "working out what its statements lock and do" in head()
    where = (Span(" PRODUCTION "),)
    narrow = plan_head.head_lines(model, where, manifest_problems=(), silent_seconds=0, cells=30)[0]
    assert plain(narrow).endswith("…  PRODUCTION "), "where it is gives never way"
    model.unknown = "it broke"
    assert "is not known: it broke" in head()
    model.unknown, model.effects = None, PlanEffects(missing=("no parser",), remedy="pip install it")
    assert "no parser: pip install it" in head()
    assert "no answer from the database" in head(silent=4)
    assert "the manifest cannot be used as it is now: x" in head(Problem("c", "x"))
    model.is_rehearsing = True
    assert "rehearsing …" in head()
    assert not model.may_be_rehearsed


def test_a_plan_is_another_one_as_soon_as_what_would_run_is() -> None:
    one, two = _migration(1), _migration(2)
    entries = _entries([one, two])
    watch = PlanWatch(object(), Apply(), planned(Apply(), entries))
    assert not watch.compare(entries)
    assert not watch.compare(_entries([one, two]))
    assert watch.compare(_entries([one, replace(two, checksum="b" * 64)]))
    assert watch.change is not None
    assert not watch.compare(_entries([one, replace(two, checksum="b" * 64)]))
    assert watch.compare(_entries([one, two]))
    assert watch.change is None
    assert watch.compare(_entries([one, two], _fact(1, EventType.DONE)))
    gone = PlanWatch(object(), Rollback(to=2), planned(Rollback(to=2), entries))
    assert gone.compare(_entries([one]))
    assert gone.change is not None
    assert "2" in gone.change.summary
