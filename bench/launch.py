"""Starts one command and writes what it cost; small, so that the memory counted is the command's own.

    python -I -S bench/launch.py COST_FILE COMMAND [ARGUMENT ...]

A process inherits the peak memory of the one that started it, so the benchmark itself must not be that one.
"""

import os
import sys
import time

cost_file, *command = sys.argv[1:]
if group := os.environ.get("BENCH_CGROUP"):
    with open(group, "w") as procs:  # noqa: PTH123 - as below
        procs.write(str(os.getpid()))
began = time.perf_counter()
process = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - began
with open(cost_file, "w") as file:  # noqa: PTH123 - importing pathlib would make this process larger
    print(seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime, file=file)
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
