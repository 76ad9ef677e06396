"""What was seen in a trial as remarks about the files of entries, in the words of lint. Pure."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from zmig.catalog.objects import major
from zmig.lint.finding import Remark, Severity
from zmig.lint.replay.effects import ScanCause
from zmig.lint.rules.locks import COMMAND_HINTS, SCAN_HINTS
from zmig.lint.tried import Ran, TrialReport, Tried
from zmig.presentation.words import counted
from zmig.text import listing
from zmig.valueclass import replace, valueclass
from zmig.verification import report
from zmig.verification.round_trips import Stage
from zmig.verification.watching import ACCESS_EXCLUSIVE, SHARE, Sign, stops_writes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from dataclasses import KW_ONLY

    from zmig.errors import Problem
    from zmig.lint.entries import Entry
    from zmig.lint.finding import Finding
    from zmig.lint.sql_file import FileStatement
    from zmig.text.places import Source
    from zmig.verification.round_trips import Proof
    from zmig.verification.trying import Trial
    from zmig.verification.watching import Seen, Touched

_EMPTIES = re.compile(r"\btruncate\b", re.IGNORECASE)
_DOMAIN = re.compile(r"\bdomain\b", re.IGNORECASE)
_PARTITION = re.compile(r"\bpartition\s+of\b", re.IGNORECASE)
_TABLESPACE = re.compile(r"\btablespace\b", re.IGNORECASE)
_CONCURRENTLY = re.compile(r"\bconcurrently\b", re.IGNORECASE)
_LOCKS = {
    "AccessExclusive": "access exclusive",
    "Exclusive": "exclusive",
    "ShareRowExclusive": "share row exclusive",
    "Share": "share",
}
_REWRITE_HINT = "add a new column without a default, fill it in batches, and let clients move to it"
_BUILD_HINT = "build it with `create index concurrently`, in a migration of its own"
_REINDEX_HINT = "write `reindex ... concurrently`, in a migration of its own"
_REQUIRED_HINT = "give the column a default, or add it without `not null` and fill it in batches"
_REFUSED = "not everything could be tried, since `zmig apply` would refuse a file as it is"
_LOCK_HINT = "keep it in a migration of its own, which ends soon, and let `lock_timeout` be short"


@valueclass
class _Place:
    """Where a statement is, and what it says."""

    source: Source
    start: int
    end: int
    text: str
    verb: str

    def remark(
        self, rule: str, message: str, hint: str, facts: tuple[str, ...] = (), severity: Severity | None = None
    ) -> Remark:
        return Remark(rule, message, hint, self.source, start=self.start, end=self.end, facts=facts, severity=severity)


@valueclass
class _Work:
    """What the server did with a table that was there before, while nobody could write it."""

    rule: str
    table: str
    what: str
    """What it did, in words."""
    _: KW_ONLY
    mode: str
    hint: str
    is_check: bool = False
    """Whether rows were read to check them by themselves, such as for a column that must not be null."""


@valueclass
class _Step:
    """A statement with what it did."""

    seen: Seen
    place: _Place
    works: tuple[_Work, ...]
    emptied: frozenset[str] = frozenset()
    """Tables that the run has emptied so far, so that there is nothing in them that takes time, or is in the way."""


def not_readable() -> TrialReport:
    """Return the report where nothing can be run, for reasons that are findings themselves."""
    return TrialReport(missing=("nothing was tried, since not every file can be read",), is_whole=False)


def of_trial(trial: Trial, entries: Sequence[Entry], chosen: Sequence[int]) -> TrialReport:
    """Return the report of what was tried of these entries."""
    by_version = {entry.version: entry for entry in entries}
    proofs = {proof.migration.version: proof for proof in trial.proofs}
    missing, is_whole = [*filter(None, (trial.remark,))], True
    stopped = trial.stopped
    if trial.refused is not None:
        missing.append(_REFUSED)
        is_whole = trial.refused
    if stopped is not None:
        if stopped.migration.version in chosen and not _lacks_something(stopped):
            proofs[stopped.migration.version] = stopped
        else:
            assert stopped.problem is not None
            missing.append(_not_tried(stopped.problem))
            is_whole = False
        if trial.left:
            missing.append(f"{counted(trial.left, 'migration')} after `{stopped.migration.name}` could not be tried")
    tried: dict[int, Tried] = {}
    for version, proof in proofs.items():
        seen = [one for one in trial.seen if one.migration.version == version]
        tried[version] = _of_entry(by_version[version], proof, seen, trial.server_version)
    return TrialReport(tried, tuple(missing), is_whole, trial.server_version)


def _lacks_something(stopped: Proof) -> bool:
    """Whether it is the scratch server that lacks what the migration needs."""
    return stopped.problem is not None and _is_of_server(stopped.problem)


def _is_of_server(problem: Problem) -> bool:
    return any(words in str(problem.hint) for words in ("--scratch-url", "on the scratch server"))


def _not_tried(problem: Problem) -> str:
    hint = f"; {problem.hint}" if _is_of_server(problem) else ""
    return f"not everything could be tried: on the scratch server {problem.message}{hint}"


def _of_entry(entry: Entry, proof: Proof, seen: Sequence[Seen], version: int) -> Tried:
    steps: list[_Step] = []
    for is_rollback, group in groupby(seen, key=lambda one: one.is_rollback):
        steps += _steps(entry, [*group], is_rollback=is_rollback)
    remarks = [remark for step in steps for remark in _of_step(step, version)]
    remarks += _of_locks(entry, steps)
    remarks += _of_proof(entry, proof)
    ran = tuple(
        Ran(
            one.place.source,
            one.place.start,
            one.place.end,
            bool(one.works) or _depends_on_storage(one.place),
            one.seen.is_rollback,
        )
        for one in steps
    )
    failed = tuple(_refused(entry, remarks))
    is_undone = None
    if proof.failed_at not in (Stage.APPLY, Stage.ROLL_BACK) and proof.migration.is_reversible:
        is_undone = not any(one.rule == "verify/left" for one in remarks)
    return Tried(tuple(remarks), ran, failed, is_undone)


def _depends_on_storage(place: _Place) -> bool:
    """Whether it matters where tables are stored, which is elsewhere on a scratch server."""
    return _TABLESPACE.search(place.text) is not None


def _refused(entry: Entry, remarks: Iterable[Remark]) -> Iterator[Ran]:
    """Yield the statements in which something failed."""
    for one in remarks:
        if one.rule in ("try/fails", "verify/rollback-failed"):
            file = next((file for file, _ in entry.sql_files if file.source is one.source), None)
            statement = None if file is None else file.statement_at(one.start)
            if statement is not None:
                yield Ran(one.source, statement.start, statement.end, has_work=False)


def _steps(entry: Entry, seen: Sequence[Seen], *, is_rollback: bool) -> Iterator[_Step]:
    """Yield the statements of one run with what they did; a table that one of them has emptied is not worth a word."""
    emptied = set[str]()
    for one in seen:
        place = _place(entry, one, is_rollback=is_rollback)
        if place is None:
            continue
        if _EMPTIES.search(place.text) or entry.sql is None:
            said = {work.table for work in one.said if work.sign is Sign.REWRITES}
            emptied |= {table.table for table in one.touched if table.has_new_storage and table.table not in said}
        works = (work for work in _works(one, place) if work.table not in emptied)
        yield _Step(one, place, tuple(works), frozenset(emptied))


def _place(entry: Entry, seen: Seen, *, is_rollback: bool) -> _Place | None:
    """Return where a statement is; None where the file is not looked at so far."""
    file = entry.rollback if is_rollback and entry.rollback is not None else entry.sql
    if seen.number is None or file is None:
        source = entry.python
        if source is None:
            return None
        start, text = source.offset_of_line(seen.line), source.line_text(seen.line)
        start += len(text) - len(text.lstrip())
        return _Place(source, start, start + len(text.strip()), text, "")
    statement: FileStatement | None = next((one for one in file.statements if one.raw.number == seen.number), None)
    if statement is None:
        return None
    return _Place(file.source, statement.start, statement.end, statement.text, statement.verb)


def _works(seen: Seen, place: _Place) -> Iterator[_Work]:
    """Yield what a statement did under a lock that stops writes; of a table that was rewritten, that alone."""
    modes = {one.table: _mode(seen, one, place) for one in seen.touched}
    views = {one.table for one in seen.touched if one.is_view}
    rewritten = {one.table for one in seen.said if one.sign is Sign.REWRITES}
    rewritten |= {one.table for one in seen.touched if one.has_new_storage}
    for table in sorted(rewritten):
        what = f"`{table}` is {'computed' if table in views else 'written'} anew"
        hint = COMMAND_HINTS.get(place.verb, _REWRITE_HINT)
        yield _Work("try/rewrite", table, what, mode=modes.get(table) or ACCESS_EXCLUSIVE, hint=hint)
    known = set[tuple[str, str]]()
    for one in seen.said:
        mode = modes.get(one.table)
        if not seen.in_transaction and one.sign is Sign.BUILDS and not _CONCURRENTLY.search(place.text):
            mode = SHARE
        if one.table in rewritten or one.sign is Sign.REWRITES or mode is None or not stops_writes(mode):
            continue
        known.add((one.table, one.sign))
        yield _said(one.sign, one.table, one.subject, mode, place)
    for one in seen.touched:
        if one.table not in rewritten and _is_read_in_silence(seen, one, place, known):
            cause = ScanCause.DEFAULT_PARTITION if one.is_default_partition else ScanCause.CHECK
            what = f"every row of `{one.table}` is read"
            yield _Work("try/scan", one.table, what, mode=str(one.held), hint=SCAN_HINTS[cause])


def _said(sign: Sign, table: str, subject: str | None, mode: str, place: _Place) -> _Work:
    if sign is Sign.BUILDS:
        hint = _REINDEX_HINT if place.verb == "reindex" else _BUILD_HINT
        return _Work("try/index-build", table, f"the index `{subject}` of `{table}` is built", mode=mode, hint=hint)
    what = f"every row of `{table}` is read"
    if sign is Sign.VALIDATES:
        what = f"every row of `{table}` is looked up for the foreign key `{subject}`"
    return _Work("try/scan", table, what, mode=mode, hint=SCAN_HINTS[ScanCause.CHECK], is_check=sign is Sign.READS)


def _is_read_in_silence(seen: Seen, one: Touched, place: _Place, known: set[tuple[str, str]]) -> bool:
    """Whether a table is read of which the server says nothing: for the check of a domain, or a default partition."""
    if one.new == SHARE and _DOMAIN.search(place.text):
        return (one.table, Sign.BUILDS) not in known
    is_for_partition = one.is_default_partition and one.new == ACCESS_EXCLUSIVE and _PARTITION.search(place.text)
    return bool(is_for_partition) and not seen.is_partition_proved and (one.table, Sign.READS) not in known


def _mode(seen: Seen, one: Touched, place: _Place) -> str | None:
    """Return the lock under which a statement worked; outside of a transaction it is gone when it could be seen."""
    if seen.in_transaction or _CONCURRENTLY.search(place.text):
        return one.held
    return ACCESS_EXCLUSIVE if one.has_new_storage else one.held


def _of_step(step: _Step, version: int) -> Iterator[Remark]:
    seen, place = step.seen, step.place
    required = {one.table: one.required for one in seen.touched if one.required and one.table not in step.emptied}
    for work in step.works:
        if work.is_check and work.table in required:
            continue  # it is read for what fails
        nobody = "read or write" if work.mode == ACCESS_EXCLUSIVE else "write"
        message = f"{work.what}, and nobody can {nobody} {'it' if work.table in work.what else 'that'} meanwhile"
        facts = (f"PostgreSQL {major(version)} did so on a scratch database", *_held_beside(seen, work))
        yield place.remark(work.rule, message, work.hint, facts)
    for table, columns in required.items():
        names = listing.quoted(columns, 5)
        are = f"column {names} of `{table}` must not be null and has" if len(columns) == 1 else ""
        are = are or f"columns {names} of `{table}` must not be null and have"
        message = f"the new {are} no default, so this fails as soon as the table holds a row"
        yield place.remark("try/fails", message, _REQUIRED_HINT)


def _held_beside(seen: Seen, work: _Work) -> Iterator[str]:
    """Yield what else is kept waiting as long as that."""
    others = [one.table for one in seen.touched if one.table != work.table and stops_writes(one.held)]
    if others:
        yield f"locked as long: {listing.quoted(others, 5)}"


def _of_locks(entry: Entry, steps: Sequence[_Step]) -> Iterator[Remark]:
    """Yield the locks that stop others and are held for no work of their own, once for each transaction."""
    for is_rollback in (False, True):
        run = [step for step in steps if step.seen.is_rollback is is_rollback]
        is_one = entry.is_transactional or entry.sql is None or is_rollback
        for part in [run] if is_one else [[step] for step in run]:
            locked = [step for step in part if _idle_locks(step)]
            if locked:
                yield _locked(locked, _last_kept(part[part.index(locked[0]) + 1 :], locked[0]))


def _idle_locks(step: _Step) -> list[Touched]:
    """Return what a statement locked for others without any work; nothing where it worked on another table."""
    if step.works:
        return []
    return [one for one in step.seen.touched if stops_writes(one.new) and not one.has_new_storage]


def _last_kept(later: Iterable[_Step], first: _Step) -> _Step | None:
    """Return the last statement after a lock for which others wait longer: one that works, or locks another table."""
    tables = {one.table for one in _idle_locks(first)}
    kept = None
    for step in later:
        if step.works or any(stops_writes(one.new) and one.table not in tables for one in step.seen.touched):
            kept = step
    return kept


def _locked(steps: Sequence[_Step], kept_by: _Step | None) -> Remark:
    first, locks = steps[0], _idle_locks(steps[0])
    strongest = [one for one in locks if one.new == ACCESS_EXCLUSIVE] or locks
    names = listing.quoted([one.table for one in strongest], 5)
    are = "is" if len(strongest) == 1 else "are"
    it = "it" if len(strongest) == 1 else "them"
    nobody = "read or write" if strongest[0].new == ACCESS_EXCLUSIVE else "write"
    how_long = "for a moment" if kept_by is None else f"until line {_line(kept_by)} is done as well"
    facts = [
        f"`{one.table}`: {_LOCKS[str(one.new)]}" + ("" if step is first else f", from line {_line(step)} on")
        for step in steps
        for one in _idle_locks(step)
    ]
    severity = Severity.NOTE if kept_by is None or strongest[0].new != ACCESS_EXCLUSIVE else Severity.WARNING
    message = f"{names} {are} locked, and nobody can {nobody} {it} {how_long}"
    return first.place.remark("try/lock", message, _LOCK_HINT, tuple(facts), severity)


def _line(step: _Step) -> int:
    return step.place.source.line_and_column(step.place.start)[0]


def _of_proof(entry: Entry, proof: Proof) -> Iterator[Remark]:
    """Yield what is not undone, and what failed, in the words of `zmig verify`."""
    for finding in report.of_proof(proof):
        rule = "try/fails" if finding.rule == "verify/not-applied" else finding.rule
        yield _remark(entry, replace(finding, rule=rule))


def _remark(entry: Entry, finding: Finding) -> Remark:
    hint = finding.hint or "correct it, then try it again"
    sources = [file.source for file in (entry.rollback, entry.sql) if file is not None]
    sources += [] if entry.python is None else [entry.python]
    source = next((one for one in sources if one.label == finding.file), None)
    if source is None:
        return replace(entry.remark(finding.rule, "file", finding.message, str(hint)), facts=finding.facts)
    start = source.offset_of_line(finding.line) + finding.column - 1
    end = source.offset_of_line(finding.end_line) + finding.end_column - 1
    return Remark(
        finding.rule,
        finding.message,
        str(hint),
        source,
        start=start,
        end=max(end, start + 1),
        facts=finding.facts,
    )
