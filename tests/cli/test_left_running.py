"""Threads that a migration's code leaves behind: the command is over, and says what it waits for."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import backends
from tests.support.facts import Facts
from tests.support.process import Process

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.shop import Shop

HANGS = """
import threading, time

def execute(ctx):
    threading.Thread(target=threading.Event().wait, name="hangs for ever").start()
    {then}
"""


def test_a_failure_waits_for_none(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "0001.py", HANGS.format(then="raise ValueError"))
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        assert process.wait().code == 1
    assert Facts(connection).told == [("0001", "started"), ("0001", "failed")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_waits_for_none(shop: Shop, connection: psycopg.Connection, number: signal.Signals, code: int) -> None:
    shop.add(1, "0001.py", HANGS.format(then="ctx.progress('here')\n    while True: time.sleep(0.05)"))
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        process.wait_for("here")
        process.send(number)
        assert process.wait().code == code
    assert Facts(connection).told == [("0001", "started"), ("0001", "failed")]


@pytest.mark.parametrize("as_json", [True, False])
def test_success_waits_and_says_so_until_it_is_interrupted(
    shop: Shop, connection: psycopg.Connection, *, as_json: bool
) -> None:
    shop.add(1, "0001.py", HANGS.format(then="pass"))
    with Process("apply", "shop.yaml", *(["--json"] if as_json else []), cwd=shop.folder) as process:
        process.wait_for("waiting for what a migration left running: `hangs for ever`; ctrl-c ends it")
        backends.wait_for(connection, 0)
        process.send(signal.SIGINT)
        ended = process.wait()
    assert ended.code == 130
    assert "Traceback" not in ended.stderr
    if as_json:
        assert json.loads(ended.stdout)["completed"] == ["0001"]
        assert all(json.loads(line) for line in ended.stderr.splitlines())
    assert Facts(connection).told == [("0001", "started"), ("0001", "done")]


def test_a_thread_that_ends_is_waited_for(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "written"
    work = f"\n    def work():\n        time.sleep(0.3)\n        open({str(file)!r}, 'w').close()\n"
    shop.add(
        1, "0001.py", f"import threading, time\n\ndef execute(ctx):{work}    threading.Thread(target=work).start()\n"
    )
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        assert process.wait().code == 0
    assert file.exists()


def test_a_pool_of_threads_that_have_nothing_to_do_is_not_told(shop: Shop) -> None:
    pool = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor()\n"
    shop.add(1, "0001.py", f"{pool}\ndef execute(ctx):\n    pool.submit(int).result()\n")
    with Process("apply", "shop.yaml", cwd=shop.folder) as process:
        ended = process.wait()
    assert ended.code == 0
    assert "waiting for" not in ended.stderr
