from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from zmig_tui.models import batch_progress, remote_run
from zmig_tui.models import run as running
from zmig_tui.models.run import Run
from zmig_tui.pages import backend_view, code, plan_text, run_panel
from zmig_tui.pages.code import Mark
from zmig_tui.text import line

from zmig.database.activity import Backend, BackendWork, Blocker, ServerProgress
from zmig.database.lock_holder import LockHolder
from zmig.errors import Problem
from zmig.facts import EventType, Fact
from zmig.model import Kind, Language, Migration
from zmig.planning.blocked_by import PastBlocker
from zmig.planning.history import fold
from zmig.planning.plan import Action, Direction, Plan, Step
from zmig.presentation.hints import CommandLine
from zmig.presentation.spans import Tone, plain
from zmig.progress import (
    Held,
    LockWaiting,
    Notice,
    Progress,
    Reported,
    RetryScheduled,
    RoundFinished,
    RunStarted,
    StatementStarted,
    StepFailed,
    StepFinished,
    StepSkipped,
    StepStarted,
)
from zmig.sql import script

if TYPE_CHECKING:
    from zmig_tui.models.batch_progress import BatchProgress

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
STEPS = tuple(
    Step(Migration(version, name, Kind.SQL, Language.SQL, file=Path(f"{name}.sql")), Action.APPLY, "pending")
    for version, name in enumerate(("one", "two"), start=1)
)
PLAN = Plan(Direction.FORWARD, STEPS)


def _after(*heard: Progress) -> Run:
    run = Run("apply", began=0.0)
    for second, progress in enumerate(heard, start=1):
        run = running.advance(run, progress, float(second))
    return run


_HINTS = CommandLine("prod.yaml")


def _texts(run: Run, now: float = 10.0) -> str:
    return "\n".join(plain(one) for one in run_panel.panel_lines(run, None, now, hints=_HINTS, cells=80, height=8))


def test_a_run_is_a_bar_with_the_statement_that_runs() -> None:
    run = _after(
        RunStarted("r", PLAN, "shop"),
        StepStarted(STEPS[0], 1, 2, attempt=1, statements=1),
        StepFinished(STEPS[0], 1, 2, 0.5),
        StepStarted(STEPS[1], 2, 2, attempt=3, statements=5),
        StatementStarted(STEPS[1], 3, 5, line=14, text="select 1"),
    )
    shown = _texts(run)
    assert "1 of 2  50%" in shown
    assert "two  attempt 3 · statement 3 of 5, line 14 · 0:06" in shown
    assert "select 1" in shown
    assert "✓ one  500 ms" in shown


def test_waiting_says_for_whom_until_the_run_begins() -> None:
    waiting = _after(LockWaiting(LockHolder(4711, "psql"), 2.0))
    assert "waiting for the lock: backend 4711" in _texts(waiting)
    assert (
        "backend 4711, application"
        not in _texts(running.advance(waiting, RunStarted("r", PLAN, "shop"), 3)).split("waiting")[0]
    )


def test_a_retry_counts_down() -> None:
    run = _after(
        RunStarted("r", PLAN, "shop"),
        StepStarted(STEPS[0], 1, 2, attempt=1, statements=1),
        RetryScheduled(STEPS[0], 2, 5, 30.0),
    )
    assert "tries again in 0:23" in _texts(run)


def test_between_two_tries_it_is_said_why_the_last_one_failed_and_who_was_in_the_way() -> None:
    problem = Problem("migration-failed", "migration `one` failed: canceling statement due to lock timeout")
    blocked_by = (PastBlocker(4690, application_name="nightly-report"), PastBlocker(4655, depth=1))
    failed = StepFailed(STEPS[0], 1, 2, duration_seconds=3.0, problem=problem, will_retry=True, blocked_by=blocked_by)
    heard = (
        RunStarted("r", PLAN, "shop"),
        StepStarted(STEPS[0], 1, 2, attempt=7, statements=1),
        failed,
        RetryScheduled(STEPS[0], 2, 5, 30.0),
    )
    shown = _texts(_after(*heard))
    assert "one  try 2 of 5" in shown
    assert "↻ lock timeout, blocked by pid 4690 nightly-report; tries again in 0:24" in shown
    again = _texts(_after(*heard, StepStarted(STEPS[0], 1, 2, attempt=8, statements=1)))
    assert "one  try 2 of 5 · 0:05" in again
    assert "tries again" not in again
    other = _texts(_after(*heard, StepStarted(STEPS[1], 2, 2, attempt=1, statements=1)))
    assert "two  0:05" in other


def test_what_a_python_migration_reports_is_a_bar_of_its_own() -> None:
    run = _after(StepStarted(STEPS[0], 1, 2, attempt=1, statements=None), Reported(STEPS[0], "customers", 250, 1000))
    assert "25%  250 of 1,000  customers" in _texts(run)


def test_the_log_keeps_notices_failures_and_what_was_left_out() -> None:
    problem = Problem("migration-failed", "migration `one` failed: no [bold]luck[/]")
    run = _after(
        Notice(STEPS[0], "NOTICE", "a [red]notice[/]\x1b[0m"),
        StepFailed(STEPS[0], 1, 2, duration_seconds=1.0, problem=problem, will_retry=False),
        StepSkipped(STEPS[1], 2, 2, "not due"),
    )
    log = "\n".join(plain(one) for one in run.log.tail(9))
    assert "notice: a [red]notice[/]\\x1b[0m" in log
    assert "✗ migration `one` failed: no [bold]luck[/]" in log
    assert "- two: not due" in log


def test_a_run_that_ended_says_how() -> None:
    failed = _after().ending("failed", (Problem("x", "it broke", hint="mend it"),), 65.0)
    shown = _texts(failed)
    assert "✗ apply: failed  1:05" in shown
    assert "it broke" in shown
    assert "mend it" in shown
    assert failed.is_over
    assert failed.has_failed


def test_blockers_are_drawn_as_a_tree() -> None:
    def backend(pid: int, wait: str | None = None) -> Backend:
        query = "select\n  1 -- password = 'x y'"
        return Backend(
            pid,
            started_at=NOW,
            application_name="psql",
            database_user="anna",
            host=None,
            state="idle in transaction",
            since=NOW - timedelta(minutes=3),
            query=query,
            query_since=NOW,
            wait=wait,
        )

    work = BackendWork(
        backend(1, "Lock: relation"),
        ServerProgress("copy from", "pipe", relation="orders", done=25, total=100, unit="bytes"),
        (Blocker(0, 1, 2, backend(2)), Blocker(1, 2, 3, backend(3)), Blocker(1, 2, 0, None)),
    )
    shown = [plain(one) for one in backend_view.backend_lines(work, NOW, line("who waits"))]
    assert " 25%  pipe · 25 of 100 bytes · copy from on orders" in shown[0]
    assert shown[1] == "who waits"
    assert shown[2].startswith(
        "  └ backend 2, idle in transaction for 3 min 00 s, application `psql`, user `anna`: select 1 --"
    )
    assert "x y" not in shown[2]
    assert shown[3].startswith("     └ backend 3, ")
    assert "a prepared transaction" in shown[4]


def test_the_servers_query_is_found_in_the_file_even_if_it_was_cut() -> None:
    text = "select 1;\n\nselect '" + "x" * 5000 + "';\nselect 3;"
    statements = tuple(script.split(text, path="one.sql"))
    found = remote_run.position_of_query(statements, _backend(("select '" + "x" * 5000)[:1023]))
    assert found is not None
    assert (found.number, found.total, found.line) == (2, 3, 3)
    assert remote_run.position_of_query(statements, _backend("select pg_advisory_lock(1)")) is None
    assert remote_run.position_of_query(statements, _backend(None)) is None


def test_the_number_in_a_message_goes_before_what_its_query_looks_like() -> None:
    statements = tuple(script.split("select 1;\nselect 1;\n", path="one.sql"))
    found = remote_run.position_of_query(statements, _backend("select 1", statement=2))
    assert found is not None
    assert (found.number, found.line) == (2, 2)
    assert remote_run.position_of_query(statements, _backend("select ${one}", statement=3)) is None


def _backend(query: str | None, statement: int | None = None) -> Backend:
    return Backend(
        1,
        started_at=NOW,
        application_name="zmig/r",
        database_user="anna",
        host=None,
        state="active",
        since=NOW,
        query=query,
        query_since=NOW,
        wait=None,
        statement=statement,
    )


def _fact(type: EventType, second: int, **data: object) -> Fact:
    return Fact(
        second,
        "one",
        type,
        created_at=NOW + timedelta(seconds=second),
        data={"version": 1, **data},
        database_user="anna",
        run_id="r",
        host="ci",
    )


def _rounds(*facts: Fact, before: BatchProgress | None = None) -> str:
    found = batch_progress.from_record(fold(facts).records[1], before)
    return plain(batch_progress.batch_line(found)) if found is not None else ""


def test_rounds_in_another_process_are_told_with_rate_and_time_left() -> None:
    started = _fact(EventType.STARTED, 0, attempt=1)
    second_round = _fact(EventType.CHECKPOINT, 10, rows=4000, rounds=2, total=10_000)
    assert _rounds(started) == ""
    assert " 40%  4,000 of 10,000 rows  0:15 left · 400 rows/s · round 2" in _rounds(started, second_round)


def test_the_rate_of_a_later_attempt_leaves_out_what_was_done_before_it() -> None:
    again = _fact(EventType.STARTED, 100, attempt=2, resumed_after=0)
    first = _fact(EventType.CHECKPOINT, 101, rows=5000, rounds=5)
    known = batch_progress.from_record(fold([again, first]).records[1], None)
    assert known is not None
    assert plain(batch_progress.batch_line(known)) == "5,000 rows  round 5"
    later = _fact(EventType.CHECKPOINT, 111, rows=7000, rounds=7)
    assert _rounds(again, later, before=known) == "7,000 rows  200 rows/s · round 7"


def test_a_round_is_told_with_rows_rate_and_time_left_until_it_is_held() -> None:
    run = _after(
        StepStarted(STEPS[0], 1, 2, attempt=1, statements=1), RoundFinished(STEPS[0], 7, 7000, 10_000, 500.0, 6.0)
    )
    assert "70%  7,000 of 10,000 rows  0:06 left · 500 rows/s · round 7" in _texts(run)
    held = running.advance(run, Held(STEPS[0], "paused by `anna`", 0.5), 4)
    assert "‖ waits between two rounds: paused by `anna`" in _texts(held)
    assert "70%  7,000 of 10,000 rows  500 rows/s" in _texts(held)
    went_on = running.advance(held, RoundFinished(STEPS[0], 8, 8000, None, 500.0, None), 5)
    assert "waits between" not in _texts(went_on)
    assert "8,000 rows  500 rows/s · round 8" in _texts(went_on)


def test_a_file_is_numbered_and_its_place_marked() -> None:
    text = "select 1;\nselect '日本', nope;\n"
    shown = [plain(one) for one in code.code_lines(text, Language.SQL, Mark(2, 14, "no such [column]"))]
    assert shown == [
        " 1 │ select 1;",
        "▶2 │ select '日本', nope;",
        "   │                ^",
        "   │ no such [column]",
    ]


def test_a_file_is_coloured_by_its_grammar_and_only_while_that_is_quick() -> None:
    (first,) = code.code_lines("select 1", Language.SQL)
    assert Tone.KEYWORD in {one.tone for one in first}
    (first,) = code.code_lines("def f(): pass", Language.PYTHON)
    assert Tone.KEYWORD in {one.tone for one in first}
    huge = code.code_lines("select 1;\n" * 30_000, Language.SQL)
    assert len(huge) == 30_000
    assert all(one.tone is not Tone.KEYWORD for one in huge[0])


def test_a_plan_names_each_step_and_what_is_unusual_about_it() -> None:
    from dataclasses import replace

    from zmig.planning.plan import Mode

    odd = replace(STEPS[1], mode=Mode(False, "statement 1, line 1: CREATE INDEX CONCURRENTLY"))
    shown = "\n".join(plain(one) for one in plan_text.step_lines(Plan(Direction.FORWARD, (STEPS[0], odd))))
    assert "1  apply  one  pending" in shown
    assert "without a transaction: statement 1, line 1: CREATE INDEX CONCURRENTLY" in shown
    assert plan_text.plan_summary(PLAN) == "2 migrations to run"
    assert plan_text.plan_summary(Plan(Direction.ROLLBACK)) == "nothing to roll back"
