"""Runs the program squawk over SQL files: many files in one call, and its findings as remarks about their places.

squawk's exit code says nothing: 1 stands for findings and for failure alike. What counts is the JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.lint import reduced, squawk_filter
from zmig.lint.rules import DECIDED_BY_ZMIG, RULES
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.lint.finding import Remark
    from zmig.lint.reduced import Reduced
    from zmig.lint.sql_file import SqlFile

_SECONDS = 300
_FILES_A_CALL = 500
"""Fewer than the longest command line takes; calls run side by side."""
_PLAIN_PATH = re.compile(r"[^-*?\[\]{}!\\][^*?\[\]{}!\\]*")
"""A path that squawk takes neither for an option nor for a pattern."""


class Job(NamedTuple):
    """A file, and how the server will run it."""

    file: SqlFile
    is_transactional: bool
    postgres_version: int | None


@valueclass
class SquawkReport:
    """What squawk said of files, each known by its `id`."""

    remarks: dict[int, list[Remark]] = field(default_factory=dict[int, "list[Remark]"])
    unread: dict[int, SqlFile] = field(default_factory=dict[int, "SqlFile"])
    """The files with syntax that it does not know; of those it says nothing else."""
    unknown: dict[str, int] = field(default_factory=dict[str, int])
    """How often it found something by a rule that zmig does not know."""


@dataclass(slots=True)
class _Call:
    """One running call, over files that are run in the same way."""

    jobs: dict[str, tuple[SqlFile, Reduced]]
    """The files, by the path that squawk was given."""
    out: Path
    process: subprocess.Popen[bytes]


class SquawkFailed(Exception):
    """squawk could not be run, or its answer not be read; the text says why."""


def find() -> str | None:
    """Return the path of the program: beside this interpreter, else on the PATH; None where there is none."""
    beside = shutil.which("squawk", path=os.fspath(Path(sys.executable).parent))
    return beside or shutil.which("squawk")


class Squawk:
    """Calls that were begun, so that others can work while they run."""

    def __init__(self, program: str, *, include: Sequence[str] = ()) -> None:
        self._program = program
        self._include = include
        self._folder = tempfile.TemporaryDirectory(prefix="zmig-lint-")
        self._calls: list[_Call] = []
        self._written = 0

    def begin(self, jobs: Iterable[Job]) -> None:
        """Begin to check files. Raises SquawkFailed."""
        groups: dict[tuple[bool, int | None], list[SqlFile]] = {}
        for job in jobs:
            groups.setdefault((job.is_transactional, job.postgres_version), []).append(job.file)
        for (is_transactional, version), files in groups.items():
            self._begin(files, is_transactional=is_transactional, postgres_version=version)

    def _begin(self, files: list[SqlFile], *, is_transactional: bool, postgres_version: int | None) -> None:
        command = [self._program, "--config", os.devnull, "--reporter", "json"]
        command += ["--assume-in-transaction"] if is_transactional else []
        command += [f"--pg-version={postgres_version}"] if postgres_version else []
        command += [f"--include={rule}" for rule in self._include]
        for start in range(0, len(files), _FILES_A_CALL):
            jobs = {path: job for file in files[start : start + _FILES_A_CALL] for path, job in self._jobs(file)}
            out = Path(self._folder.name, f"{len(self._calls)}.json")
            try:
                with out.open("wb") as stdout:
                    process = subprocess.Popen(
                        [*command, *jobs], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
                    )
            except OSError as error:
                raise SquawkFailed(error.strerror or str(error)) from None
            self._calls.append(_Call(jobs, out, process))

    def _jobs(self, file: SqlFile) -> Iterator[tuple[str, tuple[SqlFile, Reduced]]]:
        """Yield the paths to check for a file: its own, where squawk reads there just what it should."""
        for left in reduced.reduce(file):
            if left.text == file.source.text and _PLAIN_PATH.fullmatch(file.path):
                path = file.path
            else:
                self._written += 1
                path = str(Path(self._folder.name, f"{self._written}.sql"))
                Path(path).write_bytes(left.text.encode())
            yield path, (file, left)

    def end(self) -> SquawkReport:
        """Return what was found. Raises SquawkFailed."""
        said = SquawkReport()
        try:
            for call in self._calls:
                for answer in _answers(call):
                    _note(said, call, answer)
        finally:
            self.close()
        return said

    def close(self) -> None:
        """End what still runs, and remove the files that were written."""
        for call in self._calls:
            if call.process.poll() is None:
                call.process.kill()
                call.process.wait()
            if call.process.stderr is not None:
                call.process.stderr.close()
        self._folder.cleanup()


def _answers(call: _Call) -> Iterator[dict[str, object]]:
    try:
        _, complaint = call.process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise SquawkFailed(f"it did not end within {_SECONDS} seconds") from None
    try:
        answers: object = json.loads(call.out.read_bytes() or b"null")
    except ValueError:
        answers = None
    if not isinstance(answers, list):
        said = complaint.decode(errors="replace").strip().splitlines()
        raise SquawkFailed(said[0] if said else f"it ended with exit code {call.process.returncode}")
    yield from (cast("dict[str, object]", one) for one in cast("list[object]", answers) if isinstance(one, dict))


def _note(said: SquawkReport, call: _Call, answer: dict[str, object]) -> None:
    """Take note of one finding, unless it is by a rule whose matter zmig decides itself."""
    file, left = call.jobs[str(answer["file"])]
    rule = f"squawk/{answer['rule_name']}"
    if rule == "squawk/syntax-error":
        said.unread[id(file)] = file
    elif rule in RULES:
        start = left.origin(_number(answer, "line"), _number(answer, "column"))
        end = left.origin(_number(answer, "line_end"), _number(answer, "column_end"))
        remark = squawk_filter.remark(file, rule, answer, start, max(start + 1, end))
        said.remarks.setdefault(id(file), []).append(remark)
    elif (name := rule.removeprefix("squawk/")) not in DECIDED_BY_ZMIG:
        said.unknown[name] = said.unknown.get(name, 0) + 1


def _number(answer: dict[str, object], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) else 0
