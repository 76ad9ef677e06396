"""An SQL file as the checks see it: what each statement does, what is between them, what is too much to look at.

Of a data file only the first statements are looked at one by one; the rest of its rows is skipped at the speed of
one regular expression.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import ManifestError, Problem
from zmig.lint import session
from zmig.lint.finding import Remark
from zmig.lint.lazy import Lazy
from zmig.sql import fast_path, lexer, script, tool_markers
from zmig.sql.buffer import Window
from zmig.sql.token_reader import Reader
from zmig.text.places import Source
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from dataclasses import KW_ONLY

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


class Action(NamedTuple):
    """One action of an ALTER TABLE, such as `add column note text`: what is between its commas."""

    text: str
    start: int
    """Where it begins in the file, a 0-based offset."""
    end: int

    @property
    def reader(self) -> Reader:
        """A reader at its first word."""
        return Reader(self.text)


@valueclass
class FileStatement:
    """A statement of a file, and what those before it set for it."""

    raw: Statement
    """It alone, as it was split off."""
    path: tuple[str, ...] = session.DEFAULT
    """Where names without a schema are looked for, unless the role or the database says otherwise.

    Where that cannot be known, a mark of `zmig.lint.session` that only the statements beside it share.
    """
    is_utc: bool = False
    """Whether the session's time zone is known to be UTC."""
    shown: Span | None = None
    """Where findings about it are, where its text is not in the file as it is: it is put together, or a function's."""
    facts: tuple[str, ...] = ()
    """What findings about it say of where it comes from."""
    _actions: list[tuple[Action, ...]] = field(
        default_factory=list["tuple[Action, ...]"], init=False, repr=False, compare=False
    )
    """Its actions, once somebody has asked for them."""

    @property
    def verb(self) -> str:
        """Its first word, in lower case."""
        return self.raw.command.verb

    @property
    def text(self) -> str:
        """It as it is written, without the semicolon."""
        return self.raw.text

    @property
    def line(self) -> int:
        """Its first line in the file, from 1 on."""
        return self.raw.line

    @property
    def command(self) -> Command:
        """What it does."""
        return self.raw.command

    @property
    def parsed(self) -> ParsedCommand:
        """The objects that it creates and changes."""
        return self.raw.command.parsed

    @property
    def start(self) -> int:
        """Its offset in the file."""
        return self.raw.offset

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.raw.offset + len(self.raw.text) if self.shown is None else self.shown.end

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions of an ALTER TABLE; nothing for any other statement."""
        if not self._actions:
            self._actions.append(tuple(self._read_actions()))
        return self._actions[0]

    def _read_actions(self) -> Iterator[Action]:
        begin = self.parsed.actions
        if begin is None:
            return
        text, depth, start, end = self.text, 0, begin, begin
        for token in (*lexer.tokens(text, begin), None):
            if token is None or (depth == 0 and token.text == ","):
                start += len(text[start:end]) - len(text[start:end].lstrip())
                span = self.shown or Span(self.start + start, self.start + end)
                yield Action(text[start:end], *span)
                start = token.end if token is not None else end
            if token is not None:
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
                end = token.end


@valueclass
class Script:
    """What is in the text of an SQL file."""

    statements: tuple[FileStatement, ...]
    skipped: tuple[Span, ...]
    rows: tuple[Span, ...]
    problems: tuple[Problem, ...]
    refusing: Lazy[FileStatement | None]
    """The first statement that cannot run inside a transaction."""

    @classmethod
    def of(
        cls,
        statements: Iterable[FileStatement],
        *,
        skipped: Iterable[Span] = (),
        rows: Iterable[Span] = (),
        problems: tuple[Problem, ...] = (),
    ) -> Script:
        """Return what is in a text of these statements."""
        found = tuple(statements)
        refusing = Lazy(lambda: next((one for one in found if one.command.refuses_transaction), None))
        return cls(found, tuple(skipped), tuple(rows), problems, refusing)


@valueclass
class SqlFile:
    """One SQL file. Its statements are split when somebody first asks for them, or for anything that takes them."""

    _: KW_ONLY
    source: Source
    text: str
    """What is parsed: the source, with a name in place of every variable."""
    script: Lazy[Script]
    is_inside: bool = False
    """Whether its statements are within those of another file, or within Python: see `zmig.lint.inside`."""

    @property
    def statements(self) -> tuple[FileStatement, ...]:
        """Its statements, without those that are skipped."""
        return self.script.value.statements

    @property
    def skipped(self) -> tuple[Span, ...]:
        """Whole statements that only read or write rows, after the first thousand; at most about 64 KiB each."""
        return self.script.value.skipped

    @property
    def rows(self) -> tuple[Span, ...]:
        """The rows that are after a COPY, each with its closing line."""
        return self.script.value.rows

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why the text stops being a script, if it does."""
        return self.script.value.problems

    @property
    def path(self) -> str:
        """What messages call it."""
        return self.source.label

    @property
    def refusing(self) -> FileStatement | None:
        """The first statement that cannot run inside a transaction."""
        return self.script.value.refusing.value

    def is_transactional(self, declared: bool | None) -> bool:
        """Whether zmig runs it in one transaction, if the manifest says `declared`."""
        return self.refusing is None if declared is None else declared

    def statement_at(self, offset: int) -> FileStatement | None:
        """Return the statement at an offset, else the next one."""
        index = bisect_left(self.statements, offset, key=attrgetter("end"))
        return self.statements[index] if index < len(self.statements) else None

    def remark(self, rule: str, statement: FileStatement, message: str, hint: str) -> Remark:
        """Return a remark about one of its statements."""
        start, end = statement.start, statement.end
        return Remark(rule, message, hint, self.source, start=start, end=end, facts=statement.facts)

    def leading_comment(self) -> str:
        """Return what is before the first statement."""
        end = self.statements[0].start if self.statements else len(self.text)
        return self.text[:end]


_VARIABLE = re.compile(r"(?<!\$)\$\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_PLACEHOLDER = re.compile(r"(?<![:\w]):(?:size|cursor)\b")


def read(text: str, *, path: str, has_variables: bool = False, is_batch: bool = False) -> SqlFile:
    """Return the file of this text; `path` is what findings call it. Raises nothing, whatever the text.

    With `has_variables`, each `${name}` counts as a name, since what it will be is not known; with `is_batch`,
    `:size` and `:cursor` count as numbers. Every place in the text stays where it is.
    """
    script_text = text
    if has_variables:
        script_text = _VARIABLE.sub(lambda found: "v" + re.sub(r"\W", "_", found[0])[1:], script_text)
    if is_batch:
        script_text = _PLACEHOLDER.sub(lambda found: "1" * len(found[0]), script_text)
    return SqlFile(source=Source(path, text), text=script_text, script=Lazy(lambda: _script(script_text, path)))


def _script(text: str, path: str) -> Script:
    reading = _Reading(text, path)
    settings = session.Session(path)
    statements: list[FileStatement] = []
    problems: tuple[Problem, ...] = ()
    try:
        while (statement := reading.next_statement()) is not None:
            statements.append(FileStatement(statement, settings.path, settings.is_utc))
            settings.follow(statement)
    except ManifestError as error:
        problems = error.problems
    if not problems and tool_markers.may_hold(text):
        spans = sorted([*((one.start, one.end) for one in statements), *reading.skipped, *reading.rows])
        mark = tool_markers.find(text, spans)
        if mark is not None:
            place = script.location(text, mark.offset, path=path)
            problems = (tool_markers.problem(mark, place, path=path),)
    return Script.of(statements, skipped=reading.skipped, rows=reading.rows, problems=problems)


class _Reading:
    """Takes the statements from a text, and passes over most of its data."""

    def __init__(self, text: str, path: str) -> None:
        self.skipped: list[Span] = []
        self.rows: list[Span] = []
        self._window = Window((text,), path=path)
        self._number = 0

    def next_statement(self) -> Statement | None:
        """Return the next statement, without the rows of a COPY; None at the end. Raises ManifestError."""
        if self._number >= _MOST_STATEMENTS:
            self._skip_data()
        self._number += 1
        statement = script.next_statement(self._window, self._number)
        if statement is None or statement.copy_data is None:
            return statement
        start = self._window.base + self._window.position
        script.skip_rows(statement)
        self.rows.append(Span(start, self._window.base + self._window.position))
        return replace(statement, copy_data=replace(statement.copy_data, blocks=()))

    def _skip_data(self) -> None:
        """Pass over statements that only read or write rows, and keep where they are in spans of about 64 KiB."""
        skip = fast_path.DATA_STATEMENT.match
        window = self._window
        start = -1
        while passed := skip(window.text, window.position):
            if start < 0:
                start = passed.start(1)
            window.position = passed.end()
            self._number += 1
            if passed.end() - start >= _RUN:
                self.skipped.append(Span(window.base + start, window.base + window.position))
                start = -1
        if start >= 0:
            self.skipped.append(Span(window.base + start, window.base + window.position))
