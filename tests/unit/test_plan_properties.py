"""What holds of plans for any facts whatever: carried out, they leave nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.support.tales import NOBODY, NOW, by_checksum, by_code, by_condition, name_of, once, planned
from zmig.facts import EventType, Fact
from zmig.planning.history import fold
from zmig.planning.plan import Action, Direction, Plan
from zmig.planning.request import Apply, Retry, Rollback
from zmig.planning.state import State, current_version, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.planning.plan import Step
    from zmig.planning.state import Entry

_DECLARED = (
    once(1, reversible=True),
    once(2, reversible=True),
    once(3, reversible=True),
    by_checksum(90, reversible=True),
    by_condition(91),
    by_code(92, reversible=True),
)
_VERSIONS = {migration.name: migration.version for migration in _DECLARED}
_NOT_DUE = {91: False, 92: False}

_NAMES = st.sampled_from([*_VERSIONS, *list(_VERSIONS)[:2] * 2, name_of(7), "stranger"])
_DATA: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {
        "version": st.sampled_from([None, None, None, None, None, None, 1, 90, 7]),
        "transactional": st.sampled_from([True, True, False, None]),
        "backend_pid": st.sampled_from([4711, 4711, None]),
        "checksum": st.sampled_from(["c1", "c1", "c2", None]),
        "as": st.sampled_from(["done", "failed", "pending"]),
        "attempt": st.just(3),
    }
)
_ROWS = st.lists(st.tuples(_NAMES, st.sampled_from(EventType), _DATA), max_size=12)


def _facts(rows: list[tuple[str, EventType, dict[str, object]]], *, after: int = 0) -> list[Fact]:
    return [
        Fact(after + number, name, type, created_at=NOW, data=data)
        for number, (name, type, data) in enumerate(rows, start=1)
    ]


_ANY_FACTS = _ROWS.map(_facts)


def _entries(facts: list[Fact]) -> tuple[Entry, ...]:
    return evaluate(_DECLARED, fold(facts, versions=_VERSIONS), NOBODY, due=_NOT_DUE)


def _carried_out(step: Step) -> Iterator[tuple[str, EventType, dict[str, object]]]:
    """Yield the facts that carrying out a step appends; a repeatable that is asked is not due."""
    name = step.migration.name
    told: dict[str, object] = {"version": step.migration.version, "checksum": step.migration.checksum}
    match step.action:
        case Action.APPLY | Action.RETRY | Action.RESUME | Action.REPEAT:
            yield name, EventType.STARTED, {**told, "attempt": step.attempt, "backend_pid": 1}
            yield name, EventType.DONE, told
        case Action.ROLL_BACK:
            yield name, EventType.ROLLBACK_STARTED, {**told, "attempt": step.attempt, "backend_pid": 1}
            yield name, EventType.ROLLED_BACK, told
        case Action.RECORD_END:
            assert step.unended is not None
            yield name, EventType.ROLLBACK_FAILED, {**told, "transactional": step.unended.data.get("transactional")}
        case Action.CHECK:
            pass


def _after(facts: list[Fact], made: Plan) -> list[Fact]:
    return [*facts, *_facts([row for step in made.steps for row in _carried_out(step)], after=len(facts))]


def _refused(made: Plan) -> set[int | None]:
    return {found.version for found in made.refusals}


@given(_ANY_FACTS)
def test_an_apply_that_was_carried_out_leaves_nothing_to_apply(facts: list[Fact]) -> None:
    made = planned(Apply(allow_out_of_order=True), _entries(facts))
    entries = _entries(_after(facts, made))
    again = planned(Apply(allow_out_of_order=True), entries)
    unproven = {entry.version for entry in entries if entry.state is State.STARTED}
    assert [step for step in again.steps if step.migration.version not in _refused(made)] == []
    assert {entry.version for entry in entries if entry.migration is not None and entry.state is not State.DONE} <= (
        _refused(made) | unproven
    )


@given(_ANY_FACTS)
def test_an_apply_without_refusals_leaves_no_refusals_and_the_highest_version(facts: list[Fact]) -> None:
    made = planned(Apply(), _entries(facts))
    if not made.refusals:
        entries = _entries(_after(facts, made))
        assert planned(Apply(), entries) == Plan(Direction.FORWARD)
        assert current_version(entries) >= 3


@given(_ANY_FACTS)
def test_a_retry_that_was_carried_out_leaves_nothing_to_retry(facts: list[Fact]) -> None:
    made = planned(Retry(), _entries(facts))
    again = planned(Retry(), _entries(_after(facts, made)))
    assert {step.migration.version for step in again.steps} <= _refused(made)


@given(_ANY_FACTS)
def test_a_rollback_of_everything_leaves_nothing_applied_that_can_be_taken_back(facts: list[Fact]) -> None:
    made = planned(Rollback(to=0, include_repeatables=True), _entries(facts))
    if not made.refusals:
        entries = _entries(_after(facts, made))
        assert current_version(entries) == 0
        assert planned(Rollback(to=0, include_repeatables=True), entries).steps == ()
        assert {entry.version for entry in entries if entry.is_applied and entry.version} <= {91, 7}


@given(_ANY_FACTS)
def test_a_plan_runs_each_migration_at_most_once_in_order(facts: list[Fact]) -> None:
    entries = _entries(facts)
    for made in (planned(Apply(), entries), planned(Retry(), entries), planned(Retry(only_stuck=True), entries)):
        order = [step.migration.order for step in made.steps]
        assert order == sorted(set(order))
        assert {step.direction for step in made.steps} <= {Direction.FORWARD}
    order = [step.migration.order for step in planned(Rollback(to=0, include_repeatables=True), entries).steps]
    assert order == sorted(set(order), reverse=True)


@given(_ANY_FACTS, st.integers(1, 9))
def test_the_last_steps_of_a_rollback_are_the_first_of_a_longer_one(facts: list[Fact], steps: int) -> None:
    entries = _entries(facts)
    some, all_of_them = planned(Rollback(steps=steps), entries).steps, planned(Rollback(to=0), entries).steps
    assert some == all_of_them[: len(some)]


@given(_ANY_FACTS, st.sampled_from([0, 1, 2, 3, 90, 91, 92]))
def test_a_target_takes_steps_off_a_plan_and_changes_none(facts: list[Fact], to: int) -> None:
    entries = _entries(facts)
    within = [step for step in planned(Apply(), entries).steps if step.migration.version <= to]
    some = planned(Apply(to=to), entries).steps
    assert [step.migration for step in some if step.action is not Action.CHECK] == [
        step.migration for step in within if step.action is not Action.CHECK
    ]


@given(_ANY_FACTS, st.lists(st.sampled_from(EventType), max_size=5))
def test_facts_about_nothing_known_change_no_plan(facts: list[Fact], strange: list[EventType]) -> None:
    known = [fact for fact in facts if fact.name != "stranger"]
    more = [*known, *_facts([("stranger", type, {}) for type in strange], after=len(facts))]
    assert planned(Apply(), _entries(more)) == planned(Apply(), _entries(known))
    assert planned(Rollback(to=0), _entries(more)) == planned(Rollback(to=0), _entries(known))
