"""Who waits for a backend, decided from the locks that are held and waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from zmig.database.lock_queue import Lock, queue_of

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
RUN = 1


def _held(pid: int, mode: str, key: str = "orders") -> Lock:
    return Lock(pid, key, mode, is_held=True)


def _wants(pid: int, mode: str, key: str = "orders", *, second: int) -> Lock:
    return Lock(pid, key, mode, is_held=False, since=NOW + timedelta(seconds=second))


def _queue(*locks: Lock, ahead: tuple[int, ...] = ()) -> list[tuple[int, int, int]]:
    return [(one.depth, one.waits_for_pid, one.pid) for one in queue_of(RUN, locks, ahead)]


def test_who_comes_after_a_lock_that_is_waited_for_waits_for_it_though_the_holder_would_not_keep_him() -> None:
    assert _queue(
        _held(9, "AccessShareLock"),
        _wants(RUN, "AccessExclusiveLock", second=1),
        _wants(2, "AccessShareLock", second=2),
        _wants(3, "RowExclusiveLock", second=3),
    ) == [(0, RUN, 2), (0, RUN, 3)]


def test_who_came_before_does_not_wait() -> None:
    assert _queue(_wants(2, "RowExclusiveLock", second=1), _wants(RUN, "ShareLock", second=2)) == []
    # The server does not say when, before version 14; then whoever blocks the run does not wait for it.
    undated = [Lock(2, "orders", "RowExclusiveLock", is_held=False), Lock(RUN, "orders", "ShareLock", is_held=False)]
    assert _queue(*undated, ahead=(2,)) == []
    assert _queue(*undated) == [(0, RUN, 2)]


def test_locks_that_may_be_held_together_keep_nobody_waiting() -> None:
    assert _queue(_held(RUN, "ShareUpdateExclusiveLock"), _wants(2, "RowExclusiveLock", second=1)) == []
    assert _queue(_held(RUN, "ShareLock"), _wants(2, "RowExclusiveLock", second=1)) == [(0, RUN, 2)]
    assert _queue(_held(RUN, "AccessExclusiveLock", "other"), _wants(2, "AccessShareLock", second=1)) == []


def test_who_waits_for_those_that_wait_is_below_them_and_everybody_is_there_once() -> None:
    assert _queue(
        _held(RUN, "AccessExclusiveLock"),
        _wants(2, "AccessExclusiveLock", second=1),
        _wants(3, "AccessShareLock", second=2),
        _held(2, "ExclusiveLock", "transaction 7"),
        _wants(4, "ShareLock", "transaction 7", second=3),
        _held(4, "ExclusiveLock", "transaction 8"),
        _wants(5, "ShareLock", "transaction 8", second=4),
    ) == [(0, RUN, 2), (1, 2, 4), (2, 4, 5), (0, RUN, 3)]


def test_a_circle_ends() -> None:
    assert _queue(
        _held(RUN, "ExclusiveLock", "a"),
        _wants(2, "ExclusiveLock", "a", second=1),
        _held(2, "ExclusiveLock", "b"),
        _wants(RUN, "ExclusiveLock", "b", second=2),
    ) == [(0, RUN, 2)]


def test_a_mode_is_written_as_in_sql() -> None:
    assert _held(1, "ShareRowExclusiveLock").mode_words == "SHARE ROW EXCLUSIVE"
