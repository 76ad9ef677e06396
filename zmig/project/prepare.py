"""Reads a step's file before anything runs: its statements, and how they are run.

Everything that is wrong with the files of a plan is found here, so a run never begins that could not be read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem, ZmigError
from zmig.planning.plan import Action, Direction, Mode, Step
from zmig.process import allocator
from zmig.project import text_file, token_checksums
from zmig.sql import message, octets, script, tool_markers
from zmig.text import merge_conflict
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from dataclasses import KW_ONLY

    from zmig.context import Context
    from zmig.model import Batch
    from zmig.planning.plan import Plan
    from zmig.project.verify_query import PreparedVerify
    from zmig.sql.message import ChunkMessage, Message
    from zmig.sql.statement import Statement
    from zmig.text.substitution import Substitution

Execute = Callable[["Context"], object]


@valueclass
class PreparedStep:
    """A step, with what its file says."""

    step: Step
    path: str
    """What messages call its file."""
    mode: Mode
    _: KW_ONLY
    text: str | None = None
    """None for a step written in Python, and for a script too large to be held."""
    statements: tuple[Statement, ...] | None = None
    """None for a step written in Python, and for a large script that is read as it is sent."""
    count: int | None = None
    """How many statements it has; None for a step written in Python."""
    function: Execute | None = None
    """What a step written in Python calls; filled in by `zmig.running.python_functions`."""
    filled: Substitution | None = None
    """How `text` came from what is written in the file, where variables were replaced."""
    token_checksum: str | None = None
    """Of the tokens of a file of SQL that runs forward; None where it has none."""
    rollback_checksum: str | None = None
    """Of the rollback file that belongs to it, for a step forward that has one."""
    verify: PreparedVerify | None = None
    """What is asked once it has run forward, before that is recorded."""
    conforming: bool = True
    """How its strings are read: the `standard_conforming_strings` that it finds."""

    @property
    def is_sql(self) -> bool:
        """Whether it is made of SQL statements."""
        return self.count is not None

    @property
    def batch(self) -> Batch | None:
        """How it is done in rounds, if it is; a rollback never is."""
        return self.step.migration.batch if self.step.direction is Direction.FORWARD else None

    def sendables(self, *, runs_no_code: bool = False) -> Iterator[Message | ChunkMessage | Statement]:
        """Yield what is sent to the server in a transaction, in order; a large script is read as it is sent.

        `runs_no_code` says that none of its statements can run code of the database's.
        """
        if self.statements is not None:
            return message.of_statements(self.statements, runs_no_code=runs_no_code)
        pieces = _unchanged_pieces(Path(self.path), self.step)
        return message.of_large_script(pieces, path=self.path, conforming=self.conforming)

    def one_by_one(self) -> Iterator[Message | Statement]:
        """Yield the same with one statement in each message."""
        if self.statements is not None:
            return message.one_by_one(self.statements)
        pieces = _unchanged_pieces(Path(self.path), self.step)
        statements = script.split_stream(pieces, path=self.path, conforming=self.conforming, is_octets=True)
        return message.one_by_one(statements)

    def place(self, offset: int | None) -> Location | None:
        """Return the place of an offset in its file; that of its entry where there is none."""
        return (self.location(offset) if offset is not None else None) or self.step.migration.declared_at

    def location(self, offset: int) -> Location | None:
        """Return the place in its file of what is at `offset` (0-based) of its text, as far as that is held."""
        if self.filled is not None:
            from zmig.sql import variables

            return variables.location(self.filled, offset, path=self.path)
        return script.location(self.text, offset, path=self.path) if self.text is not None else None


def read(plan: Plan, *, conforming: bool = True) -> tuple[PreparedStep, ...]:
    """Read the files of a plan's steps; nothing is executed.

    `conforming` is how their strings are read: the `standard_conforming_strings` that they will find.

    Raises:
        ManifestError: with every problem of every file.
    """
    prepared_steps: list[PreparedStep] = []
    problems: list[Problem] = []
    for step in plan.steps:
        try:
            prepared = _read_step(step, conforming=conforming)
            prepared = _with_verify(prepared, conforming=conforming)
            prepared_steps.append(_with_rollback(prepared if conforming else replace(prepared, conforming=False)))
        except ZmigError as error:
            problems += error.problems
    if problems:
        raise ManifestError(*problems)
    return tuple(prepared_steps)


def _with_verify(prepared: PreparedStep, *, conforming: bool) -> PreparedStep:
    """Return a step forward with what is asked once it has run."""
    step = prepared.step
    if step.migration.verify is None or step.direction is Direction.ROLLBACK or step.action is Action.RECORD_END:
        return prepared
    from zmig.project import verify_query

    return replace(prepared, verify=verify_query.read(step.migration, conforming=conforming))


def _with_rollback(prepared: PreparedStep) -> PreparedStep:
    """Return a step forward with the checksum of its rollback file, by which a later edit is seen."""
    file = prepared.step.migration.rollback_file
    if file is None or prepared.step.direction is Direction.ROLLBACK or prepared.step.action is Action.RECORD_END:
        return prepared
    try:
        return replace(prepared, rollback_checksum=text_file.checksum_of(text_file.read(file)))
    except ManifestError:  # of no use, as a rollback of it will say
        return prepared


_NOTHING = Mode(True, "nothing is run")


def _read_step(step: Step, *, conforming: bool) -> PreparedStep:
    if step.action is Action.RECORD_END:
        return PreparedStep(step, step.migration.name, _NOTHING, statements=(), count=0)
    file = step.file
    if file is None and step.migration.is_empty:  # there is nothing to undo
        return PreparedStep(step, step.migration.name, _NOTHING, text="", statements=(), count=0)
    if file is None or file.suffix.lower() == ".py":
        if step.migration.batch is not None and step.direction is Direction.FORWARD:
            return PreparedStep(step, str(file), _batch_mode(step.migration.batch))
        transactional = step.migration.transaction is not False
        reason = "Python, one transaction" if transactional else "`transaction: false` in the manifest"
        return PreparedStep(step, str(file or step.migration.name), Mode(transactional, reason))
    small = text_file.read_small(file)
    if small is None:
        allocator.return_large_blocks()
        large = _large_script(step, file, conforming=conforming) or _very_large(step, file, conforming=conforming)
        return large or _script(step, file, text_file.read(file), conforming=conforming)
    return _script(step, file, small, conforming=conforming, is_small=True)


def _script(step: Step, file: Path, written: str, *, conforming: bool, is_small: bool = False) -> PreparedStep:
    text, filled, path, of_tokens = written, None, str(file), None
    if step.direction is Direction.ROLLBACK:
        checksum = text_file.checksum_of(written)
    else:
        checksum = text_file.check_unchanged(file, written, step.migration.checksum)
    if step.migration.variables is not None:
        from zmig.sql import variables

        filled = variables.fill(written, step.migration.variables, path=path)
        text = filled.text
    _refuse_conflict(written, path, conforming=conforming)
    statements = _statements(text, filled, path, conforming=conforming)
    if not statements and not (step.migration.is_empty and step.direction is Direction.FORWARD):
        hint = "write the statements into it"
        raise ManifestError(Problem("file-empty", f"`{path}` holds no statement", Location(path), hint=hint))
    mode = _mode(step, statements) if statements else _NOTHING
    if step.direction is Direction.ROLLBACK:
        mode = replace(mode, rollback_checksum=checksum)
    elif is_small:
        of_tokens = token_checksums.of_statements(written, statements, has_variables=filled is not None)
    else:
        of_tokens = token_checksums.of_large_text(written, has_variables=filled is not None)
    prepared = PreparedStep(
        step,
        path,
        mode,
        text=text,
        statements=statements,
        count=len(statements),
        filled=filled,
        token_checksum=of_tokens,
    )
    if tool_markers.may_hold(text) and (mark := tool_markers.find(text, tool_markers.spans(text, statements))):
        problem = tool_markers.problem(mark, prepared.location(mark.offset), path=path)
        raise ManifestError(replace(problem, effect="nothing was run"))
    return _checked(prepared, text, statements)


def _checked(prepared: PreparedStep, text: str, statements: tuple[Statement, ...]) -> PreparedStep:
    """Return a script as it runs. Raises ManifestError where its statements are not what that asks for."""
    if prepared.batch is not None:
        from zmig.batches import checks

        problems = tuple(checks.problems(statements, prepared.batch, path=prepared.path, locate=prepared.place))
        prepared = replace(prepared, mode=_batch_mode(prepared.batch))
    elif prepared.mode.transactional:
        kept = tuple(statement for statement in statements if not script.surrounds_large_objects(text, statement))
        problems = tuple(problem for statement in kept for problem in _contradictions(prepared, statement))
        prepared = prepared if len(kept) == len(statements) else replace(prepared, statements=kept)
    else:
        return prepared
    if problems:
        raise ManifestError(*problems)
    return prepared


def _refuse_conflict(text: str, path: str, *, conforming: bool) -> None:
    """Make sure that no mark of a merge is where a statement may: one inside of a string is its own affair."""
    begin = merge_conflict.find(text)
    if begin is None or not script.is_outside_strings(text, begin, conforming=conforming):
        return
    message = f"`{path}` holds a conflict that git could not merge"
    place, hint = script.location(text, begin, path=path), merge_conflict.HINT
    raise ManifestError(Problem("file-conflict", message, place, effect="nothing was run", hint=hint))


def _statements(text: str, filled: Substitution | None, path: str, *, conforming: bool) -> tuple[Statement, ...]:
    """Return the statements of a file; what is wrong with it is reported with places in the file as it is written."""
    try:
        return tuple(script.split(text, path=path, conforming=conforming))
    except ManifestError as error:
        if filled is None:
            raise
        from zmig.sql import variables

        raise ManifestError(*(variables.as_written(problem, filled) for problem in error.problems)) from None


def _large_script(step: Step, file: Path, *, conforming: bool) -> PreparedStep | None:
    """Return a script that is sent as it is read; None for one that has to be held, or cannot be read."""
    migration = step.migration
    if migration.variables is not None or migration.batch is not None or migration.transaction is False:
        return None
    from zmig.sql import prescan

    checksum, large = text_file.Checksum(), token_checksums.LargeChecksum()
    suspects = _Suspects()
    pieces = suspects.watched(_counted(text_file.octet_pieces(file), checksum, large))
    scan = prescan.scan(pieces, path=str(file), conforming=conforming, is_octets=True)
    if scan.refusing is not None or scan.controlling is not None or suspects.is_any:
        return None
    if step.direction is Direction.ROLLBACK:
        return PreparedStep(step, str(file), Mode(True, "one transaction", str(checksum)), count=scan.statements)
    mode = Mode(True, "one transaction")
    return PreparedStep(step, str(file), mode, count=scan.statements, token_checksum=str(large))


_VERY_LARGE = 16 << 20
"""How many octets a file has that is not held as a text beside its statements, to show lines of it."""


def _very_large(step: Step, file: Path, *, conforming: bool) -> PreparedStep | None:
    """Return a script that runs statement by statement with its large ones held once; None for any other."""
    migration = step.migration
    if migration.variables is not None or migration.batch is not None or text_file.size(file) < _VERY_LARGE:
        return None
    checksum, large = text_file.Checksum(), token_checksums.LargeChecksum()
    suspects = _Suspects()
    pieces = suspects.watched(_counted(text_file.octet_pieces(file), checksum, large))
    stream = script.split_stream(pieces, path=str(file), conforming=conforming, is_octets=True)
    statements = tuple(map(script.with_rows, stream))
    mode = _mode(step, statements)
    if suspects.is_any or suspects.is_conflict or not statements or mode.transactional:
        return None
    count, of_tokens = len(statements), None
    if step.direction is Direction.ROLLBACK:
        mode = replace(mode, rollback_checksum=str(checksum))
    else:
        _check_checksum(file, step, checksum)
        of_tokens = str(large)
    return PreparedStep(step, str(file), mode, statements=statements, count=count, token_checksum=of_tokens)


class _Suspects:
    """Notes whether a text that comes in pieces may hold a mark of another tool, or of a merge."""

    is_any = False
    is_conflict = False

    def watched(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield the pieces as they are."""
        before = ""
        for piece in pieces:
            self.is_any = self.is_any or tool_markers.may_hold(before + piece)
            self.is_conflict = self.is_conflict or merge_conflict.BEGIN in before + piece
            before = piece[-tool_markers.LONGEST_WORD :]
            yield piece


def _batch_mode(settings: Batch) -> Mode:
    return Mode(False, f"in rounds of {settings.size} rows, each in a transaction")


def _unchanged_pieces(file: Path, step: Step) -> Iterator[str]:
    """Yield a file in pieces of octets; raises ManifestError after the last one where it was edited meanwhile."""
    checksum = text_file.Checksum()
    yield from _counted(text_file.octet_pieces(file), checksum)
    if step.direction is Direction.FORWARD:
        _check_checksum(file, step, checksum)


def _check_checksum(file: Path, step: Step, checksum: text_file.Checksum) -> None:
    """Make sure that a file is what the plan was made from. Raises ManifestError where it was edited meanwhile."""
    if step.migration.checksum not in (None, str(checksum)):
        raise ManifestError(text_file.edited(file))


def _counted(pieces: Iterable[bytes], *checksums: text_file.Checksum | token_checksums.LargeChecksum) -> Iterator[str]:
    """Yield pieces as `zmig.sql.octets` has them, after their checksums took note of them."""
    for piece in pieces:
        for checksum in checksums:
            checksum.add(piece)
        yield octets.from_bytes(piece)


def _mode(step: Step, statements: tuple[Statement, ...]) -> Mode:
    """Return how a file is run: `transaction: false` holds for the rollback, too; `true` says nothing of that."""
    declared = step.migration.transaction
    if step.direction is Direction.ROLLBACK and declared:
        declared = None
    return transaction_mode(statements, declared)


def transaction_mode(statements: Iterable[Statement], declared: bool | None) -> Mode:
    """Return how a script of these statements runs: as the manifest declares, else as the statements need it."""
    if declared is not None:
        return Mode(declared, f"`transaction: {str(declared).lower()}` in the manifest")
    for statement in statements:
        if (command := statement.command.refuses_transaction) is not None:
            return Mode(False, f"`{command}` in line {statement.line} cannot run inside a transaction")
    return Mode(True, "every statement can run inside a transaction")


def _contradictions(prepared: PreparedStep, statement: Statement) -> Iterator[Problem]:
    if statement.command.controls_transaction:
        yield Problem(
            "transaction-control",
            f"statement {statement.number} ends or opens a transaction, but zmig runs the file in one of its own: "
            f"`{statement.summary}`",
            location=prepared.location(statement.offset),
            effect="nothing was run",
            hint="remove the statement, or write `transaction: false` in the manifest entry",
        )
    command = statement.command.refuses_transaction
    if command:
        yield Problem(
            "transaction-refused",
            f"statement {statement.number}, `{command}`, cannot run in the transaction that the manifest asks for",
            location=prepared.location(statement.offset),
            effect="nothing was run",
            hint="write `transaction: false` in the manifest entry",
        )
