"""The console in a real pseudo-terminal: what is drawn is read back as a terminal would show it."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest
from textual.color import Color
from zmig_tui.widgets import themes

from tests.support import backends
from tests.support.fullscreen import FullScreen
from zmig.errors import MigrationFailed
from zmig.facts import EventType

if TYPE_CHECKING:
    import psycopg
    from textual.theme import Theme

    from tests.support.shop import Shop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal and signals")

HANGUP, TERMINATED = 128 + signal.SIGHUP, 128 + signal.SIGTERM


def _begin_a_run(shop: Shop, connection: psycopg.Connection, terminal: FullScreen) -> None:
    """Begin a run that goes on until `connection` gives the advisory lock 1 back."""
    connection.execute("select pg_advisory_lock(1)")
    terminal.shows("· 1 pending", "a Apply")
    terminal.press("a")
    terminal.agree()
    terminal.shows("statement 1 of 1")
    backends.wait_for(connection, 1, "wait_event_type = 'Lock'", of=terminal)


def _last(shop: Shop) -> tuple[str, str | None]:
    fact = [fact for fact in shop.migrator().history() if fact.type is not EventType.OBSERVED][-1]
    return fact.type.value.removeprefix("migration."), fact.error_message


@pytest.fixture
def shop_that_waits(shop: Shop) -> Shop:
    shop.add(1, "one", "select pg_advisory_lock(1);", lock_timeout="10min")
    return shop


def test_start_apply_fail_retry_quit(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();")
    shop.add(2, "two", "select 1;\nselect * from nowhere;\n")
    with FullScreen(shop.path) as terminal:
        terminal.shows("DEVELOPMENT", "· 2 pending", "a Apply")
        terminal.press("a")
        terminal.shows("apply: 2 migrations to run")
        terminal.agree()
        terminal.shows("✓ done", "✗ failed", "✗ apply: failed", 'relation "nowhere" does not exist')
        shop.write("two.sql", "select 1;")
        terminal.press("r")
        terminal.shows("retry two: 1 migration to run")
        terminal.agree()
        terminal.shows("✓ 2 done", "✓ retry two: 1 done")
        terminal.press("q")
        assert terminal.end() == 0
    assert [entry.state.value for entry in shop.migrator().status().migrations] == ["done", "done"]


def test_a_cursor_key_sends_little_over_a_slow_line(shop: Shop) -> None:
    for version in range(1, 31):
        table = f"create table t{version} (id int);"
        shop.add(version, f"makes_table_number_{version}", table, rollback=f"drop table t{version};")
    shop.migrator().migrate()
    with FullScreen(shop.path, size=(120, 36)) as terminal:
        terminal.press("\x1b[F")
        terminal.shows("30 done", "│ makes_table_number_30", "up to 5")
        before = len(terminal.written)
        for version in range(29, 19, -1):
            terminal.press("k")
            terminal.shows(f"│ makes_table_number_{version}", "up to 5")
        assert len(terminal.written) - before <= 10 * 6000
        terminal.press("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(
    ("background", "chosen", "ground"),
    [
        ("rgb:ffff/ffff/ffff", "", themes.LIGHT),
        ("rgb:10/10/10", "", themes.DARK),
        ("", "", themes.DARK),
        ("rgb:ffff/ffff/ffff", '{"theme": "zmig-dark"}', themes.DARK),
        ("rgb:ffff/ffff/ffff", "no JSON", themes.LIGHT),
    ],
)
def test_the_theme_is_the_chosen_one_or_fits_the_terminal(
    shop: Shop, background: str, chosen: str, ground: Theme
) -> None:
    shop.add(1, "one", "create table one ();")
    kept = shop.path.parent / "config" / "zmig" / "console.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(chosen)
    with FullScreen(shop.path, background=background) as terminal:
        terminal.shows("· 1 pending", "a Apply")
        colour = Color.parse(ground.background or "")
        assert f"48;2;{colour.r};{colour.g};{colour.b}m".encode() in terminal.written
        terminal.press("q")
        assert terminal.end() == 0
    assert kept.read_text() == chosen


def test_a_signal_cancels_the_run_records_that_and_ends(shop_that_waits: Shop, connection: psycopg.Connection) -> None:
    with FullScreen(shop_that_waits.path) as terminal:
        _begin_a_run(shop_that_waits, connection, terminal)
        terminal.send(signal.SIGTERM)
        assert terminal.end() == TERMINATED
    assert _last(shop_that_waits) == ("failed", "interrupted by request")


def _let_it_look(connection: psycopg.Connection, terminal: FullScreen) -> None:
    """Wait until the console has looked at the database again, some times: it still does something."""
    row = connection.execute("select clock_timestamp() + interval '2 seconds'").fetchone()
    assert row is not None
    backends.wait_for(connection, 1, f"application_name = 'zmig/console' and query_start > '{row[0]}'", of=terminal)


def test_a_terminal_that_takes_nothing_more_keeps_no_signal_waiting(
    shop_that_waits: Shop, connection: psycopg.Connection
) -> None:
    with FullScreen(shop_that_waits.path) as terminal:
        _begin_a_run(shop_that_waits, connection, terminal)
        # Nobody reads: keys that draw the whole screen anew fill what the terminal holds, and then Textual's queue.
        for _ in range(60):
            terminal.press("?\x1b")
        _let_it_look(connection, terminal)
        terminal.send(signal.SIGTERM)
        assert terminal.end(reads=False) == TERMINATED
    assert _last(shop_that_waits) == ("failed", "interrupted by request")


def test_the_windows_title_says_how_the_database_is_and_the_end_of_a_run_rings_where_nobody_looks(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select nothing;")
    with FullScreen(shop.path) as terminal:
        terminal.shows("· 2 pending", "a Apply")
        terminal.until(lambda _: b"\x1b]2;\xc2\xb7 shop 2 pending\x1b\\" in terminal.written)
        terminal.press("a")
        terminal.agree()
        terminal.until(lambda _: "\x1b]2;✗ shop two failed\x1b\\".encode() in terminal.written)
        assert b"\x1b]9;" not in terminal.written  # it was short, and somebody saw it
        shop.write("two.sql", "select pg_advisory_lock(1);")
        connection.execute("select pg_advisory_lock(1)")
        terminal.press("r")
        terminal.agree()
        terminal.until(lambda _: "\x1b]2;▶ shop two 0 of 1\x1b\\".encode() in terminal.written)
        terminal.press("\x1b[O")  # what a terminal sends whose window is no longer looked at
        _let_it_look(connection, terminal)
        connection.execute("select pg_advisory_unlock(1)")
        terminal.until(lambda _: "\x07\x1b]9;zmig: ✓ shop retry two: 1 done, after 0:".encode() in terminal.written)
        terminal.until(lambda _: "\x1b]2;✓ shop retry two: 1 done\x1b\\".encode() in terminal.written)
        terminal.press("q")
        assert terminal.end() == 0
    # What was there before is pushed at the beginning, and popped at the end.
    assert terminal.written.count(b"\x1b[22;2t") == terminal.written.count(b"\x1b[23;2t") == 1
    assert terminal.written.index(b"\x1b[22;2t") < terminal.written.index(b"\x1b]2;")
    assert terminal.written.rindex(b"\x1b[23;2t") > terminal.written.rindex(b"\x1b]2;")


def test_a_console_at_rest_ends_with_its_terminal(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    with FullScreen(shop.path) as terminal:
        terminal.shows("· 1 pending", "a Apply")
        terminal.close()
        assert terminal.end() == HANGUP


@pytest.mark.parametrize("statement", ["select 1;", f"do $$ begin raise '{'far too long ' * 20}'; end $$;"])
def test_a_dialog_is_laid_out_before_it_is_seen(shop: Shop, statement: str) -> None:
    shop.add(1, "one", statement)
    if "raise" in statement:
        with pytest.raises(MigrationFailed):
            shop.migrator().migrate()
    with FullScreen(shop.path) as terminal:
        terminal.shows("version 0", "x Resolve")
        corners: set[tuple[int, int]] = set()

        def is_there(screen: str) -> bool:
            corners.update((at, line.index("╭")) for at, line in enumerate(screen.split("\n")) if "╭" in line)
            return "resolve one as" in screen and "esc" in screen.split("╰")[0].split("\n")[-2]

        terminal.press("x")
        terminal.until(is_there)
        assert len(corners) == 1
