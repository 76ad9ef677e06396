"""What is said of each progress of a run: a sentence for logs, and its parts for displays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import pytest

from zmig import progress as events
from zmig.database.activity import Backend, Blocker, ServerProgress
from zmig.database.lock_holder import LockHolder
from zmig.errors import Problem
from zmig.model import Kind, Language, Migration
from zmig.planning.plan import Action, Direction, Plan, Step
from zmig.presentation.narration import Saying, say
from zmig.presentation.spans import Tone

if TYPE_CHECKING:
    from zmig.progress import Progress

STEP = Step(Migration(7, "007_users", Kind.SQL, Language.SQL), Action.APPLY, "pending")
AT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
BACKEND = Backend(
    4712,
    started_at=AT,
    application_name="psql",
    database_user="anna",
    host=None,
    state="idle in transaction",
    since=AT,
    query="select 1",
    query_since=AT,
    wait=None,
)
PROBLEM = Problem("migration-failed", "migration `007_users` failed: no luck")


def _failed(*, will_retry: bool) -> Progress:
    return events.StepFailed(STEP, 2, 3, duration_seconds=1.25, problem=PROBLEM, will_retry=will_retry)


SENTENCES: list[tuple[Progress, str]] = [
    (events.RunStarted("5d1e", Plan(Direction.FORWARD, (STEP,)), "shop"), "run 5d1e on database `shop`: 1 step to run"),
    (
        events.RunStarted("5d1e", Plan(Direction.ROLLBACK, (STEP,) * 2000), "shop"),
        "run 5d1e on database `shop`: 2,000 steps to roll back",
    ),
    (
        events.LockWaiting(LockHolder(4711, "zmig/1"), 2.0),
        "waiting for the lock: backend 4711, application `zmig/1`, 2.0 s",
    ),
    (events.LockWaiting(None, 0.5), "waiting for the lock: the holder has just released it, 500 ms"),
    (events.StepStarted(STEP, 2, 3, attempt=1, statements=None), "apply 007_users"),
    (events.StepStarted(STEP, 2, 3, attempt=2, statements=None), "apply 007_users, attempt 2"),
    (events.StatementStarted(STEP, 2, 3, line=14, text="select 1"), "statement 2 of 3, line 14: select 1"),
    (events.StatementStarted(STEP, 2, None, line=14, text="select 1"), "statement 2, line 14: select 1"),
    (events.Reported(STEP, "customers", None, None), "customers"),
    (events.Reported(STEP, "customers", 250, 1000), "customers: 250 of 1000"),
    (events.Reported(STEP, "customers", 250, None), "customers: 250"),
    (events.Blocked(STEP, (), 3.0), "goes on, after waiting 3.0 s for a lock"),
    (
        events.Blocked(STEP, (Blocker(0, 1, 4712, BACKEND), Blocker(1, 4712, 0, None), Blocker(1, 4712, 9, None)), 3.0),
        "blocked for 3.0 s by backend 4712, idle in transaction since 15:09:26 UTC, application `psql`, user `anna`: "
        "select 1; a prepared transaction; backend 9",
    ),
    (
        events.Blocked(
            STEP, (Blocker(0, 1, 9, None),), 3.0, queued=5, queued_applications=("web", "report", "psql", "etl")
        ),
        "blocked for 3.0 s, with 5 others waiting for it (`web`, `report`, `psql` and 1 more), by backend 9",
    ),
    (
        events.Blocked(STEP, (Blocker(0, 1, 9, None),), 3.0, queued=1),
        "blocked for 3.0 s, with 1 other waiting for it, by backend 9",
    ),
    (
        events.ServerReported(
            STEP, ServerProgress("create index", "scanning", relation="users", done=43, total=100, unit="blocks"), 5.0
        ),
        "create index of users: scanning, 43% of 100 blocks",
    ),
    (
        events.ServerReported(
            STEP, ServerProgress("copy from", "pipe", relation=None, done=43, total=None, unit="rows"), 5.0
        ),
        "copy from: pipe, 43 rows",
    ),
    (
        events.RoundFinished(STEP, 1200, 5000, 10_000, 1500.4, 6.0),
        "round 1,200: 5,000 of about 10,000 rows, 1,500 rows/s, 6.0 s left",
    ),
    (events.RoundFinished(STEP, 1, 5, None, 2.0, None), "round 1: 5 rows, 2 rows/s"),
    (events.Held(STEP, "paused by `anna`", 2.0), "waiting for 2.0 s between two rounds: paused by `anna`"),
    (events.Notice(STEP, "NOTICE", "hello", detail="more", hint="try it"), "notice: hello; more; try it"),
    (events.StepFinished(STEP, 2, 3, 0.012), "done 007_users, 12 ms"),
    (events.StepSkipped(STEP, 2, 3, "not due"), "skipped 007_users: not due"),
    (_failed(will_retry=False), "failed 007_users, 1.2 s"),
    (_failed(will_retry=True), "failed 007_users, 1.2 s: migration `007_users` failed: no luck"),
    (events.RetryScheduled(STEP, 2, 5, 30.0), "trying 007_users again in 30.0 s, try 2 of 5"),
    (
        events.RunFinished("5d1e", 1, 2000, duration_seconds=75.0, failed=True),
        "run 5d1e failed after 1 of 2,000 steps, 1 min 15 s",
    ),
    (events.RunFinished("5d1e", 1, 1, duration_seconds=0.5, failed=False), "run 5d1e completed 1 of 1 step, 500 ms"),
]


def _said(progress: Progress) -> Saying:
    saying = say(progress)
    assert saying is not None
    return saying


@pytest.mark.parametrize(("progress", "sentence"), SENTENCES)
def test_each_progress_is_a_sentence(progress: Progress, sentence: str) -> None:
    assert _said(progress).sentence == sentence


def test_nothing_but_the_end_of_a_statement_goes_without_a_word() -> None:
    assert say(events.StatementFinished(STEP, 1, 2, 3, 0.5)) is None
    assert {type(progress) for progress, _ in SENTENCES} | {events.StatementFinished} == set(get_args(events.Progress))


@pytest.mark.parametrize(
    ("progress", "mark", "short", "tone"),
    [
        (events.StepStarted(STEP, 2, 3, attempt=2, statements=None), "▶", "apply 007_users, attempt 2", Tone.BUSY),
        (events.StepFinished(STEP, 2, 3, 0.012), "✓", "007_users", Tone.GOOD),
        (events.StepSkipped(STEP, 2, 3, "not due"), "-", "007_users: not due", Tone.QUIET),
        (_failed(will_retry=False), "✗", PROBLEM.message, Tone.BAD),
        (events.RetryScheduled(STEP, 2, 5, 30.0), "↻", "try 2 of 5 in 30.0 s", Tone.WARN),
        (events.StatementStarted(STEP, 2, 3, line=14, text="select 1"), " ", "2 of 3, line 14", Tone.QUIET),
        (events.Notice(STEP, "WARNING", "hello"), " ", "warning: hello", Tone.WARN),
        (events.Notice(STEP, "NOTICE", "hello"), " ", "notice: hello", Tone.PLAIN),
        (events.RunFinished("5d1e", 1, 1, duration_seconds=0.5, failed=False), "", "", Tone.STRONG),
    ],
)
def test_a_display_shows_a_mark_and_fewer_words(progress: Progress, mark: str, short: str, tone: Tone) -> None:
    saying = _said(progress)
    assert (saying.mark, saying.brief, saying.tone) == (mark, short, tone)


def test_what_is_heard_every_second_is_passing_and_has_a_subject() -> None:
    blocked = [
        _said(events.Blocked(STEP, (Blocker(0, 1, pid, None),), seconds)) for pid, seconds in ((2, 1), (2, 2), (3, 3))
    ]
    assert not any(saying.lasts for saying in blocked)
    assert blocked[0].subject == blocked[1].subject != blocked[2].subject
    assert [progress for progress, _ in SENTENCES if _said(progress).subject is not None] == [
        progress
        for progress, _ in SENTENCES
        if isinstance(progress, (events.Blocked, events.ServerReported, events.RoundFinished, events.Held))
    ]
