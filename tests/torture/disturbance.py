"""What is done to a run: the ways to end it, and the moments."""

from __future__ import annotations

import signal
import time
from enum import StrEnum
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.support.crash import CrashServer
    from tests.support.process import Process


class Kind(StrEnum):
    """How a run is ended."""

    CLIENT = "client killed with SIGKILL"
    BACKEND = "backend terminated"
    SERVER = "server stopped at once"
    SIGNAL = "client asked to end with SIGTERM"
    WOKEN = "client stopped, its backend terminated, woken behind another run"


WEIGHTS = {Kind.CLIENT: 10, Kind.BACKEND: 5, Kind.SERVER: 3, Kind.SIGNAL: 2, Kind.WOKEN: 4}

_BACKEND = "from pg_stat_activity where datname = %s and application_name like 'zmig/%%'"


class Disturber:
    """Ends runs on one database of one server."""

    def __init__(self, server: CrashServer, url: str, chance: random.Random) -> None:
        self._server = server
        self._url = url
        self._database = conninfo_to_dict(url)["dbname"]
        self._chance = chance

    def choose(self) -> Kind:
        """Return a way to end a run."""
        return self._chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]

    def end(
        self, process: Process, kind: Kind, *, within_seconds: float, meanwhile: Callable[[], object] | None = None
    ) -> bool:
        """End a run at a random moment after it has reached the database; return False if it was over before.

        `meanwhile` is what another run does before a client that was stopped goes on.
        """
        with psycopg.connect(self._server.url(), autocommit=True) as witness:
            if not self._wait_for_backend(process, witness):
                return False
            time.sleep(self._chance.uniform(0, within_seconds))
            return process.is_running and self._strike(process, kind, witness, meanwhile)

    def crash(self) -> None:
        """Stop the server at once, and start it again."""
        self._server.crash()
        self._server.start()

    def _wait_for_backend(self, process: Process, witness: psycopg.Connection) -> bool:
        while process.is_running:
            if witness.execute(f"select count(*) {_BACKEND}".encode(), [self._database]).fetchone() != (0,):
                return True
            time.sleep(0.001)
        return False

    def _strike(
        self, process: Process, kind: Kind, witness: psycopg.Connection, meanwhile: Callable[[], object] | None
    ) -> bool:
        match kind:
            case Kind.WOKEN:
                process.send(signal.SIGSTOP)
                try:
                    self._strike(process, Kind.BACKEND, witness, None)
                    while witness.execute(f"select count(*) {_BACKEND}".encode(), [self._database]).fetchone() != (0,):
                        time.sleep(0.001)
                    if meanwhile is not None:
                        meanwhile()
                finally:
                    process.send(signal.SIGCONT)
            case Kind.CLIENT:
                process.send(signal.SIGKILL)
            case Kind.SIGNAL:
                process.send(signal.SIGTERM)
            case Kind.BACKEND:
                query = f"select count(pg_terminate_backend(pid)) {_BACKEND}"
                return witness.execute(query.encode(), [self._database]).fetchone() != (0,)
            case Kind.SERVER:
                witness.close()
                self._server.crash()
                self._server.start()
        return True
