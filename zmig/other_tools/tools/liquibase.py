"""Liquibase's formatted SQL: changesets in files that changelogs put in order, and a table with a row for each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.other_tools import delimiters
from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, local_time, moment
from zmig.other_tools.liquibase import changelog, checksum, formatted_sql, settings
from zmig.other_tools.liquibase.parameters import has_nested
from zmig.other_tools.problems import nothing_to_import, unfinished
from zmig.other_tools.source import Change, Remark, Repeats, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Matches, Place, Row
    from zmig.other_tools.liquibase.changelog import Changelogs, Part
    from zmig.other_tools.liquibase.formatted_sql import ChangeSet
    from zmig.other_tools.liquibase.parameters import Parameters
    from zmig.other_tools.placeholders import Rewritten

_APPLIED = ("EXECUTED", "RERAN", "MARK_RAN")
_LOCK_TABLE = "databasechangeloglock"
_NO_ROLLBACK = re.compile(r"\s*(?:not required|empty).*", re.IGNORECASE | re.DOTALL)
_PLAIN_SQL = ("raw", "includeAll")
"""The id and the author of a file that is not made of changesets."""
_KNOWN_SUMS = ("8:", "9:")


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of the root changelog."""
    found = changelog.roots(files, settings.read(files))
    if not found:
        return None
    folders = {path.rpartition("/")[0] or "." for path in found}
    return folders.pop() if len(folders) == 1 else "."


def _read(files: ProjectFiles, folder: str) -> Source:
    found = changelog.read(files, folder)
    remarks = list(found.remarks)
    converted = [one for part in found.parts for one in _converted(files, part, found, remarks)]
    if not converted and not remarks:
        raise nothing_to_import(folder, "Liquibase", "changelog.sql")
    ordered = [one for one in converted if one.repeats is None] + [one for one in converted if one.repeats is not None]
    return Source(
        "liquibase",
        folder,
        tuple(ordered),
        variables=found.parameters.variables,
        history_table=settings.read(files).table,
        remarks=tuple(remarks),
    )


def _converted(files: ProjectFiles, part: Part, found: Changelogs, remarks: list[Remark]) -> Iterator[SourceMigration]:
    """Yield what a part of the changelogs has, and remark on what it has for other databases."""
    if part.node is not None:
        node = part.node
        if not changelog.is_for_postgresql(node.values.get("dbms")):
            remarks.append(Remark(Change.LEFT_OUT, "a changeset for other databases", node.location))
            return
        identity = (part.recorded, node.values.get("id", ""), node.values.get("author", ""))
        text = "its changes are not SQL: `liquibase update-sql` writes them as such, or leave it out"
        about = (*part.inherited, Remark(Change.REFUSED, text, node.location))
        yield SourceMigration(_identity(*identity), _name(part.path, identity[1]), None, remarks=about)
    elif part.file is None:
        yield _plain(files, part)
    else:
        for changeset in part.file.changesets:
            if (changeset.option("ignore") or "").lower() == "true":
                remarks.append(Remark(Change.LEFT_OUT, "a changeset that says `ignore`", changeset.location))
            elif not changelog.is_for_postgresql(changeset.option("dbms")):
                remarks.append(Remark(Change.LEFT_OUT, "a changeset for other databases", changeset.location))
            else:
                yield _Converting(files, part, changeset, found.parameters).migration()


def _identity(file: str, id: str, author: str) -> str:
    return f"{file}::{id}::{author}"


def _name(path: str, id: str) -> str:
    stem = path.rpartition("/")[2].rpartition(".")[0]
    plain = re.sub(r"[^\w.]+", "-", id).strip("-.")
    return stem if not plain or (plain == stem and not plain.isdigit()) else f"{stem}-{plain}"


def _plain(files: ProjectFiles, part: Part) -> SourceMigration:
    text = files.text(part.path)
    sums = checksum.v8(text.strip(), end_delimiter=None, split_statements=False, strip_comments=False)
    return SourceMigration(
        _identity(part.recorded, *_PLAIN_SQL),
        part.path.rpartition("/")[2].removesuffix(".sql"),
        Script(text, part.path, is_whole_file=True),
        checksums=(sums, checksum.v9(text.strip())),
        remarks=part.inherited,
    )


class _Converting:
    """One changeset on its way to being a migration."""

    def __init__(self, files: ProjectFiles, part: Part, changeset: ChangeSet, parameters: Parameters) -> None:
        self._files = files
        self._part = part
        self._changeset = changeset
        self._parameters = parameters
        self._remarks = [*part.inherited, *changeset.remarks]
        self._has_variables = False

    def migration(self) -> SourceMigration:
        changeset, file = self._changeset, self._part.file
        assert file is not None
        self._refuse_options()
        logical = changeset.option("logicalFilePath") or formatted_sql.option(file.header, "logicalFilePath")
        recorded = changelog.normal(logical) if logical else self._part.recorded
        id, author = (
            self._parameters.expanded(one, self._part.path) or one for one in (changeset.id, changeset.author)
        )
        repeats = self._repeats()
        name = _name(self._part.path, id)
        up, down = self._up(), self._down()
        return SourceMigration(
            _identity(recorded, id, author),
            name,
            up,
            down=down,
            repeats=repeats,
            has_variables=self._has_variables,
            uses_psql=(changeset.option("runWith") or "").lower() == "psql",
            description=changeset.comments[-1] if changeset.comments else None,
            checksums=self._checksums(),
            remarks=tuple(self._remarks),
        )

    def _note(self, change: Change, text: str, place: Location | None = None) -> None:
        self._remarks.append(Remark(change, text, place or self._changeset.location))

    def _refuse_options(self) -> None:
        changeset = self._changeset
        for key in ("contextFilter", "context", "labels"):
            if value := changeset.option(key):
                self._note(Change.REFUSED, f"`{key}:{value}` decides whether it runs: leave it out, or delete that")
        if changeset.option("dbms"):
            self._note(Change.DROPPED, f"`dbms:{changeset.option('dbms')}`, which PostgreSQL is among")
        if (changeset.option("failOnError") or "").lower() == "false":
            self._note(Change.REFUSED, "`failOnError:false`: zmig does not go on after an error")
        executor = changeset.option("runWith")
        if executor and executor.lower() not in ("psql", "jdbc"):
            self._note(Change.REFUSED, f"`runWith:{executor}`: zmig runs no other program")
        if changeset.valid_checksums:
            self._note(Change.DROPPED, "`validCheckSum`, which is for Liquibase alone")

    def _repeats(self) -> Repeats | None:
        always, on_change = (
            formatted_sql.option_is_true(self._changeset.options, one) for one in ("runAlways", "runOnChange")
        )
        if not always and not on_change:
            return None
        which = "runAlways" if always else "runOnChange"
        self._note(Change.REWRITTEN, f"`{which}:true`: a repeatable, which runs after all others and not in its place")
        return Repeats.ALWAYS if always else Repeats.CHANGED

    def _up(self) -> Script:
        text, line = formatted_sql.spread(self._changeset.body)
        if not text:
            self._note(Change.REFUSED, "a changeset without SQL, which Liquibase refuses")
        delimiter = self._changeset.option("endDelimiter")
        if delimiter is None and text.rstrip().endswith("\n/"):
            delimiter = "\\n/"
        splits = (self._changeset.option("splitStatements") or "true").lower() == "true"
        script = self._script(text, line, delimiter if splits else ";")
        runs = self._changeset.option("runInTransaction")
        transactional = None if runs is None else runs.lower() == "true"
        whole = self._is_whole_file and script == text
        return Script(
            self._files.text(self._part.path) if whole else script,
            self._part.path,
            line=1 if whole else line,
            is_whole_file=whole,
            transactional=transactional,
        )

    @property
    def _is_whole_file(self) -> bool:
        """Whether a file holds this changeset, comments, and nothing else."""
        file, changeset = self._part.file, self._changeset
        assert file is not None
        outside = file.remarks or any(one.change is Change.DROPPED for one in changeset.remarks)
        return len(file.changesets) == 1 and not (changeset.rollback or outside)

    def _down(self) -> Script | None:
        rollback = self._changeset.rollback
        text, line = formatted_sql.spread(rollback)
        if not text:
            return None
        if _NO_ROLLBACK.fullmatch(text):
            return Script("", self._part.path, line=line)
        if "changesetid" in text.lower():
            place = Location(self._part.path, line)
            self._note(Change.REFUSED, "a rollback that is another changeset: write its SQL in its place", place)
            return None
        splits = (self._changeset.option("rollbackSplitStatements") or "true").lower() == "true"
        delimiter = self._changeset.option("rollbackEndDelimiter") if splits else ";"
        return Script(self._script(text, line, delimiter), self._part.path, line=line)

    def _script(self, text: str, line: int, delimiter: str | None) -> str:
        """Return SQL as zmig runs it."""
        delimited = delimiters.with_semicolons(text, delimiter)
        if delimited.is_pattern:
            self._note(Change.REFUSED, f"`endDelimiter:{delimiter}` is a pattern")
        if delimited.first is not None:
            self._note(Change.REWRITTEN, "`;` in place of another delimiter", self._place(text, line, delimited.first))
        if has_nested(delimited.text):
            self._note(Change.REFUSED, "a parameter whose name is made of another one", Location(self._part.path, line))
        rewritten = self._parameters.rewrite(delimited.text, self._part.path)
        self._note_variables(text, line, delimited.text, rewritten)
        return rewritten.text

    def _note_variables(self, text: str, line: int, source: str, rewritten: Rewritten) -> None:
        if not rewritten.names:
            return
        self._has_variables = True
        for offset in rewritten.unwritable:
            place = self._place(source, line, offset)
            self._note(Change.REFUSED, "a `$` that is no parameter beside one: zmig would take it for one", place)
        unknown = self._parameters.unknown(text, self._part.path)
        for name in unknown:
            place = self._place(text, line, text.find(f"${{{name}"))
            self._note(Change.KEPT, f"`${{{name}}}` has no value in the project: the environment has to give it", place)

    def _place(self, text: str, line: int, offset: int) -> Location:
        before = text[: max(offset, 0)]
        column = len(before) - (before.rfind("\n") + 1) + 1
        row = before.count("\n")
        return Location(self._part.path, line + row, column, text=text.split("\n")[row])

    def _checksums(self) -> tuple[str, ...]:
        """Return Liquibase's checksums; none where it does not compare them, or a parameter's value is not known."""
        changeset = self._changeset
        bodies = [changeset.body]
        if changeset.blocks:  # which old versions, such as 4.4, have in the body
            bodies.append(sorted(changeset.body + changeset.blocks))
        texts = [self._parameters.expanded(formatted_sql.plain(body), self._part.path) for body in bodies]
        sqls = [text for text in texts if text is not None]
        if len(sqls) < len(texts) or changeset.valid_checksums:
            return ()
        split, strip = (
            (changeset.option(one) or "true").lower() == "true" for one in ("splitStatements", "stripComments")
        )
        delimiter = changeset.option("endDelimiter")
        old = (checksum.v8(one, end_delimiter=delimiter, split_statements=split, strip_comments=strip) for one in sqls)
        return (*old, checksum.v9(sqls[0]))


def _queries(place: Place) -> Sequence[str]:
    columns = f"id, author, filename, {local_time('dateexecuted')}, exectype, md5sum"
    return (f"select {columns} from {place.quoted} order by orderexecuted, dateexecuted",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    identities = _Identities(source)
    applied: dict[str, AppliedMigration] = {}
    problems: list[str] = []
    skipped: list[str] = []
    for id, author, filename, at, kind, md5sum in results[0]:
        identity = identities.of(str(filename), str(id), str(author))
        if kind in _APPLIED or kind is None:
            when = moment(at)
            checksum = None if md5sum is None else str(md5sum)
            row = AppliedMigration(identity, at=when, checksum=checksum, was_run=kind != "MARK_RAN")
            applied.setdefault(identity, row)
        else:
            (problems if kind == "FAILED" else skipped).append(identity)
    return ToolHistory(
        tuple(applied.values()),
        problems=tuple(
            unfinished(
                f"`{one}` failed in Liquibase",
                hint="run `liquibase update` until it succeeds, or delete its row",
            )
            for one in problems
            if one not in applied
        ),
        notes=tuple(f"`{one}` was skipped by Liquibase" for one in skipped if one not in applied),
    )


class _Identities:
    """The project's changesets by what a row says: how a file is named depends on where Liquibase was called."""

    def __init__(self, source: Source) -> None:
        self._known = {one.id for one in source.migrations}
        self._files: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for one in source.migrations:
            file, id, author = one.id.split("::", 2)
            self._files.setdefault((id, author), []).append((file, one.id))
            if len(id.split()) > 1:
                self._files.setdefault((f'"{id.split()[0]}', author), []).append((file, one.id))

    def of(self, filename: str, id: str, author: str) -> str:
        """Return the id of a changeset here, or what would be it.

        Old versions, such as 4.4, know no quotes around a name: they are a part of it, and an id ends at a blank.
        """
        file = changelog.normal(filename)
        exact = _identity(file, id, author)
        if exact in self._known:
            return exact
        for names in ((id, author), (id, author.strip('"')), (id.strip('"'), author.strip('"'))):
            candidates = [identity for one, identity in self._files.get(names, ()) if _may_be_one(one, file)]
            if len(candidates) == 1:
                return candidates[0]
        return exact


def _may_be_one(one: str, other: str) -> bool:
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def _lock(place: Place) -> ToolLock:
    table = place.beside(_LOCK_TABLE)
    if table is None:
        return ToolLock()
    holder = "coalesce(lockedby, 'somebody') || coalesce(' since ' || lockgranted, '')"
    return ToolLock(query=f"select {holder} from {table} where locked", tables=(table,))


def _matches(row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles) -> Matches:
    """Compare checksums of the versions that are known; an older row, or one without, says nothing."""
    if row.checksum is None or not migration.checksums or not row.checksum.startswith(_KNOWN_SUMS):
        return None
    return row.checksum in migration.checksums


TOOL = Tool(
    "liquibase",
    "Liquibase",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.databasechangelog",
        queries=_queries,
        read=_read_history,
        lock=_lock,
    ),
    matches=_matches,
)
