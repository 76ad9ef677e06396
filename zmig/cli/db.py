"""`zmig db`: the private PostgreSQL that a manifest's `database.embedded` names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zmig.cli.command import Command, CommandContext, Options, Positionals
from zmig.errors import ExitCode, Location, Problem, UsageError
from zmig.manifest.declaration import EmbeddedDatabase
from zmig.project import project

if TYPE_CHECKING:
    from zmig.embedded import EmbeddedServer


def run(call: CommandContext, options: Options) -> ExitCode:
    """Start it, stop it, say where it is, or open a session on it."""
    server = _server(call)
    match options.action:
        case "start":
            _print_url(call, server.start())
        case "url":
            _print_url(call, server.url())
        case "psql":  # becomes psql; what comes after `--` goes to it
            server.start()
            command = [*server.psql_command(), *options.rest]
            call.output.flush()
            os.execv(command[0], command)
        case _:
            was_running = server.stop()
            state = "is stopped" if was_running else "was not running"
            call.output.note(f"the private PostgreSQL {state}")
            if call.output.is_json:
                call.output.document({"stopped": was_running})
    return ExitCode.OK


def _server(call: CommandContext) -> EmbeddedServer:
    path, declared = project.database(call.manifest(), environ=call.environ)
    if not isinstance(declared, EmbeddedDatabase):
        raise UsageError(
            Problem(
                "database-not-embedded",
                f"manifest `{path}` names a PostgreSQL server by URL, which is not zmig's to start or stop",
                location=Location(str(path)),
                hint="name a manifest with `database: {embedded: FOLDER}`",
            )
        )
    from zmig.embedded import EmbeddedServer

    return EmbeddedServer(declared.folder)


def _print_url(call: CommandContext, url: str) -> None:
    if call.output.is_json:
        call.output.document({"url": url})
    else:
        call.output.data(url)


COMMAND = Command(
    about=(
        "The private PostgreSQL of a manifest with `database: {embedded: FOLDER}`. Other commands start it by "
        "themselves; it stays up until it is stopped."
    ),
    document="url for `start` and `url`, stopped for `stop`",
    run=run,
    options_type=Options,
    takes=Positionals.ACTION,
    actions={
        "start": "start it unless it runs; prints its URL",
        "stop": "stop it, ending its sessions; its data stay",
        "url": "print its URL, whether it runs or not",
        "psql": "open psql on it; what comes after `--` goes to psql",
    },
    examples=(
        "zmig db start manifests/demo.yaml",
        "zmig db psql manifests/demo.yaml -- --command 'select now()'",
        "zmig db stop manifests/demo.yaml",
    ),
)
