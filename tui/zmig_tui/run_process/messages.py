"""What a run's process and the consoles attached to it send each other: a line of JSON for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from zmig import __version__
from zmig.valueclass import valueclass
from zmig_tui.run_process.encoding import Decoder, Encoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.errors import Problem
    from zmig.planning.plan import Plan, RunResult
    from zmig.planning.request import Request
    from zmig.progress import Progress


@valueclass
class Job:
    """What a process is to run: exactly the plan that somebody agreed to."""

    identity: str
    """Of the manifest and its database, as consoles find the run by it."""
    manifest: str
    database_url: str | None
    environ: Mapping[str, str] | None
    """None for that of the process itself."""
    request: Request
    plan: Plan


@valueclass
class Heard:
    """Something was reported of the run."""

    at: float
    """The moment, on the clock of the run's process."""
    progress: Progress


@valueclass
class Outcome:
    """The run has ended."""

    result: RunResult | None
    """None where it was not completed."""
    problems: tuple[Problem, ...] = ()
    is_cancelled: bool = False
    at: float = 0.0
    """The moment, on the clock of the run's process."""


@valueclass
class Skipped:
    """So much of what was reported is kept no longer."""

    count: int


@valueclass
class Cancel:
    """The run is to end."""


@valueclass
class Received:
    """The outcome has come to where somebody sees it."""


_CLASSES = (Job, Heard, Outcome, Skipped, Cancel, Received)


def encoder() -> Encoder:
    """Return what turns messages into lines."""
    return Encoder(_CLASSES)


def decoder() -> Decoder:
    """Return what turns lines into messages."""
    return Decoder(_CLASSES)


@valueclass
class Hello:
    """What a run's process says first, in a form that other versions read, too."""

    version: str
    """Of zmig: others understand no more than this."""
    pid: int
    token: str
    """No other run has it."""
    title: str
    steps: int
    """How many its plan has."""
    began: float
    """On the clock of the process."""
    now: float = 0.0
    """On the same clock, when this was said."""

    @property
    def is_understood(self) -> bool:
        """Whether what follows can be read here."""
        return self.version == __version__

    def line(self) -> bytes:
        """Return it as one line."""
        words = {
            "zmig": self.version,
            "pid": self.pid,
            "token": self.token,
            "title": self.title,
            "steps": self.steps,
            "now": self.now,
            "began": self.began,
        }
        return json.dumps(words).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Hello | None:
        """Return what a line says; None where it is none of these."""
        try:
            words = cast("dict[str, Any]", json.loads(line))
            return cls(
                version=str(words["zmig"]),
                pid=int(words["pid"]),
                token=str(words["token"]),
                title=str(words["title"]),
                steps=int(words["steps"]),
                now=float(words["now"]),
                began=float(words["began"]),
            )
        except (ValueError, TypeError, KeyError):
            return None
