"""What is said, recorded and tried again of an attempt that failed follows from its fate."""

from __future__ import annotations

import pytest

from zmig.model import Kind, Language, Migration
from zmig.planning.checkpoint import Checkpoint
from zmig.planning.plan import Action, Direction, Mode, Step
from zmig.project.prepare import PreparedStep
from zmig.running import failure_message
from zmig.running.attempt import Attempt, Failed, Fate
from zmig.running.failure_message import Failure, RunSoFar
from zmig.sql import script


def failed(
    fate: Fate, text: str, *, transactional: bool = False, reached: Checkpoint | None = None, is_atomic: bool = False
) -> Failed:
    """Return an attempt at a file that failed in its last statement."""
    statements = tuple(script.split(text, path="7.sql"))
    step = Step(Migration(7, "007_x", Kind.SQL, Language.SQL), Action.APPLY, "pending")
    mode = Mode(transactional, "for a test")
    prepared = PreparedStep(step, "7.sql", mode, text=text, statements=statements, count=len(statements))
    attempt = Attempt(prepared, 1, is_atomic=is_atomic)
    place = attempt.place(statements[-1])
    return Failed(attempt, ValueError("no"), fate=fate, at=place, reached=reached, seconds=1.0)


def said(failed: Failed, *completed: str) -> str | None:
    """Return what people read of what the database holds."""
    so_far = RunSoFar(direction=Direction.FORWARD, completed=completed, is_embedded=False, user="ann")
    explained = Failure("no", None, None, facts=(), error={})
    return failure_message.problem(explained, failed, so_far).effect


@pytest.mark.parametrize(
    ("fate", "is_repeatable", "needs_person"),
    [
        (Fate.ROLLED_BACK, True, False),
        (Fate.KEPT, True, False),
        (Fate.UNKNOWN, False, False),
        (Fate.MAY_BE_PARTIAL, False, True),
        (Fate.LEFT_TRANSACTION, False, True),
    ],
)
def test_a_fate_says_whether_another_attempt_or_a_person_comes_next(
    fate: Fate, is_repeatable: bool, needs_person: bool
) -> None:
    assert (fate.is_repeatable, fate.needs_person) == (is_repeatable, needs_person)


CALL = "select 1; call p();"


@pytest.mark.parametrize(
    ("one", "effect"),
    [
        (failed(Fate.ROLLED_BACK, "select 1;", transactional=True), "rolled back: `007_x` left nothing behind"),
        (failed(Fate.LEFT_TRANSACTION, CALL, transactional=True), "not rolled back: what `007_x` committed stays"),
        (failed(Fate.KEPT, CALL, reached=Checkpoint(1)), "not rolled back: statement 1 stays applied"),
        (
            failed(Fate.UNKNOWN, CALL, reached=Checkpoint(1)),
            "not rolled back: statement 1 stays applied, and statement 2 may have committed a part",
        ),
        (
            failed(Fate.MAY_BE_PARTIAL, CALL, reached=Checkpoint(1)),
            "not rolled back: statement 1 stays applied, and statement 2 may have committed a part",
        ),
        (
            failed(Fate.ROLLED_BACK, "select 1;", transactional=True, is_atomic=True),
            "rolled back: `007_x` left nothing behind, and neither did any other step of this run",
        ),
        (
            failed(Fate.LEFT_TRANSACTION, CALL, transactional=True, is_atomic=True),
            "not rolled back: what this run committed up to `007_x` stays",
        ),
    ],
)
def test_a_fate_says_what_the_database_holds(one: Failed, effect: str) -> None:
    assert said(one) == effect


def test_what_the_run_completed_before_is_named() -> None:
    one = failed(Fate.ROLLED_BACK, "select 1;", transactional=True)
    assert said(one, "005_a", "006_b") == (
        "rolled back: `007_x` left nothing behind; `005_a` and `006_b` of this run stay applied"
    )


@pytest.mark.parametrize(
    ("one", "effect"),
    [
        (
            failed(Fate.ROLLED_BACK, "select 1;", transactional=True),
            "`007_x` was not committed: the server rolls it back",
        ),
        (
            failed(Fate.UNKNOWN, "select 1;", transactional=True),
            "the server completes `007_x` and has all of it, or rolls it back and has nothing",
        ),
        (failed(Fate.LEFT_TRANSACTION, "select 1;", transactional=True), "what `007_x` committed stays"),
        (
            failed(Fate.UNKNOWN, CALL),
            "`007_x` ran outside a transaction: what it completed stays, and the next run looks it up",
        ),
    ],
)
def test_a_fate_says_what_becomes_of_an_attempt_whose_connection_is_lost(one: Failed, effect: str) -> None:
    assert failure_message.effect_of_loss(one) == effect
