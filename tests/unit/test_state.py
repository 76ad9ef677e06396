"""What facts say of each migration: tables of facts and the states, findings and versions that follow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.tales import (
    NOBODY,
    NOW,
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
    name_of,
    once,
    paused,
    resolved,
    resumed,
    rollback_failed,
    rollback_started,
    rolled_back,
    started,
    tale,
)
from zmig.facts import EventType
from zmig.planning.history import fold
from zmig.planning.state import Entry, FindingCode, Liveness, State, current_version

if TYPE_CHECKING:
    from zmig.model import Migration

PENDING, STARTED, DONE, FAILED, STUCK = State.PENDING, State.STARTED, State.DONE, State.FAILED, State.STUCK
TEN_MINUTES = timedelta(minutes=10)
A_SECOND = timedelta(seconds=1)
ANOTHER = Liveness(NOW, holder_pid=8, holder_run="b2")


def _one(*told: Told, migration: Migration | None = None, liveness: Liveness = NOBODY) -> Entry:
    (entry,) = entries([migration or once()], *told, liveness=liveness)
    return entry


def _ages(created: timedelta, stated: str | None = None) -> Told:
    data = {} if stated is None else {"started_at": stated}
    return Told(EventType.STARTED, ago=created, by_hand=True, data=data)


@pytest.mark.parametrize(
    ("told", "liveness", "state", "is_applied"),
    [
        pytest.param([], NOBODY, PENDING, False, id="nothing was ever said of it"),
        pytest.param([started()], RUNNING, STARTED, False, id="started, and its backend holds the lock"),
        pytest.param([started()], ANOTHER, STUCK, False, id="started, and another backend holds the lock"),
        pytest.param([started()], NOBODY, STUCK, False, id="started, and nobody holds the lock"),
        pytest.param([started(), done()], RUNNING, DONE, True, id="done, while its backend works on"),
        pytest.param([started(), failed()], NOBODY, FAILED, False, id="failed"),
        pytest.param([started(), failed(), failed()], NOBODY, FAILED, False, id="failed twice in a row"),
        pytest.param([started(), failed(), started(), failed()], NOBODY, FAILED, False, id="failed, started, failed"),
        pytest.param([started(), failed(), started()], NOBODY, STUCK, False, id="started, failed, started"),
        pytest.param([started(), started()], NOBODY, STUCK, False, id="started twice in a row"),
        pytest.param([started(), failed(), started(), done()], NOBODY, DONE, True, id="failed, then done"),
        pytest.param([failed(), started(), done()], NOBODY, DONE, True, id="a failure without a start"),
        pytest.param([done(), started()], NOBODY, STUCK, True, id="started again after it was done"),
        pytest.param([done(), failed()], NOBODY, FAILED, True, id="failed again after it was done"),
        pytest.param([done(), started()], RUNNING, STARTED, True, id="running again after it was done"),
        pytest.param(
            [started(), failed(will_retry=True)], RUNNING, STARTED, False, id="failed, and its run tries again"
        ),
        pytest.param(
            [started(), failed(will_retry=True)], ANOTHER, FAILED, False, id="to be tried again by a run that died"
        ),
        pytest.param(
            [by_hand(EventType.STARTED, ago=A_SECOND), failed(will_retry=True)],
            NOBODY,
            FAILED,
            False,
            id="to be tried again by nobody knows whom",
        ),
        pytest.param(
            [started(), failed()], RUNNING, FAILED, False, id="failed, and its run goes on to release the lock"
        ),
        pytest.param([baselined()], NOBODY, DONE, True, id="baselined"),
        pytest.param([checkpoint()], NOBODY, PENDING, False, id="a checkpoint without a start"),
        pytest.param([accepted()], NOBODY, PENDING, False, id="accepted without being applied"),
        pytest.param([started(), checkpoint()], NOBODY, STUCK, False, id="stuck behind a checkpoint"),
        pytest.param([resolved("done")], NOBODY, DONE, True, id="resolved as done"),
        pytest.param([started(), resolved("failed")], NOBODY, FAILED, False, id="resolved as failed"),
        pytest.param([started(), resolved("pending")], NOBODY, PENDING, False, id="resolved as pending"),
        pytest.param([started(), resolved(None)], NOBODY, FAILED, False, id="resolved as nothing understandable"),
        pytest.param([done(), resolved("failed")], NOBODY, FAILED, False, id="done, but resolved as failed"),
        pytest.param([done(), resolved("pending")], NOBODY, PENDING, False, id="done, resolved as pending"),
        pytest.param([resolved("failed"), resolved("done")], NOBODY, DONE, True, id="the last word counts"),
        pytest.param([done(), rolled_back()], NOBODY, PENDING, False, id="rolled back"),
        pytest.param([done(), rolled_back(), started(), done()], NOBODY, DONE, True, id="rolled back, applied again"),
        pytest.param([done(), rolled_back(), started()], NOBODY, STUCK, False, id="rolled back, then stuck"),
        pytest.param([done(), rollback_started()], RUNNING, STARTED, True, id="being rolled back"),
        pytest.param([done(), rollback_started()], NOBODY, STUCK, True, id="its rollback is stuck"),
        pytest.param(
            [done(), rollback_started(), rollback_failed(transactional=True)],
            NOBODY,
            DONE,
            True,
            id="its rollback failed in a transaction, so it is still applied",
        ),
        pytest.param(
            [done(), rollback_started(transactional=False), rollback_failed(transactional=False)],
            NOBODY,
            FAILED,
            True,
            id="its rollback failed outside a transaction",
        ),
        pytest.param([done(), rollback_failed()], NOBODY, FAILED, True, id="its rollback failed nobody knows how"),
        pytest.param(
            [done(), rollback_started(), rollback_failed()],
            NOBODY,
            DONE,
            True,
            id="its rollback, begun in a transaction, failed nobody knows how",
        ),
        pytest.param(
            [started(), rollback_failed()], NOBODY, FAILED, False, id="a rollback that was never begun failed"
        ),
        pytest.param(
            [done(), rollback_started(), rollback_failed(transactional=False)],
            NOBODY,
            FAILED,
            True,
            id="its rollback failed outside the transaction it was begun in",
        ),
        pytest.param(
            [rollback_failed(transactional=True)], NOBODY, PENDING, False, id="a rollback of nothing changed nothing"
        ),
        pytest.param(
            [done(), rollback_started(), rollback_failed(transactional=True), rollback_started(), rolled_back()],
            NOBODY,
            PENDING,
            False,
            id="rolled back at the second try",
        ),
    ],
)
def test_the_last_fact_decides(told: list[Told], liveness: Liveness, state: State, is_applied: bool) -> None:
    entry = _one(*told, liveness=liveness)
    assert (entry.state, entry.is_applied) == (state, is_applied)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        pytest.param(_ages(TEN_MINUTES - A_SECOND), STARTED, id="younger than stuck_after"),
        pytest.param(_ages(TEN_MINUTES), STUCK, id="exactly as old"),
        pytest.param(_ages(TEN_MINUTES + A_SECOND), STUCK, id="older"),
        pytest.param(_ages(A_SECOND, "2026-08-30T13:50:00+00:00"), STUCK, id="appended late, begun ten minutes ago"),
        pytest.param(_ages(A_SECOND, "2026-08-30T13:50:01+00:00"), STARTED, id="appended late, begun a moment later"),
        pytest.param(_ages(A_SECOND, "2026-08-30T15:50:00+02:00"), STUCK, id="begun in another time zone"),
        pytest.param(_ages(A_SECOND, "2026-08-30 13:50:00.5+00"), STARTED, id="as PostgreSQL writes a time"),
        pytest.param(_ages(A_SECOND, "2026-08-30T13:50:00Z"), STUCK, id="as JavaScript writes a time"),
        pytest.param(_ages(A_SECOND, "2026-08-30 13:50:00"), STUCK, id="without a time zone, in that of the row"),
        pytest.param(_ages(TEN_MINUTES, "2026-08-30T14:00:00+00:00"), STUCK, id="stated later than the row"),
        pytest.param(_ages(A_SECOND, "yesterday"), STARTED, id="stated in words"),
        pytest.param(_ages(A_SECOND, "0001-01-01T00:00:00+14:00"), STUCK, id="stated at the beginning of time"),
    ],
)
def test_age_decides_of_a_start_that_names_no_backend(told: Told, state: State) -> None:
    assert _one(told).state is state


def test_nobody_is_at_work_on_an_old_start_by_hand_while_another_migration_runs() -> None:
    assert _one(_ages(TEN_MINUTES), liveness=RUNNING).state is STUCK


class TestRecords:
    """What later facts leave of earlier ones."""

    def test_the_checksum_to_expect_is_the_applied_one_then_the_accepted_one(self) -> None:
        history = fold(tale(done(), accepted(checksum="c2"), done(2), accepted(2, checksum="c2"), done(2)))
        assert {version: record.checksum for version, record in history.records.items()} == {1: "c2", 2: "c1"}

    def test_an_acceptance_ends_with_what_was_accepted(self) -> None:
        (record,) = fold(tale(done(), accepted(checksum="c2"), rolled_back())).records.values()
        assert (record.accepted, record.checksum) == (None, None)

    @pytest.mark.parametrize(
        ("told", "attempt"),
        [
            ([], 0),
            ([started(attempt=1)], 1),
            ([started(attempt=3), failed()], 3),
            ([started(attempt=3), done()], 0),
            ([started(attempt=3), resolved("pending")], 0),
            ([started(attempt=3), resolved("failed")], 3),
            ([done(), rollback_started(attempt=2)], 2),
            ([done(), rollback_started(attempt=2), rolled_back()], 0),
            ([done(), started(attempt=2)], 2),
            ([by_hand(EventType.STARTED)], 1),
            ([started(attempt=-7)], 1),
        ],
    )
    def test_attempts_count_until_it_is_applied_or_taken_back(self, told: list[Told], attempt: int) -> None:
        history = fold(tale(by_hand(EventType.CHECKPOINT), *told), versions={name_of(1): 1})
        assert history.records[1].attempt == attempt

    @pytest.mark.parametrize(
        ("told", "statement"),
        [
            pytest.param([started(), checkpoint(statement=2)], 2, id="behind a checkpoint"),
            pytest.param([started(), checkpoint(statement=1), checkpoint(statement=2)], 2, id="behind two"),
            pytest.param([started(), checkpoint(statement=2), failed()], 2, id="failed behind it"),
            pytest.param(
                [started(), checkpoint(statement=2), failed(), started(resumed_after=2)], 2, id="continued from it"
            ),
            pytest.param(
                [started(), checkpoint(statement=0), failed(), started(resumed_after=0)], 0, id="continued from 0"
            ),
            pytest.param([started(), checkpoint(statement=2), failed(), started()], None, id="begun anew"),
            pytest.param([started(), checkpoint(statement=2), done()], None, id="completed"),
            pytest.param([started(), checkpoint(statement=2), resolved("failed")], 2, id="resolved as failed"),
            pytest.param([started(), checkpoint(statement=2), resolved("pending")], None, id="resolved as pending"),
            pytest.param(
                [
                    started(),
                    checkpoint(statement=2),
                    resolved("pending"),
                    resolved("failed"),
                ],
                None,
                id="resolved as pending, then as failed",
            ),
            pytest.param([done(), rollback_started(), checkpoint(statement=1)], 1, id="half rolled back"),
            pytest.param(
                [
                    done(),
                    rollback_started(),
                    checkpoint(statement=1),
                    rollback_failed(),
                    rollback_started(resumed_after=1),
                ],
                1,
                id="its rollback continued",
            ),
            pytest.param(
                [done(), rollback_started(), checkpoint(statement=1), resolved("failed")],
                None,
                id="half rolled back, then resolved as failed, so applied from the beginning",
            ),
            pytest.param(
                [started(), checkpoint(statement=2), done(), rollback_started()], None, id="a rollback begins anew"
            ),
            pytest.param([started(), checkpoint(statement=2), baselined()], None, id="baselined"),
        ],
    )
    def test_a_checkpoint_holds_for_the_execution_it_belongs_to(self, told: list[Told], statement: int | None) -> None:
        record = fold(tale(*told)).records[1]
        assert (record.checkpoint.integer("statement") if record.checkpoint is not None else None) == statement

    def test_an_applied_one_knows_when_and_how_long(self) -> None:
        record = fold(tale(started(), done(duration_ms=1500, ago=A_SECOND), failed())).records[1]
        assert (record.applied_at, record.duration_ms) == (NOW - A_SECOND, 1500)

    def test_one_that_is_not_applied_knows_neither(self) -> None:
        record = fold(tale(done(duration_ms=1500), rolled_back())).records[1]
        assert (record.applied_at, record.duration_ms) == (None, None)

    def test_the_latest_start_is_that_of_an_apply(self) -> None:
        record = fold(tale(started(attempt=1), started(attempt=2), done(), rollback_started(attempt=3))).records[1]
        assert record.started is not None
        assert record.started.integer("attempt") == 2
        assert record.begun is not None
        assert record.begun.integer("attempt") == 3

    @pytest.mark.parametrize(
        ("told", "is_paused"),
        [
            ([paused()], True),
            ([paused(), resumed()], False),
            ([paused(), resumed(), paused()], True),
            ([paused(), done()], False),
        ],
    )
    def test_a_pause_lasts_until_it_is_lifted_or_over(self, told: list[Told], is_paused: bool) -> None:
        entry = _one(started(), *told, liveness=RUNNING)
        assert entry.record is not None
        assert (entry.record.paused is not None) is is_paused
        assert entry.has(FindingCode.PAUSED) is is_paused

    @pytest.mark.parametrize(
        ("pause", "message"),
        [
            (paused(), "paused by `?`"),
            (paused(reason=""), "paused by `?`"),
            (paused(reason="nightly report"), "paused by `?`: nightly report"),
        ],
    )
    def test_a_pause_is_found_with_its_reason(self, pause: Told, message: str) -> None:
        entry = _one(started(), pause, liveness=RUNNING)
        assert [finding.message for finding in entry.findings if finding.code is FindingCode.PAUSED] == [message]

    @pytest.mark.parametrize(
        ("told", "is_in_rollback"),
        [([], False), ([done()], False), ([done(), rollback_started()], True), ([done(), rollback_failed()], True)],
    )
    def test_one_is_in_rollback_until_that_completes(self, told: list[Told], is_in_rollback: bool) -> None:
        assert _one(*told).is_in_rollback is is_in_rollback

    def test_the_last_run_outlives_a_rollback(self) -> None:
        record = fold(tale(done(checksum="c7", duration_ms=1500), rolled_back(), started())).records[1]
        assert record.last_run is not None
        assert (record.last_run.checksum, record.last_run.duration_seconds) == ("c7", 1.5)
        assert record.last_run.data["duration_ms"] == 1500

    def test_what_is_baselined_or_resolved_never_ran(self) -> None:
        assert fold(tale(baselined(), resolved("done"))).records[1].last_run is None

    def test_the_latest_failure_is_that_of_the_rollback_where_it_came_last(self) -> None:
        record = fold(tale(failed(), done(), rollback_failed())).records[1]
        assert record.failed is not None
        assert record.failed.type is EventType.ROLLBACK_FAILED


class TestVersionsAndNames:
    def test_a_fact_by_hand_counts_for_the_declared_version_of_its_name(self) -> None:
        (entry,) = entries([once(7)], by_hand(EventType.DONE, 7))
        assert (entry.version, entry.state) == (7, DONE)

    def test_a_fact_by_hand_counts_for_the_version_that_other_facts_of_its_name_say(self) -> None:
        history = fold(tale(done(7), by_hand(EventType.FAILED, 7)))
        assert history.records[7].last is not None
        assert history.records[7].last.type is EventType.FAILED
        assert not history.unversioned

    def test_the_latest_version_counts_where_a_name_had_two(self) -> None:
        told = [done(1, name="a"), done(2, name="a"), by_hand(EventType.FAILED, name="a")]
        records = fold(tale(*told)).records
        assert {version: record.applied is record.last for version, record in records.items()} == {1: True, 2: False}

    def test_both_versions_of_a_renumbered_migration_stay_applied(self) -> None:
        (moved, gone) = entries([once(2, name="a")], done(1, name="a"), done(2, name="a"))
        assert (moved.version, moved.state, gone.version, gone.state) == (2, DONE, 1, DONE)
        assert gone.has(FindingCode.MISSING)

    def test_two_declared_migrations_share_no_fact(self) -> None:
        told = [done(1), by_hand(EventType.FAILED, 2), started(2), by_hand(EventType.DONE, 1)]
        first, second = entries([once(1), once(2)], *told)
        assert (first.state, second.state) == (DONE, STUCK)

    def test_facts_that_name_nothing_known_are_kept_apart_by_name(self) -> None:
        told = [by_hand(EventType.DONE, name="x"), by_hand(EventType.FAILED, name="y")]
        _, x, y = entries([once()], *told)
        assert [(one.name, one.version, one.state) for one in (x, y)] == [("x", None, DONE), ("y", None, FAILED)]

    def test_a_fact_by_hand_for_another_migrations_version_is_believed(self) -> None:
        first, second = entries([once(1), once(2)], done(1, name=name_of(2)))
        assert (first.state, second.state) == (DONE, PENDING)
        assert first.finding(FindingCode.RENAMED) is not None


def _codes(entry: Entry) -> set[str]:
    return {finding.code.value for finding in entry.findings}


class TestFindings:
    @pytest.mark.parametrize(
        ("migration", "told", "codes"),
        [
            pytest.param(once(), [], set[str](), id="nothing to tell of a pending one"),
            pytest.param(once(), [done()], set[str](), id="nothing to tell of an applied one"),
            pytest.param(once(checksum="c2"), [done()], {"drift"}, id="edited after it was applied"),
            pytest.param(once(checksum="c2"), [baselined()], {"drift"}, id="edited after it was baselined"),
            pytest.param(once(checksum="c2"), [done(), accepted(checksum="c2")], set[str](), id="edited and accepted"),
            pytest.param(
                once(checksum="c3"), [done(), accepted(checksum="c2")], {"drift"}, id="accepted, then edited again"
            ),
            pytest.param(
                once(checksum="c2"),
                [resolved("done", checksum="c1")],
                {"drift"},
                id="resolved as done, then edited",
            ),
            pytest.param(once(checksum="c2"), [failed()], set[str](), id="edited after it failed"),
            pytest.param(once(checksum="c2"), [done(), failed()], set[str](), id="edited after it failed again"),
            pytest.param(once(checksum="c2"), [started()], set[str](), id="edited while it was stuck"),
            pytest.param(
                once(checksum="c2"), [done(), rolled_back()], set[str](), id="edited after it was rolled back"
            ),
            pytest.param(
                once(checksum="c2"), [by_hand(EventType.DONE)], set[str](), id="done by hand, unknown checksum"
            ),
            pytest.param(once(checksum=None), [done()], set[str](), id="defined in code, unknown checksum"),
            pytest.param(once(name="b"), [done(name="a")], {"renamed"}, id="renamed, otherwise the same"),
            pytest.param(
                once(name="b", checksum="c2"),
                [done(name="a")],
                {"other-migration", "drift"},
                id="another file, another name",
            ),
            pytest.param(
                by_checksum(1, name="b", checksum="c2"),
                [done(name="a", kind="sql")],
                {"other-migration", "due"},
                id="a repeatable in the place of what runs once",
            ),
            pytest.param(
                by_checksum(1, name="b", checksum="c2"),
                [done(name="a", kind="repeatable")],
                {"renamed", "due"},
                id="a repeatable in the place of a repeatable",
            ),
            pytest.param(
                once(name="b", checksum=None), [done(name="a")], {"renamed", "drift"}, id="another name proves nothing"
            ),
            pytest.param(
                once(name="b", checksum=None),
                [done(name="a"), accepted(name="b")],
                set[str](),
                id="another name, accepted",
            ),
            pytest.param(
                once(), [done(), rollback_started(), rollback_failed()], {"rollback-failed"}, id="its rollback failed"
            ),
            pytest.param(once(), [done(), rollback_started()], {"rollback-failed"}, id="its rollback is stuck"),
            pytest.param(
                once(checksum="c2"),
                [done(), rollback_started()],
                {"rollback-failed", "drift"},
                id="edited after a rollback that changed nothing",
            ),
            pytest.param(
                once(checksum="c2"),
                [done(), rollback_started(transactional=False)],
                {"rollback-failed"},
                id="edited after a rollback that may have changed something",
            ),
        ],
    )
    def test_of_one_migration(self, migration: Migration, told: list[Told], codes: set[str]) -> None:
        assert _codes(_one(*told, migration=migration)) == codes

    def test_a_rollback_that_is_running_has_not_failed(self) -> None:
        assert _codes(_one(done(), rollback_started(), liveness=RUNNING)) == set()

    def test_the_words_of_drift_name_both_checksums(self) -> None:
        finding = _one(done(checksum="a" * 64), migration=once(checksum="b" * 64)).finding(FindingCode.EDITED)
        assert finding is not None
        assert finding.message == "applied with checksum aaaaaaaa, the file now has bbbbbbbb"

    def test_the_words_of_an_unproven_rename_name_the_old_name(self) -> None:
        finding = _one(done(name="a"), migration=once(name="b", checksum=None)).finding(FindingCode.EDITED)
        assert finding is not None
        assert finding.message == "applied as `a`, and no checksum says that it is the same"

    @pytest.mark.parametrize(
        ("told", "out_of_order"),
        [
            pytest.param([done(1)], [], id="a later one is pending"),
            pytest.param([done(3)], [1, 2], id="a later one is applied"),
            pytest.param([failed(1), done(3)], [1, 2], id="one failed before a later one was applied"),
            pytest.param([done(3), rolled_back(3)], [], id="the later one was rolled back"),
            pytest.param([done(90)], [], id="a repeatable is applied"),
            pytest.param([done(7, checksum="c7")], [1, 2, 3], id="a later one is applied, and no longer declared"),
            pytest.param([done(97, kind="repeatable")], [], id="what is no longer declared was a repeatable"),
            pytest.param([by_hand(EventType.DONE, name="x")], [], id="something without a version is applied"),
        ],
    )
    def test_what_is_not_applied_below_a_later_applied_one_is_out_of_order(
        self, told: list[Told], out_of_order: list[int]
    ) -> None:
        found = entries([once(1), once(2), once(3), by_checksum(90)], *told)
        assert [entry.version for entry in found if entry.has(FindingCode.OUT_OF_ORDER)] == out_of_order

    @pytest.mark.parametrize(
        ("migrations", "told", "renumbered"),
        [
            pytest.param([once(7, name="001_m")], [done(1)], {7: 1}, id="the same name"),
            pytest.param([once(7, name="001_m", checksum="c2")], [done(1)], {7: 1}, id="the same name, edited"),
            pytest.param([once(7)], [done(1)], {7: 1}, id="the same file under another name"),
            pytest.param([once(1, name="007_m")], [done(7)], {1: 7}, id="to a lower version"),
            pytest.param(
                [once(7, name="001_m")], [done(1), failed(7, name="001_m")], {7: 1}, id="it was run, and failed"
            ),
            pytest.param(
                [once(7)], [done(1, accepted=True), accepted(checksum="c2")], {}, id="another file since accepted"
            ),
            pytest.param([once(1), once(7)], [done(1)], {}, id="both are declared, with the same file"),
            pytest.param(
                [once(1, name="x"), once(7, name="001_m", checksum="c7")], [done(1)], {}, id="its name given away"
            ),
            pytest.param([once(7, name="001_m")], [done(1), rolled_back(1)], {}, id="it was rolled back"),
            pytest.param([once(7, name="001_m")], [done(1), resolved("pending")], {}, id="it was resolved as pending"),
            pytest.param([by_checksum(97, name="090_m")], [done(90, kind="repeatable")], {}, id="a repeatable"),
            pytest.param([once(7, name="001_m"), once(8)], [done(1)], {7: 1}, id="the name goes before the file"),
            pytest.param([once(7), once(8)], [done(1)], {7: 1}, id="only one of two files that are the same"),
            pytest.param(
                [once(1, checksum="cx"), once(2, name="001_m"), once(3, name="002_m", checksum="c2")],
                [done(1), done(2, checksum="c2")],
                {3: 2},
                id="one was put before them all",
            ),
        ],
    )
    def test_what_is_applied_under_another_version_is_renumbered(
        self, migrations: list[Migration], told: list[Told], renumbered: dict[int, int]
    ) -> None:
        found = entries(migrations, *told)
        moved = {entry.version: entry.moved_from.version for entry in found if entry.moved_from is not None}
        assert moved == renumbered
        assert {entry.version for entry in found if entry.has(FindingCode.RENUMBERED)} == set(renumbered)
        assert not any(entry.has(FindingCode.OUT_OF_ORDER) for entry in found if entry.version in renumbered)

    def test_what_is_applied_and_no_longer_declared_is_missing(self) -> None:
        found = entries([once(2)], done(1), done(2), done(3), by_hand(EventType.DONE, name="x"))
        assert [(entry.name, _codes(entry)) for entry in found] == [
            ("002_m", set()),
            ("001_m", {"missing"}),
            ("003_m", {"missing"}),
            ("x", {"missing"}),
        ]

    @pytest.mark.parametrize(
        ("told", "states"),
        [
            pytest.param([failed(2)], [PENDING, FAILED], id="failed"),
            pytest.param([started(2)], [PENDING, STUCK], id="stuck"),
            pytest.param([done(2), rolled_back(2)], [PENDING], id="rolled back, so there is nothing to tell"),
            pytest.param([resolved("pending", 2)], [PENDING], id="resolved as pending"),
            pytest.param([checkpoint(2)], [PENDING], id="a checkpoint alone"),
        ],
    )
    def test_what_is_neither_declared_nor_applied_is_told_only_if_somebody_must_act(
        self, told: list[Told], states: list[State]
    ) -> None:
        assert [entry.state for entry in entries([once(1)], *told)] == states


class TestRepeatables:
    @pytest.mark.parametrize(
        ("migration", "told", "answer", "due"),
        [
            pytest.param(by_checksum(), [], None, False, id="pending: its first run needs no reason"),
            pytest.param(by_checksum(), [done(90)], None, False, id="its file is as it was"),
            pytest.param(by_checksum(checksum="c2"), [done(90)], None, True, id="its file changed"),
            pytest.param(by_checksum(), [by_hand(EventType.DONE, 90)], None, True, id="what was run is not known"),
            pytest.param(
                by_checksum(checksum="c2"), [done(90), accepted(90, checksum="c2")], None, False, id="accepted"
            ),
            pytest.param(by_checksum(checksum="c2"), [done(90), failed(90)], None, False, id="failed: it is retried"),
            pytest.param(by_checksum(checksum="c2"), [done(90), rolled_back(90)], None, False, id="rolled back"),
            pytest.param(by_checksum(), [baselined(90)], None, False, id="baselined as it is"),
            pytest.param(by_condition(), [done(90)], True, True, id="its condition says yes"),
            pytest.param(by_condition(), [done(90)], False, False, id="its condition says no"),
            pytest.param(by_condition(), [done(90)], None, None, id="its condition was not asked, or does not answer"),
            pytest.param(by_condition(checksum="c2"), [done(90)], False, False, id="only its condition counts"),
            pytest.param(by_condition(), [started(90)], True, False, id="stuck: it is run again"),
            pytest.param(by_condition(name="b"), [done(90, name="a")], False, False, id="applied under another name"),
            pytest.param(by_code(), [done(90)], True, True, id="its code says yes"),
            pytest.param(by_code(), [done(90)], None, None, id="its code was not asked"),
            pytest.param(
                by_checksum(1, checksum="c2"), [done(1, kind="sql")], None, True, id="once a migration that runs once"
            ),
        ],
    )
    def test_when_one_is_due(
        self, migration: Migration, told: list[Told], answer: bool | None, due: bool | None
    ) -> None:
        (entry,) = entries([migration], *told, due={migration.version: answer})
        assert entry.due is due
        assert entry.has(FindingCode.DUE) is (due is True)
        assert not entry.has(FindingCode.EDITED)

    def test_one_that_failed_again_stays_applied(self) -> None:
        (entry,) = entries([by_checksum()], done(90), started(90), failed(90))
        assert (entry.state, entry.is_applied) == (FAILED, True)

    def test_they_stand_behind_what_runs_once(self) -> None:
        found = entries([by_checksum(1), once(3), by_condition(2), once(4)])
        assert [entry.version for entry in found] == [3, 4, 1, 2]


@pytest.mark.parametrize(
    ("told", "version"),
    [
        pytest.param([], 0, id="nothing is applied"),
        pytest.param([done(1), done(2)], 2, id="the highest applied"),
        pytest.param([done(1), done(3)], 3, id="with a gap"),
        pytest.param([done(1), failed(2)], 1, id="a failed one does not count"),
        pytest.param([done(1), done(2), rolled_back(2)], 1, id="nor one that was rolled back"),
        pytest.param([done(1), done(2), rollback_failed(2)], 2, id="one whose rollback failed does"),
        pytest.param([done(1), done(90)], 1, id="a repeatable does not count"),
        pytest.param([done(1), done(7)], 7, id="one that is no longer declared does"),
        pytest.param([done(1), done(97, kind="repeatable")], 1, id="unless it was a repeatable"),
        pytest.param([done(1), by_hand(EventType.DONE, name="x")], 1, id="a fact without a version does not"),
        pytest.param([done(1), done(2), resolved("failed", 2)], 1, id="resolved as failed is not applied"),
    ],
)
def test_the_current_version(told: list[Told], version: int) -> None:
    assert current_version(entries([once(1), once(2), once(3), by_checksum(90)], *told)) == version
