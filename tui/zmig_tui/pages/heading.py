"""The lines at the top: the manifest and its database, the states, who holds the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.model import Environment
from zmig.other_tools.history_tables import MARKS
from zmig.presentation import words
from zmig.presentation.spans import Line, Span, Tone
from zmig.text import listing
from zmig.text.terminal import shortened
from zmig.valueclass import valueclass
from zmig_tui.text import fitted, joined, line, span, spread, width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.database.lock_holder import LockHolder
    from zmig.planning.plan import Refusal
    from zmig.planning.state import State
    from zmig.session.watcher import Observation

_ENVIRONMENT_TONES = {
    Environment.PRODUCTION: Tone.ALARM,
    Environment.STAGING: Tone.WARN,
    Environment.DEVELOPMENT: Tone.GOOD,
    Environment.TEST: Tone.GOOD,
}

_URGENT = (Tone.WARN, Tone.BAD, Tone.ALARM)
_LEAST_SERVER_CELLS = 12
_MOST_IDS = 3
_MOST_NAMES = 2
_MOST_FINDINGS = 3
"""Kinds of findings that are counted one by one."""


def environment_badge(value: Environment) -> Span:
    """Return an environment as it is shown everywhere: production as a block that cannot be overlooked."""
    return span(f" {value.value.upper()} ", _ENVIRONMENT_TONES[value])


@valueclass
class Heading:
    """Everything the top of the screen shows."""

    manifest: str
    """How the manifest was named."""
    _: KW_ONLY
    observation: Observation | None = None
    counts: Mapping[State, int] | None = None
    findings: Mapping[str, int] | None = None
    """How many migrations have each finding that somebody has to look at, by its label."""
    refusals: Sequence[Refusal] = ()
    """What forbids an apply."""
    shown: int = 0
    """How many rows the table shows."""
    filter: str = ""
    held_seconds: float | None = None
    """How long the run that holds the lock has been going on, where that is known."""
    silent_seconds: float = 0.0
    """How long the database has not answered; 0 while it does."""
    is_unusable: bool = False
    """Whether the manifest has errors."""
    is_read_only: bool = False
    """Whether nothing is changed from this console."""

    def lines(self, cells: int, *, most: int = 3) -> list[Line]:
        """Return the heading in lines of `cells`; of two lines the second is what needs attention most."""
        lines = [self._first(cells), self._second(cells), self._third(cells)]
        if most < len(lines):
            lines.pop(1 if any(piece.tone in _URGENT for piece in lines[2]) else 2)
        return [fitted(line, cells) for line in lines]

    def _first(self, cells: int) -> Line:
        name = line(Span(" zmig ", Tone.MARK), span(" READ-ONLY ", Tone.WARN) if self.is_read_only else "")
        if self.observation is None:
            return line(*name, " ", span(self.manifest, Tone.STRONG))
        status = self.observation.status
        left = line(*name, " ", span(status.manifest, Tone.STRONG), span(f"  {self.manifest}", Tone.QUIET))
        where = line(environment_badge(status.environment), " ", span(status.database, Tone.STRONG), " on ")
        room = cells - width(left) - width(where) - 2
        server = shortened(self.observation.server, max(room, _LEAST_SERVER_CELLS))
        right = (*where, span(f"{server} ", Tone.QUIET))
        return spread(fitted(left, cells - width(right) - 1), right, cells)

    def _second(self, cells: int) -> Line:
        if self.observation is None or self.counts is None:
            return line(span(" the manifest cannot be used" if self.is_unusable else " connecting …", Tone.QUIET))
        version = line(span(" version ", Tone.QUIET), span(str(self.observation.status.current_version), Tone.STRONG))
        standby = self.observation.status.standby
        if standby is not None:
            lag = f", {standby.replay_lag_seconds:.0f} s behind" if standby.replay_lag_seconds else ""
            version = (*version, span(f"  standby{lag}", Tone.WARN))
        parts = [version] + [
            (
                Span(
                    f"{words.GLYPHS[state]} {number:,} {words.state(state)}",
                    words.TONES[state] if number else Tone.QUIET,
                ),
            )
            for state, number in self.counts.items()
            if number or state.value in ("done", "pending")
        ]
        parts += self._findings()
        due = len(self.observation.status.due)
        if due:
            parts.append((Span(f"↻ {due} due", Tone.ACCENT),))
        left = joined(parts)
        if self.filter:
            return spread(left, line(span(f"/{self.filter}", Tone.ACCENT), f"  {self.shown:,} shown "), cells)
        return left

    def _findings(self) -> list[Line]:
        """Return how many migrations are not as they should be, whatever their states."""
        counts = self.findings or {}
        if len(counts) > _MOST_FINDINGS:
            return [(Span(f"≠ {words.counted(sum(counts.values()), 'finding')}", Tone.WARN),)]
        return [(Span(f"≠ {number:,} {label}", Tone.WARN),) for label, number in counts.items()]

    def _third(self, cells: int) -> Line:
        if self.silent_seconds:
            seconds = words.clock(self.silent_seconds)
            consequence = "; what is shown may be old" if self.observation is not None else ""
            return line(" ", span(f" no answer from the database for {seconds}{consequence} ", Tone.ALARM))
        if self.observation is None:
            return ()
        holder = self.observation.status.holder
        if holder is None:
            return line(*self._readiness(), *self._tools(), *self._drift())
        return _lock(holder, self.held_seconds, is_zombie=self.observation.is_zombie)

    def _readiness(self) -> Line:
        """Return whether an apply may run."""
        if not self.refusals:
            return line(span(" lock free", Tone.QUIET))
        reasons = words.counted(len(self.refusals), "reason")
        names = listing.first([refusal.name for refusal in self.refusals], _MOST_NAMES)
        return line(span(f" ≠ apply is refused: {reasons}", Tone.WARN), span(f"  {names}", Tone.PLAIN))

    def _tools(self) -> Line:
        """Return what other migration tools have in the database that matters here."""
        if self.observation is None:
            return ()
        seen = self.observation.tools
        spans: list[Span] = []
        for used in seen.used:
            title = MARKS[used.tool].title
            if used.ids:
                spans.append(span(f"   ! somebody still runs {title}", Tone.WARN))
                spans += (span(" (zmig import): ", Tone.QUIET), span(listing.first(used.ids, _MOST_IDS), Tone.PLAIN))
            if used.taken_back:
                spans.append(span(f"   ! {title} has taken back", Tone.WARN))
                names = listing.first(used.taken_back, _MOST_IDS)
                spans += (span(" (zmig status): ", Tone.QUIET), span(names, Tone.PLAIN))
        if (there := seen.not_imported) is not None:
            spans.append(span(f"   ! {MARKS[there.tool].title}'s history is not imported", Tone.WARN))
            spans += (span(" (zmig import): ", Tone.QUIET), span(there.table, Tone.PLAIN))
        for tool, count in seen.kept.items():
            title = MARKS[tool].title if tool in MARKS else tool
            rows = words.counted(count, "row")
            spans.append(span(f"   {rows} of {title} in the history alone (zmig history)", Tone.QUIET))
        return tuple(spans)

    def _drift(self) -> Line:
        """Return what others have changed in the schema since the last run."""
        schema = self.observation.status.schema if self.observation is not None else None
        if schema is None or not schema.is_drift:
            return ()
        changed = span(f"   ≠ {schema.count} changed since the last run", Tone.WARN)
        return (changed, span(" (zmig drift): ", Tone.QUIET), span(schema.names, Tone.PLAIN))


def _lock(holder: LockHolder, held_seconds: float | None, *, is_zombie: bool) -> Line:
    who = [f"backend {holder.pid}"]
    if held_seconds is not None:
        who.append(f"for {words.clock(held_seconds)}")
    if holder.database_user:
        who.append(f"{holder.database_user}@{holder.host or 'local'}")
    if holder.application_name:
        who.append(holder.application_name)
    head = span(" ZOMBIE ", Tone.ALARM) if is_zombie else span("▶ lock held", Tone.BUSY)
    tail = span("  its client is gone: press C to terminate it", Tone.BAD) if is_zombie else span("")
    return line(" ", head, span(f" by {', '.join(who)}", Tone.PLAIN), tail)
