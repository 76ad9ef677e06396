"""What holds for any facts whatever, by whomever they were appended."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.tales import NOW, by_checksum, by_condition, name_of, once
from zmig.facts import EventType, Fact
from zmig.planning.history import History, fold
from zmig.planning.state import Liveness, State, current_version, evaluate

_DECLARED = (once(1), once(2, checksum="c2"), once(3, checksum=None), by_checksum(90), by_condition(91))
_VERSIONS = {migration.name: migration.version for migration in _DECLARED}

_USUAL: dict[str, list[object]] = {
    "version": [1, 2, 3, 90, 91, 7],
    "as": ["done", "failed", "pending"],
    "transactional": [True, False],
    "will_retry": [True, False],
    "backend_pid": [4711, 4712],
    "attempt": [1, 2],
    "checksum": ["c1", "c2"],
    "kind": ["sql", "repeatable"],
    "resumed_after": [0, 1],
    "duration_ms": [5],
    "started_at": ["2026-08-30T13:00:00+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"],
}
_JUNK: list[object] = [None, True, -1, 10**400, float("nan"), "", "x", ["done"], {"version": 1}]
_DATA = st.lists(
    st.sampled_from([(key, value) for key, usual in _USUAL.items() for value in (*usual * 4, *_JUNK)]), max_size=5
).map(dict[str, object])
_TIMES = st.sampled_from([NOW + timedelta(seconds=seconds) for seconds in (-(10**9), -601, -600, -1, 0, 1, 10**9)])
_NAMES = st.sampled_from([*_VERSIONS, "stranger", name_of(7), ""])
_ROWS = st.tuples(_NAMES, st.sampled_from(EventType), _TIMES, _DATA, st.sampled_from([None, "a1", "b2"]))


def _facts(rows: list[tuple[str, EventType, datetime, dict[str, object], str | None]]) -> list[Fact]:
    return [
        Fact(position, name, type, created_at=at, data=data, run_id=run_id)
        for position, (name, type, at, data, run_id) in enumerate(rows, start=1)
    ]


_ANY_FACTS = st.lists(_ROWS, max_size=12).map(_facts)
_ANY_LIVENESS = st.builds(
    Liveness,
    now=_TIMES,
    holder_pid=st.sampled_from([None, 4711, 4712]),
    stuck_after=st.sampled_from([timedelta(0), timedelta(minutes=10), timedelta.max]),
    holder_run=st.sampled_from([None, "a1"]),
    sees_locks=st.booleans(),
)


@given(_ANY_FACTS, _ANY_LIVENESS, st.dictionaries(st.sampled_from([90, 91]), st.none() | st.booleans()))
def test_each_migration_has_exactly_one_state(
    facts: list[Fact], liveness: Liveness, due: dict[int, bool | None]
) -> None:
    entries = evaluate(_DECLARED, fold(facts, versions=_VERSIONS), liveness, due=due)
    assert [entry.migration for entry in entries[: len(_DECLARED)]] == list(_DECLARED)
    assert all(entry.migration is None for entry in entries[len(_DECLARED) :])
    versions = [entry.version for entry in entries if entry.version is not None]
    unversioned = [entry.name for entry in entries if entry.version is None]
    assert len(set(versions)) == len(versions)
    assert len(set(unversioned)) == len(unversioned)
    for entry in entries:
        if entry.state in (State.DONE, State.PENDING):
            assert entry.is_applied == (entry.state is State.DONE)
    assert 0 <= current_version(entries) < 90


@given(_ANY_FACTS)
def test_only_positions_order_facts(facts: list[Fact]) -> None:
    assert fold(reversed(facts), versions=_VERSIONS) == fold(facts, versions=_VERSIONS)


def _latest(facts: list[Fact]) -> list[Fact]:
    """Return what `distinct on` a row's raw columns and keys leaves: never less than the latest of each slot."""
    slots = {(fact.name, fact.type, repr(fact.data.get("version")), repr(fact.data.get("as"))): fact for fact in facts}
    return list(slots.values())


@given(_ANY_FACTS)
def test_the_latest_fact_of_each_slot_tells_as_much_as_all_of_them(facts: list[Fact]) -> None:
    assert fold(_latest(facts), versions=_VERSIONS) == fold(facts, versions=_VERSIONS)


@given(_ANY_FACTS, st.lists(st.tuples(st.sampled_from(EventType), _TIMES, _DATA), max_size=10))
def test_facts_of_other_migrations_change_nothing(
    facts: list[Fact], others: list[tuple[EventType, datetime, dict[str, object]]]
) -> None:
    strange = [
        Fact(1000 + number, "elsewhere", type, created_at=at, data={**data, "version": 8})
        for number, (type, at, data) in enumerate(others)
    ]
    with_others, without = fold([*facts, *strange], versions=_VERSIONS), fold(facts, versions=_VERSIONS)
    assert {version: record for version, record in with_others.records.items() if version != 8} == without.records
    assert with_others.unversioned == without.unversioned


_SIMPLE = st.lists(
    st.tuples(
        st.sampled_from(EventType),
        st.fixed_dictionaries(
            {
                "backend_pid": st.just(4711),
                "transactional": st.sampled_from([True, False]),
                "as": st.sampled_from(["done", "failed", "pending"]),
            }
        ),
    ),
    max_size=12,
)


def _told_in_words(rows: list[tuple[EventType, dict[str, object]]]) -> tuple[State, bool]:
    """Follow one migration fact by fact, as a person would."""
    state, is_applied = State.PENDING, False
    for type, data in rows:
        word = f"resolved as {data['as']}" if type is EventType.RESOLVED else type.value.removeprefix("migration.")
        match word:
            case "started" | "rollback_started":
                state = State.STUCK
            case "done" | "baselined" | "resolved as done":
                state, is_applied = State.DONE, True
            case "rolled_back" | "resolved as pending":
                state, is_applied = State.PENDING, False
            case "resolved as failed":
                state, is_applied = State.FAILED, False
            case "rollback_failed" if data["transactional"]:
                state = State.DONE if is_applied else State.PENDING
            case "failed" | "rollback_failed":
                state = State.FAILED
            case _:
                pass
    return state, is_applied


@given(_SIMPLE)
def test_folding_tells_what_following_every_fact_tells(rows: list[tuple[EventType, dict[str, object]]]) -> None:
    facts = [
        Fact(position, name_of(1), type, created_at=NOW, data=data)
        for position, (type, data) in enumerate(rows, start=1)
    ]
    (entry,) = evaluate([once()], fold(facts, versions=_VERSIONS), Liveness(NOW))
    assert (entry.state, entry.is_applied) == _told_in_words(rows)


def test_no_facts_are_no_history() -> None:
    assert fold([]) == History()
