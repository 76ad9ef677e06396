"""What can be known of what a run in another process reports: its facts, its statements, and who blocks it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.facts import EventType, Fact
from zmig.planning import blocked_by
from zmig.presentation import words
from zmig.presentation.narration import statement_number
from zmig.presentation.spans import Tone
from zmig_tui.models.run_log import LogEntry, RunLog
from zmig_tui.text import one_line

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from zmig.session.watcher import Observation
    from zmig_tui.models.run import Run

_INDENT = "    "
_LOOK: dict[EventType, tuple[str, Tone]] = {
    EventType.STARTED: ("▶", Tone.BUSY),
    EventType.DONE: ("✓", Tone.GOOD),
    EventType.FAILED: ("✗", Tone.BAD),
    EventType.ROLLBACK_STARTED: ("▶ roll back", Tone.BUSY),
    EventType.ROLLED_BACK: ("✓ rolled back", Tone.GOOD),
    EventType.ROLLBACK_FAILED: ("✗ rollback of", Tone.BAD),
}


class RemoteLog:
    """The log of the run in another process that was seen last."""

    def __init__(self) -> None:
        self.log = RunLog()
        self._run_id: str | None = None
        self._facts: set[int] = set()
        self._statement: Hashable = None
        self._is_whole = False
        """Whether the facts of a run that is over were all looked for."""

    def observe(self, observation: Observation, run: Run | None, now: float) -> None:
        """Add what is new; `run` is the run in another process, and `now` is on its clock."""
        if run is None:
            return
        if run.run_id != self._run_id:
            self.log, self._run_id, self._statement = RunLog(), run.run_id, None
            self._facts.clear()
        # The last facts may have come while no run, or another one, was shown.
        is_first_after_end, self._is_whole = run.is_over and not self._is_whole, run.is_over
        if run.run_id is not None:
            for fact in self._new_facts(observation, run.run_id, looks_back=is_first_after_end):
                self._facts.add(fact.position)
                age = (observation.now - fact.created_at).total_seconds()
                self.log = self.log.adding(_entry(fact, now - age))
        if not run.is_over:
            self._observe_statement(run, now)
            self._observe_blockers(observation, now)

    def _new_facts(self, observation: Observation, run_id: str, *, looks_back: bool) -> list[Fact]:
        """Return the facts of the run that are not in the log, oldest first.

        At first, and where it `looks_back`, those that decide states are among them, however long ago they came.
        """
        records = (entry.record for entry in observation.status.migrations)
        known = (
            []
            if self._facts and not looks_back
            else [one for record in records if record is not None for one in _facts_of(record)]
        )
        found = {fact.position: fact for fact in (*known, *observation.new_facts) if fact.run_id == run_id}
        return [found[position] for position in sorted(found) if position not in self._facts]

    def _observe_statement(self, run: Run, now: float) -> None:
        current = run.current
        if current is None or current.line is None or current.statement is None:
            return
        key = ("statement", current.version, current.attempt, current.statement)
        if key != self._statement:
            self._statement = key
            place = statement_number(current.statement, current.statements).removeprefix("statement ")
            said = f"{_INDENT}{place}, line {current.line}"
            self.log = self.log.adding(LogEntry(now, said, Tone.QUIET, quoted=current.text, key=key))

    def _observe_blockers(self, observation: Observation, now: float) -> None:
        blockers = observation.work.blockers if observation.work is not None else ()
        if not blockers:
            return
        key = ("blocked", *(blocker.pid for blocker in blockers))
        names = "; ".join(words.backend(blocker.pid, blocker.backend, now=observation.now) for blocker in blockers)
        self.log = self.log.adding(LogEntry(now, f"{_INDENT}blocked by {names}", Tone.WARN, key=key, lasts=False))


def _facts_of(record: object) -> Iterator[Fact]:
    for name in ("started", "begun", "failed", "completed", "applied", "checkpoint", "paused", "last"):
        fact = getattr(record, name)
        if isinstance(fact, Fact):
            yield fact


def _entry(fact: Fact, at: float) -> LogEntry:
    milliseconds = fact.integer("duration_ms")
    took = words.duration(milliseconds / 1000) if milliseconds is not None else ""
    if fact.type is EventType.CHECKPOINT:
        rows, statement = fact.integer("rows"), fact.integer("statement")
        if rows is not None:
            said = f"round {fact.integer('rounds') or 0:,}: {rows:,} rows"
        else:
            said = f"statement {statement or '?'} of {fact.integer('statements') or '?'} is done"
        key = ("rounds", fact.name) if rows is not None else None
        return LogEntry(at, f"{_INDENT}{said}", took=took, key=key, lasts=rows is None)
    mark, tone = _LOOK.get(fact.type, (f"· {fact.type.label}", Tone.WARN))
    attempt = fact.integer("attempt") or 1
    again = f", attempt {attempt}" if attempt > 1 and fact.type is EventType.STARTED else ""
    reason = fact.error_message or fact.text("reason")
    blocked = "; ".join(blocked_by.sentences(blocked_by.of_fact(fact)))
    said = f"{mark} {fact.name}{again}" + "".join(f": {one_line(part)}" for part in (reason, blocked) if part)
    return LogEntry(at, said, tone, took=took)
