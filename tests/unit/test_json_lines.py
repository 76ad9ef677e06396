"""The JSON of each progress: scripts rely on its keys, which come in this order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import pytest

from zmig import progress as events
from zmig.cli import json_lines
from zmig.database.activity import Backend, Blocker, ServerProgress
from zmig.database.lock_holder import ClientState, LockHolder
from zmig.errors import Problem
from zmig.model import Kind, Language, Migration
from zmig.planning.blocked_by import PastBlocker
from zmig.planning.plan import Action, Direction, Plan, Step

if TYPE_CHECKING:
    from zmig.progress import Progress

AT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
STEP = Step(Migration(7, "007_users", Kind.SQL, Language.SQL), Action.APPLY, "pending")
NAMED = {"version": 7, "name": "007_users", "action": "apply"}
BACKEND = Backend(
    4712,
    started_at=AT,
    application_name="psql",
    database_user="anna",
    host="10.0.0.1",
    state="active",
    since=AT,
    query="select 1",
    query_since=AT,
    wait="Lock: relation",
)
HOLDER = LockHolder(
    4711,
    "zmig/5d1e",
    database_user="anna",
    host="10.0.0.1",
    since=AT,
    query="select 1",
    migration="007_users",
    seconds=12.5,
    client=ClientState.GONE,
)

BLOCKED_BY = {
    "pid": 7,
    "depth": 0,
    "application_name": "nightly",
    "database_user": None,
    "host": None,
    "state": None,
    "since": None,
    "query": None,
}
DOCUMENTS: list[tuple[Progress, dict[str, object]]] = [
    (
        events.RunStarted("5d1e", Plan(Direction.FORWARD, (STEP,)), "shop"),
        {"run_id": "5d1e", "database": "shop", "steps": [NAMED]},
    ),
    (
        events.LockWaiting(HOLDER, 2.00049),
        {
            "holder": {
                "pid": 4711,
                "application_name": "zmig/5d1e",
                "database_user": "anna",
                "host": "10.0.0.1",
                "since": "2026-03-14T15:09:26+00:00",
                "query": "select 1",
                "migration": "007_users",
                "seconds": 12.5,
                "client": "gone",
            },
            "waited_seconds": 2.0,
        },
    ),
    (events.LockWaiting(None, 0.5), {"holder": None, "waited_seconds": 0.5}),
    (
        events.StepStarted(STEP, 2, 3, attempt=1, statements=None),
        {"step": NAMED, "number": 2, "total": 3, "attempt": 1, "statements": None},
    ),
    (
        events.StatementStarted(STEP, 2, None, line=14, text="select 1"),
        {"step": NAMED, "number": 2, "total": None, "line": 14, "text": "select 1"},
    ),
    (
        events.StatementFinished(STEP, 2, 3, 10, 0.12345),
        {"step": NAMED, "number": 2, "total": 3, "rows": 10, "duration_seconds": 0.123},
    ),
    (
        events.Reported(STEP, "customers", 250, None),
        {"step": NAMED, "message": "customers", "done": 250, "total": None},
    ),
    (
        events.Blocked(
            STEP,
            (Blocker(0, 1, 4712, BACKEND), Blocker(1, 4712, 0, None)),
            3.0,
            queued=5,
            queued_applications=("web-app", "report"),
        ),
        {
            "step": NAMED,
            "waited_seconds": 3.0,
            "blockers": [
                {
                    "depth": 0,
                    "pid": 4712,
                    "waiting_pid": 1,
                    "application_name": "psql",
                    "database_user": "anna",
                    "host": "10.0.0.1",
                    "state": "active",
                    "since": "2026-03-14T15:09:26+00:00",
                    "query": "select 1",
                },
                {"depth": 1, "pid": 0, "waiting_pid": 4712},
            ],
            "queued": 5,
            "queued_applications": ["web-app", "report"],
        },
    ),
    (
        events.ServerReported(
            STEP, ServerProgress("create index", "scanning", relation="users", done=43, total=100, unit="blocks"), 5.0
        ),
        {
            "step": NAMED,
            "seconds": 5.0,
            "command": "create index",
            "phase": "scanning",
            "relation": "users",
            "done": 43,
            "total": 100,
            "unit": "blocks",
        },
    ),
    (
        events.RoundFinished(STEP, 12, 5000, None, 1500.46, 6.04, lag_seconds=0.25),
        {
            "step": NAMED,
            "rounds": 12,
            "rows": 5000,
            "total": None,
            "rows_per_second": 1500.5,
            "seconds_left": 6.0,
            "lag_seconds": 0.25,
        },
    ),
    (
        events.Held(STEP, "paused by `anna`", 2.0),
        {"step": NAMED, "reason": "paused by `anna`", "held_seconds": 2.0, "lag_seconds": None},
    ),
    (
        events.Notice(STEP, "NOTICE", "hello", detail=None, hint="try it"),
        {"severity": "NOTICE", "message": "hello", "detail": None, "hint": "try it"},
    ),
    (events.StepFinished(STEP, 2, 3, 0.5), {"step": NAMED, "number": 2, "total": 3, "duration_seconds": 0.5}),
    (events.StepSkipped(STEP, 2, 3, "not due"), {"step": NAMED, "number": 2, "total": 3, "reason": "not due"}),
    (
        events.StepFailed(
            STEP,
            2,
            3,
            duration_seconds=0.5,
            problem=Problem("migration-failed", "no luck"),
            will_retry=True,
            blocked_by=(PastBlocker(7, application_name="nightly", seen=3),),
        ),
        {
            "step": NAMED,
            "number": 2,
            "total": 3,
            "duration_seconds": 0.5,
            "error": {
                "code": "migration-failed",
                "message": "no luck",
                "location": None,
                "facts": [],
                "effect": None,
                "hint": None,
            },
            "will_retry": True,
            "blocked_by": [{**BLOCKED_BY, "seen": 3}],
        },
    ),
    (
        events.RetryScheduled(STEP, 2, 5, 30.0),
        {"step": NAMED, "attempt": 2, "attempts": 5, "delay_seconds": 30.0},
    ),
    (
        events.RunFinished("5d1e", 1, 2, duration_seconds=75.0, failed=True),
        {"run_id": "5d1e", "completed": 1, "total": 2, "duration_seconds": 75.0, "failed": True},
    ),
]


@pytest.mark.parametrize(("progress", "document"), DOCUMENTS)
def test_each_progress_has_its_keys_in_this_order(progress: Progress, document: dict[str, object]) -> None:
    told = json_lines.document(progress)
    assert told == document
    assert list(told) == list(document)


def test_no_progress_is_left_out() -> None:
    assert {type(progress) for progress, _ in DOCUMENTS} == set(get_args(events.Progress))
