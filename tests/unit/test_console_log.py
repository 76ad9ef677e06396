"""The log of a run: what is kept of what was reported, and how that is shown, searched and saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zmig_tui import log_file
from zmig_tui.models import run_log
from zmig_tui.models.remote_log import RemoteLog
from zmig_tui.models.remote_run import StatementPosition, remote_run
from zmig_tui.models.run_log import LOG_LIMIT, RunLog
from zmig_tui.pages import run_log as page

from tests.support import scenes
from zmig.database.activity import Blocker
from zmig.errors import Problem
from zmig.facts import EventType, Fact
from zmig.planning.plan import Action, Step
from zmig.presentation.spans import Tone, plain
from zmig.progress import (
    Blocked,
    Notice,
    Progress,
    Reported,
    RetryScheduled,
    RoundFinished,
    RunFinished,
    StatementFinished,
    StatementStarted,
    StepFailed,
    StepStarted,
)

if TYPE_CHECKING:
    from pathlib import Path

SEEN = scenes.blocked().observation()
STEP = Step(scenes.MIGRATIONS[10], Action.APPLY, "pending")
NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def _wall(at: float) -> datetime:
    return NOON + timedelta(seconds=at)


def _log(*reported: Progress) -> RunLog:
    log = RunLog()
    for second, progress in enumerate(reported):
        log = run_log.advance(log, progress, float(second))
    return log


def _texts(log: RunLog, now: float | None = None) -> list[str]:
    return [plain(one) for one in page.log_lines(log, _wall, now)]


def _statement(number: int, text: str = "select 1") -> StatementStarted:
    return StatementStarted(STEP, number, 3, line=number, text=text)


def test_each_line_has_its_time_and_each_statement_how_long_it_took() -> None:
    long = "update orders set total = " + "x" * 150
    log = _log(
        StepStarted(STEP, 1, 1, attempt=1, statements=3),
        _statement(1, long),
        Notice(STEP, "NOTICE", "hm"),
        StatementFinished(STEP, 1, 3, 12_000, 2.0),
        _statement(2),
    )
    assert _texts(log, 67.0) == [
        f" 12:00:00 ▶ {STEP.action.value} {STEP.migration.name}",
        f" 12:00:01     1 of 3, line 1: {long}  2.0 s, 12,000 rows",
        " 12:00:02     notice: hm",
        " 12:00:04     2 of 3, line 2: select 1  1:03 …",
    ]
    assert not _texts(log)[-1].endswith("…"), "a run that is over runs no statement"


def test_what_goes_on_is_one_line_until_something_else_happens() -> None:
    problem = Problem("lock-timeout", "the lock was not obtained")
    blocked = [Blocked(STEP, (Blocker(0, 1, 9, None),), float(seconds)) for seconds in (1, 2, 3)]
    failed = StepFailed(STEP, 1, 1, duration_seconds=3.0, problem=problem, will_retry=True)
    log = _log(
        _statement(1),
        *blocked,
        failed,
        RetryScheduled(STEP, 2, 5, 1.0),
        _statement(1),
        *blocked,
        Reported(STEP, "customers", 1, 9),
        Reported(STEP, "customers", 2, 9),
        *(RoundFinished(STEP, round, round * 10, None, 10.0, None) for round in range(1, 4)),
    )
    assert [text[10:].strip() for text in _texts(log)] == [
        "1 of 3, line 1: select 1",
        "blocked for 3.0 s by backend 9",
        "✗ the lock was not obtained  3.0 s",
        "↻ try 2 of 5 in 1.0 s",
        "1 of 3, line 1: select 1",
        "blocked for 3.0 s by backend 9",
        "customers: 2 of 9",
        "round 3: 30 rows, 10 rows/s",
    ]
    assert [entry.at for entry in log.entries if "blocked" in entry.words] == [1.0, 7.0], "since when, not until when"
    assert [plain(one).strip() for one in log.tail(2)] == ["↻ try 2 of 5 in 1.0 s", "1 of 3, line 1: select 1"]


def test_it_is_bounded_and_says_what_it_dropped() -> None:
    log = _log(
        *(_statement(number) for number in range(1, LOG_LIMIT + 6)),
        RunFinished("r", 1, 1, duration_seconds=1, failed=False),
    )
    assert (len(log.entries), log.dropped) == (LOG_LIMIT, 6)
    assert _texts(log)[0].strip() == "6 earlier lines dropped"
    assert "run r completed 1 of 1 step" in _texts(log)[-1]
    # A statement whose line was dropped ends without a trace.
    assert run_log.advance(log, StatementFinished(STEP, 1, 3, None, 1.0), 1.0) == log


def test_levels_have_tones() -> None:
    log = _log(*(Notice(STEP, severity, "x") for severity in ("NOTICE", "WARNING")))
    assert [entry.tone for entry in log.entries] == [Tone.ACCENT, Tone.WARN]


def test_a_text_is_found_in_whatever_case_and_marked_in_the_middle_of_spans() -> None:
    lines = page.log_lines(_log(_statement(1, "alter table Orders"), _statement(2)), _wall, None)
    assert page.matches(lines, "orders") == [0]
    assert page.matches(lines, "LINE ") == [0, 1]
    assert page.matches(lines, "") == []
    for needle in ("orders", "1: ALTER", "12:00:00"):
        shown = page.marked(lines[0], needle)
        assert plain(shown) == plain(lines[0])
        assert "".join(part.text for part in shown if part.tone is Tone.MARK).lower() == needle.lower()
    assert page.marked(lines[0], "nothing") == lines[0]


def test_a_file_has_dates_and_no_secrets(tmp_path: Path) -> None:
    log = _log(Notice(STEP, "NOTICE", "connecting to postgresql://anna:hunter2@db/shop"))
    text = page.file_text("apply, run r", replace(log, dropped=3), _wall, [])
    assert text.splitlines()[0] == "apply, run r"
    assert "(3 earlier lines dropped)" in text
    assert "2026-03-14" in text
    assert "hunter2" not in text

    file = tmp_path / "run.log"
    assert log_file.write(str(file), text, replaces=False).is_written
    again = log_file.write(str(file), "other", replaces=False)
    assert (again.is_there, again.is_written) == (True, False)
    assert file.read_text("utf-8") == text
    assert log_file.write(str(file), "other \ud800", replaces=True).is_written
    assert file.read_text("utf-8").startswith("other")
    refused = log_file.write(str(tmp_path / "none" / "run.log"), text, replaces=False)
    assert refused.text == f"the log was not saved to {tmp_path}/none/run.log: no such file or directory"


def test_names_that_no_file_can_have_are_refused_in_a_sentence(tmp_path: Path) -> None:
    assert log_file.check_name("") == "type the name of a file"
    assert log_file.check_name(str(tmp_path)) == "that is a folder: type the name of a file in it"
    assert log_file.check_name(str(tmp_path / "none" / "x")) == f"there is no folder {tmp_path}/none"
    assert log_file.check_name("a" * 300) == "that cannot be the name of a file: file name too long"
    assert log_file.write("a\0b", "", replaces=False).text.startswith("the log was not saved to a\0b: embedded null")
    assert log_file.check_name(str(tmp_path / "x.log")) is None


def _fact(position: int, type: EventType, seconds: int, **data: object) -> Fact:
    return Fact(
        position,
        "011_orders_by_customer",
        type,
        created_at=SEEN.now - timedelta(seconds=seconds),
        data={"version": 11, **data},
        run_id=scenes.RUN_ID,
    )


def test_of_a_run_in_another_process_facts_statements_and_blockers_are_known() -> None:
    remote = RemoteLog()
    position = StatementPosition(1, 2, 1, "create index concurrently")
    run = remote_run(SEEN, 1000.0, position)
    remote.observe(SEEN, run, 1000.0)
    remote.observe(SEEN, run, 1001.0)
    failure = _fact(9001, EventType.FAILED, 0, duration_ms=2500, error={"message": "no luck"})
    foreign = replace(_fact(9002, EventType.DONE, 0), run_id="another")
    news = replace(SEEN, new_facts=(failure, foreign), work=None)
    remote.observe(news, remote_run(news, 1002.0, None), 1002.0)
    remote.observe(news, remote_run(news, 1002.0, None), 1003.0)
    texts = [entry.words.strip() for entry in remote.log.entries]
    assert texts == [
        "▶ 011_orders_by_customer, attempt 2",
        "1 of 2, line 1",
        "blocked by backend 4690, active for 6 min 00 s, application `nightly report`, user `report`; "
        "backend 4655, idle in transaction for 41 min 00 s, application `psql`, user `anna`",
        "✗ 011_orders_by_customer: no luck",
    ]
    first, *_, last = remote.log.entries
    assert first.at == 1000.0 - 192, "when it happened, not when it was seen"
    assert last.took == "2.5 s"
    other = replace(SEEN, status=replace(SEEN.status, holder=replace(scenes.HOLDER, application_name="zmig/other")))
    remote.observe(other, remote_run(other, 1004.0, None), 1004.0)
    assert all(entry.at >= 1004.0 for entry in remote.log.entries), "another run has a log of its own"
