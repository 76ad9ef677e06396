"""Another tool's project as values: its migrations in the tool's own order, and what is to be known of each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.text.lazy_pattern import LazyPattern
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import KW_ONLY

    from zmig.errors import Location


_UNFIT = LazyPattern(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
"""What no manifest has in a text of one line, what may end a line, and what is not allowed in YAML."""


def on_one_line(text: str) -> str:
    """Return a text, such as an id or a path, as a manifest and a comment have it."""
    return _UNFIT.sub(" ", text)


class Change(StrEnum):
    """What becomes of something in a file of another tool."""

    KEPT = "kept"
    """It is carried over by other means, such as a key of the manifest."""
    REWRITTEN = "rewritten"
    """The text is another one in zmig's file."""
    DROPPED = "dropped"
    """It is not in zmig's file, and nothing is lost by that."""
    LEFT_OUT = "left-out"
    """A file that is no migration."""
    CHANGED = "changed"
    """It is another one than when it was imported, and what was imported stays."""
    REFUSED = "refused"
    """It cannot be carried over, and the migration not without it."""


@valueclass
class Remark:
    """One thing that is not simply taken as it is, and where it is."""

    change: Change
    text: str
    """What becomes of it: lower case, no final period."""
    location: Location
    """In the tool's own file, by its path relative to the project."""


class Repeats(StrEnum):
    """When a repeatable of another tool runs again."""

    CHANGED = "changed"
    """Whenever its text is another one."""
    ALWAYS = "always"


@valueclass
class Script:
    """The SQL of one direction, as the tool runs it, with its own directives taken out."""

    text: str
    path: str
    """The tool's file."""
    _: KW_ONLY
    line: int = 1
    """Where it begins in that file; 1-based."""
    is_whole_file: bool = False
    """Whether it is all that the file holds, and nothing was changed: then zmig can run that file itself."""
    transactional: bool | None = None
    """Whether the tool was asked to run it in a transaction, or not to; None where its statements may decide."""
    parts: tuple[Script, ...] = ()
    """Where it was put together of several: those, whose texts one after the other are its own."""


@valueclass
class SourceMigration:
    """One migration of another tool."""

    id: str
    """What the tool's history table calls it."""
    name: str
    """What people call it: best the file's name without suffix and direction."""
    up: Script | None
    """None where it is code of another language; `remarks` says what to do about it."""
    _: KW_ONLY
    number: int | None = None
    """Its version, where the tool has numbers."""
    down: Script | None = None
    repeats: Repeats | None = None
    """Set for repeatables alone; they come last in the tool's order."""
    has_variables: bool = False
    """Whether `${name}` in its scripts is to be replaced; the tool's own spelling is rewritten to that already."""
    uses_psql: bool = False
    """Whether the tool has psql run its scripts, so that psql's commands and variables may be in them."""
    description: str | None = None
    checksums: tuple[str, ...] = ()
    """What the tool would record of it today, in all forms of its versions; empty where `matches` finds that out."""
    after: tuple[str, ...] = ()
    """The ids of those that it comes right after, where the tool has a graph in place of an order."""
    replaces: tuple[str, ...] = ()
    """The ids of those in whose place it is: where all of them are applied, the tool does not run it."""
    remarks: tuple[Remark, ...] = ()


@valueclass
class Source:
    """A project of another tool."""

    tool: str
    """As `--from` has it."""
    folder: str
    """Where its migrations are, relative to the project."""
    migrations: tuple[SourceMigration, ...]
    """In the order in which the tool runs them; repeatables after all others."""
    _: KW_ONLY
    variables: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    """Values for `${name}`; None where the project does not say, so that the environment has to."""
    project: str | None = None
    """What the tool calls it, where the history of several projects may be in one table."""
    history_table: str | None = None
    """The table that its configuration names, as `schema.table` or `table`; None where it says nothing."""
    remarks: tuple[Remark, ...] = ()
    """About what belongs to no migration."""

    def find(self, id: str) -> SourceMigration | None:
        """Return the migration that the tool's history calls by this name; None where no file is of it."""
        return next((one for one in self.migrations if one.id == id), None)
