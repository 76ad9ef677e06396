"""What zmig reads of projects whose migrations are code: names and order, and what their tables say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.project_files import MemoryFiles
from zmig.errors import UsageError
from zmig.other_tools.history import Place
from zmig.other_tools.registry import tool
from zmig.other_tools.source import Change
from zmig.other_tools.tool import Language

if TYPE_CHECKING:
    from zmig.other_tools.source import Source

_AT = datetime(2024, 1, 2, tzinfo=UTC)


def read(name: str, contents: dict[str, str], folder: str) -> Source:
    files = MemoryFiles(contents)
    assert tool(name).find(files) == folder
    return tool(name).read(files, folder)


def revision(id: str, down: object, more: str = "") -> str:
    about = f'"""Make {id}\n\nRevision ID: {id}\n"""\nraise SystemExit("run")\n'
    return f"{about}revision: str = {id!r}\ndown_revision = {down!r}\n{more}"


_ALEMBIC = {
    "srv/alembic.ini": "[alembic]\nscript_location = %(here)s/alembic\nfile_template = %%(rev)s\n",
    "srv/alembic/env.py": 'context.configure(version_table="moved", version_table_schema="log")\n',
    "srv/alembic/versions/z_first.py": revision("aaa1", None),
    "srv/alembic/versions/b_left.py": revision("bbb2", "aaa1"),
    "srv/alembic/versions/a_right.py": revision("ccc3", "aaa1", "depends_on = ['bbb2']\n"),
    "srv/alembic/versions/y_merge.py": revision("ddd4", ("bbb2", "ccc3")),
    "srv/alembic/versions/other.py": "x = 1\n",
    "srv/alembic/versions/broken.py": "def (:\n",
}


def test_revisions_of_alembic_are_read_without_being_run() -> None:
    source = read("alembic", _ALEMBIC, "srv/alembic/versions")
    assert [one.id for one in source.migrations] == ["aaa1", "bbb2", "ccc3", "ddd4"]
    assert [one.after for one in source.migrations] == [(), ("aaa1",), ("aaa1", "bbb2"), ("bbb2", "ccc3")]
    assert source.migrations[0].description == "Make aaa1"
    assert source.history_table == "log.moved"
    assert all(one.up is None and one.remarks[0].change is Change.LEFT_OUT for one in source.migrations)


def test_a_pattern_that_python_warns_of_is_read_in_silence() -> None:
    contents = {**_ALEMBIC, "srv/alembic/versions/e_last.py": revision("eee5", "ddd4", "PATTERN = '\\d'\n")}
    source = read("alembic", contents, "srv/alembic/versions")
    assert [one.id for one in source.migrations][-1] == "eee5"


def test_all_before_a_head_of_alembic_is_applied() -> None:
    source = read("alembic", _ALEMBIC, "srv/alembic/versions")
    read_history = tool("alembic").history.read
    assert [one.id for one in read_history([[("ccc3",)]], source).applied] == ["aaa1", "bbb2", "ccc3"]
    assert [one.id for one in read_history([[("bbb2",), ("ccc3",)]], source).applied] == ["aaa1", "bbb2", "ccc3"]
    unknown = read_history([[("gone",)]], source)
    assert [one.id for one in unknown.applied] == ["gone"]
    assert len(unknown.notes) == 1


@pytest.mark.parametrize(
    ("configuration", "folder"),
    [
        ("[tool.alembic]\nscript_location = '%(here)s/db'\n", "db/versions"),
        ("[tool.alembic]\nscript_location = 'app.db:steps'\n", "app/db/steps/versions"),
        ("[tool.alembic]\nscript_location = 'db'\nversion_locations = ['%(here)s/a', '%(here)s/b']\n", "a"),
    ],
)
def test_folders_of_alembic_are_where_the_configuration_says(configuration: str, folder: str) -> None:
    contents = {
        "pyproject.toml": configuration,
        f"{folder}/x.py": revision("aaa1", None),
        "b/y.py": revision("b", "aaa1"),
    }
    source = read("alembic", contents, folder)
    assert [one.id for one in source.migrations] == (["aaa1", "b"] if folder == "a" else ["aaa1"])


def migration(*dependencies: tuple[str, str]) -> str:
    body = f"class Migration(migrations.Migration):\n    dependencies = {list(dependencies)}\n"
    return f"from django.db import migrations\n\n\n{body}"


def test_migrations_of_django_are_named_by_their_applications() -> None:
    contents = {
        "manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")\n',
        "shop/migrations/__init__.py": "",
        "shop/migrations/0001_initial.py": migration(("people", "0001_initial"), ("auth", "0001_initial")),
        "shop/migrations/0002_more.py": migration(("shop", "0001_initial")),
        "shop/migrations/0003_helper.py": "x = 1\n",
        "users/migrations/0001_initial.py": migration(),
        "users/apps.py": "class Users(AppConfig):\n    name = 'users'\n    label = 'people'\n",
    }
    source = read("django", contents, ".")
    assert [one.id for one in source.migrations] == ["people.0001_initial", "shop.0001_initial", "shop.0002_more"]
    rows = [("auth", "0001_initial", _AT), ("shop", "0001_initial", _AT)]
    history = tool("django").history.read([rows], source)
    assert [(one.id, one.at) for one in history.applied] == [("auth.0001_initial", _AT), ("shop.0001_initial", _AT)]


def test_migrations_of_rails_are_known_by_their_versions() -> None:
    contents = {
        "db/migrate/20240101000000_create_users.rb": "class CreateUsers < ActiveRecord::Migration[7.1]\nend\n",
        "db/migrate/002_old.shop.rb": "class Old < ActiveRecord::Migration\nend\n",
        "db/migrate/Readme.rb": "",
        "db/structure.sql": "create table users ();\n",
    }
    source = read("rails", contents, "db/migrate")
    assert [one.id for one in source.migrations] == ["2", "20240101000000"]
    assert [(one.change, one.location.path) for one in source.remarks] == [(Change.LEFT_OUT, "db/structure.sql")]
    history = tool("rails").history.read([[("20240101000000",), ("2",), ("99",)]], source)
    assert [one.id for one in history.applied] == ["2", "20240101000000", "99"]
    lock = tool("rails").history.lock(Place("public", "schema_migrations", "123456789", frozenset()))
    assert lock.keys == (2053462845 * 0xCBF43926,)


def test_migrations_of_ecto_are_known_by_their_versions() -> None:
    contents = {
        "priv/repo/migrations/20240101000000_users.exs": "defmodule A do\n  use Ecto.Migration\nend\n",
        "priv/repo/migrations/more/9_old.exs": "defmodule B do\n  use Ecto.Migration\nend\n",
    }
    source = read("ecto", contents, "priv/repo/migrations")
    assert [one.id for one in source.migrations] == ["9", "20240101000000"]
    history = tool("ecto").history.read([[(20240101000000, _AT)]], source)
    assert [(one.id, one.at) for one in history.applied] == [("20240101000000", _AT)]


def test_migrations_of_knex_are_known_by_their_files() -> None:
    contents = {
        "api/knexfile.ts": "export default { migrations: { directory: './db/steps', tableName: 'moved' } }\n",
        "api/db/steps/1_a.ts": "export async function up(knex: Knex) {}\n",
        "api/db/steps/1_a.d.ts": "",
        "api/db/steps/2_b.js": "exports.up = (knex) => knex.schema\n",
    }
    source = read("knex", contents, "api/db/steps")
    assert [one.id for one in source.migrations] == ["1_a.ts", "2_b.js"]
    assert source.history_table == "public.moved"
    history = tool("knex").history.read([[("1_a.ts", _AT)]], source)
    assert [(one.id, one.at) for one in history.applied] == [("1_a.ts", _AT)]
    place = Place("public", "moved", "d", frozenset(), tables={"public.moved_lock": frozenset({"index", "is_locked"})})
    assert tool("knex").history.lock(place).tables == ('"public"."moved_lock"',)


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("alembic", {"versions/a.py": revision("a", None)}),
        ("django", {"shop/migrations/0001_a.py": "class Migration:\n    pass\n"}),
        ("rails", {"db/migrate/1_a.rb": "puts 1\n"}),
        ("ecto", {"priv/repo/migrations/1_a.exs": "IO.puts 1\n"}),
        ("knex", {"migrations/1_a.js": "exports.up = 1\n"}),
        ("knex", {"package.json": json.dumps({"dependencies": {"knex": "3"}}), "migrations/1_a.js": "x\n"}),
    ],
)
def test_it_takes_more_than_names(name: str, contents: dict[str, str]) -> None:
    assert tool(name).language is Language.CODE
    assert tool(name).find(MemoryFiles(contents)) is None
    with pytest.raises(UsageError):
        tool(name).read(MemoryFiles({}), "x")


def test_a_file_that_python_cannot_parse_is_none() -> None:
    """One that is too deep for its parser ends in a MemoryError, and so did the import."""
    contents = _ALEMBIC | {"srv/alembic/versions/deep.py": "(" * 100_000, "srv/alembic/versions/odd.py": "x = \0"}
    assert len(read("alembic", contents, "srv/alembic/versions").migrations) == 4
