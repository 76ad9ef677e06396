"""Several databases in one console: seen in one look, entered with enter, and none disturbed by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zmig_tui.screens.databases import DatabasesScreen

from tests.support.console import console
from tests.support.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.console import Console


@pytest.fixture
def production(shop: Shop) -> Shop:
    shop.environment = "production"
    shop.add(1, "one", "select 1;")
    shop.add(2, "two", "select pg_advisory_lock(1);", lock_timeout="10min")
    shop.migrator().migrate(to=1)
    return shop


@pytest.fixture
def staging(tmp_path: Path, production: Shop) -> Shop:
    """The same migrations, of which one more is applied, in tables of their own."""
    (tmp_path / "staging").mkdir()
    other = Shop(tmp_path / "staging", production.url, environment="staging")
    other.add(1, "one", "select 1;")
    other.add(2, "two", "select 2;")
    other.add(3, "three", "select nothing;")
    other.declare(tracking="{schema: staging, allow_existing: true}")
    other.migrator().migrate(to=2)
    return other


def _listed(zmig: Console) -> list[str]:
    assert isinstance(zmig.top, DatabasesScreen)
    return zmig.top.choices.texts


async def _until_listed(zmig: Console, *texts: str) -> None:
    """Wait until there is a line with each of these texts, in order."""
    await zmig.open(DatabasesScreen)
    await zmig.until(lambda: all(text in line for text, line in zip(texts, _listed(zmig), strict=True)))


async def test_all_are_listed_with_how_far_each_is_and_what_is_wrong_with_one_disturbs_no_other(
    production: Shop, staging: Shop, tmp_path: Path
) -> None:
    broken, dead = tmp_path / "broken.yaml", tmp_path / "dead.yaml"
    broken.write_text("manifest: 1\nnam: x\n")
    dead.write_text(
        'manifest: 1\nname: dead\nenvironment: test\ndatabase: {url: "postgresql://nobody@127.0.0.1:1/none"}\n'
        f"migrations:\n  - {{version: 1, file: {production.folder}/one.sql}}\n"
    )
    async with console(production.path, staging.path, broken, dead, size=(160, 40)) as zmig:
        await zmig.press("colon")
        await _until_listed(zmig, "1 of staging", "STAGING", "unknown key `nam`", "no answer")
        first, second, *_ = _listed(zmig)
        assert first.startswith("▸ shop.yaml")
        assert "PRODUCTION" in first
        assert first.split()[-2:] == ["·", "pending"]
        assert " of " not in second
        await zmig.press("down", "enter")
        await zmig.until(lambda: zmig.top is zmig.main)
        await zmig.until_states(one="done", two="done", three="pending")
        assert "STAGING" in zmig.texts("#heading")
        assert [row.name for row in zmig.main.table.rows] == ["one", "two", "three"]
        await zmig.press("colon")
        await _until_listed(zmig, "", "▸", "", "")
        await zmig.press("end", "up", "enter")
        await zmig.until(lambda: "nam" in zmig.texts("#problems"))
        await zmig.press("colon")
        await _until_listed(zmig, "", "", "▸", "")
        await zmig.press("escape")
        await zmig.until(lambda: zmig.top is zmig.main)
        await zmig.press("q")
        await zmig.until(lambda: zmig.has_left)


async def test_a_run_in_one_goes_on_while_another_is_shown_and_its_end_is_told(
    production: Shop, staging: Shop, connection: psycopg.Connection
) -> None:
    connection.execute("select pg_advisory_lock(1)")
    async with console(production.path, staging.path, size=(160, 40), uses_processes=True) as zmig:
        await zmig.question("a")
        await zmig.press("y")
        await zmig.until_text("#panel", "statement 1 of 1")
        await zmig.press("colon")
        await _until_listed(zmig, "▶ two 0 of 1", "pending")
        await zmig.press("down", "enter")
        await zmig.until_states(three="pending")
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "✗ apply: failed")
        assert zmig.app.databases[0].controller.is_running
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until(lambda: any("✓ shop PRODUCTION apply: 1 done" in toast for toast in zmig.toasts))
        await zmig.press("colon", "home", "enter")
        await zmig.until_text("#panel", "✓ apply: 1 done")
        await zmig.until_states(one="done", two="done")


async def test_a_run_of_one_that_was_never_shown_is_found_and_seen_when_it_is(
    production: Shop, staging: Shop, connection: psycopg.Connection
) -> None:
    connection.execute("select pg_advisory_lock(1)")
    async with console(production.path, uses_processes=True) as zmig:
        await zmig.question("a")
        await zmig.press("y")
        await zmig.until_text("#panel", "statement 1 of 1")
        await zmig.press("D")
        await zmig.until(lambda: zmig.has_left)
    async with console(staging.path, production.path, size=(160, 40), uses_processes=True) as zmig:
        await zmig.press("colon")
        await _until_listed(zmig, "STAGING", "▶ two 0 of 1")
        await zmig.press("down", "enter")
        await zmig.until_text("#panel", "statement 1 of 1")
        connection.execute("select pg_advisory_unlock(1)")
        await zmig.until_text("#panel", "✓ apply: 1 done")
