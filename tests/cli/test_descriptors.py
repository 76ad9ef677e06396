"""Under `--json`, what child processes and C code write is told in objects, too, however much it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.facts import Facts
from tests.support.process import ROOT, Process
from tests.support.process import run as run_process

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.process import Ended
    from tests.support.shop import Shop

CHILD = "subprocess.run([sys.executable, '-c', {code!r}], check=True)"


def code(*lines: str, name: str = "execute(ctx)") -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"import os\nimport subprocess\nimport sys\n\n\ndef {name}:\n{body}"


def told(ended: Ended) -> list[tuple[str, str]]:
    """Return what was printed, with its stream; everything else must be an object a line, and one document."""
    json.loads(ended.stdout)
    objects = [json.loads(line) for line in ended.stderr.splitlines()]
    assert all(isinstance(one, dict) for one in objects)
    return [(one["stream"], one["printed"]) for one in objects if "printed" in one]


def test_what_a_child_writes_is_told_in_its_place(shop: Shop) -> None:
    lines = (
        "print('first')",
        "subprocess.run(['sh', '-c', 'echo one; printf two'], check=True)",
        "print('second')",
        "os.write(1, b'raw \\xff\\n')",
        "print('third', file=sys.stderr)",
        "subprocess.run(['sh', '-c', 'echo three >&2'], check=True)",
        "subprocess.run(['sh', '-c', 'echo four'], stdout=sys.stdout, check=True)",
        "sys.__stdout__.write('five\\n')",
    )
    shop.add(1, "0001.py", code(*lines))
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    assert ended.code == 0
    found = told(ended)
    assert [line for stream, line in found if stream == "stdout"] == [
        "first", "one", "second", "tworaw \\xff", "four", "five",
    ]  # fmt: skip
    assert [line for stream, line in found if stream == "stderr"] == ["third", "three"]
    objects = [json.loads(line) for line in ended.stderr.splitlines()]
    assert "printed" not in objects[-1]


def test_the_import_and_the_question_of_code_are_heard(shop: Shop) -> None:
    text = "import os\n\nos.system('echo imported')\n\n\ndef execute(ctx):\n    pass\n\n\n"
    text += "def should_repeat(ctx, last_run):\n    os.system('echo asked')\n    return False\n"
    shop.add(1, "0001.py", text, kind="repeatable")
    assert ("stdout", "imported") in told(run_process("apply", "shop.yaml", "--json", cwd=shop.folder))
    assert ("stdout", "asked") in told(run_process("status", "shop.yaml", "--json", cwd=shop.folder))


def test_without_json_a_child_writes_where_it_did(shop: Shop) -> None:
    shop.add(1, "0001.py", code("os.system('echo out; echo err >&2')"))
    ended = run_process("apply", "shop.yaml", cwd=shop.folder)
    assert ended.stdout == "out\n"
    assert "err\n" in ended.stderr


def test_much_output_that_nobody_reads_holds_nobody_up(shop: Shop, connection: psycopg.Connection) -> None:
    writes = "import sys; [print('x' * 99) for _ in range(100_000)]; sys.stderr.write('y' * 5_000_000)"
    shop.add(1, "0001", "create table one ();")
    shop.migrator().migrate()
    shop.add(2, "0002.py", code(CHILD.format(code=writes)))
    shop.add(3, "0003", "create table three ();")
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "zmig", "apply", "shop.yaml", "--json"],
        cwd=shop.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=writing,
    ) as process:
        os.close(writing)
        facts = Facts(connection)
        while process.poll() is None and not {("0002", "failed"), ("0003", "done")} & set(facts.told):
            pass
        with os.fdopen(reading, "rb") as stream:
            printed = [json.loads(line) for line in stream]
    assert process.returncode == 0
    lines = [one["printed"] for one in printed if "printed" in one]
    assert lines.count("x" * 99) == 100_000
    assert sum(line.count("y") for line in lines) == 5_000_000


def test_a_child_that_outlives_its_migration_is_heard_and_not_waited_for(
    shop: Shop, connection: psycopg.Connection
) -> None:
    waits = "import sys; print('alive', flush=True); sys.stdin.read()"
    start = f"child = subprocess.Popen([sys.executable, '-c', {waits!r}], stdin=subprocess.PIPE)"
    shop.add(1, "0001.py", code("global child", start, "os.set_inheritable(child.stdin.fileno(), False)"))
    shop.add(2, "0002", "create table two ();")
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    assert ended.code == 0
    assert Facts(connection).applied == [(1, "0001"), (2, "0002")]
    told(ended)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_whose_child_writes(
    shop: Shop, connection: psycopg.Connection, number: signal.Signals, exit_code: int
) -> None:
    endless = "import itertools; [print('here', flush=True) for _ in itertools.count()]"
    shop.add(1, "0001.py", code(CHILD.format(code=endless)))
    with Process("apply", "shop.yaml", "--json", cwd=shop.folder) as process:
        process.wait_for("here")
        process.send(number)
        ended = process.wait()
    assert ended.code == exit_code
    told(ended)
    assert Facts(connection).told == [("0001", "started"), ("0001", "failed")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_prints_too(shop: Shop) -> None:
    lines = ("if os.fork() == 0:", "    print('child')", "    os.system('echo grandchild')", "    return", "os.wait()")
    shop.add(1, "0001.py", code(*lines))
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    assert ended.code == 0
    assert {("stdout", "child"), ("stdout", "grandchild")} <= set(told(ended))


def test_secrets_in_it_are_masked_and_quiet_leaves_it_out(shop: Shop) -> None:
    shop.add(1, "0001.py", code("os.system('echo postgresql://u:hunter2@h/d')"))
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    assert ("stdout", "postgresql://u:***@h/d") in told(ended)
    shop.add(2, "0002.py", code("os.system('echo x; echo y >&2')"))
    assert told(run_process("apply", "shop.yaml", "--json", "--quiet", cwd=shop.folder)) == []


def test_the_streams_can_be_set_up_as_pythons_own(shop: Shop) -> None:
    lines = (
        "import io, sys",
        "for stream in (sys.stdout, sys.stderr):",
        "    stream.reconfigure(line_buffering=True, write_through=True, errors='replace', encoding='latin-1')",
        "    assert (stream.encoding, stream.errors) == ('latin-1', 'replace')",
        "    assert stream.line_buffering and stream.write_through",
        "    for name in ('buffer', 'closed', 'mode', 'name', 'newlines', *dir(io.TextIOBase)):",
        "        getattr(stream, name)",
        "    print('\\u20ac', file=stream)",
        "    stream.buffer.write(b'octets\\n')",
    )
    shop.add(1, "0001.py", code(*lines))
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    assert ended.code == 0, ended.stderr
    assert told(ended) == [(name, text) for name in ("stdout", "stderr") for text in ("\u20ac", "octets")]


@pytest.mark.parametrize(("end", "exit_code"), [("pass", 0), ("raise ValueError", 1)])
def test_a_child_that_outlives_the_command_may_write_on(shop: Shop, tmp_path: Path, end: str, exit_code: int) -> None:
    go_on, over = tmp_path / "go_on", tmp_path / "over"
    os.mkfifo(go_on)
    os.mkfifo(over)
    listening = os.open(over, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3> {over}; read word < {go_on}; for i in 1 2 3; do echo child; echo child >&2; done; echo well >&3"
    shop.add(1, "0001.py", code(f"global child; child = subprocess.Popen(['sh', '-c', {script!r}])", end))
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    go_on.write_text("now\n")  # which waits until the child listens
    os.set_blocking(listening, True)
    with os.fdopen(listening) as said:
        assert said.read() == "well\n"
    assert ended.code == exit_code
    assert "a process that a migration started lives on" in ended.stderr
    assert told(ended) == []


def test_a_thread_that_outlives_the_command_prints_objects_too(shop: Shop, tmp_path: Path) -> None:
    go_on = tmp_path / "go_on"
    os.mkfifo(go_on)
    lines = (
        "import threading",
        "def work():",
        f"    open({str(go_on)!r}).read()",
        "    print('late')",
        "    print('later', file=sys.stderr)",
        "    print('without an end', end='')",
        "threading.Thread(target=work, name='goes on').start()",
    )
    shop.add(1, "0001.py", code(*lines))
    with Process("apply", "shop.yaml", "--json", cwd=shop.folder) as process:
        process.wait_for("waiting for what a migration left running: `goes on`")
        go_on.write_text("now")
        ended = process.wait()
    assert ended.code == 0
    assert told(ended) == [("stdout", "late"), ("stderr", "later"), ("stdout", "without an end")]
