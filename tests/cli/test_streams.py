"""Standard streams that do not do what they should, and errors that nobody foresaw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ROOT
from tests.support.process import run as run_process
from zmig.cli import dispatch
from zmig.cli.main import main

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.support.shop import Shop


def into_a_closed_pipe(*words: str, cwd: Path, stream: str) -> tuple[int, str]:
    """Run a command whose stdout or stderr nobody reads; return its exit code and what it wrote to the other."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [sys.executable, "-m", "zmig", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=writing if stream == "stdout" else subprocess.PIPE,
        stderr=writing if stream == "stderr" else subprocess.PIPE,
    )
    os.close(writing)
    out, err = process.communicate(timeout=60)
    return process.returncode, out or err or ""


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["history", "shop.yaml"], ["status", "shop.yaml"]])
def test_reader_that_went_away_is_no_error(shop: Shop, words: list[str]) -> None:
    shop.add(1, "0001", "select 1;")
    shop.migrator().migrate()
    assert into_a_closed_pipe(*words, cwd=shop.folder, stream="stdout") == (0, "")


def test_run_goes_on_when_nobody_listens_any_more(shop: Shop) -> None:
    shop.add(1, "0001", "select 1;")
    assert into_a_closed_pipe("apply", "shop.yaml", cwd=shop.folder, stream="stderr") == (0, "")
    assert shop.migrator().current_version() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["status", "shop.yaml"], ["status", "shop.yaml", "--json"]]
)
def test_data_that_cannot_be_written_is_an_error(shop: Shop, words: list[str]) -> None:
    shop.declare()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "zmig", *words],
            cwd=shop.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 2
    message = "standard output cannot be written: No space left on device"
    if "--json" in words:
        assert json.loads(ended.stderr)["problem"]["message"] == message
    else:
        assert ended.stderr == f"error: {message}\n"


def test_text_that_the_encoding_lacks_is_escaped(shop: Shop) -> None:
    shop.add(1, "0001", "do $$ begin raise notice 'größe 表'; end $$;")
    ended = run_process("apply", "shop.yaml", cwd=shop.folder, environ={"PYTHONIOENCODING": "ascii"})
    assert (ended.code, r"notice: gr\xf6\xdfe \u8868" in ended.stderr) == (0, True)


def test_unforeseen_error_is_called_a_bug_and_shows_its_traceback_without_secrets(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    def fail(*_: object) -> int:
        raise RuntimeError("cannot parse postgresql://shop:hunter2@db/shop")

    monkeypatch.setattr(dispatch, "_run", fail)
    ended, as_json = run("status"), run("status", "--json")
    assert (ended.code, as_json.code) == (70, 70)
    assert "Traceback (most recent call last):" in ended.stderr
    assert (
        "error: internal error: RuntimeError: cannot parse postgresql://shop:***@db/shop; this is a bug in zmig\n"
        in ended.stderr
    )
    assert json.loads(as_json.stdout)["error"]["code"] == "internal-error"
    assert "hunter2" not in ended.stderr + ended.stdout + as_json.stderr + as_json.stdout


def test_migration_that_exits_does_not_choose_the_exit_code(shop: Shop, run: Run) -> None:
    shop.add(1, "0001.py", "import sys\n\ndef execute(ctx):\n    sys.exit(0)\n")
    assert run("apply", "shop.yaml").code == 1


def test_main_returns_and_never_exits() -> None:
    assert main(["--version"]) == 0


AT_EXIT = """
import atexit
import sys

atexit.register(lambda: print("at exit", file=sys.stderr))


def execute(ctx):
    pass
"""

LATER = """
import sys
import threading
import time


def work():
    time.sleep(0.5)
    print("later", file=sys.stderr)


def execute(ctx):
    threading.Thread(target=work).start()
"""


@pytest.mark.parametrize(("code", "said"), [(AT_EXIT, "at exit"), (LATER, "later")])
def test_what_a_migration_leaves_to_the_end_of_the_process_is_done(shop: Shop, code: str, said: str) -> None:
    shop.add(1, "0001.py", code)
    ended = run_process("apply", "shop.yaml", cwd=shop.folder)
    assert ended.code == 0
    assert ended.stderr.rstrip().endswith(said)


def test_everything_is_written_when_the_process_ends_early(shop: Shop) -> None:
    for version in range(1, 400):
        shop.add(version, f"{version:04}", "select 1;")
    shop.migrator().migrate()
    ended = run_process("status", "shop.yaml", cwd=shop.folder)
    assert ended.code == 0
    assert len([line for line in ended.stdout.splitlines() if "done" in line]) == 399
    assert run_process("status", "shop.yaml", "--check", cwd=shop.folder).code == 0
    assert run_process("status", "none.yaml", cwd=shop.folder).code == 2
