"""A private PostgreSQL server: one folder, one Unix socket, no port, no password.

It is started when it is needed, stays up between commands as a daemon, and is stopped only by `stop`. It counts as
running when its socket answers; no list of processes is kept that a killed process could leave wrong.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from zmig.embedded import account as accounts
from zmig.embedded import own_file, postmaster, probe
from zmig.embedded.binaries import find_binaries, major_of
from zmig.embedded.cluster import PORT, USER, Cluster, not_started
from zmig.embedded.probe import Answer
from zmig.embedded.socket_folder import socket_folder
from zmig.errors import Problem, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

_DATABASE = "postgres"
_START_SECONDS = 120
_STOP_SECONDS = 60
_OWN_FILES = ("lock", "server.log*", "initdb-*")


class EmbeddedServer:
    """The server of one folder.

    The folder holds `data` (PostgreSQL's own, mode 0700, with the socket), `server.log` and `lock`. Any number of
    processes may use it at the same time.
    """

    def __init__(
        self, folder: str | Path, *, settings: Mapping[str, str] | None = None, major: int | None = None
    ) -> None:
        """Name the folder; `settings` are PostgreSQL parameters, written when the data is created.

        New data are those of the version `major`, where one is given.
        """
        self.folder = Path(folder).resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._settings = dict(settings or {})
        self._wanted = major

    def url(self, database: str = _DATABASE) -> str:
        """Return the connection URL of a database on this server, whether the server runs or not."""
        host = quote(str(socket_folder(self.data, PORT)), safe="")
        return f"postgresql://{USER}@/{quote(database, safe='')}?host={host}"

    def is_running(self) -> bool:
        """Whether the server takes sessions now."""
        return self._ask() is Answer.READY

    def process(self) -> int | None:
        """Return the process number of the server; None if it cannot be proved that one has the data open."""
        return postmaster.find(self.data)

    def start(self) -> str:
        """Start the server unless it answers, with new data where there is none; return its URL.

        Raises `ServerError` if it cannot be started.
        """
        if not self.is_running():
            with self._locked():
                self._start()
        return self.url()

    def stop(self) -> bool:
        """Stop the server, ending its sessions; return whether it ran.

        Raises `ServerError` if it does not stop within a minute.
        """
        if not self.folder.is_dir():
            return False
        with self._locked():
            process = self.process()
            if process is None or not postmaster.interrupt(process, self.data):
                if self._ask() is not Answer.NONE:
                    raise self._not_proved()
                return False
            if not _until(lambda: self.process() is None, _STOP_SECONDS):
                raise self._not_stopped(process)
            return True

    def psql_command(self, database: str = _DATABASE) -> list[str]:
        """Return the command line of a `psql` on a database of this server.

        Raises `ServerError` if there is no `psql`.
        """
        beside = find_binaries(major=self._major()).binaries.path("psql")
        psql = str(beside) if beside.is_file() else shutil.which("psql")
        if psql is None:
            raise ServerError(
                Problem("embedded-psql-missing", "`psql` was not found", hint=f"connect to `{self.url(database)}`")
            )
        return [psql, self.url(database)]

    def _ask(self) -> Answer:
        path = socket_folder(self.data, PORT) / f".s.PGSQL.{PORT}"
        return probe.ask(str(path), user=USER, database=_DATABASE)

    def _start(self) -> None:
        if self._ask() is Answer.NONE and self.process() is None:
            account = accounts.server_account(self.data)
            cluster = Cluster(self.data, self.log, find_binaries(major=self._major(), account=account), account)
            if not self.data.is_dir():
                own = {path for pattern in _OWN_FILES for path in self.folder.glob(pattern)}
                foreign = sorted(path.name for path in self.folder.iterdir() if path not in own)
                if foreign:
                    raise self._unusable(f"is not empty: it holds `{foreign[0]}`")
                cluster.create(self._settings)
            postmaster.forget_stale(self.data)
            cluster.launch(_START_SECONDS)
        if not _until(self.is_running, _START_SECONDS):
            raise not_started(self.data, self.log, "its socket does not answer")

    def _major(self) -> int | None:
        try:
            os.lstat(self.data / "PG_VERSION")
        except FileNotFoundError:
            return self._wanted
        return major_of(own_file.read_in(self.data, "PG_VERSION") or "")

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Hold the folder's lock, which the kernel releases however this process ends."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(own_file.open_in(self.folder, "lock", os.O_WRONLY | os.O_CREAT), "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise self._unusable(f"cannot be used: {error.strerror or error}") from error

    def _unusable(self, why: str) -> ServerError:
        return ServerError(
            Problem(
                "embedded-folder-unusable",
                f"the folder {self.folder} of the private PostgreSQL {why}",
                hint="name another folder in the manifest's `database.embedded`",
            )
        )

    def _not_proved(self) -> ServerError:
        return ServerError(
            Problem(
                "embedded-stop-failed",
                f"the private PostgreSQL in {self.folder} answers, and which process it is cannot be proved",
                facts=(f"{self.data / 'postmaster.pid'} names none of the data's owner that has them open",),
                hint=f"find the processes that have them open with `fuser {self.data}`",
            )
        )

    def _not_stopped(self, process: int) -> ServerError:
        return ServerError(
            Problem(
                "embedded-stop-failed",
                f"the private PostgreSQL in {self.folder} did not stop within {_STOP_SECONDS} s",
                facts=(f"its process is {process}",),
                hint=f"read {self.log}",
            )
        )


def _until(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    """Wait until `condition` holds; return whether it does."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
