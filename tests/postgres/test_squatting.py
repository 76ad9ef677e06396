"""Somebody made zmig's schema or its tables first, or put code on them: nothing of it runs, and it is named."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.project import ProjectFolder
from tests.support.recorder import Recorder
from zmig import Migrator, TrackingError
from zmig.database import server
from zmig.database.store import Store
from zmig.progress import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zmig.errors import Problem

_RUN = "begin if current_setting('application_name') like 'zmig%' then raise 'code of others ran'; end if;"
_CODE = f"""
create function public.evil() returns bool language plpgsql as $f$ {_RUN} return true; end $f$;
create function public.evil_trigger() returns trigger language plpgsql as $f$ {_RUN} return new; end $f$;
create function public.evil_text(text) returns text immutable language plpgsql as $f$ {_RUN} return $1; end $f$;
"""

ADDITIONS = {
    "before trigger": (
        "create trigger append_only_too before insert on zmig.migration_events"
        " for each row execute function public.evil_trigger()",
        "it has a trigger `append_only_too`",
    ),
    "trigger of zmig's name": (
        "drop trigger append_only on zmig.migration_events;"
        "create trigger append_only before insert or update or delete on zmig.migration_events"
        " for each statement execute function public.evil_trigger()",
        "it has a trigger `append_only`",
    ),
    "other body of zmig's function": (
        "create or replace function zmig.migration_events_refuse_change() returns trigger language plpgsql as"
        " $f$ begin raise 'code of others ran'; end $f$",
        "it has a trigger `append_only`",
    ),
    "trigger with a condition": (
        "drop trigger append_only on zmig.migration_events;"
        "create trigger append_only before update or delete or truncate on zmig.migration_events"
        " for each statement when (public.evil()) execute function zmig.migration_events_refuse_change()",
        "it has a trigger `append_only`",
    ),
    "default": (
        "alter table zmig.migration_events alter column host set default public.evil()::text",
        "the default of column `host` is `(public.evil())::text`",
    ),
    "no default": (
        "alter table zmig.migration_events alter column event_data drop default",
        "column `event_data` has no default",
    ),
    "default of a column of its own": (
        "alter table zmig.schema_migrations add column more bool default public.evil()",
        "the default of column `more` is `public.evil()`",
    ),
    "generated column": (
        "alter table zmig.migration_events add column more text generated always as (public.evil_text(host)) stored",
        "the default of column `more` is `generated`",
    ),
    "domain": (
        "create domain public.odd as text check (public.evil());"
        "alter table zmig.schema_migrations add column more public.odd",
        "column `more` is of type `public.odd`",
    ),
    "check": (
        "alter table zmig.schema_migrations add constraint odd check (public.evil()) not valid",
        "it has a constraint `odd`: CHECK (public.evil()) NOT VALID",
    ),
    "foreign key from elsewhere": (
        "create table public.theirs (v bigint references zmig.schema_migrations on delete cascade)",
        "it has a constraint `theirs_v_fkey`: FOREIGN KEY (v) REFERENCES zmig.schema_migrations(version)"
        " ON DELETE CASCADE",
    ),
    "index on an expression": (
        "create index odd on zmig.schema_migrations (public.evil_text(name))",
        "its index `zmig.odd` calls functions or operators of others",
    ),
    "index with a condition": (
        "create index odd on zmig.schema_migrations (name) where public.evil_text(name) = ''",
        "its index `zmig.odd` calls functions or operators of others",
    ),
    "sequence that runs backwards": (
        "alter sequence zmig.migration_events_position_seq increment by -1",
        "the positions it hands out are not one after the other: `zmig.migration_events_position_seq` has increment -1",
    ),
    "sequence that is shared out, and ends": (
        "alter table zmig.migration_events alter column position set cache 20 set cycle set maxvalue 100",
        "the positions it hands out are not one after the other: `zmig.migration_events_position_seq` has cache 20,"
        " cycle, maxvalue 100",
    ),
    "no key of facts": (
        "alter table zmig.migration_events drop constraint migration_events_pkey",
        "it has no primary key on `position`, by which its rows are known",
    ),
    "no key of rows": (
        "alter table zmig.schema_migrations drop constraint schema_migrations_pkey;"
        "create unique index on zmig.schema_migrations (version, name)",
        "it has no primary key on `version`, by which its rows are known",
    ),
    "key that is checked later": (
        "alter table zmig.schema_migrations drop constraint schema_migrations_pkey,"
        " add constraint later primary key (version) deferrable",
        "it has no primary key on `version`, by which its rows are known",
    ),
    "key of other columns": (
        "alter table zmig.schema_migrations drop constraint schema_migrations_pkey, add primary key (version, name)",
        "it has no primary key on `version`, by which its rows are known",
    ),
    "column that takes no null": (
        "alter table zmig.schema_migrations alter column checksum set not null",
        "column `checksum` takes no null, which zmig leaves there",
    ),
    "column of its own that takes no null": (
        'alter table zmig.migration_events add column "Order; by" int8;'
        "alter table zmig.migration_events disable trigger append_only;"
        'update zmig.migration_events set "Order; by" = 1;'
        "alter table zmig.migration_events enable always trigger append_only;"
        'alter table zmig.migration_events alter column "Order; by" set not null',
        "column `Order; by` takes no null, which zmig leaves there",
    ),
    "rule": (
        "create rule odd as on insert to zmig.migration_events do also select public.evil()",
        "it has a rule `odd`",
    ),
    "child": (
        "create table public.child () inherits (zmig.migration_events)",
        "table `public.child` inherits from `zmig.migration_events`",
    ),
    "view": (
        "alter table zmig.migration_events rename to mine;"
        "create view zmig.migration_events as select * from zmig.mine where public.evil()",
        "it is a view",
    ),
    "partitioned table": (
        "drop table zmig.schema_migrations; create table zmig.schema_migrations (version bigint primary key, name text,"
        " kind text, checksum text, applied_at timestamptz, applied_by text, duration_ms bigint, position bigint)"
        " partition by range (version)",
        "it is a partitioned table",
    ),
}


def _refused(act: Callable[[], object]) -> Problem:
    with pytest.raises(TrackingError) as caught:
        act()
    (problem,) = caught.value.problems
    assert problem.effect == "nothing was run"
    return problem


@pytest.mark.parametrize(("statement", "what"), ADDITIONS.values(), ids=ADDITIONS.keys())
def test_what_zmig_did_not_make_is_named_before_it_can_run(
    project: ProjectFolder, connection: psycopg.Connection, statement: str, what: str
) -> None:
    project.sql("001_one", "create table one ();")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    project.sql("002_two", "create table two ();")
    connection.execute(_CODE.encode())
    connection.execute(statement.encode())
    for act in (migrator.status, migrator.migrate):
        problem = _refused(act)
        assert problem.code == "tracking-altered"
        assert problem.message.endswith(f" is not as zmig makes it: {what}")
    _do(connection, problem)
    migrator.status()


def _do(connection: psycopg.Connection, problem: Problem) -> None:
    """Run the command in a hint, as it is printed."""
    assert problem.hint is not None
    connection.execute(problem.hint.partition("`")[2].rpartition("`")[0].encode())


UNGUARDED = {
    "dropped": "drop trigger append_only on zmig.migration_events",
    "disabled": "alter table zmig.migration_events disable trigger append_only",
    "disabled with all": "alter table zmig.migration_events disable trigger all",
    "for replicas only": "alter table zmig.migration_events enable replica trigger append_only",
    "dropped with its function": "drop function zmig.migration_events_refuse_change cascade",
}


def _resolve(migrator: Migrator) -> str:
    return migrator.resolve("002_two", "done", reason="x")


def _is_guarded(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("delete from zmig.migration_events where false")
    except psycopg.errors.RestrictViolation:
        return True
    return False


@pytest.mark.parametrize("statement", UNGUARDED.values(), ids=UNGUARDED)
@pytest.mark.parametrize("act", [Migrator.migrate, _resolve], ids=["apply", "resolve"])
def test_facts_without_their_guard_get_it_back_before_anything_is_written(
    project: ProjectFolder, connection: psycopg.Connection, statement: str, act: Callable[[Migrator], object]
) -> None:
    project.sql("001_one", "create table one ();")
    Migrator(project.manifest).migrate()
    connection.execute(statement.encode())
    assert not _is_guarded(connection)
    project.sql("002_two", "select 1 / (select count(*) from pg_trigger where tgname = 'append_only');")
    recorder = Recorder()
    act(Migrator(project.manifest, observer=recorder))
    assert _is_guarded(connection)
    (notice,) = recorder.all(Notice)
    assert notice.message == (
        "`zmig.migration_events` was not as zmig makes it: its trigger `append_only`, which keeps facts from being "
        "changed, is missing or disabled; it is there again"
    )
    again = Recorder()
    project.sql("003_three", "create table three ();")
    Migrator(project.manifest, observer=again).migrate()
    assert again.all(Notice) == []


@pytest.mark.parametrize("statement", UNGUARDED.values(), ids=UNGUARDED)
def test_who_does_not_own_facts_without_their_guard_is_refused(
    ours: ProjectFolder, theirs: ProjectFolder, admin: psycopg.Connection, role: str, statement: str
) -> None:
    Migrator(ours.manifest).migrate()
    admin.execute(
        sql.SQL("grant usage on schema zmig to {0}; grant all on all tables in schema zmig to {0}").format(
            sql.Identifier(role)
        )
    )
    admin.execute(statement.encode())
    theirs.sql("002_two", "create table public.two ();")
    assert Migrator(theirs.manifest).status().applied == ["001_one"]
    problem = _refused(Migrator(theirs.manifest).migrate)
    assert problem.code == "tracking-altered"
    assert "its trigger `append_only`" in problem.message
    assert admin.execute("select to_regclass('public.two')").fetchone() == (None,)
    _do(admin, problem)
    assert list(Migrator(theirs.manifest).migrate().completed) == ["002_two"]


def test_a_column_an_index_and_rights_that_can_run_no_code_are_let_be(
    project: ProjectFolder, connection: psycopg.Connection
) -> None:
    project.sql("001_one", "create table one ();")
    migrator = Migrator(project.manifest)
    migrator.migrate()
    connection.execute("alter table zmig.migration_events add column more text")
    connection.execute("create index on zmig.migration_events (created_at)")
    connection.execute("grant select, insert, update, delete, references on all tables in schema zmig to public")
    project.sql("002_two", "create table two ();")
    assert list(migrator.migrate().completed) == ["002_two"]


def test_the_tables_of_the_first_zmig_are_accepted(project: ProjectFolder, connection: psycopg.Connection) -> None:
    text = (Path(__file__).parent / "files" / "tracking_of_0_1.sql").read_text(encoding="utf-8")
    connection.execute(f"create schema zmig; {text.replace(':schema', 'zmig')}".encode())
    project.sql("001_one", "create table one ();")
    Migrator(project.manifest).migrate()
    assert Migrator(project.manifest).status().applied == ["001_one"]


@pytest.fixture
def ours(tmp_path: Path, fresh_database: str) -> ProjectFolder:
    """A project whose database is reached as a superuser."""
    made = ProjectFolder(tmp_path / "ours", fresh_database)
    made.sql("001_one", "create table public.one ();")
    return made


@pytest.fixture
def theirs(tmp_path: Path, fresh_database: str, admin: psycopg.Connection, role: str) -> ProjectFolder:
    """The same project, whose database is reached as `role`, which may create schemas in it."""
    _grant_create(admin, role)
    made = ProjectFolder(tmp_path / "theirs", make_conninfo(fresh_database, user=role, password="pa55-word"))
    made.sql("001_one", "create table public.one ();")
    return made


def _grant_create(admin: psycopg.Connection, role: str) -> None:
    database, grantee = sql.Identifier(admin.info.dbname), sql.Identifier(role)
    admin.execute(sql.SQL("grant create on database {} to {}").format(database, grantee))
    admin.execute(sql.SQL("grant create on schema public to {}").format(grantee))


@pytest.fixture
def second(admin: psycopg.Connection, worker_name: str) -> Iterator[str]:
    """Another login role, with the same password."""
    name = f"{worker_name}_second"
    admin.execute(sql.SQL("create role {} login password 'pa55-word'").format(sql.Identifier(name)))
    yield name
    admin.execute(sql.SQL("drop owned by {0} cascade; drop role {0}").format(sql.Identifier(name)))


@pytest.fixture
def group(admin: psycopg.Connection, worker_name: str) -> Iterator[str]:
    """A role that nobody can log in as."""
    name = f"{worker_name}_group"
    admin.execute(sql.SQL("create role {}").format(sql.Identifier(name)))
    yield name
    admin.execute(sql.SQL("drop owned by {0} cascade; drop role {0}").format(sql.Identifier(name)))


def _refused_by_all(project: ProjectFolder) -> Problem:
    migrator = Migrator(project.manifest)
    problems = [_refused(act) for act in (migrator.status, migrator.plan, migrator.history, migrator.migrate)]
    watcher = migrator.watcher()
    problems.append(_refused(watcher.poll))
    watcher.close()
    assert {problem.code for problem in problems} == {"tracking-untrusted"}
    return problems[0]


def test_a_superuser_trusts_no_tables_of_another_role_until_the_manifest_names_it(
    ours: ProjectFolder, theirs: ProjectFolder, role: str
) -> None:
    Migrator(theirs.manifest).migrate()
    problem = _refused_by_all(ours)
    assert problem.message == f"schema `zmig` belongs to role `{role}`, which could have its own code run as `postgres`"
    assert problem.facts[0] == f"table `zmig.migration_events` belongs to role `{role}`"
    assert f'`tracking: {{owner: "{role}"}}`' in (problem.hint or "")
    ours.change(tracking={"owner": role})
    assert Migrator(ours.manifest).status().applied == ["001_one"]


@pytest.mark.parametrize(
    "statement",
    [
        "create schema zmig",
        "create schema zmig; create view zmig.migration_events as select 1 as position",
    ],
)
def test_a_schema_made_by_another_role_is_refused_before_anything_is_put_into_it(
    ours: ProjectFolder, theirs: ProjectFolder, connect: Callable[..., psycopg.Connection], statement: str
) -> None:
    connect(theirs.url).execute(statement.encode())
    migrator = Migrator(ours.manifest)
    for act in (migrator.status, migrator.migrate):
        assert _refused(act).code in ("tracking-untrusted", "tracking-foreign")


def test_a_function_that_another_role_put_in_the_place_of_zmigs_is_refused(
    ours: ProjectFolder, theirs: ProjectFolder, admin: psycopg.Connection, connect: Callable[..., psycopg.Connection]
) -> None:
    admin.execute("create schema zmig; grant all on schema zmig to public")
    connect(theirs.url).execute(
        "create function zmig.migration_events_refuse_change() returns trigger language plpgsql as $$ begin end $$"
    )
    problem = _refused_by_all(ours)
    assert problem.message.startswith("function `zmig.migration_events_refuse_change` belongs to role `")


def test_what_another_role_makes_between_the_look_and_the_creation_is_found_out(
    theirs: ProjectFolder, admin: psycopg.Connection, connect: Callable[..., psycopg.Connection], fresh_database: str
) -> None:
    admin.execute("create schema zmig; grant all on schema zmig to public")
    connection = connect(fresh_database)
    server.identify(connection, {})
    store = Store(connection, "zmig")
    seen = store.inspect()
    Migrator(theirs.manifest).migrate()
    with pytest.raises(TrackingError, match="could have its own code run"):
        store.create(seen)


def test_the_owner_of_the_database_is_trusted_by_all_but_superusers(
    ours: ProjectFolder, theirs: ProjectFolder, admin: psycopg.Connection, role: str, second: str
) -> None:
    database, owner, reader = (sql.Identifier(name) for name in (admin.info.dbname, role, second))
    Migrator(theirs.manifest).migrate()
    admin.execute(
        sql.SQL("grant usage on schema zmig to {0}; grant select on zmig.migration_events to {0}").format(reader)
    )
    reading = Migrator(ours.manifest, database_url=make_conninfo(ours.url, user=second, password="pa55-word"))
    assert _refused(reading.status).code == "tracking-untrusted"
    admin.execute(sql.SQL("alter database {} owner to {}").format(database, owner))
    try:
        assert reading.status().applied == ["001_one"]
        _refused_by_all(ours)
    finally:
        admin.execute(sql.SQL("alter database {} owner to current_user").format(database))


def test_a_group_is_trusted_by_its_only_member_that_logs_in(
    ours: ProjectFolder, theirs: ProjectFolder, admin: psycopg.Connection, role: str, second: str, group: str
) -> None:
    Migrator(ours.manifest).migrate()
    owner = sql.Identifier(group)
    for statement in (
        "alter schema zmig owner to {}",
        "alter table zmig.migration_events owner to {}",
        "alter table zmig.schema_migrations owner to {}",
        "alter function zmig.migration_events_refuse_change owner to {}",
    ):
        admin.execute(sql.SQL(statement).format(owner))
    admin.execute(sql.SQL("grant {} to {}").format(owner, sql.Identifier(role)))
    theirs.sql("002_two", "create table public.two ();")
    assert list(Migrator(theirs.manifest).migrate().completed) == ["002_two"]
    admin.execute(sql.SQL("grant {} to {}").format(owner, sql.Identifier(second)))
    _refused_by_all(theirs)
    theirs.change(tracking={"owner": group})
    assert Migrator(theirs.manifest).status().applied == ["001_one", "002_two"]


def test_row_level_security_that_hides_facts_is_told(
    ours: ProjectFolder, theirs: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    Migrator(ours.manifest).migrate()
    admin.execute("alter table zmig.migration_events enable row level security")
    admin.execute("create policy own on zmig.migration_events using (database_user = current_user)")
    admin.execute(
        sql.SQL("grant usage on schema zmig to {0}; grant all on all tables in schema zmig to {0}").format(
            sql.Identifier(role)
        )
    )
    problem = _refused(Migrator(theirs.manifest).migrate)
    assert problem.message.endswith("by row-level security")
    _do(admin, problem)
    assert Migrator(theirs.manifest).status().applied == ["001_one"]


def test_a_right_to_put_triggers_on_the_tables_is_refused_before_anything_is_written(
    ours: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    """With it somebody could add one between the look at the tables and the write."""
    Migrator(ours.manifest).migrate()
    grantee = sql.Identifier(role)
    admin.execute(sql.SQL("grant all on zmig.schema_migrations to {} with grant option").format(grantee))
    admin.execute("grant all on zmig.migration_events to public")
    ours.sql("002_two", "create table public.two ();")
    assert Migrator(ours.manifest).status().pending == ["002_two"]
    for act in (Migrator.migrate, _resolve):
        problem = _refused(partial(act, Migrator(ours.manifest)))
        assert problem.code == "tracking-untrusted"
        assert problem.message == (
            "role `public` may put a trigger on table `zmig.migration_events`, whose code would run as `postgres`"
        )
        assert problem.facts == (f'so may role `"{role}"` on table `zmig.schema_migrations`',)
    assert admin.execute("select to_regclass('public.two')").fetchone() == (None,)
    _do(admin, problem)
    assert list(Migrator(ours.manifest).migrate().completed) == ["002_two"]


def test_who_may_put_triggers_on_the_tables_and_is_trusted_is_let_be(
    ours: ProjectFolder, theirs: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    Migrator(ours.manifest).migrate()
    grantee = sql.Identifier(role)
    admin.execute(
        sql.SQL("grant usage on schema zmig to {0}; grant all on all tables in schema zmig to {0}").format(grantee)
    )
    theirs.sql("002_two", "create table public.two ();")
    assert list(Migrator(theirs.manifest).migrate().completed) == ["002_two"]
    ours.sql("003_three", "create table public.three ();")
    assert _refused(Migrator(ours.manifest).migrate).code == "tracking-untrusted"
    ours.change(tracking={"owner": role})
    assert "003_three" in Migrator(ours.manifest).migrate().completed


def test_a_right_that_default_privileges_give_is_taken_back_where_the_tables_are_made(
    ours: ProjectFolder, admin: psycopg.Connection, role: str
) -> None:
    admin.execute(sql.SQL("alter default privileges grant all on tables to public, {}").format(sql.Identifier(role)))
    Migrator(ours.manifest).migrate()
    ours.sql("002_two", "create table public.two ();")
    Migrator(ours.manifest).migrate()
    rights = admin.execute(
        "select distinct a.privilege_type from pg_class c, aclexplode(c.relacl) a "
        "where c.relnamespace = 'zmig'::regnamespace and c.relkind = 'r' and a.grantee <> c.relowner"
    ).fetchall()
    assert ("SELECT",) in rights
    assert ("TRIGGER",) not in rights
