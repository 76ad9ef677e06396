"""Creates the data of a private server and starts a server on it, with PostgreSQL's own `initdb` and `pg_ctl`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.embedded import account as accounts
from zmig.embedded import own_file
from zmig.errors import Problem, ServerError
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.embedded.account import Account
    from zmig.embedded.binaries import Installation

USER = "postgres"
PORT = 5432
_LOG_LINES = 8
_SETTINGS = {
    "cluster_name": "zmig",
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
}
_ALWAYS = "-c listen_addresses= -c unix_socket_directories=. -c unix_socket_permissions=0700"
"""What no file in the data folder changes: nobody reaches the server but through a socket that is private."""


@valueclass
class Cluster:
    """One data folder, and the means to work on it."""

    data: Path
    log: Path
    installation: Installation
    account: Account | None

    def create(self, settings: Mapping[str, str]) -> None:
        """Create the data beside its place and rename it, so that an interrupted creation is never used."""
        for leftover in self.data.parent.glob("initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.data.parent))
        if self.account:
            _give(unfinished, self.account)
        self._run("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", data=unfinished)
        descriptor = own_file.open_in(unfinished, "postgresql.auto.conf", os.O_WRONLY | os.O_APPEND)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in (_SETTINGS | dict(settings)).items())
        unfinished.rename(self.data)

    def launch(self, timeout_seconds: int) -> None:
        """Start the server as a daemon and wait until it takes sessions; its log begins anew."""
        self._run("pg_ctl", "start", "-s", "-w", "-t", str(timeout_seconds), "-o", _ALWAYS, data=self.data)

    def _run(self, program: str, *arguments: str, data: Path) -> None:
        """Run `program` on `data`, with its output in the log; raise `ServerError` if it fails."""
        if self.log.exists():
            self.log.replace(self.log.with_name(f"{self.log.name}.old"))
        descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            begun = own_file.open_in(self.log.parent, self.log.name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            # The data folder is never named by its path, which pg_ctl would hand to a shell unquoted, and which another
            # account may be unable to walk, as below a home that only root may enter. Such an account is given the
            # folder itself, opened; its own working directory has to be one that it can return to.
            place = f"{accounts.DESCRIPTORS}/{descriptor}" if self.account else "."
            with os.fdopen(begun, "ab") as log:
                ended = accounts.run(
                    [self.installation.binaries.path(program), *arguments, "-D", place],
                    account=self.account,
                    folder="/" if self.account else data,
                    keep_open=[descriptor] if self.account else [],
                    output=log,
                )
        finally:
            os.close(descriptor)
        if ended.returncode != 0:
            raise not_started(self.data, self.log, f"`{program}` ended with status {ended.returncode}")


def _give(folder: Path, account: Account) -> None:
    """Give a folder that was made just now to an account, and nothing that was put in its place."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise OSError(f"`{folder.name}` belongs to another account")
        os.fchown(descriptor, account.uid, account.gid)
    finally:
        os.close(descriptor)


def not_started(data: Path, log: Path, why: str) -> ServerError:
    """Return the error that says why the server did not start, with the end of its log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return ServerError(
        Problem(
            "embedded-start-failed",
            f"the private PostgreSQL in {data.parent} did not start: {why}",
            facts=tuple(lines[-_LOG_LINES:]),
            hint=f"read {log}",
        )
    )
