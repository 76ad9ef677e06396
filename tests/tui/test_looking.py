"""What the console shows, finds and survives; keys that only look."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import psycopg.conninfo
import pytest

from tests.support.console import console
from tests.support.shop import APPLY, UNNOTICED
from zmig.errors import MigrationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.shop import Shop

ODD = "select '[bold red]x[/]', '[/', $$\x1b[31mred\x1b[0m$$, '日本語の列', array['a', 'b'];\n"


def _failing(shop: Shop) -> None:
    with pytest.raises(MigrationFailed):
        shop.migrator().migrate()


class Gate:
    """Lets nobody into one database, and throws out who is in."""

    def __init__(self, server: str, database: str) -> None:
        self._server = server
        self._name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]

    def close(self) -> None:
        self._allow("false")
        self._run("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [self._name])

    def open(self) -> None:
        self._allow("true")

    def _allow(self, allowed: str) -> None:
        self._run(f'alter database "{self._name}" with allow_connections {allowed}', None)

    def _run(self, query: str, parameters: list[object] | None) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(query.encode(), parameters)


@pytest.fixture
def gate(server: str, database: str) -> Iterator[Gate]:
    gate = Gate(server, database)
    yield gate
    gate.open()


async def test_it_opens_on_the_first_failed_migration(shop: Shop) -> None:
    for version in range(1, 60):
        shop.add(version, f"m{version:02}", "select * from nowhere;" if version == 40 else "select 1;")
    _failing(shop)
    async with console(shop.path, size=(80, 24)) as zmig:
        assert zmig.main.row is not None
        assert zmig.main.row.name == "m40"
        await zmig.until(lambda: "▌✗ failed" in zmig.screen_text)
        heading = zmig.texts("#heading")
        assert "✓ 39 done" in heading
        assert "· 19 pending" in heading
        assert "✗ 1 failed" in heading
        assert "lock free" in heading


async def test_what_keeps_apply_from_running_is_in_the_heading_and_n_goes_there(shop: Shop) -> None:
    for version in range(1, 30):
        shop.add(version, f"m{version:02}", "select 1;")
    shop.migrator().migrate()
    shop.write("m07.sql", "select 7;")
    shop.add(12, "m12", "select 12;")
    del shop.entries[11]
    shop.declare()
    async with console(shop.path, size=(80, 24)) as zmig:
        assert zmig.main.row is not None
        assert zmig.main.row.name == "m07"
        heading = zmig.texts("#heading")
        assert "≠ 2 edited" in heading
        assert "≠ apply is refused: 2 reasons  m07, m12" in heading
        assert "lock free" not in heading
        assert "Next ✗ ≠" in zmig.screen_text
        await zmig.press("n")
        assert zmig.main.row.name == "m12"
        await zmig.press("n")
        assert zmig.main.row.name == "m07"
        shop.write("m07.sql", "select 1;")
        shop.write("m12.sql", "select 1;")
        await zmig.until_text("#heading", "lock free")
        assert "edited" not in zmig.texts("#heading")
        await zmig.until(lambda: "Next" not in zmig.screen_text)


async def test_no_password_is_shown(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    url = shop.url.replace("@", ":s3cret-Pa55@", 1) if ":" not in shop.url.split("@")[0][13:] else shop.url
    async with console(shop.path, database_url=url) as zmig:
        assert "s3cret" not in zmig.screen_text


async def test_hostile_text_is_shown_and_never_acted_on(shop: Shop) -> None:
    shop.add(1, "one", ODD + "select * from [nowhere];\n")
    _failing(shop)
    async with console(shop.path, size=(160, 40)) as zmig:
        await zmig.press("2")
        await zmig.until(lambda: "[bold red]x[/]" in zmig.page)
        assert "\x1b" not in zmig.screen_text
        assert "日本語の列" in zmig.page
        assert "array['a', 'b']" in zmig.page
        await zmig.press("1")
        await zmig.until(lambda: "syntax error" in zmig.page)
        assert "select * from [nowhere];" in zmig.page


async def test_the_pages_tell_file_rollback_and_events(shop: Shop) -> None:
    shop.add(1, "one", "create table one ();\n", rollback="drop table one;\n")
    shop.add(2, "two.py", "def execute(ctx):\n    pass\n", kind="python")
    shop.add(3, "empty", "-- nothing\n", empty="true")
    shop.migrator().migrate()
    async with console(shop.path) as zmig:
        await zmig.go_to("one")
        await zmig.press("2")
        await zmig.until(lambda: "create table one ();" in zmig.page)
        await zmig.press("3")
        await zmig.until(lambda: "drop table one;" in zmig.page)
        await zmig.press("4")
        await zmig.until(lambda: "started" in zmig.page and "done" in zmig.page)
        await zmig.press("escape")
        await zmig.go_to("two")
        await zmig.press("2")
        await zmig.until(lambda: "def execute(ctx):" in zmig.page)
        await zmig.press("3")
        await zmig.until(lambda: "no rollback is declared" in zmig.page)
        await zmig.press("escape")
        await zmig.go_to("empty")
        await zmig.until(lambda: "nothing to undo" in zmig.page)
        await zmig.press("3")
        await zmig.until(lambda: "its entry says `empty: true`" in zmig.page)


async def test_the_overview_says_what_applying_would_do(shop: Shop) -> None:
    shop.add(1, "one", "create table t ();\ncreate index concurrently i on t ((1));\n")
    rounds = "update t set n = 1 where id in (select id from t where id > :cursor order by id limit :size) returning id"
    shop.add(2, "rounds", rounds, batch="{size: 10, start: 0}")
    async with console(shop.path) as zmig:
        await zmig.until(lambda: "what `apply` does with it" in zmig.page)
        assert "without a transaction: " in zmig.page
        await zmig.go_to("rounds")
        await zmig.until(lambda: "in rounds of 10 rows" in zmig.page)
        assert "without a transaction" not in zmig.page


async def test_the_overview_says_what_a_migration_is_verified_by(shop: Shop) -> None:
    shop.add(1, "one", "create table t ();", verify='"select  true"')
    (shop.folder / "two.verify.sql").write_text("select true")
    shop.add(2, "two", "create table u ();", verify="{file: two.verify.sql}")
    async with console(shop.path) as zmig:
        await zmig.until(lambda: "select true" in zmig.page)
        await zmig.go_to("two")
        await zmig.until(lambda: "two.verify.sql" in zmig.page)


async def test_of_a_large_file_the_beginning_is_shown_at_once(shop: Shop) -> None:
    shop.add(1, "dump", "select 'first';\n" + "insert into t values (1, 2, 3);\n" * 100_000)
    async with console(shop.path) as zmig:
        await zmig.until(lambda: "what `apply` does with it" in zmig.page)
        await zmig.press("2")
        await zmig.until(lambda: "select 'first';" in zmig.page)
        await zmig.press("G")
        await zmig.until(lambda: "only its beginning is shown" in zmig.screen_text)


async def test_what_is_in_a_file_that_a_link_leads_to_out_of_the_project_is_not_shown(
    shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("elsewhere") / "key"
    secret.write_text("-----BEGIN KEY-----\n'b3BlbnNzaC1rZXk\n")
    (shop.folder / ".git").mkdir()
    for name in ("one", "one.rollback"):
        (shop.folder / f"{name}.sql").symlink_to(secret)
    shop.entries.append("  - {version: 1, file: one.sql, rollback: one.rollback.sql}")
    shop.declare()
    async with console(shop.path) as zmig:
        shown: list[str] = []
        for key, text in (("1", "applying it is refused"), ("2", "is not shown"), ("3", "is not shown")):
            await zmig.press(key)
            await zmig.until(lambda text=text: text in zmig.page)
            shown.append(zmig.page)
        shown.append(await zmig.plan("a"))
        assert not [page for page in shown if "b3Blbn" in page or "BEGIN" in page]


async def test_a_python_file_is_none_of_sql_however_its_name_is_written(shop: Shop) -> None:
    shop.add(1, "one.PY", "def execute(ctx):\n    pass\n", kind="python")
    shop.migrator().migrate()
    shop.write("one.PY", "def execute(ctx):\n    return None\n")
    async with console(shop.path) as zmig:
        await zmig.until(lambda: "edited" in zmig.page and "the file now" in zmig.page)
        assert "statements" not in zmig.page
        await zmig.press("2")
        await zmig.until(lambda: "def execute(ctx):" in zmig.page)


async def test_an_edit_is_a_finding_with_both_checksums(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    shop.write("one.sql", "select 1; select 2;")
    async with console(shop.path) as zmig:
        assert "edited" in "\n".join(zmig.main.table.texts)
        await zmig.until(lambda: "1 statements then, 2 now" in zmig.page)
        assert "applying it is refused" in zmig.page


async def test_the_table_is_narrowed_sorted_and_searched(shop: Shop) -> None:
    for version, name in enumerate(("alpha", "beta", "gamma", "delta"), start=1):
        shop.add(version, name, "select 1;")
    shop.migrator().migrate(to=3)
    shop.migrator().resolve("beta", "failed", reason="for the test")
    async with console(shop.path) as zmig:
        await zmig.press("slash")
        await zmig.type("ta")
        assert [row.name for row in zmig.main.table.rows] == ["beta", "delta"]
        await zmig.press("space", *"state:pend")
        assert [row.name for row in zmig.main.table.rows] == ["delta"]
        await zmig.press("enter")
        assert "/ta state:pend  1 shown" in zmig.texts("#heading")
        await zmig.press("escape")
        assert len(zmig.main.table.rows) == 4
        await zmig.press("s")
        assert [row.name for row in zmig.main.table.rows][:2] == ["beta", "delta"]
        await zmig.press("s")
        assert [row.name for row in zmig.main.table.rows] == ["alpha", "beta", "delta", "gamma"]
        await zmig.press("S")
        assert [row.name for row in zmig.main.table.rows] == ["gamma", "delta", "beta", "alpha"]
        await zmig.press("home", "n")
        assert zmig.main.row is not None
        assert zmig.main.row.name == "beta"


async def test_another_theme_changes_every_colour_at_once(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        dark = zmig.app.export_screenshot()
        zmig.app.theme = "zmig-light"
        await zmig.until(lambda: "#c8d0e8" not in zmig.app.export_screenshot())
        assert "#c8d0e8" in dark
        assert "#16181f" not in zmig.app.export_screenshot()


async def test_on_a_narrow_screen_the_detail_takes_the_tables_place(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path, size=(80, 24)) as zmig:
        assert not zmig.main.detail.display
        await zmig.press("enter")
        await zmig.until(lambda: zmig.main.detail.display and "version 1" in zmig.page)
        assert not zmig.main.table.display
        await zmig.press("escape")
        assert zmig.main.table.display


async def test_the_database_goes_away_and_comes_back(shop: Shop, gate: Gate) -> None:
    shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        gate.close()
        await zmig.until_text("#heading", "no answer from the database")
        assert zmig.states() == {"one": "· pending"}
        gate.open()
        await zmig.until(lambda: "no answer" not in zmig.texts("#heading"))


async def test_a_database_that_is_away_at_the_beginning_is_explained_and_awaited(shop: Shop, gate: Gate) -> None:
    shop.add(1, "one", "select 1;")
    gate.close()
    async with console(shop.path, begins_observed=False) as zmig:
        await zmig.until_text("#problems", "cannot be reached")
        gate.open()
        await zmig.ready()
        assert zmig.texts("#problems") == ""


async def test_a_manifest_edited_while_open_is_shown_with_its_errors(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    good = shop.path.read_text()
    async with console(shop.path) as zmig:
        shop.path.write_text(good + "  - {version: 1, file: [nope], kind: '[red]'}\n")
        await zmig.until_text("#problems", "shop.yaml:8:")
        assert zmig.states() == {"one": "· pending"}
        shop.add(2, "two", "select 2;")
        await zmig.until(lambda: "two" in zmig.states())
        assert zmig.texts("#problems") == ""


async def test_a_file_deleted_while_open_is_told(shop: Shop) -> None:
    file = shop.add(1, "one", "select 1;")
    async with console(shop.path) as zmig:
        file.unlink()
        await zmig.until_text("#problems", "does not exist")
        file.write_text("select 1;")
        await zmig.until(lambda: zmig.texts("#problems") == "")


async def test_a_manifest_that_is_invalid_at_the_beginning_is_awaited(shop: Shop) -> None:
    shop.path.write_text("manifest: 1\nmigrations: {}\n")
    async with console(shop.path, begins_observed=False) as zmig:
        await zmig.until_text("#problems", "shop.yaml:2:")
        shop.add(1, "one", "select 1;")
        await zmig.ready()


async def test_a_zombie_is_named_and_terminated(shop: Shop) -> None:
    shop.add(1, "one", UNNOTICED)
    process = subprocess.Popen([sys.executable, "-c", APPLY, str(shop.path)])
    async with console(shop.path) as zmig:
        await zmig.until_text("#panel", "PgSleep")
        process.kill()
        process.wait()
        await zmig.until_text("#heading", "ZOMBIE")
        await zmig.agree_to("C")
        await zmig.until_states(one="stuck")
        await zmig.press("n")
        await zmig.until(lambda: "is stuck: it started" in zmig.page)


async def test_the_key_of_a_stuck_migration_starts_it_again(shop: Shop, connection: psycopg.Connection) -> None:
    shop.add(1, "one", "select 1;")
    shop.migrator().migrate()
    connection.execute(
        "insert into zmig.migration_events (aggregate_id, event_type, event_data) "
        "values ('one', 'started', '{\"backend_pid\": 1, \"transactional\": true}')"
    )
    async with console(shop.path) as zmig:
        await zmig.until_states(one="stuck")
        await zmig.agree_to("r")
        await zmig.until_states(one="done")


async def test_a_filter_that_nothing_fits_says_so_and_the_place_is_kept(shop: Shop) -> None:
    for version in range(1, 8):
        shop.add(version, f"m{version}", "select 1;")
    async with console(shop.path) as zmig:
        await zmig.go_to("m5")
        await zmig.press("slash")
        await zmig.type("m5zz")
        await zmig.until(lambda: zmig.main.table.texts[1:] == [" nothing fits m5zz: esc clears the filter"])
        await zmig.press("enter", "escape")
        await zmig.until(lambda: len(zmig.main.table.rows) == 7)
        assert zmig.main.row is not None
        assert zmig.main.row.name == "m5"
        await zmig.press("slash")
        await zmig.type("-m5 m")
        await zmig.until(lambda: [row.name for row in zmig.main.table.rows] == ["m1", "m2", "m3", "m4", "m6", "m7"])


async def test_a_console_that_never_knew_the_database_says_nothing_of_what_is_old(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    nobody = "postgresql://nobody@127.0.0.1:1/none"
    async with console(shop.path, database_url=nobody, begins_observed=False) as zmig:
        await zmig.until_text("#heading", "no answer from the database")
        assert "may be old" not in zmig.texts("#heading")


async def test_a_manifest_with_errors_is_not_connected_to(shop: Shop) -> None:
    shop.path.write_text("manifest: 1\nmigrations: 7\n")
    async with console(shop.path, begins_observed=False) as zmig:
        await zmig.until_text("#heading", "the manifest cannot be used")
