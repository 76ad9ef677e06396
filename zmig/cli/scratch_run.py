"""What commands that run migrations on scratch databases share: their interruption, their progress, their secrets."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.process.interrupts import Interrupted, SignalInterrupts
from zmig.text.secrets import Redactor
from zmig.text.terminal import one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from types import TracebackType
    from typing import Self

    from zmig.cli.command import CommandContext
    from zmig.cli.output import Output
    from zmig.model import Migration
    from zmig.process.interrupts import Interrupts
    from zmig.project.project import Project
    from zmig.verification.round_trips import Proof, Stage

_SECONDS_BETWEEN_LINES = 10.0
_WIDEST = 78
_ERASE_LINE = "\r\x1b[2K"


@contextmanager
def interruptible(output: Output, *, what: str = "compared") -> Generator[Interrupts]:
    """Let signals interrupt the block, and say what that means for what was being done."""
    interrupts = SignalInterrupts(report_end=partial(_report_end, output))
    with interrupts.installed(ends_process=True):
        try:
            yield interrupts
        except Interrupted as error:
            effect = f"nothing was {what} to its end; scratch databases are gone"
            error.problem = Problem("interrupted", f"interrupted by {error}", effect=effect)
            raise


def _report_end(output: Output, number: int, is_second: bool) -> None:
    name = signal.Signals(number).name
    why = f"a second signal, {name}" if is_second else f"{name}, which a migration's code did not let in"
    effect = "scratch databases that are left are removed by the next command that makes some"
    output.problem_at_once(Problem("interrupted", f"ended at once by {why}", effect=effect))


def redactor(call: CommandContext, urls: Iterable[str | None], project: Project) -> Callable[[str], str]:
    """Return what masks the secrets of the manifest and of every URL that is given, and what is masked already."""
    from zmig.database import connection as database

    redactors = [database.target(url, environ=call.environ).redactor for url in urls if url]
    redactors.append(Redactor(*project.secrets))
    before = call.output.redact

    def redact(text: str) -> str:
        text = before(text)
        for redactor in redactors:
            text = redactor(text)
        return text

    return redact


class Progress:
    """Says how far it is: on a terminal in one line that is drawn again, elsewhere in a line from time to time."""

    def __init__(self, output: Output, total: int) -> None:
        self._output = output
        self._total = total
        self._begun = set[int]()
        self._next = 0.0 if output.is_live else time.monotonic() + _SECONDS_BETWEEN_LINES
        self._is_drawn = False

    def __enter__(self) -> Self:
        """Say nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what was drawn."""
        if self._is_drawn:
            self._output.stderr.write(_ERASE_LINE)
            self._output.stderr.flush()

    def __call__(self, migration: Migration, what: Stage | Proof) -> None:
        """Hear that a stage of a migration begins, or that nothing of it is left to be proved."""
        from zmig.verification.round_trips import Proof

        self._begun.add(migration.version)
        if isinstance(what, Proof) and self._output.is_json:
            self._output.note_document(
                {
                    "progress": "proof-finished",
                    "version": migration.version,
                    "name": migration.name,
                    "proved": what.is_proved if what.is_of_anything else None,
                    "duration_seconds": round(what.seconds, 3),
                }
            )
        if self._output.is_json or time.monotonic() < self._next:
            return
        number = min(len(self._begun), self._total)
        at = "" if isinstance(what, Proof) else f": {what}"
        line = f"{number}/{self._total} {migration.name}{at}"
        if self._output.is_live:
            self._output.stderr.write(_ERASE_LINE + shortened(one_line(line), _WIDEST))
            self._output.stderr.flush()
            self._is_drawn = True
        else:
            self._next = time.monotonic() + _SECONDS_BETWEEN_LINES
            self._output.note(one_line(line))
