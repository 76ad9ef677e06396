"""The support for processes of their own: a block ends with its process, and nothing that was said is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys

import pytest

from tests.support.ports import reserved_port
from tests.support.process import Process

LEAVES = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; [time.sleep(60) for _ in range(60)]"])
print(child.pid, file=sys.stderr, flush=True)
sys.stdout.write("said\\r\\n" * 10_000 + "last")
sys.stdout.flush()
sys.stderr.write("all\\n")
sys.stderr.flush()
child.wait()
"""


def test_who_outlives_a_killed_process_is_not_waited_for() -> None:
    with Process(program=("-c", LEAVES)) as process:
        process.wait_for("all\n")
        child = int(process.stderr.partition("\n")[0])
        os.kill(process.pid, signal.SIGKILL)
    try:
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
    assert process.stdout == "said\n" * 10_000 + "last"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port that is reserved cannot be listened on")
def test_a_reserved_port_is_given_to_nobody_else_and_can_be_listened_on() -> None:
    with contextlib.ExitStack() as closing:
        reserved = [closing.enter_context(reserved_port()) for _ in range(200)]
        others = [closing.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(200)]
        given = {*reserved, *(other.getsockname()[1] for other in others)}
        assert len(given) == 400
        with socket.create_server(("127.0.0.1", reserved[0])) as listener:
            socket.create_connection(listener.getsockname()).close()
