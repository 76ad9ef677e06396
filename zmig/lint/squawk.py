"""Runs the program squawk over SQL files: many files in one call, and its findings as remarks about their places.

squawk's exit code says nothing: 1 stands for findings and for failure alike. What counts is the JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from zmig.lint import dangers, reduced
from zmig.lint.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zmig.lint.finding import Remark
    from zmig.lint.reduced import Reduced
    from zmig.lint.sqlfile import SqlFile

_SECONDS = 300


class Job(NamedTuple):
    """A file, and how the server will run it."""

    file: SqlFile
    is_transactional: bool
    postgres_version: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """What squawk said of files, each known by its `id`."""

    remarks: dict[int, list[Remark]] = field(default_factory=dict[int, "list[Remark]"])
    unread: dict[int, SqlFile] = field(default_factory=dict[int, "SqlFile"])
    """The files with syntax that it does not know; of those it says nothing else."""


@dataclass(slots=True)
class _Call:
    """One running call, over files that are run in the same way."""

    jobs: list[tuple[SqlFile, Reduced]]
    folder: Path
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

    def begin(self, jobs: Iterable[Job]) -> None:
        """Begin to check files. Raises SquawkFailed."""
        groups: dict[tuple[bool, int | None], list[SqlFile]] = {}
        for job in jobs:
            groups.setdefault((job.is_transactional, job.postgres_version), []).append(job.file)
        for (is_transactional, version), files in groups.items():
            self._begin(files, is_transactional=is_transactional, postgres_version=version)

    def _begin(self, files: list[SqlFile], *, is_transactional: bool, postgres_version: int | None) -> None:
        folder = Path(self._folder.name, str(len(self._calls)))
        folder.mkdir()
        jobs = [(file, reduced.reduce(file)) for file in files]
        for number, (_, left) in enumerate(jobs):
            folder.joinpath(f"{number}.sql").write_bytes(left.text.encode())
        folder.joinpath("squawk.toml").touch()
        command = [self._program, "--config", "squawk.toml", "--reporter", "json"]
        command += ["--assume-in-transaction"] if is_transactional else []
        command += [f"--pg-version={postgres_version}"] if postgres_version else []
        command += [f"--include={rule}" for rule in self._include]
        command += [f"{number}.sql" for number in range(len(jobs))]
        try:
            with folder.joinpath("found.json").open("wb") as out, folder.joinpath("errors.txt").open("wb") as err:
                process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as error:
            raise SquawkFailed(error.strerror or str(error)) from None
        self._calls.append(_Call(jobs, folder, process))

    def end(self) -> Said:
        """Return what was found. Raises SquawkFailed."""
        said = Said()
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
        self._folder.cleanup()


def _answers(call: _Call) -> Iterator[dict[str, object]]:
    try:
        call.process.wait(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise SquawkFailed(f"it did not end within {_SECONDS} seconds") from None
    try:
        answers: object = json.loads(call.folder.joinpath("found.json").read_bytes() or b"null")
    except ValueError:
        answers = None
    if not isinstance(answers, list):
        said = call.folder.joinpath("errors.txt").read_text(errors="replace").strip().splitlines()
        raise SquawkFailed(said[0] if said else f"it ended with exit code {call.process.returncode}")
    yield from (cast("dict[str, object]", one) for one in cast("list[object]", answers) if isinstance(one, dict))


def _note(said: Said, call: _Call, answer: dict[str, object]) -> None:
    """Take note of one finding, unless zmig tells its rule otherwise or does not know it."""
    file, left = call.jobs[int(str(answer["file"]).partition(".")[0])]
    rule = f"squawk/{answer['rule_name']}"
    if rule == "squawk/syntax-error":
        said.unread[id(file)] = file
    elif rule in RULES:
        start = left.origin(_number(answer, "line"), _number(answer, "column"))
        end = left.origin(_number(answer, "line_end"), _number(answer, "column_end"))
        remark = dangers.remark(file, rule, answer, start, max(start + 1, end))
        said.remarks.setdefault(id(file), []).append(remark)


def _number(answer: dict[str, object], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) else 0
