"""The plan's screen, with real keys on a real database: what it shows, what its keys do, and what may go wrong."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from zmig_tui.screens.dialogs import ConfirmDialog, QuitDialog
from zmig_tui.screens.plan import KEYS

from tests.support import backends
from tests.support.console import console

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.console import Console
    from tests.support.shop import Shop

ORDERS = """-- description: Orders.
create table orders (id bigint primary key, state text, note varchar(10));
insert into orders select i, 'new' from generate_series(1, 3000) i;
"""
NOTES = """-- description: Notes may be long.
alter table orders alter column note type int using note::int;

create index orders_state on orders (state);
update orders set state = 'old';
"""


@pytest.fixture
def orders(shop: Shop, connection: psycopg.Connection) -> Shop:
    """One migration is done, and its table is known to the server."""
    shop.add(1, "orders", ORDERS, rollback="drop table orders cascade;")
    shop.migrator().migrate()
    connection.execute("analyze orders")
    return shop


async def _worked_out(zmig: Console) -> None:
    model = zmig.plan_screen.model
    await zmig.until(lambda: model.effects is not None and (model.estimates or not model.locked_tables))


async def test_each_statement_has_its_lock_its_work_its_rows_and_what_is_better(orders: Shop) -> None:
    orders.add(2, "notes", NOTES)
    orders.add(3, "seed.py", 'def execute(ctx):\n    ctx.execute("lock table orders")\n', kind="python")
    batch = "{size: 100, pause: 20ms, max_lag: 3s, start: 0}"
    rounds = (
        "update orders set note = '1' where id in (select id from orders where id > :cursor order by id limit :size)"
    )
    orders.add(4, "rounds", f"{rounds} returning id;", batch=batch)
    orders.add(5, "late", "create index concurrently late on orders (note);")
    orders.add(9, "views", "select 1;", kind="repeatable", repeat='{condition: "select true"}')
    async with console(orders.path, size=(200, 60)) as zmig:
        text = await zmig.plan("a")
        assert "apply: 5 migrations to run" in text
        await _worked_out(zmig)
        await zmig.until(lambda: "about 3,000 rows" in zmig.step_page)
        listed = zmig.plan_screen.items.texts
        assert "ACCESS EXCLUSIVE" in listed[0]
        assert "REWRITE" in listed[0]
        assert "SHARE UPDATE EXCLUSIVE" in listed[6]
        page = zmig.plan_screen.page.texts
        rewrite, build = (_line(page, text) for text in ("alter table orders", "create index"))
        above = page[:rewrite][-2]
        assert "ACCESS EXCLUSIVE" in above and "REWRITE" in above and "orders" in above
        assert "SHARE" in page[build - 2] and "BUILD" in page[build - 2]
        below = "\n".join(page[build + 1 : build + 6])
        assert "+ create index concurrently orders_state on orders (state);" in below
        await zmig.press("n")
        await zmig.until_step_page("def execute(ctx):")
        assert "ACCESS EXCLUSIVE" in zmig.step_page
        await zmig.press("n")
        await zmig.until_step_page("100 rows each (size), a pause of 20 ms after each, waits for replicas that")
        assert "than 3 s (max_lag)" in zmig.step_page
        await zmig.press("end")
        await zmig.until_step_page("select true")
        assert "because     pending" in zmig.step_page
        await zmig.press("N", "N")
        await zmig.until_step_page(":cursor")
    assert len(orders.migrator().history(["notes"])) == 0


def _line(page: list[str], text: str) -> int:
    return next(at for at, line in enumerate(page) if text in line)


async def test_on_a_small_screen_the_halves_are_pages(orders: Shop) -> None:
    for version in range(2, 20):
        orders.add(version, f"m{version}", f"create table t{version} ();\n" * 3)
    async with console(orders.path, size=(80, 24)) as zmig:
        await zmig.plan("a")
        screen = zmig.plan_screen
        assert screen.items.display
        assert not screen.page.display
        await zmig.press("pagedown", "j", "k", "pageup", "G", "g", "down")
        await zmig.press("2")
        await zmig.until(lambda: screen.page.display and "create table t3" in zmig.screen_text)
        assert not screen.items.display
        await zmig.press("n")
        await zmig.until(lambda: "create table t4" in zmig.screen_text)
        await zmig.press("j", "k", "1")
        await zmig.until(lambda: screen.items.display and "m4" in zmig.screen_text)
        await zmig.press("tab")
        await zmig.until(lambda: screen.page.display)
        await zmig.press("tab")
        await zmig.until(lambda: screen.items.display)
        await zmig.press("2", "escape")
        await zmig.until(lambda: screen.items.display)
        assert zmig.top is screen, "the page is closed first"
        await zmig.until(lambda: "2  m2" in zmig.screen_text)
        await zmig.pilot.click("#plan-list", offset=(5, 1))
        await zmig.until(lambda: screen.items.index == 0)
        text = await zmig.reading("question_mark")
        assert all(binding.tooltip in text.replace("\n", " ") or " " in text for binding in KEYS if binding.tooltip)
        assert "Rehearse: Run it in one transaction" in text
        await zmig.press("escape")
        await zmig.pilot.resize_terminal(200, 60)
        await zmig.until(lambda: screen.page.display and screen.items.display)
        await zmig.press("escape")
        await zmig.until(lambda: zmig.top is zmig.main)


async def test_a_rehearsal_is_asked_for_measured_and_rolled_back(orders: Shop, connection: psycopg.Connection) -> None:
    orders.add(2, "notes", NOTES)
    orders.add(3, "late", "create index concurrently late on orders (note);")
    async with console(orders.path) as zmig:
        await zmig.question("p")
        await _worked_out(zmig)
        await zmig.open(ConfirmDialog, "R")
        await zmig.question()
        text = zmig.dialog()
        assert "ACCESS EXCLUSIVE  orders" in text
        assert "waits for no lock longer than 1s" in text
        assert "outside of a transaction: 1 step" in text
        await zmig.press("enter")
        await zmig.until(lambda: "✓ rehearsed 1 step" in zmig.plan_head)
        assert "1 step not rehearsed" in zmig.plan_head
        await zmig.until_step_page("rehearsed: ")
        assert "3,000 rows" in zmig.step_page
        assert zmig.main.model.runs.shown is None, "it is no run"
        row = connection.execute("select count(*), max(note) from orders where state = 'new'").fetchone()
        assert row == (3000, None)
        await zmig.press("enter")
        await zmig.until_states(notes="done", late="done")


async def test_a_rehearsal_that_fails_says_where_and_another_may_be_made(orders: Shop) -> None:
    orders.add(2, "wrong", "alter table orders add column n int;\nselect * from nowhere;\n")
    async with console(orders.path) as zmig:
        await zmig.question("a")
        await zmig.open(ConfirmDialog, "R")
        await zmig.agree_to()
        await zmig.until(lambda: "✗ rehearsed: wrong failed" in zmig.plan_head)
        await zmig.until(lambda: 'relation "nowhere" does not exist' in " ".join(zmig.step_page.split()))
        orders.write("wrong.sql", "alter table orders add column n int;\n")
        await zmig.until(lambda: "the plan is another one by now" in zmig.plan_head)
        await zmig.question("ctrl+r")
        await zmig.until(lambda: "another one" not in zmig.plan_head)
        await zmig.question()
        await zmig.open(ConfirmDialog, "R")
        await zmig.agree_to()
        await zmig.until(lambda: "✓ rehearsed 1 step" in zmig.plan_head)


async def test_a_rehearsal_ends_with_its_key_with_its_screen_and_with_the_console(
    orders: Shop, connection: psycopg.Connection
) -> None:
    orders.add(2, "slow", "select pg_sleep(600);")
    async with console(orders.path) as zmig:
        for key in ("c", "escape", "ctrl+q"):
            await zmig.question("a")
            await zmig.open(ConfirmDialog, "R")
            await zmig.agree_to()
            await zmig.until(lambda: "rehearsing" in zmig.plan_head)
            assert "enter Yes" not in zmig.screen_text
            await zmig.press("enter", "R")
            backends.wait_for(
                connection, 1, "query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()"
            )
            await zmig.press(key)
            if key == "c":
                await zmig.until(lambda: "rehearsing" not in zmig.plan_head)
                await zmig.press("escape")
            if key != "ctrl+q":
                await zmig.until(lambda: zmig.top is zmig.main and not zmig.app.controller.plans.is_rehearsing)
        await zmig.until(lambda: zmig.has_left)
    backends.wait_for(connection, 0, "query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()")
    assert [fact.type.label for fact in orders.migrator().history(["slow"])] == []


async def test_in_production_a_rehearsal_asks_for_the_databases_name(orders: Shop) -> None:
    orders.environment = "production"
    orders.add(2, "notes", NOTES)
    async with console(orders.path) as zmig:
        await zmig.question("a")
        await zmig.open(ConfirmDialog, "R")
        await zmig.question()
        await zmig.press("y", "enter")
        assert isinstance(zmig.top, ConfirmDialog)
        await zmig.press("backspace")
        assert zmig.main.model.observation is not None
        await zmig.type(zmig.main.model.observation.status.database)
        await zmig.press("enter")
        await zmig.until(lambda: "✓ rehearsed 1 step" in zmig.plan_head)


async def test_a_rollback_shows_what_goes_and_what_is_due_again_behind_it(
    orders: Shop, connection: psycopg.Connection
) -> None:
    orders.add(2, "notes", "alter table orders add column n int;", rollback="alter table orders drop column n;")
    orders.add(90, "views", "create or replace view v as select id from orders;", kind="repeatable")
    orders.migrator().migrate()
    async with console(orders.path) as zmig:
        await zmig.question("u")
        await _worked_out(zmig)
        await zmig.until_step_page("alter table orders drop column n;")
        await zmig.until_step_page("- the column `orders.n`, and all that is in it")
        assert "due again after it: views" in zmig.step_page
        assert "ACCESS EXCLUSIVE" in zmig.step_page
        assert "R Rehearse" not in zmig.screen_text
        await zmig.press("R", "escape")
        await zmig.question("home", "U")
        assert "rollback to 1" in zmig.plan_head
        orders.write("notes.rollback.sql", "select 1;")
        await zmig.until(lambda: "the plan is another one by now" in zmig.plan_head)
        await zmig.press("enter")
        assert zmig.top is zmig.plan_screen
        await zmig.press("escape")
    assert connection.execute("select count(*) from orders where n is null").fetchone() == (3000,)


async def test_a_manifest_that_is_edited_makes_the_plan_another_one_until_it_is_put_back(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.question("a")
        text = shop.path.read_text()
        shop.add(2, "two", "select 2;")
        await zmig.until(lambda: "the plan is another one by now: 2 migrations to run" in zmig.plan_head)
        await zmig.press("enter")
        assert zmig.top is zmig.plan_screen
        shop.path.write_text(text)
        await zmig.until(lambda: "another one" not in zmig.plan_head)
        shop.path.write_text("manifest: 1\nmigrations: 7\n")
        await zmig.until(lambda: "the manifest cannot be used as it is now" in zmig.plan_head)
        shop.declare()
        await zmig.until(lambda: "another one by now: 2" in zmig.plan_head)
        await zmig.press("ctrl+r")
        await zmig.until(lambda: "apply: 2 migrations to run" in zmig.plan_head)
        await zmig.agree_to()
        await zmig.until_states(one="done", two="done")


async def test_a_run_that_begins_elsewhere_makes_it_another_plan_and_beside_one_it_may_only_be_looked_at(
    shop: Shop, connection: psycopg.Connection
) -> None:
    shop.add(1, "one", "select pg_advisory_lock(1);", lock_timeout="10min")
    shop.add(2, "two", "select 2;")
    connection.execute("select pg_advisory_lock(1)")
    async with console(shop.path) as zmig:
        await zmig.question("a")
        run = threading.Thread(target=shop.migrator().migrate)
        run.start()
        await zmig.until(lambda: "the plan is another one by now" in zmig.plan_head)
        await zmig.press("enter", "escape")
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until_states(one="done", two="done")
        run.join()
        shop.add(3, "three", "select pg_advisory_lock(2);", lock_timeout="10min")
        connection.execute("select pg_advisory_lock(2)")
        await zmig.until(lambda: len(zmig.main.table.rows) == 3)
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "statement 1 of 1")
        await zmig.plan("p")
        assert "enter Yes" not in zmig.screen_text
        await zmig.press("enter", "y", "R")
        await zmig.open(QuitDialog, "ctrl+q")
        await zmig.press("escape")
        await zmig.press("escape")
        connection.execute("select pg_advisory_unlock(2)")
        await zmig.until_states(three="done")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (None, "does not exist"),
        (b"select '\xff\xfe';", "UTF-8"),
        (b"selec 1;\n", "syntax error at or near"),
        (b"select 'never ended", "the string that begins here never ends"),
        (b"-- x\n" * 300_000 + b"select 1;\n", "only its beginning is shown"),
    ],
    ids=["missing", "octets", "syntax", "open", "huge"],
)
async def test_whatever_is_in_a_file_is_told(orders: Shop, content: bytes | None, shown: str) -> None:
    file = orders.add(2, "two", "select 1;")
    async with console(orders.path, size=(160, 44)) as zmig:
        file.write_bytes(content) if content is not None else file.unlink()
        await zmig.plan("a")
        await zmig.until(lambda: shown in zmig.step_page or shown in " ".join(zmig.dialog().split()))
        await zmig.press("escape")
        await zmig.until(lambda: zmig.top is zmig.main)


@pytest.fixture
def parser(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is imported in place of the parser by the process that works out effects."""
    folder = tmp_path_factory.mktemp("instead")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder / "postgast.py"


async def test_without_the_parser_the_rest_is_shown_and_how_to_get_it(orders: Shop, parser: Path) -> None:
    parser.write_text("raise ImportError('it is not here')\n")
    orders.add(2, "notes", NOTES)
    async with console(orders.path, size=(200, 60)) as zmig:
        await zmig.question("a")
        await zmig.until(lambda: "the package `postgast` is not installed" in zmig.plan_head)
        assert 'pip install "zmig[lint]"' in zmig.plan_head
        await zmig.until_step_page("alter table orders")
        await zmig.press("enter")
        await zmig.until_states(notes="done")


async def test_a_process_that_breaks_down_costs_only_what_it_would_have_told(orders: Shop, parser: Path) -> None:
    parser.write_text("raise SystemExit('the parser broke down')\n")
    orders.add(2, "notes", NOTES)
    async with console(orders.path) as zmig:
        await zmig.question("a")
        await zmig.until(lambda: "is not known: the parser broke down" in zmig.plan_head)
        await zmig.press("enter")
        await zmig.until_states(notes="done")


async def test_while_it_is_worked_out_keys_are_answered_and_leaving_ends_the_process(
    orders: Shop, parser: Path
) -> None:
    fifo = parser.with_name("fifo")
    os.mkfifo(fifo)
    parser.write_text(f"open({str(fifo)!r}).read()\n")
    orders.add(2, "notes", NOTES)
    orders.add(3, "more", "select 3;")
    async with console(orders.path) as zmig:
        await zmig.question("a")
        effects = zmig.app.controller.plans.effects
        await zmig.until(lambda: effects.pid is not None)
        pid = effects.pid
        assert pid is not None
        assert "working out" in zmig.plan_head
        await zmig.press("n")
        await zmig.until_step_page("select 3;")
        text = await zmig.reading("question_mark")
        assert text.startswith("keys of a plan")
        await zmig.press("escape", "escape")
        await zmig.until(lambda: effects.pid is None)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert zmig.top is zmig.main


async def test_the_database_goes_away_while_a_plan_is_read(orders: Shop, connection: psycopg.Connection) -> None:
    orders.add(2, "notes", NOTES)
    async with console(orders.path) as zmig:
        await zmig.question("a")
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'zmig/console'"
        )
        await zmig.press("ctrl+r")
        await zmig.until(lambda: not zmig.plan_screen.model.is_planning)
        await zmig.question("ctrl+r")
        await zmig.until(lambda: "apply: 1 migration to run" in zmig.plan_head)
        await zmig.agree_to()
        await zmig.until_states(notes="done")
