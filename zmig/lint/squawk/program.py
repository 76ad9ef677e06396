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
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.lint.registry import RULES
from zmig.lint.squawk import weighing
from zmig.lint.squawk.reading import squawk_inputs
from zmig.lint.squawk.rules import DECIDED_BY_ZMIG
from zmig.lint.squawk.weighing import SquawkReport
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.lint.sql_file import SqlFile
    from zmig.lint.squawk.reading import SquawkInput

_SECONDS = 300
_FILES_A_CALL = 500
"""Fewer than the longest command line takes; calls run side by side."""
_PLAIN_PATH = re.compile(r"[^-*?\[\]{}!\\][^*?\[\]{}!\\]*")
"""A path that squawk takes neither for an option nor for a pattern."""


_LACKING = re.compile(r"invalid rule name ([\w-]+)")


class Job(NamedTuple):
    """A file, and how the server will run it."""

    file: SqlFile
    is_transactional: bool
    postgres_version: int | None


class SquawkFailed(Exception):
    """squawk could not be run, or its answer not be read; the text says why."""


class _LackingRule(SquawkFailed):
    """squawk has no rule of a name that it was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"it has no rule `{name}`")
        self.name = name


def find() -> str | None:
    """Return the path of the program: beside this interpreter, else on the PATH; None where there is none."""
    beside = shutil.which("squawk", path=os.fspath(Path(sys.executable).parent))
    return beside or shutil.which("squawk")


def check(program: str, jobs: Iterable[Job], *, include: Sequence[str] = ()) -> SquawkReport:
    """Return what squawk finds in files; `include` names rules that it checks only where it is asked to.

    Those that it does not have are left out, and reported. Raises SquawkFailed.
    """
    jobs, wanted, lacking = [*jobs], [*include], list[str]()
    while True:
        try:
            report = _check(program, jobs, wanted)
        except _LackingRule as error:
            if error.name not in wanted:
                raise
            wanted.remove(error.name)
            lacking.append(error.name)
        else:
            return replace(report, lacking=lacking)


def _check(program: str, jobs: Iterable[Job], include: Iterable[str]) -> SquawkReport:
    alike: dict[tuple[bool, int | None], list[SqlFile]] = {}
    for job in jobs:
        alike.setdefault((job.is_transactional, job.postgres_version), []).append(job.file)
    report = SquawkReport()
    with tempfile.TemporaryDirectory(prefix="zmig-lint-") as folder, ExitStack() as ending:
        calls: list[_Call] = []
        for (is_transactional, version), files in alike.items():
            command = [program, "--config", os.devnull, "--reporter", "json"]
            command += ["--assume-in-transaction"] if is_transactional else []
            command += [f"--pg-version={version}"] if version else []
            command += [f"--include={rule}" for rule in include]
            for start in range(0, len(files), _FILES_A_CALL):
                some = files[start : start + _FILES_A_CALL]
                call = _Call(command, some, Path(folder, str(len(calls))), version)
                ending.callback(call.end)
                calls.append(call)
        for call in calls:
            for answer in call.answers():
                _add(report, answer, *call.inputs[str(answer["file"])], version=call.version)
    return report


class _Call:
    """One running call, over files that are run in the same way."""

    def __init__(self, command: Sequence[str], files: Iterable[SqlFile], folder: Path, version: int | None) -> None:
        self.version = version
        folder.mkdir()
        self.inputs: dict[str, tuple[SqlFile, SquawkInput]] = {}
        """The files, by the path that squawk is given."""
        for file in files:
            for given in squawk_inputs(file):
                # Squawk reads the file itself where that is just what it should see.
                path = file.path
                if given.text != file.source.text or not _PLAIN_PATH.fullmatch(path):
                    path = os.path.join(folder, f"{len(self.inputs)}.sql")  # noqa: PTH118 - of a thousand, it shows
                    with open(path, "wb") as copy:  # noqa: PTH123
                        copy.write(given.text.encode())
                self.inputs[path] = (file, given)
        self._out = folder / "answers.json"
        try:
            with self._out.open("wb") as stdout:
                self._process = subprocess.Popen(
                    [*command, *self.inputs], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
                )
        except OSError as error:
            raise SquawkFailed(error.strerror or str(error)) from None

    def answers(self) -> Iterator[dict[str, object]]:
        """Yield what squawk found, when it has ended. Raises SquawkFailed."""
        try:
            _, complaint = self._process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise SquawkFailed(f"it did not end within {_SECONDS} seconds") from None
        try:
            answers: object = json.loads(self._out.read_bytes() or b"null")
        except ValueError:
            answers = None
        if not isinstance(answers, list):
            lines = complaint.decode(errors="replace").strip().splitlines()
            if lines and (lacking := _LACKING.search(lines[0])):
                raise _LackingRule(lacking[1])
            raise SquawkFailed(lines[0] if lines else f"it ended with exit code {self._process.returncode}")
        yield from (cast("dict[str, object]", one) for one in cast("list[object]", answers) if isinstance(one, dict))

    def end(self) -> None:
        """End the program if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()


def _add(
    report: SquawkReport, answer: dict[str, object], file: SqlFile, given: SquawkInput, *, version: int | None
) -> None:
    """Add one finding to a report, unless it is by a rule whose matter zmig decides itself."""
    name = str(answer["rule_name"])
    rule = f"squawk/{name}"
    if name == "syntax-error":
        report.unread[id(file)] = file
    elif rule in RULES:
        start = given.origin(_number(answer, "line"), _number(answer, "column"))
        end = given.origin(_number(answer, "line_end"), _number(answer, "column_end"))
        remark = weighing.remark(file, rule, answer, start, max(start + 1, end))
        report.remarks.setdefault(id(file), []).append(weighing.Said(remark, version))
    elif name not in DECIDED_BY_ZMIG:
        report.unknown.setdefault(id(file), []).append(name)


def _number(answer: dict[str, object], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) else 0
