"""What a person decides with a reason, and runs with an option: every key pressed against a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import OptionList
from zmig_tui.screens.decision_dialogs import ReasonDialog, ResolveDialog
from zmig_tui.screens.dialogs import ConfirmDialog, PickDialog

from tests.support.console import console
from zmig.facts import EventType

if TYPE_CHECKING:
    import psycopg

    from tests.support.console import Console
    from tests.support.shop import Shop

BROKEN = "select 1;\nselect * from nowhere;\n"


def _last(shop: Shop) -> tuple[str, str, str | None]:
    fact = [fact for fact in shop.migrator().history() if fact.type is not EventType.OBSERVED][-1]
    return fact.name, fact.type.label, fact.text("reason")


async def _agree_in_production(zmig: Console, shop: Shop) -> None:
    if shop.environment == "production":
        await zmig.until(lambda: isinstance(zmig.top, ConfirmDialog) and zmig.top.may_be_agreed_to)
        assert zmig.main.model.observation is not None
        await zmig.type(zmig.main.model.observation.status.database)
        await zmig.press("enter")


@pytest.mark.parametrize(("downs", "state"), [(1, "done"), (2, "failed"), (3, "pending")])
async def test_a_failed_migration_is_resolved(shop: Shop, downs: int, state: str) -> None:
    shop.add(1, "one", BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        shop.migrator().migrate()
    async with console(shop.path) as zmig:
        await zmig.open(ResolveDialog, "x")
        assert zmig.top.query_one("#verdicts", OptionList).highlighted is None, "nothing is chosen beforehand"
        assert 'relation "nowhere" does not exist' in zmig.dialog()
        assert "statement 2 of 2" in zmig.dialog()
        await zmig.press("tab", "enter")
        assert "choose done, failed or pending first" in zmig.screen_text
        await zmig.press("shift+tab", *["down"] * downs, "enter", "enter")
        assert isinstance(zmig.top, ResolveDialog), "a reason is needed"
        assert "write a reason" in zmig.screen_text
        assert zmig.top.query_one("#reason").has_class("-wrong")
        await zmig.type("s")
        assert "write a reason" not in zmig.screen_text
        assert not zmig.top.query_one("#reason").has_class("-wrong")
        await zmig.type("een by hand")
        await zmig.press("enter")
        await zmig.until_states(one=state)
    assert _last(shop) == ("one", "resolved", "seen by hand")


async def test_how_far_a_migration_came_is_seen_where_it_is_decided_about(shop: Shop) -> None:
    shop.add(1, "one", "create table a ();\ncreate index concurrently on nowhere (a);\n", transaction="false")
    with pytest.raises(Exception, match="nowhere"):
        shop.migrator().migrate()
    async with console(shop.path) as zmig:
        await zmig.until(lambda: zmig.main.detail.detail is not None)
        await zmig.open(ResolveDialog, "x")
        assert "checkpoint   statement 1 stays applied" in zmig.dialog()
        assert "sent         statement 2 of 2 was refused by the server" in zmig.dialog()
        assert "statement    create index concurrently on nowhere (a)" in zmig.dialog()


@pytest.mark.parametrize("environment", ["development", "production"])
async def test_an_edited_file_is_accepted_with_a_reason(shop: Shop, environment: str) -> None:
    shop.environment = environment
    shop.add(1, "one", "create table one ();")
    shop.migrator().migrate()
    shop.write("one.sql", "create table one (a int);")
    async with console(shop.path) as zmig:
        await zmig.until(lambda: "edited" in "".join(row.findings for row in zmig.main.table.rows))
        await zmig.until(lambda: "press A" in zmig.page)
        await zmig.open(ReasonDialog, "A")
        assert "edited" in zmig.dialog()
        await zmig.press("enter")
        assert "write a reason" in zmig.screen_text
        await zmig.type("only for new databases")
        await zmig.press("enter")
        await _agree_in_production(zmig, shop)
        await zmig.until(lambda: not any(row.findings for row in zmig.main.table.rows))
        assert "the file of one is accepted as it is now" in zmig.toasts
        await zmig.press("A")
        assert zmig.toasts[-1] == "the file of one has not changed since it was applied"
    assert _last(shop) == ("one", "accepted", "only for new databases")


@pytest.mark.parametrize("environment", ["development", "production"])
async def test_what_a_database_has_already_is_recorded_up_to_the_cursor(
    shop: Shop, connection: psycopg.Connection, environment: str
) -> None:
    shop.environment = environment
    for version, name in enumerate(("one", "two", "three"), start=1):
        shop.add(version, name, f"create table {name} ();")
    connection.execute("create table one ()")
    shop.declare(tracking="{}")
    async with console(shop.path) as zmig:
        refused = " ".join((await zmig.plan("a")).replace("▌", " ").split())
        assert "the key b on version N" in refused
        assert "press o and choose `on top of what is there`" in refused
        await zmig.press("escape")
        await zmig.go_to("two")
        await zmig.open(ReasonDialog, "b")
        assert "2 migrations" in zmig.dialog()
        assert "three" not in zmig.dialog()
        await zmig.type("made by hand")
        await zmig.press("enter")
        await _agree_in_production(zmig, shop)
        await zmig.until_states(one="done", two="done", three="pending")
        await zmig.press("b")
        assert zmig.toasts[-1] == "everything up to two is applied already"
    assert _last(shop) == ("two", "baselined", "made by hand")


async def test_a_wrong_name_in_production_is_said_to_be_wrong_until_it_is_right(shop: Shop) -> None:
    shop.environment = "production"
    shop.add(1, "one", "select 1;", rollback="select 2;")
    shop.migrator().migrate()
    async with console(shop.path) as zmig:
        await zmig.question("u")
        assert zmig.main.model.observation is not None
        database = zmig.main.model.observation.status.database
        await zmig.open(ConfirmDialog, "enter")
        await zmig.press("enter")
        await zmig.until(lambda: f"type {database}, the name of the database" in zmig.screen_text)
        await zmig.type(database[:-1])
        assert f"that is not {database}" in zmig.screen_text
        await zmig.type(database[-1])
        assert f"type {database} to agree" in zmig.screen_text
        await zmig.press("enter")
        await zmig.until_states(one="pending")


async def test_what_is_out_of_order_is_applied_with_a_key(shop: Shop) -> None:
    shop.add(2, "two", "select 2;")
    shop.migrator().migrate()
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.until(lambda: len(zmig.main.table.rows) == 2)
        assert "press o and choose `out of order`" in await zmig.plan("a")
        await zmig.press("escape")
        await zmig.open(PickDialog, "o")
        await zmig.question("enter")
        assert "1 migration to run" in zmig.dialog()
        await zmig.press("enter")
        await zmig.until_states(one="done", two="done")


async def test_everything_runs_in_one_transaction_with_a_key(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();")
    shop.add(2, "two", BROKEN)
    async with console(shop.path) as zmig:
        await zmig.open(PickDialog, "o")
        await zmig.press("down", "down")
        assert "in one transaction" in zmig.screen_text
        await zmig.question("enter")
        await zmig.press("enter")
        await zmig.until(lambda: "press o and choose `in one transaction`" in zmig.texts("#panel"))
    assert [entry.state.value for entry in shop.migrator().status().migrations] == ["pending", "failed"]
