"""What a terminal is given in colours, and that no secret is shown for them."""

from __future__ import annotations

import io

from zmig.cli.output import Output
from zmig.cli.stream import Stream
from zmig.errors import Location, Problem
from zmig.presentation.spans import Span, Tone
from zmig.text.secrets import Redactor


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _output(file: io.StringIO, *, has_color: bool = True) -> Output:
    return Output(Stream(io.StringIO()), Stream(file), has_color=has_color)


PROBLEM = Problem(
    "x", "it failed", Location("a.sql", 1, 8, text="select nowhere", width=7), facts=("a fact",), hint="mend it"
)
PLAIN = """\
error: it failed
  --> a.sql:1:8
   |
 1 | select nowhere
   |        ^^^^^^^
   = a fact
hint: mend it
"""


def test_each_part_of_a_problem_has_the_colour_of_its_tone() -> None:
    terminal = _Terminal()
    _output(terminal).problems([PROBLEM])
    shown = terminal.getvalue()
    assert shown.startswith("\x1b[31merror: \x1b[0m\x1b[31mit failed\x1b[0m\n")
    assert "\x1b[31m       ^^^^^^^\x1b[0m\n" in shown
    assert "\x1b[36mhint: \x1b[0m" in shown
    for code in ("31", "36", "2", "0"):
        shown = shown.replace(f"\x1b[{code}m", "")
    assert shown == PLAIN


def test_without_colours_the_text_is_the_same() -> None:
    for file, has_color in ((_Terminal(), False), (io.StringIO(), True)):
        _output(file, has_color=has_color).problems([PROBLEM])
        assert file.getvalue() == PLAIN


def test_a_secret_that_reaches_over_two_spans_is_masked() -> None:
    terminal = _Terminal()
    output = _output(terminal)
    output.stdout, output.redact = Stream(terminal), Redactor("hunter2")
    output.data_lines([(Span("password: hun", Tone.BAD), Span("ter2", Tone.GOOD))])
    assert "hunter2" not in terminal.getvalue()
    assert "ter2" not in terminal.getvalue()
