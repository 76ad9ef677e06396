"""What a failed or stuck migration tells afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from zmig.errors import Location
from zmig.facts import EventType, Fact
from zmig.model import Kind, Language, Migration
from zmig.planning import failure_report
from zmig.planning.history import Record
from zmig.planning.state import Entry, State
from zmig.presentation.hints import CommandLine
from zmig.presentation.problems import problem_text

_AT = datetime(2026, 8, 30, 13, 40, tzinfo=UTC)
_BY = CommandLine("manifests/prod.yaml")


def _entry(state: State, type: EventType, data: dict[str, object], *, declared: bool = True) -> Entry:
    migration = Migration(
        8, "0008", Kind.SQL, Language.SQL, file=Path("0008.sql"), locate=lambda: Location("manifests/prod.yaml", 47, 5)
    )
    last = Fact(1, "0008", type, created_at=_AT, data=data, run_id="5d1e", host="build-7")
    return Entry(migration if declared else None, Record("0008", 8, last=last), state)


def _text(entry: Entry) -> str:
    problem = failure_report.describe(entry)
    assert problem is not None
    return problem_text(problem, _BY)


def test_a_stuck_migration_says_when_it_started_who_ran_it_and_how_to_go_on() -> None:
    entry = _entry(State.STUCK, EventType.STARTED, {"backend_pid": 4702, "transactional": True, "attempt": 1})
    assert _text(entry) == (
        "error: migration `0008` is stuck: it started 2026-08-30 13:40 UTC and never ended, "
        "and no process works on it\n"
        "  --> manifests/prod.yaml:47:5\n"
        "   = run 5d1e, on host build-7, backend 4702, attempt 1\n"
        "   = transactional, so its changes are gone\n"
        "hint: run `zmig apply manifests/prod.yaml`, which starts it again"
    )


def test_a_failed_migration_says_where_why_and_what_is_left() -> None:
    error: dict[str, object] = {
        "message": 'relation "users" does not exist',
        "sqlstate": "42P01",
        "statement": 2,
        "statements": 5,
        "file": "migrations/0008.sql",
        "line": 14,
        "column": 18,
    }
    data: dict[str, object] = {"error": error, "duration_ms": 1240, "transactional": False, "attempt": 3}
    assert _text(_entry(State.FAILED, EventType.FAILED, data)) == (
        'error: migration `0008` failed: relation "users" does not exist\n'
        "  --> migrations/0008.sql:14:18\n"
        "   = PostgreSQL 42P01, statement 2 of 5, 2026-08-30 13:40 UTC, after 1.2 s\n"
        "   = run 5d1e, on host build-7, attempt 3\n"
        "   = not rolled back: what it completed stays\n"
        "hint: correct the file, then run `zmig retry manifests/prod.yaml 0008`"
    )


def test_a_fact_appended_by_hand_without_data_still_makes_a_sentence() -> None:
    assert "failed: no reason is recorded" in _text(_entry(State.FAILED, EventType.FAILED, {}))


def test_a_migration_resolved_as_failed_gives_the_operators_reason() -> None:
    entry = _entry(State.FAILED, EventType.RESOLVED, {"as": "failed", "reason": "half of it is missing"})
    assert "migration `0008` was resolved as failed: half of it is missing" in _text(entry)


def test_a_failed_rollback_is_continued_by_rolling_back() -> None:
    entry = _entry(State.FAILED, EventType.ROLLBACK_FAILED, {"error": {"message": "no"}, "transactional": False})
    assert "the rollback of migration `0008` failed: no" in _text(entry)
    assert _text(entry).endswith("hint: run `zmig rollback manifests/prod.yaml`")


def test_a_migration_that_is_no_longer_declared_can_be_resolved() -> None:
    entry = _entry(State.STUCK, EventType.STARTED, {}, declared=False)
    assert "zmig resolve manifests/prod.yaml 8 --as done --reason ..." in _text(entry)


def test_a_healthy_migration_tells_nothing() -> None:
    assert failure_report.describe(_entry(State.DONE, EventType.DONE, {})) is None
