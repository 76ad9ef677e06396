"""A password is never shown and never stored: in no form of the URL, by no command, on no stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.process import run as run_process
from zmig.cli.registry import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop

    Form = Callable[[dict[str, str]], str]

SECRET = "corr3ct-h0rse"

COMMAND_LINES = {
    "status": "status shop.yaml",
    "plan": "plan shop.yaml",
    "history": "history shop.yaml",
    "drift": "drift shop.yaml",
    "version": "version shop.yaml",
    "schema": "schema shop.yaml",
    "lint": "lint shop.yaml",
    "verify": "verify shop.yaml --against",
    "squash": "squash shop.yaml --to 1 --dry-run",
    "apply": "apply shop.yaml",
    "retry": "retry shop.yaml",
    "rollback": "rollback shop.yaml --yes",
    "resolve": "resolve shop.yaml 1 --as done --reason x",
    "accept": "accept shop.yaml 1 --reason x",
    "pause": "pause shop.yaml 1 --reason x",
    "resume": "resume shop.yaml 1",
    "baseline": "baseline shop.yaml --to 1 --reason x",
    "init": "init other",
    "import": "import --from dbmate --manifest shop.yaml --write --database",
    "create": "create shop.yaml add_items",
    "reset": "reset shop.yaml --confirm other",
    "db": "db url shop.yaml",
}


def test_every_command_is_tried() -> None:
    assert set(COMMAND_LINES) >= set(COMMANDS) - {"tui"}


@pytest.fixture
def login(database: str, worker_name: str) -> Iterator[dict[str, str]]:
    """Connection parameters of a role that has a password."""
    role = sql.Identifier(f"{worker_name}_secret")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login superuser password {}").format(role, sql.Literal(SECRET)))
        parameters = {name: str(value) for name, value in conninfo_to_dict(database).items()}
        yield {**parameters, "user": f"{worker_name}_secret", "password": SECRET}
        connection.execute(sql.SQL("drop owned by {0}; drop role {0}").format(role))


def as_url(parameters: dict[str, str]) -> str:
    login = f"{quote(parameters['user'])}:{quote(parameters['password'])}"
    rest = {name: value for name, value in parameters.items() if name not in ("user", "password", "dbname")}
    return f"postgresql://{login}@/{quote(parameters['dbname'])}?{urlencode(rest)}"


def as_keywords(parameters: dict[str, str]) -> str:
    return make_conninfo("", **parameters)


def nowhere(url: str) -> str:
    """Return the same connection string with a server that refuses."""
    parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    parameters |= {"host": "/nowhere", "port": "5432"}
    if url.startswith("postgresql://"):
        return f"postgresql://{quote(parameters['user'])}:{quote(parameters['password'])}@/shop?host=%2Fnowhere"
    return as_keywords(parameters)


def assert_clean(ended: Ended) -> None:
    assert SECRET not in ended.stdout
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("form", [as_url, as_keywords])
@pytest.mark.parametrize("line", COMMAND_LINES.values(), ids=COMMAND_LINES)
def test_no_command_shows_it(shop: Shop, run: Run, login: dict[str, str], form: Form, line: str) -> None:
    shop.url = form(login)
    shop.add(1, "0001", "create table users ();", rollback="drop table users;")
    said = "something" if line.startswith("lint") else SECRET  # lint shows what the files hold, and knows no database
    shop.add(2, "0002", f"do $$ begin raise notice 'connected with {said}'; end $$; select 1/0;")
    if line.startswith("import"):
        migrations = shop.folder / "db" / "migrations"
        migrations.mkdir(parents=True)
        text = f"-- migrate:up\ncomment on schema public is 'of {SECRET}';\n-- migrate:down\n"
        (migrations / "20240101000000_comment.sql").write_text(text)
        with psycopg.connect(shop.url, autocommit=True) as connection:
            connection.execute("create table schema_migrations (version varchar primary key)")
            connection.execute("insert into schema_migrations values ('20240101000000')")
    for option in ("--verbose", "--json"):
        assert_clean(run("apply", "shop.yaml", option))
        assert_clean(run(*line.split(), option))
        assert_clean(run(*line.split(), option, "--database-url", nowhere(shop.url)))


def test_it_is_not_stored(shop: Shop, run: Run, login: dict[str, str], connection: psycopg.Connection) -> None:
    shop.url = as_url(login)
    shop.add(1, "0001", f"do $$ begin raise exception 'login with {SECRET} failed'; end $$;")
    shop.add(2, "0002.py", f"def execute(ctx):\n    raise RuntimeError('{SECRET}')\n")
    run("apply", "shop.yaml")
    run("retry", "shop.yaml", "1")
    run("resolve", "shop.yaml", "1", "--as", "done", "--reason", f"it said {SECRET}")
    run("apply", "shop.yaml")
    stored = connection.execute("select count(*), string_agg(e::text, ' ') from zmig.migration_events e").fetchone()
    assert stored is not None
    assert stored[0] >= 6
    assert SECRET not in stored[1]


def test_password_from_the_environment_is_not_shown(
    shop: Shop, run: Run, login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del login["password"]
    monkeypatch.setenv("PGPASSWORD", SECRET)
    shop.url = as_keywords(login)
    shop.add(1, "0001", f"do $$ begin raise notice '{SECRET}'; end $$;")
    ended = run("apply", "shop.yaml")
    assert_clean(ended)
    assert "notice: ***\n" in ended.stderr


def test_password_put_together_from_a_variable_is_not_shown(
    shop: Shop, run: Run, login: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    shop.url = as_url(login).replace(SECRET, "${SHOP_PASSWORD}")
    shop.add(1, "0001", f"do $$ begin raise exception '{SECRET}'; end $$;")
    assert_clean(run("apply", "shop.yaml", "--json"))
    assert_clean(run("status", "shop.yaml"))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://shop:{SECRET}@db:notaport/shop",
        f"postgresql://shop:{SECRET}/{SECRET}@db/shop",
        f"postgresql://shop:{SECRET}?{SECRET}@db/shop",
        f"postgresql://shop:{SECRET}#{SECRET}@db/shop",
        f"postgresql://shop:{SECRET}%zz@db/shop",
        f"postgresql://shop:{SECRET}@db/shop?nonsense={SECRET}",
        f"postgres://shop:{SECRET} x@db/shop",
        f"host=db password={SECRET} nonsense={SECRET}",
        f"host=db password='{SECRET}",
        f"password = {SECRET} host",
        f"mysql://shop:{SECRET}@db/shop",
        f"shop:{SECRET}@db",
    ],
)
def test_unusable_url_is_refused_without_being_repeated(shop: Shop, run: Run, url: str) -> None:
    shop.declare()
    for option in ("--verbose", "--json"):
        ended = run("status", "shop.yaml", option, "--database-url", url)
        assert ended.code in (2, 3)
        assert_clean(ended)
    shop.url = url.replace("'", "''")
    shop.declare()
    assert_clean(run("status", "shop.yaml"))


def test_password_in_a_statement_is_not_shown_as_it_runs(shop: Shop, run: Run, worker_name: str) -> None:
    role = f"{worker_name}_made"
    shop.add(1, "0001", f"create role {role} password '{SECRET}';\ndrop role {role};\nselect 1/0;")
    assert_clean(run("apply", "shop.yaml", "--verbose"))


@pytest.mark.parametrize(
    "written", ["$q${}$q$", "$${}$$", "E'{}'", "U&'{}'", "/* old */ '{}'", "\n    '{}'"], ids=lambda form: form.strip()
)
def test_password_in_a_statement_that_fails_is_not_shown(shop: Shop, run: Run, written: str, worker_name: str) -> None:
    """Neither in the line, which the server quotes for `--verbose`, too."""
    shop.add(1, "0001", f"create role {worker_name}_x password {written.format(SECRET)} nonsense;")
    for option in ("--verbose", "--json"):
        ended = run("apply", "shop.yaml", option)
        assert ended.code != 0
        assert_clean(ended)


def test_process_list_is_the_only_place_where_the_option_can_be_read(shop: Shop, login: dict[str, str]) -> None:
    shop.declare()
    ended = run_process("status", "shop.yaml", "--database-url", as_url(login), "--nonsense", cwd=shop.folder)
    assert ended.code == 2
    assert_clean(ended)


_TELLING = """
select set_config('app.password', 's3cr3t', false);
set app.api_token to 's3cr3t';
select 'host=h password=''s3cr3t s3cr3t'' user=u';
select format('alter role a password %L', 's3cr3t');
select 'https://user:s3cr3t@example.com/x', 'curl --user "a:s3cr3t" https://example.com';
do $$ begin raise notice 'alter role a password %', quote_literal('s3cr3t'); end $$;
do $$ begin raise notice 'x' using detail = 'host=h password=s3cr3t', hint = 'try postgres://a:s3cr3t@h'; end $$;
"""
_FAILING = """
do $$
begin
  execute 'alter role nobody_of_this_name password ''s3cr3t''';
end $$;
"""
_UNREADABLE = """
create role a
  password
  's3cr3t' \\gset
"""


@pytest.mark.parametrize("option", ["--verbose", "--json"])
def test_what_files_hold_is_shown_without_it(shop: Shop, run: Run, option: str) -> None:
    shop.add(1, "0001", _TELLING)
    shop.add(2, "0002", _FAILING)
    said: list[str] = []
    for line in ("plan", "plan --rehearse", "lint", "apply", "status", "history", "retry 0002"):
        command, *more = line.split()
        ended = run(command, "shop.yaml", *more, option)
        said += [ended.stdout, ended.stderr]
    shop.add(3, "0003", _UNREADABLE)
    for line in ("plan", "lint", "apply"):
        ended = run(line, "shop.yaml", option)
        said += [ended.stdout, ended.stderr]
    text = "\n".join(said)
    assert "nobody_of_this_name" in text
    assert "set_config('app.password', '***', false)" in text or option == "--verbose"
    assert [one for one in text.splitlines() if "s3cr3t" in one] == []


_INDEXED = """
create index users_note on users (note) where note <> 'alter role a password
  ''s3cr3t''';
create index users_name on users (name) where note <> 'host=h password=s3cr3t';
"""
_READ_AS: dict[str, Callable[[str], object]] = {
    "text": str.splitlines,
    "json": json.loads,
    "github": str.splitlines,
    "gitlab": json.loads,
    "sarif": json.loads,
    "junit": ElementTree.fromstring,
    "rdjson": json.loads,
    "rdjsonl": lambda text: [json.loads(line) for line in text.splitlines()],
}


@pytest.mark.parametrize("form", _READ_AS)
def test_findings_are_whole_and_without_it_in_every_format(shop: Shop, run: Run, form: str) -> None:
    shop.add(1, "0001", "create table users (id bigint primary key, name text, note text);")
    shop.add(2, "0002", _INDEXED)
    ended = run("lint", "shop.yaml", "--format", form)
    assert "squawk/require-concurrent-index-creation" in ended.stdout
    assert "s3cr3t" not in ended.stdout
    assert _READ_AS[form](ended.stdout) is not None


def test_what_is_masked_takes_the_place_of_nothing(shop: Shop, run: Run) -> None:
    shop.add(1, "0001", "create table users (id bigint primary key, note text);")
    shop.add(2, "0002", "create index users_note on users (note) where note <> 'host=h password=s3cr3t x';")
    found = json.loads(run("lint", "shop.yaml", "--format", "rdjson").stdout)["diagnostics"]
    (one,) = [each for each in found if "building `users_note`" in each["message"]]
    assert "suggestions" not in one
    assert "fix: create index concurrently users_note" in one["message"]
    assert "password=***" in one["message"]
