"""Signals that reach a process of its own: where they interrupt, where they wait, and that a second one ends it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM
from typing import IO

import pytest

from tests.support.unwoken import unwoken
from zmig.process.interrupts import Interrupted, SignalInterrupts

_ROOT = Path(__file__).parent.parent.parent

_SCRIPT = """
import itertools, os, signal, sys, time
from zmig.process.interrupts import SECONDS_TOGETHER, Interrupted, SignalInterrupts

interrupts = SignalInterrupts()

def say(word):
    print(word, flush=True)

turns = itertools.count(1)

def wait():
    own_line = f"{{next(turns)}}\\n"
    say("waits")
    while sys.stdin.readline() != own_line:
        pass

try:
    {body}
    say("ended")
except Interrupted as interrupted:
    say(f"interrupted by {{interrupted}}")
    sys.exit(interrupted.exit_code)
"""


def _run(body: str, *signals: signal.Signals) -> tuple[list[str], int]:
    """Run `body` in a process that gets a signal each time it waits; return what it said and its exit code.

    A line with its number follows each signal, so that a process which puts the signal off goes on.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT.format(body=body.strip())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said: list[str] = []
        for turn, number in enumerate(signals, start=1):
            said += _until_it_waits(process.stdout)
            process.send_signal(number)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(f"{turn}\n")
                process.stdin.flush()
        said += process.stdout.read().split("\n")[:-1]
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    return said, process.returncode


def _until_it_waits(lines: IO[str]) -> list[str]:
    said: list[str] = []
    for line in lines:
        if line == "waits\n":
            return said
        said.append(line.removesuffix("\n"))
    raise AssertionError(f"it ended before it waited: {said}")


@pytest.mark.parametrize(("number", "name", "code"), [(SIGINT, "SIGINT", 130), (SIGTERM, "SIGTERM", 143)])
def test_a_signal_interrupts_at_once_where_work_may_stop(number: signal.Signals, name: str, code: int) -> None:
    body = """
    with interrupts.installed():
        try:
            wait()
        except Exception:
            say("swallowed")
    """
    assert _run(body, number) == ([f"interrupted by {name}"], code)


def test_a_signal_waits_until_a_deferring_block_is_over() -> None:
    body = """
    with interrupts.installed():
        with interrupts.deferred():
            wait()
            say("recorded")
        say("went on")
    """
    assert _run(body, SIGTERM) == (["recorded", "interrupted by SIGTERM"], 143)


def test_a_signal_waits_until_the_outermost_of_nested_blocks_is_over() -> None:
    body = """
    with interrupts.installed(), interrupts.deferred():
        with interrupts.deferred():
            wait()
        say("inner block over")
        say("outer block over")
    """
    assert _run(body, SIGINT) == (["inner block over", "outer block over", "interrupted by SIGINT"], 130)


@pytest.mark.parametrize(("second", "code"), [(SIGINT, 130), (SIGTERM, 143)])
def test_a_second_signal_ends_the_process_at_once_even_in_a_deferring_block(second: signal.Signals, code: int) -> None:
    body = """
    with interrupts.installed(), interrupts.deferred():
        wait()
        say("recorded")
        time.sleep(SECONDS_TOGETHER)
        wait()
        say("recorded more")
    """
    assert _run(body, SIGINT, second) == (["recorded"], code)


@pytest.mark.parametrize(
    ("first", "second", "seconds"), [(SIGHUP, SIGHUP, 0), (SIGINT, SIGTERM, 0), (SIGTERM, SIGHUP, "SECONDS_TOGETHER")]
)
def test_signals_of_one_event_count_as_one(first: signal.Signals, second: signal.Signals, seconds: object) -> None:
    body = f"""
    with interrupts.installed(), interrupts.deferred():
        os.kill(os.getpid(), signal.{first.name})
        time.sleep({seconds})
        os.kill(os.getpid(), signal.{second.name})
        say("recorded")
    """
    assert _run(body) == (["recorded", f"interrupted by {first.name}"], 128 + first)


@pytest.mark.parametrize("first", [SIGHUP, SIGTERM])
def test_what_a_terminal_sends_when_it_closes_changes_no_exit_code_however_late(first: signal.Signals) -> None:
    body = """
    try:
        with interrupts.installed(ends_process=True):
            wait()
    finally:
        os.kill(os.getpid(), signal.SIGHUP)
        say("reports what it left")
    """
    assert _run(body, first) == (["reports what it left", f"interrupted by {first.name}"], 128 + first)


def test_a_second_signal_ends_the_process_while_it_cleans_up_after_the_first() -> None:
    body = """
    with interrupts.installed():
        try:
            wait()
        finally:
            say("cleans up")
            time.sleep(SECONDS_TOGETHER)
            wait()
            say("cleaned up")
    """
    assert _run(body, SIGTERM, SIGTERM) == (["cleans up"], 143)


def test_an_error_in_a_deferring_block_comes_first_and_the_interruption_at_the_next_one() -> None:
    body = """
    with interrupts.installed():
        try:
            with interrupts.deferred():
                wait()
                raise ValueError("the statement failed")
        except ValueError as error:
            say(error)
        with interrupts.deferred():
            say("failure recorded")
    """
    assert _run(body, SIGTERM) == (["the statement failed", "failure recorded", "interrupted by SIGTERM"], 143)


def test_the_handlers_of_before_are_back_after_the_block() -> None:
    body = """
    # Not printed: the signal may come before the print that the test has read from is over.
    signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"my own handler\\n"))
    with interrupts.installed():
        say(signal.getsignal(signal.SIGTERM).__name__)
    say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    wait()
    """
    assert _run(body, SIGTERM) == (["_handle", "True", "my own handler", "ended"], 0)


def test_the_handlers_are_back_after_an_interruption() -> None:
    body = """
    try:
        with interrupts.installed():
            wait()
    except Interrupted:
        say("interrupted")
    wait()
    """
    assert _run(body, SIGINT, SIGTERM) == (["interrupted"], -SIGTERM)


def test_as_a_library_signals_do_what_they_did_before() -> None:
    body = """
    from zmig.process.interrupts import Interrupts
    try:
        with Interrupts().deferred():
            wait()
    except KeyboardInterrupt as error:
        say(type(error).__name__)
    """
    assert _run(body, SIGINT) == (["KeyboardInterrupt", "ended"], 0)


def test_a_signal_that_does_not_wake_the_pause_ends_it_all_the_same() -> None:
    interrupts = SignalInterrupts()
    with interrupts.installed(), unwoken(signal.SIGTERM), pytest.raises(Interrupted):
        interrupts.sleep(3600)
