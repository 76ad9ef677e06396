"""What a command writes: data to stdout, narration to stderr, every line without secrets."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, cast

from zmig.cli.stream import Stream, Unwritable
from zmig.presentation.hints import LibraryStyle, written
from zmig.presentation.problems import problem_lines, problem_text
from zmig.presentation.spans import Span, plain
from zmig.text.secrets import redact
from zmig.text.terminal import safe
from zmig.valueclass import field, replace, slotted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.cli.spool import SpooledText
    from zmig.errors import Problem
    from zmig.presentation.hints import HintStyle
    from zmig.presentation.spans import Line

_NARROWEST = 60
_MOST_PROBLEMS = 20
"""How many problems a person reads at once; a document holds all."""


@slotted
class Output:
    """Where a command writes, and how."""

    stdout: Stream
    stderr: Stream
    _: KW_ONLY
    is_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    has_color: bool = True
    """Whether a terminal may be given colours."""
    redact: Callable[[str], str] = redact
    hints: HintStyle = field(default_factory=LibraryStyle)
    """How commands in hints are written, once it is known how zmig was called."""
    so_far: dict[str, object] = field(default_factory=dict[str, object])
    """What was done before an error; it is beside the error in the JSON document."""
    has_acted: bool = False
    """Whether the command is one that changes something, so that its exit code speaks of that alone."""
    _spools: tuple[SpooledText, ...] = ()

    @classmethod
    def of(cls, words: Iterable[str], environ: Mapping[str, str] = os.environ) -> Output:
        """Return the output for a command line that is not parsed yet, so that its errors have a form too."""
        given = set(words)
        plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb" or "--no-color" in given
        return cls(Stream(sys.stdout), Stream(sys.stderr), is_json="--json" in given, has_color=not plain)

    @property
    def is_live(self) -> bool:
        """Whether stderr is a terminal that can draw."""
        return self.stderr.is_terminal and os.environ.get("TERM", "dumb") != "dumb" and not self.is_quiet

    @property
    def width(self) -> int | None:
        """How many cells a line of stdout may take; None where it is no terminal."""
        if not self.stdout.is_terminal:
            return None
        import shutil

        return max(shutil.get_terminal_size().columns, _NARROWEST)

    def data(self, text: str) -> None:
        """Write a line, or several, to stdout."""
        self.data_lines([(Span(text),)])

    def data_lines(self, lines: Sequence[Line]) -> None:
        """Write lines to stdout, with colours where they are wanted."""
        self._write(self.stdout, lines)

    def encoded(self, text: str) -> None:
        """Write to stdout what was encoded after each value in it was redacted.

        In an encoded text some forms of secrets are not seen, and what is masked may take its quotes along.
        """
        self.stdout.write(safe(text) + "\n")

    def document(self, value: object) -> None:
        """Write one JSON document to stdout: plain ASCII, so that it survives any locale."""
        import json

        self.stdout.write(json.dumps(_mapped(value, self._text), indent=2) + "\n")

    def list_document(self, key: str, items: Iterable[object]) -> None:
        """Write the document that is an object with a list under one key, item by item, since there may be many.

        An error in between leaves it without its end.
        """
        import json

        written = False
        for item in items:
            text = json.dumps(_mapped(item, self._text), indent=2).replace("\n", "\n    ")
            self.stdout.write(f"{',' if written else _opening(key)}\n    {text}")
            written = True
        self.stdout.write("\n  ]\n}\n" if written else _opening(key) + "]\n}\n")

    def note_document(self, value: object) -> None:
        """Write one JSON document on a line of stderr, unless narration is not wanted."""
        if not self.is_quiet:
            self._object(value)

    def note(self, text: str) -> None:
        """Write a line, or several, to stderr, unless narration is not wanted."""
        if not self.is_quiet:
            self.say(text)

    def say(self, text: str) -> None:
        """Write a line, or several, to stderr. What cannot be written there is lost."""
        if self.is_json:
            self._object({"note": text.strip("\n")})
            return
        with contextlib.suppress(Unwritable):
            self._write(self.stderr, [(Span(text),)])

    def problems(self, problems: Iterable[Problem]) -> None:
        """Write problems to stderr."""
        if self.is_json:
            from zmig.cli import json_documents

            for problem in problems:
                self._object({"problem": json_documents.of_problem(problem)})
            return
        every = tuple(problems)
        if not every:
            return
        lines: list[Line] = []
        for problem in every[:_MOST_PROBLEMS]:
            lines += [*([()] if lines else []), *problem_lines(problem, self.hints)]
        if (left := len(every) - _MOST_PROBLEMS) > 0:
            lines += [(), (Span(f"{left} more like these; `--json` lists all {len(every)}"),)]
        with contextlib.suppress(Unwritable):
            self._write(self.stderr, lines)

    def problem_at_once(self, problem: Problem) -> None:
        """Write a problem to stderr now or never, for a process that ends without waiting for a reader."""
        if self.is_json:
            import json

            from zmig.cli import json_documents

            text = json.dumps(_mapped({"problem": json_documents.of_problem(problem)}, self._text))
        else:
            text = self.redact(problem_text(problem, self.hints))
        self.stderr.write_at_once(text + "\n")

    def _text(self, text: str) -> str:
        """Return a text of a document as it is written."""
        return self.redact(written(text, self.hints))

    def ask(self, question: str) -> None:
        """Write a question to stderr, which the answer is typed after."""
        if self.is_json:
            self._object({"question": question.strip()})
        else:
            self.stderr.write(safe(self.redact(question)))
        self.stderr.flush()

    def _object(self, value: object) -> None:
        """Write one JSON object on a line of stderr: where JSON is wanted, nothing else comes there."""
        import json

        with contextlib.suppress(Unwritable):
            self.stderr.write(json.dumps(_mapped(value, self._text)) + "\n")

    def unblock(self) -> None:
        """Let nobody who writes from now on wait for a reader, until `flush`; what code prints goes the same way."""
        if self._spools:
            return
        from zmig.cli.spool import SpooledText, spooled

        stdout, stderr = spooled((self.stdout.file, self.stderr.file))
        sys.stdout = stdout if sys.stdout is self.stdout.file else sys.stdout
        sys.stderr = stderr if sys.stderr is self.stderr.file else sys.stderr
        self.stdout.file, self.stderr.file = stdout, stderr
        self._spools = tuple(stream for stream in (stdout, stderr) if isinstance(stream, SpooledText))

    def flush(self, *, patience_seconds: float | None = None) -> None:
        """Hand everything to the system; wait at most so long for readers who take nothing.

        Raises Unwritable where stdout does not take it.
        """
        if self._spools:
            self._block(patience_seconds)
        with contextlib.suppress(Unwritable):
            self.stderr.flush()
        self.stdout.flush()

    def _block(self, patience_seconds: float | None) -> None:
        """Write what waits for its reader, and what comes from now on directly."""
        spools, self._spools = self._spools, ()
        deadline = None if patience_seconds is None else time.monotonic() + patience_seconds
        for spooled in spools:
            spooled.flush()
        for spooled in spools:
            spooled.spool.end(None if deadline is None else max(deadline - time.monotonic(), 0))
        for spooled in spools:
            for name in ("stdout", "stderr"):
                if getattr(sys, name) is spooled:
                    setattr(sys, name, spooled.original)
        with contextlib.suppress(Unwritable):
            self.stderr.block()
        self.stdout.block()

    def _write(self, stream: Stream, lines: Sequence[Line]) -> None:
        shown = safe(self.redact("\n".join(map(plain, lines))))
        if self.has_color and stream.is_terminal:
            from zmig.cli import color

            kept = [tuple(replace(span, text=safe(self.redact(span.text))) for span in line) for line in lines]
            # A secret that reaches from one span into the next is masked in the whole text alone, which has no colours.
            if "\n".join(map(plain, kept)) == shown:
                shown = "\n".join(map(color.painted, kept))
        stream.write(shown + "\n")


def _opening(key: str) -> str:
    """Return how a document begins that has a list under its only key."""
    return f'{{\n  "{key}": ['


def _mapped(value: object, change: Callable[[str], str]) -> object:
    """Return a JSON value with every string in it changed, and every hint written."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(item, change) for item in cast("list[object]", value)]
    return value
