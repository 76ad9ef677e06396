"""Every error zmig raises on purpose, and the exit codes that go with them.

An error carries values, not layout: one message, an optional place in a file, facts, the effect on the
database, one hint. `zmig.presentation.problems` turns it into text, for the command line and for the console alike.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from zmig.hints import Hint
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY


class ExitCode(IntEnum):
    """What the `zmig` command ends with; scripts rely on these numbers."""

    OK = 0
    FAILED = 1
    """A migration, a rollback or a rehearsal failed; `lint`: something was found that matters enough; `schema --check`:
    the file is old; `squash`: what it would write does not make the same."""
    REFUSED = 2
    """Wrong usage, an invalid manifest, or a plan that was refused."""
    NO_CONNECTION = 3
    LOCK_NOT_OBTAINED = 4
    PENDING = 5
    """`status --check`: something is pending."""
    UNHEALTHY = 6
    """`status --check`: something is failed or stuck."""
    WOULD_BE_REFUSED = 7
    """`status --check`: an apply would be refused, or a repeatable cannot be asked whether it is due."""
    DRIFT = 8
    """`drift`, and `status --check`: others have changed the schema since the last run."""
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


@valueclass
class Location:
    """A place in a text file; line and column are 1-based and count characters."""

    path: str
    line: int = 1
    column: int = 1
    _: KW_ONLY
    text: str | None = None
    """The whole line, without its line end, for display."""
    width: int = 1
    """How many characters from `column` on are meant."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@valueclass
class Problem:
    """One thing that is wrong, with everything a person needs to know about it."""

    code: str
    """A stable identifier, such as `manifest-invalid`; texts may change, codes do not."""
    message: str
    """Subject, verb, reason; lower case, no final period; readable alone in a log."""
    location: Location | None = None
    _: KW_ONLY
    facts: tuple[str, ...] = ()
    effect: str | None = None
    """What the database is now; required once a run has begun."""
    hint: str | None = None
    """Exactly one next step; a command in it runs as printed."""

    def naming(self, manifest: str, database_url: str | None) -> Problem:
        """Return the problem for who uses the library: the commands in its texts name what they are about."""

        def named(text: str) -> str:
            return text.naming(manifest, database_url) if isinstance(text, Hint) else text

        hint = None if self.hint is None else named(self.hint)
        return replace(self, facts=tuple(map(named, self.facts)), hint=hint)

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}; {self.hint}"


class ZmigError(Exception):
    """An error zmig raises on purpose: one or more problems, and an exit code."""

    exit_code = ExitCode.REFUSED

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an error needs at least one problem")
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[ZmigError], tuple[Problem, ...]]:
        """Let an error cross from one process to another."""
        return type(self), self.problems

    @property
    def code(self) -> str:
        """The code of the first problem."""
        return self.problems[0].code


class UsageError(ZmigError):
    """The command or the call cannot be carried out as it was given."""


class ManifestError(ZmigError):
    """The manifest, or a file it names, is not usable; holds every problem found."""


class PlanRefused(ZmigError):
    """The plan has refusals, so nothing was run."""


class MigrationFailed(ZmigError):
    """A migration or a rollback raised an error; the cause is chained."""

    exit_code = ExitCode.FAILED


class Outdated(ZmigError):
    """A file is not what a database is: the schema is another one now, or the file makes another one."""

    exit_code = ExitCode.FAILED


class ConnectionFailed(ZmigError):
    """The database could not be reached, or the connection was lost."""

    exit_code = ExitCode.NO_CONNECTION


class LockNotObtained(ZmigError):
    """Another run held the lock for longer than this one may wait."""

    exit_code = ExitCode.LOCK_NOT_OBTAINED


class TrackingError(ZmigError):
    """The tracking tables cannot be used: another tool's, a newer format, or rights are missing."""


class ServerError(ZmigError):
    """A private PostgreSQL server could not be found, started or stopped."""

    exit_code = ExitCode.NO_CONNECTION


def first_line(error: Exception) -> str:
    """Return what an error says in one line: the message of its first problem, else the first line of its text."""
    return error.problems[0].message if isinstance(error, ZmigError) else str(error).strip().partition("\n")[0]
