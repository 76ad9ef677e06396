"""What a run's process keeps of what was reported: bounded, and understood by whoever comes late."""

from __future__ import annotations

from zmig_tui.run_process.transcript import Transcript


def _all(transcript: Transcript, number: int = 0) -> tuple[int, list[bytes]]:
    """Return how many lines are lost from `number` on, and the others."""
    lost, lines = 0, list[bytes]()
    while number < transcript.end:
        missing, found, number = transcript.after(number)
        lost += missing
        lines += found
    return lost, lines


def test_everything_comes_in_order_to_whoever_comes_at_any_time() -> None:
    transcript = Transcript()
    lines = [f"{number}\n".encode() for number in range(100_000)]
    for line in lines:
        transcript.append(line)
    assert _all(transcript) == (0, lines)
    assert _all(transcript, 99_990) == (0, lines[99_990:])
    assert transcript.after(100_000) == (0, [], 100_000)


def test_of_too_much_the_oldest_is_dropped_and_counted_and_what_the_rest_needs_is_kept() -> None:
    transcript = Transcript(most_bytes=1000)
    transcript.append(b"begun\n", "RunStarted")
    transcript.append(b"early step\n", "StepStarted")
    transcript.append(b"step\n", "StepStarted")
    for number in range(10_000):
        transcript.append(f"round {number}\n".encode())
    lost, lines = _all(transcript)
    assert lines[:2] == [b"begun\n", b"step\n"]
    assert lines[2:] == [f"round {number}\n".encode() for number in range(10_002 - len(lines), 10_000)]
    assert lost + len(lines) == 10_003
    assert sum(map(len, lines)) <= 1000 + 20


def test_a_line_that_is_too_long_by_itself_is_sent_all_the_same() -> None:
    transcript = Transcript(most_bytes=10)
    transcript.append(b"x" * 100)
    transcript.append(b"y" * 100)
    assert _all(transcript) == (1, [b"y" * 100])
