"""Which account the private server runs as, and how a command is run as that account.

PostgreSQL refuses to run as root. Root therefore drops to an account that already exists; no account is added
and no folder of anybody else is opened for it.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zmig.errors import Problem, ServerError
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTORS = Path("/proc/self/fd")
"""Through which a program reaches a folder that was opened for it."""

_UNPRIVILEGED = ("postgres", "nobody")


@valueclass
class Account:
    """An unprivileged account root can drop to."""

    name: str
    uid: int
    gid: int


def server_account(data: Path) -> Account | None:
    """Return the account the server of the `data` folder runs as; None for the caller's own.

    Root keeps to the owner of existing data, so that a server an ordinary user began works under sudo too.
    Raises `ServerError` if root cannot drop to any.
    """
    if os.geteuid() != 0:
        return None
    if not DESCRIPTORS.is_dir():
        raise _cannot_run(f"{DESCRIPTORS} is needed to hand the folder to another account, and is not there")
    owner = data.stat().st_uid if data.exists() else 0
    if owner:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            return Account(str(owner), owner, owner)
        return Account(entry.pw_name, owner, entry.pw_gid)
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise _cannot_run(f"there is no account to run it as: neither {' nor '.join(_UNPRIVILEGED)}")


def _cannot_run(why: str) -> ServerError:
    return ServerError(
        Problem(
            "embedded-no-account",
            f"PostgreSQL does not run as root, and cannot drop to another account: {why}",
            hint="run zmig as an ordinary user",
        )
    )


def run(
    command: Sequence[str | Path],
    *,
    account: Account | None,
    folder: str | Path = "/",
    keep_open: Sequence[int] = (),
    output: IO[bytes] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end as `account`, in `folder`, in a session of its own; standard error joins `output`.

    Raises `OSError` if it cannot be executed at all.
    """
    # Without libpq's variables: `PGPORT` and `PGDATA` steer a server, too.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=keep_open,
        start_new_session=True,
        umask=0o077,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
