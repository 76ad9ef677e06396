"""Migrations made of the changesets of a formatted SQL file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.errors import Location
from zmig.other_tools.liquibase import changelog, checksum, converting, formatted_sql
from zmig.other_tools.liquibase.converting import Converting, Sql
from zmig.other_tools.source import Change, Script, SourceMigration

if TYPE_CHECKING:
    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.liquibase.changelog import Part
    from zmig.other_tools.liquibase.formatted_sql import ChangeSet
    from zmig.other_tools.liquibase.parameters import Parameters

_NO_ROLLBACK = re.compile(r"\s*(?:not required|empty).*", re.IGNORECASE | re.DOTALL)


def migration(files: ProjectFiles, part: Part, changeset: ChangeSet, parameters: Parameters) -> SourceMigration:
    """Return a changeset as a migration."""
    return _FromSql(files, part, changeset, parameters).migration()


class _FromSql:
    def __init__(self, files: ProjectFiles, part: Part, changeset: ChangeSet, parameters: Parameters) -> None:
        self._files = files
        self._part = part
        self._changeset = changeset
        self._work = Converting(
            changeset.location,
            changeset.option,
            changelog=part.path,
            parameters=parameters,
            remarks=(*part.inherited, *changeset.remarks),
        )

    def migration(self) -> SourceMigration:
        changeset, file, work = self._changeset, self._part.file, self._work
        assert file is not None
        work.refuse_options()
        if changeset.valid_checksums:
            work.note(Change.DROPPED, "`validCheckSum`, which is for Liquibase alone")
        logical = changeset.option("logicalFilePath") or formatted_sql.option(file.header, "logicalFilePath")
        recorded = changelog.normal(logical) if logical else self._part.recorded
        id, author = work.expanded(changeset.id), work.expanded(changeset.author)
        repeats = work.repeats()
        up, down = self._up(), self._down()
        return SourceMigration(
            converting.identity(recorded, id, author),
            converting.name(self._part.path, id),
            up,
            down=down,
            repeats=repeats,
            has_variables=work.has_variables,
            uses_psql=work.uses_psql,
            description=changeset.comments[-1] if changeset.comments else None,
            checksums=self._checksums(),
            remarks=tuple(work.remarks),
        )

    def _up(self) -> Script:
        text, line = formatted_sql.spread(self._changeset.body)
        if not text:
            self._work.note(Change.REFUSED, "a changeset without SQL, which Liquibase refuses")
        delimiter = self._changeset.option("endDelimiter")
        if delimiter is None and text.rstrip().endswith("\n/"):
            delimiter = "\\n/"
        splits = (self._changeset.option("splitStatements") or "true").lower() == "true"
        script = self._work.script(Sql(text, self._part.path, line), delimiter if splits else ";")
        whole = self._is_whole_file and script == text
        return Script(
            self._files.text(self._part.path) if whole else script,
            self._part.path,
            line=1 if whole else line,
            is_whole_file=whole,
            transactional=self._work.transactional,
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
            self._work.note(Change.REFUSED, "a rollback that is another changeset: write its SQL in its place", place)
            return None
        splits = (self._changeset.option("rollbackSplitStatements") or "true").lower() == "true"
        delimiter = self._changeset.option("rollbackEndDelimiter") if splits else ";"
        return Script(self._work.script(Sql(text, self._part.path, line), delimiter), self._part.path, line=line)

    def _checksums(self) -> tuple[str, ...]:
        """Return Liquibase's checksums; none where it does not compare them, or a parameter's value is not known."""
        changeset = self._changeset
        bodies = [changeset.body]
        if changeset.blocks:  # which old versions, such as 4.4, have in the body
            bodies.append(sorted(changeset.body + changeset.blocks))
        texts = [self._work.parameters.expanded(formatted_sql.plain(body), self._part.path) for body in bodies]
        sqls = [text for text in texts if text is not None]
        if len(sqls) < len(texts) or changeset.valid_checksums:
            return ()
        split, strip = (
            (changeset.option(one) or "true").lower() == "true" for one in ("splitStatements", "stripComments")
        )
        delimiter = changeset.option("endDelimiter")
        old = (checksum.v8(one, end_delimiter=delimiter, split_statements=split, strip_comments=strip) for one in sqls)
        return (
            *(checksum.of_changeset(8, one) for one in old),
            checksum.of_changeset(9, checksum.v9(sqls[0])),
        )
