"""What a trial on a real server says of an entry, put together with what was read from its files. Pure.

The server's word is the more exact one: what it did not do is not reported, and what both say is reported once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.registry import RULES
from zmig.lint.rule import WORK, Danger
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zmig.lint.finding import Remark
    from zmig.lint.ignores import Ignore
    from zmig.text.places import Source


_OF_LOCKS_HELD = ("lock/held", "lock/several-tables")
"""Rules that say of a whole transaction what its locks keep waiting."""


@valueclass
class Ran:
    """A statement that the server carried out."""

    source: Source
    start: int
    """Where it is in the text, by 0-based offsets."""
    end: int
    has_work: bool
    """Whether the server did some under a lock, on a table that was there before, or may do some elsewhere."""
    is_rollback: bool = False

    def holds(self, remark: Remark) -> bool:
        """Whether a remark is about it."""
        return remark.source is self.source and self.start <= remark.start < max(self.end, self.start + 1)


@valueclass
class Tried:
    """What came of one entry."""

    remarks: tuple[Remark, ...] = ()
    ran: tuple[Ran, ...] = ()
    failed: tuple[Ran, ...] = ()
    """The statements that the server refused."""
    is_undone: bool | None = None
    """Whether its rollback leaves nothing that it made; None where that was not found out."""


@valueclass
class TrialReport:
    """What came of the trial of one manifest."""

    by_version: Mapping[int, Tried] = field(default_factory=dict[int, Tried])
    """Of the entries that were tried."""
    missing: tuple[str, ...] = ()
    """What is to be known of how they were tried, or why some were not."""
    is_whole: bool = True
    """Whether everything was tried that was to be."""
    server_version: int = 0
    """As in `server_version_num`; 0 where there was nothing to try."""


def merged(said: Sequence[Remark], tried: Tried, ignores: Sequence[Ignore]) -> list[Remark]:
    """Return what files and server say of an entry.

    What both say has the server's words in the place and with the hint of the rule that found it in the file; where
    somebody ignores that rule there, the server's word is ignored with it.
    """
    repeated: dict[int, Remark] = {}
    added: list[Remark] = []
    for one in tried.remarks:
        if one.rule == "try/lock" and any(_says_more_of_locks(other, one, tried) for other in said):
            continue
        same = [other for other in said if _is_same(one, other, tried)]
        repeated |= {id(other): other for other in same}
        if any(ignore.covers(other) for ignore in ignores for other in same):
            continue
        first = same[0] if same else one
        added.append(replace(first, rule=one.rule, message=one.message, severity=one.severity, facts=one.facts))
    kept = [one for one in said if id(one) not in repeated and not _is_refuted(one, tried)]
    return [*kept, *added]


def _says_more_of_locks(read: Remark, shown: Remark, tried: Tried) -> bool:
    """Whether a rule says of the same locks what they are held for."""
    if read.rule == "lock/explicit":
        return any(one.holds(shown) and one.holds(read) for one in tried.ran)
    return read.rule in _OF_LOCKS_HELD and read.source is shown.source


def _is_same(shown: Remark, read: Remark, tried: Tried) -> bool:
    """Whether a rule has found in a file what the server shows of the same statement."""
    both = {*RULES[shown.rule].dangers}.intersection(RULES[read.rule].dangers)
    if Danger.UNDONE in both:
        return True
    return bool(both) and any(one.holds(shown) and one.holds(read) for one in (*tried.ran, *tried.failed))


def _is_refuted(one: Remark, tried: Tried) -> bool:
    """Whether the server shows that what a rule found does not come true."""
    dangers = RULES[one.rule].dangers
    if Danger.UNDONE in dangers:
        return tried.is_undone is not None
    ran = [statement for statement in tried.ran if statement.holds(one)]
    if Danger.CERTAIN_FAILURE in dangers:
        return bool(ran)
    is_of_work_alone = bool(dangers) and {*WORK}.issuperset(dangers)
    return is_of_work_alone and bool(ran) and not any(statement.has_work for statement in ran)
