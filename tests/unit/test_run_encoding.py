"""What a run's process sends comes out as it went in: every class of progress, with every field in every form."""

from __future__ import annotations

import json
import pickle
from typing import Any, cast

import pytest
from zmig_tui.run_process import messages
from zmig_tui.run_process.encoding import LONGEST_TEXT, NotEncodable
from zmig_tui.run_process.messages import Heard, Hello, Job, Outcome

from tests.support.samples import samples
from zmig.hints import Hint
from zmig.planning import plan, request
from zmig.progress import Notice, Progress, RunStarted, StepStarted
from zmig.valueclass import fields

PROGRESS: tuple[type, ...] = Progress.__args__
REQUESTS: tuple[type, ...] = request.Request.__args__


def _same(value: Any, other: Any) -> bool:
    """Whether two values are equal in every field, those that are not compared included."""
    if type(value) is not type(other):
        return False
    if isinstance(value, Hint):
        return value.parts == other.parts
    if isinstance(value, tuple):
        value, other = cast("tuple[Any, ...]", value), cast("tuple[Any, ...]", other)
        return len(value) == len(other) and all(map(_same, value, other))
    if not hasattr(value, "__value_fields__"):
        return value == other
    return all(_same(getattr(value, one.name), getattr(other, one.name)) for one in fields(value))


def _message(value: Any) -> object:
    if isinstance(value, PROGRESS):
        return Heard(1.5, value)
    if isinstance(value, REQUESTS):
        return Job("id", "m.yaml", None, {"A": "b"}, value, plan.Plan(plan.Direction.FORWARD))
    return value


@pytest.mark.parametrize("cls", [*PROGRESS, *REQUESTS, plan.Plan, plan.RunResult], ids=lambda cls: cls.__name__)
def test_every_field_of_every_class_comes_out_as_it_went_in(cls: type) -> None:
    for value in samples(cls):
        sent = _message(value)
        line = messages.encoder().line(sent)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert _same(messages.decoder().value(line), sent)


def test_steps_of_the_runs_plan_are_sent_once() -> None:
    (first, *_) = samples(plan.Step)
    steps = tuple(step for step in samples(plan.Step) if isinstance(step, plan.Step))
    assert isinstance(first, plan.Step)
    encoder, decoder = messages.encoder(), messages.decoder()
    whole = plan.Plan(plan.Direction.FORWARD, steps)
    begun = Heard(0.0, RunStarted("run", whole, "shop"))
    started = Heard(1.0, StepStarted(steps[1], 2, len(steps), attempt=1, statements=None))
    ended = Outcome(plan.RunResult("run", whole, completed=("a",)))
    of_another = Heard(2.0, StepStarted(first, 1, 1, attempt=1, statements=None))
    sent = [begun, started, ended, of_another]
    lines = [encoder.line(one) for one in sent]
    assert all(map(_same, [decoder.value(line) for line in lines], sent))
    assert len(lines[1]) < 200 < len(lines[3])
    assert len(lines[2]) < 300


def test_a_text_of_any_length_is_cut() -> None:
    line = messages.encoder().line(Heard(0.0, Notice(None, "NOTICE", "x" * 3 * LONGEST_TEXT)))
    came = messages.decoder().value(line)
    assert isinstance(came, Heard)
    assert isinstance(came.progress, Notice)
    assert came.progress.message == "x" * LONGEST_TEXT + "…"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[",
        b'{"=":"os.system","v":["true"]}',
        b'{"=":"builtins.eval","v":["1"]}',
        b'{"=":"progress.Held","v":[1]}',
        b'{"=":"step","v":0}',
        b'{"=":"model.Kind","v":"none"}',
        b"[" * 100_000,
        pickle.dumps(Hello("1", 1, "t", "apply", 1, 0.0)),
    ],
)
def test_nothing_else_is_understood(line: bytes) -> None:
    with pytest.raises(NotEncodable):
        messages.decoder().value(line)


def test_what_is_no_value_is_not_sent() -> None:
    with pytest.raises(NotEncodable):
        messages.encoder().line({"x": object()})


def test_what_is_said_first_is_read_by_other_versions_and_tells_them_apart() -> None:
    hello = Hello("0.0.1", 12, "token", "apply to 3", 4, began=5.0, now=6.0)
    assert Hello.parse(hello.line()) == hello
    assert Hello.parse(json.dumps({**json.loads(hello.line()), "more": [1]}).encode()) == hello
    assert not hello.is_understood
    for line in (b"", b"[]", b"{}", b"null", b"\xff"):
        assert Hello.parse(line) is None
