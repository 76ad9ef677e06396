"""Every command's name and summary; a command's own file is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from zmig.cli.command import AnyCommand


@valueclass
class Entry:
    """Where a command is, and what it is for."""

    summary: str
    module: str
    attribute: str = "COMMAND"

    def load(self) -> AnyCommand:
        """Import and return the command."""
        return cast("AnyCommand", getattr(import_module(f"zmig.cli.{self.module}"), self.attribute))


GROUPS: dict[str, dict[str, Entry]] = {
    "look": {
        "status": Entry("the state of every migration", "status"),
        "plan": Entry("what `apply` would run, and why", "plan"),
        "history": Entry("what happened, fact by fact", "history"),
        "drift": Entry("what others have changed in the schema", "drift"),
        "version": Entry("the highest applied version", "version"),
        "schema": Entry("the schema as text, for review and version control", "schema"),
        "lint": Entry("check manifests and their files, without a database", "lint"),
        "verify": Entry("prove on a scratch database that rollbacks undo", "verify"),
        "tui": Entry("the terminal console", "tui"),
    },
    "run": {
        "apply": Entry("apply what is pending, failed, stuck or due", "apply"),
        "retry": Entry("run failed and stuck migrations again", "retry"),
        "rollback": Entry("undo the last migrations", "rollback"),
        "pause": Entry("let a batched migration wait between two rounds", "operator", "PAUSE"),
        "resume": Entry("let a paused migration go on", "operator", "RESUME"),
    },
    "decide": {
        "resolve": Entry("record that a migration is done, failed or pending", "operator", "RESOLVE"),
        "accept": Entry("accept the changed file of an applied migration", "operator", "ACCEPT"),
        "baseline": Entry("record migrations as applied without running them", "operator", "BASELINE"),
    },
    "make and unmake": {
        "init": Entry("write a manifest for a new project", "init"),
        "import": Entry("take over the migrations of another tool", "import_"),
        "create": Entry("write the files of a new migration and declare it", "create"),
        "squash": Entry("put one migration in the place of many", "squash"),
        "reset": Entry("drop everything in a development database", "reset"),
        "db": Entry("the private PostgreSQL: start, stop, url, psql", "db"),
    },
}

COMMANDS: dict[str, Entry] = {name: entry for group in GROUPS.values() for name, entry in group.items()}
