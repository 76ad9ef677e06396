"""What can be copied about a migration, each with its text. No text has a password in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.hints import command
from zmig.planning import failure_report
from zmig.planning.state import State
from zmig.presentation.problems import problem_text
from zmig.text.secrets import redact
from zmig.valueclass import valueclass
from zmig_tui.models.last_statement import last_statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.planning.state import Entry
    from zmig.presentation.hints import CommandLine
    from zmig_tui.models.details import Detail


@valueclass
class Copy:
    """Something to copy."""

    what: str
    text: str

    @property
    def title(self) -> str:
        """What it is, in one line."""
        lines = self.text.count("\n") + 1
        return f"{self.what}: {self.text}" if lines == 1 else f"{self.what} ({lines} lines)"


def copies(entry: Entry, detail: Detail | None, commands: CommandLine) -> list[Copy]:
    """Return what can be copied about a migration; first what is most likely wanted.

    `detail` is what was read of it, None where that is not there yet; `commands` writes command lines.
    """
    return [Copy(copy.what, redact(copy.text.rstrip("\n"))) for copy in _copies(entry, detail, commands)]


def _copies(entry: Entry, detail: Detail | None, commands: CommandLine) -> Iterator[Copy]:
    problem = failure_report.describe(entry)
    if problem is not None:
        yield Copy("the error", problem_text(problem, commands))
        statement = last_statement(entry, detail)
        if statement is not None:
            yield Copy("the last statement", statement)
        yield Copy("the command that retries it", commands.line(command("retry", about=entry)))
    yield Copy("the name", entry.name)
    if detail is not None and detail.file is not None and detail.file.text is not None and not detail.file.is_cut:
        yield Copy("the file's text", detail.file.text)
    if detail is not None and detail.rollback is not None and detail.rollback.text is not None:
        yield Copy("the rollback file's text", detail.rollback.text)
    if entry.state is not State.DONE and entry.version is not None:
        yield Copy("the command that applies up to here", commands.line(command("apply", "--to", str(entry.version))))
    yield Copy("the command that applies everything", commands.line(command("apply")))
