"""Observers: one that raises is dropped and logged, and nobody else notices."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from zmig.database.lock_holder import LockHolder
from zmig.observer import isolated
from zmig.progress import LockWaiting, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

_NEWS = LockWaiting(None, 1.5)


def test_an_observer_hears_everything() -> None:
    heard: list[Progress] = []
    tell = isolated(heard.append)
    tell(_NEWS)
    tell(_NEWS)
    assert heard == [_NEWS, _NEWS]


def test_nobody_need_observe() -> None:
    isolated(None)(_NEWS)


def _raising(error: BaseException, heard: list[Progress]) -> Callable[[Progress], None]:
    def observe(progress: Progress) -> None:
        heard.append(progress)
        raise error

    return observe


def test_an_observer_that_raises_is_dropped_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Progress] = []
    tell = isolated(_raising(ValueError("the screen is gone"), heard))
    with caplog.at_level(logging.ERROR, "zmig"):
        tell(_NEWS)
        tell(_NEWS)
    assert heard == [_NEWS]
    (record,) = caplog.records
    assert (record.name, record.message) == ("zmig", "the observer raised and is dropped; the run goes on")
    assert record.exc_info is not None


def test_an_interruption_in_an_observer_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt):
        isolated(_raising(KeyboardInterrupt(), []))(_NEWS)


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("zmig/5d1e", "5d1e"),
        ("zmig/5d1e/12", "5d1e"),
        ("zmig/", None),
        ("zmig", None),
        ("psql", None),
        ("other/5d1e", None),
        (None, None),
    ],
)
def test_a_lock_holders_application_name_tells_its_run(name: str | None, run_id: str | None) -> None:
    assert LockHolder(4711, name).run_id == run_id


@pytest.mark.parametrize(
    ("name", "version"),
    [("zmig/5d1e/12", 12), ("zmig/12", None), ("zmig/5d1e/", None), ("zmig/5d1e/x", None), ("psql/1/2", None)],
)
def test_a_lock_holders_application_name_tells_the_version_at_work(name: str, version: int | None) -> None:
    assert LockHolder(4711, name).version == version
