"""What comes out of a run that quotes secrets in every way there is: in no fact, on no stream, in no form."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from zmig import Migrator, ZmigError
from zmig.progress import Notice, Progress, Reported, StatementStarted

if TYPE_CHECKING:
    import psycopg

    from tests.cli.conftest import Run
    from tests.support.shop import Shop

TOKEN = "t0ken-of-the-shop"
OTHER = "0ther-server-word"
ROW = "row-0f-a-customer"

HEAD = "import os\n\n\ndef execute(ctx):\n    "
QUOTES = {
    "a variable of the environment, in an exception": ("a.py", f"{HEAD}raise RuntimeError(os.environ['SHOP_TOKEN'])\n"),
    "a variable inside a longer word": ("a.py", f"{HEAD}raise RuntimeError('x_' + os.environ['SHOP_TOKEN'] + '_y')\n"),
    "a connection string, in an exception": (
        "a.py",
        f"{HEAD}raise OSError('no answer from postgresql+psycopg://app:{OTHER}@other/db')\n",
    ),
    "another server's URL": ("a.py", f"{HEAD}raise OSError('no answer from amqps://app:{OTHER}@queue:5671/v')\n"),
    "keywords": ("a.py", f"{HEAD}raise OSError('host=other password={OTHER} dbname=x')\n"),
    "a mapping": ("a.py", f"{HEAD}raise OSError(dict(host='other', password='{OTHER}'))\n"),
    "a cause": (
        "a.py",
        f"{HEAD}try:\n        raise OSError('password={OTHER}')\n    except OSError as error:\n"
        "        raise RuntimeError from error\n",
    ),
    "what it logs and reports": (
        "a.py",
        f"{HEAD}ctx.log.info(os.environ['SHOP_TOKEN'])\n    ctx.progress('password={OTHER}')\n    raise OSError\n",
    ),
    "a manifest's variable, in the server's words": ("a.sql", "select '${token}'::int;"),
    "a manifest's variable, inside a longer word": ("a.sql", "select 'x_${token}_y'::int;"),
    "a manifest's variable, as a name": ("a.sql", 'select * from "${token}";'),
    "a notice": (
        "a.sql",
        "do $$ begin raise notice '${token}' using hint = 'password=" + OTHER + "'; end $$; select 1/0;",
    ),
    "a statement": ("a.sql", f"create role nobody password '{OTHER}' in role nowhere;"),
    "a module": ("a.py", f"raise RuntimeError('password={OTHER}')\n\n\ndef execute(ctx):\n    pass\n"),
}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)


def _declare(shop: Shop, quote: str) -> None:
    name, text = QUOTES[quote]
    more = {"variables": "true"} if name.endswith(".sql") else {}
    shop.add(1, name, text, **more)
    shop.declare(variables='{token: "${SHOP_TOKEN}"}')


def _stored(connection: psycopg.Connection) -> str:
    if connection.execute("select to_regclass('zmig.migration_events') is null").fetchone() == (True,):
        return ""
    return str(connection.execute("select json_agg(e)::text from zmig.migration_events e").fetchone())


@pytest.mark.parametrize("quote", QUOTES)
def test_no_fact_and_no_stream_holds_it(
    shop: Shop, run: Run, connection: psycopg.Connection, caplog: pytest.LogCaptureFixture, quote: str
) -> None:
    _declare(shop, quote)
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    for words in ("apply", "apply -v", "apply --json", "apply --json -v", "status", "status --json", "history --json"):
        ended = run(*words.split()[:1], "shop.yaml", *words.split()[1:])
        said += [ended.stdout, ended.stderr]
    text = "\n".join((*said, caplog.text, _stored(connection)))
    assert "failed" in text or "does not import" in text
    assert TOKEN not in text
    assert OTHER not in text


@pytest.mark.parametrize("quote", QUOTES)
def test_no_observer_is_told_it(shop: Shop, quote: str) -> None:
    _declare(shop, quote)
    heard: list[Progress] = []
    with pytest.raises(ZmigError):
        Migrator(shop.path, observer=heard.append).migrate()
    told = [str(one) for one in heard if isinstance(one, Notice | Reported | StatementStarted)]
    assert TOKEN not in "\n".join(told)
    assert OTHER not in "\n".join(told)


def test_rows_that_the_server_quotes_are_shown_and_kept_out_of_facts(
    shop: Shop, run: Run, connection: psycopg.Connection
) -> None:
    connection.execute("create table customers (name text unique)")
    shop.add(1, "a", f"insert into customers values ('{ROW}');\ninsert into customers values ('{ROW}');")
    shop.add(2, "b", f"copy customers from stdin;\n{ROW}\n{ROW}\n\\.\n")
    for name in ("1", "2"):
        ended = run("apply", "shop.yaml", "--allow-out-of-order", "--json")
        assert ROW in " ".join(json.loads(ended.stdout)["error"]["facts"])
        run("resolve", "shop.yaml", name, "--as", "done", "--reason", "x")
    assert ROW not in _stored(connection)
