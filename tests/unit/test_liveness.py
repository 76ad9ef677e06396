"""When a migration that was started counts as running, and when as stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zmig.facts import EventType, Fact
from zmig.planning.history import Record
from zmig.planning.state import Liveness, State, derive_state

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def judged(liveness: Liveness, *, backend_pid: int | None = 4711, run: str | None = "a1", age: timedelta) -> State:
    data: dict[str, object] = {} if backend_pid is None else {"backend_pid": backend_pid}
    fact = Fact(1, "001_t", EventType.STARTED, created_at=NOW - age, data=data, run_id=run)
    return derive_state(Record("001_t", 1, last=fact, started=fact), liveness)


YOUNG, OLD = timedelta(seconds=1), timedelta(days=1)


@pytest.mark.parametrize("age", [YOUNG, OLD])
@pytest.mark.parametrize(
    ("liveness", "state"),
    [
        pytest.param(Liveness(NOW, 4711, holder_run="a1"), State.STARTED, id="its backend holds the lock"),
        pytest.param(Liveness(NOW, 4711), State.STARTED, id="its backend holds the lock under another name"),
        pytest.param(Liveness(NOW), State.STUCK, id="nobody holds the lock"),
        pytest.param(Liveness(NOW, 4712, holder_run="b2"), State.STUCK, id="another backend holds the lock"),
        pytest.param(Liveness(NOW, 4711, holder_run="b2"), State.STUCK, id="its pid was used again, by another run"),
    ],
)
def test_the_lock_proves_what_a_started_fact_with_a_backend_is(
    liveness: Liveness, state: State, age: timedelta
) -> None:
    assert judged(liveness, age=age) is state


@pytest.mark.parametrize(
    ("liveness", "backend_pid"),
    [
        pytest.param(Liveness(NOW), None, id="a fact that names no backend"),
        pytest.param(Liveness(NOW, sees_locks=False), 4711, id="a standby, where the lock cannot be seen"),
    ],
)
@pytest.mark.parametrize(("age", "state"), [(YOUNG, State.STARTED), (OLD, State.STUCK)])
def test_age_decides_where_nothing_can_be_proved(
    liveness: Liveness, backend_pid: int | None, age: timedelta, state: State
) -> None:
    assert judged(liveness, backend_pid=backend_pid, age=age) is state
