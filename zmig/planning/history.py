"""From facts to records: what the facts say of each migration.

Pure. The last fact decides, by position, so the order in which facts come does not matter. Of the facts of one
slot (`Fact.slot`) only the latest counts, so a reader may leave the others out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.facts import EventType, Fact, Verdict
from zmig.model import LastRun
from zmig.valueclass import field, slotted, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from dataclasses import KW_ONLY
    from datetime import datetime

ROLLED_BACK_WITH = "rolled-back-with"
"""The code in a `failed` fact of a migration that itself did not fail."""

_BEGINNINGS = frozenset({EventType.STARTED, EventType.ROLLBACK_STARTED})
"""What begins an execution, which another fact has to end."""


@valueclass
class Record:
    """What the facts say of one migration."""

    name: str
    """The name it is applied under, else the one in its last fact."""
    version: int | None = None
    _: KW_ONLY
    last: Fact | None = None
    """The fact that decides its state."""
    applied: Fact | None = None
    """The fact by which it counts as applied; None when it was never applied or was taken back."""
    completed: Fact | None = None
    """The latest `done`, even if it was rolled back since."""
    accepted: Fact | None = None
    """The latest `accepted` after `applied`: a changed file an operator agreed to."""
    started: Fact | None = None
    failed: Fact | None = None
    """The latest failure, of the migration or of its rollback."""
    begun: Fact | None = None
    """What began the latest execution, forward or back, since it was applied or taken back; None when nothing did."""
    checkpoint: Fact | None = None
    """How far that execution is; None where it begins at its beginning."""
    paused: Fact | None = None
    """What asks it to wait between two rounds."""
    outdated: Fact | None = None
    """What says of a repeatable that it is due again, since it was applied."""
    made_pending: Fact | None = None
    """The latest rollback, or an operator's word that it is pending; None once it is applied again."""

    @property
    def checksum(self) -> str | None:
        """The checksum that the file is expected to have, None where no fact recorded one."""
        source = self.accepted or self.applied
        return source.text("checksum") if source is not None else None

    @property
    def token_checksum(self) -> str | None:
        """The checksum that the tokens of its file are expected to have, None where no fact recorded one."""
        source = self.accepted or self.applied
        return source.text("token_checksum") if source is not None else None

    @property
    def applied_at(self) -> datetime | None:
        """When it was applied."""
        return self.applied.created_at if self.applied is not None else None

    @property
    def duration_ms(self) -> int | None:
        """How long the applied execution took, in milliseconds."""
        return self.applied.integer("duration_ms") if self.applied is not None else None

    @property
    def attempt(self) -> int:
        """The number of the latest attempt since it was applied or taken back; 0 when there is none."""
        return max(self.begun.integer("attempt") or 1, 1) if self.begun is not None else 0

    @property
    def is_in_rollback(self) -> bool:
        """Whether its latest fact is about a rollback that did not complete."""
        return self.last is not None and self.last.type in (EventType.ROLLBACK_STARTED, EventType.ROLLBACK_FAILED)

    @property
    def is_undone(self) -> bool:
        """Whether an execution that did not complete is known to have run in a transaction, which undid it."""
        began_it = self.begun is not None and (self.begun.type is EventType.ROLLBACK_STARTED) == self.is_in_rollback
        for fact in (self.last, self.begun if began_it else None):
            said = fact.data.get("transactional") if fact is not None else None
            if isinstance(said, bool):
                return said
        return False

    @property
    def was_taken_back(self) -> bool:
        """Whether its latest attempt was rolled back because another migration of the same atomic run failed."""
        error = self.last.data.get("error") if self.last is not None else None
        return isinstance(error, dict) and cast("dict[str, object]", error).get("code") == ROLLED_BACK_WITH

    @property
    def open(self) -> Fact | None:
        """What began an execution that may be going on: it has not ended, or is to be tried again by the same run."""
        if self.last is None or self.last.type in _BEGINNINGS:
            return self.last
        return self.begun if self.last.data.get("will_retry") is True else None

    @property
    def last_run(self) -> LastRun | None:
        """The latest completed run, for `should_repeat`."""
        if self.completed is None:
            return None
        milliseconds = self.completed.integer("duration_ms")
        return LastRun(
            completed_at=self.completed.created_at,
            checksum=self.completed.text("checksum"),
            duration_seconds=None if milliseconds is None else milliseconds / 1000,
            data=self.completed.data,
        )


@valueclass
class History:
    """All facts, folded: a record per version, and records of names that belong to no known version."""

    records: Mapping[int, Record] = field(default_factory=dict[int, Record])
    unversioned: Mapping[str, Record] = field(default_factory=dict[str, Record])


def fold(facts: Iterable[Fact], *, versions: Mapping[str, int] | None = None) -> History:
    """Fold facts into a history.

    A fact without a version (appended by hand) counts for the version that `versions`, or else the latest fact of
    its name that has one, gives.
    """
    latest: dict[tuple[str, EventType, int | None, str | None], Fact] = {}
    for fact in facts:
        slot = fact.superseding_key
        earlier = latest.get(slot)
        if earlier is None or earlier.position < fact.position:
            latest[slot] = fact
    in_order = sorted(latest.items(), key=lambda pair: pair[1].position)
    # What a fact states of its version is in its slot, where it was worked out already.
    stated_versions = [(version, fact) for (_, _, version, _), fact in in_order]
    known = {fact.name: version for version, fact in stated_versions if version is not None} | dict(versions or {})
    records: dict[int, list[Fact]] = {}
    unversioned: dict[str, list[Fact]] = {}
    for stated, fact in stated_versions:
        version = known.get(fact.name) if stated is None else stated
        if version is None:
            unversioned.setdefault(fact.name, []).append(fact)
        else:
            records.setdefault(version, []).append(fact)
    return History(
        {version: _record(own, version) for version, own in records.items()},
        {name: _record(own, None) for name, own in unversioned.items()},
    )


@slotted
class _RecordBuilder:
    """A record while its facts are read, in order of position."""

    _: KW_ONLY
    last: Fact | None = None
    applied: Fact | None = None
    completed: Fact | None = None
    accepted: Fact | None = None
    started: Fact | None = None
    failed: Fact | None = None
    begun: Fact | None = None
    checkpoint: Fact | None = None
    paused: Fact | None = None
    outdated: Fact | None = None
    made_pending: Fact | None = None

    def apply(self, fact: Fact) -> None:
        match fact.type:
            case EventType.DONE | EventType.BASELINED | EventType.ROLLED_BACK:
                self._set_end(fact, is_applied=fact.type is not EventType.ROLLED_BACK)
            case EventType.STARTED | EventType.ROLLBACK_STARTED:
                self._begin(fact)
            case EventType.FAILED | EventType.ROLLBACK_FAILED:
                self.last = self.failed = fact
            case EventType.RESOLVED:
                self._resolve(fact)
            case EventType.CHECKPOINT:
                self.checkpoint = fact
            case EventType.ACCEPTED:
                self.accepted = fact if self.applied is not None else None
            case EventType.OUTDATED:
                self.outdated = fact if self.applied is not None else None
            case EventType.PAUSED | EventType.RESUMED:
                self.paused = fact if fact.type is EventType.PAUSED else None
            case EventType.OBSERVED | EventType.IMPORTED:
                pass  # it is about the schema, or another tool, and says nothing of the migration

    def _begin(self, fact: Fact) -> None:
        self.last = self.begun = fact
        if fact.type is EventType.STARTED:
            self.started = fact
        if fact.integer("resumed_after") is None:
            self.checkpoint = None

    def _set_end(self, fact: Fact, *, is_applied: bool) -> None:
        self.last, self.applied = fact, fact if is_applied else None
        if is_applied:
            self.made_pending = None
        elif fact.type is EventType.ROLLED_BACK or fact.verdict is Verdict.PENDING:
            self.made_pending = fact
        if fact.type is EventType.DONE:
            self.completed = fact
        self.accepted = self.begun = self.checkpoint = self.paused = self.outdated = None

    def _resolve(self, fact: Fact) -> None:
        """Let an operator's word replace what was known; one resolved as failed may still be continued."""
        begun, checkpoint = self.begun, self.checkpoint
        self._set_end(fact, is_applied=fact.verdict is Verdict.DONE)
        if fact.verdict is Verdict.FAILED:
            self.failed, self.begun = fact, begun
            # The checkpoint of a rollback is none that the migration itself could go on from.
            is_rollback = begun is not None and begun.type is EventType.ROLLBACK_STARTED
            self.checkpoint = None if is_rollback else checkpoint


def _record(facts: list[Fact], version: int | None) -> Record:
    builder = _RecordBuilder()
    for fact in facts:
        builder.apply(fact)
    named = builder.accepted or builder.applied or builder.last or facts[-1]
    return Record(
        named.name,
        version,
        last=builder.last,
        applied=builder.applied,
        completed=builder.completed,
        accepted=builder.accepted,
        started=builder.started,
        failed=builder.failed,
        begun=builder.begun,
        checkpoint=builder.checkpoint,
        paused=builder.paused,
        outdated=builder.outdated,
        made_pending=builder.made_pending,
    )
