"""A database that nobody named: libpq's variables choose none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import conninfo

if TYPE_CHECKING:
    import psycopg

    from tests.cli.conftest import Run
    from tests.support.shop import Shop


@pytest.fixture
def chosen(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A migration, and an environment in which libpq's defaults lead to a database."""
    shop.add(1, "001_one", "create table one ();")
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    for key, value in conninfo.conninfo_to_dict(shop.url).items():
        if key in names:
            monkeypatch.setenv(names[key], str(value))
    return shop


@pytest.mark.parametrize("url", ["", " ", "postgresql://"])
@pytest.mark.parametrize("is_given", [True, False], ids=["on the command line", "in the manifest"])
def test_no_database_is_taken_from_the_environment(
    chosen: Shop, run: Run, connection: psycopg.Connection, url: str, *, is_given: bool
) -> None:
    if not is_given:
        chosen.declare(database=f"{{url: '{url}'}}")
    ended = run("apply", "shop.yaml", *(("--database-url", url) if is_given else ()))
    assert ended.code == 2
    assert connection.execute("select to_regclass('one')").fetchone() == (None,)
    if is_given or url:
        assert "the database URL" in ended.stderr


def test_the_environment_completes_a_url_that_names_a_database(chosen: Shop, run: Run) -> None:
    name = conninfo.conninfo_to_dict(chosen.url)["dbname"]
    assert run("apply", "shop.yaml", "--database-url", f"postgresql:///{name}").code == 0
