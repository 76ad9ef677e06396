"""Reads a step's file before anything runs: its statements and transaction mode, or its Python functions.

Everything that is wrong with the files of a plan is found here, so a run never begins that could not be read.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from zmig import batch, failure, message, project, script, statement, survey, template
from zmig.errors import Location, ManifestError, Problem, ZmigError
from zmig.plan import Action, Direction, Mode, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.context import Context
    from zmig.message import ChunkMessage, Message
    from zmig.model import Batch, LastRun
    from zmig.plan import Plan
    from zmig.script import Statement
    from zmig.substitution import Substitution

Execute = Callable[["Context"], object]


class _Functions(Protocol):
    def execute(self, ctx: Context, /) -> object: ...
    def rollback(self, ctx: Context, /) -> object: ...
    def should_repeat(self, ctx: Context, last_run: LastRun | None, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Work:
    """A step, with what its file says."""

    step: Step
    path: str
    """What messages call its file."""
    mode: Mode
    text: str | None = None
    statements: tuple[Statement, ...] | None = None
    """None for a step written in Python, and for a script too large to be held."""
    count: int | None = None
    """How many statements it has; None for a step written in Python."""
    function: Execute | None = None
    """What a step written in Python calls; filled in by `load`."""
    filled: Substitution | None = None
    """How `text` came from what is written in the file, where variables were replaced."""

    @property
    def is_sql(self) -> bool:
        """Whether it is made of SQL statements."""
        return self.count is not None

    @property
    def batch(self) -> Batch | None:
        """How it is done in rounds, if it is; a rollback never is."""
        return self.step.migration.batch if self.step.direction is Direction.FORWARD else None

    def sendables(self) -> Iterator[Message | ChunkMessage | Statement]:
        """Yield what is sent to the server in a transaction, in order; a large script is read as it is sent."""
        if self.statements is not None:
            return message.of_statements(self.statements)
        return message.of_large_script(project.read_pieces(Path(self.path)), path=self.path)

    def location(self, offset: int) -> Location | None:
        """Return the place in its file of what stands at `offset` (0-based) of its text, as far as that is held."""
        if self.filled is not None:
            return template.location(self.filled, offset, path=self.path)
        return script.location(self.text, offset, path=self.path) if self.text is not None else None


def read(plan: Plan) -> tuple[Work, ...]:
    """Read the files of a plan's steps; nothing is executed.

    Raises:
        ManifestError: with every problem of every file.
    """
    works: list[Work] = []
    problems: list[Problem] = []
    for step in plan.steps:
        try:
            works.append(_read_step(step))
        except ZmigError as error:
            problems += error.problems
    if problems:
        raise ManifestError(*problems)
    return tuple(works)


def _read_step(step: Step) -> Work:
    if step.action is Action.SETTLE:
        return Work(step, step.migration.name, Mode(True, "nothing is run"), None, (), 0)
    file = _file(step)
    if file is None or file.suffix.lower() == ".py":
        if step.migration.batch is not None and step.direction is Direction.FORWARD:
            return Work(step, str(file), _batch_mode(step.migration.batch))
        transactional = step.migration.transaction is not False
        reason = "Python, one transaction" if transactional else "`transaction: false` in the manifest"
        return Work(step, str(file or step.migration.name), Mode(transactional, reason))
    path = str(file)
    if _is_large(step, file):
        found = survey.survey(project.read_pieces(file), path=path)
        if found.refusing is None and found.controlling is None:
            return Work(step, path, Mode(True, "one transaction"), count=found.statements)
    text, filled = _text(step, file)
    statements = tuple(script.split(text, path=path))
    if not statements:
        hint = "write the statements into it"
        raise ManifestError(Problem("file-empty", f"`{path}` holds no statement", Location(path), hint=hint))
    mode = _mode(step, statements)
    work = Work(step, path, mode, text, statements, len(statements), filled=filled)
    if work.batch is not None:
        problems = tuple(batch.problems(work, work.batch))
        if problems:
            raise ManifestError(*problems)
        return replace(work, mode=_batch_mode(work.batch))
    if mode.transactional:
        _refuse_transaction_control(work, statements)
    return work


_LARGE_BYTES = 1_000_000
"""From this size on, a script that can run in a transaction is sent as it is read."""


def _is_large(step: Step, file: Path) -> bool:
    migration = step.migration
    as_it_stands = migration.variables is None and migration.batch is None and migration.transaction is not False
    return as_it_stands and project.size(file) >= _LARGE_BYTES


def _batch_mode(settings: Batch) -> Mode:
    return Mode(False, f"in rounds of {settings.size} rows, each in a transaction")


def _text(step: Step, file: Path) -> tuple[str, Substitution | None]:
    """Return what a file says, and how that came from what is written in it."""
    text = project.read_text(file)
    if step.migration.variables is None:
        return text, None
    filled = template.fill(text, step.migration.variables, path=str(file))
    return filled.text, filled


def _file(step: Step) -> Path | None:
    migration = step.migration
    return migration.rollback_file or migration.file if step.direction is Direction.ROLLBACK else migration.file


def _mode(step: Step, statements: tuple[Statement, ...]) -> Mode:
    if step.direction is Direction.FORWARD and step.migration.transaction is not None:
        declared = "true" if step.migration.transaction else "false"
        return Mode(step.migration.transaction, f"`transaction: {declared}` in the manifest")
    found = statement.transaction_mode(statements, None)
    return Mode(found.transactional, found.reason)


def _refuse_transaction_control(work: Work, statements: tuple[Statement, ...]) -> None:
    problems = [
        Problem(
            "transaction-control",
            f"statement {one.number} ends or opens a transaction, but zmig runs the file in one of its own: "
            f"`{one.summary}`",
            location=work.location(one.offset),
            effect="nothing was run",
            hint="remove the statement, or write `transaction: false` in the manifest entry",
        )
        for one in statements
        if statement.controls_transaction(one)
    ]
    if problems:
        raise ManifestError(*problems)


def functions(step: Step) -> _Functions:
    """Return the functions of a step written in Python: the registered object, or its file, imported.

    Raises:
        ManifestError: the file does not import, or lacks the function.
    """
    if step.migration.code is not None:
        return cast("_Functions", step.migration.code)
    file = _file(step)
    if file is None:
        raise AssertionError(f"{step.migration.name} has neither code nor a file")
    module = _import(file)
    needed = "rollback" if step.direction is Direction.ROLLBACK else "execute"
    if not callable(getattr(module, needed, None)):
        raise ManifestError(
            Problem(
                "python-function-missing",
                f"Python file `{file}` has no function `{needed}`",
                effect="nothing was run",
                hint=f"define `def {needed}(ctx):` in it",
            )
        )
    return cast("_Functions", module)


def _import(file: Path) -> types.ModuleType:
    """Run the file's module-level code; without a byte-code file beside it, and under a name of its own."""
    source = project.read_text(file)
    module = types.ModuleType(f"zmig_migration_{file.stem}")
    module.__file__ = str(file)
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise ManifestError(failure.code_error(file, error)) from error
    return module


def load(works: Sequence[Work]) -> tuple[Work, ...]:
    """Import the Python files of a plan's steps, all before the first step runs.

    Raises:
        ManifestError: with every problem of every file.
    """
    loaded: list[Work] = []
    problems: list[Problem] = []
    for work in works:
        try:
            loaded.append(work if work.is_sql else replace(work, function=_entry_point(work.step)))
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(*problems)
    return tuple(loaded)


def _entry_point(step: Step) -> Execute:
    found = functions(step)
    return found.rollback if step.direction is Direction.ROLLBACK else found.execute
