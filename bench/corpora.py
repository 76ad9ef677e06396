"""How right `zmig lint` is on real histories, with the server as judge: `python -m bench.corpora FOLDER...`.

Each folder is a project of another migration tool, which is imported into a copy first, or has a manifest of zmig's.
What lint says of a statement without a server is confirmed where the server does that work when it runs the statement,
on a table that was there before; work of which it says nothing is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import ZmigError
from zmig.lint.finding import Severity
from zmig.lint.registry import RULES
from zmig.lint.rule import WORK, Danger
from zmig.lint.run import lint
from zmig.process.interrupts import Interrupts
from zmig.valueclass import field, slotted
from zmig.verification import trial_remarks, trying

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.base import Comparison
    from zmig.lint.entries import Gathered
    from zmig.lint.finding import Finding
    from zmig.lint.tried import Ran, TrialReport, Tried

_JUDGED = (*WORK, Danger.FAILURE)


@slotted
class Figures:
    """What was counted in all folders."""

    tried: int = 0
    """Migrations that the server carried out."""
    untried: int = 0
    undone: int = 0
    """Rollbacks that the server carried out to their end."""
    said: Counter[tuple[str, Severity]] = field(default_factory=Counter[tuple[str, Severity]])
    """All findings of lint without a server, by rule and how much they matter."""
    confirmed: Counter[str] = field(default_factory=Counter[str])
    """Findings of lint without a server, by rule: those whose work the server does."""
    refuted: Counter[str] = field(default_factory=Counter[str])
    """The others, of statements that the server carried out."""
    found: Counter[tuple[Danger, bool]] = field(default_factory=Counter[tuple[Danger, bool]])
    """What the server does and lint said without one, by statement, and whether that is in a rollback."""
    missed: Counter[tuple[Danger, bool]] = field(default_factory=Counter[tuple[Danger, bool]])
    """What the server does and lint did not say."""
    places: list[str] = field(default_factory=list[str])
    """Where something was missed, or refuted."""


def main() -> None:
    """Measure the folders that are named, and print what was counted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--scratch-url", help="the server that judges (without it: a private one)")
    parser.add_argument("--places", action="store_true", help="print where something was missed or refuted")
    options = parser.parse_args()
    figures = Figures()
    for folder in options.folders:
        with tempfile.TemporaryDirectory() as copy:
            try:
                _measure(_manifest(folder, Path(copy)), options.scratch_url, figures)
            except (ZmigError, subprocess.CalledProcessError, LookupError) as error:
                sys.stderr.write(f"{folder}: not measured: {error}\n")
    places = ["", *figures.places] if options.places else []
    sys.stdout.write("\n".join((*lines(figures), *places)) + "\n")


def _manifest(folder: Path, copy: Path) -> Path:
    """Return the manifest of a copy of a project, imported where it has none."""
    place = copy / folder.name
    shutil.copytree(folder, place)
    known = sorted(place.glob("manifests/*.yaml"))
    if not known:
        command = [sys.executable, "-m", "zmig", "import", ".", "--write"]
        subprocess.run(command, cwd=place, check=True, capture_output=True)
        known = sorted(place.glob("manifests/*.yaml"))
    if not known:
        raise LookupError("it has no manifest, and nothing could be imported")
    return known[0]


def _measure(manifest: Path, scratch_url: str | None, figures: Figures) -> None:
    trials: list[TrialReport] = []

    def trial(gathered: Gathered, compared: Comparison | None) -> TrialReport:
        task = trying.task(gathered, compared, base=None, names=(), scratch_url=scratch_url, environ=os.environ)
        if task is None:
            return trial_remarks.not_readable()
        made = trying.try_out(task, interrupts=Interrupts(), hear=lambda _migration, _what: None)
        trials.append(trial_remarks.of_trial(made, gathered.entries, [one.version for one in task.chosen]))
        return trials[-1]

    lint([manifest], environ=os.environ, trial=trial)
    read = lint([manifest], environ=os.environ)
    figures.said.update((one.rule, one.severity) for one in read.findings)
    for report in trials:
        for reason in report.missing:
            sys.stderr.write(f"{manifest.parent.parent.name}: {reason}\n")
        figures.tried += len(report.by_version)
        figures.untried += read.migrations - len(report.by_version)
        by_file: dict[str, list[Finding]] = {}
        for one in read.findings:
            by_file.setdefault(one.file, []).append(one)
        for tried in report.by_version.values():
            files = {ran.source.label for ran in tried.ran}
            judge(tried, [one for file in sorted(files) for one in by_file.get(file, ())], figures)


def judge(tried: Tried, findings: Sequence[Finding], figures: Figures) -> None:
    """Count what of the findings about one entry the server confirms, and what it does that they do not say."""
    for ran in tried.ran:
        shown = {danger for one in tried.remarks if ran.holds(one) for danger in RULES[one.rule].dangers}
        said = list(_about(ran, findings))
        _count(ran, said, shown.intersection(_JUDGED), figures)
    if tried.is_undone is not None:
        _count_undone(tried, findings, figures)


def _count_undone(tried: Tried, findings: Sequence[Finding], figures: Figures) -> None:
    """Count what is said of the end of a rollback, where the server has reached it."""
    figures.undone += 1
    labels = {ran.source.label for ran in tried.ran}
    said = [one for one in findings if Danger.UNDONE in RULES[one.rule].dangers and one.file in labels]
    shown = [one for one in tried.remarks if Danger.UNDONE in RULES[one.rule].dangers]
    for one in said:
        (figures.confirmed if shown else figures.refuted)[one.rule] += 1
        if not shown:
            figures.places.append(f"refuted {one.rule} {one.file}:{one.line}")
    if shown:
        (figures.found if said else figures.missed)[Danger.UNDONE, True] += 1
        if not said:
            line, _ = shown[0].source.line_and_column(shown[0].start)
            figures.places.append(f"missed {Danger.UNDONE} {shown[0].source.label}:{line}")


def _about(ran: Ran, findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings about a statement that mean work of the server's."""
    for one in findings:
        if one.file == ran.source.label and not {*_JUDGED}.isdisjoint(RULES[one.rule].dangers):
            start = ran.source.offset_of_line(one.line) + one.column - 1
            if ran.start <= start < max(ran.end, ran.start + 1):
                yield one


def _count(ran: Ran, said: Sequence[Finding], done: set[Danger], figures: Figures) -> None:
    line, _ = ran.source.line_and_column(ran.start)
    for one in said:
        is_confirmed = not done.isdisjoint(RULES[one.rule].dangers)
        (figures.confirmed if is_confirmed else figures.refuted)[one.rule] += 1
        if not is_confirmed:
            figures.places.append(f"refuted {one.rule} {ran.source.label}:{line}")
    known = {danger for one in said for danger in RULES[one.rule].dangers}
    for danger in _JUDGED:
        if danger in done:
            (figures.found if danger in known else figures.missed)[danger, ran.is_rollback] += 1
            if danger not in known:
                figures.places.append(f"missed {danger} {ran.source.label}:{line}")


def lines(figures: Figures) -> Iterator[str]:
    """Yield the tables as they are in documents."""
    yield f"{figures.tried} migrations tried, {figures.untried} could not be"
    yield f"{figures.undone} rollbacks were done to their end"
    yield ""
    yield "| what lint says without the server | errors | warnings | notes |"
    yield "| --- | ---: | ---: | ---: |"
    by_weight = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    for rule in sorted({rule for rule, _ in figures.said}):
        yield f"| `{rule}` | {' | '.join(str(figures.said[rule, severity]) for severity in by_weight)} |"
    sums = [sum(count for (_, one), count in figures.said.items() if one is severity) for severity in by_weight]
    yield f"| all | {' | '.join(map(str, sums))} |"
    yield ""
    yield "| rule | confirmed | refuted |"
    yield "| --- | ---: | ---: |"
    for rule in sorted(figures.confirmed | figures.refuted):
        yield f"| `{rule}` | {figures.confirmed[rule]} | {figures.refuted[rule]} |"
    confirmed, refuted = sum(figures.confirmed.values()), sum(figures.refuted.values())
    yield f"| all ({_percent(confirmed, refuted)} confirmed) | {confirmed} | {refuted} |"
    yield ""
    yield "| what the server shows | found | missed | found in rollbacks | missed in rollbacks |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for danger in (*_JUDGED, Danger.UNDONE):
        counts = [
            kind[danger, is_rollback] for is_rollback in (False, True) for kind in (figures.found, figures.missed)
        ]
        yield f"| {_WORDS[danger]} | {' | '.join(map(str, counts))} |"


_WORDS = {
    Danger.REWRITE: "a table is written anew",
    Danger.SCAN: "all rows are read",
    Danger.BUILD: "an index is built",
    Danger.FAILURE: "it fails as soon as a table holds a row",
    Danger.UNDONE: "something is left",
}


def _percent(part: int, rest: int) -> str:
    return f"{100 * part / (part + rest):.0f} %" if part + rest else "none"


if __name__ == "__main__":
    main()
