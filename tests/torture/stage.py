"""What a torture needs: a server that may be killed, a database on it, and a project."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from tests.support import database as databases
from tests.support.crash import CrashServer
from tests.torture import project as projects
from tests.torture.rounds import Torture

if TYPE_CHECKING:
    import random
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.project import ProjectFolder

_DATABASE = "torture"


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that stands ready."""

    server: CrashServer
    url: str
    version: str
    project: ProjectFolder

    def torture(self, chance: random.Random) -> Torture:
        """Return the torture, after an undisturbed run to compare with."""
        return Torture(self.server, self.url, self.project, chance)


@contextlib.contextmanager
def staged(folder: Path) -> Generator[Stage]:
    """Set everything up in a folder, and stop the server at the end."""
    server = CrashServer(folder / "server")
    server.start()
    try:
        url = databases.create(server.url(), _DATABASE)
        with psycopg.connect(url) as connection:
            version, number = connection.info.parameter_status("server_version"), connection.info.server_version
        yield Stage(server, url, version or "", projects.write(folder / "project", url, server_version=number))
    finally:
        server.stop()
