"""What a command writes: data to stdout, narration to stderr, every line without secrets."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from zmig.cli.stream import Stream, Unwritable
from zmig.redact import redact
from zmig.render import problem_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zmig.errors import Problem

_NARROWEST = 60
_MOST_PROBLEMS = 20
"""How many problems are told a person at once; a document holds all."""


@dataclass(slots=True)
class Output:
    """Where a command writes, and how."""

    stdout: Stream
    stderr: Stream
    is_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    has_color: bool = True
    """Whether a terminal may be given colours."""
    redact: Callable[[str], str] = redact
    so_far: dict[str, object] = field(default_factory=dict[str, object])
    """What was done before an error; it stands beside the error in the JSON document."""

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
        return max(shutil.get_terminal_size().columns, _NARROWEST)

    def data(self, text: str) -> None:
        """Write a line, or several, to stdout."""
        self._write(self.stdout, text)

    def document(self, value: object) -> None:
        """Write one JSON document to stdout: plain ASCII, so that it survives any locale."""
        import json

        self.stdout.write(json.dumps(_mapped(value, self.redact), indent=2) + "\n")

    def note_document(self, value: object) -> None:
        """Write one JSON document on a line of stderr, unless narration is not wanted."""
        if not self.is_quiet:
            self._object(value)

    def note(self, text: str) -> None:
        """Write a line, or several, to stderr, unless narration is not wanted."""
        if not self.is_quiet:
            self.say(text)

    def say(self, text: str) -> None:
        """Write a line, or several, to stderr. What cannot be written there can be told to nobody."""
        if self.is_json:
            self._object({"note": text.strip("\n")})
            return
        with contextlib.suppress(Unwritable):
            self._write(self.stderr, text)

    def problems(self, problems: Iterable[Problem]) -> None:
        """Write problems to stderr."""
        if self.is_json:
            from zmig.cli import documents

            for problem in problems:
                self._object({"problem": documents.of_problem(problem)})
            return
        told = tuple(problems)
        texts = [problem_text(problem) for problem in told[:_MOST_PROBLEMS]]
        left = len(told) - len(texts)
        self.say("\n\n".join([*texts, f"{left} more like these; `--json` lists all {len(told)}"] if left else texts))

    def ask(self, question: str) -> None:
        """Write a question to stderr, which the answer is typed behind."""
        if self.is_json:
            self._object({"question": question.strip()})
        else:
            self.stderr.write(self.redact(question))
        self.stderr.flush()

    def _object(self, value: object) -> None:
        """Write one JSON object on a line of stderr: where JSON is wanted, nothing else comes there."""
        import json

        with contextlib.suppress(Unwritable):
            self.stderr.write(json.dumps(_mapped(value, self.redact)) + "\n")

    def flush(self) -> None:
        """Hand everything to the system. Raises Unwritable where stdout does not take it."""
        with contextlib.suppress(Unwritable):
            self.stderr.flush()
        self.stdout.flush()

    def _write(self, stream: Stream, text: str) -> None:
        shown = self.redact(text)
        if self.has_color and stream.is_terminal:
            from zmig.cli import color

            shown = color.painted(shown)
        stream.write(shown + "\n")


def _mapped(value: object, change: Callable[[str], str]) -> object:
    """Return a JSON value with every string in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(item, change) for item in cast("list[object]", value)]
    return value
