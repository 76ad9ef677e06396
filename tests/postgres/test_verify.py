"""`zmig verify`: what rollbacks do not undo is found, each with its object, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.process import Process, run
from zmig.embedded import EmbeddedServer
from zmig.errors import UsageError
from zmig.lint.finding import Severity
from zmig.process.interrupts import Interrupts
from zmig.project import project as projects
from zmig.verification import choosing, proving, report, scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.project import ProjectFolder
    from zmig.lint.run import Report

    Verify = Callable[..., Report]

_USERS = "create table users (id bigint primary key, email text default 'none');"


@pytest.fixture
def verify(project: ProjectFolder, server: str) -> Verify:
    """Prove the migrations named, or all, on the tests' server."""

    def prove(*names: str) -> Report:
        loaded = projects.load(project.manifest, environ=os.environ)
        chosen = choosing.choose(loaded, project.manifest, names=names, base=None, environ=os.environ)
        task = proving.Task(project.manifest, loaded, chosen.migrations, scratch_url=server, environ=os.environ)
        result = proving.prove(task, interrupts=Interrupts(), hear=lambda _migration, _what: None)
        return report.of_proofs(result, loaded.lint)

    return prove


def found(made: Report) -> list[tuple[str, str]]:
    """Return the rule and the message of each finding."""
    return [(one.rule, one.message) for one in made.findings]


def rules(made: Report) -> list[str]:
    return [one.rule for one in made.findings]


def test_what_is_undone_is_proved(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS, rollback="drop table users;")
    project.sql("002_index", "create index on users (email);", rollback="drop index users_email_idx;")
    project.sql("003_rows", "insert into users values (1);", rollback="delete from users;")
    assert found(verify()) == []


def test_a_table_that_stays_is_one_finding_with_the_place_of_the_rollback(
    project: ProjectFolder, verify: Verify
) -> None:
    project.sql("001_users", _USERS, rollback="select 1;")
    (one,) = verify().findings
    assert (one.rule, one.severity) == ("verify/left", Severity.ERROR)
    assert one.message == "the rollback of `001_users` leaves table `public.users`"
    assert one.file.endswith("001_users.rollback.sql")
    assert any("belong" in fact for fact in one.facts)


def test_an_index_that_stays_is_named(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS, rollback="drop table users;")
    project.sql(
        "002_two",
        "create index a on users (email); create index b on users (id, email);",
        rollback="drop index b;",
    )
    assert found(verify()) == [("verify/left", "the rollback of `002_two` leaves index `public.a`")]


def test_what_is_lost_is_named(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS + "create view v as select id from users;", rollback="drop table users cascade;")
    project.sql("002_age", "alter table users add age int;", rollback="drop view v; alter table users drop age;")
    made = verify()
    assert rules(made) == ["verify/lost"]
    assert "view `public.v`" in made.findings[0].message


def test_another_default_is_shown_as_a_difference(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS, rollback="drop table users;")
    project.sql(
        "002_drop",
        "alter table users drop email;",
        rollback="alter table users add email text default 'nobody';",
    )
    (one,) = verify().findings
    assert one.rule == "verify/changed"
    assert "column `public.users.email`" in one.message
    assert "-default 'none'::text" in one.facts
    assert "+default 'nobody'::text" in one.facts


def test_another_order_of_columns_is_no_finding_unless_the_manifest_says_so(
    project: ProjectFolder, verify: Verify
) -> None:
    project.sql("001_t", "create table t (a int, b int);", rollback="drop table t;")
    project.sql("002_a", "alter table t drop a;", rollback="alter table t add a int;")
    assert found(verify()) == []
    project.change(verify={"column_order": "error"})
    assert [one.message for one in verify().findings] == [
        "the rollback of `002_a` leaves the column order of `public.t` different from what it was before"
    ]


def test_another_spelling_of_the_same_is_no_finding(project: ProjectFolder, verify: Verify) -> None:
    project.sql(
        "001_t", "create table t (a varchar(9) constraint c check (a in ('x', 'y')));", rollback="drop table t;"
    )
    again = "alter table t add constraint c check (a::text = any (array['x'::varchar, 'y'::varchar]::text[]));"
    project.sql("002_c", "alter table t drop constraint c;", rollback=again)
    assert found(verify()) == []
    project.sql("002_c", "alter table t drop constraint c;", rollback=again.replace("'y'", "'z'"))
    assert rules(verify()) == ["verify/changed"]


def test_an_enum_value_that_stays_is_found(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_mood", "create type mood as enum ('sad', 'ok');", rollback="drop type mood;")
    project.sql("002_happy", "alter type mood add value 'happy';", rollback="select 1;")
    (one,) = verify().findings
    assert (one.rule, "type `public.mood`" in one.message) == ("verify/changed", True)
    assert "+'happy'" in one.facts


def test_one_finding_brings_about_no_other(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS, rollback="drop table users;")
    project.sql("002_a", "create table a ();", rollback="select 1;")
    project.sql("003_b", "create table b (); insert into users values (1);", rollback="drop table b, users;")
    project.sql("004_c", "create table c (); create index i on users (email);", rollback="drop table c; drop index i;")
    assert [one.migration for one in verify().findings] == ["002_a", "003_b"]


def test_a_rollback_that_fails_is_shown_with_its_place(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS, rollback="select 1;\ndrop tabel users;")
    project.sql("002_t", "create table t ();", rollback="drop table t;")
    (one,) = verify().findings
    assert one.rule == "verify/rollback-failed"
    assert one.file.endswith("001_users.rollback.sql")
    assert (one.line, one.column) == (2, 6)
    assert one.hint == "correct the rollback file"


def test_a_rollback_without_end_is_a_finding(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_users", _USERS, rollback="drop table users; select 'x")
    assert rules(verify()) == ["verify/rollback-failed"]


def test_a_rollback_outside_a_transaction_that_fails_half_way_leaves_the_others_as_they_are(
    project: ProjectFolder, verify: Verify
) -> None:
    project.sql("001_t", "create table t (n int);", rollback="drop table t;")
    project.sql(
        "002_i",
        "create index concurrently i on t (n);",
        rollback="drop index concurrently i; drop index concurrently missing;",
        transaction=False,
    )
    project.sql("003_j", "create index concurrently j on t (n);", rollback="drop index concurrently j;")
    assert [(one.rule, one.migration) for one in verify().findings] == [("verify/rollback-failed", "002_i")]


def test_what_cannot_be_applied_again_is_found(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t (n int primary key);", rollback="drop table t;")
    project.sql("002_row", "insert into t values (1);", rollback="select 1;")
    made = verify()
    assert rules(made) == ["verify/leaves-rows", "verify/not-again"]
    assert made.findings[0].severity is Severity.NOTE
    assert "after its rollback" in made.findings[1].message
    assert made.findings[1].file.endswith("002_row.sql")


def test_what_is_another_one_the_second_time_is_found(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_s", "create sequence s;", rollback="drop sequence s;")
    project.sql(
        "002_t",
        "do $$ begin execute format('create table t%s ()', nextval('s')); end $$;",
        rollback="do $$ begin execute format('drop table t%s', currval('s')); end $$;",
    )
    made = verify()
    assert set(rules(made)) <= {"verify/not-again", "verify/rollback-failed"}
    assert made.findings


def test_rows_that_a_rollback_loses_are_found(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t (n int, s text);", rollback="drop table t;")
    project.sql("002_rows", "insert into t values (1, 'a'), (2, 'b');", rollback="delete from t;")
    project.sql("003_column", "alter table t drop s;", rollback="alter table t add s text;")
    project.sql("004_gone", "drop table t;", rollback="create table t (n int);")
    made = verify()
    assert rules(made) == ["verify/loses-data", "verify/loses-data"]
    assert [one.facts[0] for one in made.findings] == [
        "`public.t.s` holds 0 where there were 2",
        "`public.t` holds 0 where there were 2",
    ]


def test_a_migration_that_fails_stops_and_says_what_is_left(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t ();", rollback="drop table t;")
    project.sql("002_bad", "create table t ();", rollback="drop table t;")
    project.sql("003_u", "create table u ();", rollback="drop table u;")
    made = verify()
    (one,) = made.findings
    assert (one.rule, one.migration) == ("verify/not-applied", "002_bad")
    assert made.missing == ("1 migration after it could not be proved",)


def test_only_what_is_named_is_proved(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t ();", rollback="select 1;")
    project.sql("002_u", "create table u ();", rollback="select 1;")
    project.sql("003_v", "create table v ();", rollback="select 1;")
    assert [one.migration for one in verify("2").findings] == ["002_u"]
    assert [one.migration for one in verify("003_v", "1").findings] == ["001_t", "003_v"]
    with pytest.raises(UsageError, match="004"):
        verify("004")


def test_one_without_a_rollback_weighs_what_the_manifest_says(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t ();")
    project.sql("002_nothing", "select 1;")
    (one,) = verify().findings
    assert (one.rule, one.severity, one.migration) == ("rollback/missing", Severity.NOTE, "001_t")
    project.change(lint={"severity": {"rollback/missing": "error"}})
    assert [one.severity for one in verify().findings] == [Severity.ERROR]
    project.change(lint={"severity": {"rollback/missing": "off"}})
    assert found(verify()) == []


def test_code_runs_and_is_undone(project: ProjectFolder, verify: Verify) -> None:
    project.python(
        "001_t",
        "def execute(ctx):\n    ctx.execute('create table t ()')\n\n"
        "def rollback(ctx):\n    ctx.execute('drop table t')\n",
    )
    project.python("002_u", "def execute(ctx):\n    ctx.execute('create table u ()')\n")
    project.python(
        "003_v",
        "def execute(ctx):\n    ctx.execute('create table v ()')\n\ndef rollback(ctx):\n    pass\n",
    )
    assert [(one.rule, one.migration) for one in verify().findings] == [
        ("rollback/missing", "002_u"),
        ("verify/left", "003_v"),
    ]


def test_rounds_run_and_are_undone(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t (id int primary key, n int);", rollback="drop table t;")
    project.sql("002_rows", "insert into t select g from generate_series(1, 25) g;", rollback="delete from t;")
    project.sql(
        "003_fill",
        "update t set n = 1 from (select id from t where id > :cursor order by id limit :size) as part"
        " where t.id = part.id returning t.id;",
        rollback="update t set n = null;",
        batch={"size": 10, "start": 0},
    )
    assert found(verify()) == []


def test_a_repeatable_runs_twice(project: ProjectFolder, verify: Verify) -> None:
    project.sql("005_t", "create table t (n int);", rollback="drop table t;")
    (project.folder / "v.rollback.sql").write_text("drop view v;", encoding="utf-8")
    project.repeatable("001_view", "create or replace view v as select n from t;", rollback="v.rollback.sql")
    assert found(verify()) == []
    project.repeatable("002_again", "create table r ();")
    made = verify()
    assert rules(made) == ["verify/not-repeatable"]
    assert "run a second time" in made.findings[0].message


def test_a_repeatable_that_changes_something_the_second_time_is_found(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_t", "create table t (n int);", rollback="drop table t;")
    project.repeatable("002_rows", "insert into t values (1);")
    project.repeatable("003_index", "create index on t (n);")
    made = verify()
    assert rules(made) == ["verify/not-repeatable", "verify/not-repeatable"]
    assert "how many rows are in `public.t`" in made.findings[0].message
    assert "makes index `public.t_n_idx1`" in made.findings[1].message


@pytest.mark.parametrize("repeat", ["checksum", {"condition": "select true"}], ids=["checksum", "condition"])
def test_what_one_repeatable_does_is_not_laid_to_another(
    project: ProjectFolder, verify: Verify, repeat: object
) -> None:
    project.sql("001_t", "create table t (n int);", rollback="drop table t;")
    project.repeatable("002_rows", "insert into t values (1);", repeat=repeat)
    (project.folder / "v.rollback.sql").write_text("drop view v;", encoding="utf-8")
    project.repeatable("003_view", "create or replace view v as select n from t;", rollback="v.rollback.sql")
    project.repeatable("004_comment", "comment on table t is 'many';")
    made = verify()
    assert [(one.rule, one.migration) for one in made.findings] == [("verify/not-repeatable", "002_rows")]


def test_a_migration_may_end_all_other_sessions_in_its_database(project: ProjectFolder, verify: Verify) -> None:
    others = "pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    end = (
        f"select pg_terminate_backend(pid) from {others}; do $$ begin for number in 1..5000 loop "
        f"exit when not exists (select from {others}); perform pg_stat_clear_snapshot(), pg_sleep(0.002); "
        "end loop; end $$;"
    )
    project.sql("001_t", f"{end} create table t ();", rollback=f"{end} drop table t;")
    project.sql("002_u", "create table u ();", rollback=f"select 1; {end}")
    assert found(verify()) == [("verify/left", "the rollback of `002_u` leaves table `public.u`")]


def test_a_verify_query_that_is_not_true_is_a_migration_that_cannot_be_applied(
    project: ProjectFolder, verify: Verify
) -> None:
    project.sql("001_t", "create table t ();", rollback="drop table t;", verify="select exists (select from t)")
    (one,) = verify().findings
    assert (one.rule, str(one.hint)) == ("verify/not-applied", "correct the migration or its verify query")


def test_what_is_not_compared_is_counted(project: ProjectFolder, verify: Verify) -> None:
    set_ = "do $$ begin execute format('alter database %I set work_mem = 64', current_database()); end $$;"
    reset = "do $$ begin execute format('alter database %I reset work_mem', current_database()); end $$;"
    project.sql("001_kept", f"select lo_create(7); {set_}", rollback=f"select lo_unlink(7); {reset}")
    project.sql("002_left", "select lo_create(0);", rollback="select 1;")
    (one,) = verify().findings
    assert (one.rule, one.severity, one.migration) == ("verify/leaves-uncovered", Severity.NOTE, "002_left")
    assert "another number of large objects, which are not compared" in one.message
    assert one.facts == ("2 where there was 1",)


def test_roles_that_migrations_make_are_gone_afterwards(
    project: ProjectFolder, verify: Verify, connection: psycopg.Connection
) -> None:
    role, other = f"zmig_{os.getpid()}_made", f"zmig_{os.getpid()}_meanwhile"
    project.sql("001_role", f'create role "{role}"; create table t (); grant select on t to "{role}";')
    project.sql("002_other", f"do $$ begin create role {other}; end $$;", rollback=f"drop role {other};")
    project.sql("003_left", "create table u ();", rollback="select 1;")
    found_each_time = [("verify/left", "the rollback of `003_left` leaves table `public.u`")]
    try:
        for _ in range(2):
            assert [one for one in found(verify()) if one[0] != "rollback/missing"] == found_each_time
        rows = connection.execute("select rolname from pg_roles where rolname = any(%s)", ([role, other],)).fetchall()
        assert rows == []
    finally:
        connection.execute(f"drop role if exists {role}, {other}".encode())


def test_nothing_is_left_on_the_server(
    project: ProjectFolder, verify: Verify, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create, clone = scratch.Scratch.create, scratch.Scratch.clone

    def created(place: scratch.Scratch) -> str:
        made.append(create(place))
        return made[-1]

    def cloned(place: scratch.Scratch, of: str) -> str:
        made.append(clone(place, of))
        return made[-1]

    monkeypatch.setattr(scratch.Scratch, "create", created)
    monkeypatch.setattr(scratch.Scratch, "clone", cloned)
    project.sql("001_t", "create table t ();", rollback="select 1;")
    project.sql("002_t", "create table u ();", rollback="drop table missing;")
    verify()
    names = [str(conninfo_to_dict(url)["dbname"]) for url in made]
    with psycopg.connect(server) as connection:
        question = "select count(*) from pg_database where datname = any(%s)"
        assert connection.execute(question, [names]).fetchone() == (0,)
    assert len(names) > 2


def test_a_role_that_the_server_lacks_is_named_or_made(
    project: ProjectFolder, verify: Verify, worker_name: str
) -> None:
    project.sql("001_t", f'create table t (); grant select on t to "{worker_name} app";', rollback="drop table t;")
    (one,) = verify().findings
    assert one.rule == "verify/not-applied"
    assert one.hint == f'run `create role "{worker_name} app" nologin` on the scratch server'
    project.change(verify={"any_version": True})
    ended = run("verify", project.manifest)
    assert (ended.code, ended.stdout) == (0, ""), ended.stderr


def test_an_extension_that_the_server_lacks_is_named(project: ProjectFolder, verify: Verify) -> None:
    project.sql("001_x", "create extension nowhere_to_be_found;")
    (one,) = verify().findings
    assert one.hint == "name a server that has the extension `nowhere_to_be_found` with `--scratch-url`"


def test_only_what_is_new_since_a_revision_is_proved(
    project: ProjectFolder, server: str, repository: Callable[..., str]
) -> None:
    project.sql("001_t", "create table t ();", rollback="select 1;")
    repository("add", ".")
    repository("commit", "-m", "one")
    project.sql("002_u", "create table u ();", rollback="select 1;")
    project.sql("003_v", "create table v ();", rollback="drop table v;")
    ended = run("verify", project.manifest, "--base", "main", "--scratch-url", server, "--json")
    document = json.loads(ended.stdout)
    assert ended.code == 1
    assert [one["migration"] for one in document["findings"]] == ["002_u"]
    assert (document["proved"], document["not_proved"]) == (["003_v"], ["002_u"])
    assert document["findings"][0]["details"]
    (project.folder / "001_t.rollback.sql").write_text("drop table t; -- at last", encoding="utf-8")
    ended = run("verify", project.manifest, "--base", "main", "--scratch-url", server, "--json")
    assert json.loads(ended.stdout)["proved"] == ["001_t", "003_v"]
    ended = run("verify", project.manifest, "--base", "nowhere", "--scratch-url", server)
    assert (ended.code, "nowhere" in ended.stderr) == (2, True)


def test_what_has_no_rollback_is_not_called_proved(project: ProjectFolder, server: str) -> None:
    project.sql("001_t", "create table t ();", rollback="drop table t;")
    project.sql("002_u", "create table u ();")
    project.repeatable("003_v", "create or replace view v as select from t;")
    ended = run("verify", project.manifest, "--scratch-url", server, "--json")
    document = json.loads(ended.stdout)
    assert [document[key] for key in ("proved", "not_proved", "without_rollback")] == [
        ["001_t", "003_v"],
        [],
        ["002_u"],
    ]
    said = [json.loads(line) for line in ended.stderr.splitlines() if "proof-finished" in line]
    assert {one["name"]: one["proved"] for one in said} == {"001_t": True, "002_u": None, "003_v": True}


def test_what_is_secret_is_masked_in_definitions(project: ProjectFolder, server: str) -> None:
    project.change(variables={"word": "${THE_WORD}"})
    body = "create function f() returns text language sql as $$ select '${word}'::text $$;"
    text = f"create table t (a text default '${{word}}'); {body}"
    project.sql("001_t", text, rollback="select 1;", variables=True)
    words = ("verify", project.manifest, "--scratch-url", server)
    for more in ((), ("--json",)):
        ended = run(*words, *more, environ={"THE_WORD": "open-sesame-3141"})
        assert (ended.code, "function" in ended.stdout or "routine" in ended.stdout) == (1, True)
        assert "sesame" not in ended.stdout + ended.stderr


def test_a_base_needs_git(project: ProjectFolder, server: str) -> None:
    project.sql("001_t", "create table t ();")
    ended = run("verify", project.manifest, "--base", "main", "--scratch-url", server)
    assert (ended.code, "no git repository" in ended.stderr) == (2, True)


def test_a_manifest_that_cannot_be_read_is_an_error(project: ProjectFolder, server: str) -> None:
    project.sql("001_t", "select 1;").unlink()
    ended = run("verify", project.manifest, "--scratch-url", server)
    assert (ended.code, "001_t.sql" in ended.stderr) == (2, True)


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif", "junit"])
def test_findings_have_the_forms_of_lint(project: ProjectFolder, server: str, form: str) -> None:
    project.sql("001_t", "create table t ();", rollback="select 1;")
    ended = run("verify", project.manifest, "--scratch-url", server, "--format", form)
    assert ended.code == 1
    assert "leaves table" in ended.stdout
    assert "verify/left" in ended.stdout
    if form == "sarif":
        (rule,) = json.loads(ended.stdout)["runs"][0]["tool"]["driver"]["rules"]
        assert rule["shortDescription"]["text"] == "a rollback leaves something"


def test_many_are_proved_by_two_servers_as_by_one(project: ProjectFolder) -> None:
    project.change(verify={"any_version": True})
    for number in range(1, 31):
        undo = "select 1;" if number in (3, 29) else f"drop table t{number};"
        project.sql(f"{number:03}_t", f"create table t{number} ();", rollback=undo)
    project.repeatable("031_v", "create or replace view v as select from t1;")
    ended = run("verify", project.manifest, "--json")
    document = json.loads(ended.stdout)
    assert [one["migration"] for one in document["findings"]] == ["003_t", "029_t"]
    assert (len(document["proved"]), document["not_proved"]) == (29, ["003_t", "029_t"])


@pytest.mark.parametrize("many", [1, 30])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_nothing(
    project: ProjectFolder, tmp_path: Path, number: signal.Signals, many: int
) -> None:
    """A folder of the test's own holds the private servers, so that those of other tests are none of them."""
    project.change(verify={"any_version": True})
    for version in range(1, many + 1):
        project.sql(f"{version:03}_t", f"create table t{version} ();", rollback="select pg_sleep(60);")
    marker = tmp_path / "servers"
    marker.mkdir()
    program = (
        "-c",
        "import sys; from pathlib import Path; from zmig.verification import scratch; folder = Path(sys.argv.pop(1));"
        "scratch._parent = lambda: folder; from zmig.cli.main import main; sys.exit(main())",
    )
    with Process(marker, "verify", project.manifest, "--json", program=program) as process:
        while not _is_rolling_back(marker):
            assert process.is_running, process.stderr
            time.sleep(0.02)
        process.send(number)
        ended = process.wait()
    assert ended.code == 128 + number, ended.stderr
    assert json.loads(ended.stdout)["error"]["code"] == "interrupted"
    assert list(marker.iterdir()) == []


def _is_rolling_back(servers: Path) -> bool:
    """Whether a rollback runs on one of the private servers."""
    for folder in servers.glob("zmig-scratch-*/server"):
        private = EmbeddedServer(folder)
        if private.is_running():
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(private.url()) as connection:
                question = "select count(*) from pg_stat_activity where state = 'active' and wait_event = 'PgSleep'"
                if connection.execute(question).fetchone() != (0,):
                    return True
    return False
