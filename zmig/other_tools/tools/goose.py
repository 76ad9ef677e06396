"""goose: SQL files whose annotations part up from down, and a table with a row for each version, or each step."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location
from zmig.other_tools import commands, environment, semicolons
from zmig.other_tools import files as project_files
from zmig.other_tools.files import is_for_tests, name_of
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, in_order, local_time, moment
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.sql.lexer import UnterminatedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row

_NAME = re.compile(r"(?P<version>\+?[0-9]+)_.*\.(?P<suffix>sql|go)")
_UP = re.compile(r"^--[^\n]*\+goose\s+(?i:up)\s*$", re.MULTILINE)
_MAX = (1 << 63) - 1
_LOCK = 4097083626
_LOCK_TABLE = "goose_lock"
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")


class _Annotation(StrEnum):
    """What a comment with `+goose` in it may say, in whatever case."""

    UP = "up"
    DOWN = "down"
    BEGIN = "statementbegin"
    END = "statementend"
    NO_TRANSACTION = "no transaction"
    ENVSUB_ON = "envsub on"
    ENVSUB_OFF = "envsub off"


def _find(files: ProjectFiles) -> str | None:
    """Return a folder whose files have goose's annotation: nothing else does."""
    folders = {
        path.rpartition("/")[0] or "."
        for path in files.paths
        if (name := _NAME.fullmatch(name_of(path))) is not None
        and name["suffix"] == "sql"
        and _UP.search(files.text(path))
    }
    said = _said(files, "GOOSE_MIGRATION_DIR", "dir") if folders else None
    named = _plain(said) if said is not None else None
    return min(folders, key=lambda one: (is_for_tests(f"{one}/"), one != named, one.count("/"), one), default=None)


def _said(files: ProjectFiles, variable: str, option: str) -> str | None:
    """Return what the project's own commands say to goose, in its environment or by an option."""
    given = commands.variable(files, variable)
    return given or next((value for _, value in commands.options(files, "goose", (option,))), None)


def _plain(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", ".")) or "."


class _File(NamedTuple):
    """A file that goose takes for a migration."""

    path: str
    version: int


def _read(files: ProjectFiles, folder: str) -> Source:
    taken: list[_File] = []
    others: list[Remark] = []
    for path in project_files.children(files, folder):
        name = _NAME.fullmatch(name_of(path))
        if name is not None and 1 <= int(name["version"]) <= _MAX and not path.endswith("_test.go"):
            taken.append(_File(path, int(name["version"])))
        elif path.endswith(".sql"):
            message = "its name begins with no version, so that goose passes it over"
            others.append(Remark(Change.LEFT_OUT, message, Location(path)))
    if not taken:
        raise nothing_to_import(folder, "goose", "00001_add_users.sql")
    variables = environment.Variables()
    first: dict[int, str] = {}
    migrations = [
        _migration(files, one, first.setdefault(one.version, one.path), variables)
        for one in sorted(taken, key=lambda one: (one.version, one.path))
    ]
    table = _said(files, "GOOSE_TABLE", "table")
    return Source(
        "goose", folder, tuple(migrations), variables=variables.values, history_table=table, remarks=tuple(others)
    )


def _migration(files: ProjectFiles, one: _File, first: str, variables: environment.Variables) -> SourceMigration:
    id, name = str(one.version), name_of(one.path).rpartition(".")[0]
    remarks: list[Remark] = []
    if first != one.path:
        id = f"{one.version} ({name})"
        message = f"the same version as `{first}`, which goose refuses"
        remarks.append(Remark(Change.REFUSED, message, Location(one.path)))
    if one.path.endswith(".go"):
        message = "code, not SQL: write it as a migration of zmig's in Python, or leave it out"
        remarks.append(Remark(Change.REFUSED, message, Location(one.path)))
        return SourceMigration(id, name, None, number=one.version, remarks=tuple(remarks))
    reading = _Reading(one.path, files.text(one.path), variables)
    return SourceMigration(
        id,
        name,
        reading.script(_Annotation.UP),
        number=one.version,
        down=reading.script(_Annotation.DOWN),
        has_variables=reading.has_variables,
        remarks=(*remarks, *reading.remarks),
    )


class _Part:
    """The lines of one direction."""

    def __init__(self, line: int) -> None:
        self.line = line
        """Where they begin in the file; 1-based."""
        self.lines: list[str] = []
        """With their ends. Those of annotations are blank, so that places stay what they are."""
        self.block: int | None = None
        """Where the block that is open, or has just been closed, begins among them."""


class _Reading:
    """One file, read line by line as goose does."""

    def __init__(self, path: str, text: str, variables: environment.Variables) -> None:
        self._path, self._text = path, text
        self._parts: dict[_Annotation, _Part] = {}
        self._part: _Part | None = None
        self._is_in_block = False
        self._swallows = False
        """Whether an empty block was closed, after which goose leaves out a line."""
        self._open: int | None = None
        """The line in which a statement begins that is not at its end; a line of blanks begins one, too."""
        self._has_text = False
        """Whether there is more than blanks of it."""
        self._transactional: bool | None = None
        self._substitutes = False
        self._substitution = environment.Substitution(path, text, variables)
        self.remarks: list[Remark] = []
        self._number = 0
        for line in _LINE.findall(text):
            self._number += 1
            self._take(line)
        self._end()

    @property
    def has_variables(self) -> bool:
        """Whether any of it is replaced by the environment's."""
        return self._substitution.is_used

    def script(self, direction: _Annotation) -> Script | None:
        """Return the SQL of a direction, None where there is none."""
        part = self._parts.get(direction)
        if part is None:
            return None
        text = "".join(part.lines)
        if self.has_variables:
            text = self._substitution.written(text, part.line, self.remarks)
        return Script(text, self._path, line=part.line, transactional=self._transactional)

    def _take(self, raw: str) -> None:
        line = raw.rstrip("\n").removesuffix("\r")
        is_comment = line.strip().startswith("--")
        if self._part is None and not line.strip():
            return
        if is_comment and "+goose" in line:
            self._annotation(line)
            if self._part is not None and not self._is_first_of_part():
                self._part.lines.append("\n")
        elif self._open is None and (is_comment or not line):
            if self._part is not None:
                self._part.lines.append(raw)
        elif self._part is None:
            self._refuse("there is SQL before `-- +goose Up`, which goose refuses", once=True)
        elif self._swallows:
            self._swallows = False
            if line.strip():
                self._refuse("goose leaves this line out, since an empty block is before it")
        else:
            self._statement(self._part, raw, line)

    def _is_first_of_part(self) -> bool:
        return self._part is not None and self._part.line == self._number + 1 and not self._part.lines

    def _statement(self, part: _Part, raw: str, line: str) -> None:
        if self._substitutes:
            raw = self._substitution.marked(raw, self._number, self.remarks)
        part.lines.append(raw)
        if self._open is None:
            self._open, self._has_text = self._number, False
        self._has_text = self._has_text or bool(line.strip())
        if not self._is_in_block and _ends_with_semicolon(line):
            self._open = None

    def _annotation(self, line: str) -> None:
        said = line.replace("--", "").replace("+goose", "", 1).strip().lower()
        if line[0] in " \t" or said not in list(_Annotation):
            self._refuse("this is no annotation that goose knows, so that it refuses the file")
            return
        annotation = _Annotation(said)
        if message := self._misplaced(annotation):
            self._refuse(message)
        else:
            self._follow(annotation)

    def _misplaced(self, annotation: _Annotation) -> str | None:
        """Return why goose refuses an annotation where it is."""
        is_outside = self._part is None or self._is_in_block
        match annotation:
            case _Annotation.UP if self._part is not None:
                return "a second `-- +goose Up`, which goose refuses"
            case _Annotation.DOWN if is_outside or _Annotation.DOWN in self._parts:
                return "`-- +goose Down` is not where goose allows it: after `Up`, once, and outside of a block"
            case _Annotation.BEGIN if is_outside:
                return "`-- +goose StatementBegin` is not where goose allows it"
            case _Annotation.END if not self._is_in_block:
                return "`-- +goose StatementEnd` without a `StatementBegin`, which goose refuses"
            case _:
                return None

    def _follow(self, annotation: _Annotation) -> None:
        match annotation:
            case _Annotation.UP | _Annotation.DOWN:
                self._unfinished()
                self._part = self._parts[annotation] = _Part(self._number + 1)
                self._swallows = False
            case _Annotation.BEGIN:
                self._is_in_block, self._swallows = True, False
                self._mark_block()
            case _Annotation.END:
                self._close_block()
            case _Annotation.NO_TRANSACTION:
                self._transactional = False
                where = self._place(self._number)
                self.remarks.append(Remark(Change.KEPT, "zmig runs it outside of a transaction, too", where))
            case _Annotation.ENVSUB_ON | _Annotation.ENVSUB_OFF:
                self._substitutes = annotation is _Annotation.ENVSUB_ON

    def _mark_block(self) -> None:
        if self._part is not None:
            self._part.block = len(self._part.lines)

    def _close_block(self) -> None:
        """End a block, in which goose needs no semicolon at the end of the statement, and zmig does."""
        self._is_in_block = False
        self._swallows = self._open is None
        self._open = None
        part = self._part
        if part is None or part.block is None or self._swallows:
            return
        text = "".join(part.lines[part.block :])
        try:
            end = semicolons.missing_after(text)
        except UnterminatedError as error:
            self._refuse(f"the block ends inside of {error.construct}")
            return
        if end is not None:
            changed = f"{text[:end]};{text[end:]}"
            part.lines[part.block :] = changed.splitlines(keepends=True)
            where = self._place(part.line + part.block + text.count("\n", 0, end))
            self.remarks.append(Remark(Change.REWRITTEN, "a semicolon is added, where a block ends it", where))

    def _unfinished(self) -> None:
        if self._open is not None and self._has_text:
            where = self._place(self._open)
            message = "the statement that begins here has no semicolon at the end of a line, so that goose refuses it"
            self.remarks.append(Remark(Change.REFUSED, message, where))
        self._open = None

    def _end(self) -> None:
        if self._part is None:
            self._number = 1
            self._refuse("no `-- +goose Up` line, which goose requires")
        elif self._is_in_block:
            self._refuse("the file ends without `-- +goose StatementEnd`, which goose requires")
        else:
            self._unfinished()

    def _refuse(self, message: str, *, once: bool = False) -> None:
        if not (once and any(one.text == message for one in self.remarks)):
            self.remarks.append(Remark(Change.REFUSED, message, self._place(self._number)))

    def _place(self, number: int) -> Location:
        return environment.line_of(self._path, self._text, number)


def _ends_with_semicolon(line: str) -> bool:
    """Return whether goose takes a line for the end of a statement: by its last word before a comment."""
    last = ""
    for word in line.split():
        if word.startswith("--"):
            break
        last = word
    return last.endswith(";")


def _queries(place: Place) -> Sequence[str]:
    return (f"select version_id, is_applied, {local_time('tstamp')} from {place.quoted} order by id",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    """Return what is applied: of old tables, which keep a row for each step, the last one of a version says so."""
    last: dict[int, AppliedMigration | None] = {}
    for version, is_applied, at in results[0]:
        if isinstance(version, int) and version != 0:
            row = AppliedMigration(str(version), at=moment(at))
            last[version] = row if is_applied else None
    return ToolHistory(in_order([row for row in last.values() if row is not None], source))


def _lock(place: Place) -> ToolLock:
    """Return the lock of goose as a library, by either way, and the table: the command line has no lock."""
    table = place.beside(_LOCK_TABLE)
    if table is None:
        return ToolLock((_LOCK,), tables=(place.quoted,))
    query = f"select locked_by from {table} where locked and lease_expires_at >= pg_catalog.now()"
    return ToolLock((_LOCK,), query=query, tables=(place.quoted, table))


TOOL = Tool(
    "goose",
    "goose",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.goose_db_version",
        queries=_queries,
        read=_read_history,
        lock=_lock,
    ),
)
