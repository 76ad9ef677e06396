"""`zmig lint --try`: what the server does for each statement is found, at its place, once, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support import backends
from tests.support.process import Process, run
from tests.support.project import ProjectFolder
from tests.support.trials import trying_on
from zmig.errors import ZmigError
from zmig.lint.finding import Severity
from zmig.lint.run import lint
from zmig.verification import scratch, watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.finding import Finding
    from zmig.lint.run import Report

    Try = Callable[..., Report]

_BASE = """
create table users (id bigint primary key, age int, name varchar(50), note text);
create table orders (id bigint primary key, user_id bigint, total int not null default 0);
create domain amount as int;
create table payments (id bigint, paid amount);
create table events (id bigint, at int not null) partition by range (at);
create table events_1 partition of events for values from (0) to (10);
create table events_rest partition of events default;
create table old_events (id bigint, at int not null);
create materialized view totals as select user_id, sum(total) as total from orders group by user_id;
"""


@pytest.fixture
def tried(project: ProjectFolder, server: str) -> Try:
    """Lint the project, and try its migrations on the tests' server; `names` chooses, as `--only` does."""
    project.change(lint={"severity": {"name/no-description": "off", "rollback/missing": "off"}})

    def report(*names: str, base: str | None = None) -> Report:
        trial = trying_on(server, names, base=base)
        return lint([project.manifest], environ=os.environ, base=base, trial=trial)

    return report


def found(report: Report, *, least: Severity = Severity.WARNING) -> list[tuple[str, str]]:
    """Return the rule and the message of each finding that matters."""
    return [(one.rule, one.message) for one in report.findings if one.severity.rank >= least.rank]


def rules(report: Report) -> list[str]:
    return [rule for rule, _ in found(report)]


def only(report: Report, rule: str) -> Finding:
    (one,) = (one for one in report.findings if one.rule == rule)
    return one


@pytest.mark.parametrize(
    ("statement", "rule", "words"),
    [
        ("alter table users alter age type bigint", "try/rewrite", "`public.users` is written anew"),
        ("alter table users add seen float default random()", "try/rewrite", "`public.users` is written anew"),
        ("alter table users set unlogged", "try/rewrite", "nobody can read or write it"),
        ("cluster users using users_pkey", "try/rewrite", "`public.users` is written anew"),
        ("vacuum full users", "try/rewrite", "`public.users` is written anew"),
        ("refresh materialized view totals", "try/rewrite", "`public.totals` is computed anew"),
        ("alter table users alter age set not null", "try/scan", "every row of `public.users` is read"),
        ("alter table users add check (age > 0)", "try/scan", "nobody can read or write it"),
        ("alter table users add level int check (level > 0)", "try/scan", "every row of `public.users` is read"),
        ("alter domain amount add check (value > 0)", "try/scan", "`public.payments` is read, and nobody can write it"),
        (
            "alter table orders add constraint orders_user foreign key (user_id) references users",
            "try/scan",
            "every row of `public.orders` is looked up for the foreign key `orders_user`",
        ),
        (
            "create table events_2 partition of events for values from (10) to (20)",
            "try/scan",
            "every row of `public.events_rest` is read",
        ),
        (
            "create index on users (age)",
            "try/index-build",
            "`users_age_idx` of `public.users` is built, and nobody can",
        ),
        ("reindex table users", "try/index-build", "`users_pkey` of `public.users` is built, and nobody can write it"),
        ("alter table users add unique (age)", "try/index-build", "nobody can read or write it"),
        ("do $$ begin execute 'create index on users (age)'; end $$", "try/index-build", "`users_age_idx`"),
        ("alter table users add level int not null", "try/fails", "the new column `level` of `public.users`"),
    ],
)
def test_work_under_a_lock_is_an_error(
    project: ProjectFolder, tried: Try, statement: str, rule: str, words: str
) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_change", f"-- a change\n\n  {statement};\n")
    report = tried()
    errors = [one for one in report.findings if one.severity is Severity.ERROR]
    assert [one.rule for one in errors] == [rule]
    assert words in errors[0].message
    assert (errors[0].line, errors[0].migration) == (3, "002_change")
    assert errors[0].hint


@pytest.mark.parametrize(
    "statement",
    [
        "alter table users add level int",
        "alter table users add level int not null default 1",
        "alter table users alter name type varchar(80)",
        "alter table users alter name type text",
        "alter table users add check (age > 0) not valid",
        "alter table users add order_id bigint references orders",
        "create index concurrently on users (age)",
        "create index if not exists users_pkey on users (age)",
        "alter table users drop note",
        "truncate users; create index on users (age)",
        "create table friends (id bigint references users); create index on friends (id)",
        "alter domain amount add check (value > 0) not valid",
        "create temp table scratch as select * from users; create index on scratch (id); drop table scratch",
    ],
)
def test_what_takes_no_time_is_no_error(project: ProjectFolder, tried: Try, statement: str) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_change", f"{statement};")
    report = tried()
    lost = "data/truncate"
    assert [one.message for one in report.findings if one.severity is Severity.ERROR and one.rule != lost] == []
    assert not [one for one in report.findings if one.rule in _WORK], "what the server does not do is not reported"


_WORK = (
    "lock/table-rewrite",
    "squawk/adding-field-with-default",
    "squawk/adding-foreign-key-constraint",
    "squawk/changing-column-type",
    "squawk/require-concurrent-index-creation",
)


def test_a_default_partition_that_is_proved_is_not_read(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql(
        "002_proof",
        "alter table events_rest add check (at >= 20); alter table old_events add check (at between 0 and 9);",
    )
    project.sql("003_made", "create table events_2 partition of events for values from (10) to (20);")
    report = tried("3")
    assert [one.message for one in report.findings if one.rule == "try/scan"] == []


def test_a_constraint_that_is_validated_under_the_lock_it_was_added_with_is_found(
    project: ProjectFolder, tried: Try
) -> None:
    add = "alter table users add constraint grown check (age > 17) not valid;"
    validate = "alter table users validate constraint grown;"
    project.sql("001_base", _BASE)
    project.sql("002_together", f"{add}\n{validate}")
    one = only(tried(), "try/scan")
    assert (one.line, one.message) == (
        2,
        "every row of `public.users` is read, and nobody can read or write it meanwhile",
    )
    project.sql("002_together", add)
    project.sql("003_later", validate)
    assert "try/scan" not in rules(tried())


def test_what_the_locks_of_a_transaction_keep_waiting_is_said(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_both", "alter table orders add note text;\ncreate index on users (age);")
    report = tried()
    lock = only(report, "try/lock")
    assert lock.severity is Severity.WARNING
    assert lock.message == "`public.orders` is locked, and nobody can read or write it until line 2 is done as well"
    assert "locked as long: `public.orders`" in only(report, "try/index-build").facts


def test_the_locks_of_a_transaction_are_one_finding(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.python(
        "002_three",
        "def execute(ctx):\n    add = 'alter table {} add {} text'\n    ctx.execute(add.format('orders', 'a'))\n"
        "    ctx.execute(add.format('users', 'a'))\n    ctx.execute(add.format('orders', 'b'))\n"
        "    ctx.execute(add.format('old_events', 'a'))\n    ctx.execute('select 1')\n",
    )
    lock = only(tried(), "try/lock")
    assert (lock.line, lock.severity) == (3, Severity.WARNING)
    assert "nobody can read or write it until line 6 is done as well" in lock.message
    assert lock.facts == (
        "`public.orders`: access exclusive",
        "`public.users`: access exclusive, from line 4 on",
        "`public.old_events`: access exclusive, from line 6 on",
    )


def test_what_lint_says_of_locks_in_more_words_is_enough(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_two", "alter table orders add note text;\nalter table users add seen date;")
    report = tried()
    assert "lock/several-tables" in [one.rule for one in report.findings]
    assert "try/lock" not in [one.rule for one in report.findings]


def test_columns_that_are_required_are_one_finding_unless_the_table_was_emptied(
    project: ProjectFolder, tried: Try
) -> None:
    add = "alter table users add level int not null, add rank int not null;"
    project.sql("001_base", _BASE)
    project.sql("002_columns", add)
    assert (
        "new columns `level`, `rank` of `public.users` must not be null and have no"
        in only(tried(), "try/fails").message
    )
    project.sql("002_columns", f"truncate users; {add}")
    assert "try/fails" not in rules(tried())


def test_a_foreign_key_beside_a_column_that_is_required_is_reported_as_well(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql(
        "002_both", "alter table orders add rank int not null, add foreign key (user_id) references users (id);"
    )
    errors = sorted(one.rule for one in tried().findings if one.severity is Severity.ERROR)
    assert errors == ["try/fails", "try/scan"]


def test_a_short_lock_is_a_note_that_a_manifest_can_weigh(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_note", "alter table orders add note text;")
    lock = only(tried(), "try/lock")
    assert (lock.severity, lock.facts) == (Severity.NOTE, ("`public.orders`: access exclusive",))
    assert lock.message == "`public.orders` is locked, and nobody can read or write it for a moment"
    project.change(lint={"severity": {"try/lock": "error"}})
    assert only(tried(), "try/lock").severity is Severity.ERROR


def test_a_weaker_lock_stops_writes_alone(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_friends", "create table friends (id bigint references users);")
    lock = only(tried(), "try/lock")
    assert lock.message == "`public.users` is locked, and nobody can write it for a moment"


def test_a_file_that_asks_for_silence_is_heard_all_the_same(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_dump", "set client_min_messages = error;\nalter table users alter age type bigint;")
    assert only(tried(), "try/rewrite").line == 2


def test_a_file_without_a_transaction_is_seen_statement_by_statement(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql(
        "002_apart",
        "create index concurrently i on users (age);\nalter table users add check (age > 0);",
        transaction=False,
    )
    assert [(one.rule, one.line) for one in tried().findings if one.severity is Severity.ERROR] == [("try/scan", 2)]


def test_code_is_seen_at_the_line_that_runs_it(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.python(
        "002_code",
        "def execute(ctx):\n"
        '    ctx.execute("alter table users alter age type bigint")\n'
        "    with ctx.connection.cursor() as cursor:\n"
        '        cursor.execute("create index on orders (user_id)")\n',
    )
    report = tried()
    assert [(one.rule, one.line, one.column) for one in report.findings if one.severity is Severity.ERROR] == [
        ("try/rewrite", 2, 46),
        ("try/index-build", 4, 25),
    ]


def test_rounds_and_repeatables_run_as_zmig_runs_them(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", f"{_BASE} insert into users select generate_series(1, 25);")
    batch = "update users set age = 1 where id in (select id from users where age is null order by id limit :size)"
    project.sql("002_rounds", f"{batch};", batch={"size": 10})
    project.repeatable("003_views", "refresh materialized view totals;")
    report = tried()
    assert [(one.rule, one.migration) for one in report.findings if one.severity is Severity.ERROR] == [
        ("try/rewrite", "003_views")
    ]
    assert report.tried == 3


def test_what_lint_finds_as_well_is_reported_once_with_its_hint_and_place(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_type", "alter table users add seen int, alter age type bigint;")
    read = lint([project.manifest], environ=os.environ)
    static = only(read, "squawk/changing-column-type")
    report = tried()
    one = only(report, "try/rewrite")
    assert (one.column, one.hint) == (static.column, static.hint)
    assert "squawk/changing-column-type" not in rules(report)


def test_what_is_ignored_in_one_form_is_ignored_in_the_other(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql(
        "002_index",
        "-- zmig: ignore squawk/require-concurrent-index-creation nobody writes then\ncreate index on users (age);\n"
        "-- zmig: ignore try/index-build nobody does\ncreate index on orders (user_id);\n"
        "-- zmig: ignore try/rewrite it does not come to that\nselect 1;\n",
    )
    ignored = ["ignore/unused"]
    assert rules(tried()) == ignored
    assert "nothing about `002_index` is found by `try/rewrite`" in tried().findings[-1].message


def test_an_ignore_of_what_only_a_trial_finds_is_not_unused_without_one(project: ProjectFolder) -> None:
    project.sql("001_index", "-- zmig: ignore try/index-build there are few rows\nselect 1;")
    report = lint([project.manifest], environ=os.environ)
    assert "ignore/unused" not in [one.rule for one in report.findings]


def test_a_migration_that_fails_is_found_with_its_place(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_fails", "create table fine ();\nalter table users\n  drop column nowhere;")
    project.sql("003_after", "select 1;")
    report = tried()
    one = next(one for one in report.findings if one.rule == "try/fails")
    assert 'column "nowhere" of relation "users" does not exist' in one.message
    assert (one.line, one.migration, one.severity) == (3, "002_fails", Severity.ERROR)
    assert "1 migration after `002_fails` could not be tried" in report.missing
    assert report.is_whole


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("create view ages as select age from users; alter table users drop age", "fails/in-the-way"),
        ("create function f() returns int language plpgsql as 'begin return 1 +; end'", "sql/syntax"),
    ],
)
def test_a_failure_that_lint_finds_as_well_is_reported_once(
    project: ProjectFolder, tried: Try, statement: str, rule: str
) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_fails", f"{statement};")
    static = only(lint([project.manifest], environ=os.environ), rule)
    errors = [one for one in tried().findings if one.severity is Severity.ERROR]
    assert [(one.rule, one.line, one.hint) for one in errors] == [("try/fails", static.line, static.hint)]


def test_a_file_that_no_run_takes_is_said_to_be_untried(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_own", "begin; alter table users add n int; commit;")
    project.sql("003_after", "create index on users (age);")
    report = tried()
    assert "transaction/control" in rules(report)
    assert (report.tried, report.is_whole) == (1, True)
    assert "not everything could be tried, since `zmig apply` would refuse a file as it is" in report.missing


def test_what_an_older_server_does_not_know_is_not_refuted_by_a_newer_one(project: ProjectFolder, tried: Try) -> None:
    project.change(lint={"postgres_version": 10})
    project.sql("001_base", _BASE)
    project.sql("002_index", "create index concurrently users_age_idx on users (age) include (note);")
    report = tried()
    assert only(report, "fails/version").migration == "002_index"
    assert report.tried == 2


def test_what_depends_on_where_tables_are_stored_is_not_refuted(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_move", "alter table users set tablespace pg_default;")
    assert "lock/table-rewrite" in rules(tried())


def test_what_only_the_scratch_server_lacks_is_no_finding(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_x", "create extension nowhere_to_be_found;")
    report = tried()
    assert rules(report) == []
    assert not report.is_whole
    assert any("has the extension `nowhere_to_be_found` with `--scratch-url`" in reason for reason in report.missing)


def test_a_role_that_a_named_server_lacks_is_no_finding(project: ProjectFolder, tried: Try, worker_name: str) -> None:
    project.sql("001_t", f'create table t (); grant select on t to "{worker_name} app";')
    report = tried()
    assert (rules(report), report.is_whole) == ([], False)
    assert any(f'run `create role "{worker_name} app" nologin`' in reason for reason in report.missing)


@pytest.mark.parametrize(
    ("change", "rollback", "rule", "words"),
    [
        ("create index on users (age)", "select 1", "verify/left", "leaves index `public.users_age_idx`"),
        ("alter table users drop note", "select 1", "verify/lost", "does not bring column `public.users.note` back"),
        (
            "alter table users alter name type text",
            "select 1",
            "verify/changed",
            "leaves column `public.users.name` different",
        ),
        ("delete from users", "select 1", "verify/loses-data", "loses data of `public.users`"),
        ("create view v as select 1", "drop view w", "verify/rollback-failed", 'view "w" does not exist'),
    ],
)
def test_what_a_rollback_does_not_undo_is_found_in_the_words_of_verify(
    project: ProjectFolder, tried: Try, change: str, rollback: str, rule: str, words: str
) -> None:
    project.sql("001_base", f"{_BASE} insert into users values (1);")
    project.sql("002_change", f"{change};", rollback=f"{rollback};")
    one = only(tried(), rule)
    assert words in one.message
    assert one.severity is Severity.ERROR
    assert "002_change." in one.file, "the rollback, or what it does not undo"


def test_a_rollback_is_judged_by_the_server_alone(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_left", "create function f() returns int language sql as 'select 1';", rollback="select 1, 2;")
    project.sql(
        "003_undone",
        "create sequence s; alter table users add n int default nextval('s'); alter sequence s owned by users.n;",
        rollback="alter table users drop n;",
    )
    static = [one.migration for one in lint([project.manifest], environ=os.environ).findings]
    report = tried()
    assert "rollback/incomplete" not in rules(report)
    assert [one.migration for one in report.findings if one.rule.startswith("verify/")] == ["002_left"]
    assert static


def test_the_work_of_a_rollback_on_a_table_in_use_is_found(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", _BASE)
    project.sql(
        "002_type",
        "create table made (id int); alter table orders add big bigint;",
        rollback="alter table orders drop big;\nalter table users alter note type varchar(9);\n"
        "alter table users alter note type text;\nalter table made add check (id > 0);\ndrop table made;",
    )
    report = tried()
    assert [(one.rule, one.line) for one in report.findings if one.severity is Severity.ERROR] == [("try/rewrite", 2)]


def test_a_table_of_another_schema_is_not_mistaken(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", f"{_BASE} create schema archive; create table archive.users (age int);")
    project.sql("002_index", "create index on archive.users (age);")
    assert "of `archive.users` is built" in only(tried(), "try/index-build").message
    project.sql("002_index", "create schema new; create table new.users (age int); create index on new.users (age);")
    assert [one.rule for one in tried().findings if one.rule.startswith("try/")] == []


def test_only_what_is_new_is_tried_and_nobody_uses_what_it_makes(
    project: ProjectFolder, tried: Try, repository: Callable[..., str]
) -> None:
    project.sql("001_base", _BASE)
    project.sql("002_old", "create index on users (age);")
    repository("add", ".")
    repository("commit", "-m", "base")
    assert tried(base="HEAD").tried == 0
    project.sql("003_made", "create table friends (id bigint);")
    project.sql("004_index", "create index on friends (id);\ncreate index on orders (user_id);")
    report = tried(base="HEAD")
    assert report.tried == 2
    assert [(one.rule, one.line, one.migration) for one in report.findings if one.severity is Severity.ERROR] == [
        ("try/index-build", 2, "004_index")
    ]


def test_a_rollback_that_was_edited_is_tried(
    project: ProjectFolder, tried: Try, repository: Callable[..., str]
) -> None:
    project.sql("001_base", _BASE, rollback="drop schema public cascade; create schema public;")
    project.sql("002_index", "create index on users (age);", rollback="drop index users_age_idx;")
    repository("add", ".")
    repository("commit", "-m", "base")
    (project.folder / "002_index.rollback.sql").write_text("select 1;", encoding="utf-8")
    report = tried(base="HEAD")
    assert (report.tried, "verify/left" in rules(report)) == (1, True)


def test_an_old_migration_that_fails_keeps_the_new_ones_from_being_tried(
    project: ProjectFolder, tried: Try, repository: Callable[..., str]
) -> None:
    project.sql("001_old", "alter table nowhere add n int;")
    repository("add", ".")
    repository("commit", "-m", "base")
    project.sql("002_new", "create table t ();")
    report = tried(base="HEAD")
    assert rules(report) == []
    assert not report.is_whole
    assert any('relation "nowhere" does not exist' in reason for reason in report.missing)


def test_what_is_there_before_the_first_migration_is_made_first(
    project: ProjectFolder, tried: Try, server: str
) -> None:
    dump = "set search_path = '';\ncreate table public.users (id bigint, age int);\n\\restrict abc\n"
    (project.folder / "schema.sql").write_text(dump, encoding="utf-8")
    project.change(lint={"start": "schema.sql"})
    project.sql("001_index", "create index on users (age);", rollback="drop index users_age_idx;")
    project.sql("002_more", "create view ages as select age from users;", rollback="select 1;")
    report = tried()
    assert [(one.rule, one.migration) for one in report.findings if one.severity is Severity.ERROR] == [
        ("try/index-build", "001_index"),
        ("verify/left", "002_more"),
    ]
    (project.folder / "schema.sql").write_text("create table users (id nothing);", encoding="utf-8")
    ended = run("lint", project.manifest, "--try", "--scratch-url", server)
    assert ended.code == 2
    assert 'cannot be made on the scratch server: type "nothing" does not exist' in ended.stderr


def test_what_breaks_while_watching_is_an_error(
    project: ProjectFolder, tried: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sql("001_base", _BASE)
    monkeypatch.setattr(watching, "_RELATIONS", "select 1 / 0")
    with pytest.raises(ZmigError, match="the scratch server does not say what was done"):
        tried()


def test_a_manifest_with_a_fault_is_not_tried(project: ProjectFolder, tried: Try) -> None:
    project.sql("001_base", "create table t (n int;")
    (project.folder / "001_base.sql").unlink()
    report = tried()
    assert "file/missing" in rules(report)
    assert (report.tried, report.is_whole) == (0, False)


def test_the_command_tries_on_a_private_server(project: ProjectFolder, connection: psycopg.Connection) -> None:
    project.change(verify={"any_version": True})
    project.sql("001_users", "create table users (id int);", rollback="drop table users;")
    project.sql("002_type", "alter table users alter id type bigint;", rollback="alter table users alter id type int;")
    ended = run("lint", project.manifest, "--try", "--json")
    document = json.loads(ended.stdout)
    assert ended.code == 1, ended.stderr
    assert document["tried"] == 2
    assert document["tried_on"] >= 130000
    named = [(one["rule"], one["line"]) for one in document["findings"] if one["severity"] == "error"]
    assert named == [("try/rewrite", 1), ("try/rewrite", 1)]
    ended = run("lint", project.manifest, "--try", "--only", "001_users", "--fail-on", "never")
    assert (ended.code, "1 of them tried on PostgreSQL" in ended.stderr) == (0, True), ended.stderr
    rows = connection.execute("select to_regclass('users'), to_regclass('zmig.migration_events')").fetchone()
    assert rows == (None, None), "the manifest's database is not touched"


def test_nothing_stays_on_a_server_that_is_named(
    project: ProjectFolder, tried: Try, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create = scratch.Scratch.create

    def created(place: scratch.Scratch) -> str:
        made.append(create(place))
        return made[-1]

    monkeypatch.setattr(scratch.Scratch, "create", created)
    project.sql("001_users", "create table users (id int);", rollback="select 1;")
    assert rules(tried()) == ["verify/left"]
    names = [str(conninfo_to_dict(url)["dbname"]) for url in made]
    with psycopg.connect(server) as connection:
        left = connection.execute("select count(*) from pg_database where datname = any(%s)", [names]).fetchone()
    assert (left, bool(names)) == ((0,), True)


def test_the_command_takes_a_server_that_is_named(project: ProjectFolder, server: str) -> None:
    project.sql("001_users", "create table users (id int);", rollback="select 1;")
    ended = run("lint", project.manifest, "--try", "--scratch-url", server)
    assert (ended.code, "error[verify/left]" in ended.stdout) == (1, True), ended.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "1"), "`--only` is about a trial on a server, and none is made"),
        (("--scratch-url", "postgresql://x"), "`--scratch-url` is about a trial on a server, and none is made"),
        (("--try", "--only", "1", "--base", "HEAD"), "`--only` and `--base` both say which migrations are tried"),
        (("--try", "--only", "7"), "no migration is called `7`"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(
    project: ProjectFolder, words: tuple[str, ...], message: str
) -> None:
    project.sql("001_users", "create table users (id int);")
    ended = run("lint", project.manifest, *words)
    assert ended.code == 2
    assert message in ended.stderr


def test_a_signal_ends_it_and_leaves_nothing(project: ProjectFolder, server: str) -> None:
    project.sql("001_wait", "select pg_sleep(60), 'a trial that is interrupted';")
    question = "from pg_stat_activity where query like '%a trial that is interrupted%' and pid <> pg_backend_pid()"
    with (
        psycopg.connect(server, autocommit=True) as connection,
        Process("lint", project.manifest, "--try", "--scratch-url", server, "--json") as process,
    ):
        backends.wait_until(connection, f"exists (select {question} and state = 'active')", of=process)
        found = connection.execute(f"select datname {question}").fetchone()
        process.send(signal.SIGINT)
        ended = process.wait()
        left = connection.execute("select count(*) from pg_database where datname = %s", found).fetchone()
    assert ended.code == 128 + signal.SIGINT, ended.stderr
    assert json.loads(ended.stdout)["error"]["effect"] == "nothing was tried to its end; scratch databases are gone"
    assert left == (0,)


def test_without_a_server_it_says_how_to_get_one(project: ProjectFolder) -> None:
    project.change(lint={"postgres_version": 11})
    project.sql("001_users", "create table users (id int);")
    ended = run("lint", project.manifest, "--try")
    assert ended.code != 0
    assert "there is no PostgreSQL 11 for scratch databases" in ended.stderr
    assert "--scratch-url" in ended.stderr


def test_the_figures_of_a_history_are_what_the_server_confirms(tmp_path: Path, server: str) -> None:
    shop = ProjectFolder(tmp_path / "shop" / "manifests", server)
    shop.sql("001_base", _BASE)
    shop.sql("002_index", "create index on users (age); alter table users add check (age > 0);")
    shop.sql("003_empty", "truncate orders; create index on orders (user_id);")
    shop.sql(
        "004_code",
        "do $$ declare name text := 'users'; begin execute format('create index on %I (age)', name); end $$;",
        rollback="select 1;",
    )
    # Of what is known only when it runs, lint says nothing; of what may run, that it does.
    name = "(select max(relname) from pg_class where relname = 'users')"
    shop.sql("005_unseen", f"do $$ begin execute 'create index on ' || {name} || ' (age)'; end $$;")
    shop.sql("006_maybe", "do $$ begin if false then create index on users (note); end if; end $$;")
    program = [sys.executable, "-m", "bench.corpora", "--scratch-url", server, str(tmp_path / "shop")]
    ended = subprocess.run(program, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    told = ["6 migrations tried, 0 could not be", "1 rollbacks were done to their end"]
    assert ended.stdout.splitlines()[:2] == told, ended.stderr
    assert "| `squawk/require-concurrent-index-creation` | 3 | 0 | 0 |" in ended.stdout
    assert "| `squawk/require-concurrent-index-creation` | 2 | 1 |" in ended.stdout
    assert "| an index is built | 2 | 1 | 0 | 0 |" in ended.stdout
    assert "| all rows are read | 1 | 0 | 0 | 0 |" in ended.stdout
    assert "| something is left | 0 | 0 | 0 | 1 |" in ended.stdout
