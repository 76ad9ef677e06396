"""A PgBouncer of a test's own, in front of the run's server."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.support.ports import reserved_port
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_PATIENCE_SECONDS = 120
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")


def find() -> str | None:
    """Return the program's path, None where it is not installed."""
    return shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))


@contextlib.contextmanager
def pooled(folder: Path, url: str, *, mode: str, size: int = 20, cleans: bool = True) -> Generator[str]:
    """Start a pooler for a database, with `size` server connections at most; give the database's URL through it.

    One that `cleans` resets a session before it gives it to the next client, as is its default.
    """
    program = find()
    assert program is not None
    # PgBouncer's account may not enter the folder of the server's socket, so a proxy stands between.
    with (
        Proxy(url) as server,
        reserved_port() as port,
        _started(program, folder, server.url, port=port, mode=mode, size=size, cleans=cleans) as address,
    ):
        yield address


@contextlib.contextmanager
def _started(program: str, folder: Path, url: str, *, port: int, mode: str, size: int, cleans: bool) -> Generator[str]:
    parameters = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    user, name = parameters.get("user", "postgres"), parameters["dbname"]
    arguments = [program, str(_configure(folder, parameters, mode=mode, port=port, size=size, cleans=cleans))]
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
        arguments[1:1] = ["-u", account.pw_name]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd="/")
    address = f"postgresql://{quote(user, safe='')}@127.0.0.1:{port}/{quote(name, safe='')}"
    try:
        _wait_for(address, process, folder / "log")
        yield address
    finally:
        process.kill()
        process.wait()


def _configure(folder: Path, parameters: dict[str, str], *, mode: str, port: int, size: int, cleans: bool) -> Path:
    user, password = parameters.get("user", "postgres"), parameters.get("password", "")
    users, settings = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{user}" "{password}"\n')
    settings.write_text(
        f"[databases]\n* = host={parameters['host']} port={parameters['port']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\ndefault_pool_size = {size}\n"
        "query_wait_timeout = 0\nserver_tls_sslmode = disable\n"  # who has to wait for the pool waits for ever
        + ("" if cleans else "server_reset_query =\n")
    )
    return settings


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError as error:
            assert process.poll() is None and time.monotonic() < deadline, f"{error}\n{log.read_text()}"
            time.sleep(0.02)
        else:
            return
