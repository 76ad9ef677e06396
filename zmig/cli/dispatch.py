"""From words to an exit code: the command is found, carried out, and every error reported in its form."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from zmig.cli.output import Output
from zmig.cli.stream import Unwritable
from zmig.errors import ExitCode, Problem, ZmigError
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = ("-h", "--help")


def run(words: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; never raises."""
    output = Output.of(words)
    try:
        if output.is_json:
            from zmig.cli import captured_output

            with captured_output.as_json(output):
                code = _guarded(words, output)
        else:
            code = _guarded(words, output)
    except Unwritable as error:
        return _unwritable(error, output, ExitCode.REFUSED)
    try:
        output.flush(patience_seconds=_LONGEST_FLUSH_SECONDS if code > _SIGNALLED else None)
    except Unwritable as error:
        return _unwritable(error, output, code)
    except KeyboardInterrupt:  # nobody reads, and nobody wants to wait for who might
        return _SIGNALLED + signal.SIGINT
    return code


_SIGNALLED = 128
_LONGEST_FLUSH_SECONDS = 1.0
"""How long a command that a signal ended waits for who reads what it says."""


def _unwritable(error: Unwritable, output: Output, code: int) -> int:
    """Report that stdout takes nothing; return the exit code: of what was done, if that may be something."""
    problem = Problem("output-failed", f"standard output cannot be written: {error}")
    if not output.has_acted:
        output.problems([problem])
        return ExitCode.REFUSED
    output.problems([replace(problem, effect=f"what was run stays as it is; exit code {code} speaks of that alone")])
    return code


def _guarded(words: Sequence[str], output: Output) -> int:
    try:
        return _run(words, output)
    except Unwritable:
        raise
    except ZmigError as error:
        from zmig.cli import error_output

        return error_output.report(error, output)
    except KeyboardInterrupt as error:
        from zmig.cli import error_output

        return error_output.report_interruption(error, output)
    except BaseException as error:  # a migration's own SystemExit must not end the command with its code
        from zmig.cli import error_output

        return error_output.report_bug(error, output)


def _run(words: Sequence[str], output: Output) -> int:
    from zmig.cli import parser
    from zmig.cli.command import CommandContext

    if not words or words[0] in (*_HELP, "help"):
        return _help(words, output)
    name, *others = words
    command = parser.find(name, others)
    options_end = others.index("--") if "--" in others else len(others)
    if any(word in _HELP for word in others[:options_end]):
        return _help(words[:1], output)
    options = parser.parse(name, command, others)
    output.is_json, output.is_quiet, output.is_verbose = options.json, options.quiet, options.verbose
    call = CommandContext(output, options, tuple(words))
    output.hints = call.hints
    return command.run(call, options)


def _help(words: Sequence[str], output: Output) -> int:
    """Print the help that was asked for; without a word, what may be asked for, which is an error."""
    from zmig.cli import help, parser

    if not words:
        output.say(help.overview())
        return ExitCode.REFUSED
    names = [word for word in words if word not in (*_HELP, "help")]
    for name in names:
        output.data(help.of_command(name, parser.find(name)))
    if not names:
        output.data(help.overview())
    return ExitCode.OK
