"""What goes through a spool comes out whole and in order, and nobody who writes waits for it."""

from __future__ import annotations

import os
import random
import sys
from typing import TYPE_CHECKING

import pytest

from zmig.cli.spool import SpooledText, spooled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as file:
        yield reading, file
    os.close(reading)


def _read(descriptor: int, size: int) -> bytes:
    blocks: list[bytes] = []
    while size > 0:
        blocks.append(os.read(descriptor, min(size, 1 << 20)))
        size -= len(blocks[-1])
    return b"".join(blocks)


@pytest.mark.parametrize("seed", range(3))
def test_all_of_it_comes_out_in_order(pipe: tuple[int, TextIO], seed: int) -> None:
    """More than is kept in memory, and read in between: the file is left and begun again."""
    reading, file = pipe
    chance = random.Random(seed)
    (text,) = spooled([file])
    assert isinstance(text, SpooledText)
    written, taken = 0, 0
    for _ in range(3):
        for _ in range(300):
            line = f"{written:09}" + "x" * (chance.choice((10, 1000, 100_000)) - 10) + "\n"
            text.write(line)
            written += len(line)
        text.flush()
        end = chance.randrange(taken, written + 1)
        _check(_read(reading, end - taken), taken)
        taken = end
    rest = _read(reading, written - taken)
    _check(rest, taken)
    assert text.spool.end(None)


def _check(octets: bytes, begin: int) -> None:
    """Every line names the place it begins at."""
    place = octets.find(b"\n") + 1 if begin else 0
    while (end := octets.find(b"\n", place)) >= 0:
        assert int(octets[place : place + 9]) == begin + place
        place = end + 1


def test_two_streams_to_one_place_keep_their_order(pipe: tuple[int, TextIO]) -> None:
    reading, file = pipe
    with os.fdopen(os.dup(file.fileno()), "w", encoding="utf-8") as other:
        one, two = spooled([file, other])
        for number in range(20_000):
            print(number, file=one if number % 2 else two, flush=True)
        expected = "".join(f"{number}\n" for number in range(20_000)).encode()
        assert _read(reading, len(expected)) == expected
        assert isinstance(one, SpooledText)
        assert one.spool.end(None)


def test_what_nobody_reads_is_given_up_where_nobody_waits(pipe: tuple[int, TextIO]) -> None:
    _, file = pipe
    (text,) = spooled([file])
    text.write("x" * 1_000_000)
    text.flush()
    assert isinstance(text, SpooledText)
    assert not text.spool.end(0.01)


def test_behind_a_reader_that_has_gone_everything_is_dropped() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as file:
        (text,) = spooled([file])
        print("nobody hears it", file=text, flush=True)
        print("nor this", file=text, flush=True)
        assert isinstance(text, SpooledText)
        assert text.spool.end(None)
        assert isinstance(text.spool.failure, BrokenPipeError)


def test_a_stream_without_a_descriptor_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert spooled([sys.stdout]) == [sys.stdout]
