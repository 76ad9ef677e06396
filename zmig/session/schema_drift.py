"""Compares the schema that the last run recorded with what is there now. Reads only.

Where the state of the catalogs is as it was recorded, nothing has changed, and no definition is read. What cannot be
compared is no drift: nothing was recorded, or not since a later migration, or another version of zmig or of PostgreSQL
writes definitions otherwise.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.catalog.objects import major
from zmig.text import listing
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.catalog.attribution import Attribution
    from zmig.catalog.difference import Difference
    from zmig.database.schema_facts import Recorded
    from zmig.project.project import Project

_MOST_NAMED = 3


class Verdict(StrEnum):
    """What a comparison came to."""

    SAME = "same"
    CHANGED = "changed"
    OFF = "off"
    """Nothing is recorded, and the manifest says that nothing is to be."""
    UNRECORDED = "unrecorded"
    UNRECORDED_SINCE = "unrecorded-since"
    """A later run has changed the schema and did not record it, such as one that was killed."""
    OTHER_FORMAT = "other-format"
    OTHER_SCOPE = "other-scope"
    OTHER_VERSION = "other-version"
    """It was recorded on another major version of PostgreSQL, and definitions were not compared."""
    UNREADABLE = "unreadable"


@valueclass
class DriftedObject:
    """One object that others have changed, with what belongs to it and is there, or gone, together with it."""

    difference: Difference
    parts: tuple[Difference, ...] = ()
    attribution: Attribution | None = None

    @property
    def name(self) -> str:
        """Its kind and its name."""
        return f"{self.difference.kind.value} {self.difference.identity}"

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        made = self.attribution
        return {
            **_of_difference(self.difference),
            "parts": [_of_difference(part) for part in self.parts],
            "made_by": None
            if made is None
            else {
                "by": made.by.value if made.by is not None else None,
                "migrations": list(made.migrations),
                "at": made.at.isoformat() if made.at is not None else None,
                "run_id": made.run_id,
                "reason": made.reason,
            },
        }


def _of_difference(one: Difference) -> dict[str, object]:
    return {
        "kind": one.kind.value,
        "identity": one.identity,
        "change": one.change.value,
        "recorded": one.expected,
        "found": one.found,
    }


@valueclass
class SchemaDrift:
    """How the schema differs from what was recorded."""

    verdict: Verdict
    _: KW_ONLY
    recorded: Recorded | None = None
    """The fact it was compared with."""
    server_version: int = 0
    """As in `server_version_num`."""
    objects: Sequence[DriftedObject] = ()
    """What others have changed."""
    notes: Sequence[DriftedObject] = ()
    """What differs and does not count: the order of columns, storage, versions of extensions."""
    spelled: Sequence[DriftedObject] = ()
    """What a server of another major version spells otherwise, as far as that is known."""
    uncovered: Mapping[str, int] = field(default_factory=dict[str, int])
    """How much there is that is not looked at, by what it is; only where that was asked for."""
    why: str | None = None
    """What kept the schema from being read."""

    @property
    def is_drift(self) -> bool:
        """Whether others have changed something."""
        return bool(self.objects)

    @property
    def count(self) -> str:
        """How many objects others have changed, in words."""
        return "1 object" if len(self.objects) == 1 else f"{len(self.objects)} objects"

    @property
    def names(self) -> str:
        """The names of a few of them."""
        return listing.first([one.name for one in self.objects], _MOST_NAMED)

    @property
    def message(self) -> str | None:
        """What it comes to, in a sentence; None where there is nothing to say."""
        if self.objects:
            return f"{self.count} changed since the last run: {self.names}"
        match self.verdict:
            case Verdict.UNRECORDED:
                return "no run has recorded the schema yet, so that changes by others cannot be seen"
            case Verdict.UNRECORDED_SINCE:
                return f"{self.cause}: changes by others cannot be seen"
            case Verdict.UNREADABLE:
                return f"the schema was not compared with what was recorded: {self.why}"
            case _:
                return None if self.cause is None else f"{self.cause}; the next run records it anew"

    @property
    def cause(self) -> str | None:
        """What keeps it from being compared with what was recorded; None where nothing is recorded, or nothing does."""
        last = self.recorded
        if last is None:
            return None
        match self.verdict:
            case Verdict.UNRECORDED_SINCE:
                return f"the schema is not recorded since {last.unrecorded}"
            case Verdict.OTHER_FORMAT:
                return "the schema was recorded by another version of zmig, in another form"
            case Verdict.OTHER_SCOPE:
                return "the schema was recorded with another `verify` in the manifest"
            case _ if not last.is_of_major(self.server_version):
                then, now = major(last.server_version), major(self.server_version)
                return f"the schema was recorded on PostgreSQL {then}, this is {now}"
            case _:
                return None

    def as_dict(self) -> dict[str, object]:
        """Return the contents as JSON types."""
        last = self.recorded
        return {
            "verdict": self.verdict.value,
            "message": self.message,
            "recorded": None
            if last is None
            else {
                "position": last.position,
                "at": last.at.isoformat(),
                "run_id": last.run_id,
                "migration": last.name,
                "server_version": last.server_version,
                "fingerprint": last.data.get("fingerprint"),
            },
            "server_version": self.server_version,
            "objects": [one.as_dict() for one in self.objects],
            "notes": [one.as_dict() for one in self.notes],
            "spelled_differently": [one.as_dict() for one in self.spelled],
            "uncovered": dict(self.uncovered),
        }


def decided(recorded: Recorded | None, project: Project, server_version: int) -> SchemaDrift | None:
    """Return what the last fact about the schema alone comes to; None where the state of the catalogs decides."""
    if recorded is None:
        return SchemaDrift(Verdict.UNRECORDED if project.verify.record else Verdict.OFF, server_version=server_version)
    verdict = None
    if recorded.unrecorded is not None:
        verdict = Verdict.UNRECORDED_SINCE
    elif not recorded.is_of_this_format:
        verdict = Verdict.OTHER_FORMAT
    elif not recorded.is_of(project.scope):
        verdict = Verdict.OTHER_SCOPE
    elif not recorded.is_of_major(server_version):
        verdict = Verdict.OTHER_VERSION
    return None if verdict is None else SchemaDrift(verdict, recorded=recorded, server_version=server_version)


def same(recorded: Recorded, server_version: int) -> SchemaDrift:
    """Return that nothing has changed."""
    return SchemaDrift(Verdict.SAME, recorded=recorded, server_version=server_version)


def judged(recorded: Recorded | None, state: object, project: Project, server_version: int) -> SchemaDrift | None:
    """Return what the last fact and the state of the catalogs come to; None where definitions have to be read."""
    known = decided(recorded, project, server_version)
    if known is None and recorded is not None and state == recorded.state:
        return same(recorded, server_version)
    return known
