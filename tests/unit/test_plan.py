"""What a plan holds: tables of facts and the steps, in order and with their reasons, that follow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.tales import (
    RUNNING,
    Told,
    accepted,
    baselined,
    by_checksum,
    by_code,
    by_condition,
    by_hand,
    checkpoint,
    done,
    entries,
    failed,
    once,
    planned,
    resolved,
    rollback_failed,
    rollback_started,
    rolled_back,
    started,
)
from zmig.errors import PlanRefused, Problem, UsageError
from zmig.facts import EventType
from zmig.planning.checkpoint import Checkpoint
from zmig.planning.plan import Action, Direction, Mode, Plan, Refusal, Step
from zmig.planning.request import Apply, Retry, Rollback

if TYPE_CHECKING:
    from zmig.model import Migration

_ALL = (once(1), once(2), once(3), by_checksum(90), by_condition(91))
_AN_HOUR_AGO = "2026-08-30 13:00 UTC"


def _short(made: Plan) -> list[str]:
    """Return the steps as `action version`."""
    return [f"{step.action.value} {step.migration.version}" for step in made.steps]


def _refused(made: Plan) -> list[str]:
    return [found.problem.code for found in made.refusals]


def _forward(*told: Told, to: int | None = None, **due: bool | None) -> Plan:
    return planned(Apply(to=to), entries(_ALL, *told, due={int(key[1:]): value for key, value in due.items()}))


@pytest.mark.parametrize(
    ("told", "steps"),
    [
        pytest.param([], ["apply 1", "apply 2", "apply 3", "apply 90", "apply 91"], id="everything is pending"),
        pytest.param(
            [done(1)],
            ["apply 2", "apply 3", "apply 90", "apply 91"],
            id="what is done is skipped",
        ),
        pytest.param(
            [done(1), failed(2)],
            ["retry 2", "apply 3", "apply 90", "apply 91"],
            id="what failed is retried, then the rest",
        ),
        pytest.param(
            [done(1), started(2)], ["resume 2", "apply 3", "apply 90", "apply 91"], id="what is stuck runs again"
        ),
        pytest.param(
            [done(1), done(2), rolled_back(2)],
            ["apply 2", "apply 3", "apply 90", "apply 91"],
            id="what was rolled back is pending again",
        ),
        pytest.param(
            [done(1), resolved("pending", 2)], ["apply 2", "apply 3", "apply 90", "apply 91"], id="resolved as pending"
        ),
        pytest.param(
            [done(1), resolved("failed", 2)], ["retry 2", "apply 3", "apply 90", "apply 91"], id="resolved as failed"
        ),
        pytest.param([done(1), resolved("done", 2), baselined(3)], ["apply 90", "apply 91"], id="without being run"),
        pytest.param([done(1), done(2), done(3), done(90), done(91)], [], id="everything is done"),
        pytest.param(
            [done(1), done(2), done(3), failed(90), done(91)], ["retry 90", "check 91"], id="a repeatable failed"
        ),
        pytest.param(
            [done(1), done(2), done(90), done(91)],
            ["apply 3", "check 91"],
            id="a condition is asked again behind other steps",
        ),
        pytest.param(
            [done(1), done(2), done(3), rollback_started(3), done(90), done(91)],
            ["settle 3", "check 91"],
            id="a rollback was cut off in its transaction",
        ),
        pytest.param(
            [done(1), done(2), done(3), done(90), done(91), rollback_started(91)],
            ["resume 91"],
            id="the rollback of a repeatable was cut off in its transaction",
        ),
        pytest.param(
            [rollback_started(1), done(2), done(3), done(90), done(91)],
            ["resume 1", "check 91"],
            id="a rollback of nothing was cut off",
        ),
        pytest.param(
            [done(1), done(2), done(3), done(90), done(91), rollback_failed(3, transactional=True)],
            [],
            id="a rollback failed in its transaction",
        ),
        pytest.param(
            [done(7), done(1), done(2), done(3), done(90), done(91), by_hand(EventType.STARTED, name="x")],
            [],
            id="what is not declared is nobody's step",
        ),
    ],
)
def test_the_steps_of_an_apply(told: list[Told], steps: list[str]) -> None:
    made = _forward(*told, _91=False)
    assert (_short(made), _refused(made), made.direction) == (steps, [], Direction.FORWARD)


@pytest.mark.parametrize(
    ("to", "steps"),
    [
        (None, ["apply 1", "apply 2", "apply 3", "apply 90", "apply 91"]),
        (91, ["apply 1", "apply 2", "apply 3", "apply 90", "apply 91"]),
        (90, ["apply 1", "apply 2", "apply 3", "apply 90"]),
        (3, ["apply 1", "apply 2", "apply 3"]),
        (1, ["apply 1"]),
        (0, []),
    ],
)
def test_a_target_stops_an_apply_behind_it(to: int | None, steps: list[str]) -> None:
    assert _short(_forward(to=to)) == steps


def test_a_target_below_the_current_version_takes_nothing_back() -> None:
    assert _forward(done(1), done(2), done(3), to=1) == Plan(Direction.FORWARD)


def test_nothing_behind_the_target_can_refuse() -> None:
    told = [done(1), done(2, checksum="was different")]
    assert _refused(_forward(*told, to=1)) == []
    assert _refused(_forward(*told)) == ["checksum-changed"]


@pytest.mark.parametrize(
    ("to", "hint"), [(4, "write `--to 3`"), (50, "write `--to 90`"), (1000, "write `--to 91`"), (-2, "write `--to 1`")]
)
def test_an_unknown_target_offers_the_nearest_version(to: int, hint: str) -> None:
    for request in (Apply(to=to), Rollback(to=to)):
        with pytest.raises(UsageError) as caught:
            planned(request, entries(_ALL))
        (problem,) = caught.value.problems
        assert (problem.code, problem.hint) == ("unknown-version", hint)
        assert problem.facts == ("versions: 1, 2, 3, 90, 91",)


@pytest.mark.parametrize(("highest", "rest"), [(12, ""), (13, ", ... 13"), (999, ", ... 999")])
def test_of_many_versions_some_are_shown(highest: int, rest: str) -> None:
    with pytest.raises(UsageError) as caught:
        planned(Apply(to=2000), entries([once(version) for version in range(1, highest + 1)]))
    assert caught.value.problems[0].facts == (f"versions: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12{rest}",)


def test_a_target_in_an_empty_manifest_is_told_so() -> None:
    with pytest.raises(UsageError) as caught:
        planned(Apply(to=1), ())
    assert caught.value.problems[0].hint == "declare a migration in the manifest"


def test_a_version_that_is_only_recorded_can_be_a_target() -> None:
    assert _short(planned(Apply(to=5), entries([once(1), once(9)], done(1), done(5)))) == []


class TestReasons:
    @pytest.mark.parametrize(
        ("migration", "told", "reason"),
        [
            pytest.param(once(), [], "pending", id="never run"),
            pytest.param(once(), [checkpoint()], "pending", id="a checkpoint is no start"),
            pytest.param(once(), [done(), rolled_back()], f"rolled back {_AN_HOUR_AGO}", id="rolled back"),
            pytest.param(
                once(), [resolved("pending")], f"resolved as pending {_AN_HOUR_AGO}", id="an operator's word: pending"
            ),
            pytest.param(once(), [failed()], f"failed {_AN_HOUR_AGO}", id="failed without a message"),
            pytest.param(
                once(),
                [failed(error={"message": "division by zero"})],
                f"failed {_AN_HOUR_AGO}: division by zero",
                id="failed with a message",
            ),
            pytest.param(
                once(), [resolved("failed")], f"resolved as failed {_AN_HOUR_AGO}", id="an operator's word: failed"
            ),
            pytest.param(
                once(),
                [started(transactional=False), checkpoint(statement=2), failed(transactional=False)],
                f"failed {_AN_HOUR_AGO}; continues after statement 2",
                id="failed behind a checkpoint",
            ),
            pytest.param(
                once(),
                [started()],
                f"stuck: started {_AN_HOUR_AGO} and never ended; transactional, so its changes are gone",
                id="stuck in a transaction",
            ),
            pytest.param(
                once(),
                [started(transactional=False)],
                f"stuck: started {_AN_HOUR_AGO} and never ended",
                id="stuck outside a transaction, before the first checkpoint",
            ),
            pytest.param(
                once(),
                [started(transactional=False), checkpoint(statement=2)],
                f"stuck: started {_AN_HOUR_AGO} and never ended; continues after statement 2",
                id="stuck behind a checkpoint",
            ),
            pytest.param(
                once(),
                [by_hand(EventType.STARTED)],
                f"stuck: started {_AN_HOUR_AGO} and never ended",
                id="stuck by hand",
            ),
            pytest.param(
                once(),
                [done(), rollback_started()],
                "its rollback never ended; transactional, so it changed nothing",
                id="its rollback was cut off",
            ),
            pytest.param(
                by_checksum(),
                [done(90), rollback_started(90)],
                f"stuck: its rollback started {_AN_HOUR_AGO} and never ended",
                id="a repeatable's rollback was cut off",
            ),
            pytest.param(by_checksum(checksum="c2"), [done(90)], "repeatable: its file changed", id="its file changed"),
            pytest.param(
                by_condition(), [done(90)], "repeatable: its condition says it is due", id="its condition says so"
            ),
            pytest.param(by_code(), [done(90)], "repeatable: `should_repeat` says it is due", id="its code says so"),
        ],
    )
    def test_of_an_apply(self, migration: Migration, told: list[Told], reason: str) -> None:
        (step,) = planned(Apply(), entries([migration], *told, due={90: True})).steps
        assert step.reason == reason

    @pytest.mark.parametrize(("migration", "what"), [(by_condition(), "its condition"), (by_code(), "`should_repeat`")])
    def test_of_asking_a_repeatable_when_its_turn_comes(self, migration: Migration, what: str) -> None:
        (step,) = planned(Apply(), entries([migration], done(90), due={90: None})).steps
        assert (step.action, step.reason) == (
            Action.CHECK,
            f"repeatable: runs if {what} says so when its turn comes",
        )

    def test_of_repeating_one_behind_a_rollback(self) -> None:
        (step,) = planned(Apply(), entries([by_checksum()], done(90), _OUTDATED)).steps
        assert step.reason == "repeatable: `003_m` was rolled back since"

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            pytest.param([done()], f"applied {_AN_HOUR_AGO}", id="applied"),
            pytest.param(
                [done(), rollback_failed()],
                f"applied {_AN_HOUR_AGO}; its rollback did not complete",
                id="its rollback failed",
            ),
            pytest.param(
                [done(), rollback_started(), checkpoint(statement=1)],
                f"applied {_AN_HOUR_AGO}; its rollback did not complete; continues after statement 1",
                id="half rolled back",
            ),
        ],
    )
    def test_of_a_rollback(self, told: list[Told], reason: str) -> None:
        (step,) = planned(Rollback(), entries([once(reversible=True)], *told)).steps
        assert step.reason == reason


_OUTDATED = Told(EventType.OUTDATED, 90, data={"rolled_back": "003_m"})


class TestRepeatables:
    @pytest.mark.parametrize(
        ("migration", "told", "due", "action"),
        [
            pytest.param(by_checksum(), [], None, Action.APPLY, id="its first run"),
            pytest.param(by_checksum(), [done(90)], None, None, id="its file is as it was"),
            pytest.param(by_checksum(checksum="c2"), [done(90)], None, Action.REPEAT, id="its file changed"),
            pytest.param(by_checksum(checksum="c2"), [done(90), failed(90)], None, Action.RETRY, id="its run failed"),
            pytest.param(
                by_checksum(checksum="c2"), [done(90), accepted(90, checksum="c2")], None, None, id="accepted"
            ),
            pytest.param(
                by_checksum(), [done(90), _OUTDATED], None, Action.REPEAT, id="something was rolled back since"
            ),
            pytest.param(by_checksum(), [done(90), _OUTDATED, done(90)], None, None, id="it ran again since"),
            pytest.param(by_checksum(), [done(90), rolled_back(90), _OUTDATED, done(90)], None, None, id="and before"),
            pytest.param(by_condition(), [done(90), _OUTDATED], False, None, id="its condition alone decides"),
            pytest.param(by_condition(), [], True, Action.APPLY, id="the first run asks nobody"),
            pytest.param(by_condition(), [done(90)], True, Action.REPEAT, id="its condition says yes"),
            pytest.param(by_condition(), [done(90)], False, None, id="its condition says no"),
            pytest.param(by_condition(), [done(90)], None, Action.CHECK, id="its condition could not be asked"),
            pytest.param(by_code(), [], None, Action.APPLY, id="the first run asks no code"),
            pytest.param(by_code(), [done(90)], True, Action.REPEAT, id="its code says yes"),
            pytest.param(by_code(), [done(90)], None, Action.CHECK, id="its code could not be asked"),
        ],
    )
    def test_when_one_runs(
        self, migration: Migration, told: list[Told], due: bool | None, action: Action | None
    ) -> None:
        steps = planned(Apply(), entries([migration], *told, due={90: due})).steps
        assert [step.action for step in steps] == ([] if action is None else [action])

    @pytest.mark.parametrize("due", [True, False, None])
    def test_an_answer_from_before_other_steps_is_not_trusted(self, due: bool | None) -> None:
        found = entries([once(1), by_condition(), by_code(91)], done(90), done(91), due={90: due, 91: due})
        assert _short(planned(Apply(), found)) == ["apply 1", "check 90", "check 91"]

    def test_a_changed_file_needs_no_asking_behind_other_steps(self) -> None:
        found = entries([once(1), by_checksum(checksum="c2")], done(90))
        assert _short(planned(Apply(), found)) == ["apply 1", "repeat 90"]

    def test_a_step_knows_the_last_run(self) -> None:
        (step,) = planned(Apply(), entries([by_checksum(checksum="c2")], done(90, duration_ms=40))).steps
        assert step.last_run is not None
        assert step.last_run.duration_seconds == 0.04


class TestAttempts:
    @pytest.mark.parametrize(
        ("told", "attempt"),
        [
            pytest.param([], 1, id="the first"),
            pytest.param([started(attempt=1), failed()], 2, id="the second"),
            pytest.param([started(attempt=4)], 5, id="behind one that is stuck"),
            pytest.param([by_hand(EventType.FAILED)], 2, id="behind a failure nobody started"),
            pytest.param([started(attempt=4), resolved("failed")], 5, id="behind an operator's word: failed"),
            pytest.param([started(attempt=4), resolved("pending")], 1, id="behind an operator's word: pending"),
            pytest.param([started(attempt=4), done(), rolled_back()], 1, id="behind a rollback"),
        ],
    )
    def test_are_numbered(self, told: list[Told], attempt: int) -> None:
        (step,) = planned(Apply(), entries([once()], *told)).steps
        assert step.attempt == attempt

    def test_of_a_rollback_are_numbered_by_themselves(self) -> None:
        told = [started(attempt=3), done(), rollback_started(attempt=1), rollback_failed()]
        (step,) = planned(Rollback(), entries([once(reversible=True)], *told)).steps
        assert step.attempt == 2

    def test_a_stuck_one_carries_the_fact_that_never_ended(self) -> None:
        found = entries([once()], failed(), started(attempt=2))
        (step,) = planned(Apply(), found).steps
        assert found[0].record is not None
        assert step.unended is found[0].record.last
        assert planned(Apply(), entries([once()], started(), failed())).steps[0].unended is None


class TestCheckpoints:
    def test_a_failed_one_continues_behind_its_checkpoint(self) -> None:
        told = [started(), checkpoint(statement=2, digest="d"), failed()]
        (step,) = planned(Apply(), entries([once()], *told)).steps
        assert (step.checkpoint, step.resume_after) == (Checkpoint(2, "d"), 2)

    def test_a_pending_one_begins_at_its_beginning(self) -> None:
        told = [started(), checkpoint(statement=2), resolved("pending")]
        (step,) = planned(Apply(), entries([once()], *told)).steps
        assert (step.checkpoint, step.resume_after) == (None, 0)

    def test_a_half_rolled_back_one_continues_its_rollback(self) -> None:
        told = [done(), rollback_started(transactional=False), checkpoint(statement=1, digest="d")]
        (step,) = planned(Rollback(), entries([once(reversible=True)], *told)).steps
        assert (step.checkpoint, step.attempt) == (Checkpoint(1, "d"), 2)
        assert step.unended is not None

    def test_a_checkpoint_of_its_apply_means_nothing_to_its_rollback(self) -> None:
        told = [started(), checkpoint(statement=1), done()]
        (step,) = planned(Rollback(), entries([once(reversible=True)], *told)).steps
        assert (step.checkpoint, step.attempt) == (None, 1)


def _retry(*told: Told, names: list[str] | None = None) -> Plan:
    return planned(Retry(tuple(names or [])), entries(_ALL, *told))


class TestRetry:
    @pytest.mark.parametrize(
        ("told", "names", "steps"),
        [
            pytest.param([done(1), failed(2)], [], ["retry 2"], id="what failed; what is pending stays pending"),
            pytest.param([done(1), started(2)], [], ["resume 2"], id="what is stuck"),
            pytest.param(
                [failed(1), started(2), failed(90)], [], ["retry 1", "resume 2", "retry 90"], id="all, in order"
            ),
            pytest.param([done(1)], [], [], id="nothing"),
            pytest.param([failed(1), failed(2)], ["1"], ["retry 1"], id="the one named by version"),
            pytest.param([failed(1), failed(2)], ["001_m"], ["retry 1"], id="the one named by name"),
            pytest.param([failed(1), failed(2)], ["002_m", "0001"], ["retry 1", "retry 2"], id="in order of running"),
            pytest.param([failed(1)], ["1", "001_m", "1"], ["retry 1"], id="once, however often it is named"),
            pytest.param([failed(90)], ["90"], ["retry 90"], id="a repeatable, while others are pending"),
            pytest.param([done(1), done(3), failed(2)], ["2"], ["retry 2"], id="one that was overtaken long ago"),
            pytest.param(
                [done(1), done(2), rollback_started(2)], ["2"], ["settle 2"], id="one whose rollback was cut off"
            ),
            pytest.param([done(7), failed(8)], [], [], id="not what is declared no longer"),
        ],
    )
    def test_runs_again(self, told: list[Told], names: list[str], steps: list[str]) -> None:
        made = _retry(*told, names=names)
        assert (_short(made), _refused(made)) == (steps, [])

    @pytest.mark.parametrize(
        ("told", "names", "message"),
        [
            pytest.param(
                [failed(2)], ["2"], "migration `002_m` cannot be retried before `001_m`, which is pending", id="pending"
            ),
            pytest.param(
                [failed(1), started(3)],
                ["3"],
                "migration `003_m` cannot be retried before `001_m`, which is failed",
                id="failed",
            ),
            pytest.param(
                [started(1), failed(2)],
                ["2"],
                "migration `002_m` cannot be retried before `001_m`, which is stuck",
                id="stuck",
            ),
            pytest.param(
                [done(1), failed(3)],
                [],
                "migration `003_m` cannot be retried before `002_m`, which is pending",
                id="pending, when all are retried",
            ),
        ],
    )
    def test_never_runs_ahead_of_what_comes_first(self, told: list[Told], names: list[str], message: str) -> None:
        (found,) = _retry(*told, names=names).refusals
        assert (found.problem.code, found.problem.message) == ("out-of-order", message)
        assert found.problem.hint == f"run both in order with `zmig apply --to {found.version}`"

    def test_of_stuck_ones_leaves_the_failed_ones_alone(self) -> None:
        assert _short(planned(Retry(only_stuck=True), entries(_ALL, failed(90), started(1)))) == ["resume 1"]

    @pytest.mark.parametrize(
        ("names", "hints"),
        [
            pytest.param(["002_n"], ["write `002_m`"], id="the nearest name"),
            pytest.param(["xyz"], ["see the names with `zmig status`"], id="no name is near"),
            pytest.param(["4"], ["see the names with `zmig status`"], id="no such version"),
            pytest.param([""], ["see the names with `zmig status`"], id="nothing"),
            pytest.param(["9" * 5000], ["see the names with `zmig status`"], id="a number without end"),
            pytest.param(["001_n", "1", "003_n"], ["write `001_m`", "write `003_m`"], id="every unknown one at once"),
        ],
    )
    def test_of_an_unknown_name_offers_the_nearest(self, names: list[str], hints: list[str]) -> None:
        with pytest.raises(UsageError) as caught:
            planned(Retry(tuple(names)), entries(_ALL, failed(1)))
        assert [problem.hint for problem in caught.value.problems] == hints
        assert {problem.code for problem in caught.value.problems} == {"unknown-migration"}

    def test_of_a_healthy_one_is_no_retry(self) -> None:
        with pytest.raises(UsageError) as caught:
            planned(
                Retry(
                    (
                        "1",
                        "2",
                        "3",
                    )
                ),
                entries(_ALL, done(1), failed(2)),
            )
        assert [problem.message for problem in caught.value.problems] == [
            "migration `001_m` is done, so there is nothing to retry",
            "migration `003_m` is pending, so there is nothing to retry",
        ]

    def test_of_one_that_is_declared_no_longer_is_impossible(self) -> None:
        with pytest.raises(UsageError) as caught:
            planned(Retry(("7",)), entries(_ALL, failed(7)))
        (problem,) = caught.value.problems
        assert problem.message == "migration `007_m` is no longer declared, so it cannot be run again"
        assert problem.facts == ("if nothing of it is left, run `zmig resolve 007_m --as pending --reason ...`",)

    def test_a_name_means_what_is_declared_before_what_is_only_recorded(self) -> None:
        found = entries([once(2, name="a")], done(1, name="a"), failed(2, name="a"))
        assert _short(planned(Retry(("a",)), found)) == ["retry 2"]


_TWO_WAYS = (
    once(1, reversible=True),
    once(2, reversible=True),
    once(3, reversible=True),
    by_checksum(1000, reversible=True),
    by_checksum(1001),
)
_APPLIED = [done(1), done(2), done(3), done(1000), done(1001)]


def _back(*told: Told, to: int | None = None, steps: int = 1, include_repeatables: bool = False) -> Plan:
    found = entries(_TWO_WAYS, *told)
    return planned(Rollback(to=to, steps=steps, include_repeatables=include_repeatables), found)


class TestRollback:
    @pytest.mark.parametrize(
        ("told", "to", "steps", "expected"),
        [
            pytest.param(_APPLIED, None, 1, [3], id="the last one, and no repeatable"),
            pytest.param(_APPLIED[3:], None, 1, [], id="nothing but repeatables is applied"),
            pytest.param(_APPLIED, None, 2, [3, 2], id="the last two"),
            pytest.param(_APPLIED, None, 99, [3, 2, 1], id="more than there are"),
            pytest.param(_APPLIED, 1, 1, [3, 2], id="all above a version"),
            pytest.param(_APPLIED, 0, 1, [3, 2, 1], id="everything that runs once"),
            pytest.param(_APPLIED, 1000, 1, [], id="nothing above the last version that can be taken back"),
            pytest.param([], None, 1, [], id="nothing is applied"),
            pytest.param([], 0, 1, [], id="nothing is applied at all"),
            pytest.param([done(1), done(2), failed(3)], None, 1, [2], id="a failed one left nothing to roll back"),
            pytest.param([done(1), done(2), started(3)], None, 1, [2], id="a stuck one left nothing either"),
            pytest.param([done(1), done(2), rolled_back(2)], None, 1, [1], id="below one that was rolled back"),
            pytest.param([done(3), done(1), done(2)], None, 2, [3, 2], id="by version, in whatever order they ran"),
            pytest.param([done(1), baselined(2)], None, 1, [2], id="a baselined one"),
            pytest.param([done(1), done(2), rollback_failed(2)], None, 1, [2], id="one whose rollback failed"),
            pytest.param([done(1), done(2), rollback_started(2)], None, 1, [2], id="one whose rollback is stuck"),
            pytest.param(
                [done(1), done(2), done(5000, kind="repeatable")], None, 1, [2], id="below an undeclared repeatable"
            ),
            pytest.param([done(1), by_hand(EventType.DONE, name="x")], 0, 1, [1], id="not what has no version"),
        ],
    )
    def test_takes_back_from_the_top(self, told: list[Told], to: int | None, steps: int, expected: list[int]) -> None:
        made = _back(*told, to=to, steps=steps)
        assert [step.migration.version for step in made.steps] == expected
        assert {step.action for step in made.steps} <= {Action.ROLL_BACK}
        assert {step.direction for step in made.steps} <= {Direction.ROLLBACK}
        assert (_refused(made), made.direction) == ([], Direction.ROLLBACK)

    @pytest.mark.parametrize(
        ("told", "to", "steps", "expected"),
        [
            pytest.param(_APPLIED, None, 1, [1000], id="a repeatable with a rollback is the last that ran"),
            pytest.param([*_APPLIED[:3], done(1001)], None, 1, [3], id="a repeatable without a rollback is left alone"),
            pytest.param(_APPLIED, None, 2, [1000, 3], id="the last two"),
            pytest.param(_APPLIED, 1, 1, [1000, 3, 2], id="all above a version"),
            pytest.param(_APPLIED, 0, 1, [1000, 3, 2, 1], id="everything"),
        ],
    )
    def test_takes_back_repeatables_where_they_are_included(
        self, told: list[Told], to: int | None, steps: int, expected: list[int]
    ) -> None:
        made = _back(*told, to=to, steps=steps, include_repeatables=True)
        assert [step.migration.version for step in made.steps] == expected

    @pytest.mark.parametrize("steps", [0, -1])
    def test_of_no_migrations_is_a_mistake(self, steps: int) -> None:
        with pytest.raises(UsageError, match=f"{steps} migrations cannot be rolled back"):
            _back(*_APPLIED, steps=steps)

    def test_a_plan_with_a_refusal_shows_its_other_steps(self) -> None:
        found = entries([once(1, reversible=True), once(2), once(3, reversible=True)], done(1), done(2), done(3))
        made = planned(Rollback(to=0), found)
        assert [step.migration.version for step in made.steps] == [3, 1]
        assert _refused(made) == ["irreversible"]


class TestPlans:
    def test_a_refused_plan_raises_with_every_refusal(self) -> None:
        made = Plan(Direction.FORWARD, (), (Refusal(1, "a", Problem("x", "m")), Refusal(2, "b", Problem("y", "n"))))
        with pytest.raises(PlanRefused) as caught:
            made.check()
        assert [problem.code for problem in caught.value.problems] == ["x", "y"]

    def test_a_plan_without_refusals_passes(self) -> None:
        _forward().check()

    def test_more_refusals_stand_behind_the_first(self) -> None:
        one, two = Refusal(1, "a", Problem("x", "m")), Refusal(2, "b", Problem("y", "n"))
        assert Plan(Direction.FORWARD, (), (one,)).with_refusals([two]).refusals == (one, two)

    def test_the_summary_names_every_step(self) -> None:
        assert _forward(failed(1), to=2).summary == "retry 001_m, apply 002_m"
        assert _forward(to=0).summary == "nothing"

    def test_modes_are_filled_in_by_version(self) -> None:
        mode = Mode(False, "CREATE INDEX CONCURRENTLY")
        assert [step.mode for step in _forward(to=2).with_modes({2: mode}).steps] == [None, mode]

    @pytest.mark.parametrize(
        ("other", "is_same"),
        [
            pytest.param(Step(once(), Action.APPLY, "for another reason", attempt=2), True, id="reason and attempt"),
            pytest.param(Step(once(2), Action.APPLY, ""), False, id="another migration"),
            pytest.param(Step(once(), Action.RETRY, ""), False, id="another action"),
            pytest.param(Step(once(checksum="c2"), Action.APPLY, ""), False, id="another text"),
            pytest.param(
                Step(once(), Action.APPLY, "", checkpoint=Checkpoint(1, "d")), False, id="another place to begin at"
            ),
        ],
    )
    def test_what_a_person_confirmed_is_recognised(self, other: Step, is_same: bool) -> None:
        confirmed = Plan(Direction.FORWARD, (Step(once(), Action.APPLY, "pending"),))
        assert (replace(confirmed, steps=(other,)).fingerprint == confirmed.fingerprint) is is_same

    def test_what_runs_already_is_no_step(self) -> None:
        assert _short(planned(Apply(), entries([once(1), once(2)], started(1), liveness=RUNNING))) == ["apply 2"]
