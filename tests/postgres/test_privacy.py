"""What facts never hold: values of the environment, and rows that an error quotes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.process import run

if TYPE_CHECKING:
    import psycopg

    from tests.support.project import ProjectFolder

VALUE = "wh1te-rabbit-42"

HEAD = "import os\n\n\ndef execute(ctx):\n"
QUERY = "ctx.execute('select %s::int', [os.environ['SHOP_SETTING']])\n"
QUOTES = {
    "python that took it out at its import": (
        "import os\n\nSETTING = os.environ.pop('SHOP_SETTING')\n\n\n"
        "def execute(ctx):\n    raise RuntimeError(f'no such key: {SETTING}')\n"
    ),
    "python that set another": (
        f"{HEAD}    setting, os.environ['SHOP_SETTING'] = os.environ['SHOP_SETTING'], 'an0ther-rabbit'\n"
        "    raise RuntimeError(f'no such key: {setting}, an0ther-rabbit')\n"
    ),
    "python": f"{HEAD}    raise RuntimeError('no such key: ' + os.environ['SHOP_SETTING'])\n",
    "the server": f"{HEAD}    {QUERY}",
    "the server's words in python": (
        f"{HEAD}    try:\n        {QUERY}    except Exception as error:\n        raise RuntimeError(str(error))\n"
    ),
}


def stored(connection: psycopg.Connection) -> str:
    row = connection.execute("select string_agg(e::text, E'\\n') from zmig.migration_events e").fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("quote", QUOTES)
def test_the_value_of_an_environment_variable_is_not_stored(
    project: ProjectFolder, connection: psycopg.Connection, quote: str
) -> None:
    project.python("001_code", QUOTES[quote])
    ended = run("apply", project.manifest, environ={"SHOP_SETTING": VALUE})
    assert ended.code == 1
    assert VALUE not in stored(connection)
    assert "rabbit" not in stored(connection)
    assert "***" in stored(connection)
    run("retry", project.manifest, environ={"SHOP_SETTING": VALUE})
    assert VALUE not in stored(connection)


def test_everyday_values_of_the_environment_stay_readable(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.python("001_code", "def execute(ctx):\n    raise RuntimeError('no manifest in production at /srv/app')\n")
    run("apply", project.manifest, environ={"STAGE": "prod", "PWD": "/srv/app"})
    assert "no manifest in production at /srv/app" in stored(connection)


RAISES = (
    "def execute(ctx):\n    try:\n        ctx.execute('insert into t values (1)')\n    except Exception as error:\n"
)


@pytest.mark.parametrize("raising", ["raise", "raise RuntimeError(str(error)) from error"])
@pytest.mark.parametrize("is_wanted", [False, True])
def test_the_detail_of_an_error_is_shown_and_stored_only_on_request(
    project: ProjectFolder, connection: psycopg.Connection, raising: str, *, is_wanted: bool
) -> None:
    connection.execute("create table t (secret int unique); insert into t values (1)")
    project.change(tracking={"record_detail": is_wanted})
    project.python("001_code", f"{RAISES}        {raising}\n")
    ended = run("apply", project.manifest)
    assert "Key (secret)=(1) already exists" in ended.stderr
    assert ("Key (secret)=(1)" in stored(connection)) == is_wanted
    assert "duplicate key value violates unique constraint" in stored(connection)
