"""Statements that fail in a way of their own: what they took away, what the server cannot take."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.support.steady import steady
from zmig.database import wire
from zmig.sql import splitter

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop


def error_of(ended: Ended) -> str:
    """Return the error, which stands behind the narration."""
    text = steady(ended.stderr)
    return text[text.index("error: ") :]


def test_a_migration_that_drops_zmigs_own_schema_is_told_so(shop: Shop, run: Run) -> None:
    shop.add(1, "001_clean", "select 1;\ndrop schema zmig cascade;\nselect 2;")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    text = error_of(ended)
    assert text.startswith(
        "error: migration `001_clean` failed: it took away zmig's own tables in schema `zmig`: relation "
    )
    assert "  --> 001_clean.sql:2:1\n   |\n 2 | drop schema zmig cascade;\n" in text
    assert "   = rolled back: `001_clean` left nothing behind\n" in text
    hint = "hint: leave schema `zmig` as it is, where zmig keeps what it has done, then run "
    assert hint in text
    assert hint in run("status", "shop.yaml").stdout


@pytest.mark.parametrize("rows", ["", "1\n"], ids=["no rows", "rows"])
@pytest.mark.parametrize("options", ["(format binary)", "with binary"])
def test_a_binary_copy_is_refused_with_what_to_write(shop: Shop, run: Run, rows: str, options: str) -> None:
    shop.add(1, "001_t", "create table t (x int);")
    shop.add(2, "002_rows", f"copy t from stdin {options};\n{rows}\\.\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert error_of(ended) == dedent(f"""\
        error: migration `002_rows` failed: the rows of a binary COPY cannot be in a text file
          --> 002_rows.sql:1:1
           |
         1 | copy t from stdin {options};
           | ^
           = statement 1 of 1, after <duration>
           = rolled back: `002_rows` left nothing behind; `001_t` of this run stays applied
        hint: write the COPY without `binary` and its rows as text
        """)


@pytest.mark.parametrize("begin", ["insert into t values ('", "select f('", "create function f() returns text as '"])
@pytest.mark.parametrize("size", [20_000, 2_500_000], ids=["held", "read in pieces"])
def test_a_statement_that_the_server_cannot_take_is_not_sent(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, begin: str, size: int
) -> None:
    monkeypatch.setattr(splitter, "LONGEST_STATEMENT", size - 100)
    shop.add(1, "001_x", f"select 1;\n{begin}{'x' * size}');\nselect 2;\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr.startswith("error: the statement that begins here is longer than the server takes: ")
    assert "  --> 001_x.sql:2:1\n" in ended.stderr
    assert ended.stderr.endswith("hint: write it as several statements, or as a COPY with its rows after it\n")


def test_a_statement_of_wide_characters_that_the_server_cannot_take_is_not_sent(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "LONGEST_MESSAGE", 50_000)
    shop.add(1, "001_x", f"select 1;\nselect '{'表' * 20_000}';\n")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert "failed: it is longer than a message to the server may be: 50,000 bytes\n" in ended.stderr
    assert "   = rolled back: `001_x` left nothing behind\n" in ended.stderr
    assert run("status", "shop.yaml").code == 0


def test_a_warning_of_a_lock_that_was_not_held_says_what_it_means(shop: Shop, run: Run) -> None:
    shop.add(
        1,
        "001_x.py",
        "def execute(ctx):\n    ctx.execute('select pg_advisory_unlock_all()')\n    raise ValueError('x')\n",
    )
    ended = run("apply", "shop.yaml")
    said = [line for line in ended.stderr.splitlines() if "you don't own a lock" in line]
    assert all(line.endswith("if it is the run's own, the run ends") for line in said)
    assert "it released the run's lock, so another run may have begun beside it" in ended.stderr


def test_several_migrations_are_accepted_together_or_none(shop: Shop, run: Run) -> None:
    for number in (1, 2, 3):
        shop.add(number, f"00{number}_x", f"select {number};")
    run("apply", "shop.yaml")
    for number in (1, 2):
        shop.write(f"00{number}_x.sql", f"select {number}, 1;")
    assert run("accept", "shop.yaml", "1", "002_x", "3", "--reason", "one more").code == 2
    assert run("apply", "shop.yaml").stderr.count("was edited after it was applied") == 2
    ended = run("accept", "shop.yaml", "1", "002_x", "--reason", "comments")
    assert ended.stderr.splitlines() == [f"the file of migration `00{n}_x` is accepted as it is now" for n in (1, 2)]
    assert run("apply", "shop.yaml").code == 0
