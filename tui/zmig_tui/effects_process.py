"""Works out what the steps of a plan do, in a process of its own: parsing would keep the screen's thread from its keys.

The process says one thing and ends; it may be ended at any time, since it changes nothing in the database.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, cast

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.lint.preview import PlanEffects

_NICENESS = 10
_SAID_CHARACTERS = 300


@valueclass
class EffectsQuestion:
    """What a process is to work out."""

    manifest: Path
    versions: tuple[int, ...]
    is_rollback: bool
    environ: dict[str, str]


class EffectsProcess:
    """Asks one process after another; asked from one thread, ended from any."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """The process that is at work now."""
        process = self._process
        return None if process is None else process.pid

    def ask(self, manifest: Path, versions: tuple[int, ...], *, is_rollback: bool) -> PlanEffects | str:
        """Return what the steps do; else, in words, why that is not known."""
        question = EffectsQuestion(manifest, versions, is_rollback, self._environ)
        with self._lock:
            if self._is_closed:
                return "the console ends"
            try:
                self._process = process = _start(self._environ)
            except OSError as error:
                return str(error)
        try:
            said, complaint = process.communicate(pickle.dumps(question))
        except (OSError, ValueError) as error:
            return str(error)
        finally:
            with self._lock:
                self._process = None
        if process.returncode != 0 or not said:
            lines = complaint.decode(errors="replace").strip().splitlines()
            return lines[-1][:_SAID_CHARACTERS] if lines else "the process that works them out was ended"
        # What it says comes from this very program, and from nobody else.
        return cast("PlanEffects | str", pickle.loads(said))

    def end(self) -> None:
        """End the process that is at work, if one is: nobody waits for it any more."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End it, and start no other."""
        self._is_closed = True
        self.end()


def _start(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process, in a session of its own: the terminal's ctrl+c is not for it."""
    return subprocess.Popen(
        (sys.executable, "-m", __name__),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ, "PYTHONSAFEPATH": "1"},
        start_new_session=True,
    )


def main() -> None:
    """Answer one question: what is asked on the one stream is answered on the other."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    question = cast("EffectsQuestion", pickle.load(sys.stdin.buffer))
    answer = sys.stdout.buffer
    sys.stdout = sys.stderr
    answer.write(pickle.dumps(_answer(question)))
    answer.flush()


def _answer(question: EffectsQuestion) -> PlanEffects | str:
    from zmig.errors import ZmigError
    from zmig.lint import preview

    try:
        return preview.read(
            question.manifest, question.versions, is_rollback=question.is_rollback, environ=question.environ
        )
    except ZmigError as error:
        return error.problems[0].message if error.problems else str(error)


if __name__ == "__main__":
    main()
