"""Migrations made of changesets in XML, YAML and JSON, as far as all of their changes are `sql` and `sqlFile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location, UsageError
from zmig.other_tools import semicolons
from zmig.other_tools.liquibase import changelog, checksum, converting
from zmig.other_tools.liquibase.converting import Converting, Sql
from zmig.other_tools.liquibase.tree import OWN, Node
from zmig.other_tools.source import Change, Script, SourceMigration
from zmig.sql.lexer import UnterminatedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.liquibase.changelog import Names, Part
    from zmig.other_tools.liquibase.parameters import Parameters

_SQL, _SQL_FILE = "sql", "sqlfile"
_NO_SQL = ("tagdatabase", "empty", "output")
"""Changes that do nothing to what is in the database."""
_ATTRIBUTES = frozenset(
    {
        OWN,
        "comment",
        "dbms",
        "encoding",
        "enddelimiter",
        "file",
        "path",
        "relativetochangelogfile",
        "splitstatements",
        "sql",
        "stripcomments",
    }
)
"""What may be said of such a change."""
_OF_ROLLBACK = ("changesetid", "changesetauthor", "changesetpath")
_NOT_SQL = (
    "`{name}` is no SQL: write an entry of that name with what `liquibase update-sql` makes of it, or leave it out"
)


def migration(files: ProjectFiles, names: Names, part: Part, node: Node, parameters: Parameters) -> SourceMigration:
    """Return a changeset as a migration; one that has something else than SQL has a remark on that by place."""
    return _FromTree(files, names, part, node, parameters).migration()


class _Change(NamedTuple):
    """One change that is SQL."""

    sql: Sql
    node: Node
    is_file: bool
    is_whole_file: bool
    """Whether `sql` is all that its file holds, as it is there."""

    @property
    def splits(self) -> bool:
        return self.node.values.get("splitStatements", "true").strip().lower() != "false"

    @property
    def delimiter(self) -> str | None:
        """What ends its statements, as `Converting.script` takes it."""
        return self.node.values.get("endDelimiter") if self.splits else ";"


class _FromTree:
    def __init__(self, files: ProjectFiles, names: Names, part: Part, node: Node, parameters: Parameters) -> None:
        self._files = files
        self._names = names
        self._part = part
        self._node = node
        self._work = Converting(
            node.location, self._option, changelog=part.path, parameters=parameters, remarks=part.inherited
        )
        self._is_checked = True
        """Whether Liquibase's checksum can be computed, and is compared by it."""

    def _option(self, name: str) -> str | None:
        if name == "runAlways" and name not in self._node.values:
            return self._node.values.get("alwaysRun")
        return self._node.values.get(name)

    def migration(self) -> SourceMigration:
        work, node = self._work, self._node
        work.refuse_options()
        if node.values.get("runOrder"):
            work.note(Change.REFUSED, f"`runOrder:{node.values['runOrder']}`: zmig runs all in one order")
        changes: list[Node] = []
        rollbacks: list[Node] = []
        self._sort(_members(node, ("changes", "rollback")), changes, rollbacks)
        id, author = work.expanded(node.values.get("id", "")), work.expanded(node.values.get("author", ""))
        repeats = work.repeats()
        done = list(self._changes(changes))
        up = self._script(done)
        down = self._down(rollbacks)
        is_refused = any(remark.change is Change.REFUSED for remark in work.remarks)
        return SourceMigration(
            converting.identity(self._part.recorded, id, author),
            converting.name(self._part.path, id),
            None if is_refused else up,
            down=None if is_refused else down,
            repeats=repeats,
            has_variables=work.has_variables,
            uses_psql=work.uses_psql,
            description=self._description(),
            checksums=self._checksums(done) if self._is_checked and not is_refused else (),
            remarks=tuple(work.remarks),
        )

    def _description(self) -> str | None:
        said = [self._node.values.get("comment", "")]
        said += [one.values.get(OWN, "") for one in self._node.children if one.name == "comment"]
        return " ".join(" ".join(said).split()) or None

    def _sort(self, nodes: Iterable[Node], changes: list[Node], rollbacks: list[Node]) -> None:
        """Part what is in a changeset into its changes and its rollbacks, and remark on the rest."""
        for node in nodes:
            match node.name.lower():
                case "comment":
                    pass
                case "changes":
                    self._sort(_members(node), changes, rollbacks)
                case "rollback":
                    rollbacks.append(node)
                case "validchecksum" | "validchecksums":
                    self._is_checked = False
                    self._work.note(Change.DROPPED, "`validCheckSum`, which is for Liquibase alone", node.location)
                case "preconditions":
                    text = "a precondition, which zmig has none of: take it away, which no checksum of Liquibase counts"
                    self._work.note(Change.REFUSED, text, node.location)
                case "modifysql":
                    text = "`modifySql`: write the SQL as it is to be, in an entry of that name"
                    self._work.note(Change.REFUSED, text, node.location)
                case _:
                    changes.append(node)
        if "validCheckSum" in self._node.values:
            self._is_checked = False

    def _changes(self, nodes: Iterable[Node]) -> Iterator[_Change]:
        """Yield those that are SQL, those for other databases among them; remark on the others."""
        for node in nodes:
            kind = node.name.lower()
            if kind in _NO_SQL:
                self._is_checked = False
                self._work.note(Change.DROPPED, f"`{node.name}`, which changes nothing in the database", node.location)
            elif kind not in (_SQL, _SQL_FILE):
                self._work.note(Change.REFUSED, _NOT_SQL.format(name=node.name or "-"), node.location)
            elif (change := self._change(node, is_file=kind == _SQL_FILE)) is not None:
                yield change

    def _change(self, node: Node, *, is_file: bool) -> _Change | None:
        unknown = sorted(key for key in node.values if key.lower() not in _ATTRIBUTES)
        unknown += sorted(one.name for one in node.children if one.name.lower() not in ("comment", "path"))
        if unknown:
            self._work.note(Change.REFUSED, f"`{unknown[0]}` of a change, which zmig has nothing for", node.location)
            return None
        if is_file:
            return self._of_file(node)
        key = OWN if node.values.get(OWN, "").strip() else "sql"
        text = node.values.get(key, "")
        begin = len(text) - len(text.lstrip())
        if not text.strip():
            self._work.note(Change.REFUSED, "a change without SQL, which Liquibase refuses", node.location)
            return None
        line = node.line(key) + text.count("\n", 0, begin)
        return _Change(Sql(text.strip(), self._part.path, line), node, is_file=False, is_whole_file=False)

    def _of_file(self, node: Node) -> _Change | None:
        name = node.values.get("path") or node.values.get("file") or ""
        path = self._names.find(name, self._part.path, relative=node.is_true("relativeToChangelogFile"))
        if path is None:
            self._work.note(Change.REFUSED, f"`{name}`, which it runs, is not there", node.location)
            return None
        encoding = node.values.get("encoding", "UTF-8").strip()
        try:
            is_plain = encoding.lower().replace("-", "").replace("_", "") == "utf8"
            text = self._files.text(path) if is_plain else self._files.read(path).decode(encoding)
        except (LookupError, ValueError):
            self._work.note(Change.REFUSED, f"`{path}` is not in the encoding `{encoding}`", node.location)
            return None
        except UsageError as error:
            self._work.note(Change.REFUSED, error.problems[0].message, node.location)
            return None
        return _Change(Sql(text, path, 1), node, is_file=True, is_whole_file=is_plain)

    def _script(self, changes: Sequence[_Change]) -> Script:
        """Return changes one after the other, as zmig runs them."""
        wanted = [change for change in changes if self._is_wanted(change)]
        if len(wanted) == 1:
            return self._alone(wanted[0])
        if wanted and self._work.uses_psql:
            self._work.note(Change.REFUSED, "`runWith:psql` of several changes: make a changeset of each")
        parts = [self._part_of(change) for change in wanted]
        text = "".join(part.text for part in parts)
        line = parts[0].line if parts else self._node.location.line
        transactional = self._work.transactional
        return Script(text, self._part.path, line=line, transactional=transactional, parts=tuple(parts))

    def _is_wanted(self, change: _Change) -> bool:
        if changelog.is_for_postgresql(change.node.values.get("dbms")):
            return True
        self._work.note(Change.DROPPED, "a change for other databases", change.node.location)
        return False

    def _alone(self, change: _Change) -> Script:
        sql = change.sql
        script = self._work.script(sql, change.delimiter)
        is_whole = change.is_whole_file and script == sql.text
        return Script(script, sql.path, line=sql.line, is_whole_file=is_whole, transactional=self._work.transactional)

    def _part_of(self, change: _Change) -> Script:
        """Return a change with an end to its last statement, since more comes after it."""
        sql = change.sql
        text = self._work.script(sql, change.delimiter)
        try:
            end = semicolons.missing_after(text)
        except UnterminatedError as error:
            place = sql._replace(text=text).location(error.offset)
            self._work.note(Change.REFUSED, "a string or a comment in it does not end", place)
            end = None
        if end is not None:
            text = f"{text[:end]};{text[end:]}"
        return Script(text if text.endswith("\n") else f"{text}\n", sql.path, line=sql.line)

    def _down(self, nodes: Sequence[Node]) -> Script | None:
        if not nodes:
            return None
        of_others = [node for node in nodes if any(key.lower() in _OF_ROLLBACK for key in node.values)]
        if of_others:
            text = "a rollback that is another changeset: write its SQL in its place"
            self._work.note(Change.REFUSED, text, of_others[0].location)
            return None
        is_checked = self._is_checked
        changes = [change for node in nodes for change in self._undoing(node)]
        self._is_checked = is_checked  # no checksum has what is in a rollback
        return self._script(changes) if changes else Script("", self._part.path, line=nodes[0].location.line)

    def _undoing(self, node: Node) -> Iterator[_Change]:
        """Yield the changes of a rollback; its own text comes after them, in which `;` alone ends statements."""
        yield from self._changes(one for one in _members(node) if one.name != OWN)
        for one in (node, *(child for child in node.children if child.name == OWN)):
            text = one.values.get(OWN, "")
            if text.strip():
                begin = text[: len(text) - len(text.lstrip())].count("\n")
                sql = Sql(text.strip(), self._part.path, one.line(OWN) + begin)
                said = Node(one.name, {"endDelimiter": ";"}, one.location)
                yield _Change(sql, said, is_file=False, is_whole_file=False)

    def _checksums(self, changes: Sequence[_Change]) -> tuple[str, ...]:
        """Return what Liquibase may have recorded: none where it depends on a value that is not known.

        Until version 4.25, and not in version 8, the text of a file was that with its parameters' values.
        """
        expanded = [self._work.parameters.expanded(one.sql.text, self._part.path) for one in changes]
        known = [text for text in expanded if text is not None]
        if len(known) < len(changes):
            return ()
        as_stored = [one.sql.text if one.is_file else text for one, text in zip(changes, known, strict=True)]
        old = [
            checksum.v8(
                text,
                end_delimiter=one.node.values.get("endDelimiter"),
                split_statements=one.splits,
                strip_comments=one.node.is_true("stripComments"),
            )
            for one, text in zip(changes, as_stored, strict=True)
        ]
        new = (checksum.of_changeset(9, *map(checksum.v9, texts)) for texts in (as_stored, known))
        return tuple(dict.fromkeys((checksum.of_changeset(8, *old), *new)))


def _members(node: Node, scalars: Sequence[str] | None = None) -> Iterator[Node]:
    """Yield what a node holds, keys of YAML with a plain value among them: all of those, or some."""
    for key, value in node.values.items():
        if key != OWN and (scalars is None or key in scalars):
            line = node.line(key)
            yield Node(key, {OWN: value}, Location(node.location.path, line), lines={OWN: line})
    yield from node.children
