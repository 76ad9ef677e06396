"""docs/commands.md, made of what the command line knows of itself.

`python -m tests.support.manual` writes it; a test holds the two equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli import help
from zmig.cli.command import COMMON, AnyCommand
from zmig.cli.registry import GROUPS, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = Path(__file__).parents[2] / "docs" / "commands.md"

_HEAD = """\
# Commands

`zmig COMMAND [MANIFEST] [options]`. Without a manifest, zmig takes `$ZMIG_MANIFEST`, else the only one in `manifests/`.
`zmig help COMMAND` and `zmig COMMAND --help` print what is here.

Data goes to stdout, everything else to stderr: `zmig status > status.txt` holds the status and nothing more. On a
terminal a run is drawn live; elsewhere, and with `TERM=dumb`, it is printed in plain lines. `NO_COLOR` is obeyed.

A run never waits for who reads what it says: a pager, a terminal that ctrl-s stopped. Everything is written before the
command ends, at the latest when the database is free; a signal ends that wait, too. Streams that are closed are streams
that nobody reads. Where stdout takes nothing, as on a full disk, a command that only reads ends with 2; one that ran
something says so on stderr and ends with the exit code of what it ran, also with `--json`.

With `--json`, stdout is one JSON object. Where a command fails it has `error` (`code`, `message`, `location`, `facts`,
`effect`, `hint`), `problems` (the same for every problem found) and `exit_code`. The codes are listed in
[errors.md](errors.md); texts may change, codes do not. stderr is exactly one JSON object a line:

| object | what it is |
| --- | --- |
| `{"progress": "step-started", "at": ..., ...}` | what a run is doing; a `"notice"` is the server's, or `ctx.log`'s |
| `{"problem": {"code": ..., "message": ..., ...}}` | an error, as in the document |
| `{"note": "..."}` | what the command would say in words |
| `{"printed": "...", "stream": "stdout"}` | a line that a Python migration or its child printed or logged |
| `{"question": "..."}` | a question, where there is a terminal to answer it |

Who holds the lock that a run waits for is the `holder` of `"lock-waiting"`, with the keys that `lock_holder` has in
`zmig status --json`. A process that a migration starts writes where it likes.

| exit code | meaning |
| --- | --- |
| 0 | fine |
| 1 | a migration failed, or what was checked is not so: `lint`, `verify`, `schema --check`, `squash` |
| 2 | wrong usage, an invalid manifest, or a plan that was refused |
| 3 | the database cannot be reached |
| 4 | another run held the lock for longer than `--lock-wait` |
| 5, 6 | `status --check`: something is pending; something is failed or stuck |
| 7 | `status --check`: `apply` would refuse, or a repeatable cannot be asked if it is due; goes before 5, after 6 |
| 8 | `drift`, and `status --check` where nothing else is to be said: others have changed the schema |
| 70 | a bug in zmig |
| 129, 130, 143 | hung up (SIGHUP), interrupted (SIGINT), terminated (SIGTERM) |

SIGINT and SIGHUP are ignored where they were before zmig began: under `nohup`, and after `&` in a script, which
the shell keeps ctrl-c away from.
"""


def text() -> str:
    """Return the whole page."""
    commands = {name: entry for group in GROUPS.values() for name, entry in group.items()}
    sections = [_section(name, entry, entry.load()) for name, entry in commands.items()]
    return "\n".join((_HEAD, *sections, _table("## Options of every command", "option", help.options(COMMON))))


def _section(name: str, entry: Entry, command: AnyCommand) -> str:
    parts = [f"## zmig {name}\n", f"{entry.summary[0].upper()}{entry.summary[1:]}.\n", f"{command.about}\n"]
    parts.append(_table(f"`{help.usage(name, command)}`", "argument or option", _rows(command)))
    if command.document:
        parts.append(f"`--json`: {command.document}.\n")
    parts.append("\n".join(("```sh", *command.examples, "```\n")))
    return "\n".join(parts)


def _rows(command: AnyCommand) -> list[tuple[str, str]]:
    return [*help.arguments(command), *help.options(command.options)]


def _table(title: str, head: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| `{term.replace('|', chr(92) + '|')}` | {meaning} |" for term, meaning in rows]
    return "\n".join((title, "", f"| {head} | meaning |", "| --- | --- |", *lines, ""))


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
