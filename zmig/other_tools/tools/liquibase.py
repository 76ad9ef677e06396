"""Liquibase: changesets in SQL, XML, YAML and JSON, which changelogs put in order, and a table with a row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.other_tools.history import AppliedMigration, HistoryTable, ToolHistory, ToolLock, local_time, moment
from zmig.other_tools.liquibase import changelog, checksum, converting, from_sql, from_tree, settings
from zmig.other_tools.liquibase.converting import identity
from zmig.other_tools.problems import nothing_to_import, unfinished
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zmig.errors import Location
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Matches, Place, Row
    from zmig.other_tools.liquibase.changelog import Changelogs, Names, Part

_APPLIED = ("EXECUTED", "RERAN", "MARK_RAN")
_LOCK_TABLE = "databasechangeloglock"
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
    names = changelog.Names(files)
    converted = [one for part in found.parts for one in _converted(files, names, part, found, remarks)]
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


def _converted(
    files: ProjectFiles, names: Names, part: Part, found: Changelogs, remarks: list[Remark]
) -> Iterator[SourceMigration]:
    """Yield what a part of the changelogs has, and remark on what it has for other databases."""

    def is_wanted(option: Callable[[str], str | None], place: Location) -> bool:
        if (option("ignore") or "").strip().lower() == "true":
            remarks.append(Remark(Change.LEFT_OUT, "a changeset that says `ignore`", place))
            return False
        if not changelog.is_for_postgresql(option("dbms")):
            remarks.append(Remark(Change.LEFT_OUT, "a changeset for other databases", place))
            return False
        return True

    if part.node is not None:
        if is_wanted(part.node.values.get, part.node.location):
            yield from_tree.migration(files, names, part, part.node, found.parameters)
    elif part.file is None:
        yield _plain(files, part)
    else:
        for changeset in part.file.changesets:
            if is_wanted(changeset.option, changeset.location):
                yield from_sql.migration(files, part, changeset, found.parameters)


def _plain(files: ProjectFiles, part: Part) -> SourceMigration:
    text = files.text(part.path)
    old = checksum.v8(text.strip(), end_delimiter=None, split_statements=False, strip_comments=False)
    return SourceMigration(
        identity(part.recorded, *_PLAIN_SQL),
        part.path.rpartition("/")[2].removesuffix(".sql"),
        Script(text, part.path, is_whole_file=True),
        checksums=(checksum.of_changeset(8, old), checksum.of_changeset(9, checksum.v9(text.strip()))),
        remarks=part.inherited,
    )


def _queries(place: Place) -> Sequence[str]:
    columns = f"id, author, filename, {local_time('dateexecuted')}, exectype, md5sum"
    return (f"select {columns} from {place.quoted} order by orderexecuted, dateexecuted",)


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    identities = _Identities(source)
    applied: dict[str, AppliedMigration] = {}
    problems: list[str] = []
    skipped: list[str] = []
    for id, author, filename, at, kind, md5sum in results[0]:
        found = identities.of(str(filename), str(id), str(author))
        if kind in _APPLIED or kind is None:
            when = moment(at)
            checksum = None if md5sum is None else str(md5sum)
            row = AppliedMigration(
                found,
                at=when,
                checksum=checksum,
                was_run=kind != "MARK_RAN",
                called=converting.name(str(filename), str(id)),
            )
            applied.setdefault(found, row)
        else:
            (problems if kind == "FAILED" else skipped).append(found)
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
            file, _, rest = one.id.partition("::")
            id, _, author = rest.partition("::")
            self._files.setdefault((id, author), []).append((file, one.id))
            if len(id.split()) > 1:
                self._files.setdefault((f'"{id.split()[0]}', author), []).append((file, one.id))

    def of(self, filename: str, id: str, author: str) -> str:
        """Return the id of a changeset here, or what would be it.

        Old versions, such as 4.4, know no quotes around a name: they are a part of it, and an id ends at a blank.
        """
        file = changelog.normal(filename)
        exact = identity(file, id, author)
        if exact in self._known:
            return exact
        for names in ((id, author), (id, author.strip('"')), (id.strip('"'), author.strip('"'))):
            candidates = [known for one, known in self._files.get(names, ()) if _may_be_one(one, file)]
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
