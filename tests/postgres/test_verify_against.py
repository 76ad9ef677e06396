"""`zmig verify --against`: how a live database differs from what the files build; it is only looked at."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.process import run
from zmig import Migrator
from zmig.database import schema_reader
from zmig.errors import ConnectionFailed, UsageError
from zmig.process.interrupts import Interrupts
from zmig.project import project as projects
from zmig.verification import live, report

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.project import ProjectFolder
    from zmig.catalog.objects import SchemaSnapshot
    from zmig.catalog.scope import Scope
    from zmig.database.types import Connection
    from zmig.lint.run import Report

    Compare = Callable[..., Report]


@pytest.fixture
def compare(project: ProjectFolder, server: str) -> Compare:
    """Compare a live database, the project's unless another is named, on the tests' server."""

    def comparing(url: str | None = None, *, to: int | None = None) -> Report:
        loaded = projects.load(project.manifest, environ=os.environ)
        task = live.Task(project.manifest, loaded, live_url=url, to=to, scratch_url=server, environ=os.environ)
        result = live.compare(task, interrupts=Interrupts(), hear=lambda _migration, _what: None)
        return report.of_live(result, str(project.manifest))

    return comparing


@pytest.fixture
def shop(project: ProjectFolder) -> ProjectFolder:
    """A project with three migrations and a repeatable."""
    project.sql("001_users", "create table users (id bigint primary key, email text);", rollback="drop table users;")
    project.sql("002_index", "create index users_email on users (email);")
    project.sql("003_default", "alter table users alter email set default 'none';")
    project.repeatable("004_view", "create or replace view names as select email from users;")
    return project


def test_what_migrations_built_is_what_they_build(shop: ProjectFolder, compare: Compare) -> None:
    Migrator(shop.manifest).migrate()
    made = compare()
    assert (made.findings, made.missing, made.migrations) == ((), (), 4)


def test_what_is_pending_is_not_expected(shop: ProjectFolder, compare: Compare) -> None:
    Migrator(shop.manifest).migrate(to=2)
    shop.sql("005_more", "create table more ();")
    assert compare().findings == ()


def test_each_difference_names_the_migration_that_made_the_object(
    shop: ProjectFolder, compare: Compare, connection: psycopg.Connection
) -> None:
    Migrator(shop.manifest).migrate()
    connection.execute("drop index users_email; create index by_hand on users (id)")
    connection.execute("alter table users alter email set default 'nobody'")
    connection.execute("create or replace view names as select email from users where id > 0")
    found = {one.message: one for one in compare().findings}
    assert {message: (one.rule, one.migration) for message, one in found.items()} == {
        "the live database lacks index `public.users_email`": ("verify/live-missing", "002_index"),
        "the live database has index `public.by_hand`, which the files do not build": ("verify/live-extra", None),
        "the live database has column `public.users.email` otherwise than the files build it": (
            "verify/live-changed",
            "003_default",
        ),
        "the live database has view `public.names` otherwise than the files build it": (
            "verify/live-changed",
            "004_view",
        ),
    }
    changed = found["the live database has column `public.users.email` otherwise than the files build it"]
    assert "made or last changed by `003_default`" in changed.facts
    assert "-default 'none'::text" in changed.facts
    assert "+default 'nobody'::text" in changed.facts


def test_what_should_have_been_dropped_names_the_migration_that_drops_it(
    project: ProjectFolder, compare: Compare, connection: psycopg.Connection
) -> None:
    project.sql("001_a", "create table a ();")
    project.sql("002_drop", "drop table a;")
    Migrator(project.manifest).migrate()
    connection.execute("create table a ()")
    (one,) = compare().findings
    assert (one.rule, one.migration) == ("verify/live-extra", "002_drop")
    assert "dropped by `002_drop`" in one.facts


def test_the_order_of_columns_of_a_table_that_is_new_or_gone_is_no_note(
    shop: ProjectFolder, compare: Compare, connection: psycopg.Connection
) -> None:
    Migrator(shop.manifest).migrate()
    connection.execute("drop table users cascade; create table extra (a int, b int)")
    made = compare()
    said = {one.message for one in made.findings}
    assert "the live database has table `public.extra`, which the files do not build" in said
    assert "the live database lacks table `public.users`" in said
    assert made.missing == ()


def test_what_is_only_spelled_differently_is_a_note(
    project: ProjectFolder, compare: Compare, connection: psycopg.Connection
) -> None:
    project.sql("001_t", "create table t (a varchar(9) constraint c check (a in ('x', 'y')));")
    Migrator(project.manifest).migrate()
    (definition,) = connection.execute(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = 'c'"
    ).fetchone() or ("",)
    connection.execute(f"alter table t drop constraint c, add constraint c {definition}".encode())
    made = compare()
    assert made.findings == ()
    assert made.missing == ("spelled differently by the server, and the same: `public.t.c`",)


def test_without_facts_everything_is_expected_or_what_is_said(
    shop: ProjectFolder, compare: Compare, connection: psycopg.Connection
) -> None:
    connection.execute(
        "create table users (id bigint primary key, email text); create index users_email on users (email)"
    )
    shop.forget(4)
    made = compare()
    assert [one.migration for one in made.findings] == ["003_default"]
    assert "nothing is recorded there" in made.missing[0]
    assert compare(to=2).findings == ()


def test_a_version_that_no_migration_has_is_refused(shop: ProjectFolder, compare: Compare) -> None:
    with pytest.raises(UsageError, match="no migration has version 7") as raised:
        compare(to=7)
    assert str(raised.value.problems[0].hint) == "write `--to 4`"


def test_a_baseline_is_proved(shop: ProjectFolder, compare: Compare, connection: psycopg.Connection) -> None:
    shop.forget(4)
    connection.execute("create table users (id bigint primary key, email text)")
    Migrator(shop.manifest).baseline(to=2, reason="it was there before")
    assert [one.message for one in compare().findings] == ["the live database lacks index `public.users_email`"]


def test_a_role_that_may_only_look_is_enough_and_another_owner_is_no_difference(
    shop: ProjectFolder, compare: Compare, admin: psycopg.Connection, fresh_database: str, role: str
) -> None:
    shop.forget(4)
    owner = make_conninfo(fresh_database, user=role, password="pa55-word")
    admin.execute(
        sql.SQL("grant create on schema public to {}; grant create on database {} to {}").format(
            sql.Identifier(role), sql.Identifier(admin.info.dbname), sql.Identifier(role)
        )
    )
    with psycopg.connect(owner) as connection:
        connection.execute("create table users (id bigint primary key, email text)")
        connection.execute("create index users_email on users (email)")
        connection.execute("alter table users alter email set default 'none'")
    looking = f"{role} looks"
    quoted = sql.Identifier(looking)
    admin.execute(sql.SQL("create role {} login password 'pa55-word'").format(quoted))
    try:
        url = make_conninfo(fresh_database, user=looking, password="pa55-word")
        assert compare(url, to=3).findings == ()
        assert compare(url).findings == ()
    finally:
        admin.execute(sql.SQL("drop owned by {0} cascade; drop role {0}").format(quoted))


def test_nothing_can_be_written_and_no_lock_is_taken_that_anybody_minds(
    shop: ProjectFolder,
    compare: Compare,
    connection: psycopg.Connection,
    connect: Callable[..., psycopg.Connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Migrator(shop.manifest).migrate()
    read, seen = schema_reader.read, list[object]()

    def noted(reader: Connection, scope: Scope) -> SchemaSnapshot:
        if reader.info.dbname == connection.info.dbname:
            seen.append(reader.execute(b"show default_transaction_read_only").fetchone())
        return read(reader, scope)

    monkeypatch.setattr(schema_reader, "read", noted)
    holder = connect(autocommit=False)
    for table in ("users", "names", "zmig.migration_events"):
        holder.execute(sql.SQL("lock table {} in exclusive mode").format(sql.Identifier(*table.split("."))))
    before = connection.execute("select count(*) from zmig.migration_events").fetchone()
    assert compare().findings == ()
    assert seen == [("on",)]
    assert connection.execute("select count(*) from zmig.migration_events").fetchone() == before


def test_a_database_without_zmig_stays_without(
    shop: ProjectFolder, compare: Compare, connection: psycopg.Connection
) -> None:
    assert compare().findings
    assert connection.execute("select to_regnamespace('zmig')").fetchone() == (None,)


def test_what_is_applied_and_no_longer_declared_is_said(shop: ProjectFolder, compare: Compare) -> None:
    Migrator(shop.manifest).migrate()
    shop.forget(2)
    made = compare()
    assert [one.message for one in made.findings] == [
        "the live database has index `public.users_email`, which the files do not build"
    ]
    assert any("`002_index` is applied there and no longer declared" in text for text in made.missing)


def test_files_that_no_longer_apply_are_a_finding(shop: ProjectFolder, compare: Compare) -> None:
    Migrator(shop.manifest).migrate()
    shop.sql("002_index", "create index users_email on user_s (email);")
    (one,) = compare().findings
    assert (one.rule, one.migration) == ("verify/not-applied", "002_index")


def test_a_database_that_cannot_be_reached_is_an_error(shop: ProjectFolder, compare: Compare) -> None:
    with pytest.raises(ConnectionFailed):
        compare("postgresql://nobody@127.0.0.1:1/x")


def test_the_command_takes_a_url_or_none(shop: ProjectFolder, server: str, database: str) -> None:
    ended = run("apply", shop.manifest)
    assert ended.code == 0, ended.stderr
    ended = run("verify", "--against", shop.manifest, "--scratch-url", server)
    assert (ended.code, ended.stdout) == (0, ""), ended.stderr
    assert "the live database is what 4 migrations build" in ended.stderr
    ended = run("verify", shop.manifest, "--json", "--against", database, "--scratch-url", server)
    document = json.loads(ended.stdout)
    assert (ended.code, document["findings"]) == (0, [])
    assert document["replayed"] == ["001_users", "002_index", "003_default", "004_view"]
    with psycopg.connect(database) as connection:
        connection.execute("drop view names")
    ended = run("verify", shop.manifest, "--against", "postgresql://nobody@127.0.0.1:1/x")
    assert (ended.code, "port in `--against` are right" in ended.stderr) == (3, True)
    ended = run("verify", shop.manifest, "--against", "--scratch-url", server)
    assert ended.code == 1
    assert "the live database lacks view `public.names`" in ended.stdout


@pytest.mark.parametrize(
    "words",
    [("--against", "--all"), ("--against", "--base", "main"), ("3", "--against"), ("--to", "3"), ("3", "--all")],
)
def test_what_does_not_go_together_is_refused(shop: ProjectFolder, words: tuple[str, ...]) -> None:
    ended = run("verify", shop.manifest, *words)
    assert (ended.code, ended.stdout) == (2, "")
    assert "hint: " in ended.stderr
