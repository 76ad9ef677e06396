"""An SQL file as the checks see it: what each statement does, what is between them, what is too much to look at.

Of a data file only the first statements are looked at one by one; the rest of its rows is skipped at the speed of
one regular expression.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import ManifestError, Problem
from zmig.lint import search_path
from zmig.sql import fast_path, script, tool_markers
from zmig.sql.buffer import Window
from zmig.sql.token_reader import Name
from zmig.text.places import Source
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.sql.command import Command
    from zmig.sql.command_parser import ParsedCommand
    from zmig.sql.statement import Statement

_MOST_STATEMENTS = 1000
"""After so many, those that only read or write rows are skipped."""
_RUN = 1 << 16


class Span(NamedTuple):
    """A part of a text, by 0-based offsets."""

    start: int
    end: int


@valueclass
class Act:
    """A statement of a file, and where the names in it are."""

    statement: Statement
    schema: str = search_path.DEFAULT
    """Where a name without a schema is taken to be, unless the role or the database says otherwise.

    Where that cannot be known, a mark of `zmig.lint.search_path` that only the statements beside it share.
    """

    @property
    def verb(self) -> str:
        """Its first word, in lower case."""
        return self.statement.command.verb

    @property
    def command(self) -> Command:
        """What it does."""
        return self.statement.command

    @property
    def parsed(self) -> ParsedCommand:
        """The objects that it creates and changes."""
        return self.statement.command.parsed

    @property
    def start(self) -> int:
        """Its offset in the file."""
        return self.statement.offset

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.statement.offset + len(self.statement.text)

    def full(self, name: Name) -> Name:
        """Return one of its names with a schema, or with the mark of one that cannot be known."""
        return name if name.schema is not None else Name(self.schema, name.name)


@dataclass(frozen=True, slots=True, eq=False)
class SqlFile:
    """One SQL file."""

    source: Source
    text: str
    """What is parsed: the source, with a name in place of every variable."""
    acts: tuple[Act, ...]
    skipped: tuple[Span, ...]
    """Whole statements that only read or write rows, after the first thousand; at most about 64 KiB each."""
    rows: tuple[Span, ...]
    """The rows that are after a COPY, each with its closing line."""
    problems: tuple[Problem, ...]
    """Why the text stops being a script, if it does."""

    @property
    def path(self) -> str:
        """What messages call it."""
        return self.source.label

    @property
    def refusing(self) -> Act | None:
        """The first statement that cannot run inside a transaction."""
        return next((one for one in self.acts if one.command.refuses_transaction), None)

    def is_transactional(self, declared: bool | None) -> bool:
        """Whether zmig runs it in one transaction, if the manifest says `declared`."""
        return self.refusing is None if declared is None else declared

    def act_at(self, offset: int) -> Act | None:
        """Return the statement at an offset, else the next one."""
        index = bisect_left(self.acts, offset, key=attrgetter("end"))
        return self.acts[index] if index < len(self.acts) else None

    def leading_comment(self) -> str:
        """Return what is before the first statement."""
        end = self.acts[0].start if self.acts else len(self.text)
        return self.text[:end]


_VARIABLE = re.compile(r"(?<!\$)\$\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_PLACEHOLDER = re.compile(r"(?<![:\w]):(?:size|cursor)\b")


def read(text: str, *, path: str, has_variables: bool = False, is_batch: bool = False) -> SqlFile:
    """Return the file of this text; `path` is what findings call it. Raises nothing, whatever the text.

    With `has_variables`, each `${name}` counts as a name, since what it will be is not known; with `is_batch`,
    `:size` and `:cursor` count as numbers. Every place in the text stays where it is.
    """
    script_text = _VARIABLE.sub(_some_name, text) if has_variables else text
    if is_batch:
        script_text = _PLACEHOLDER.sub(lambda found: "1" * len(found[0]), script_text)
    return _Reading(Source(path, text), script_text).file()


def _some_name(variable: re.Match[str]) -> str:
    return "v" + re.sub(r"\W", "_", variable[0])[1:]


class _Reading:
    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._text = text
        self._window = Window((text,), path=source.label)
        self._acts: list[Act] = []
        self._skipped: list[Span] = []
        self._rows: list[Span] = []
        self._number = 0

    def file(self) -> SqlFile:
        problems: tuple[Problem, ...] = ()
        try:
            path = search_path.SearchPath(self._source.label)
            while (one := self._next()) is not None:
                self._acts.append(Act(one, path.schema))
                path.pass_(one)
        except ManifestError as error:
            problems = error.problems
        problems = problems or tuple(self._marks())
        return SqlFile(self._source, self._text, tuple(self._acts), tuple(self._skipped), tuple(self._rows), problems)

    def _marks(self) -> Iterator[Problem]:
        """Yield what is wrong with a file that another tool has parted."""
        if not tool_markers.may_hold(self._text):
            return
        spans = sorted([*((one.start, one.end) for one in self._acts), *self._skipped, *self._rows])
        mark = tool_markers.find(self._text, spans)
        if mark is not None:
            label = self._source.label
            yield tool_markers.problem(mark, script.location(self._text, mark.offset, path=label), path=label)

    def _next(self) -> Statement | None:
        if self._number >= _MOST_STATEMENTS:
            self._skip_data()
        self._number += 1
        one = script.next_statement(self._window, self._number)
        if one is None or one.copy_data is None:
            return one
        start = self._window.base + self._window.position
        script.skip_rows(one)
        self._rows.append(Span(start, self._window.base + self._window.position))
        return replace(one, copy_data=replace(one.copy_data, blocks=()))

    def _skip_data(self) -> None:
        skip = fast_path.data_statement().match
        window = self._window
        start = -1
        while passed := skip(window.text, window.position):
            if start < 0:
                start = passed.start(1)
            window.position = passed.end()
            self._number += 1
            if passed.end() - start >= _RUN:
                self._skip(start)
                start = -1
        if start >= 0:
            self._skip(start)

    def _skip(self, start: int) -> None:
        base = self._window.base
        self._skipped.append(Span(base + start, base + self._window.position))
