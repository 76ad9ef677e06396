"""What is done alike about each changeset that becomes a migration, in whatever form it is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location
from zmig.other_tools import delimiters
from zmig.other_tools import files as project_files
from zmig.other_tools.liquibase.parameters import has_nested
from zmig.other_tools.source import Change, Remark, Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zmig.other_tools.liquibase.parameters import Parameters
    from zmig.other_tools.placeholders import Rewritten


class Sql(NamedTuple):
    """SQL as somebody has written it."""

    text: str
    path: str
    """The file that it is in."""
    line: int
    """Where it begins there; 1-based."""

    def location(self, offset: int) -> Location:
        """Return the place of an offset, which is 0-based."""
        return project_files.location(self.path, self.text, max(offset, 0), first=self.line)


class Converting:
    """One changeset on its way to being a migration."""

    def __init__(
        self,
        location: Location,
        option: Callable[[str], str | None],
        *,
        changelog: str,
        parameters: Parameters,
        remarks: Iterable[Remark],
    ) -> None:
        self.location = location
        self.option = option
        self.changelog = changelog
        """The path of the file that it is written in, by which parameters may be its own."""
        self.parameters = parameters
        self.remarks = list(remarks)
        self.has_variables = False

    def note(self, change: Change, text: str, place: Location | None = None) -> None:
        """Remark on a place, or on the changeset."""
        self.remarks.append(Remark(change, text, place or self.location))

    def expanded(self, name: str) -> str:
        """Return an id or an author as Liquibase records it."""
        return self.parameters.expanded(name, self.changelog) or name

    def refuse_options(self) -> None:
        """Remark on the attributes of the changeset for which zmig has nothing."""
        for key in ("contextFilter", "context", "labels"):
            if value := self.option(key):
                self.note(Change.REFUSED, f"`{key}:{value}` decides whether it runs: leave it out, or delete that")
        if self.option("dbms"):
            self.note(Change.DROPPED, f"`dbms:{self.option('dbms')}`, which PostgreSQL is among")
        if (self.option("failOnError") or "").lower() == "false":
            self.note(Change.REFUSED, "`failOnError:false`: zmig does not go on after an error")
        executor = self.option("runWith")
        if executor and executor.lower() not in ("psql", "jdbc"):
            self.note(Change.REFUSED, f"`runWith:{executor}`: zmig runs no other program")

    @property
    def uses_psql(self) -> bool:
        """Whether psql runs it."""
        return (self.option("runWith") or "").lower() == "psql"

    @property
    def transactional(self) -> bool | None:
        """What it says of its transaction."""
        runs = self.option("runInTransaction")
        return None if runs is None else runs.lower() == "true"

    def repeats(self) -> Repeats | None:
        """Return when it runs again, and remark on that."""
        always, on_change = ((self.option(one) or "").lower() == "true" for one in ("runAlways", "runOnChange"))
        if not always and not on_change:
            return None
        which = "runAlways" if always else "runOnChange"
        self.note(Change.REWRITTEN, f"`{which}:true`: a repeatable, which runs after all others and not in its place")
        return Repeats.ALWAYS if always else Repeats.CHANGED

    def script(self, sql: Sql, delimiter: str | None) -> str:
        """Return SQL as zmig runs it; without a delimiter, Liquibase's own ones end statements."""
        delimited = delimiters.with_semicolons(sql.text, delimiter)
        if delimited.is_pattern:
            self.note(Change.REFUSED, f"`endDelimiter:{delimiter}` is a pattern")
        if delimited.first is not None:
            self.note(Change.REWRITTEN, "`;` in place of another delimiter", sql.location(delimited.first))
        if has_nested(delimited.text):
            place = Location(sql.path, sql.line)
            self.note(Change.REFUSED, "a parameter whose name is made of another one", place)
        rewritten = self.parameters.rewrite(delimited.text, self.changelog)
        self._note_variables(sql, delimited.text, rewritten)
        return rewritten.text

    def _note_variables(self, sql: Sql, delimited: str, rewritten: Rewritten) -> None:
        if not rewritten.names:
            return
        self.has_variables = True
        for offset in rewritten.unwritable:
            place = sql._replace(text=delimited).location(offset)
            self.note(Change.REFUSED, "a `$` that is no parameter beside one: zmig would take it for one", place)
        for name in self.parameters.unknown(sql.text, self.changelog):
            place = sql.location(sql.text.find(f"${{{name}"))
            self.note(Change.KEPT, f"`${{{name}}}` has no value in the project: the environment has to give it", place)


def identity(file: str, id: str, author: str) -> str:
    """Return what the history calls a changeset."""
    return f"{file}::{id}::{author}"


def name(path: str, id: str) -> str:
    """Return what people call a changeset of a file."""
    stem = path.rpartition("/")[2].rpartition(".")[0]
    plain = re.sub(r"[^\w.]+", "-", id).strip("-.")
    return stem if not plain or (plain == stem and not plain.isdigit()) else f"{stem}-{plain}"
