"""The support for processes of their own: a block ends with its process, and nothing that was said is lost."""

from __future__ import annotations

import os
import signal

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
