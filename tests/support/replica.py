"""A streaming replica of a private server."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextlib.contextmanager
def of(primary: EmbeddedServer, folder: Path) -> Generator[EmbeddedServer]:
    """Start a server that replays what `primary` writes; `primary` is stopped for a moment, and copied."""
    primary.stop()
    folder.mkdir()
    subprocess.run(["cp", "-a", str(primary.data), str(folder / "data")], check=True)
    primary.start()
    standby = EmbeddedServer(folder)
    (socket,) = parse_qs(urlsplit(primary.url()).query)["host"]
    with (standby.data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.write(f"primary_conninfo = 'host={socket} user=postgres'\ncluster_name = 'replica'\n")
    subprocess.run(["cp", "-a", str(standby.data / "PG_VERSION"), str(standby.data / "standby.signal")], check=True)
    for folder_on_the_way in (primary.folder, primary.folder.parent):
        folder_on_the_way.chmod(0o711)  # the account that both servers run under walks there to the socket
    standby.start()
    try:
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(folder)
