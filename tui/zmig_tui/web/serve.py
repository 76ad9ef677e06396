"""The console in a browser: the same screens through textual-serve, for this machine and this person alone.

It listens on the loopback address. Because every program and every web page of this machine can reach that, a
request must carry the secret that the printed address holds, and must come from the console's own page.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig_tui.web.access import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.presentation.hints import CommandLine
    from zmig_tui.target import Target

PORT = 8421
TARGET = "ZMIG_CONSOLE_TARGET"
"""The environment variable with the arguments of a page's process: a URL may hold a password, so it must not be on a
command line."""


def serve(targets: Sequence[Target], *, hints: CommandLine, port: int | None = None) -> int:
    """Serve the console until a signal ends it; return the exit code. `hints` name the command that began it.

    Raises:
        UsageError: textual-serve is not installed, or the port is taken.
    """
    if find_spec("textual_serve") is None:
        raise UsageError(
            Problem(
                "web-extra-missing",
                "the console in a browser needs textual-serve, which is not installed",
                hint="install it with `pip install 'zmig[web]'`",
            )
        )
    from zmig_tui.web.server import ConsoleServer

    os.environ[TARGET] = json.dumps(
        [
            {
                "manifest": str(target.manifest),
                "database_url": target.database_url,
                "named": target.hints.manifest,
                "is_read_only": target.is_read_only,
            }
            for target in targets
        ]
    )
    command = (sys.executable, "-m", "zmig_tui.web.page")
    with resources.as_file(resources.files("zmig_tui.web").joinpath("templates")) as templates:
        server = ConsoleServer(command, _usable(port), templates, secrets.token_urlsafe(24), hints)
        server.serve()
    return 0


def _usable(port: int | None) -> int:
    """Return the port to listen on: the one asked for, else the usual one, else any that is free."""
    reason = ""
    for candidate in (PORT, 0) if port is None else (port,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, candidate))
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                return int(probe.getsockname()[1])
    raise UsageError(
        Problem(
            "port-taken", f"port {port} cannot be listened on: {reason}", hint="leave out `--port`, or name another"
        )
    )
