"""From a migration as another tool has it to the texts of its entry: what zmig runs, and what the entry has to say.

What you may rely on: a text that is converted is cut into statements without an error, and its statements are the
tool's own, but for what a remark says. What cannot be carried over is a remark with its place in the tool's file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location, ManifestError
from zmig.importing import psql_commands, references, transactions
from zmig.importing.traced import Edit, Origin, Traced
from zmig.importing.transactions import Verdict
from zmig.other_tools.source import Change, Remark
from zmig.sql import script, tool_markers
from zmig.sql import variables as sql_variables
from zmig.text import merge_conflict
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.errors import Problem
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.source import Script, Source, SourceMigration
    from zmig.sql.statement import Statement
    from zmig.text.substitution import Substitution


@valueclass
class ConvertedScript:
    """One direction of a migration."""

    text: str
    location: Location
    """Where it begins in the tool's file."""
    _: KW_ONLY
    is_changed: bool
    """Whether it is another text than the whole of that file."""
    is_empty: bool
    """Whether it holds no statement."""
    wants_no_transaction: bool
    """Whether the tool was asked to run it outside of a transaction, or it has transactions of its own."""
    runs_alone: bool
    """Whether it runs outside of a transaction whatever the entry says, since a statement needs that."""
    has_own_transactions: bool
    """Whether it begins and ends transactions itself."""

    @property
    def path(self) -> str:
        """The tool's file."""
        return self.location.path


@valueclass
class ConvertedMigration:
    """A migration as zmig can run it."""

    up: ConvertedScript | None
    """None where there is nothing that zmig could run."""
    down: ConvertedScript | None
    _: KW_ONLY
    transaction: bool | None = None
    has_variables: bool = False
    """Whether something in it is to be replaced, or would be if it were not escaped."""
    variables: frozenset[str] = frozenset()
    """The variables of the manifest that it uses."""
    remarks: tuple[Remark, ...] = ()


def convert(
    migration: SourceMigration, source: Source, files: ProjectFiles, *, own_table: str = ""
) -> ConvertedMigration:
    """Return what becomes of a migration; places in its remarks are relative to the project.

    `own_table` is the other tool's own, without its schema: one that is named in a migration is remarked.
    """
    remarks = list(migration.remarks)
    scripts = [
        _Conversion(one, migration, source, files, remarks, own_table) for one in (migration.up, migration.down) if one
    ]
    has_variables = migration.has_variables or any(one.references for one in scripts)
    converted = [one.converted(has_variables=has_variables, is_escaped=migration.has_variables) for one in scripts]
    used = {name for one in converted for name in sql_variables.names(one.text)} if has_variables else set[str]()
    up = converted[0] if migration.up is not None else None
    down = converted[-1] if migration.down is not None else None
    if up is None and not any(remark.change is Change.REFUSED for remark in remarks):
        place = Location(source.folder) if down is None else down.location
        remarks.append(Remark(Change.REFUSED, "it has no part that migrates forward", place))
    if down is not None and down.is_empty:
        if up is None or not up.is_empty:  # what does nothing needs nothing to undo it
            text = "its down part holds no statement, so nothing undoes it"
            remarks.append(Remark(Change.DROPPED, text, down.location))
        down = None
    transaction = _transaction(up, down, remarks)
    return ConvertedMigration(
        up,
        down,
        transaction=transaction,
        has_variables=has_variables and any("${" in one.text for one in converted),
        variables=frozenset(used),
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _transaction(up: ConvertedScript | None, down: ConvertedScript | None, remarks: list[Remark]) -> bool | None:
    """Return what the entry says of its transaction, which holds for both directions where it says `false`."""
    if up is None:
        return None
    if up.wants_no_transaction:
        return False
    if down is None or not down.wants_no_transaction:
        return None
    if up.runs_alone:
        return False
    if not down.has_own_transactions:
        text = "its rollback runs in one transaction: `transaction: false` would hold for the migration, too"
        remarks.append(Remark(Change.DROPPED, text, down.location))
        return None
    text = "`transaction: false`, for what undoes it, holds for the migration, too: it runs statement by statement"
    remarks.append(Remark(Change.KEPT, text, down.location))
    return False


class _Mode(NamedTuple):
    """What is to be said of a script's transactions."""

    wants_no_transaction: bool = False
    runs_alone: bool = False
    has_own_transactions: bool = False
    taken_out: int = 0
    """How many statements are not in it any more."""


class _Conversion:
    """The work on one script."""

    def __init__(
        self,
        script: Script,
        migration: SourceMigration,
        source: Source,
        files: ProjectFiles,
        remarks: list[Remark],
        own_table: str,
    ) -> None:
        self._script = script
        self._own_table = own_table
        self._remarks = remarks
        self._uses_psql = migration.uses_psql
        origin = Origin(script.path, script.text, script.line)
        self._beginning = origin.location(0)
        parts = [Origin(part.path, part.text, part.line) for part in script.parts]
        self._text = Traced.joined(parts) if parts else Traced.of(origin)
        if migration.uses_psql and ("\\" in script.text or ":" in script.text):
            found = psql_commands.convert(origin, files, variables=source.variables, folder=source.folder)
            self._text = found.text
            remarks += found.remarks
        self.references = references.of_psql(self._text.text)
        """The variables of psql's that have become those of the manifest."""
        self._values = {**dict.fromkeys(self.references), **source.variables}
        self._filled: Substitution | None = None

    def converted(self, *, has_variables: bool, is_escaped: bool) -> ConvertedScript:
        """Return the script as zmig runs it; `is_escaped` says that what is no variable is escaped in it already."""
        remarks: list[Remark] = []
        if has_variables:
            self._text, remarks = references.written(self._text, self._values, is_escaped=is_escaped)
            self._remarks += remarks
        is_refused = any(remark.change is Change.REFUSED for remark in remarks)
        statements = None if is_refused else self._statements(has_variables=has_variables)
        mode = _Mode() if statements is None else self._mode(statements)
        text = self._text.text
        return ConvertedScript(
            text,
            self._beginning,
            is_changed=not self._script.is_whole_file or text != self._script.text,
            is_empty=statements is not None and len(statements) == mode.taken_out,
            wants_no_transaction=mode.wants_no_transaction,
            runs_alone=mode.runs_alone,
            has_own_transactions=mode.has_own_transactions,
        )

    @property
    def _filled_text(self) -> str:
        """The script with a value for each variable."""
        return self._text.text if self._filled is None else self._filled.text

    def _statements(self, *, has_variables: bool) -> tuple[Statement, ...] | None:
        """Return the script's statements; None where it is no script, which a remark says then."""
        try:
            if has_variables:
                self._filled = sql_variables.fill(self._text.text, references.samples(self._values), path="")
            text = self._filled_text
            statements = tuple(script.split(text, path=""))
        except ManifestError as error:
            self._refuse(error.problems)
            return None
        if tool_markers.may_hold(text) and (mark := tool_markers.find(text, tool_markers.spans(text, statements))):
            what = f"`{mark.text}` is a mark of {mark.tool}: what follows it would undo what comes before"
            self._remark(Change.REFUSED, what, mark.offset)
        if self._own_table and self._own_table in text.lower():
            self._remark_own_table(statements)
        conflict = merge_conflict.find(text)
        if conflict is not None and script.is_outside_strings(text, conflict):
            self._remark(Change.REFUSED, "a conflict that git could not merge", conflict)
        return statements

    def _mode(self, statements: tuple[Statement, ...]) -> _Mode:
        """Take out a pair of BEGIN and COMMIT; return what is then to be said of transactions."""
        is_wrapped = self._script.transactional is not False and not self._uses_psql
        found = transactions.read(statements, self._filled_text, is_wrapped=is_wrapped)
        for change, what, statement in found.notes:
            self._remark(change, what, statement.offset)
        if found.edits:
            edits = [Edit(self._offset(one.start), self._offset(one.end), one.text) for one in found.edits]
            self._text = self._text.edited(edits)
        if found.verdict is Verdict.KEPT:
            return _Mode(wants_no_transaction=True, has_own_transactions=True)
        if found.verdict is not Verdict.NONE:
            return _Mode(taken_out=found.taken_out)
        asked = self._script.transactional is False and len(statements) > 0
        runs_alone = any(one.command.refuses_transaction for one in statements)
        committing = None if asked or runs_alone else self._committing(statements)
        if committing is not None:
            what = f"`transaction: false`: the code that `{committing.summary}` runs may commit"
            self._remark(Change.KEPT, what, committing.offset)
        return _Mode(wants_no_transaction=asked or committing is not None, runs_alone=runs_alone)

    def _committing(self, statements: tuple[Statement, ...]) -> Statement | None:
        """Return a statement whose code may commit, where the tool has no transaction around it; None for none."""
        is_bare = self._script.transactional is None and (self._uses_psql or len(statements) == 1)
        return next((one for one in statements if one.command.may_commit), None) if is_bare else None

    def _remark_own_table(self, statements: tuple[Statement, ...]) -> None:
        """Say where the other tool's table is used: a database on which that tool never ran does not have it."""
        for one in statements:
            for token in one.tokens:
                if token.text.strip('"').lower() == self._own_table:
                    what = (
                        f"`{token.text}` is the other tool's own: a new database does not have it, and this fails there"
                    )
                    self._remark(Change.KEPT, what, one.offset + token.start)
                    return

    def _offset(self, offset: int) -> int:
        """Return the offset in the script of what is at an offset of it with its variables filled in."""
        return offset if self._filled is None else self._filled.source_offset(offset)

    def _remark(self, change: Change, text: str, offset: int) -> None:
        self._remarks.append(Remark(change, text, self._text.location(self._offset(offset))))

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        for problem in problems:
            place = problem.location
            # A variable's problem has its place in the script itself.
            text = self._filled_text
            offset = 0 if place is None else script.offset_of(text, place.line, place.column)
            self._remark(Change.REFUSED, problem.message, offset)
