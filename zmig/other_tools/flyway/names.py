"""What the name of a file says to Flyway, by Flyway's own rules, and versions, which are numbers with dots."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CODE_SUFFIXES = (".java", ".kt", ".scala", ".groovy")
SCRIPT_SUFFIXES = (".sh", ".bash", ".ps1", ".bat", ".cmd", ".py")

_STEPS = (
    "(?:before|after)(?:Clean|Migrate|EachMigrate|EachMigrateStatement|Undo|EachUndo|EachUndoStatement|Validate"
    "|Baseline|Repair|Info)(?:Error)?"
)
CALLBACK = re.compile(
    rf"(?P<event>{_STEPS}|beforeRepeatables|afterVersioned|afterMigrateApplied|beforeCreateSchema|createSchema"
    r"|beforeConnect|afterConnect|after\w+OperationFinish)(?:__.*)?"
)
_PART = re.compile(r"[+-]?[0-9]+")


class Kind(StrEnum):
    """What a file is."""

    VERSIONED = "V"
    UNDO = "U"
    BASELINE = "B"
    REPEATABLE = "R"


class Version(NamedTuple):
    """A version; two are equal if their numbers are."""

    numbers: tuple[int, ...]
    """Without zeros at the end."""
    text: str
    """As the history table has it: with dots, and the zeros of the file's name."""

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Return what a text says, None where it is no version."""
        dotted = text.replace("_", ".")
        parts = re.split(r"\.(?=[0-9])", dotted)
        if not all(map(_PART.fullmatch, parts)):
            return None
        numbers = [int(part) for part in parts]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        return cls(tuple(numbers), dotted)


class Named(NamedTuple):
    """What a file's name says."""

    kind: Kind
    version: Version | None
    """None for a repeatable."""
    description: str
    """With blanks, as the history table has it."""


class Naming(NamedTuple):
    """How a project has its files called."""

    prefixes: Mapping[Kind, str]
    separator: str = "__"
    suffixes: Sequence[str] = (".sql",)

    def suffix_of(self, name: str, *, others: Sequence[str] = ()) -> str | None:
        """Return the suffix of a name as it is written there, in whatever case; None where it has none of these."""
        for suffix in (*self.suffixes, *others):
            if suffix and name.lower().endswith(suffix.lower()):
                return name[len(name) - len(suffix) :]
        return None

    def read(self, stem: str) -> Named | None:
        """Return what a name without its suffix says; None for a file that Flyway would pass over."""
        for kind, prefix in sorted(self.prefixes.items(), key=lambda item: -len(item[1])):
            if prefix and stem.startswith(prefix):
                left, _, right = stem[len(prefix) :].partition(self.separator)
                return self._named(kind, left, right.replace("_", " "))
        return None

    @staticmethod
    def _named(kind: Kind, left: str, description: str) -> Named | None:
        if kind is Kind.REPEATABLE:
            return Named(kind, None, description) if not left else None
        version = Version.parse(left)
        return Named(kind, version, description) if version is not None else None


def repeatable_id(description: str) -> str:
    """Return what a repeatable is called here: by its description, and so that it is no version."""
    return f"R__{description}"
