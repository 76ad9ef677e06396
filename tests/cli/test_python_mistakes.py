"""Mistakes in Python migrations: each is told with its line and its own reason."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.steady import steady

if TYPE_CHECKING:
    import psycopg

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop


def error_of(ended: Ended) -> str:
    """Return the error, which stands behind the narration."""
    text = steady(ended.stderr)
    return text[text.index("error: ") :]


SWALLOWED = """
def execute(ctx):
    ctx.execute("create table a ()")
    try:
        ctx.execute("insert into nosuch values (1)")
    except Exception:
        pass
"""


@pytest.mark.parametrize("more", ["", '    ctx.execute("create table b ()")\n'], ids=["returns", "goes on"])
def test_an_error_of_sql_that_was_swallowed_is_the_one_that_is_told(shop: Shop, run: Run, more: str) -> None:
    shop.add(1, "001_x.py", SWALLOWED + more)
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert error_of(ended) == dedent("""\
        error: migration `001_x` failed: relation "nosuch" does not exist
          --> 001_x.py:5:9
           |
         5 |         ctx.execute("insert into nosuch values (1)")
           |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = PostgreSQL 42P01, after <duration>
           = the code caught this error and went on, but the transaction had failed by it
           = rolled back: `001_x` left nothing behind
        hint: correct the file, then run `zmig retry shop.yaml 001_x`
        """)


def test_an_error_of_sql_inside_a_savepoint_may_be_swallowed(
    shop: Shop, run: Run, connection: psycopg.Connection
) -> None:
    shop.add(
        1,
        "001_x.py",
        """
import psycopg

def execute(ctx):
    try:
        with ctx.connection.transaction():
            ctx.execute("insert into nosuch values (1)")
    except psycopg.Error:
        ctx.execute("create table b ()")
""",
    )
    assert run("apply", "shop.yaml").code == 0
    assert connection.execute("select to_regclass('b')::text").fetchone() == ("b",)


def test_a_commit_is_told_with_its_line_and_nothing_runs_behind_it(
    shop: Shop, run: Run, connection: psycopg.Connection
) -> None:
    shop.add(
        1, "001_x.py", 'def execute(ctx):\n    ctx.execute("commit")\n    ctx.execute("create table outside ()")\n'
    )
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert error_of(ended) == dedent("""\
        error: migration `001_x` failed: it ended the transaction zmig runs it in
          --> 001_x.py:2:5
           |
         2 |     ctx.execute("commit")
           |     ^^^^^^^^^^^^^^^^^^^^^
           = after <duration>
           = not rolled back: what `001_x` committed stays
        hint: remove what ends it: zmig commits; look at what was committed, then run `zmig retry shop.yaml 001_x`
        """)
    assert connection.execute("select to_regclass('outside')").fetchone() == (None,)


@pytest.mark.parametrize("handler", ["except Exception", "except"])
def test_nothing_runs_behind_a_commit_whatever_is_swallowed(
    shop: Shop, run: Run, connection: psycopg.Connection, handler: str
) -> None:
    shop.add(
        1,
        "001_x.py",
        f"""
def execute(ctx):
    for statement in ("commit", "create table outside ()"):
        try:
            ctx.execute(statement)
        {handler}:
            pass
""",
    )
    ended = run("apply", "shop.yaml")
    assert (ended.code, "it ended the transaction zmig runs it in" in ended.stderr) == (1, True)
    assert connection.execute("select to_regclass('outside')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("sys.exit(0)", "it called `sys.exit(0)`, which ends no migration"),
        ("sys.exit('enough')", "it called `sys.exit('enough')`, which ends no migration"),
        ("sys.exit()", "it called `sys.exit()`, which ends no migration"),
    ],
)
def test_the_end_of_the_program_is_called_so(shop: Shop, run: Run, call: str, words: str) -> None:
    shop.add(1, "001_x.py", f"import sys\n\ndef execute(ctx):\n    {call}\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert f"error: migration `001_x` failed: {words}\n  --> 001_x.py:4:5\n" in ended.stderr


def test_a_function_that_takes_no_context_is_found_before_anything_runs(
    shop: Shop, run: Run, connection: psycopg.Connection
) -> None:
    shop.add(1, "001_first", "create table first ();")
    shop.add(2, "002_x.py", "import os\n\ndef execute():\n    pass\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr == dedent("""\
        error: `execute` of migration `002_x` cannot be called as `execute(ctx)`
          --> 002_x.py:3:1
           |
         3 | def execute():
           | ^
           = nothing was run
        hint: write `def execute(ctx):`
        """)
    assert connection.execute("select to_regclass('first')").fetchone() == (None,)


def test_what_is_assigned_to_the_context_is_refused_instead_of_lost(shop: Shop, run: Run) -> None:
    shop.add(1, "001_x.py", "def execute(ctx):\n    ctx.data = {'rows': 3}\n")
    ended = run("apply", "shop.yaml")
    assert (ended.code, "'Context' object has no attribute 'data'\n  --> 001_x.py:2:5\n" in ended.stderr) == (1, True)


def test_the_next_migration_begins_in_the_folder_of_before(shop: Shop, run: Run) -> None:
    Path("elsewhere").mkdir()
    shop.add(1, "001_x.py", "import os\nos.chdir('elsewhere')\n\ndef execute(ctx):\n    os.chdir('elsewhere')\n")
    shop.add(2, "002_x.py", "import os\n\ndef execute(ctx):\n    os.chdir('elsewhere')\n    raise ValueError('here')\n")
    ended = run("apply", "shop.yaml")
    assert "  --> 002_x.py:5:5\n   |\n 5 |     raise ValueError('here')\n" in ended.stderr
    assert Path.cwd() == shop.folder


def test_a_module_beside_a_migration_is_found_once_the_hint_is_followed(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("shop_shared.py", "TABLE = 'a'\n")
    shop.add(1, "001_x.py", "import shop_shared\n\ndef execute(ctx):\n    pass\n")
    ended = run("apply", "shop.yaml")
    assert (ended.code, "ModuleNotFoundError: No module named 'shop_shared'" in ended.stderr) == (2, True)
    assert ended.stderr.endswith(
        "hint: run `export PYTHONPATH=.` before: a migration's folder is not searched for modules\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(shop.folder)])
    assert run("apply", "shop.yaml").code == 0


def test_an_error_of_should_repeat_is_told_with_its_kind_and_line(shop: Shop, run: Run) -> None:
    text = "def execute(ctx):\n    pass\n\ndef should_repeat(ctx, last_run):\n    return last_run.data[1]\n"
    shop.add(1, "001_x.py", text, kind="repeatable")
    run("apply", "shop.yaml")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert error_of(ended) == dedent("""\
        error: the `should_repeat` of repeatable `001_x` gave no answer: KeyError: 1
          --> 001_x.py:5:12
           |
         5 |     return last_run.data[1]
           |            ^^^^^^^^^^^^^^^^
           = it was not run
        hint: correct the code
        """)
